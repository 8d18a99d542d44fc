//! `PreDeploy`: the operator's own command after the backup and before the switch.
//!
//! What it did to files is taken back with the files; what it did elsewhere is its own affair.

use crate::event::{Failure, Step};
use crate::host::{Host, Result};
use crate::saga::release::hooks;
use crate::saga::since;
use crate::saga::steps::Run;
use crate::secret::Secret;

/// Runs the command if there is one.
pub async fn act<H: Host>(run: &Run<'_, H>) -> Result<()> {
    if run.private.pre_deploy.is_none() {
        return Ok(());
    }
    tell_of_built_images(run)?;
    let done = run_hook(run, Step::PreDeploy, run.private.pre_deploy.as_ref()).await;
    let noted = since::note_after_hook(run).await;
    done.and(noted)
}

/// Building gives a name another image, and no name changes its meaning before the switch.
fn tell_of_built_images<H: Host>(run: &Run<'_, H>) -> Result<()> {
    let wanted = run.wanted()?;
    let built = wanted.built_here().map(|s| format!("`{}`", s.name));
    let built: Vec<String> = built.collect();
    if !built.is_empty() {
        run.say(format!(
            "built on the server at the switch, so that the hook `pre_deploy` has the old image of: {}",
            built.join(", ")
        ));
    }
    Ok(())
}

/// Runs a hook; its lines go to the records.
pub async fn run_hook<H: Host>(run: &Run<'_, H>, step: Step, hook: Option<&Secret>) -> Result<()> {
    let Some(script) = hook else { return Ok(()) };
    let env = hooks::environment(run, step).await?;
    let logins = hooks::logins(run)?;
    let told = run
        .host
        .hook(run.dir, script, &env, &logins, &|line| run.say(line))
        .await;
    hooks::clear(run.dir);
    told.map_err(|failure| Failure {
        what: format!("the hook `{step}` failed"),
        because: std::iter::once(failure.what)
            .chain(failure.because)
            .collect(),
        ..failure
    })
}

/// Removes what an agent that died left of a hook's surroundings; what the hook did to files goes
/// back with the files.
#[allow(clippy::unused_async, reason = "every step has the same shape")]
pub async fn undo<H: Host>(run: &Run<'_, H>) -> Result<()> {
    hooks::clear(run.dir);
    Ok(())
}
