//! `PostDeploy`: the operator's own command after the commit. Nothing is taken back any more.

use crate::host::Host;
use crate::saga::steps::Run;
use crate::saga::steps::pre_deploy::run_hook;
use crate::words::Result;
use crate::words::event::Step;

/// Runs the command if there is one.
pub async fn act<H: Host>(run: &Run<'_, H>) -> Result<()> {
    run_hook(run, Step::PostDeploy, run.private.post_deploy.as_ref()).await
}
