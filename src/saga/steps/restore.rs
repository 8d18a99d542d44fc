//! Restore: reconciles the deploy directory to a backup, in place.
//!
//! The undo of `Restore` and of `Files` reconciles it to the backup that this run made.

use std::collections::BTreeSet;
use std::path::PathBuf;

use crate::files::archive::restore::Data;
use crate::files::rundir::name;
use crate::host::{Host, Restored, Writer};
use crate::saga::release::{data, generation};
use crate::saga::steps::Run;
use crate::words::Result;
use crate::words::plan::Goal;

/// Reconciles the tree to the backup that the operator chose.
pub async fn act<H: Host>(run: &Run<'_, H>) -> Result<()> {
    generation::take(run).await?;
    if let Some(names) = stop_writers(run).await? {
        run.warn(format!(
            "stopped {names}: their data is replaced; the safety backup was made while they ran, \
             so it may hold half-written data of theirs"
        ));
    }
    let restored = run
        .host
        .restore(&run.target()?, &run.parts()?, goal(run), run.dir)
        .await?;
    let changed = told(run, restored);
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
    if goal(run) == Data::Restore {
        // Who writes it cannot be told from who writes where the path leads by now.
        run.host.confirm().await?;
    }
    if let Some(names) = stop_writers(run).await? {
        run.say(format!("stopped {names}: their data is put back"));
    }
    let restored = run
        .host
        .restore(&description, &run.parts()?, goal(run), run.dir)
        .await?;
    let mut changed = told(run, restored);
    if !changed.is_empty() {
        run.say(format!("put back {}", changed.join(", ")));
    }
    let earlier: Option<Vec<String>> = run.dir.recall(name::CHANGED)?;
    changed.extend(earlier.unwrap_or_default());
    changed.sort();
    changed.dedup();
    run.dir.keep(name::CHANGED, &changed)?;
    generation::give_back(run).await
}

/// The paths that were put back; of those that were left alone somebody is told.
fn told<H: Host>(run: &Run<'_, H>, restored: Restored) -> Vec<String> {
    restored.left.into_iter().for_each(|line| run.warn(line));
    restored.changed
}

/// Nobody may write to data while it is replaced, nor go on with files that are gone. `Up`, or the
/// undo of `Backup`, starts what was stopped. The services that were stopped, if any.
async fn stop_writers<H: Host>(run: &Run<'_, H>) -> Result<Option<String>> {
    if goal(run) == Data::LeaveAlone {
        return Ok(None);
    }
    let dir = &run.plan.site.deploy_dir;
    let project = run.project()?;
    let below = |source: &PathBuf| !data::below(dir, source).is_empty();
    let mut writers = run.host.writers().await?;
    writers.retain(|w| w.is_up && w.writes.iter().any(below));
    let is_ours = |w: &Writer| w.service.as_ref().is_some_and(|(of, _)| *of == project);
    let (ours, others): (Vec<Writer>, Vec<Writer>) = writers.into_iter().partition(is_ours);
    warn_of(run, &others);
    let ids: Vec<String> = ours.iter().map(|w| w.id.clone()).collect();
    run.host.stop(&ids).await?;
    let services = ours.iter().filter_map(|w| w.service.as_ref());
    let names: BTreeSet<&str> = services.map(|(_, name)| name.as_str()).collect();
    let names: Vec<&str> = names.into_iter().collect();
    Ok((!names.is_empty()).then(|| names.join(", ")))
}

/// What nobody here would start again is not stopped either.
fn warn_of<H: Host>(run: &Run<'_, H>, others: &[Writer]) {
    for other in others {
        run.warn(format!(
            "container `{}` may write to the data that is being replaced: it is no service of this \
             project, so it was not stopped",
            other.name
        ));
    }
}

/// Data goes back only when a rollback says so, and only then is it taken back again.
fn goal<H: Host>(run: &Run<'_, H>) -> Data {
    match run.plan.goal {
        Goal::Rollback {
            restore_data: true, ..
        } => Data::Restore,
        _ => Data::LeaveAlone,
    }
}
