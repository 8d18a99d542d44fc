//! A backup as it is described: what ran, which files there were, and which archive holds them.
//!
//! It refuses to know where backups lie, and who makes them.

use std::path::PathBuf;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::words::plan::{Made, Origin};

/// What Compose reads without being told to, of any version.
pub const READ_BY_COMPOSE: [&str; 9] = [
    ".env",
    "compose.yaml",
    "compose.yml",
    "compose.override.yaml",
    "compose.override.yml",
    "docker-compose.yaml",
    "docker-compose.yml",
    "docker-compose.override.yaml",
    "docker-compose.override.yml",
];

/// The version of [`Description`] that this build writes.
pub const DESCRIPTION_VERSION: u32 = 2;

/// What a backup is, beside its archive as `<deploy base name>-backup-<timestamp>.json`: all but its
/// tree, which is behind it in that file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Description {
    /// The format, [`DESCRIPTION_VERSION`].
    pub v: u32,
    /// The name's timestamp, `%Y%m%d_%H%M%S` in UTC.
    pub timestamp: String,
    /// Its place among the backups of its directory: one more than the highest before it. Those of
    /// version 1 have none, and come before all others in the order of their timestamps.
    #[serde(default)]
    pub sequence: u64,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// The run that made it.
    pub deployment_id: String,
    /// What it is for.
    pub purpose: Purpose,
    /// Where it was taken.
    pub deploy_dir: PathBuf,
    /// Compose's name for the project that it is of.
    #[serde(default)]
    pub project: String,
    /// What ran at that moment.
    pub release: Release,
    /// The archive beside it.
    pub archive: ArchiveFact,
    /// Directories and files that containers write, relative to the deploy directory: archived,
    /// and left alone by a restore unless it is told otherwise.
    #[serde(default)]
    pub data: Vec<String>,
    /// What the run that made it was about to put where nothing was: a restore removes it, even
    /// from among data.
    #[serde(default)]
    pub brings: Vec<String>,
    /// What the run that made it was about to put in place, whatever was there: a rollback of another
    /// project leaves it alone.
    #[serde(default)]
    pub ships: Vec<String>,
    /// The globs that were left out.
    #[serde(default)]
    pub exclude: Vec<String>,
    /// Who asked for the run that made it: whoever replaced what is in it.
    #[serde(default)]
    pub origin: Origin,
    /// Who made what is in it; none where that is not known, or where somebody has changed it by hand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub made_by: Option<Made>,
    /// The paths of the tree that make up the release, each with all below it: what runs have
    /// shipped, what Compose reads and what containers only read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub made_of: Vec<String>,
    /// Hex SHA-256 of what runs and of those paths: equal releases have equal ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<String>,
    /// The place of the first backup of an equal release; 0 where an older program made it.
    #[serde(default)]
    pub first: u64,
    /// What a reader has to know to make sense of it.
    #[serde(default)]
    pub needs: Vec<String>,
}

impl Description {
    /// Where it stands among the backups of its directory, whatever any clock said.
    #[must_use]
    pub fn order(&self) -> (u64, &str) {
        (self.sequence, &self.timestamp)
    }

    /// Compose's name for the project that it is of.
    #[must_use]
    pub fn project(&self) -> &str {
        if self.project.is_empty() {
            &self.release.project
        } else {
            &self.project
        }
    }
}

/// Why a backup was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// Before a deployment.
    Deploy,
    /// Before a rollback: so that it can be undone; never `latest`.
    Safety,
}

/// What runs in a project: the part of a backup that is not files.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Release {
    /// Compose's name for the project.
    pub project: String,
    /// The compose files that its containers were made from, relative to the deploy directory;
    /// empty where that is not known.
    #[serde(default)]
    pub compose_files: Vec<String>,
    /// One entry a service that had containers, sorted by name.
    pub services: Vec<Running>,
    /// References in the compose files and the image each meant on this server, sorted.
    pub references: Vec<Reference>,
}

impl Release {
    /// Says whether anything ran and all of it ran well: what `latest` may go back to.
    #[must_use]
    pub fn is_good(&self) -> bool {
        !self.services.is_empty() && self.services.iter().all(|s| s.well)
    }
}

/// One service as it ran.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Running {
    /// The service's name.
    pub service: String,
    /// The reference its container was made from.
    pub image: String,
    /// The image's ID, `sha256:…`.
    pub image_id: String,
    /// The repository digest to pull it by, `repo@sha256:…`, if it has one.
    pub digest: Option<String>,
    /// Compose's hash of the configuration.
    pub config_hash: String,
    /// How many containers.
    pub replicas: u32,
    /// Running (and healthy if it can say so), or a one-shot that exited 0.
    pub well: bool,
    /// Running or restarting, rather than exited.
    pub running: bool,
}

/// What a reference meant on the server.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Reference {
    /// As in the compose file, interpolated: `ghcr.io/acme/app:latest`.
    pub reference: String,
    /// The image's ID; none when the server had no such image.
    pub image_id: Option<String>,
    /// The repository digest to pull it by, if it has one.
    pub digest: Option<String>,
}

/// An archive as a file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArchiveFact {
    /// The file's name, without its directory.
    pub file: String,
    /// Its size in bytes.
    pub bytes: u64,
    /// Hex SHA-256 of the file.
    pub sha256: String,
    /// How many entries it holds.
    pub entries: u64,
}

/// One path of a tree.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Entry {
    /// Relative to the deploy directory, `.` for itself; bytes that are not UTF-8 and
    /// control characters as `\xNN`, a backslash as two.
    pub path: String,
    /// What it is.
    pub kind: EntryKind,
    /// Permission bits, the lowest twelve.
    pub mode: u32,
    /// The owner's number.
    pub uid: u32,
    /// The group's number.
    pub gid: u32,
    /// Bytes of a file; 0 for anything else.
    #[serde(default)]
    pub size: u64,
    /// Hex SHA-256 of a file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// Hex HMAC-SHA256 of a file by the backup directory's key, where a plain checksum would let
    /// people guess what is in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hmac: Option<String>,
    /// Where a symbolic link points.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
}

/// What a path is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EntryKind {
    /// A regular file.
    File,
    /// A directory.
    Dir,
    /// A symbolic link.
    Link,
    /// A socket, pipe or device: named, never archived.
    Other,
}

/// Which paths below the deploy directory belong to whom.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parts {
    /// What containers only read, and so belongs to the release: it tells releases apart.
    #[serde(default)]
    pub read: Vec<String>,
    /// What containers write.
    pub data: Vec<String>,
    /// What the release answers for wherever it lies: what this deployment ships, or what a rollback
    /// removes.
    pub own: Vec<String>,
    /// What the backup lists that a rollback goes to.
    #[serde(default)]
    pub listed: Vec<String>,
    /// What containers mount and was not there when the backup was made, with the directories on
    /// the way to it, the deepest first.
    #[serde(default)]
    pub absent: Vec<String>,
    /// What this run puts in place, or takes back of what its project's runs did.
    #[serde(default)]
    pub ships: Vec<String>,
    /// What is another project's in the same directory: a rollback leaves it alone.
    #[serde(default)]
    pub others: Vec<String>,
}

/// What a backup is to hold.
#[derive(Debug, Clone)]
pub struct Order<'a> {
    /// Why it is made.
    pub purpose: Purpose,
    /// What runs.
    pub release: &'a Release,
    /// Which paths belong to whom.
    pub parts: &'a Parts,
    /// Who made what runs, where that is known.
    pub made_by: Option<Made>,
}
