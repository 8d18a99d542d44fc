//! `PreDeploy`: the operator's own command after the backup and before the switch.
//!
//! What it did to files is taken back with the files; what it did elsewhere is its own affair.

use crate::host::Host;
use crate::saga::release::hooks;
use crate::saga::since;
use crate::saga::steps::Run;
use crate::words::Result;
use crate::words::event::{Failure, Step};
use crate::words::plan::Site;
use crate::words::secret::Secret;

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
    told.map_err(|failure| of_hook(step, &run.plan.site, failure))
}

/// The failure in terms of the hook: how it was handed to the shell is nobody's concern.
fn of_hook(step: Step, site: &Site, failure: Failure) -> Failure {
    let how = match failure.what.strip_prefix('`') {
        Some(command) => command.split_once("` ").map_or(command, |(_, how)| how),
        None => &failure.what,
    };
    let failed = format!("the hook `{step}` failed");
    let how = match how.strip_prefix("failed (") {
        Some(status) => format!("{failed} ({status}"),
        None => format!("{failed}: it {how}"),
    };
    let is_not_found = how.contains("exit status: 127");
    let dir = site.deploy_dir.display();
    let hint = if is_not_found {
        format!(
            "hooks run in `{dir}` on the server: bring what they call with `files`, or call it in a container: `docker compose run --rm …`"
        )
    } else {
        format!("try it by hand on the server, in `{dir}`; its last lines stand above")
    };
    Failure {
        what: how,
        ..failure
    }
    .hint(hint)
}

/// Removes what an agent that died left of a hook's surroundings; what the hook did to files goes
/// back with the files.
#[allow(clippy::unused_async, reason = "every step has the same shape")]
pub async fn undo<H: Host>(run: &Run<'_, H>) -> Result<()> {
    hooks::clear(run.dir);
    Ok(())
}
