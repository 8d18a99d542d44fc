//! Replaces containers whose mounted file changed under them: a bind mount keeps the old file.
//!
//! Compose sees no reason to do it, for the configuration is the same.

use std::path::Path;

use crate::files::rundir::name;
use crate::host::{Config, Container, Host, Others, Recreate};
use crate::saga::release::joined;
use crate::saga::steps::Run;
use crate::words::Result;

/// Names the services that mount a changed file and whose containers still are the `standing` ones.
///
/// Compose is asked for its configuration last: where it has replaced everything, as it does for a
/// new image, nobody waits for that.
pub async fn stale<H: Host>(
    run: &Run<'_, H>,
    host: &H,
    project: &str,
    services: &[String],
    standing: &[Container],
) -> Result<Vec<String>> {
    let changed: Vec<String> = run.dir.recall(name::CHANGED)?.unwrap_or_default();
    if changed.is_empty() {
        return Ok(Vec::new());
    }
    let still = |c: &Container| standing.iter().any(|s| s.id == c.id);
    let asked = |c: &Container| services.is_empty() || services.contains(&c.service);
    let mut containers = host.containers(project).await?;
    containers.retain(|c| still(c) && asked(c));
    if containers.is_empty() {
        return Ok(Vec::new());
    }
    let config = host.config(&run.plan.site.deploy_dir).await?;
    let mut stale = mounting(&run.plan.site.deploy_dir, &config, &changed);
    stale.retain(|s| containers.iter().any(|c| &c.service == s));
    if !stale.is_empty() {
        run.say(format!(
            "recreating {}: a mounted file changed",
            stale.join(", ")
        ));
    }
    Ok(stale)
}

/// Replaces the stale ones on the way forward.
pub async fn renew<H: Host>(
    run: &Run<'_, H>,
    project: &str,
    services: &[String],
    others: Others,
    standing: &[Container],
) -> Result<()> {
    let stale = stale(run, run.host, project, services, standing).await?;
    if stale.is_empty() {
        return Ok(());
    }
    let say = |line: &str| run.say(line);
    let renew = async |services: &[String]| {
        let again = Recreate::Only;
        run.host.up(project, services, again, others, &say).await
    };
    renew(&stale).await?;
    let mut adrift = joined::adrift(&run.host.containers(project).await?);
    adrift.retain(|s| services.is_empty() || services.contains(s));
    if adrift.is_empty() {
        return Ok(());
    }
    renew(&adrift).await
}

/// The services with a bind mount at, above or below a changed path.
#[must_use]
pub fn mounting(dir: &Path, config: &Config, changed: &[String]) -> Vec<String> {
    let touched = |source: &std::path::Path| {
        source != dir && changed.iter().any(|c| dir.join(c).starts_with(source))
    };
    let mounts = config.services.iter();
    mounts
        .filter(|s| s.binds.iter().any(|b| touched(&b.source)))
        .map(|s| s.name.clone())
        .collect()
}
