//! `PreDeploy`: the operator's own command after the backup and before the switch.
//!
//! What it did to files is taken back with the files; what it did elsewhere is its own affair.

use crate::event::{Failure, Step};
use crate::host::{Host, Result};
use crate::saga::since;
use crate::saga::steps::Run;
use crate::secret::Secret;

/// Runs the command if there is one.
pub async fn act<H: Host>(run: &Run<'_, H>) -> Result<()> {
    if run.private.pre_deploy.is_none() {
        return Ok(());
    }
    let done = run_hook(run, Step::PreDeploy, run.private.pre_deploy.as_ref()).await;
    let noted = since::note_after_hook(run).await;
    done.and(noted)
}

/// Runs a hook; its lines go to the records.
pub async fn run_hook<H: Host>(run: &Run<'_, H>, step: Step, hook: Option<&Secret>) -> Result<()> {
    let Some(script) = hook else { return Ok(()) };
    let env = environment(run, step);
    let told = run
        .host
        .hook(run.dir, script, &env, &|line| run.say(line))
        .await;
    told.map_err(|failure| Failure {
        what: format!("the hook `{step}` failed"),
        because: std::iter::once(failure.what)
            .chain(failure.because)
            .collect(),
        ..failure
    })
}

fn environment<H: Host>(run: &Run<'_, H>, step: Step) -> Vec<(String, String)> {
    let origin = &run.plan.origin;
    vec![
        ("LANDFALL_HOOK".into(), step.word().into()),
        ("LANDFALL_DEPLOYMENT_ID".into(), run.plan.id.clone()),
        ("LANDFALL_ENVIRONMENT".into(), origin.environment.clone()),
        (
            "LANDFALL_DEPLOY_DIR".into(),
            run.plan.site.deploy_dir.display().to_string(),
        ),
    ]
}
