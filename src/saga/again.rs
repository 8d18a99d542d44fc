//! Tries a way back again that had failed, once a person has removed the cause.
//!
//! The run is opened again and the ordinary loop takes all of it back from the top: undos may be
//! repeated. What a person has put in its place meanwhile is left alone. The file refuses to know
//! how a step is taken back.

use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};

use crate::archive::Description;
use crate::event::{Event, Failure, Outcome, Record};
use crate::host::{Host, Result};
use crate::plan::{Plan, Site};
use crate::saga::facts::{Before, RunDir, name};
use crate::saga::journal;
use crate::saga::{disk, run, settle};

/// The run of a deploy directory whose way back may be tried again, if there is one.
#[must_use]
pub fn stuck(state: &Path, site: &Site) -> Option<String> {
    let mut ids = disk::names(&state.join("runs"));
    ids.sort();
    let here = |id: &String| directory(&RunDir::of(state, id)).as_ref() == Some(&site.deploy_dir);
    let open = |id: &String| is_stuck(state, id) && here(id) && is_open(state, id);
    ids.into_iter().rev().find(open)
}

/// Says whether a run's way back may still be tried again: it failed, and no later run of the same
/// directory has ended that was not refused.
#[must_use]
pub fn is_open(state: &Path, id: &str) -> bool {
    if !is_stuck(state, id) {
        return false;
    }
    let own = directory(&RunDir::of(state, id));
    let mut later = disk::names(&state.join("runs"));
    later.retain(|other| other.as_str() > id);
    let replaces = |other: &String| {
        let dir = RunDir::of(state, other);
        let end = end_of(&dir);
        end.is_some_and(|end| !matches!(end, Outcome::Refused { .. })) && directory(&dir) == own
    };
    !later.iter().any(replaces)
}

/// Tries the way back of the stuck run again, if there is one; the lock is held. How it ended.
pub async fn back<H: Host>(
    host: &H,
    state: &Path,
    site: &Site,
    warn: &dyn Fn(String),
) -> Result<Option<Outcome>> {
    let Some(id) = stuck(state, site) else {
        return Ok(None);
    };
    let dir = RunDir::of(state, &id);
    let Some(_claim) = dir.claim() else {
        return Ok(None);
    };
    let mut journal = settle::opened(&dir, &id, warn)?;
    let Some(plan) = journal.history().plan().cloned() else {
        return Ok(None);
    };
    let host = host.at(&plan.site);
    refuse_mended(&host, &plan, &dir).await?;
    journal.append(Event::Reopened)?;
    let resumed = Box::pin(run::resume(&host, &dir, journal));
    resumed.await.map(Some)
}

/// Refuses where containers were made since the way back failed: somebody has mended it by hand, or
/// is about to.
async fn refuse_mended<H: Host>(host: &H, plan: &Plan, dir: &RunDir) -> Result<()> {
    let Some(ended) = journal::last(&dir.journal()).map(|last| last.at) else {
        return Ok(());
    };
    let before: Option<Before> = dir.recall(name::BEFORE)?;
    let Some(before) = before else {
        return Ok(());
    };
    let containers = host.containers(&before.release.project).await?;
    let since = |at: &DateTime<Utc>| *at > ended;
    let Some(new) = containers
        .iter()
        .find(|c| c.made_at.as_ref().is_some_and(since))
    else {
        return Ok(());
    };
    let backup: Option<Description> = dir.recall(name::BACKUP)?;
    let mut failure = Failure::new(format!(
        "the run {} could not be taken back, and `{}` was made since: it seems to be mended by hand",
        plan.id, new.name
    ))
    .hint("if all is well now, there is nothing to do: the next deployment starts from what runs");
    if let Some(backup) = backup {
        failure = failure.hint(format!(
            "to have the old release back all the same, after a backup of what is there now: `landfall rollback {}`",
            backup.timestamp
        ));
    }
    Err(failure)
}

fn is_stuck(state: &Path, id: &str) -> bool {
    matches!(end_of(&RunDir::of(state, id)), Some(Outcome::Stuck { .. }))
}

fn end_of(dir: &RunDir) -> Option<Outcome> {
    match journal::last(&dir.journal())? {
        Record {
            event: Event::Finished { outcome },
            ..
        } => Some(outcome),
        _ => None,
    }
}

/// The deploy directory of a run: from its facts, or from its journal once those are gone.
fn directory(dir: &RunDir) -> Option<PathBuf> {
    let kept: Option<Plan> = dir.recall(name::PLAN).ok().flatten();
    let first = || match journal::read(&dir.journal())
        .ok()?
        .into_iter()
        .next()?
        .event
    {
        Event::Planned { plan } => Some(*plan),
        _ => None,
    };
    kept.or_else(first).map(|plan| plan.site.deploy_dir)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::event::{FailureKind, Step};
    use crate::plan::sample;
    use crate::saga::journal::Journal;
    use crate::saga::{Next, next, tidy};

    /// A run of a directory that ended: stuck, rolled back or refused.
    fn ended(state: &Path, id: &str, deploy_dir: &str, undo_fails: bool, refused: bool) {
        let dir = RunDir::of(state, id);
        run::make_dir(&dir).unwrap();
        let mut plan = sample::deploy();
        plan.id = id.into();
        plan.site.deploy_dir = deploy_dir.into();
        dir.keep(name::PLAN, &plan).unwrap();
        let mut journal = Journal::open(&dir.journal(), id).unwrap();
        let plan = Box::new(plan);
        journal.append(Event::Planned { plan }).unwrap();
        let failure = Failure::new("no").of(FailureKind::Failed);
        loop {
            let event = match next(journal.history()) {
                Next::Act(step) => {
                    journal.append(Event::Started { step }).unwrap();
                    if step == Step::Up || refused {
                        let failure = failure.clone();
                        Event::Failed { step, failure }
                    } else {
                        Event::Succeeded { step }
                    }
                }
                Next::Undo(step) => {
                    journal.append(Event::UndoStarted { step }).unwrap();
                    if undo_fails {
                        let failure = failure.clone();
                        Event::UndoFailed { step, failure }
                    } else {
                        Event::Undone { step }
                    }
                }
                Next::Finish(outcome) => Event::Finished { outcome },
                Next::Stop(_) => break,
            };
            journal.append(event).unwrap();
        }
        tidy::facts(&dir, tidy::Then::of(journal.history().outcome().unwrap()));
    }

    fn site(deploy_dir: &str) -> Site {
        let mut site = sample::deploy().site;
        site.deploy_dir = deploy_dir.into();
        site
    }

    #[test]
    fn a_stuck_run_stays_open_until_a_later_run_of_its_directory_ends_that_was_not_refused() {
        let state = tempfile::tempdir().unwrap();
        let state = state.path();
        ended(state, "1", "/a", true, false);
        let open = || stuck(state, &site("/a"));
        assert_eq!(open().as_deref(), Some("1"));
        assert_eq!(stuck(state, &site("/b")), None);
        ended(state, "2", "/a", false, true);
        ended(state, "3", "/b", false, false);
        // One that has begun and waits, or looks.
        let waiting = RunDir::of(state, "4");
        run::make_dir(&waiting).unwrap();
        let mut journal = Journal::open(&waiting.journal(), "4").unwrap();
        let plan = Box::new(sample::deploy());
        journal.append(Event::Planned { plan }).unwrap();
        tidy::finished(state);
        assert_eq!(open().as_deref(), Some("1"));
        let facts = RunDir::of(state, "1");
        assert!(facts.recall::<Plan>(name::PLAN).unwrap().is_some());
        ended(state, "5", "/a", false, false);
        assert_eq!(open(), None);
        tidy::finished(state);
        assert!(facts.recall::<Plan>(name::PLAN).unwrap().is_none());
    }
}
