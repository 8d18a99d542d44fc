//! Cleaning up at the end of a run: forward only, and nothing in it can fail the run.
//!
//! Retention of backups and of the images they need is the last thing a run does.

mod images;

use std::fs::{self, DirEntry, File};
use std::path::Path;

use crate::archive::catalogue::Listed;
use crate::archive::{Description, retention};
use crate::event::{Event, Outcome, Record};
use crate::host::{Host, Result};
use crate::saga::facts::RunDir;
use crate::saga::journal;
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
    let _ = fs::remove_file(run.dir.files());
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
    let Ok(entries) = fs::read_dir(dir.path()) else {
        return;
    };
    for entry in entries.flatten() {
        if KEPT.iter().any(|kept| entry.file_name() == *kept) {
            continue;
        }
        let path = entry.path();
        let _ = fs::remove_file(&path).or_else(|_| fs::remove_dir_all(&path));
    }
}

/// Removes what finished runs left because their agent died before it could.
pub fn finished(state: &Path) {
    let entries = fs::read_dir(state.join("runs"));
    for entry in entries.into_iter().flatten().flatten() {
        let dir = RunDir::of(state, &entry.file_name().to_string_lossy());
        let ended = |r: Record| matches!(r.event, Event::Finished { .. });
        let left = || fs::read_dir(dir.path()).is_ok_and(|mut all| all.any(|e| !is_kept(e)));
        if left() && !dir.is_alive() && journal::last(&dir.journal()).is_some_and(ended) {
            facts(&dir);
        }
    }
}

fn is_kept(entry: std::io::Result<DirEntry>) -> bool {
    entry.is_ok_and(|e| KEPT.iter().any(|kept| e.file_name() == *kept))
}

/// Removes what was sent for a run that never began: its launcher or its agent died first.
pub fn unbegun(dir: &RunDir) {
    let Ok(starting) = File::open(dir.path().join("starting")) else {
        return;
    };
    // The launcher holds this lock from when the files are in place until the agent lives.
    if starting.try_lock().is_ok() && !dir.is_alive() && journal::last(&dir.journal()).is_none() {
        let _ = fs::remove_file(dir.files());
    }
}

async fn retain<H: Host>(run: &Run<'_, H>, outcome: &Outcome) -> Result<()> {
    fault!("tidy.retain.before");
    let project = run.project()?;
    let listed = run.host.backups().await?;
    let now = stage::record(run.host, &project, Vec::new()).await?;
    let needed = run.host.latest(&listed, &now.release).await;
    let needed_ones: Vec<&str> = needed.iter().map(|l| l.timestamp.as_str()).collect();
    run.host.clear_partial(&run.plan.id).await?;
    let keep = usize::try_from(run.plan.backups.keep).unwrap_or(usize::MAX);
    let drop = retention::to_drop(&listed, keep, &needed_ones);
    for timestamp in &drop {
        run.host.drop_backup(timestamp).await?;
        backup::release_images(run.host, &project, timestamp).await?;
        run.say(format!(
            "removed the backup {timestamp}, beyond the newest {keep}"
        ));
    }
    if drop.is_empty() {
        return Ok(());
    }
    let described = listed.iter().filter(|l| l.description.is_ok());
    let (dropped, kept): (Vec<_>, Vec<_>) = described.partition(|l| drop.contains(&l.timestamp));
    images::let_go(run, outcome, &descriptions(&dropped), &descriptions(&kept)).await
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
    let Ok(entries) = fs::read_dir(runs) else {
        return;
    };
    let mut names: Vec<_> = entries.flatten().map(|e| e.file_name()).collect();
    names.sort();
    let excess = names.len().saturating_sub(RUNS);
    for name in names.into_iter().take(excess) {
        let _ = fs::remove_dir_all(runs.join(name));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn what_was_sent_for_a_run_that_never_began_goes_and_what_is_being_started_stays() {
        let state = tempfile::tempdir().unwrap();
        let dir = RunDir::of(state.path(), "r");
        fs::create_dir_all(dir.path()).unwrap();
        fs::write(dir.files(), "a file").unwrap();
        let starting = File::create(dir.path().join("starting")).unwrap();
        starting.lock().unwrap();
        unbegun(&dir);
        assert!(dir.files().exists());
        drop(starting);
        unbegun(&dir);
        assert!(!dir.files().exists());
    }

    #[test]
    fn facts_of_a_run_that_ended_go_and_those_of_one_that_did_not_stay() {
        let state = tempfile::tempdir().unwrap();
        for (id, ends) in [("done", true), ("cut", false)] {
            let dir = RunDir::of(state.path(), id);
            fs::create_dir_all(dir.path()).unwrap();
            let mut journal = journal::Journal::open(&dir.journal(), id).unwrap();
            let mut plan = crate::plan::sample::deploy();
            plan.id = id.into();
            let plan = Box::new(plan);
            journal.append(Event::Planned { plan }).unwrap();
            if ends {
                let cut = journal.history().interruption().unwrap();
                journal.append(cut).unwrap();
                while let crate::saga::Next::Undo(step) = crate::saga::next(journal.history()) {
                    journal.append(Event::UndoStarted { step }).unwrap();
                    journal.append(Event::Undone { step }).unwrap();
                }
                let crate::saga::Next::Finish(outcome) = crate::saga::next(journal.history())
                else {
                    panic!("it does not end");
                };
                journal.append(Event::Finished { outcome }).unwrap();
            }
            fs::write(dir.path().join("before.json"), "{}").unwrap();
        }
        finished(state.path());
        let left = |id| {
            RunDir::of(state.path(), id)
                .path()
                .join("before.json")
                .exists()
        };
        assert!(!left("done"));
        assert!(left("cut"));
    }

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
