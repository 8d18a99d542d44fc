//! A backup as it stands among the others: what `landfall backups` tells of each.
//!
//! It refuses to know who looks and how; the server fills it in, a face shows it.

use serde::{Deserialize, Serialize};

use crate::words::backup::Description;

/// One backup.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Kept {
    /// What it is.
    #[serde(flatten)]
    pub description: Description,
    /// Whether what is in it is what runs now.
    #[serde(default)]
    pub runs_now: bool,
    /// Whether a rollback to `latest` goes there.
    #[serde(default)]
    pub is_latest: bool,
}
