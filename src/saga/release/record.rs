//! Records what runs in a project and what its references mean, and which server and project it is.
//!
//! It changes nothing on the server, and refuses to know what a record is for.

use futures_util::future::try_join_all;

use crate::files::rundir;
use crate::host::{Container, HealthStatus, Host, Image, State};
use crate::saga::facts::Before;
use crate::saga::steps::Run;
use crate::words::Result;
use crate::words::backup::{Reference, Release, Running};
use crate::words::event::Note;
use crate::words::reference;

/// Records what runs in a project, and what its references and the named ones mean.
pub async fn of<H: Host>(host: &H, project: &str, mut references: Vec<String>) -> Result<Before> {
    let (containers, networks, volumes) = tokio::try_join!(
        host.containers(project),
        host.networks(project),
        host.volumes(project)
    )?;
    references.extend(containers.iter().map(|c| c.image.clone()));
    let meant = meanings(host, references);
    let (services, meant) = tokio::try_join!(running(host, &containers), meant)?;
    let release = Release {
        project: project.to_owned(),
        compose_files: made_from(&containers),
        services,
        references: meant,
    };
    let (network_ids, networks) = networks.into_iter().map(|n| (n.id, n.name)).unzip();
    Ok(Before {
        release,
        containers,
        networks,
        network_ids,
        volumes: Some(volumes),
    })
}

/// What references mean, sorted; an image's ID means itself and is left out.
async fn meanings<H: Host>(host: &H, mut references: Vec<String>) -> Result<Vec<Reference>> {
    references.retain(|reference| !is_image_id(reference));
    references.sort();
    references.dedup();
    let images = try_join_all(references.iter().map(|reference| host.image(reference))).await?;
    let meant = references
        .iter()
        .zip(images)
        .map(|(reference, image)| Reference {
            digest: image.as_ref().and_then(|i| digest_for(i, reference)),
            image_id: image.map(|i| i.id),
            reference: reference.clone(),
        });
    Ok(meant.collect())
}

/// The compose files that all containers agree on.
fn made_from(containers: &[Container]) -> Vec<String> {
    let theirs = |c: &Container| {
        let mut files = c.compose_files.clone();
        files.retain(|file| !rundir::is_list_of_images(file));
        files
    };
    let mut files = containers.iter().map(theirs);
    let first = files.next().unwrap_or_default();
    if !files.all(|other| other == first) {
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
    let mut firsts: Vec<&Container> = Vec::new();
    for container in containers {
        if firsts.iter().all(|f| f.service != container.service) {
            firsts.push(container);
        }
    }
    let images = try_join_all(firsts.iter().map(|first| host.image(&first.image_id))).await?;
    let entries = firsts.into_iter().zip(images);
    let mut services: Vec<Running> = entries
        .map(|(first, image)| entry(first, image.as_ref(), containers))
        .collect();
    services.sort();
    Ok(services)
}

/// A service as its containers are, the first of them telling what it was made from.
fn entry(first: &Container, image: Option<&Image>, containers: &[Container]) -> Running {
    let own = || containers.iter().filter(|c| c.service == first.service);
    Running {
        service: first.service.clone(),
        image: first.image.clone(),
        image_id: first.image_id.clone(),
        digest: image.and_then(|i| digest_for(i, &first.image)),
        config_hash: first.config_hash.clone(),
        replicas: u32::try_from(own().count()).unwrap_or(u32::MAX),
        well: own().all(is_well),
        running: own().any(|c| c.state.is_at_work()),
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::Health;

    #[test]
    fn a_service_is_as_well_as_the_worst_of_its_containers_and_runs_with_any_of_them() {
        let container = |service: &str, state| Container {
            service: service.into(),
            state,
            ..Container::default()
        };
        let ill = Container {
            health: Some(Health {
                status: HealthStatus::Unhealthy,
                command: Vec::new(),
                interval: 30,
                retries: 3,
                last_output: String::new(),
            }),
            ..container("web", State::Running)
        };
        let all = [
            container("web", State::Exited),
            container("db", State::Running),
            ill,
        ];
        let web = entry(&all[0], None, &all);
        assert_eq!((web.replicas, web.well, web.running), (2, false, true));
        let web = entry(&all[0], None, &all[..2]);
        assert_eq!((web.replicas, web.well, web.running), (1, true, false));
    }
}
