//! What a run would change on a server, as far as that can be told without touching it.
//!
//! It refuses to know who looks and how; the server fills it in, a face shows it.

use serde::{Deserialize, Serialize};

use super::ServerReport;
use crate::words::event::{Failure, ServiceImage};

/// What a run would change, or why it would be refused.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Foreseen {
    /// The format, [`Foreseen::VERSION`].
    pub v: u32,
    /// Why the run would be refused, all of it that can be told; nothing else is known then.
    pub refusals: Vec<Failure>,
    /// What the server is.
    pub server: Option<ServerReport>,
    /// One entry a service whose image is known.
    pub images: Vec<ServiceImage>,
    /// One entry a service that runs or would run.
    pub services: Vec<ServiceForeseen>,
    /// One entry a file that would change.
    pub files: Vec<FileForeseen>,
    /// The ports and names that the release wants, and whose they are now.
    pub places: Vec<String>,
    /// Where a rollback goes, now and afterwards.
    pub ways_back: Vec<String>,
    /// What else the run would say.
    pub says: Vec<String>,
    /// What it would warn of.
    pub warnings: Vec<String>,
}

impl Foreseen {
    /// The version that this build writes.
    pub const VERSION: u32 = 1;

    /// A run that would be refused.
    #[must_use]
    pub fn refused(refusals: Vec<Failure>) -> Self {
        Self {
            v: Self::VERSION,
            refusals,
            ..Self::default()
        }
    }

    /// Says whether the run would leave everything as it is.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        self.files.is_empty() && self.services.iter().all(|s| s.change == Change::Stays)
    }
}

/// What would become of a service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceForeseen {
    /// Its name.
    pub service: String,
    /// What would become of it.
    pub change: Change,
    /// Why.
    pub because: Vec<String>,
}

/// What would become of a service's containers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// They would be made and started.
    Starts,
    /// Others would be made in their place.
    Recreated,
    /// They would be stopped and removed.
    Removed,
    /// They would be left alone.
    Stays,
}

impl Change {
    /// The word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Starts => "started",
            Self::Recreated => "recreated",
            Self::Removed => "removed",
            Self::Stays => "left alone",
        }
    }
}

/// What would become of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileForeseen {
    /// Its path, relative to the deploy directory.
    pub path: String,
    /// `added`, `changed`, `removed`, `put back`.
    pub change: String,
    /// Lines of the difference, or names of variables; none that may hold a secret.
    #[serde(default)]
    pub lines: Vec<String>,
}
