//! The server itself: Docker's API, Compose's command and the file system behind one face.
//!
//! It does what it is asked and decides nothing. What it finds out about the server, such as which
//! Compose there is, it asks once.

mod logs;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::fs::{MemfdFlags, memfd_create};
use serde_json::Value;
use tokio::sync::{Mutex, OnceCell};

use crate::files::archive::catalogue::Listed;
use crate::files::archive::choice::Standings;
use crate::files::archive::restore::Data;
use crate::files::archive::verify::verify;
use crate::files::generation;
use crate::files::rundir::{RunDir, name};
use crate::files::tree::home::{self, Identity};
use crate::files::tree::scope::OWN_NAME;
use crate::files::tree::{Differing, Home};
use crate::host::cmd::Cmd;
use crate::host::compose::{self, Compose, surroundings};
use crate::host::docker::logins::Logins;
use crate::host::ground::Ground;
use crate::host::whose::{Base, Whose, whose};
use crate::host::{
    Config, Container, Engine, Fetched, Host, Image, Kept, Login, Making, Network, Occupant,
    Others, Recreate, Rehearsed, Restored, Surroundings, Telling, Volumes, Writer, docker,
    endpoint, http, site, sockets,
};
use crate::words::backup::Order;
use crate::words::backup::Parts;
use crate::words::backup::{Description, Release};
use crate::words::event::Failure;
use crate::words::plan::{Expect, Plan, Private, Site};
use crate::words::report::foreseen::FileForeseen;
use crate::words::secret::Secret;
use crate::words::{Lines, Result};

/// The longest configuration that is read, in bytes.
const CONFIG: usize = 16 * 1024 * 1024;

/// A server and one deploy directory on it.
pub struct Server {
    site: Site,
    http: reqwest::Client,
    engine: OnceCell<docker::Engine>,
    compose: OnceCell<Compose>,
    files: Arc<Mutex<()>>,
    ground: Arc<std::sync::Mutex<Option<Ground>>>,
}

impl Server {
    /// This machine, for a site on it.
    pub fn new(site: &Site) -> Result<Self> {
        Ok(Self {
            site: site.clone(),
            http: http::client()?,
            engine: OnceCell::new(),
            compose: OnceCell::new(),
            files: Arc::default(),
            ground: Arc::default(),
        })
    }

    /// Where the run stands; before there is a lock, what the paths lead to now.
    fn ground(&self) -> Result<Ground> {
        if let Some(ground) = self.stands_on() {
            return Ok(ground);
        }
        let shown = self.site.deploy_dir.display();
        Ground::open(&self.site)
            .map_err(|e| Failure::new(format!("cannot open `{shown}`")).because(e))
    }

    fn stands_on(&self) -> Option<Ground> {
        let ground = self.ground.lock();
        ground.map_or(None, |ground| ground.clone())
    }

    /// Lets a command that takes paths work, and sees to it that they lead where the run stands, right
    /// before and right after.
    async fn on_ground<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        let Some(ground) = self.stands_on() else {
            return work.await;
        };
        ground.confirm()?;
        let done = work.await;
        match (ground.confirm(), done) {
            (Ok(()), done) => done,
            (Err(moved), Ok(_)) => Err(moved),
            (Err(moved), Err(failure)) => Err(moved.because(failure)),
        }
    }

    async fn docker(&self) -> Result<&docker::Engine> {
        self.engine.get_or_try_init(docker::connect).await
    }

    async fn compose(&self) -> Result<&Compose> {
        let state = self.site.backup_dir.join(OWN_NAME);
        let found = self.compose.get_or_try_init(|| compose::find::find(&state));
        found.await
    }

    /// The containers of this site and those of others, all under one project's name.
    fn shared(&self, all: Vec<Container>) -> (Vec<Container>, Vec<Container>) {
        let base = Base::of(&self.site);
        let is_ours = |c: &Container| !matches!(whose(&base, &c.made()), Whose::Foreign(_));
        all.into_iter().partition(is_ours)
    }

    /// Does file work beside this thread, so that deadlines and cancels go on being heard.
    ///
    /// A thread cannot be stopped: work that is abandoned goes on, and whatever touches files next
    /// waits until it has ended. The work is told whether it has been abandoned.
    async fn beside<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Abandoned) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let turn = self.files.clone().lock_owned().await;
        let abandoned = Abandoned::default();
        let asked = Holder(abandoned.clone());
        let done = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            work(&abandoned)
        });
        let done = done.await;
        drop(asked);
        done.map_err(|e| Failure::new("work on files broke off").because(e))?
    }
}

/// Whether nobody waits for a piece of work any more.
#[derive(Clone, Default)]
struct Abandoned(Arc<AtomicBool>);

impl Abandoned {
    fn get(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

/// Somebody who waits for a piece of work, for as long as it lives.
struct Holder(Abandoned);

impl Drop for Holder {
    fn drop(&mut self) {
        self.0.0.store(true, Ordering::SeqCst);
    }
}

impl Host for Server {
    fn at(&self, site: &Site) -> Self {
        Self {
            site: site.clone(),
            http: self.http.clone(),
            engine: self.engine.clone(),
            compose: self.compose.clone(),
            files: self.files.clone(),
            ground: self.ground.clone(),
        }
    }

    fn stand_on(&self, home: &Home) {
        if let Ok(mut ground) = self.ground.lock() {
            *ground = Some(Ground::of(home, &self.site));
        }
    }

    fn here(&self, site: &Site) -> PathBuf {
        let ground = self.stands_on();
        ground.map_or_else(|| site.deploy_dir.clone(), |g| g.deploy().here())
    }

    async fn confirm(&self) -> Result<()> {
        self.stands_on().map_or(Ok(()), |ground| ground.confirm())
    }

    async fn confirm_is(&self, was: &Identity) -> Result<()> {
        match self.stands_on() {
            Some(ground) => ground.deploy().confirm_is(was),
            None => Err(home::gone(&self.site.deploy_dir)),
        }
    }

    async fn check_site(&self) -> Result<()> {
        site::check(&self.site)
    }

    async fn check_room(&self, exclude: &[String]) -> Result<()> {
        let (ground, site, exclude) = (self.ground()?, self.site.clone(), exclude.to_vec());
        self.beside(move |_| site::check_room(&ground, &site, &exclude))
            .await
    }

    async fn check_files(&self, plan: &Plan, private: &Private, run: &RunDir) -> Result<()> {
        let ground = self.ground()?;
        let (plan, private, run) = (plan.clone(), private.clone(), run.clone());
        self.beside(move |_| site::check_files(&ground, &plan, &private, &run))
            .await
    }

    async fn check_target(&self, description: &Description) -> Result<()> {
        let (ground, site) = (self.ground()?, self.site.clone());
        let description = description.clone();
        self.beside(move |_| site::check_target(&ground, &site, &description))
            .await
    }

    async fn check_image_room(&self, bytes: u64) -> Result<()> {
        site::check_image_room(&self.docker().await?.root().await, bytes)
    }

    async fn lay_stage(&self, plan: &Plan, private: &Private, run: &RunDir) -> Result<PathBuf> {
        let (plan, private, run) = (plan.clone(), private.clone(), run.clone());
        fault!(around "stage.lay" => self.beside(move |_| site::lay_stage(&plan, &private, &run)).await)
    }

    async fn strike_stage(&self, run: &RunDir) -> Result<()> {
        let run = run.clone();
        fault!(around "stage.strike" => self.beside(move |_| site::strike_stage(&run)).await)
    }

    async fn put_files(&self, plan: &Plan, private: &Private, run: &RunDir) -> Result<Vec<String>> {
        let ground = self.ground()?;
        let (plan, private, run) = (plan.clone(), private.clone(), run.clone());
        fault!(around "files.put" => self.beside(move |_| site::put_files(&ground, &plan, &private, &run)).await)
    }

    async fn backup(
        &self,
        plan: &Plan,
        order: &Order<'_>,
        run: &RunDir,
    ) -> Result<(Description, Vec<String>)> {
        let ground = self.ground()?;
        let (plan, run, purpose) = (plan.clone(), run.clone(), order.purpose);
        let made_by = order.made_by.clone();
        let (release, parts) = (order.release.clone(), order.parts.clone());
        fault!(around "backup" => self.beside(move |abandoned| {
            let order = Order {
                purpose,
                release: &release,
                parts: &parts,
                made_by,
            };
            let made = site::backup(&ground, &plan, &order, &run)?;
            // Nobody will ever note that it was made.
            if abandoned.get() {
                site::drop_backup(&ground, &plan.site, &made.0.timestamp)?;
            }
            Ok(made)
        })
        .await)
    }

    async fn clear_partial(&self, last_id: &str) -> Result<()> {
        let (ground, site, id) = (self.ground()?, self.site.clone(), last_id.to_owned());
        self.beside(move |_| site::clear_partial(&ground, &site, &id))
            .await
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
    ) -> Result<Restored> {
        let ground = self.ground()?;
        let (site, description) = (self.site.clone(), description.clone());
        let (parts, run) = (parts.clone(), run.clone());
        fault!(around "restore" => self
            .beside(move |_| site::restore(&ground, &site, &description, &parts, data, &run))
            .await)
    }

    async fn differing(
        &self,
        description: &Description,
        parts: &Parts,
        run: &RunDir,
    ) -> Result<Vec<Differing>> {
        let (ground, site) = (self.ground()?, self.site.clone());
        let (description, parts, run) = (description.clone(), parts.clone(), run.clone());
        self.beside(move |_| site::differing(&ground, &site, &description, &parts, &run))
            .await
    }

    async fn generation(&self) -> Result<Option<String>> {
        generation::read(self.ground()?.deploy())
    }

    async fn set_generation(&self, run: Option<&str>) -> Result<()> {
        generation::write(self.ground()?.deploy(), run)
    }

    async fn listed_within(
        &self,
        description: &Description,
        data: &[String],
        exclude: &[String],
    ) -> Result<Vec<String>> {
        let ground = self.ground()?;
        let (site, description) = (self.site.clone(), description.clone());
        let (data, exclude) = (data.to_vec(), exclude.to_vec());
        self.beside(move |_| site::listed_within(&ground, &site, &description, &data, &exclude))
            .await
    }

    async fn backups(&self) -> Result<Vec<Listed>> {
        let (ground, site) = (self.ground()?, self.site.clone());
        self.beside(move |_| site::backups(&ground, &site)).await
    }

    async fn check_backup(&self, description: &Description) -> Result<()> {
        let archive = self.archive_path(description);
        self.beside(move |_| verify(&archive)).await
    }

    async fn standings<'l>(
        &self,
        listed: &'l [Listed],
        release: &Release,
    ) -> Result<Standings<'l>> {
        site::standings(&self.ground()?, &self.site, listed, release)
    }

    async fn drop_backup(&self, timestamp: &str) -> Result<()> {
        let ground = self.ground()?;
        let (site, timestamp) = (self.site.clone(), timestamp.to_owned());
        fault!(around "backup.drop" => self.beside(move |_| site::drop_backup(&ground, &site, &timestamp)).await)
    }

    async fn references(&self, repository: &str) -> Result<Vec<String>> {
        self.docker().await?.references(repository).await
    }

    async fn is_back(&self) -> bool {
        docker::is_back().await
    }

    async fn until_quiet(&self, project: &str) {
        if let Ok(docker) = self.docker().await {
            docker.until_quiet(project).await;
        }
    }

    fn socket(&self) -> Option<String> {
        endpoint::endpoint().ok().map(|endpoint| endpoint.socket)
    }

    async fn engine(&self) -> Result<Engine> {
        let (docker, compose) = tokio::join!(self.docker(), self.compose());
        let docker = docker?;
        Ok(Engine {
            docker: docker.version.clone(),
            compose: compose?.version,
            socket: docker.socket.clone(),
        })
    }

    async fn config(&self, dir: &Path) -> Result<Config> {
        let compose = self.compose().await?;
        let cmd = compose.config(&self.site, dir).whole(CONFIG);
        let output = fault!(around "compose.config" => self.on_ground(cmd.run()).await);
        let output = output.map_err(|f| compose::files::refuse(f, &self.site, dir))?;
        compose::read_config(&output, &self.site, compose.version)
    }

    async fn coming(
        &self,
        plan: &Plan,
        private: &Private,
        run: &RunDir,
    ) -> Result<Vec<FileForeseen>> {
        let ground = self.ground()?;
        let (plan, private, run) = (plan.clone(), private.clone(), run.clone());
        self.beside(move |_| site::coming(&ground, &plan, &private, &run))
            .await
    }

    async fn services_in(&self, dir: &Path, stage: &Path) -> Result<BTreeMap<String, Value>> {
        let compose = self.compose().await?;
        let cmd = compose.config(&self.site, dir).whole(CONFIG);
        let output = self.on_ground(cmd.run()).await;
        let output = output.map_err(|f| compose::files::refuse(f, &self.site, dir))?;
        compose::read_services(&output, compose.version, stage)
    }

    async fn digest(&self, reference: &str, login: Option<&Login>) -> Result<String> {
        self.docker().await?.by_digest(reference, login).await
    }

    async fn every_profile(&self, dir: &Path) -> Result<Option<Config>> {
        let compose = self.compose().await?;
        if compose.version.is_one() || !compose::files::may_name_profiles(&self.site, dir) {
            return Ok(None);
        }
        let cmd = compose.every_profile(&self.site, dir).whole(CONFIG);
        let output = self.on_ground(cmd.run()).await;
        let output = output.map_err(|f| compose::files::refuse(f, &self.site, dir))?;
        compose::read_config(&output, &self.site, compose.version).map(Some)
    }

    async fn containers(&self, project: &str) -> Result<Vec<Container>> {
        let all =
            fault!(around "containers.look" => self.docker().await?.containers(project).await);
        Ok(self.shared(all?).0)
    }

    async fn occupants(&self) -> Result<Vec<Occupant>> {
        self.docker().await?.occupants().await
    }

    async fn listeners(&self) -> Vec<sockets::Listener> {
        sockets::listening()
    }

    async fn holds(&self, kept: &Kept) -> Result<bool> {
        match kept {
            Kept::At(path) => Ok(site::holds(path)),
            Kept::In(name) => self.docker().await?.has_volume(name).await,
        }
    }

    async fn strangers(&self, project: &str) -> Result<Vec<Container>> {
        let all = self.docker().await?.containers(project).await?;
        Ok(self.shared(all).1)
    }

    async fn writers(&self) -> Result<Vec<Writer>> {
        let base = Base::of(&self.site);
        let mut writers = self.docker().await?.writers().await?;
        for writer in &mut writers {
            if matches!(whose(&base, &writer.made), Whose::Foreign(_)) {
                writer.service = None;
            }
        }
        Ok(writers)
    }

    async fn networks(&self, project: &str) -> Result<Vec<Network>> {
        fault!(around "networks.look" => self.docker().await?.networks(project).await)
    }

    async fn volumes(&self, project: &str) -> Result<Vec<String>> {
        self.docker().await?.volumes(project).await
    }

    async fn image(&self, reference: &str) -> Result<Option<Image>> {
        fault!(around "image.look" => self.docker().await?.image(reference).await)
    }

    async fn expect_pull(&self, reference: &str, login: Option<&Login>) -> Result<()> {
        self.docker().await?.expect(reference, login);
        Ok(())
    }

    async fn pull(
        &self,
        reference: &str,
        platform: Option<&str>,
        login: Option<&Login>,
        telling: Telling<'_>,
    ) -> Result<Fetched> {
        let docker = self.docker().await?;
        fault!(around "pull" => docker.pull(reference, platform, login, telling).await)
    }

    async fn tag(&self, image_id: &str, reference: &str) -> Result<()> {
        fault!(around "tag" => self.docker().await?.tag(image_id, reference).await)
    }

    async fn untag(&self, reference: &str) -> Result<()> {
        fault!(around "untag" => self.docker().await?.untag(reference).await)
    }

    async fn build(&self, project: &str, services: &[String], lines: Lines<'_>) -> Result<()> {
        let cmd = self.compose().await?.build(&self.site, project, services);
        self.on_ground(cmd.run_telling(lines)).await.map(|_| ())
    }

    async fn up(
        &self,
        project: &str,
        services: &[String],
        recreate: Recreate,
        others: Others,
        lines: Lines<'_>,
    ) -> Result<()> {
        let compose = self.compose().await?;
        let cmd = compose.up(&self.site, project, services, recreate, others);
        fault!(around "compose.up" => self.on_ground(cmd.run_telling(lines)).await.map(|_| ()))
    }

    async fn rehearse(&self, project: &str, services: &[String]) -> Result<Vec<Rehearsed>> {
        let compose = self.compose().await?;
        if compose.version.is_one() {
            return Err(Failure::new("Compose 1 does not say what it would do"));
        }
        // Compose's builder would leave notes of its own in the user's home.
        let notes = tempfile::tempdir()?;
        let cmd = compose.rehearse(&self.site, project, services);
        let cmd = cmd.env("BUILDX_CONFIG", &notes.path().to_string_lossy());
        let output = self.on_ground(cmd.run()).await?;
        Ok(compose::rehearsal::read(&output))
    }

    async fn surroundings(&self, project: &str, more: Option<&Path>) -> Result<Surroundings> {
        let version = self.compose().await?.version;
        Ok(Surroundings {
            variables: surroundings::of(&self.site, project, more, version),
            plain_differs: surroundings::differs(&self.site, project, version),
        })
    }

    async fn create(&self, project: &str, making: &Making, lines: Lines<'_>) -> Result<()> {
        let compose = self.compose().await?;
        let cmd = compose.create(&self.site, project, making);
        fault!(around "compose.create" => self.on_ground(cmd.run_telling(lines)).await.map(|_| ()))
    }

    async fn start(&self, containers: &[String]) -> Result<()> {
        fault!(around "start" => self.docker().await?.start(containers).await)
    }

    async fn start_service(
        &self,
        project: &str,
        service: &str,
        replicas: u32,
        lines: Lines<'_>,
    ) -> Result<()> {
        let compose = self.compose().await?;
        let cmd = compose.start(&self.site, project, service, replicas);
        fault!(around "start" => self.on_ground(cmd.run_telling(lines)).await.map(|_| ()))
    }

    async fn make_way(&self, paths: &[String]) -> Result<()> {
        site::make_way(&self.ground()?, paths);
        Ok(())
    }

    async fn remove_empty(&self, paths: &[String]) -> Result<()> {
        site::remove_empty(&self.ground()?, paths);
        Ok(())
    }

    async fn stop(&self, containers: &[String]) -> Result<()> {
        fault!(around "stop" => self.docker().await?.stop(containers).await)
    }

    async fn remove(&self, containers: &[String], volumes: Volumes) -> Result<()> {
        fault!(around "remove" => self.docker().await?.remove(containers, volumes).await)
    }

    async fn remove_network(&self, name: &str) -> Result<()> {
        fault!(around "network.remove" => self.docker().await?.remove_network(name).await)
    }

    async fn remove_volume(&self, name: &str) -> Result<()> {
        self.docker().await?.remove_volume(name).await
    }

    async fn rename(&self, container: &str, name: &str) -> Result<()> {
        fault!(around "rename" => self.docker().await?.rename(container, name).await)
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
        logins: &[(String, Login)],
        lines: Lines<'_>,
    ) -> Result<()> {
        let mut cmd = hook_command(script)?
            .dir(&self.site.deploy_dir)
            .within(Duration::from_hours(1));
        for (name, value) in env {
            cmd = cmd.env(name, value);
        }
        let logins = Logins::keep(run.path().join(name::LOGINS), logins)?;
        if let Some(logins) = &logins {
            cmd = cmd.env("DOCKER_CONFIG", &logins.path().to_string_lossy());
        }
        self.on_ground(cmd.run_telling(lines)).await.map(|_| ())
    }

    async fn http(&self, url: &str, expect: &Expect) -> Result<String> {
        http::ask_hedged(&self.http, url, expect).await
    }

    async fn tcp(&self, address: &str) -> Result<String> {
        http::connect(address).await
    }

    async fn stop_grace(&self, containers: &[String]) -> Result<Duration> {
        self.docker().await?.stop_grace(containers).await
    }

    async fn images_in_use(&self) -> Result<Vec<String>> {
        self.docker().await?.images_in_use().await
    }
}

/// A hook may hold a secret, so its text is in no argument list and on no disk: the shell reads it
/// from memory by a descriptor of its own, and the hook's standard input is empty.
fn hook_command(script: &Secret) -> Result<Cmd> {
    let write = || -> std::io::Result<File> {
        let mut file = File::from(memfd_create("hook", MemfdFlags::CLOEXEC)?);
        write!(file, "exec 9<&-\nset -e\n{}\n", script.expose())?;
        file.rewind()?;
        Ok(file)
    };
    let file = write().map_err(|e| Failure::new("cannot hand the hook over").because(e))?;
    // Reopened, so that the position is the shell's own.
    let hand_over = "exec 9</proc/self/fd/0 </dev/null; . /proc/self/fd/9";
    let cmd = Cmd::new("sh").args(["-c", hand_over]).stdin(file);
    Ok(cmd.as_by_hand())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[tokio::test(flavor = "current_thread")]
    async fn a_hook_runs_from_memory_with_an_empty_standard_input_and_stops_at_a_failure() {
        let failure = hook_command(&Secret::new("false\necho never"));
        let failure = failure.unwrap().run().await.unwrap_err();
        assert!(failure.what.contains("exit status: 1"), "{failure}");
        assert_eq!(failure.because, Vec::<String>::new());
        let output = hook_command(&Secret::new("cat; test -e /proc/self/fd/9 || echo done"));
        assert_eq!(output.unwrap().run().await.unwrap().stdout, "done\n");
        let shown = hook_command(&Secret::new("s3cret")).unwrap().to_string();
        assert!(!shown.contains("s3cret"));
    }

    #[tokio::test(flavor = "current_thread")]
    async fn abandoned_file_work_ends_before_any_other_begins_and_learns_of_it() {
        let host = Server::new(&crate::words::plan::sample::deploy().site).unwrap();
        let seen = Arc::new(AtomicBool::default());
        let seen_by_work = seen.clone();
        let slow = host.beside(move |abandoned| {
            std::thread::sleep(Duration::from_millis(300));
            seen_by_work.store(abandoned.get(), Ordering::SeqCst);
            Ok(())
        });
        let cut = tokio::time::timeout(Duration::from_millis(50), slow).await;
        assert!(cut.is_err(), "the wait ends at once");
        let seen_after = seen.clone();
        let next = host
            .at(&host.site)
            .beside(move |_| Ok(seen_after.load(Ordering::SeqCst)))
            .await;
        assert!(
            next.unwrap(),
            "the next work begins when the abandoned one has ended"
        );
    }
}
