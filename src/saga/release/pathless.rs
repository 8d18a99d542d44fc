//! What can still be done for an old release where the path of its directory leads elsewhere.
//!
//! The engine alone is asked: Compose would work where the path leads. A container that mounts
//! something by that path is not started, for it would be given what is there now. It refuses to
//! know what becomes of files, and fails nobody: what it cannot do, a person does.

use crate::host::{Container, Host};
use crate::saga::facts::Before;
use crate::saga::steps::Run;
use crate::words::Result;

/// Starts what ran before, still is there and needs nothing of the path.
pub async fn serve<H: Host>(run: &Run<'_, H>, before: &Before) {
    if let Err(failure) = try_to_serve(run, before).await {
        run.warn(format!(
            "what ran before could not be started again: {failure}"
        ));
    }
}

async fn try_to_serve<H: Host>(run: &Run<'_, H>, before: &Before) -> Result<()> {
    let mut idle = run.host.containers(&before.release.project).await?;
    idle.retain(|c| ran(before, c));
    // One cannot start before the one whose network it shares.
    idle.sort_by_key(|c| !c.joins.is_empty());
    for container in &idle {
        if mounts_by_path(run, container) {
            run.warn(format!(
                "`{}` is not started again: it mounts what `{}` leads to",
                container.name,
                run.plan.site.deploy_dir.display()
            ));
        } else {
            run.host.start(std::slice::from_ref(&container.id)).await?;
        }
    }
    Ok(())
}

/// Says whether a container is one of those that ran, and does not.
fn ran(before: &Before, container: &Container) -> bool {
    let was = before.containers.iter().find(|b| b.id == container.id);
    was.is_some_and(|was| was.state.is_at_work()) && !container.state.is_at_work()
}

fn mounts_by_path<H: Host>(run: &Run<'_, H>, container: &Container) -> bool {
    let dir = &run.plan.site.deploy_dir;
    container
        .mounts
        .iter()
        .any(|source| source.starts_with(dir))
}
