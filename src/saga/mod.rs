//! Decides what comes next: a pure function of what has happened.
//!
//! A failure takes back every step that ever started, in reverse order. The room refuses to know
//! how a step acts, where its facts lie and who watches; `run` carries out what [`next`] says.

pub mod again;
pub mod downtime;
pub mod facts;
pub mod foresee;
pub mod journal;
pub mod lock;
pub mod patience;
pub mod redact;
pub mod release;
pub mod run;
pub mod runs;
mod salvage;
pub mod settle;
pub mod since;
pub mod steps;
pub mod tidy;

use std::collections::BTreeMap;

use crate::words::event::{Event, Failure, FailureKind, Outcome, Step};
use crate::words::plan::{Goal, Plan};

/// How often the undo of one step is begun when every agent that begins it dies.
pub const ATTEMPTS: u32 = 3;

/// How far one step has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum StepState {
    Acting,
    Acted,
    Failed,
    Undoing,
    Undone,
    UndoFailed,
}

/// What has happened in one run, folded from its events; it accepts only what makes sense.
#[derive(Debug, Clone, Default)]
pub struct History {
    plan: Option<Box<Plan>>,
    states: BTreeMap<Step, StepState>,
    attempts: BTreeMap<Step, u32>,
    failed: Option<(Step, Failure)>,
    undo_failed: Option<Failure>,
    overtaken: Option<Failure>,
    reopened: bool,
    kept: bool,
    outcome: Option<Outcome>,
}

/// What the saga wants done.
#[derive(Debug, Clone, PartialEq)]
pub enum Next {
    /// Carry out a step.
    Act(Step),
    /// Take a step back.
    Undo(Step),
    /// Write down how the run ended.
    Finish(Outcome),
    /// Nothing; it has ended like this.
    Stop(Outcome),
}

/// An event that cannot follow what has happened.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("`{event}` makes no sense here")]
pub struct Nonsense {
    /// The event, in short.
    pub event: String,
}

impl History {
    /// Takes in one more event, or refuses it and stays as it was.
    pub fn push(&mut self, event: &Event) -> Result<(), Nonsense> {
        if self.allows(event) {
            self.fold(event);
            Ok(())
        } else {
            Err(self.nonsense(event))
        }
    }

    /// What is said of an event that is refused.
    #[must_use]
    pub fn nonsense(&self, event: &Event) -> Nonsense {
        Nonsense {
            event: in_short(event),
        }
    }

    /// The plan, once there is one.
    #[must_use]
    pub fn plan(&self) -> Option<&Plan> {
        self.plan.as_deref()
    }

    /// How the run ended, if it has.
    #[must_use]
    pub fn outcome(&self) -> Option<&Outcome> {
        self.outcome.as_ref()
    }

    /// Says whether the point of no return has been passed.
    #[must_use]
    pub fn is_committed(&self) -> bool {
        self.state(Step::Commit) == Some(StepState::Acted)
    }

    /// Says whether a step has failed, so that the way leads back unless it was committed.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.failed.is_some()
    }

    /// Says whether a step ever started.
    #[must_use]
    pub fn has_started(&self, step: Step) -> bool {
        self.states.contains_key(&step)
    }

    /// Says whether the release was ever touched: files, containers, hooks.
    #[must_use]
    pub fn has_changed_the_release(&self) -> bool {
        self.states.keys().any(|step| step.changes_the_release())
    }

    /// Says whether taking a step back was ever begun.
    #[must_use]
    pub fn has_begun_to_undo(&self, step: Step) -> bool {
        self.attempts.contains_key(&step)
    }

    /// Says whether a step has acted to its end.
    #[must_use]
    pub fn has_acted(&self, step: Step) -> bool {
        self.state(step) == Some(StepState::Acted)
    }

    /// Says whether a person ever had the way back tried again.
    #[must_use]
    pub fn is_reopened(&self) -> bool {
        self.reopened
    }

    /// The one recovery event: what to push first when a dead agent's run is taken up again.
    ///
    /// Secrets died with the agent, so nothing goes forward any more: before the commit the run
    /// fails, behind it a hook that has not ended counts as failed.
    #[must_use]
    pub fn interruption(&self) -> Option<Event> {
        let plan = self.plan()?;
        if self.outcome.is_some() || self.overtaken.is_some() {
            return None;
        }
        let step = if self.is_committed() {
            self.cut_hook(plan)?
        } else if self.failed.is_some() {
            return self.hopeless_undo();
        } else {
            self.last_started()
                .or_else(|| plan.steps().first().copied())?
        };
        let when = match self.state(step) {
            None => "before",
            Some(StepState::Acting) => "during",
            Some(_) => "after",
        };
        Some(Event::Failed {
            step,
            failure: Failure::new(format!("the agent died {when} `{step}`"))
                .of(FailureKind::Interrupted),
        })
    }

    /// The loop breaker: an undo that has killed every agent which began it counts as failed.
    fn hopeless_undo(&self) -> Option<Event> {
        let (step, tried) = self.attempts.iter().find(|(step, tried)| {
            **tried >= ATTEMPTS && self.state(**step) == Some(StepState::Undoing)
        })?;
        let what =
            format!("taking back `{step}` was begun {tried} times, and the agent died each time");
        Some(Event::UndoFailed {
            step: *step,
            failure: Failure::new(what).of(FailureKind::Interrupted),
        })
    }

    /// The hook behind the commit that was to run and has not ended.
    fn cut_hook(&self, plan: &Plan) -> Option<Step> {
        let hook = Step::PostDeploy;
        let pending = plan.hooks.post_deploy && next(self) == Next::Act(hook);
        (pending || self.state(hook) == Some(StepState::Acting)).then_some(hook)
    }

    fn last_started(&self) -> Option<Step> {
        self.states.last_key_value().map(|(step, _)| *step)
    }

    fn state(&self, step: Step) -> Option<StepState> {
        self.states.get(&step).copied()
    }

    /// The transition table.
    #[must_use]
    pub fn allows(&self, event: &Event) -> bool {
        if let Event::Planned { .. } = event {
            return self.plan.is_none();
        }
        if let Event::Reopened | Event::Kept = event {
            return matches!(self.outcome, Some(Outcome::Stuck { .. })) && !self.kept;
        }
        if self.plan.is_none() || self.outcome.is_some() {
            return false;
        }
        match event {
            Event::Planned { .. } | Event::Reopened | Event::Kept => false,
            Event::Overtaken { .. } => matches!(next(self), Next::Undo(_)),
            Event::Note { .. } => true,
            Event::Started { step } => {
                self.state(*step).is_none() && next(self) == Next::Act(*step)
            }
            Event::Succeeded { step } => self.state(*step) == Some(StepState::Acting),
            Event::Failed { step, failure } => {
                self.state(*step) == Some(StepState::Acting)
                    || failure.kind == FailureKind::Interrupted && self.may_be_cut_at(*step)
            }
            Event::UndoStarted { step } => next(self) == Next::Undo(*step),
            Event::Undone { step } | Event::UndoFailed { step, .. } => {
                self.overtaken.is_none() && self.state(*step) == Some(StepState::Undoing)
            }
            Event::Finished { outcome } => next(self) == Next::Finish(outcome.clone()),
        }
    }

    /// Says whether a death between two records may be told as the failure of this step.
    fn may_be_cut_at(&self, step: Step) -> bool {
        if self.is_committed() || self.states.is_empty() {
            return next(self) == Next::Act(step);
        }
        self.failed.is_none()
            && self.last_started() == Some(step)
            && self.state(step) == Some(StepState::Acted)
    }

    fn fold(&mut self, event: &Event) {
        match event {
            Event::Planned { plan } => self.plan = Some(plan.clone()),
            Event::Note { .. } => {}
            Event::Started { step } => self.set(*step, StepState::Acting),
            Event::Succeeded { step } => self.set(*step, StepState::Acted),
            Event::Failed { step, failure } => {
                self.set(*step, StepState::Failed);
                self.failed.get_or_insert((*step, failure.clone()));
            }
            Event::UndoStarted { step } => {
                self.set(*step, StepState::Undoing);
                *self.attempts.entry(*step).or_default() += 1;
            }
            Event::Undone { step } => self.set(*step, StepState::Undone),
            Event::UndoFailed { step, failure } => {
                self.set(*step, StepState::UndoFailed);
                self.undo_failed.get_or_insert(failure.clone());
            }
            Event::Overtaken { failure } => self.overtaken = Some(failure.clone()),
            Event::Reopened => self.reopen(),
            Event::Kept => {
                self.kept = true;
                self.outcome = None;
            }
            Event::Finished { outcome } => self.outcome = Some(outcome.clone()),
        }
    }

    /// What was taken back may have relied on what could not be, so all of it is taken back again;
    /// `Up` too, even if it never began: the undo of `Backup` brought containers up on what there
    /// was, and they must not run while files are put back.
    fn reopen(&mut self) {
        self.reopened = true;
        self.outcome = None;
        self.undo_failed = None;
        self.overtaken = None;
        self.attempts.clear();
        let brought_up = self.has_changed_the_release().then_some(Step::Up);
        let last = self.last_started().max(brought_up);
        let steps = self.plan.iter().flat_map(|plan| plan.steps());
        let begun = steps.filter(|step| Some(**step) <= last);
        self.states = begun.map(|step| (*step, StepState::Failed)).collect();
    }

    fn set(&mut self, step: Step, state: StepState) {
        self.states.insert(step, state);
    }
}

/// Decides; the only place that does.
///
/// # Panics
/// Never: a history without a plan finishes as refused.
#[must_use]
pub fn next(history: &History) -> Next {
    if let Some(outcome) = &history.outcome {
        return Next::Stop(outcome.clone());
    }
    let Some(plan) = &history.plan else {
        return Next::Finish(planless());
    };
    match &history.failed {
        Some((step, cause)) if !history.is_committed() => back(history, plan, *step, cause),
        _ => forward(history, plan),
    }
}

/// The first step that has not acted; behind the commit a failed step counts as done.
fn forward(history: &History, plan: &Plan) -> Next {
    let pending = plan.steps().iter().find(|step| {
        !matches!(
            history.state(**step),
            Some(StepState::Acted | StepState::Failed | StepState::Undone)
        )
    });
    match (pending, &plan.goal) {
        (Some(step), _) => Next::Act(*step),
        (None, Goal::Deploy { .. }) => Next::Finish(Outcome::Deployed),
        (None, Goal::Rollback { .. }) => Next::Finish(Outcome::Restored),
    }
}

/// The last step that started and has not been taken back, unless somebody made a release since.
fn back(history: &History, plan: &Plan, failed: Step, cause: &Failure) -> Next {
    let standing = plan.steps().iter().rev().find(|step| {
        !matches!(
            history.state(**step),
            None | Some(StepState::Undone | StepState::UndoFailed)
        )
    });
    if let (Some(step), None) = (standing, &history.overtaken) {
        return Next::Undo(*step);
    }
    let (cause, step) = (cause.clone(), failed);
    Next::Finish(
        match history.overtaken.as_ref().or(history.undo_failed.as_ref()) {
            Some(undo) => Outcome::Stuck {
                cause,
                step,
                undo: undo.clone(),
            },
            None if history.has_changed_the_release() => Outcome::RolledBack { cause, step },
            None => Outcome::Refused { cause, step },
        },
    )
}

fn planless() -> Outcome {
    Outcome::Refused {
        cause: Failure::new("the agent died before it had a plan").of(FailureKind::Interrupted),
        step: Step::Preflight,
    }
}

fn in_short(event: &Event) -> String {
    match event {
        Event::Planned { .. } => "planned".into(),
        Event::Started { step } => format!("started {step}"),
        Event::Succeeded { step } => format!("succeeded {step}"),
        Event::Failed { step, .. } => format!("failed {step}"),
        Event::UndoStarted { step } => format!("undo started {step}"),
        Event::Undone { step } => format!("undone {step}"),
        Event::UndoFailed { step, .. } => format!("undo failed {step}"),
        Event::Overtaken { .. } => "overtaken".into(),
        Event::Reopened => "reopened".into(),
        Event::Kept => "kept".into(),
        Event::Note { step, .. } => format!("note {step}"),
        Event::Finished { outcome } => format!("finished {}", outcome.status()),
    }
}

#[cfg(test)]
pub(crate) mod proof;
#[cfg(test)]
mod tests;
