//! How a deploy directory stands right now: what `landfall status` tells.
//!
//! It refuses to know who looks and how; the server fills it in, a face shows it.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::Report;
use crate::archive::Release;
use crate::event::Failure;

/// What runs, who holds the directory, and how the last run ended.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Standing {
    /// The format, [`Standing::VERSION`].
    pub v: u32,
    /// The deploy directory, absolute.
    pub deploy_dir: PathBuf,
    /// What runs.
    pub release: Release,
    /// The latest run, finished or not.
    pub last: Option<Report>,
    /// The run that could not be taken back and still can be, if it is not the latest.
    pub stuck: Option<Report>,
    /// Who is deploying at this moment, as far as is known.
    pub holder: Option<String>,
    /// The message of a person's freeze.
    pub frozen: Option<String>,
    /// What this look settled of an earlier run, in lines; empty when nothing was left.
    pub settled: Vec<String>,
    /// What stands in the way of settling what an earlier run left.
    pub unsettled: Option<Failure>,
    /// The backup that a rollback to `latest` would restore.
    pub rollback_target: Option<String>,
}

impl Standing {
    /// The version that this build writes.
    pub const VERSION: u32 = 1;
}
