//! Restore: reconciles the deploy directory to a backup, in place.
//!
//! The undo of `Restore` and of `Files` reconciles it to the backup that this run made.

use crate::archive::restore::Data;
use crate::host::{Host, Result};
use crate::plan::Goal;
use crate::saga::facts::name;
use crate::saga::steps::Run;

/// Reconciles the tree to the backup that the operator chose.
pub async fn act<H: Host>(run: &Run<'_, H>) -> Result<()> {
    let changed = run
        .host
        .restore(&run.target()?, &run.parts()?, data(run), run.dir)
        .await?;
    run.say(match changed.len() {
        0 => "no file differed from the backup".into(),
        n => format!("put back {n} of the files: {}", changed.join(", ")),
    });
    run.dir.keep(name::CHANGED, &changed)
}

/// Reconciles the tree to this run's own backup.
pub async fn undo<H: Host>(run: &Run<'_, H>) -> Result<()> {
    let Some(description) = run.backup()? else {
        return Ok(());
    };
    let mut changed = run
        .host
        .restore(&description, &run.parts()?, data(run), run.dir)
        .await?;
    if !changed.is_empty() {
        run.say(format!("put back {}", changed.join(", ")));
    }
    let earlier: Option<Vec<String>> = run.dir.recall(name::CHANGED)?;
    changed.extend(earlier.unwrap_or_default());
    changed.sort();
    changed.dedup();
    run.dir.keep(name::CHANGED, &changed)
}

/// Data goes back only when a rollback says so, and only then is it taken back again.
fn data<H: Host>(run: &Run<'_, H>) -> Data {
    match run.plan.goal {
        Goal::Rollback {
            restore_data: true, ..
        } => Data::Restore,
        _ => Data::LeaveAlone,
    }
}
