//! What the saga decides, held under every failing step.

#![allow(clippy::unwrap_used)]

use super::*;
use crate::plan::sample;

/// A world in which chosen acts and undos fail.
struct World {
    failing_act: Option<Step>,
    failing_undo: Option<Step>,
    acts: Vec<Step>,
    undos: Vec<Step>,
}

impl World {
    fn run(&mut self, plan: Plan) -> Outcome {
        let mut history = History::default();
        let push = |history: &mut History, event| history.push(&event).unwrap();
        push(&mut history, Event::Planned { plan: plan.into() });
        loop {
            match next(&history) {
                Next::Act(step) => {
                    push(&mut history, Event::Started { step });
                    self.acts.push(step);
                    push(&mut history, self.verdict(step));
                }
                Next::Undo(step) => {
                    push(&mut history, Event::UndoStarted { step });
                    self.undos.push(step);
                    push(&mut history, self.undo_verdict(step));
                }
                Next::Finish(outcome) => push(&mut history, Event::Finished { outcome }),
                Next::Stop(outcome) => return outcome,
            }
        }
    }

    fn verdict(&self, step: Step) -> Event {
        if self.failing_act == Some(step) {
            let failure = Failure::new("act");
            return Event::Failed { step, failure };
        }
        Event::Succeeded { step }
    }

    fn undo_verdict(&self, step: Step) -> Event {
        if self.failing_undo == Some(step) {
            let failure = Failure::new("undo");
            return Event::UndoFailed { step, failure };
        }
        Event::Undone { step }
    }
}

fn world(failing_act: Option<Step>, failing_undo: Option<Step>) -> World {
    World {
        failing_act,
        failing_undo,
        acts: Vec::new(),
        undos: Vec::new(),
    }
}

#[test]
fn a_plan_without_failures_acts_in_order_and_undoes_nothing() {
    let mut world = world(None, None);
    assert_eq!(world.run(sample::deploy()), Outcome::Deployed);
    assert_eq!(world.acts, sample::deploy().steps());
    assert_eq!(world.undos, []);
}

#[test]
fn every_failure_before_the_commit_takes_back_what_started_in_reverse() {
    let plan = sample::deploy();
    for failing in plan.steps().iter().filter(|s| !s.follows_commit()) {
        let mut world = world(Some(*failing), None);
        let outcome = world.run(plan.clone());
        let mut started = world.acts.clone();
        started.reverse();
        assert_eq!(world.undos, started, "{failing}");
        let changed = world.acts.iter().any(|s| s.changes_the_release());
        let expected = if changed { "rolled_back" } else { "refused" };
        assert_eq!(outcome.status().word(), expected, "{failing}");
    }
}

#[test]
fn a_failure_behind_the_commit_takes_nothing_back() {
    let mut world = world(Some(Step::PostDeploy), None);
    assert_eq!(world.run(sample::deploy()), Outcome::Deployed);
    assert_eq!(world.undos, []);
}

#[test]
fn an_undo_that_fails_keeps_both_causes_and_the_other_undos_still_run() {
    let mut world = world(Some(Step::Verify), Some(Step::Files));
    let outcome = world.run(sample::deploy());
    let Outcome::Stuck { cause, undo, step } = outcome else {
        panic!("{outcome:?}");
    };
    assert_eq!((cause.what.as_str(), undo.what.as_str()), ("act", "undo"));
    assert_eq!(step, Step::Verify);
    assert_eq!(world.undos.last(), Some(&Step::Preflight));
}

#[test]
fn a_step_that_never_reported_counts_as_failed_when_the_run_is_taken_up_again() {
    let mut history = History::default();
    let plan = Box::new(sample::deploy());
    history.push(&Event::Planned { plan }).unwrap();
    let step = Step::Preflight;
    history.push(&Event::Started { step }).unwrap();
    let recovery = history.interruption().unwrap();
    history.push(&recovery).unwrap();
    assert_eq!(next(&history), Next::Undo(step));
    assert!(history.interruption().is_none());
}

#[test]
fn an_event_that_cannot_follow_is_refused() {
    let mut history = History::default();
    let step = Step::Up;
    assert!(history.push(&Event::Started { step }).is_err());
    let plan = Box::new(sample::deploy());
    history.push(&Event::Planned { plan }).unwrap();
    assert!(history.push(&Event::Started { step }).is_err());
    assert!(history.push(&Event::Undone { step }).is_err());
    let outcome = Outcome::Deployed;
    assert!(history.push(&Event::Finished { outcome }).is_err());
}
