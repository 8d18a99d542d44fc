//! What containers write below the deploy directory, whoever made them, and where it lies.
//!
//! It refuses to know what is done about it.

use std::path::{Path, PathBuf};

use crate::host::{Access, Config, Host, Result};
use crate::saga::steps::Run;

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
    let real = deploy_dir
        .canonicalize()
        .unwrap_or_else(|_| deploy_dir.to_owned());
    let below = |path: &PathBuf| {
        let stripped = path
            .strip_prefix(deploy_dir)
            .or_else(|_| path.strip_prefix(&real));
        stripped.ok().map(|p| p.to_string_lossy().into_owned())
    };
    let mut data: Vec<String> = written
        .into_iter()
        .filter_map(|path| below(&path))
        .filter(|p| !p.is_empty() && !shipped.contains(p))
        .collect();
    data.sort();
    data.dedup();
    data
}

#[cfg(test)]
mod tests {
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
}
