//! The runs of a state directory: which there are, how each ended, whose they are. Changes none.
//!
//! It reads journals and facts alone, and refuses to know what is to become of a run.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::files::disk;
use crate::files::rundir::{RunDir, name};
use crate::saga::{journal, lock};
use crate::words::Result;
use crate::words::event::{Event, Note, Outcome, Record};
use crate::words::plan::{Plan, Site};

/// How often it is looked whether nobody else is being given a number, and how often at most.
const LOOK: Duration = Duration::from_millis(10);
const LOOKS: u32 = 500;

/// The ids of all runs, oldest first: in the order in which they began here, whatever the clocks said
/// that their ids are from. Those of older agents have no number, and come first.
#[must_use]
pub fn ids(state: &Path) -> Vec<String> {
    let mut ids = disk::names(&state.join("runs"));
    ids.sort_by_cached_key(|id| (number_of(&RunDir::of(state, id)), id.clone()));
    ids
}

fn number_of(dir: &RunDir) -> u64 {
    dir.recall(name::NUMBER).ok().flatten().unwrap_or(0)
}

/// Gives a run that begins its number: one more than the highest of its state directory.
pub async fn number(dir: &RunDir) -> Result<()> {
    let state = dir.state();
    // Two that begin at once wait for each other; nobody waits for one that does not go on.
    let mut turn = None;
    for _ in 0..LOOKS {
        turn = disk::claim(&state.join("numbers"));
        if turn.is_some() {
            break;
        }
        tokio::time::sleep(LOOK).await;
    }
    let ids = disk::names(&state.join("runs"));
    let highest = ids.iter().map(|id| number_of(&RunDir::of(state, id))).max();
    let kept = dir.keep(name::NUMBER, &highest.unwrap_or(0).saturating_add(1));
    drop(turn);
    kept
}

/// The ids of runs without an end, oldest first, the caller's own aside.
#[must_use]
pub fn unfinished(state: &Path, own: &str) -> Vec<String> {
    let mut ids = ids(state);
    ids.retain(|id| id != own && end_of(&RunDir::of(state, id)).is_none());
    ids
}

/// The run of a deploy directory whose way back may be tried again, if there is one.
#[must_use]
pub fn stuck(state: &Path, site: &Site) -> Option<String> {
    let here = |id: &String| {
        let dir = RunDir::of(state, id);
        directory(&dir).as_ref() == Some(&site.deploy_dir) && is_of(&dir, site)
    };
    let open = |id: &String| is_stuck(state, id) && here(id) && is_open(state, id);
    ids(state).into_iter().rev().find(open)
}

/// Says whether a run's way back may still be tried again: it failed, no person has kept what runs,
/// and no later run of the same directory has ended that was not refused.
#[must_use]
pub fn is_open(state: &Path, id: &str) -> bool {
    if !is_stuck(state, id) || is_kept(&RunDir::of(state, id)) {
        return false;
    }
    let (own, own_project) = (
        directory(&RunDir::of(state, id)),
        project(&RunDir::of(state, id)),
    );
    let ids = ids(state);
    let later = ids.iter().skip_while(|other| *other != id).skip(1);
    let replaces = |other: &String| {
        let dir = RunDir::of(state, other);
        let end = end_of(&dir);
        end.is_some_and(|end| !matches!(end, Outcome::Refused { .. }))
            && directory(&dir) == own
            && (own_project.is_none() || [None, own_project.clone()].contains(&project(&dir)))
    };
    !later.into_iter().any(replaces)
}

fn is_stuck(state: &Path, id: &str) -> bool {
    matches!(end_of(&RunDir::of(state, id)), Some(Outcome::Stuck { .. }))
}

/// Says whether a person has kept what runs instead of having the run taken back.
#[must_use]
pub fn is_kept(dir: &RunDir) -> bool {
    let records = journal::read(&dir.journal()).unwrap_or_default();
    records.iter().any(|record| record.event == Event::Kept)
}

/// Says whether a run has begun, so that it has a journal.
#[must_use]
pub fn has_begun(dir: &RunDir) -> bool {
    disk::names(dir.path()).iter().any(|name| name == "journal")
}

/// How a run ended, if it has.
#[must_use]
pub fn end_of(dir: &RunDir) -> Option<Outcome> {
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

/// The project that a run was of, once it had found out.
#[must_use]
pub fn project(dir: &RunDir) -> Option<String> {
    let records = journal::read(&dir.journal()).ok()?.into_iter();
    let mut told = records.filter_map(|record| match record.event {
        Event::Note {
            note: Note::Server { project, .. },
            ..
        } => Some(project),
        _ => None,
    });
    told.next_back()
}

/// Says whether a run may have been of the project that a site names; one that had not found out may.
fn is_of(dir: &RunDir, site: &Site) -> bool {
    let Some(named) = &site.project_name else {
        return true;
    };
    project(dir).is_none_or(|project| project == *named)
}

/// Says who holds the directory, as far as the journals tell.
#[must_use]
pub fn holder(state: &Path, own: &str) -> String {
    let dirs = unfinished(state, own).into_iter();
    let mut dirs = dirs.map(|id| RunDir::of(state, &id));
    dirs.find_map(|dir| at_work(&dir))
        .unwrap_or_else(|| lock::STRANGER.into())
}

/// Who has a living run at work that does not wait itself, and since when.
fn at_work(dir: &RunDir) -> Option<String> {
    if !dir.is_alive() {
        return None;
    }
    let records = journal::read(&dir.journal()).ok()?;
    if records.last().is_some_and(waits) {
        return None;
    }
    records.into_iter().find_map(|record| match record.event {
        Event::Planned { plan } => {
            let since = record.at.format("%Y-%m-%d %H:%M:%S UTC");
            Some(format!("{}, since {since}", who(&plan)))
        }
        _ => None,
    })
}

fn waits(record: &Record) -> bool {
    let waiting = |note: &Note| matches!(note, Note::Waiting { .. });
    matches!(&record.event, Event::Note { note, .. } if waiting(note))
}

fn who(plan: &Plan) -> String {
    let actor = plan.origin.actor.iter().map(|actor| format!(" by {actor}"));
    let url = plan.origin.run_url.iter().map(|url| format!(" ({url})"));
    let details: String = actor.chain(url).collect();
    format!("run {}{details}", plan.id)
}

#[cfg(test)]
pub(super) mod sample {
    //! Runs for tests.

    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::saga::journal::Journal;
    use crate::saga::{Next, next, tidy};
    use crate::words::event::{Failure, Step};
    use crate::words::plan::sample;

    /// How a run ends.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub enum Ends {
        /// It fails, and so does its way back.
        Stuck,
        /// It fails and is taken back.
        RolledBack,
        /// It fails before it has changed anything.
        Refused,
    }

    /// The directory of a run.
    pub fn made(state: &Path, id: &str) -> RunDir {
        let dir = RunDir::of(state, id);
        std::fs::create_dir_all(dir.path()).unwrap();
        dir
    }

    /// The journal of a run that has only begun.
    pub fn begun(state: &Path, id: &str, mut plan: Plan) -> Journal {
        let dir = made(state, id);
        plan.id = id.into();
        dir.keep(name::PLAN, &plan).unwrap();
        let mut journal = Journal::open(&dir.journal(), id).unwrap();
        let plan = Box::new(plan);
        journal.append(Event::Planned { plan }).unwrap();
        journal
    }

    /// A run of a deploy directory that has ended, and was tidied up.
    pub fn ended(state: &Path, id: &str, deploy_dir: &str, ends: Ends) {
        ended_of(state, id, deploy_dir, ends, "mcp");
    }

    /// The same of a project.
    pub fn ended_of(state: &Path, id: &str, deploy_dir: &str, ends: Ends, project: &str) {
        let mut plan = sample::deploy();
        plan.site.deploy_dir = deploy_dir.into();
        let mut journal = begun(state, id, plan);
        let step = Step::Preflight;
        let note = Note::Server {
            docker: "28".into(),
            compose: "2".into(),
            project: project.into(),
        };
        journal.append(Event::Note { step, note }).unwrap();
        loop {
            let event = match next(journal.history()) {
                Next::Act(step) => {
                    journal.append(Event::Started { step }).unwrap();
                    acted(step, ends)
                }
                Next::Undo(step) => {
                    journal.append(Event::UndoStarted { step }).unwrap();
                    undone(step, ends)
                }
                Next::Finish(outcome) => Event::Finished { outcome },
                Next::Stop(outcome) => {
                    let dir = RunDir::of(state, id);
                    return tidy::facts(&dir, tidy::Then::of(&outcome));
                }
            };
            journal.append(event).unwrap();
        }
    }

    fn acted(step: Step, ends: Ends) -> Event {
        let failure = Failure::new("no");
        if step == Step::Up || ends == Ends::Refused {
            Event::Failed { step, failure }
        } else {
            Event::Succeeded { step }
        }
    }

    fn undone(step: Step, ends: Ends) -> Event {
        let failure = Failure::new("no");
        if ends == Ends::Stuck {
            Event::UndoFailed { step, failure }
        } else {
            Event::Undone { step }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::sample::{Ends, begun, ended, ended_of, made};
    use super::*;
    use crate::saga::journal::Journal;
    use crate::saga::{Next, next, tidy};
    use crate::words::plan::sample;

    fn site(deploy_dir: &str) -> Site {
        let mut site = sample::deploy().site;
        site.deploy_dir = deploy_dir.into();
        site
    }

    #[test]
    fn a_run_that_a_person_keeps_is_not_open_any_more_and_its_end_is_the_same() {
        let state = tempfile::tempdir().unwrap();
        let state = state.path();
        ended(state, "1", "/a", Ends::Stuck);
        let dir = RunDir::of(state, "1");
        let mut journal = Journal::open(&dir.journal(), "1").unwrap();
        journal.append(Event::Kept).unwrap();
        let Next::Finish(outcome) = next(journal.history()) else {
            panic!("it goes on");
        };
        journal.append(Event::Finished { outcome }).unwrap();
        assert!(matches!(end_of(&dir), Some(Outcome::Stuck { .. })));
        assert_eq!(stuck(state, &site("/a")), None);
        assert!(journal.append(Event::Reopened).is_err());
    }

    #[test]
    fn a_stuck_run_belongs_to_its_project_and_another_ones_run_does_not_close_it() {
        let state = tempfile::tempdir().unwrap();
        let state = state.path();
        ended_of(state, "1", "/a", Ends::Stuck, "shop");
        ended_of(state, "2", "/a", Ends::RolledBack, "blog");
        let open = |project: Option<&str>| {
            let mut site = site("/a");
            site.project_name = project.map(Into::into);
            stuck(state, &site)
        };
        assert_eq!(open(None).as_deref(), Some("1"));
        assert_eq!(open(Some("shop")).as_deref(), Some("1"));
        assert_eq!(open(Some("blog")), None);
        ended_of(state, "3", "/a", Ends::RolledBack, "shop");
        assert_eq!(open(None), None);
    }

    #[test]
    fn a_stuck_run_stays_open_until_a_later_run_of_its_directory_ends_that_was_not_refused() {
        let state = tempfile::tempdir().unwrap();
        let state = state.path();
        ended(state, "1", "/a", Ends::Stuck);
        let open = || stuck(state, &site("/a"));
        assert_eq!(open().as_deref(), Some("1"));
        assert_eq!(stuck(state, &site("/b")), None);
        ended(state, "2", "/a", Ends::Refused);
        ended(state, "3", "/b", Ends::RolledBack);
        // One that has begun and waits, or looks.
        begun(state, "4", sample::deploy());
        tidy::finished(state);
        assert_eq!(open().as_deref(), Some("1"));
        let facts = RunDir::of(state, "1");
        assert!(facts.recall::<Plan>(name::PLAN).unwrap().is_some());
        ended(state, "5", "/a", Ends::RolledBack);
        assert_eq!(open(), None);
        tidy::finished(state);
        assert!(facts.recall::<Plan>(name::PLAN).unwrap().is_none());
    }

    #[tokio::test(flavor = "current_thread")]
    async fn runs_are_in_the_order_in_which_they_began_whatever_their_ids_say() {
        let state = tempfile::tempdir().unwrap();
        let state = state.path();
        let of_an_older_agent = "20251017_150000-aaaaaa";
        ended(state, of_an_older_agent, "/a", Ends::RolledBack);
        // The clock was set back by an hour before the second, and two began within one second.
        let began = [
            "20251017_160000-bbbbbb",
            "20251017_150001-dddddd",
            "20251017_150001-cccccc",
        ];
        for (id, ends) in began
            .into_iter()
            .zip([Ends::Refused, Ends::Stuck, Ends::Refused])
        {
            number(&made(state, id)).await.unwrap();
            ended(state, id, "/a", ends);
        }
        assert_eq!(ids(state), [&[of_an_older_agent], &began[..]].concat());
        assert_eq!(stuck(state, &site("/a")).as_deref(), Some(began[1]));
        let later = "20251017_140000-eeeeee";
        number(&made(state, later)).await.unwrap();
        ended(state, later, "/a", Ends::RolledBack);
        assert_eq!(
            stuck(state, &site("/a")),
            None,
            "a later run has an earlier id"
        );
        tidy::finished(state);
        assert_eq!(ids(state).last().map(String::as_str), Some(later));
    }
}
