//! The server itself: Docker's API, Compose's command and the file system behind one face.
//!
//! It does what it is asked and decides nothing. What it finds out about the server, such as which
//! Compose there is, it asks once.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::sync::OnceCell;

use crate::archive::catalogue::Listed;
use crate::archive::restore::Data;
use crate::archive::{Description, Release};
use crate::event::Failure;
use crate::host::cmd::Cmd;
use crate::host::compose::{self, Compose, Version};
use crate::host::{
    Config, Container, Engine, Fetched, Host, Image, Lines, Login, Making, Progress, Recreate,
    Result, docker, http, site,
};
use crate::plan::{Expect, Plan, Private, Site};
use crate::saga::facts::{Parts, RunDir};
use crate::saga::steps::backup::Order;
use crate::secret::Secret;

/// Where Docker looks for the Compose plugin, besides the user's own directory.
const PLUGINS: [&str; 4] = [
    "/usr/local/lib/docker/cli-plugins",
    "/usr/local/libexec/docker/cli-plugins",
    "/usr/lib/docker/cli-plugins",
    "/usr/libexec/docker/cli-plugins",
];

/// A server and one deploy directory on it.
pub struct Server {
    site: Site,
    http: reqwest::Client,
    engine: OnceCell<docker::Engine>,
    compose: OnceCell<Compose>,
}

impl Server {
    /// This machine, for a site on it.
    pub fn new(site: &Site) -> Result<Self> {
        Ok(Self {
            site: site.clone(),
            http: http::client()?,
            engine: OnceCell::new(),
            compose: OnceCell::new(),
        })
    }

    async fn docker(&self) -> Result<&docker::Engine> {
        self.engine.get_or_try_init(docker::connect).await
    }

    async fn compose(&self) -> Result<&Compose> {
        self.compose.get_or_try_init(find_compose).await
    }
}

/// Finds Compose: the plugin's own file, which starts faster than through `docker`; `docker
/// compose`; or the Compose 1 of the past.
async fn find_compose() -> Result<Compose> {
    let docker = vec!["docker".to_owned(), "compose".to_owned()];
    let mut programs: Vec<Vec<String>> = plugin().into_iter().map(|p| vec![p]).collect();
    programs.push(docker);
    programs.push(vec!["docker-compose".to_owned()]);
    let mut last = None;
    for program in programs {
        let cmd = Cmd::new(&program[0])
            .args(&program[1..])
            .args(["version", "--short"])
            .within(Duration::from_secs(20));
        match cmd.run().await {
            Ok(output) => {
                if let Some(version) = Version::parse(&output.stdout) {
                    return Ok(Compose { program, version });
                }
            }
            Err(failure) => last = Some(failure),
        }
    }
    let failure = Failure::new("Docker Compose was not found on the server")
        .hint("install it: `sudo apt-get install docker-compose-plugin`");
    Err(match last {
        Some(cause) => failure.because(cause),
        None => failure,
    })
}

fn plugin() -> Option<String> {
    let own = std::env::var("HOME").map(|home| format!("{home}/.docker/cli-plugins"));
    let dirs = own.into_iter().chain(PLUGINS.map(ToOwned::to_owned));
    dirs.map(|dir| format!("{dir}/docker-compose"))
        .find(|file| Path::new(file).is_file())
}

impl Host for Server {
    fn at(&self, site: &Site) -> Self {
        Self {
            site: site.clone(),
            http: self.http.clone(),
            engine: self.engine.clone(),
            compose: self.compose.clone(),
        }
    }

    async fn check_site(&self) -> Result<()> {
        site::check(&self.site)
    }

    async fn check_room(&self, exclude: &[String]) -> Result<()> {
        site::check_room(&self.site, exclude)
    }

    async fn check_image_room(&self, bytes: u64) -> Result<()> {
        let root = self.docker().await?.root().await?;
        site::check_image_room(&root, bytes)
    }

    async fn lay_stage(&self, plan: &Plan, private: &Private, run: &RunDir) -> Result<PathBuf> {
        site::lay_stage(plan, private, run)
    }

    async fn strike_stage(&self, run: &RunDir) -> Result<()> {
        site::strike_stage(run)
    }

    async fn put_files(&self, plan: &Plan, private: &Private, run: &RunDir) -> Result<Vec<String>> {
        site::put_files(plan, private, run)
    }

    async fn backup(
        &self,
        plan: &Plan,
        order: &Order<'_>,
        run: &RunDir,
    ) -> Result<(Description, Vec<String>)> {
        site::backup(plan, order, run)
    }

    async fn clear_partial(&self, current_id: &str) -> Result<()> {
        site::clear_partial(&self.site, current_id)
    }

    fn archive_path(&self, description: &Description) -> PathBuf {
        self.site.backup_dir.join(&description.archive.file)
    }

    async fn restore(
        &self,
        description: &Description,
        parts: &Parts,
        data: Data,
        run: &RunDir,
    ) -> Result<Vec<String>> {
        site::restore(&self.site, description, parts, data, run)
    }

    async fn backups(&self) -> Result<Vec<Listed>> {
        site::backups(&self.site)
    }

    async fn latest<'l>(&self, listed: &'l [Listed], release: &Release) -> Result<&'l Listed> {
        site::latest(&self.site, listed, release)
    }

    async fn drop_backup(&self, timestamp: &str) -> Result<()> {
        site::drop_backup(&self.site, timestamp)
    }

    async fn references(&self, repository: &str) -> Result<Vec<String>> {
        self.docker().await?.references(repository).await
    }

    async fn engine(&self) -> Result<Engine> {
        let (docker, compose) = tokio::join!(self.docker(), self.compose());
        Ok(Engine {
            docker: docker?.version.clone(),
            compose: compose?.version,
        })
    }

    async fn config(&self, dir: &Path) -> Result<Config> {
        let compose = self.compose().await?;
        let output = compose.config(&self.site, dir).run().await;
        let output = output.map_err(|f| refuse_config(f, &self.site))?;
        compose::read_config(&output, &self.site, compose.version)
    }

    async fn hashes(&self, project: &str) -> Result<Vec<(String, String)>> {
        let output = self
            .compose()
            .await?
            .hashes(&self.site, project)
            .run()
            .await?;
        Ok(compose::read_hashes(&output.stdout).into_iter().collect())
    }

    async fn containers(&self, project: &str) -> Result<Vec<Container>> {
        self.docker().await?.containers(project).await
    }

    async fn networks(&self, project: &str) -> Result<Vec<String>> {
        self.docker().await?.networks(project).await
    }

    async fn image(&self, reference: &str) -> Result<Option<Image>> {
        self.docker().await?.image(reference).await
    }

    async fn pull(
        &self,
        reference: &str,
        platform: Option<&str>,
        login: Option<&Login>,
        progress: Progress<'_>,
    ) -> Result<Fetched> {
        let docker = self.docker().await?;
        docker.pull(reference, platform, login, progress).await
    }

    async fn tag(&self, image_id: &str, reference: &str) -> Result<()> {
        self.docker().await?.tag(image_id, reference).await
    }

    async fn untag(&self, reference: &str) -> Result<()> {
        self.docker().await?.untag(reference).await
    }

    async fn build(&self, project: &str, services: &[String], lines: Lines<'_>) -> Result<()> {
        let cmd = self.compose().await?.build(&self.site, project, services);
        cmd.run_telling(lines).await.map(|_| ())
    }

    async fn up(
        &self,
        project: &str,
        services: &[String],
        recreate: Recreate,
        lines: Lines<'_>,
    ) -> Result<()> {
        let compose = self.compose().await?;
        let cmd = compose.up(&self.site, project, services, recreate);
        cmd.run_telling(lines).await.map(|_| ())
    }

    async fn create(&self, project: &str, making: &Making, lines: Lines<'_>) -> Result<()> {
        let compose = self.compose().await?;
        let cmd = compose.create(&self.site, project, making);
        cmd.run_telling(lines).await.map(|_| ())
    }

    async fn start(&self, containers: &[String]) -> Result<()> {
        self.docker().await?.start(containers).await
    }

    async fn remove_empty(&self, paths: &[String]) -> Result<()> {
        site::remove_empty(&self.site, paths);
        Ok(())
    }

    async fn stop(&self, containers: &[String]) -> Result<()> {
        self.docker().await?.stop(containers).await
    }

    async fn remove(&self, containers: &[String]) -> Result<()> {
        self.docker().await?.remove(containers).await
    }

    async fn remove_network(&self, name: &str) -> Result<()> {
        self.docker().await?.remove_network(name).await
    }

    async fn rename(&self, container: &str, name: &str) -> Result<()> {
        self.docker().await?.rename(container, name).await
    }

    async fn logs(&self, container: &str, lines: u32) -> Result<Vec<String>> {
        self.docker().await?.logs(container, lines).await
    }

    async fn exec(&self, container: &str, command: &[String]) -> Result<(i64, String)> {
        self.docker().await?.exec(container, command).await
    }

    async fn hook(
        &self,
        run: &RunDir,
        script: &Secret,
        env: &[(String, String)],
        lines: Lines<'_>,
    ) -> Result<()> {
        let file = write_script(run, script)?;
        let mut cmd = Cmd::new("sh")
            .arg(file.path().to_string_lossy())
            .dir(&self.site.deploy_dir)
            .within(Duration::from_hours(1));
        for (name, value) in env {
            cmd = cmd.env(name, value);
        }
        cmd.run_telling(lines).await.map(|_| ())
    }

    async fn http(&self, url: &str, expect: &Expect) -> Result<String> {
        http::ask_hedged(&self.http, url, expect).await
    }

    async fn tcp(&self, address: &str) -> Result<String> {
        http::connect(address).await
    }
}

/// A hook may hold a secret, so its text is in no argument list; the file goes when it has run.
fn write_script(run: &RunDir, script: &Secret) -> Result<tempfile::NamedTempFile> {
    let write = || -> std::io::Result<tempfile::NamedTempFile> {
        let file = tempfile::NamedTempFile::with_prefix_in("hook-", run.path())?;
        fs::write(file.path(), format!("set -e\n{}\n", script.expose()))?;
        Ok(file)
    };
    write().map_err(|e| Failure::new("cannot write the hook down").because(e))
}

/// Compose refuses the files: that is a fault of theirs, so say which ones.
fn refuse_config(failure: Failure, site: &Site) -> Failure {
    let mut refused = Failure::new(format!(
        "Compose refuses the files in `{}`",
        site.deploy_dir.display()
    ));
    refused.kind = failure.kind;
    refused.because = if failure.because.is_empty() {
        vec![failure.what]
    } else {
        failure.because
    };
    refused
        .hint("run `docker compose config` with the same files; it names the line")
        .hint("if there is no compose file yet, ship it with the input `files`")
}
