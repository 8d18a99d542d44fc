//! A run as one value: what its records add up to, for the log, the summary, the history.
//!
//! It refuses to know where a report is shown, and decides nothing: `push` only remembers.

mod fold;
pub mod foreseen;
pub mod kept;
pub mod made;
#[cfg(test)]
pub(crate) mod sample;
mod scrub;
pub mod standing;
mod words;

use std::path::PathBuf;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::words::error::Error;
use crate::words::event::{Check, Event, Failure, Note, Record, ServiceImage, Status, Step};
use crate::words::plan::{Goal, Made, Origin, Plan};
use crate::words::reader::Reader;

pub use standing::Standing;
pub use words::{seconds, span};

/// The version of [`Report`] that this build writes.
pub const REPORT_VERSION: u32 = 1;

/// A whole run; the contract's `report` output and one entry of the history.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Report {
    /// The format, [`REPORT_VERSION`].
    pub v: u32,
    /// The deployment's id; empty when a run was stopped before it had one.
    pub id: String,
    /// How it ended; `unknown` until an end is recorded.
    pub status: Status,
    /// What it was for.
    pub goal: Option<Goal>,
    /// Where on the server.
    pub deploy_dir: Option<PathBuf>,
    /// Who asked, and why.
    pub origin: Origin,
    /// The first record's time.
    pub started_at: Option<DateTime<Utc>>,
    /// The last record's time.
    pub ended_at: Option<DateTime<Utc>>,
    /// Milliseconds from the first record to the last, unless the runner knows better.
    pub duration_ms: u64,
    /// How long `health_url` did not answer, in milliseconds; none without a `health_url`.
    pub downtime_ms: Option<u64>,
    /// Every step that began, in order; taking a step back is an entry of its own.
    pub steps: Vec<StepReport>,
    /// One entry a deployed service, as the run meant it to be.
    pub images: Vec<ServiceImage>,
    /// The backup that this run made.
    pub backup: Option<BackupReport>,
    /// The timestamp of the backup that a rollback restores.
    pub target: Option<String>,
    /// Who made what is in it, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_made_by: Option<Made>,
    /// The latest verdict of every check on the way forward.
    pub checks: Vec<Check>,
    /// The latest verdict of every check while the release was put back.
    pub checks_after_rollback: Vec<Check>,
    /// What services printed last.
    pub logs: Vec<ServiceLog>,
    /// Lines worth acting on though nothing failed.
    pub warnings: Vec<String>,
    /// The step that failed first.
    pub failed_step: Option<Step>,
    /// Why the run failed: one entry, or all faults of the inputs.
    pub failures: Vec<Failure>,
    /// Why putting back failed.
    pub undo_failure: Option<Failure>,
    /// The failure as one paragraph; empty when nothing failed.
    pub reason: String,
    /// What to do about it, each an imperative.
    pub hints: Vec<String>,
    /// What a dry run would do, line by line.
    pub preview: Vec<String>,
    /// What the server is.
    pub server: Option<ServerReport>,
    /// Who is told, once that is known.
    #[serde(skip)]
    pub reader: Reader,
    /// The next sequence number that is news.
    #[serde(skip)]
    next_seq: u64,
    /// Whether `health_url` was asked for, so that downtime means something.
    #[serde(skip)]
    measures_downtime: bool,
}

/// One step, acted or taken back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StepReport {
    /// Which one.
    pub step: Step,
    /// How it went.
    pub result: StepResult,
    /// When it began, by the server's clock.
    pub started_at: DateTime<Utc>,
    /// When it ended; none while it is at work or when its end was never recorded.
    pub ended_at: Option<DateTime<Utc>>,
    /// Milliseconds between the two.
    pub duration_ms: u64,
}

/// How a step went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepResult {
    /// It is at work, or nobody heard how it ended.
    Acting,
    /// It has acted.
    Acted,
    /// It could not act.
    Failed,
    /// It is being taken back, or nobody heard how that ended.
    Undoing,
    /// It has been taken back.
    Undone,
    /// It could not be taken back.
    UndoFailed,
}

impl StepResult {
    /// The words of tables and logs.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Acting => "at work",
            Self::Acted => "done",
            Self::Failed => "failed",
            Self::Undoing => "being taken back",
            Self::Undone => "taken back",
            Self::UndoFailed => "could not be taken back",
        }
    }
}

/// The backup that a run made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupReport {
    /// Its name's timestamp, `%Y%m%d_%H%M%S` in UTC.
    pub timestamp: String,
    /// The archive's absolute path on the server.
    pub file: String,
    /// The archive's size.
    pub bytes: u64,
    /// Whether anything ran when it was taken; none where an older program made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ran: Option<bool>,
}

/// What a service printed last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceLog {
    /// The service.
    pub service: String,
    /// Its last lines, oldest first.
    pub lines: Vec<String>,
}

/// What a server is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerReport {
    /// The Docker Engine's version.
    pub docker: String,
    /// Compose's version.
    pub compose: String,
    /// The project name in force.
    pub project: String,
}

impl Default for Report {
    /// A run of which nothing is known yet.
    fn default() -> Self {
        Self {
            v: REPORT_VERSION,
            id: String::new(),
            status: Status::Unknown,
            goal: None,
            deploy_dir: None,
            origin: Origin::default(),
            started_at: None,
            ended_at: None,
            duration_ms: 0,
            downtime_ms: None,
            steps: Vec::new(),
            images: Vec::new(),
            backup: None,
            target: None,
            target_made_by: None,
            checks: Vec::new(),
            checks_after_rollback: Vec::new(),
            logs: Vec::new(),
            warnings: Vec::new(),
            failed_step: None,
            failures: Vec::new(),
            undo_failure: None,
            reason: String::new(),
            hints: Vec::new(),
            preview: Vec::new(),
            server: None,
            reader: Reader::default(),
            next_seq: 0,
            measures_downtime: false,
        }
    }
}

impl Report {
    /// Folds the records of one run, in order.
    #[must_use]
    pub fn fold<'a>(records: impl IntoIterator<Item = &'a Record>) -> Self {
        let mut report = Self::default();
        for record in records {
            report.push(record);
        }
        report
    }

    /// Begins the report of a run that has a plan and no record yet.
    #[must_use]
    pub fn of_plan(plan: &Plan) -> Self {
        let mut report = Self::default();
        report.plan_facts(plan);
        report
    }

    /// Begins the report of a run that was stopped before it had a plan.
    #[must_use]
    pub fn of_origin(origin: Origin) -> Self {
        Self {
            origin,
            ..Self::default()
        }
    }

    /// The report of a dry run: nothing was touched, and these lines say what would happen.
    #[must_use]
    pub fn planned(mut self, preview: Vec<String>) -> Self {
        self.status = Status::Planned;
        self.preview = preview;
        self
    }

    /// The report of a dry run whose run would be refused, for all of these reasons.
    #[must_use]
    pub fn refused(mut self, failures: Vec<Failure>) -> Self {
        self.status = Status::Refused;
        self.failures = failures;
        self.settle();
        self
    }

    /// The report of a run that was stopped on this side of the connection.
    #[must_use]
    pub fn stopped(mut self, error: &Error) -> Self {
        if let Error::Lost(failure) = error {
            return self.lost(failure);
        }
        self.status = error.status();
        self.failures = error.failures().to_vec();
        self.settle();
        self
    }

    /// The report of a run with which contact was lost; what was heard until then is kept.
    /// An end that was heard already stands, and so does a commit: nothing goes back behind it.
    #[must_use]
    pub fn lost(mut self, failure: &Failure) -> Self {
        if self.is_finished() {
            return self;
        }
        if self.is_committed() {
            self.status = match self.goal {
                Some(Goal::Rollback { .. }) => Status::Restored,
                _ => Status::Deployed,
            };
            self.warnings.push(failure.to_string());
            return self;
        }
        self.status = Status::Unknown;
        self.failures.push(failure.clone());
        self.settle();
        self
    }

    /// The same, told to somebody.
    #[must_use]
    pub fn read_by(self, reader: Reader) -> Self {
        Self { reader, ..self }
    }

    /// Says whether an end is known.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.status != Status::Unknown
    }

    fn is_committed(&self) -> bool {
        let mut steps = self.steps.iter();
        steps.any(|s| s.step == Step::Commit && s.result == StepResult::Acted)
    }

    /// Says whether the run ended as asked: exit code 0.
    #[must_use]
    pub fn went_well(&self) -> bool {
        crate::words::error::exit_code(self.status) == crate::words::error::exit::OK
    }

    /// The first cause, if anything failed.
    #[must_use]
    pub fn cause(&self) -> Option<&Failure> {
        self.failures.first()
    }
}

#[cfg(test)]
mod tests;
