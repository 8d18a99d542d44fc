//! How one record changes a report.
//!
//! The first failure is never lost: what is found while the release is put back is kept beside
//! what was found on the way there, never over it. It refuses to judge whether the order of
//! records makes sense; the saga's transition table does that.

use chrono::{DateTime, Utc};

use super::{
    BackupReport, Check, Event, Failure, Note, Plan, Record, Report, ServerReport, ServiceImage,
    ServiceLog, Step, StepReport, StepResult,
};
use crate::words::event::{Outcome, Status};

impl Report {
    /// Adds one record; one that was seen already (after attaching again) changes nothing.
    pub fn push(&mut self, record: &Record) {
        if record.seq < self.next_seq {
            return;
        }
        self.next_seq = record.seq + 1;
        self.clock(record.at);
        match &record.event {
            Event::Planned { plan } => self.plan_facts(plan),
            Event::Started { step } => self.begin(*step, StepResult::Acting, record.at),
            Event::Succeeded { step } => self.end(*step, StepResult::Acted, record.at),
            Event::Failed { step, failure } => {
                self.end(*step, StepResult::Failed, record.at);
                self.fail(*step, failure);
            }
            Event::UndoStarted { step } => self.begin(*step, StepResult::Undoing, record.at),
            Event::Undone { step } => self.end(*step, StepResult::Undone, record.at),
            Event::UndoFailed { step, failure } => {
                self.end(*step, StepResult::UndoFailed, record.at);
                self.undo_failure.get_or_insert_with(|| failure.clone());
                self.settle();
            }
            Event::Overtaken { failure } => {
                self.leave_open(record.at);
                self.undo_failure = Some(failure.clone());
                self.settle();
            }
            Event::Reopened => self.reopen(),
            Event::Kept => {}
            Event::Note { note, .. } => self.note(note),
            Event::Finished { outcome } => self.finish(outcome),
        }
        if self.id.is_empty() {
            self.id.clone_from(&record.run);
        }
    }

    pub(super) fn plan_facts(&mut self, plan: &Plan) {
        self.id.clone_from(&plan.id);
        self.goal = Some(plan.goal.clone());
        self.deploy_dir = Some(plan.site.deploy_dir.clone());
        self.origin = plan.origin.clone();
        self.measures_downtime = plan.checks.health_url.is_some();
    }

    fn clock(&mut self, at: DateTime<Utc>) {
        let start = *self.started_at.get_or_insert(at);
        self.ended_at = Some(at);
        self.duration_ms = ms_between(start, at);
    }

    fn begin(&mut self, step: Step, result: StepResult, at: DateTime<Utc>) {
        self.steps.push(StepReport {
            step,
            result,
            started_at: at,
            ended_at: None,
            duration_ms: 0,
        });
    }

    fn end(&mut self, step: Step, result: StepResult, at: DateTime<Utc>) {
        let open = self
            .steps
            .iter_mut()
            .rfind(|s| s.step == step && s.ended_at.is_none());
        if let Some(entry) = open {
            entry.result = result;
            entry.ended_at = Some(at);
            entry.duration_ms = ms_between(entry.started_at, at);
        }
    }

    /// What was about to be taken back stays as it is.
    fn leave_open(&mut self, at: DateTime<Utc>) {
        let open = self.steps.iter().rfind(|s| s.ended_at.is_none());
        if let Some(step) = open.map(|s| s.step) {
            self.end(step, StepResult::UndoFailed, at);
        }
    }

    fn fail(&mut self, step: Step, failure: &Failure) {
        if self.failed_step.is_none() {
            self.failed_step = Some(step);
            self.failures = vec![failure.clone()];
            self.settle();
        }
    }

    /// The way back is tried again; until it ends, nobody knows how.
    fn reopen(&mut self) {
        self.status = Status::Unknown;
        self.undo_failure = None;
        self.settle();
    }

    fn finish(&mut self, outcome: &Outcome) {
        self.status = outcome.status();
        if let Some((step, cause)) = outcome.cause() {
            self.failed_step = Some(step);
            self.failures = vec![cause.clone()];
        }
        if let Outcome::Stuck { undo, .. } = outcome {
            self.undo_failure = Some(undo.clone());
        }
        self.settle();
    }

    /// Puts the failures into words again after they changed.
    pub(super) fn settle(&mut self) {
        self.reason = self.reason_in_words();
        let told = self.failures.iter().chain(&self.undo_failure);
        self.hints.clear();
        for hint in told.flat_map(|f| &f.hints) {
            if !self.hints.contains(hint) {
                self.hints.push(hint.clone());
            }
        }
    }

    fn is_going_back(&self) -> bool {
        use StepResult::{UndoFailed, Undoing, Undone};
        let back = |s: &StepReport| matches!(s.result, Undoing | Undone | UndoFailed);
        self.steps.iter().any(back)
    }

    fn note(&mut self, note: &Note) {
        match note {
            Note::Warned { text } => self.warnings.push(text.clone()),
            Note::Server {
                docker,
                compose,
                project,
            } => {
                self.server = Some(ServerReport {
                    docker: docker.clone(),
                    compose: compose.clone(),
                    project: project.clone(),
                });
            }
            Note::Images { services } => self.images_noted(services),
            Note::Backup {
                timestamp,
                file,
                bytes,
                ran,
            } => {
                self.backup = Some(BackupReport {
                    timestamp: timestamp.clone(),
                    file: file.clone(),
                    bytes: *bytes,
                    ran: *ran,
                });
            }
            Note::Target { timestamp, made_by } => {
                self.target = Some(timestamp.clone());
                self.target_made_by = made_by.as_deref().cloned();
            }
            Note::Checked { check } => self.checked(check),
            Note::Logs { service, lines } => self.logged(service, lines),
            Note::Downtime { ms } if self.measures_downtime => self.downtime_ms = Some(*ms),
            Note::Downtime { .. }
            | Note::Said { .. }
            | Note::Progress { .. }
            | Note::Waiting { .. }
            | Note::AwaitingRunner { .. } => {}
        }
    }

    fn images_noted(&mut self, services: &[ServiceImage]) {
        if !self.is_going_back() || self.images.is_empty() {
            self.images = services.to_vec();
        }
    }

    fn checked(&mut self, check: &Check) {
        let verdicts = if self.is_going_back() {
            &mut self.checks_after_rollback
        } else {
            &mut self.checks
        };
        match verdicts
            .iter_mut()
            .find(|c| c.name == check.name && c.kind == check.kind)
        {
            Some(known) => *known = check.clone(),
            None => verdicts.push(check.clone()),
        }
    }

    fn logged(&mut self, service: &str, lines: &[String]) {
        let going_back = self.is_going_back();
        match self.logs.iter_mut().find(|l| l.service == service) {
            Some(_) if going_back => {}
            Some(known) => known.lines = lines.to_vec(),
            None => self.logs.push(ServiceLog {
                service: service.to_owned(),
                lines: lines.to_vec(),
            }),
        }
    }
}

fn ms_between(start: DateTime<Utc>, end: DateTime<Utc>) -> u64 {
    // A server's clock may be set back in between.
    u64::try_from((end - start).num_milliseconds()).unwrap_or(0)
}
