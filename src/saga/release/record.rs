//! Records what runs in a project and what its references mean, and which server and project it is.
//!
//! It changes nothing on the server, and refuses to know what a record is for.

use crate::archive::catalogue::Listed;
use crate::archive::{Reference, Release, Running};
use crate::event::{Failure, Note};
use crate::host::reference;
use crate::host::{Container, HealthStatus, Host, Image, Result, State};
use crate::saga::facts::Before;
use crate::saga::steps::Run;

/// Records what runs in a project, and what its references and the named ones mean.
pub async fn of<H: Host>(host: &H, project: &str, mut references: Vec<String>) -> Result<Before> {
    let containers = host.containers(project).await?;
    references.extend(containers.iter().map(|c| c.image.clone()));
    references.sort();
    references.dedup();
    let mut meanings = Vec::new();
    for reference in references {
        if is_image_id(&reference) {
            continue;
        }
        let image = host.image(&reference).await?;
        meanings.push(Reference {
            digest: image.as_ref().and_then(|i| digest_for(i, &reference)),
            image_id: image.map(|i| i.id),
            reference,
        });
    }
    let release = Release {
        project: project.to_owned(),
        compose_files: made_from(&containers),
        services: running(host, &containers).await?,
        references: meanings,
    };
    let networks = host.networks(project).await?;
    let (network_ids, networks) = networks.into_iter().map(|n| (n.id, n.name)).unzip();
    Ok(Before {
        release,
        containers,
        networks,
        network_ids,
    })
}

/// The compose files that all containers agree on.
fn made_from(containers: &[Container]) -> Vec<String> {
    let mut files = containers.iter().map(|c| &c.compose_files);
    let first = files.next().cloned().unwrap_or_default();
    if !files.all(|other| *other == first) {
        return Vec::new();
    }
    let texts = first.iter().map(|file| file.to_string_lossy().into_owned());
    texts.collect()
}

/// Says whether a container was made from an image's ID rather than from a reference.
#[must_use]
pub fn is_image_id(reference: &str) -> bool {
    reference.starts_with("sha256:")
}

/// The digest to pull an image by, preferring the reference's own repository.
#[must_use]
pub fn digest_for(image: &Image, reference: &str) -> Option<String> {
    let repository = reference::parse(reference).repository;
    let same = |d: &&String| reference::parse(d).repository == repository;
    image
        .digests
        .iter()
        .find(same)
        .or(image.digests.first())
        .cloned()
}

/// One entry a service, from its containers.
pub async fn running<H: Host>(host: &H, containers: &[Container]) -> Result<Vec<Running>> {
    let mut services: Vec<Running> = Vec::new();
    for container in containers {
        if let Some(known) = services.iter_mut().find(|s| s.service == container.service) {
            known.replicas += 1;
            known.well &= is_well(container);
            known.running |= container.state.is_at_work();
            continue;
        }
        let image = host.image(&container.image_id).await?;
        services.push(Running {
            service: container.service.clone(),
            image: container.image.clone(),
            image_id: container.image_id.clone(),
            digest: image.and_then(|i| digest_for(&i, &container.image)),
            config_hash: container.config_hash.clone(),
            replicas: 1,
            well: is_well(container),
            running: container.state.is_at_work(),
        });
    }
    services.sort();
    Ok(services)
}

fn is_well(container: &Container) -> bool {
    match container.state {
        State::Running => container
            .health
            .as_ref()
            .is_none_or(|h| h.status != HealthStatus::Unhealthy),
        // What Docker would start again was stopped by somebody; it did not run once and end well.
        // A way back makes what had run once again, and does not run it a second time; one that could
        // not be started has the exit code of that.
        State::Exited | State::Created => container.exit_code == 0 && !container.always_restarts,
        _ => false,
    }
}

/// Tells what the server is and which project it is about.
pub async fn tell_server<H: Host>(run: &Run<'_, H>, project: &str) -> Result<()> {
    let engine = run.host.engine().await?;
    (run.tell)(Note::Server {
        docker: engine.docker,
        compose: engine.compose.to_string(),
        project: project.to_owned(),
    });
    Ok(())
}

/// The project that the newest whole backup describes.
pub fn last_project(listed: &[Listed]) -> Result<String> {
    let mut described = listed.iter().filter_map(|l| l.description.as_ref().ok());
    described
        .next()
        .map(|d| d.release.project.clone())
        .ok_or_else(|| {
            Failure::new("there is no backup to go back to")
                .hint("the first backup is made by the first deployment over a running release")
        })
}
