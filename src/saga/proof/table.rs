//! The transition table as data, against what a history allows in every state it can reach.
//!
//! It refuses to ask the saga how it decides: the table here is written from what is promised.

use std::collections::BTreeSet;

use crate::saga::{History, StepState};
use crate::words::event::{Event, Failure, FailureKind, Note, Outcome, Step};
use crate::words::plan::{Goal, Plan, sample};

/// Where a run stands, as a person would say it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    /// No plan yet.
    Empty,
    /// These many steps have acted, none is at work, none has failed.
    Between(usize),
    /// That step acts.
    Acting(usize),
    /// Something failed; the step to take back next, none when all are.
    Back(Option<usize>),
    /// That step is being taken back.
    Undoing(usize),
    /// Somebody made a release since, or a person keeps what runs: nothing more is taken back.
    Left,
    /// Over.
    Over,
    /// Over, and a person may have the way back tried again.
    Stuck,
}

/// What may happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    Planned,
    Started(usize),
    Succeeded(usize),
    Failed(usize),
    Cut(usize),
    UndoStarted(usize),
    Undone(usize),
    UndoFailed(usize),
    Note,
    GoodEnd,
    RefusedEnd,
    BackEnd,
    StuckEnd,
    Overtaken,
    Reopened,
    Kept,
}

/// The table: what may follow in a place. Everything else is refused.
fn table(place: Place, past: &Past, steps: &[Step]) -> Vec<What> {
    use What::{
        BackEnd, Cut, Failed, GoodEnd, Kept, Note, Overtaken, Planned, RefusedEnd, Reopened,
        Started, StuckEnd, Succeeded, UndoFailed, UndoStarted, Undone,
    };
    let commit = at(steps, Step::Commit);
    match place {
        Place::Empty => vec![Planned],
        Place::Over => vec![],
        Place::Stuck => vec![Reopened, Kept],
        Place::Left => vec![Note, StuckEnd],
        // Before the first step it may be cut off; behind a step, that step may.
        Place::Between(0) => vec![Note, Started(0), Cut(0)],
        Place::Between(n) if n == steps.len() => vec![Note, GoodEnd],
        // Behind the commit only what is still to come can be cut off.
        Place::Between(n) if n > commit => vec![Note, Started(n), Cut(n)],
        Place::Between(n) => vec![Note, Started(n), Cut(n - 1)],
        Place::Acting(n) => vec![Note, Succeeded(n), Failed(n), Cut(n)],
        Place::Back(Some(n)) => vec![Note, UndoStarted(n), Overtaken],
        Place::Back(None) if past.stuck => vec![Note, StuckEnd],
        Place::Back(None) if past.changed => vec![Note, BackEnd],
        Place::Back(None) => vec![Note, RefusedEnd],
        // A death while a step is taken back is no news: it is taken back again.
        Place::Undoing(n) => vec![Note, UndoStarted(n), Undone(n), UndoFailed(n), Overtaken],
    }
}

fn at(steps: &[Step], step: Step) -> usize {
    steps.iter().position(|s| *s == step).unwrap()
}

/// What a walk remembers of its way.
#[derive(Debug, Clone, Default)]
struct Past {
    changed: bool,
    stuck: bool,
    kept: bool,
    failed: Option<usize>,
}

fn failure(kind: FailureKind) -> Failure {
    Failure::new("no").of(kind)
}

/// The event that a word of the table means in this walk.
fn event(what: What, past: &Past, plan: &Plan) -> Event {
    let steps = plan.steps();
    let cause = failure(FailureKind::Failed);
    let undo = cause.clone();
    let step = steps[past.failed.unwrap_or(0)];
    match what {
        What::Planned => Event::Planned {
            plan: plan.clone().into(),
        },
        What::Started(n) => Event::Started { step: steps[n] },
        What::Succeeded(n) => Event::Succeeded { step: steps[n] },
        What::Failed(n) => Event::Failed {
            step: steps[n],
            failure: cause,
        },
        What::Cut(n) => Event::Failed {
            step: steps[n],
            failure: failure(FailureKind::Interrupted),
        },
        What::UndoStarted(n) => Event::UndoStarted { step: steps[n] },
        What::Undone(n) => Event::Undone { step: steps[n] },
        What::UndoFailed(n) => Event::UndoFailed {
            step: steps[n],
            failure: undo,
        },
        What::Note => Event::Note {
            step: steps[0],
            note: Note::Said {
                text: "a word".into(),
            },
        },
        What::GoodEnd => Event::Finished {
            outcome: match plan.goal {
                Goal::Deploy { .. } => Outcome::Deployed,
                Goal::Rollback { .. } => Outcome::Restored,
            },
        },
        What::RefusedEnd => Event::Finished {
            outcome: Outcome::Refused { cause, step },
        },
        What::BackEnd => Event::Finished {
            outcome: Outcome::RolledBack { cause, step },
        },
        What::StuckEnd => Event::Finished {
            outcome: Outcome::Stuck { cause, step, undo },
        },
        What::Overtaken => Event::Overtaken { failure: cause },
        What::Reopened => Event::Reopened,
        What::Kept => Event::Kept,
    }
}

fn everything(steps: &[Step]) -> Vec<What> {
    let of_step = |n| {
        [
            What::Started(n),
            What::Succeeded(n),
            What::Failed(n),
            What::Cut(n),
            What::UndoStarted(n),
            What::Undone(n),
            What::UndoFailed(n),
        ]
    };
    let ends = [
        What::GoodEnd,
        What::RefusedEnd,
        What::BackEnd,
        What::StuckEnd,
    ];
    let whole = [
        What::Planned,
        What::Note,
        What::Overtaken,
        What::Reopened,
        What::Kept,
    ];
    (0..steps.len())
        .flat_map(of_step)
        .chain(whole)
        .chain(ends)
        .collect()
}

/// Where the walk stands after one more step of it.
fn onward(place: Place, what: What, past: &mut Past, steps: &[Step]) -> Place {
    let commit = at(steps, Step::Commit);
    match what {
        What::Planned => Place::Between(0),
        What::Note => place,
        What::Started(n) => {
            past.changed |= steps[n].changes_the_release();
            Place::Acting(n)
        }
        What::Succeeded(n) => Place::Between(n + 1),
        // Behind the commit a failure takes nothing back.
        What::Failed(n) | What::Cut(n) if n > commit => Place::Between(n + 1),
        What::Failed(n) | What::Cut(n) => {
            past.failed = Some(n);
            Place::Back(Some(n))
        }
        What::UndoStarted(n) => Place::Undoing(n),
        What::Undone(n) => Place::Back(n.checked_sub(1)),
        What::UndoFailed(n) => {
            past.stuck = true;
            Place::Back(n.checked_sub(1))
        }
        What::GoodEnd | What::RefusedEnd | What::BackEnd => Place::Over,
        What::StuckEnd if past.kept => Place::Over,
        What::StuckEnd => Place::Stuck,
        What::Overtaken => Place::Left,
        What::Kept => {
            past.kept = true;
            Place::Left
        }
        What::Reopened => {
            past.stuck = false;
            let up = past.changed.then(|| at(steps, Step::Up));
            Place::Back(past.failed.max(up))
        }
    }
}

/// Walks on from a state that is new, asking for every event there is.
fn walk(
    history: &History,
    place: Place,
    past: &Past,
    plan: &Plan,
    seen: &mut BTreeSet<String>,
) -> usize {
    let told = |(step, state): (&Step, &StepState)| format!("{step} {state:?} ");
    let states: String = history.states.iter().map(told).collect();
    if !seen.insert(format!("{states} {place:?} {past:?} {:?}", history.failed)) {
        return 0;
    }
    let allowed = table(place, past, plan.steps());
    let mut asked = 0;
    for what in everything(plan.steps()) {
        let (mut next, mut past) = (history.clone(), past.clone());
        let event = match history.failed.clone() {
            Some((step, cause)) => with_cause(event(what, &past, plan), step, &cause),
            None => event(what, &past, plan),
        };
        let wanted = allowed.contains(&what);
        assert_eq!(
            history.allows(&event),
            wanted,
            "{what:?} in {place:?} of {states}"
        );
        assert_eq!(next.push(&event).is_ok(), wanted);
        asked += 1;
        if wanted {
            let place = onward(place, what, &mut past, plan.steps());
            asked += walk(&next, place, &past, plan, seen);
        } else {
            assert_eq!(
                next.outcome(),
                history.outcome(),
                "a refused event leaves no trace"
            );
        }
    }
    asked
}

/// The same end with the very cause that this walk failed with.
fn with_cause(event: Event, failed: Step, why: &Failure) -> Event {
    let outcome = match event {
        Event::Finished { outcome } => outcome,
        other => return other,
    };
    let outcome = match outcome {
        Outcome::Refused { .. } => Outcome::Refused {
            cause: why.clone(),
            step: failed,
        },
        Outcome::RolledBack { .. } => Outcome::RolledBack {
            cause: why.clone(),
            step: failed,
        },
        Outcome::Stuck { undo, .. } => Outcome::Stuck {
            cause: why.clone(),
            step: failed,
            undo,
        },
        good => good,
    };
    Event::Finished { outcome }
}

#[test]
fn in_every_state_that_a_run_can_reach_exactly_the_events_of_the_table_are_allowed() {
    let mut rollback = sample::deploy();
    rollback.goal = Goal::Rollback {
        to: "latest".into(),
        restore_data: false,
        to_nothing: false,
    };
    // Of a deployment there are six times as many; the build that is not optimised leaves them out.
    let deploy = (!cfg!(debug_assertions)).then(sample::deploy);
    for plan in deploy.into_iter().chain([rollback]) {
        let (mut seen, history) = (BTreeSet::new(), History::default());
        let asked = walk(&history, Place::Empty, &Past::default(), &plan, &mut seen);
        println!("{} states, {asked} questions", seen.len());
        assert!(seen.len() > 100, "{} states", seen.len());
    }
}
