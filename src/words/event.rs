//! The vocabulary: what happens during a run, as data that everybody reads.
//!
//! One record type everywhere: the journal's line is the wire's line is what the log, the summary
//! and the history fold. It refuses to know who decides, who acts and who is told.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::words::plan::{Made, Plan};

/// The newest version of [`Record`] that this build knows; older ones are read, newer ones refused.
pub const RECORD_VERSION: u32 = 2;

/// One line of a run: when, in which order, and what.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// The format: [`Event::version`], so that an older reader refuses what it does not know alone.
    pub v: u32,
    /// The position in the run, from 0, without gaps.
    pub seq: u64,
    /// The server's clock when the record was made.
    pub at: DateTime<Utc>,
    /// The deployment's id.
    pub run: String,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}

/// What can happen. Only the saga makes these; `Note` alone never changes state.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// The run begins with this plan.
    Planned {
        /// The whole plan; it holds no secret.
        plan: Box<Plan>,
    },
    /// A step is about to act.
    Started {
        /// Which one.
        step: Step,
    },
    /// A step has acted.
    Succeeded {
        /// Which one.
        step: Step,
    },
    /// A step could not act.
    Failed {
        /// Which one.
        step: Step,
        /// Why.
        failure: Failure,
    },
    /// A step is about to be taken back.
    UndoStarted {
        /// Which one.
        step: Step,
    },
    /// A step has been taken back.
    Undone {
        /// Which one.
        step: Step,
    },
    /// A step could not be taken back.
    UndoFailed {
        /// Which one.
        step: Step,
        /// Why.
        failure: Failure,
    },
    /// Somebody made a release since the agent died: what it left is nobody's to take back without
    /// a person's word.
    Overtaken {
        /// What was found, and both ways on.
        failure: Failure,
    },
    /// A person has the way back tried again that had failed: all of it, from the top.
    Reopened,
    /// A person keeps what runs: the way back is not tried again.
    Kept,
    /// Progress and facts.
    Note {
        /// The step that found it.
        step: Step,
        /// What it found.
        note: Note,
    },
    /// The run is over.
    Finished {
        /// How it ended.
        outcome: Outcome,
    },
}

impl Event {
    /// The version of the record that tells it: the first one whose readers know such an event.
    #[must_use]
    pub fn version(&self) -> u32 {
        match self {
            Self::Overtaken { .. } | Self::Kept => 2,
            _ => 1,
        }
    }
}

/// A step of a plan, in the order of a deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Looks at the server and refuses what cannot succeed.
    Preflight,
    /// Lays the new files beside the old ones and asks Compose about them.
    Stage,
    /// Pulls images by digest.
    Pull,
    /// Archives the deploy directory with a description of what runs.
    /// Its undo asserts the archived release again.
    Backup,
    /// Puts new files and the env file in place.
    Files,
    /// Reconciles the tree to a backup (manual rollback).
    Restore,
    /// Runs the operator's hook before the switch.
    PreDeploy,
    /// Gives references their images and lets Compose replace the containers.
    Up,
    /// Judges every service and runs the smoke tests.
    Verify,
    /// Waits for the runner's word.
    Confirm,
    /// The point of no return: one append.
    Commit,
    /// Runs the operator's hook after the commit.
    PostDeploy,
}

impl Step {
    /// The word that logs, outputs and journals use.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Preflight => "preflight",
            Self::Stage => "stage",
            Self::Pull => "pull",
            Self::Backup => "backup",
            Self::Files => "files",
            Self::Restore => "restore",
            Self::PreDeploy => "pre_deploy",
            Self::Up => "up",
            Self::Verify => "verify",
            Self::Confirm => "confirm",
            Self::Commit => "commit",
            Self::PostDeploy => "post_deploy",
        }
    }

    /// What taking the step back does, where the release was changed by then or not.
    #[must_use]
    pub fn way_back(self, changed: bool) -> &'static str {
        match self {
            Self::Stage => "clear what was laid out",
            Self::Pull => "remove the new images",
            Self::Backup if changed => "start the old release",
            Self::Backup => "remove the backup",
            Self::Files | Self::Restore => "put the files back",
            Self::Up => "stop the new containers",
            other => other.word(),
        }
    }

    /// Says whether the step touches what the operator sees: files, containers, hooks.
    /// A run that fails before the first such step has changed nothing and is `refused`.
    #[must_use]
    pub fn changes_the_release(self) -> bool {
        matches!(
            self,
            Self::Files | Self::Restore | Self::PreDeploy | Self::Up
        )
    }

    /// Says whether anything is done to take the step back.
    #[must_use]
    pub fn has_an_undo(self) -> bool {
        matches!(self, Self::Stage | Self::Pull | Self::Backup | Self::Up)
            || matches!(self, Self::Files | Self::Restore)
    }

    /// Says whether the step lies behind the point of no return.
    #[must_use]
    pub fn follows_commit(self) -> bool {
        matches!(self, Self::PostDeploy)
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// Why something failed, told so that it can be mended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// What went wrong, lower case, without a full stop.
    pub what: String,
    /// The causes behind it, nearest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub because: Vec<String>,
    /// What to do about it, each an imperative.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hints: Vec<String>,
    /// Which kind of failure, where somebody decides by it.
    #[serde(default)]
    pub kind: FailureKind,
}

/// The kinds of failure that somebody decides by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// Something on the server said no.
    #[default]
    Failed,
    /// A step had started and never reported.
    Interrupted,
    /// A person or the runner asked for it.
    Cancelled,
    /// A deadline passed.
    TimedOut,
    /// Another deployment holds the directory.
    Locked,
    /// A person froze the directory.
    Frozen,
    /// A directory's path leads elsewhere than when the run began. Nobody decides by it once the run
    /// is over, and older programs do not know the word.
    #[serde(rename = "failed", skip_deserializing)]
    Moved,
    /// The same where the directory itself is gone.
    #[serde(rename = "failed", skip_deserializing)]
    Gone,
    /// Nothing says which key a server has to have; what it presents is shown. No run ends by it.
    #[serde(rename = "failed", skip_deserializing)]
    Unpinned,
}

impl Failure {
    /// A failure of the ordinary kind.
    #[must_use]
    pub fn new(what: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            because: Vec::new(),
            hints: Vec::new(),
            kind: FailureKind::Failed,
        }
    }

    /// The same failure of another kind.
    #[must_use]
    pub fn of(mut self, kind: FailureKind) -> Self {
        self.kind = kind;
        self
    }

    /// Says whether a path leads elsewhere than when the run began.
    #[must_use]
    pub fn is_astray(&self) -> bool {
        matches!(self.kind, FailureKind::Moved | FailureKind::Gone)
    }

    /// The same failure with one more cause behind it.
    #[must_use]
    pub fn because(mut self, cause: impl fmt::Display) -> Self {
        self.because.push(cause.to_string());
        self
    }

    /// The same failure with one more thing to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// Visits each of its texts.
    pub fn each_text(&mut self, visit: &mut dyn FnMut(&mut String)) {
        visit(&mut self.what);
        self.because.iter_mut().for_each(&mut *visit);
        self.hints.iter_mut().for_each(visit);
    }
}

impl fmt::Display for Failure {
    /// The failure in one line: what, and the causes behind it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        for cause in &self.because {
            write!(f, ": {cause}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Failure {}

impl From<anyhow::Error> for Failure {
    /// Keeps a [`Failure`] that travelled inside, and turns any other chain into one.
    fn from(error: anyhow::Error) -> Self {
        match error.downcast::<Self>() {
            Ok(failure) => failure,
            Err(other) => {
                let mut chain = other.chain().map(ToString::to_string);
                let mut failure = Self::new(chain.next().unwrap_or_default());
                failure.because = chain.collect();
                failure
            }
        }
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::new(error.to_string())
    }
}

/// Progress and facts on the way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "note", rename_all = "snake_case")]
pub enum Note {
    /// One line worth reading.
    Said {
        /// The line.
        text: String,
    },
    /// One line worth acting on, though nothing failed.
    Warned {
        /// The line.
        text: String,
    },
    /// How far a pull or an archive has come.
    Progress {
        /// What is moving, such as an image reference.
        what: String,
        /// Bytes so far.
        done: u64,
        /// Bytes in all; 0 while unknown.
        total: u64,
    },
    /// Another deployment holds the directory.
    Waiting {
        /// Who: run URL, actor, since when, as far as is known.
        holder: String,
    },
    /// What the server is.
    Server {
        /// The Docker Engine's version.
        docker: String,
        /// Compose's version.
        compose: String,
        /// The project name in force.
        project: String,
    },
    /// The images of the services, before and after as far as is known.
    Images {
        /// One entry a deployed service.
        services: Vec<ServiceImage>,
    },
    /// The backup that this run made.
    Backup {
        /// Its name's timestamp, `%Y%m%d_%H%M%S` in UTC.
        timestamp: String,
        /// The archive's absolute path on the server.
        file: String,
        /// The archive's size in bytes.
        bytes: u64,
        /// Whether anything ran when it was taken; programs before this did not say.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ran: Option<bool>,
    },
    /// The backup that a rollback restores.
    Target {
        /// Its name's timestamp.
        timestamp: String,
        /// Who made what is in it, where that is known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        made_by: Option<Box<Made>>,
    },
    /// One verdict of a check.
    Checked {
        /// The result.
        check: Check,
    },
    /// What a service printed last.
    Logs {
        /// The service.
        service: String,
        /// Its last lines, oldest first, 50 at most.
        lines: Vec<String>,
    },
    /// How long `health_url` did not answer around the switch.
    Downtime {
        /// Milliseconds.
        ms: u64,
    },
    /// The server has passed its own checks and waits for the runner's.
    AwaitingRunner {
        /// Until when silence is patience; later it is a failure.
        until: DateTime<Utc>,
    },
}

/// A service and its image before and after a run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceImage {
    /// The service's name in the compose file.
    pub service: String,
    /// The reference in the compose file.
    pub image: String,
    /// `sha256:…` of the image's configuration.
    pub image_id: String,
    /// `sha256:…` of the manifest in the registry, if it has one.
    pub digest: Option<String>,
    /// What ran before, if anything did.
    pub previous_image_id: Option<String>,
    /// The digest of what ran before.
    pub previous_digest: Option<String>,
}

/// The result of one check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// Its name: a service, `health_url` or a smoke test's name.
    pub name: String,
    /// What kind of check it is: `service`, `http`, `tcp`, `exec`.
    pub kind: String,
    /// Whether it passed.
    pub passed: bool,
    /// What was seen.
    pub detail: String,
    /// How long it took until this verdict, in milliseconds.
    pub ms: u64,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    /// The new release runs and is healthy.
    Deployed,
    /// A chosen backup runs again.
    Restored,
    /// Nothing was changed.
    Refused {
        /// Why.
        cause: Failure,
        /// The step that said no.
        step: Step,
    },
    /// What was changed has been put back, and that was verified.
    RolledBack {
        /// Why.
        cause: Failure,
        /// The step that failed.
        step: Step,
    },
    /// Putting back failed; a person is needed.
    Stuck {
        /// Why the run failed first.
        cause: Failure,
        /// The step that failed first.
        step: Step,
        /// Why putting back failed.
        undo: Failure,
    },
}

impl Outcome {
    /// The word of the `status` output.
    #[must_use]
    pub fn status(&self) -> Status {
        match self {
            Self::Deployed => Status::Deployed,
            Self::Restored => Status::Restored,
            Self::Refused { .. } => Status::Refused,
            Self::RolledBack { .. } => Status::RolledBack,
            Self::Stuck { .. } => Status::RollbackFailed,
        }
    }

    /// The first failure and its step, if there was one.
    #[must_use]
    pub fn cause(&self) -> Option<(Step, &Failure)> {
        match self {
            Self::Deployed | Self::Restored => None,
            Self::Refused { cause, step }
            | Self::RolledBack { cause, step }
            | Self::Stuck { cause, step, .. } => Some((*step, cause)),
        }
    }
}

/// The public word for how a run ended; the contract's `status` output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// As asked: a new release.
    Deployed,
    /// As asked: a chosen backup.
    Restored,
    /// As asked: nothing but a plan.
    Planned,
    /// A look: what was deployed runs as it should.
    Healthy,
    /// A look: it does not.
    Unhealthy,
    /// Exactly as before, verified.
    RolledBack,
    /// Untouched.
    Refused,
    /// A person is needed.
    RollbackFailed,
    /// Contact was lost; the server settles by itself.
    Unknown,
}

impl Status {
    /// Every status, in the contract's order.
    pub const ALL: [Self; 9] = [
        Self::Deployed,
        Self::Restored,
        Self::Planned,
        Self::Healthy,
        Self::Unhealthy,
        Self::RolledBack,
        Self::Refused,
        Self::RollbackFailed,
        Self::Unknown,
    ];

    /// The word itself.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Deployed => "deployed",
            Self::Restored => "restored",
            Self::Planned => "planned",
            Self::Healthy => "healthy",
            Self::Unhealthy => "unhealthy",
            Self::RolledBack => "rolled_back",
            Self::Refused => "refused",
            Self::RollbackFailed => "rollback_failed",
            Self::Unknown => "unknown",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}
