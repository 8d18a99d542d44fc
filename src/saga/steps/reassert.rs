//! Brings a recorded release back: references mean the recorded images, Compose replaces what
//! differs, nothing else stays, and what runs is compared with what was recorded.
//!
//! It refuses to know about files; they are in place before it is asked.

use std::time::{Duration, Instant};

use crate::archive::{Release, Running};
use crate::event::{Failure, FailureKind};
use crate::host::judge::{Verdict, Vouched, judge};
use crate::host::reference;
use crate::host::{Config, Container, Host, Recreate, Result, State};
use crate::saga::facts::{Before, name};
use crate::saga::steps::{Run, stage};

/// How often the comparison looks again, and for how long at least.
const LOOK: Duration = Duration::from_millis(100);
const PATIENCE: Duration = Duration::from_mins(1);

/// Puts back what ran before this run, exactly, and verifies it.
pub async fn back<H: Host>(run: &Run<'_, H>, before: &Before) -> Result<()> {
    let release = &before.release;
    mean(run, release).await?;
    bring_up(run, release).await?;
    remove_others(run, release).await?;
    unmean(run, release).await?;
    remove_networks(run, before).await?;
    same_again(run, release, Hashes::Compared).await
}

/// Brings a backup's release up in place of what runs, and verifies its images.
pub async fn forth<H: Host>(run: &Run<'_, H>, release: &Release) -> Result<()> {
    mean(run, release).await?;
    bring_up(run, release).await?;
    remove_others(run, release).await?;
    unmean(run, release).await?;
    same_again(run, release, Hashes::Trusted).await
}

/// Whether Compose's hashes must be the recorded ones too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hashes {
    Compared,
    Trusted,
}

/// Lets every reference that meant something mean it again; an image that is gone is pulled by digest.
async fn mean<H: Host>(run: &Run<'_, H>, release: &Release) -> Result<()> {
    for known in &release.references {
        if reference::parse(&known.reference).digest.is_some() {
            continue;
        }
        let now = run.host.image(&known.reference).await?.map(|i| i.id);
        match &known.image_id {
            Some(id) if now.as_ref() == Some(id) => {}
            Some(id) => {
                have(run, id, known.digest.as_deref()).await?;
                run.host.tag(id, &known.reference).await?;
            }
            None => {}
        }
    }
    Ok(())
}

/// Lets go of references that meant nothing; the containers that used them are gone by now.
async fn unmean<H: Host>(run: &Run<'_, H>, release: &Release) -> Result<()> {
    for known in release.references.iter().filter(|r| r.image_id.is_none()) {
        if run.host.image(&known.reference).await?.is_some()
            && let Err(failure) = run.host.untag(&known.reference).await
        {
            run.warn(failure.to_string());
        }
    }
    Ok(())
}

async fn have<H: Host>(run: &Run<'_, H>, id: &str, digest: Option<&str>) -> Result<()> {
    if run.host.image(id).await?.is_some() {
        return Ok(());
    }
    let gone = || Failure::new(format!("the image {id} is gone from the server"));
    let digest = digest.ok_or_else(gone)?;
    let login = run.login(digest);
    let pulled = run.host.pull(digest, None, login.as_ref(), &|_, _, _| {});
    pulled.await.map(|_| ())
}

async fn bring_up<H: Host>(run: &Run<'_, H>, release: &Release) -> Result<()> {
    mend_leftovers(run, &release.project).await?;
    if release.services.is_empty() {
        return Ok(());
    }
    let names: Vec<String> = release.services.iter().map(|s| s.service.clone()).collect();
    let say = |line: &str| run.say(line);
    run.host
        .up(&release.project, &names, Recreate::Changed, &say)
        .await?;
    renew_mounts(run, &release.project, &names).await?;
    stop_what_did_not_run(run, release).await
}

/// Replaces the containers of services that mount a file which changed under them and that
/// Compose saw no reason to replace: a bind mount keeps the old file.
pub async fn renew_mounts<H: Host>(
    run: &Run<'_, H>,
    project: &str,
    services: &[String],
) -> Result<()> {
    let changed: Vec<String> = run.dir.recall(name::CHANGED)?.unwrap_or_default();
    if changed.is_empty() {
        return Ok(());
    }
    let config = run.host.config(&run.plan.site.deploy_dir).await?;
    let mut stale = mounting(run, &config, &changed);
    stale.retain(|s| services.is_empty() || services.contains(s));
    let before = run.before()?.containers;
    let containers = run.host.containers(project).await?;
    let kept = |c: &Container| before.iter().any(|b| b.id == c.id);
    let undoing = run.undoing;
    stale.retain(|s| {
        containers
            .iter()
            .any(|c| &c.service == s && (kept(c) || undoing))
    });
    if stale.is_empty() {
        return Ok(());
    }
    run.say(format!(
        "recreating {}: a mounted file changed",
        stale.join(", ")
    ));
    let say = |line: &str| run.say(line);
    run.host.up(project, &stale, Recreate::Only, &say).await
}

/// The services with a bind mount at, above or below a changed path.
fn mounting<H: Host>(run: &Run<'_, H>, config: &Config, changed: &[String]) -> Vec<String> {
    let dir = &run.plan.site.deploy_dir;
    let touched = |source: &std::path::Path| {
        source != dir && changed.iter().any(|c| dir.join(c).starts_with(source))
    };
    let mounts = config.services.iter();
    mounts
        .filter(|s| s.binds.iter().any(|b| touched(&b.source)))
        .map(|s| s.name.clone())
        .collect()
}

async fn stop_what_did_not_run<H: Host>(run: &Run<'_, H>, release: &Release) -> Result<()> {
    let idle = |name: &str| {
        let mut services = release.services.iter();
        services.any(|s| s.service == name && !s.running && !s.well)
    };
    let containers = run.host.containers(&release.project).await?;
    let ids: Vec<String> = containers
        .into_iter()
        .filter(|c| c.state == State::Running && idle(&c.service))
        .map(|c| c.id)
        .collect();
    run.host.stop(&ids).await
}

/// Removes containers of services that the release did not have.
async fn remove_others<H: Host>(run: &Run<'_, H>, release: &Release) -> Result<()> {
    let known = |c: &Container| release.services.iter().any(|s| s.service == c.service);
    let containers = run.host.containers(&release.project).await?;
    let ids: Vec<String> = containers
        .into_iter()
        .filter(|c| !known(c))
        .map(|c| c.id)
        .collect();
    run.host.stop(&ids).await?;
    run.host.remove(&ids).await
}

async fn remove_networks<H: Host>(run: &Run<'_, H>, before: &Before) -> Result<()> {
    for network in run.host.networks(&before.release.project).await? {
        if !before.networks.contains(&network)
            && let Err(failure) = run.host.remove_network(&network).await
        {
            run.warn(failure.to_string());
        }
    }
    Ok(())
}

/// Gives containers that an interrupted `up` left as `<12 hex>_name` their place again.
pub async fn mend_leftovers<H: Host>(run: &Run<'_, H>, project: &str) -> Result<()> {
    let containers = run.host.containers(project).await?;
    for leftover in &containers {
        let Some(proper) = proper_name(&leftover.name) else {
            continue;
        };
        let other = containers.iter().find(|c| c.name == proper);
        match other {
            Some(other) if leftover.state == State::Running && other.state != State::Running => {
                run.host.remove(std::slice::from_ref(&other.id)).await?;
                run.host.rename(&leftover.id, proper).await?;
            }
            Some(_) => run.host.remove(std::slice::from_ref(&leftover.id)).await?,
            None => run.host.rename(&leftover.id, proper).await?,
        }
        run.say(format!(
            "mended `{}`, left by an interrupted `up`",
            leftover.name
        ));
    }
    Ok(())
}

/// The name behind `<12 hex>_name`.
fn proper_name(name: &str) -> Option<&str> {
    let (prefix, proper) = name.split_once('_')?;
    let is_hex = prefix.len() == 12 && prefix.bytes().all(|b| b.is_ascii_hexdigit());
    (is_hex && !proper.is_empty()).then_some(proper)
}

/// Compares what runs with what was recorded, until it is the same or patience ends.
async fn same_again<H: Host>(run: &Run<'_, H>, release: &Release, config: Hashes) -> Result<()> {
    let start = Instant::now();
    loop {
        match compare(run, release, config).await? {
            Compared::Same => return Ok(()),
            Compared::Differs(what) => return Err(differs(release, &what)),
            Compared::NotYet(what) if start.elapsed() > PATIENCE => {
                return Err(differs(release, &what).of(FailureKind::TimedOut));
            }
            Compared::NotYet(_) => tokio::time::sleep(LOOK).await,
        }
    }
}

enum Compared {
    Same,
    NotYet(String),
    Differs(String),
}

async fn compare<H: Host>(run: &Run<'_, H>, release: &Release, config: Hashes) -> Result<Compared> {
    let containers = run.host.containers(&release.project).await?;
    let containers = run.since_before(containers)?;
    if let Some(leftover) = containers.iter().find(|c| proper_name(&c.name).is_some()) {
        return Ok(Compared::Differs(format!(
            "`{}` is left over",
            leftover.name
        )));
    }
    let now = stage::running(run.host, &containers).await?;
    for was in &release.services {
        let Some(is) = now.iter().find(|s| s.service == was.service) else {
            return Ok(Compared::Differs(format!(
                "service `{}` has no container",
                was.service
            )));
        };
        if let Some(what) = difference(was, is) {
            return Ok(Compared::Differs(what));
        }
        if config == Hashes::Compared && was.config_hash != is.config_hash {
            drifted(run, release, is).await?;
        }
    }
    Ok(waiting_for(release, &containers).map_or(Compared::Same, |w| w))
}

fn difference(was: &Running, is: &Running) -> Option<String> {
    let service = &was.service;
    if was.image_id != is.image_id {
        let (is, was) = (&is.image_id, &was.image_id);
        return Some(format!("service `{service}` runs {is} instead of {was}"));
    }
    (was.replicas != is.replicas).then(|| {
        format!(
            "service `{service}` has {} containers instead of {}",
            is.replicas, was.replicas
        )
    })
}

/// A hash that differs is right only when the files had already said so before this run.
async fn drifted<H: Host>(run: &Run<'_, H>, release: &Release, is: &Running) -> Result<()> {
    let hashes = run.host.hashes(&release.project).await?;
    let by_files = hashes.iter().find(|(name, _)| *name == is.service);
    if by_files.is_some_and(|(_, hash)| *hash == is.config_hash) {
        return Ok(());
    }
    Err(Failure::new(format!(
        "service `{}` runs with another configuration than before",
        is.service
    )))
}

fn waiting_for(release: &Release, containers: &[Container]) -> Option<Compared> {
    let ran = |c: &&Container| {
        let mut services = release.services.iter();
        services.any(|s| s.service == c.service && s.running && s.well)
    };
    for container in containers.iter().filter(ran) {
        match judge(container, Vouched::ByExec) {
            Verdict::Passed(_) => {}
            Verdict::Pending(why) => {
                return Some(Compared::NotYet(format!("`{}` {why}", container.service)));
            }
            Verdict::Failed(why) => {
                return Some(Compared::Differs(format!("`{}` {why}", container.service)));
            }
        }
    }
    None
}

fn differs(release: &Release, what: &str) -> Failure {
    Failure::new(format!("what runs is not what was recorded: {what}")).hint(format!(
        "look at it with `docker compose -p {} ps -a`, then choose a backup: `landfall backups`",
        release.project
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_twelve_hex_digits_before_an_underscore_are_a_leftover() {
        assert_eq!(proper_name("0123456789ab_mcp-web-1"), Some("mcp-web-1"));
        assert_eq!(proper_name("mcp_web_1"), None);
        assert_eq!(proper_name("0123456789ab"), None);
        assert_eq!(proper_name("0123456789xy_web"), None);
    }
}
