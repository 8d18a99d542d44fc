//! Cleaning up at the end of a run: forward only, and nothing in it can fail the run.
//!
//! Retention of backups and of the images they need is the last thing a run does.

mod images;

use crate::archive::catalogue::Listed;
use crate::archive::{Description, retention};
use crate::event::Outcome;
use crate::host::{Host, Result};
use crate::saga::disk;
use crate::saga::facts::{RunDir, name};
use crate::saga::steps::{Run, backup, stage};

/// How many finished runs the history keeps.
const RUNS: usize = 100;

/// What stays of a finished run: its history, its locks and what was said of its faults.
const KEPT: [&str; 5] = [
    "journal",
    "journal.damaged",
    "alive",
    "starting",
    "agent.log",
];

/// Removes what must not outlive the run, and the backups beyond `keep_backups`.
pub async fn up<H: Host>(run: &Run<'_, H>, outcome: &Outcome) {
    disk::remove(&run.dir.files());
    if let Err(failure) = run.host.strike_stage(run.dir).await {
        run.warn(format!("the stage could not be removed: {failure}"));
    }
    if matches!(outcome, Outcome::Refused { .. } | Outcome::Stuck { .. }) {
        return;
    }
    if let Err(failure) = Box::pin(retain(run, outcome)).await {
        run.warn(format!("old backups could not be removed: {failure}"));
    }
    forget_old_runs(run.dir);
}

/// Removes what a finished run leaves in its directory; its journal stays as history.
pub fn facts(dir: &RunDir) {
    for name in disk::names(dir.path()) {
        if !KEPT.contains(&name.as_str()) {
            disk::remove(&dir.path().join(name));
        }
    }
}

async fn retain<H: Host>(run: &Run<'_, H>, outcome: &Outcome) -> Result<()> {
    let project = run.project()?;
    let listed = run.host.backups().await?;
    let now = stage::record(run.host, &project, Vec::new()).await?;
    let needed = run.host.latest(&listed, &now.release).await;
    let needed_ones: Vec<&str> = needed.iter().map(|l| l.timestamp.as_str()).collect();
    run.host.clear_partial(&run.plan.id).await?;
    let keep = usize::try_from(run.plan.backups.keep).unwrap_or(usize::MAX);
    let drop = retention::to_drop(&listed, keep, &needed_ones);
    let described = listed.iter().filter(|l| l.description.is_ok());
    let (dropping, kept): (Vec<_>, Vec<_>) = described.partition(|l| drop.contains(&l.timestamp));
    let dropped = noted(run, &descriptions(&dropping))?;
    for timestamp in &drop {
        run.host.drop_backup(timestamp).await?;
        run.say(format!(
            "removed the backup {timestamp}, beyond the newest {keep}"
        ));
    }
    for description in &dropped {
        backup::release_images(run.host, &project, &description.timestamp).await?;
    }
    if dropped.is_empty() {
        return Ok(());
    }
    let dropped: Vec<&Description> = dropped.iter().collect();
    images::let_go(run, outcome, &dropped, &descriptions(&kept)).await
}

/// The backups that this run drops, with those that it dropped before it was cut off: once they
/// are gone, only this note knows what they needed.
fn noted<H: Host>(run: &Run<'_, H>, dropping: &[&Description]) -> Result<Vec<Description>> {
    let mut dropped: Vec<Description> = run.dir.recall(name::DROPPED)?.unwrap_or_default();
    dropped.retain(|d| !dropping.contains(&d));
    dropped.extend(dropping.iter().map(|d| (*d).clone()));
    if !dropping.is_empty() {
        run.dir.keep(name::DROPPED, &dropped)?;
    }
    Ok(dropped)
}

fn descriptions<'l>(listed: &[&'l Listed]) -> Vec<&'l Description> {
    let usable = listed.iter().filter_map(|l| l.description.as_ref().ok());
    usable.collect()
}

/// Keeps the directories of the newest finished runs.
fn forget_old_runs(dir: &RunDir) {
    let Some(runs) = dir.path().parent() else {
        return;
    };
    let mut names = disk::names(runs);
    names.sort();
    let excess = names.len().saturating_sub(RUNS);
    for name in names.into_iter().take(excess) {
        disk::remove(&runs.join(name));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::fs;

    use super::*;

    #[test]
    fn a_finished_run_leaves_its_history_and_nothing_else() {
        let state = tempfile::tempdir().unwrap();
        let dir = RunDir::of(state.path(), "r");
        fs::create_dir_all(dir.path().join("stage/sub")).unwrap();
        for name in [
            "journal",
            "alive",
            "hook-x1",
            "before.json",
            ".files-7",
            "group-9",
        ] {
            fs::write(dir.path().join(name), "s3cret").unwrap();
        }
        facts(&dir);
        let left = fs::read_dir(dir.path()).unwrap().flatten();
        let mut left: Vec<_> = left.map(|e| e.file_name()).collect();
        left.sort();
        assert_eq!(left, ["alive", "journal"]);
    }
}
