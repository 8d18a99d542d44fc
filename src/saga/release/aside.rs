//! Sets containers aside that a backup does not have, and puts them back or removes them.
//!
//! A rollback stops them and takes their names from them, for the release may want the names. They
//! are removed once it is final: until then they may have to come back, with what is in their
//! anonymous volumes. The file refuses to know whether it is final.

use crate::archive::Release;
use crate::host::{Container, Host, Result, Volumes};
use crate::saga::facts::Before;
use crate::saga::steps::Run;

/// Stops and renames the containers of services that the release does not have.
pub async fn set<H: Host>(run: &Run<'_, H>, release: &Release) -> Result<()> {
    let known = |c: &Container| release.services.iter().any(|s| s.service == c.service);
    let mut others = run.host.containers(&release.project).await?;
    others.retain(|c| !known(c));
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
    for aside in containers.iter().filter(|c| is_aside(run, c)) {
        if let Some(was) = before.containers.iter().find(|b| b.id == aside.id) {
            run.host.rename(&aside.id, &was.name).await?;
        }
    }
    Ok(())
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
