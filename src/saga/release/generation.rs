//! Says on the deploy directory that this run's release lies in it, and takes that back.
//!
//! Whose it was before is on disk first. It refuses to know where the note lies.

use crate::files::rundir::name;
use crate::host::Host;
use crate::saga::facts::Generation;
use crate::saga::steps::Run;
use crate::words::Result;

/// Notes this run on the directory, before the first change of the release.
pub async fn take<H: Host>(run: &Run<'_, H>) -> Result<()> {
    let before = run.host.generation().await?;
    run.dir.keep(name::GENERATION, &Generation { before })?;
    run.host.set_generation(Some(&run.plan.id)).await
}

/// Notes whose release it was before, unless somebody else has noted a release since.
pub async fn give_back<H: Host>(run: &Run<'_, H>) -> Result<()> {
    let known: Option<Generation> = run.dir.recall(name::GENERATION)?;
    let Some(Generation { before }) = known else {
        return Ok(());
    };
    if run.host.generation().await?.as_ref() != Some(&run.plan.id) {
        return Ok(());
    }
    run.host.set_generation(before.as_deref()).await
}

/// Notes this run on the directory for a person who has it taken back: whoever made a release in
/// between has been overtaken, and it stays so.
pub async fn take_for_good<H: Host>(run: &Run<'_, H>) -> Result<()> {
    let before = Some(run.plan.id.clone());
    run.dir.keep(name::GENERATION, &Generation { before })?;
    run.host.set_generation(Some(&run.plan.id)).await
}
