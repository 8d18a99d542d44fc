//! Brings a recorded release back: references mean the recorded images, Compose replaces what
//! differs, nothing else stays, and what runs is compared with what was recorded.
//!
//! It refuses to know about files; they are in place before it is asked.

use std::time::{Duration, Instant};

use crate::archive::{Reference, Release, Running};
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
    bring_up(run, release).await?;
    mean(run, release.references.iter()).await?;
    remove_others(run, release).await?;
    unmean(run, release).await?;
    remove_networks(run, before).await?;
    same_again(run, release, Hashes::Compared).await
}

/// Brings a backup's release up in place of what runs, and verifies its images.
pub async fn forth<H: Host>(run: &Run<'_, H>, release: &Release) -> Result<()> {
    bring_up(run, release).await?;
    let runs = |r: &&Reference| release.services.iter().any(|s| s.image == r.reference);
    mean(run, release.references.iter().filter(|r| !runs(r))).await?;
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

/// Lets references that meant something mean it again; an image that is gone is pulled by digest.
async fn mean<H: Host>(
    run: &Run<'_, H>,
    references: impl Iterator<Item = &Reference>,
) -> Result<()> {
    for known in references {
        if let Some(id) = &known.image_id {
            point(run, &known.reference, id, known.digest.as_deref()).await?;
        }
    }
    Ok(())
}

/// Lets a reference mean an image; one that names a digest or an ID cannot mean another.
async fn point<H: Host>(run: &Run<'_, H>, to: &str, id: &str, digest: Option<&str>) -> Result<()> {
    if stage::is_image_id(to) || reference::parse(to).digest.is_some() {
        return have(run, id, digest).await;
    }
    if run.host.image(to).await?.is_some_and(|now| now.id == id) {
        return Ok(());
    }
    have(run, id, digest).await?;
    run.host.tag(id, to).await
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

/// Lets Compose bring up what does not run as recorded. Each reference means what ran under it
/// meanwhile, which need not be what it meant: a tag can be pulled again without an `up`.
async fn bring_up<H: Host>(run: &Run<'_, H>, release: &Release) -> Result<()> {
    mend_leftovers(run, &release.project).await?;
    for layer in layers(&release.services) {
        for service in &layer {
            let (image, digest) = (&service.image, service.digest.as_deref());
            point(run, image, &service.image_id, digest).await?;
        }
        bring_up_layer(run, &release.project, &layer).await?;
    }
    stop_what_did_not_run(run, release).await
}

async fn bring_up_layer<H: Host>(
    run: &Run<'_, H>,
    project: &str,
    layer: &[&Running],
) -> Result<()> {
    let standing = run.host.containers(project).await?;
    let now = stage::running(run.host, &standing).await?;
    let names = |services: &[&Running]| services.iter().map(|s| s.service.clone()).collect();
    let mut wrong = layer.to_vec();
    wrong.retain(|was| !now.iter().any(|is| runs_alike(was, is)));
    if !wrong.is_empty() {
        let (say, wrong): (_, Vec<String>) = (|line: &str| run.say(line), names(&wrong));
        run.host
            .up(project, &wrong, Recreate::Changed, &say)
            .await?;
    }
    let layer: Vec<String> = names(layer);
    renew_mounts(run, project, &layer, &standing).await
}

/// Groups services so that in each group every reference means one image.
fn layers(services: &[Running]) -> Vec<Vec<&Running>> {
    let mut layers: Vec<Vec<&Running>> = Vec::new();
    for service in services {
        let contradicts = |s: &&Running| s.image == service.image && s.image_id != service.image_id;
        match layers.iter_mut().find(|l| !l.iter().any(contradicts)) {
            Some(layer) => layer.push(service),
            None => layers.push(vec![service]),
        }
    }
    layers
}

fn runs_alike(was: &Running, is: &Running) -> bool {
    let of = |s: &Running| {
        (
            s.service.clone(),
            s.image_id.clone(),
            s.config_hash.clone(),
            s.replicas,
            s.running,
        )
    };
    of(was) == of(is)
}

/// Replaces the containers of services that mount a file which changed under them and that
/// Compose saw no reason to replace, so that they still stand: a bind mount keeps the old file.
pub async fn renew_mounts<H: Host>(
    run: &Run<'_, H>,
    project: &str,
    services: &[String],
    standing: &[Container],
) -> Result<()> {
    let changed: Vec<String> = run.dir.recall(name::CHANGED)?.unwrap_or_default();
    if changed.is_empty() {
        return Ok(());
    }
    let config = run.host.config(&run.plan.site.deploy_dir).await?;
    let mut stale = mounting(run, &config, &changed);
    stale.retain(|s| services.is_empty() || services.contains(s));
    let containers = run.host.containers(project).await?;
    let still = |c: &Container| standing.iter().any(|s| s.id == c.id);
    stale.retain(|s| containers.iter().any(|c| &c.service == s && still(c)));
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
    fn services_that_ran_different_images_under_one_reference_come_up_one_after_the_other() {
        let ran = |service: &str, image: &str, id: &str| Running {
            service: service.into(),
            image: image.into(),
            image_id: id.into(),
            ..Running::default()
        };
        let services = [
            ran("db", "postgres", "p"),
            ran("web", "app:latest", "new"),
            ran("worker", "app:latest", "old"),
        ];
        let layers = layers(&services);
        let names = |l: &Vec<&Running>| l.iter().map(|s| s.service.clone()).collect::<Vec<_>>();
        let layers: Vec<_> = layers.iter().map(names).collect();
        assert_eq!(layers, [vec!["db", "web"], vec!["worker"]]);
    }

    #[test]
    fn only_twelve_hex_digits_before_an_underscore_are_a_leftover() {
        assert_eq!(proper_name("0123456789ab_mcp-web-1"), Some("mcp-web-1"));
        assert_eq!(proper_name("mcp_web_1"), None);
        assert_eq!(proper_name("0123456789ab"), None);
        assert_eq!(proper_name("0123456789xy_web"), None);
    }
}
