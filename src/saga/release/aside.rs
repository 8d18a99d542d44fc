//! Sets containers aside that the release does not have, and puts them back or removes them.
//!
//! They are stopped, and their names are taken from them, for the release may want the names and the
//! ports. They are removed once it is final: until then they may have to come back, with what is in
//! their anonymous volumes. The file refuses to know whether it is final.

use crate::host::{Container, Host, Volumes};
use crate::saga::facts::Before;
use crate::saga::release::names;
use crate::saga::steps::Run;
use crate::words::Result;
use crate::words::backup::Release;

/// Stops and renames the containers of services that the release does not have.
pub async fn set<H: Host>(run: &Run<'_, H>, release: &Release) -> Result<()> {
    let known = |c: &Container| release.services.iter().any(|s| s.service == c.service);
    let mut others = run.host.containers(&release.project).await?;
    others.retain(|c| !known(c));
    these(run, &others).await
}

/// Stops and renames containers.
pub async fn these<H: Host>(run: &Run<'_, H>, others: &[Container]) -> Result<()> {
    let ids: Vec<String> = others.iter().map(|c| c.id.clone()).collect();
    run.host.stop(&ids).await?;
    for other in others.iter().filter(|c| !is_aside(run, c)) {
        let name = format!("{}{}", other.name, mark(run));
        run.host.rename(&other.id, &name).await?;
    }
    Ok(())
}

/// Gives the containers that were there before this run their names again.
pub async fn put_back<H: Host>(run: &Run<'_, H>, before: &Before) -> Result<()> {
    let containers = run.host.containers(&before.release.project).await?;
    let mut failed = Ok(());
    for (aside, name) in named_otherwise(run, before, &containers) {
        failed = failed.and(names::give(run, aside, name).await.map(|_| ()));
    }
    failed
}

/// The same as far as it goes: a name may be taken until what runs is replaced. The services whose
/// name is free and that could not have it; Compose would make them a second time.
pub async fn try_to_put_back<H: Host>(run: &Run<'_, H>, before: &Before) -> Result<Vec<String>> {
    let containers = run.host.containers(&before.release.project).await?;
    let mut still_aside = Vec::new();
    for (aside, name) in named_otherwise(run, before, &containers) {
        let is_taken = containers.iter().any(|c| c.name == name);
        if !is_taken && run.host.rename(&aside.id, name).await.is_err() {
            still_aside.push(aside.service.clone());
        }
    }
    Ok(still_aside)
}

/// Those that were set aside, and what they were called.
fn named_otherwise<'c, H: Host>(
    run: &Run<'_, H>,
    before: &'c Before,
    containers: &'c [Container],
) -> Vec<(&'c Container, &'c str)> {
    let aside = containers.iter().filter(|c| is_aside(run, c));
    let was = |c: &Container| before.containers.iter().find(|b| b.id == c.id);
    aside
        .filter_map(|c| Some((c, was(c)?.name.as_str())))
        .collect()
}

/// Removes what this run has set aside. The anonymous volumes stay: a rollback of the rollback makes
/// the containers anew, and a person may want what was in them.
pub async fn remove<H: Host>(run: &Run<'_, H>) -> Result<()> {
    let mut aside = run.host.containers(&run.project()?).await?;
    aside.retain(|c| is_aside(run, c));
    let ids: Vec<String> = aside.into_iter().map(|c| c.id).collect();
    run.host.remove(&ids, Volumes::Stay).await
}

fn is_aside<H: Host>(run: &Run<'_, H>, container: &Container) -> bool {
    container.name.ends_with(&mark(run))
}

/// What a name ends with that was taken by this run.
fn mark<H: Host>(run: &Run<'_, H>) -> String {
    format!(".{}", run.plan.id)
}
