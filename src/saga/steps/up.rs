//! Up: gives references their images and lets Compose replace the containers.
//!
//! Its undo stops what this run started; the old release is brought back only after the old files
//! are, by the undo of `Backup`.

use std::time::Duration;

use crate::files::rundir::name;
use crate::host::compose::built_names;
use crate::host::{Config, Host, Others, Recreate, State};
use crate::saga::facts::Wanted;
use crate::saga::release::orphans::Orphans;
use crate::saga::release::{
    causes, leftovers, mounts, others, predecessors, reassert, strangers, witness,
};
use crate::saga::steps::{Run, verify};
use crate::words::event::{Failure, FailureKind, Note, ServiceImage};
use crate::words::reference;
use crate::words::{Lines, Result};

/// How often the new containers are looked at while Compose is at work. Most often it is done
/// before the first look, which would only take time from the engine while nobody is served.
const LOOK: Duration = Duration::from_secs(1);
/// What Compose itself may take, besides the services' own time to come up and to stop.
const GRACE: Duration = Duration::from_mins(1);

/// Switches to the new release, or to the one that a rollback goes to.
pub async fn act<H: Host>(run: &Run<'_, H>) -> Result<()> {
    // Docker would make them for root, and then nobody else could take away what lies in them.
    run.host.make_way(&run.parts()?.absent).await?;
    // Whoever came since the preflight would be taken for this application.
    strangers::refuse(run, &run.project()?).await?;
    if run.is_rollback() {
        let release = run.target()?.release;
        let forth = reassert::forth(run, &release);
        return watched(run, &release.project, forth).await;
    }
    let wanted = run.wanted()?;
    let project = &wanted.config.project;
    build(run, &wanted).await?;
    give_references(run).await?;
    leftovers::mend(run, project).await?;
    predecessors::set_aside(run, &wanted).await?;
    let standing = run.host.containers(project).await?;
    let orphans = Orphans::default();
    let say = |line: &str| {
        orphans.hear(line);
        run.say(line);
    };
    let others = others::kept(run, &wanted).await?;
    let up = until_up(run, &wanted, others, &say);
    let up = watched(run, project, up).await;
    up.map_err(|failure| orphans.suspect(run, failure))?;
    orphans.tell(run)?;
    mounts::renew(run, project, &wanted.services, others, &standing).await?;
    runs_what_was_pulled(run, project).await
}

/// Has Compose bring the services up, and once more after each time that something it had to wait
/// for died and is started again: between two lives the engine calls a container unhealthy, and if
/// Compose looks just then, it gives up on whatever depends on it.
async fn until_up<H: Host>(
    run: &Run<'_, H>,
    wanted: &Wanted,
    others: Others,
    say: Lines<'_>,
) -> Result<()> {
    let project = &wanted.config.project;
    let mut seen = 0;
    loop {
        let changed = Recreate::Changed;
        let up = run.host.up(project, &wanted.services, changed, others, say);
        let Err(failure) = up.await else {
            return Ok(());
        };
        let restarts = witness::restarts(run, project).await;
        if restarts <= seen {
            return Err(failure);
        }
        seen = restarts;
    }
}

/// Lets Compose work until a new container is beyond repair or there is no more time: Compose
/// itself would wait for a service's health, and never say that it has given up hope.
async fn watched<H: Host>(
    run: &Run<'_, H>,
    project: &str,
    work: impl Future<Output = Result<()>>,
) -> Result<()> {
    let services = verify::judged(run)?;
    let patience = patience(run).await?;
    let result = tokio::select! {
        biased;
        result = work => result,
        failure = until_doomed(run, project, &services) => Err(failure),
        () = tokio::time::sleep(patience) => Err(too_slow(patience)),
    };
    match result {
        Ok(()) => Ok(()),
        Err(failure) => {
            let failure = witness::accuse(run, project, failure).await;
            run.host.until_quiet(project).await;
            Err(causes::explained(run, project, failure).await)
        }
    }
}

async fn until_doomed<H: Host>(run: &Run<'_, H>, project: &str, services: &[String]) -> Failure {
    loop {
        tokio::time::sleep(LOOK).await;
        if let Some(failure) = witness::doomed(run, project, services).await {
            return failure;
        }
    }
}

/// The old containers stop within their own grace period, then the new ones come up.
async fn patience<H: Host>(run: &Run<'_, H>) -> Result<Duration> {
    let old = run.before()?.containers.into_iter().map(|c| c.id);
    let stopping = run.host.stop_grace(&old.collect::<Vec<_>>()).await?;
    Ok(Duration::from_secs(run.plan.checks.health_timeout) + GRACE + stopping)
}

fn too_slow(patience: Duration) -> Failure {
    Failure::new(format!(
        "the containers were not replaced within {} s",
        patience.as_secs()
    ))
    .hint("look at what the service waits for: `depends_on` and the healthchecks behind it")
    .hint("if a service only starts slowly, raise `health_timeout`")
    .of(FailureKind::TimedOut)
}

/// Stops every container that was not there before this run.
pub async fn undo<H: Host>(run: &Run<'_, H>) -> Result<()> {
    let before = run.before()?;
    let old = |id: &str| before.containers.iter().any(|c| c.id == id);
    let project = &before.release.project;
    let mut now = run.host.containers(project).await?;
    // One that was made and not started may not be the last that Compose has asked for.
    if now.iter().any(|c| !old(&c.id) && c.state == State::Created) {
        run.host.until_quiet(project).await;
        now = run.host.containers(project).await?;
    }
    let new: Vec<String> = now
        .into_iter()
        .map(|c| c.id)
        .filter(|id| !old(id))
        .collect();
    run.host.stop(&new).await
}

/// Builds what is built on the server; an image that was asked for is not built.
async fn build<H: Host>(run: &Run<'_, H>, wanted: &Wanted) -> Result<()> {
    let asked = |name: &String| wanted.services.is_empty() || wanted.services.contains(name);
    let built: Vec<String> = wanted
        .built_here()
        .map(|s| s.name.clone())
        .filter(asked)
        .collect();
    if built.is_empty() {
        return Ok(());
    }
    let say = |line: &str| run.say(line);
    run.host.build(&wanted.config.project, &built, &say).await?;
    run.dir
        .keep(name::BUILT, &ids_of(run, wanted, &built).await?)
}

/// The IDs of what was built.
async fn ids_of<H: Host>(
    run: &Run<'_, H>,
    wanted: &Wanted,
    built: &[String],
) -> Result<Vec<String>> {
    let mut ids = Vec::new();
    for service in built {
        let config = wanted.config.service(service);
        let own = config.and_then(|s| s.image.clone());
        let names = built_names(&wanted.config.project, service);
        for name in own.into_iter().chain(names) {
            ids.extend(run.host.image(&name).await?.map(|image| image.id));
        }
    }
    Ok(ids)
}

/// The compose file's own reference means the new image from here on.
async fn give_references<H: Host>(run: &Run<'_, H>) -> Result<()> {
    for image in run.pulled()?.images {
        let named = reference::parse(&image.image);
        let meant = run.host.image(&image.image).await?.map(|i| i.id);
        if named.digest.is_none() && meant.as_ref() != Some(&image.image_id) {
            run.host.tag(&image.image_id, &image.image).await?;
        }
    }
    Ok(())
}

/// Compares what runs with what was pulled, and tells the images that were built here.
async fn runs_what_was_pulled<H: Host>(run: &Run<'_, H>, project: &str) -> Result<()> {
    let pulled = run.pulled()?;
    let containers = run.host.containers(project).await?;
    for image in &pulled.images {
        let mut own = containers.iter().filter(|c| c.service == image.service);
        if let Some(odd) = own.find(|c| c.image_id != image.image_id) {
            return Err(Failure::new(format!(
                "service `{}` runs {} instead of {}",
                image.service, odd.image_id, image.image_id
            )));
        }
    }
    let config = &run.wanted()?.config;
    (run.tell)(Note::Images {
        services: with_built(run, config, pulled.images).await?,
    });
    Ok(())
}

async fn with_built<H: Host>(
    run: &Run<'_, H>,
    config: &Config,
    mut images: Vec<ServiceImage>,
) -> Result<Vec<ServiceImage>> {
    let before = run.before()?.release;
    for container in run.host.containers(&config.project).await? {
        let is_built = config.service(&container.service).is_some_and(|s| s.build);
        if !is_built || images.iter().any(|i| i.service == container.service) {
            continue;
        }
        let old = before
            .services
            .iter()
            .find(|s| s.service == container.service);
        images.push(ServiceImage {
            previous_image_id: old.map(|s| s.image_id.clone()),
            service: container.service,
            image: container.image,
            image_id: container.image_id,
            ..ServiceImage::default()
        });
    }
    Ok(images)
}
