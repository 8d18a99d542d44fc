//! The project's networks and volumes before and after a run: whether they are the same, and those
//! to remove.
//!
//! From 2.31 on, Compose makes a network anew whose definition differs, and nothing on a container
//! tells. The file refuses to know how containers come into networks.

use crate::host::Host;
use crate::saga::facts::Before;
use crate::saga::steps::Run;
use crate::words::Result;
use crate::words::event::Failure;

/// Says whether a network is gone or was made anew since.
pub async fn have_changed<H: Host>(run: &Run<'_, H>, before: &Before) -> Result<bool> {
    let now = run.host.networks(&before.release.project).await?;
    let stands = |id: &String| now.iter().any(|network| network.id == *id);
    Ok(!before.network_ids.iter().all(stands))
}

/// Makes sure that every network is there: a container may run without one, and nobody reach it.
pub async fn stand<H: Host>(run: &Run<'_, H>, before: &Before) -> Result<()> {
    let now = run.host.networks(&before.release.project).await?;
    let stands = |name: &&String| now.iter().any(|network| network.name == **name);
    match before.networks.iter().find(|name| !stands(name)) {
        None => Ok(()),
        Some(gone) => Err(Failure::new(format!("the network `{gone}` is gone"))
            .hint("bring it back by `docker compose up -d` in the deploy directory")),
    }
}

/// Removes the networks and the volumes that were not there before. Where another directory has the
/// project as well, they may be its own, and stay.
pub async fn remove_new<H: Host>(run: &Run<'_, H>, before: &Before) -> Result<()> {
    let project = &before.release.project;
    if !run.host.strangers(project).await?.is_empty() {
        return Ok(());
    }
    remove_new_volumes(run, before).await?;
    for network in run.host.networks(&before.release.project).await? {
        if !before.networks.contains(&network.name)
            && let Err(failure) = run.host.remove_network(&network.name).await
        {
            run.warn(failure.to_string());
        }
    }
    Ok(())
}

/// What was in them was written by containers that this run made.
async fn remove_new_volumes<H: Host>(run: &Run<'_, H>, before: &Before) -> Result<()> {
    let Some(had) = &before.volumes else {
        return Ok(());
    };
    for volume in run.host.volumes(&before.release.project).await? {
        if !had.contains(&volume)
            && let Err(failure) = run.host.remove_volume(&volume).await
        {
            run.warn(failure.to_string());
        }
    }
    Ok(())
}
