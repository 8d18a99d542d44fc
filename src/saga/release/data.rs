//! What containers write below the deploy directory, whoever made them, and where it lies.
//!
//! It refuses to know what is done about it.

use std::path::{Path, PathBuf};

use crate::files::tree::scope::resolved;
use crate::host::{Access, Config, Host};
use crate::saga::steps::Run;
use crate::words::Result;

/// What the containers on the server may write, and what those of any profile would be given by
/// the files that are there now.
pub async fn written_now<H: Host>(run: &Run<'_, H>) -> Result<Vec<PathBuf>> {
    let dir = &run.plan.site.deploy_dir;
    let (writers, every) = tokio::join!(run.host.writers(), run.host.every_profile(dir));
    let mut now: Vec<PathBuf> = writers?.into_iter().flat_map(|w| w.writes).collect();
    now.extend(written(&known(run, every)));
    Ok(now)
}

/// The configuration with all profiles on, where Compose was asked and could say; services that
/// only run now and then are no reason to refuse a deployment.
#[must_use]
pub fn known<H: Host>(run: &Run<'_, H>, every: Result<Option<Config>>) -> Config {
    let every = every.unwrap_or_else(|failure| {
        run.warn(format!(
            "what services of inactive profiles write is not known, so it may be taken for files \
             of the release: {failure}"
        ));
        None
    });
    every.unwrap_or_default()
}

/// The paths that a configuration lets containers write.
pub fn written(config: &Config) -> impl Iterator<Item = PathBuf> {
    let binds = config.services.iter().flat_map(|s| &s.binds);
    let writable = binds.filter(|b| b.access == Access::ReadWrite);
    writable.map(|b| b.source.clone())
}

/// Those of the mounted paths that lie strictly below the deploy directory.
/// What the deployment itself ships is configuration, however it is mounted.
#[must_use]
pub fn data_below(
    deploy_dir: &Path,
    written: impl IntoIterator<Item = PathBuf>,
    shipped: &[String],
) -> Vec<String> {
    let written = written.into_iter();
    let mut data: Vec<String> = written
        .flat_map(|path| below(deploy_dir, &path))
        .filter(|p| !p.is_empty() && !shipped.contains(p))
        .collect();
    data.sort();
    data.dedup();
    data
}

/// Where a path lies in the deploy directory, as it is written and as the links on its way lead,
/// as far as they do; nowhere if it lies outside, and at `""` if it is the directory itself.
#[must_use]
pub fn below(deploy_dir: &Path, path: &Path) -> Vec<String> {
    let real = resolved(deploy_dir);
    let written = path
        .strip_prefix(deploy_dir)
        .or_else(|_| path.strip_prefix(&real));
    let led = resolved(path);
    let found = [written.ok(), led.strip_prefix(&real).ok()];
    let found = found.into_iter().flatten();
    found.map(|p| p.to_string_lossy().into_owned()).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::os::unix::fs::symlink;

    use super::*;
    use crate::host::{Bind, ServiceConfig};

    #[test]
    fn data_is_what_containers_may_write_below_the_directory_and_nobody_ships() {
        let bind = |source: &str, access| Bind {
            source: source.into(),
            access,
        };
        let service = ServiceConfig {
            binds: vec![
                bind("/opt/mcp/data", Access::ReadWrite),
                bind("/opt/mcp/app.conf", Access::ReadWrite),
                bind("/opt/mcp/nginx.conf", Access::ReadOnly),
                bind("/opt/mcp", Access::ReadWrite),
                bind("/var/lib/x", Access::ReadWrite),
            ],
            ..ServiceConfig::default()
        };
        let config = Config {
            project: "mcp".into(),
            services: vec![service],
            ..Config::default()
        };
        let shipped = ["app.conf".to_owned()];
        assert_eq!(
            data_below(Path::new("/opt/mcp"), written(&config), &shipped),
            ["data"]
        );
    }

    #[test]
    fn what_lies_behind_a_link_is_data_as_much_as_the_path_that_leads_there() {
        let dir = tempfile::tempdir().unwrap();
        let (home, alias) = (dir.path().join("app"), dir.path().join("alias"));
        std::fs::create_dir_all(home.join("shared/storage")).unwrap();
        symlink("shared/storage", home.join("storage")).unwrap();
        symlink("..", home.join("out")).unwrap();
        symlink("app", &alias).unwrap();
        let data = |path: &str| data_below(&alias, [alias.join(path), home.join(path)], &[]);
        assert_eq!(data("storage"), ["shared/storage", "storage"]);
        assert_eq!(
            data("storage/new/db"),
            ["shared/storage/new/db", "storage/new/db"]
        );
        assert_eq!(data("out"), ["out"]);
        assert_eq!(data("shared"), ["shared"]);
        assert_eq!(data(""), Vec::<String>::new());
    }
}
