//! Lets Compose say whether a service whose configuration is not the recorded one is what the
//! files say: it had then drifted from them before the run, or names a container that was replaced.
//!
//! Compose's hashes are not computed here, nor asked for: what Compose notes on a container holds
//! what its `config --hash` leaves out, such as the content of an `env_file`.

use crate::host::{Container, Host, Recreate};
use crate::saga::release::{reassert, record};
use crate::saga::steps::Run;
use crate::words::Result;
use crate::words::backup::Running;

/// A service that by Compose's own word is what the files say, and not what was recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drifted {
    service: String,
    config_hash: String,
}

impl Drifted {
    /// Says whether the service still is the one that Compose was asked about.
    #[must_use]
    pub fn is(&self, service: &Running) -> bool {
        self.service == service.service && self.config_hash == service.config_hash
    }
}

/// Asks Compose once more for the services of a layer that differ from what was recorded: what it
/// then leaves alone is what the files say. Nothing of the layer has been started yet, and its
/// references mean its images, so what is made again serves nobody and is no other image.
pub async fn confirm<H: Host>(
    run: &Run<'_, H>,
    host: &H,
    project: &str,
    layer: &[&Running],
) -> Result<Vec<Drifted>> {
    let standing = host.containers(project).await?;
    let now = record::running(host, &standing).await?;
    let is = |was: &Running| now.iter().find(|is| is.service == was.service);
    let differs = |was: &&&Running| is(was).is_some_and(|is| is.config_hash != was.config_hash);
    let differing: Vec<&Running> = layer.iter().filter(differs).copied().collect();
    if differing.is_empty() {
        return Ok(Vec::new());
    }
    let known = reassert::make(run, host, project, &differing, Recreate::Changed).await?;
    let after = host.containers(project).await?;
    let before = run.before()?.containers;
    let mut drifted = Vec::new();
    for service in differing.into_iter().filter_map(is) {
        let name = &service.service;
        if !known.contains(name) || ids(&standing, name) != ids(&after, name) {
            continue;
        }
        if !has_moved_along(&after, &before, name) {
            run.warn(format!(
                "service `{name}` ran with a configuration that its files no longer said; it runs as they say"
            ));
        }
        drifted.push(Drifted {
            service: name.clone(),
            config_hash: service.config_hash.clone(),
        });
    }
    Ok(drifted)
}

fn ids<'c>(containers: &'c [Container], service: &str) -> Vec<&'c str> {
    let own = containers.iter().filter(|c| c.service == service);
    own.map(|c| c.id.as_str()).collect()
}

/// Says whether a service shares something of a container that was not there before the run: its
/// configuration names that container, so it cannot be the recorded one.
fn has_moved_along(now: &[Container], before: &[Container], service: &str) -> bool {
    let mut own = now.iter().filter(|c| c.service == service);
    let is_new = |id: &String| !before.iter().any(|b| b.id == *id);
    own.any(|c| c.joins.iter().any(is_new))
}
