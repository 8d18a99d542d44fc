//! What the saga decides, held under every failing step.

#![allow(clippy::unwrap_used)]

use super::*;
use crate::words::plan::sample;

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

/// Every record of a deployment that goes well, or that fails at a step.
fn records(plan: &Plan, failing: Option<Step>) -> Vec<Event> {
    let mut history = History::default();
    let plan = plan.clone().into();
    let mut events = vec![Event::Planned { plan }];
    history.push(&events[0]).unwrap();
    let world = world(failing, None);
    loop {
        let more = match next(&history) {
            Next::Act(step) => vec![Event::Started { step }, world.verdict(step)],
            Next::Undo(step) => vec![Event::UndoStarted { step }, world.undo_verdict(step)],
            Next::Finish(outcome) => vec![Event::Finished { outcome }],
            Next::Stop(_) => return events,
        };
        for e in &more {
            history.push(e).unwrap();
        }
        events.extend(more);
    }
}

/// What becomes of a run whose agent died behind these records; and which steps acted anew.
fn recovered(events: &[Event]) -> (Outcome, Vec<Step>) {
    let mut history = History::default();
    for e in events {
        history.push(e).unwrap();
    }
    if let Some(event) = history.interruption() {
        history.push(&event).unwrap();
        assert!(history.interruption().is_none());
    }
    let mut acted = Vec::new();
    loop {
        let more = match next(&history) {
            Next::Act(step) => {
                acted.push(step);
                vec![Event::Started { step }, Event::Succeeded { step }]
            }
            Next::Undo(step) => vec![Event::UndoStarted { step }, Event::Undone { step }],
            Next::Finish(outcome) => vec![Event::Finished { outcome }],
            Next::Stop(outcome) => return (outcome, acted),
        };
        for e in &more {
            history.push(e).unwrap();
        }
    }
}

#[test]
fn a_death_at_any_point_before_the_commit_is_taken_back_and_behind_it_stays_deployed() {
    let mut plan = sample::deploy();
    plan.hooks.post_deploy = true;
    let step = Step::Commit;
    for failing in [None, Some(Step::Files), Some(Step::Verify), Some(step)] {
        let events = records(&plan, failing);
        for cut in 1..=events.len() {
            let lived = &events[..cut];
            let (outcome, acted) = recovered(lived);
            assert_eq!(
                acted,
                [],
                "cut at {cut}: nothing goes forward without secrets"
            );
            let changed = lived
                .iter()
                .any(|e| matches!(e, Event::Started { step } if step.changes_the_release()));
            let expected = match (lived.contains(&Event::Succeeded { step }), changed) {
                (true, _) => "deployed",
                (false, true) => "rolled_back",
                (false, false) => "refused",
            };
            assert_eq!(
                outcome.status().word(),
                expected,
                "cut at {cut} of {failing:?}"
            );
        }
    }
}

#[test]
fn only_an_interruption_fails_a_step_that_had_acted() {
    let mut history = History::default();
    let events = records(&sample::deploy(), None);
    for e in &events[..3] {
        history.push(e).unwrap();
    }
    let step = Step::Preflight;
    let failure = Failure::new("no");
    let failed = |failure| Event::Failed { step, failure };
    assert!(!history.allows(&failed(failure.clone())));
    assert!(history.allows(&failed(failure.of(FailureKind::Interrupted))));
}

/// Begins an undo and dies, until recovery does something else; how often it died.
fn dies_in_every_undo_of(history: &mut History, step: Step) -> u32 {
    for died in 0..100 {
        if let Some(event) = history.interruption() {
            assert!(matches!(event, Event::UndoFailed { step: s, .. } if s == step));
            history.push(&event).unwrap();
            return died;
        }
        history.push(&Event::UndoStarted { step }).unwrap();
    }
    panic!("it is tried for ever");
}

#[test]
fn an_undo_that_kills_every_agent_is_given_up_and_both_causes_and_the_other_undos_stay() {
    let mut history = History::default();
    let events = records(&sample::deploy(), Some(Step::Verify));
    let before_the_undos = events
        .iter()
        .position(|e| matches!(e, Event::UndoStarted { .. }));
    for e in &events[..before_the_undos.unwrap()] {
        history.push(e).unwrap();
    }
    let mut undone = Vec::new();
    let outcome = loop {
        match next(&history) {
            Next::Undo(Step::Files) => {
                assert_eq!(dies_in_every_undo_of(&mut history, Step::Files), ATTEMPTS);
            }
            Next::Undo(step) => {
                history.push(&Event::UndoStarted { step }).unwrap();
                history.push(&Event::Undone { step }).unwrap();
                undone.push(step);
            }
            Next::Finish(outcome) => break outcome,
            other => panic!("{other:?}"),
        }
    };
    let Outcome::Stuck { cause, undo, step } = outcome else {
        panic!("{outcome:?}");
    };
    assert_eq!((step, cause.what.as_str()), (Step::Verify, "act"));
    assert!(undo.what.contains("begun 3 times"), "{undo}");
    assert!(
        undone.contains(&Step::Up) && undone.contains(&Step::Backup),
        "{undone:?}"
    );
}

#[test]
fn an_undo_that_was_cut_short_a_few_times_is_begun_again() {
    let mut history = History::default();
    let events = records(&sample::deploy(), Some(Step::Verify));
    for e in events
        .iter()
        .take_while(|e| !matches!(e, Event::UndoStarted { .. }))
    {
        history.push(e).unwrap();
    }
    for _ in 1..ATTEMPTS {
        let Next::Undo(step) = next(&history) else {
            panic!("{:?}", next(&history));
        };
        history.push(&Event::UndoStarted { step }).unwrap();
        assert_eq!(history.interruption(), None);
    }
}
