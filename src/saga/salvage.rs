//! What a damaged journal still proves, told as the events that bring its history there.
//!
//! Where it proves nothing, it presumes that a step had begun: taking back what never began is
//! harmless, and leaving what had is not. It refuses to read bytes.

use crate::saga::History;
use crate::words::event::{Event, Step};
use crate::words::plan::Plan;

/// The events that are to follow what comes before the damage, given what was read behind it.
///
/// `plan` stands in for a plan that was itself damaged.
#[must_use]
pub fn salvaged(before: &History, behind: &[Event], plan: Option<Plan>) -> Vec<Event> {
    let mut salvage = Salvage {
        history: before.clone(),
        events: Vec::new(),
    };
    if let Some(plan) = plan {
        salvage.add(Event::Planned { plan: plan.into() });
    }
    let Some(plan) = salvage.history.plan().cloned() else {
        return Vec::new();
    };
    // On the way back every undo may be repeated, so nothing behind the damage is missed.
    if salvage.history.has_failed() {
        return Vec::new();
    }
    let reached = reached(&salvage.history, behind, plan.steps());
    for step in &plan.steps()[..=reached] {
        salvage.add(Event::Started { step: *step });
        if let Some(failed) = behind.iter().find(|e| is_failure_of(e, *step)) {
            salvage.add(failed.clone());
            break;
        }
        let succeeded = Event::Succeeded { step: *step };
        if *step != plan.steps()[reached] || behind.contains(&succeeded) {
            salvage.add(succeeded);
        }
    }
    salvage.events
}

struct Salvage {
    history: History,
    events: Vec<Event>,
}

impl Salvage {
    /// Takes an event in that is news and makes sense.
    fn add(&mut self, event: Event) {
        if self.history.push(&event).is_ok() {
            self.events.push(event);
        }
    }
}

/// The position of the last step that may have begun. One line may hold the end of a step and, its
/// newline lost, the beginning of the next; the commit is only ever proved.
fn reached(history: &History, behind: &[Event], steps: &[Step]) -> usize {
    let begun = |step: &Step| {
        history.has_started(*step) || behind.iter().any(|e| step_of(e) == Some(*step))
    };
    let commit = steps.iter().position(|s| *s == Step::Commit);
    let commit = commit.unwrap_or(steps.len() - 1);
    match steps.iter().rposition(begun) {
        None => 0,
        Some(proved) if proved >= commit => proved,
        Some(proved) => proved + 1,
    }
}

fn is_failure_of(event: &Event, step: Step) -> bool {
    matches!(event, Event::Failed { step: failed, .. } if *failed == step)
}

fn step_of(event: &Event) -> Option<Step> {
    match event {
        Event::Started { step }
        | Event::Succeeded { step }
        | Event::Failed { step, .. }
        | Event::UndoStarted { step }
        | Event::Undone { step }
        | Event::UndoFailed { step, .. } => Some(*step),
        Event::Planned { .. }
        | Event::Overtaken { .. }
        | Event::Reopened
        | Event::Kept
        | Event::Note { .. }
        | Event::Finished { .. } => None,
    }
}
