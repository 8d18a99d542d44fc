//! Cleaning up at the end of a run: forward only, and nothing in it can fail the run.
//!
//! Retention of backups and of the images they need is the last thing a run does.

mod images;

use std::io;
use std::path::Path;

use crate::files::archive::catalogue::{self, Listed};
use crate::files::archive::retention::{self, Keep};
use crate::files::disk;
use crate::files::foreign::{self, Links};
use crate::files::rundir::{RunDir, name};
use crate::host::Host;
use crate::saga::release::{aside, hooks, record};
use crate::saga::steps::{Run, backup};
use crate::saga::{journal, runs};
use crate::words::Result;
use crate::words::backup::Description;
use crate::words::event::Outcome;

/// How many runs a state directory keeps, and more only where some are not over.
const RUNS: usize = 100;

/// What stays of a finished run: its history and its place there, its locks and what was said of its faults.
const KEPT: [&str; 6] = [
    "journal",
    "journal.damaged",
    "number.json",
    "alive",
    "starting",
    "agent.log",
];

/// Removes what came with the run and must not outlive it.
pub async fn leavings<H: Host>(run: &Run<'_, H>) {
    disk::remove(&run.dir.files());
    hooks::clear(run.dir);
    if let Err(failure) = run.host.strike_stage(run.dir).await {
        run.warn(format!("the stage could not be removed: {failure}"));
    }
}

/// Removes what was set aside for the way back, and the backups beyond `keep_backups`.
pub async fn up<H: Host>(run: &Run<'_, H>, outcome: &Outcome) {
    if matches!(outcome, Outcome::Refused { .. } | Outcome::Stuck { .. }) {
        return;
    }
    if matches!(outcome, Outcome::Restored | Outcome::Deployed)
        && let Err(failure) = aside::remove(run).await
    {
        run.warn(format!(
            "what the release does not have could not be removed: {failure}"
        ));
    }
    if let Err(failure) = Box::pin(retain(run, outcome)).await {
        run.warn(format!("old backups could not be removed: {failure}"));
    }
    // What lies beside a run that was moved is nobody's runs.
    if run.dir.confirm().is_ok() {
        forget_old_runs(run.dir.state(), RUNS);
    }
}

/// What is to become of a finished run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Then {
    /// Nothing: its journal stays as history.
    History,
    /// A person may have its way back tried again, which needs its facts.
    Again,
}

impl Then {
    /// What is to become of a run that ended so.
    #[must_use]
    pub fn of(outcome: &Outcome) -> Self {
        match outcome {
            Outcome::Stuck { .. } => Self::Again,
            _ => Self::History,
        }
    }

    fn keeps(self, name: &str) -> bool {
        KEPT.contains(&name)
            || self == Self::Again && Path::new(name).extension() == Some("json".as_ref())
    }
}

/// Removes what a finished run leaves in its directory.
pub fn facts(dir: &RunDir, then: Then) {
    for name in dir.names() {
        if !then.keeps(&name) {
            dir.remove(&name);
        }
    }
}

/// Removes what finished runs left because their agent died before it could.
pub fn finished(state: &Path) {
    for id in runs::ids(state) {
        let dir = RunDir::of(state, &id);
        let left = disk::names(dir.path());
        if left.iter().any(|name| !Then::History.keeps(name))
            && !dir.is_alive()
            && runs::end_of(&dir).is_some()
        {
            let then = if runs::is_open(state, &id) {
                Then::Again
            } else {
                Then::History
            };
            facts(&dir, then);
        }
    }
}

/// Removes what was sent for a run that never began: its launcher or its agent died first.
///
/// A journal of which not one line came to its end announces nothing. One with a line that cannot
/// be read is another matter: its facts are what the old release is put back from.
pub fn unbegun(dir: &RunDir) {
    if is_starting(dir) || dir.is_alive() || journal::last(&dir.journal()).is_some() {
        return;
    }
    disk::remove(&dir.files());
    let announces_nothing = match disk::read(&dir.journal()) {
        Ok(journal) => !journal.contains(&b'\n'),
        Err(e) => e.kind() == io::ErrorKind::NotFound,
    };
    if announces_nothing {
        facts(dir, Then::History);
    }
}

/// Says whether a run may be about to begin: its launcher holds this lock from when the files are
/// in place until the agent lives.
fn is_starting(dir: &RunDir) -> bool {
    let starting = foreign::open(&dir.path().join("starting"), Links::Refused);
    starting.map_or(true, |lock| lock.try_lock().is_err())
}

async fn retain<H: Host>(run: &Run<'_, H>, outcome: &Outcome) -> Result<()> {
    fault!("tidy.retain.before");
    let project = run.project()?;
    let now = record::of(run.host, &project, Vec::new());
    let (listed, now) = tokio::join!(run.host.backups(), now);
    let (listed, now) = (listed?, now?);
    let standings = run.host.standings(&listed, &now.release).await?;
    let needed = standings.latest().into_iter();
    let needed: Vec<String> = needed.map(|l| l.timestamp.clone()).collect();
    let own = run.backup()?.map(|description| description.timestamp);
    let needed: Vec<&str> = needed.iter().chain(&own).map(String::as_str).collect();
    let (listed, others) = apart(listed, &project);
    run.host.clear_partial(&run.plan.id).await?;
    let keep = usize::try_from(run.plan.backups.keep).unwrap_or(usize::MAX);
    let keep = match outcome {
        Outcome::Deployed | Outcome::Restored => Keep::newest(keep),
        _ => Keep::every_release(keep),
    };
    let drop = retention::to_drop(&listed, keep, &needed);
    let described = listed.iter().filter(|l| l.description.is_ok());
    let (dropping, kept): (Vec<_>, Vec<_>) = described.partition(|l| drop.contains(&l.timestamp));
    let dropped = noted(run, &descriptions(&dropping))?;
    for timestamp in &drop {
        run.host.drop_backup(timestamp).await?;
        run.say(format!(
            "removed the backup {timestamp}: {}",
            retention::why(&listed, &drop, timestamp)
        ));
    }
    for description in &dropped {
        backup::release_images(run.host, description).await?;
    }
    if dropped.is_empty() {
        return Ok(());
    }
    let dropped: Vec<&Description> = dropped.iter().collect();
    let kept: Vec<&Listed> = kept.into_iter().chain(&others).collect();
    images::let_go(run, outcome, &dropped, &descriptions(&kept)).await
}

/// The backups of a project, and those that are another's or may be.
fn apart(listed: Vec<Listed>, project: &str) -> (Vec<Listed>, Vec<Listed>) {
    let is_shared = catalogue::projects(&listed).iter().any(|p| p != project);
    let is_own = |l: &Listed| catalogue::is_of(l, project) && (l.description.is_ok() || !is_shared);
    listed.into_iter().partition(is_own)
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

/// Removes the oldest runs beyond so many that are over: they have an end and are not open for
/// another try, or they never began.
fn forget_old_runs(state: &Path, keep: usize) {
    let ids = runs::ids(state);
    let excess = ids.len().saturating_sub(keep);
    let over = ids.iter().filter(|id| is_over(state, id));
    for id in over.take(excess) {
        disk::remove(RunDir::of(state, id).path());
    }
}

fn is_over(state: &Path, id: &str) -> bool {
    let dir = RunDir::of(state, id);
    if runs::has_begun(&dir) {
        runs::end_of(&dir).is_some() && !runs::is_open(state, id)
    } else {
        !is_starting(&dir) && !dir.is_alive()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::fs::{self, File};

    use super::*;
    use crate::saga::runs::sample::{Ends, begun, ended, made};
    use crate::words::plan::sample;

    #[test]
    fn what_was_sent_for_a_run_that_never_began_goes_and_what_is_being_started_stays() {
        let state = tempfile::tempdir().unwrap();
        let dir = made(state.path(), "r");
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
    fn facts_go_with_a_journal_that_announces_nothing_and_stay_with_one_that_cannot_be_read() {
        let state = tempfile::tempdir().unwrap();
        for (id, journal, left) in [
            ("empty", &b""[..], vec!["journal", "starting"]),
            ("torn", b"0a1b2c3d {\"v\":1", vec!["journal", "starting"]),
            (
                "damaged",
                b"0a1b\n",
                vec!["journal", "plan.json", "starting"],
            ),
        ] {
            let dir = made(state.path(), id);
            for name in [".tmpAbCdEf", "plan.json"] {
                fs::write(dir.path().join(name), "{}").unwrap();
            }
            File::create(dir.path().join("starting")).unwrap();
            fs::write(dir.journal(), journal).unwrap();
            unbegun(&dir);
            let mut names = disk::names(dir.path());
            names.retain(|name| !name.starts_with(".tmp"));
            names.sort();
            assert_eq!(names, left, "{id}");
            let temporary = dir.path().join(".tmpAbCdEf");
            assert_eq!(temporary.exists(), id == "damaged");
        }
    }

    #[test]
    fn facts_stay_where_the_journal_cannot_be_read_now() {
        let state = tempfile::tempdir().unwrap();
        let dir = made(state.path(), "r");
        File::create(dir.path().join("starting")).unwrap();
        fs::write(dir.path().join("plan.json"), "{}").unwrap();
        fs::create_dir(dir.journal()).unwrap();
        unbegun(&dir);
        assert!(dir.path().join("plan.json").exists());
        fs::remove_dir(dir.journal()).unwrap();
        unbegun(&dir);
        assert!(!dir.path().join("plan.json").exists());
    }

    #[test]
    fn facts_of_a_run_that_ended_go_and_those_of_one_that_did_not_stay() {
        let state = tempfile::tempdir().unwrap();
        ended(state.path(), "done", "/a", Ends::RolledBack);
        begun(state.path(), "cut", sample::deploy());
        for id in ["done", "cut"] {
            let dir = RunDir::of(state.path(), id);
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
        facts(&dir, Then::Again);
        assert!(dir.path().join("before.json").exists());
        assert!(!dir.path().join("hook-x1").exists());
        facts(&dir, Then::History);
        let left = fs::read_dir(dir.path()).unwrap().flatten();
        let mut left: Vec<_> = left.map(|e| e.file_name()).collect();
        left.sort();
        assert_eq!(left, ["alive", "journal"]);
    }
    #[test]
    fn old_runs_are_forgotten_when_they_are_over_and_never_while_something_may_become_of_them() {
        let state = tempfile::tempdir().unwrap();
        let state = state.path();
        ended(state, "1", "/a", Ends::Stuck);
        begun(state, "2", sample::deploy());
        ended(state, "3", "/a", Ends::Refused);
        let unbegun = made(state, "4");
        File::create(unbegun.path().join("starting")).unwrap();
        let starting = made(state, "5");
        let starting = File::create(starting.path().join("starting")).unwrap();
        starting.lock().unwrap();
        for id in ["6", "7"] {
            ended(state, id, "/b", Ends::RolledBack);
        }
        forget_old_runs(state, 7);
        assert_eq!(runs::ids(state).len(), 7);
        forget_old_runs(state, 4);
        assert_eq!(runs::ids(state), ["1", "2", "5", "7"]);
        forget_old_runs(state, 0);
        assert_eq!(runs::ids(state), ["1", "2", "5"]);
    }
}
