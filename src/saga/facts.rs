//! What one step found out and another needs, as it lies in the run's own directory.
//!
//! The file refuses to know which step asks.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::files::tree::Differing;
use crate::host::{Config, Container, ServiceConfig};
use crate::words::backup::Release;
use crate::words::event::ServiceImage;

/// What ran before anything was changed.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Before {
    /// The release, as a backup describes it.
    pub release: Release,
    /// Its containers.
    pub containers: Vec<Container>,
    /// The names of the project's networks.
    pub networks: Vec<String>,
    /// Their IDs.
    #[serde(default)]
    pub network_ids: Vec<String>,
    /// The names of the project's volumes; older agents noted none of it.
    #[serde(default)]
    pub volumes: Option<Vec<String>>,
}

/// What is to run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Wanted {
    /// What Compose makes of the files that will be in place.
    pub config: Config,
    /// The services to bring up; empty means all.
    pub services: Vec<String>,
    /// Where each service's image comes from.
    pub sources: Vec<Source>,
    /// Paths that this deployment ships, relative to the deploy directory.
    pub shipped: Vec<String>,
    /// What services of any profile may write, where the files that come name profiles.
    #[serde(default)]
    pub written: Vec<PathBuf>,
}

impl Wanted {
    /// The services that are to run when the deployment is over.
    pub fn deployed(&self) -> impl Iterator<Item = &ServiceConfig> {
        let services = self.config.services.iter();
        services.filter(|s| {
            s.replicas != Some(0) && (self.services.is_empty() || self.services.contains(&s.name))
        })
    }

    /// The services whose images are built on the server: one that was asked for is not built.
    pub fn built_here(&self) -> impl Iterator<Item = &ServiceConfig> {
        let given = |name: &str| {
            let mut sources = self.sources.iter();
            sources.any(|s| s.service == name && s.pull.is_some())
        };
        let services = self.config.services.iter();
        services.filter(move |s| s.build && !given(&s.name))
    }
}

/// Where a service's image comes from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// The service.
    pub service: String,
    /// The reference in the compose file.
    pub reference: String,
    /// The reference to pull; none leaves the image that is there.
    pub pull: Option<String>,
    /// For another platform than the server's own.
    pub platform: Option<String>,
    /// What the compose file says about pulling it.
    #[serde(default)]
    pub policy: Policy,
}

/// When an image that is named by a compose file is pulled.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Policy {
    /// At every deployment: the file says so, or says nothing.
    #[default]
    Always,
    /// When the server has none.
    Missing,
    /// When the server has none, or has had its own for this many seconds.
    Every(u64),
    /// Never.
    Never,
}

impl Policy {
    /// Reads a service's `pull_policy`.
    #[must_use]
    pub fn of(text: Option<&str>) -> Self {
        const DAY: u64 = 24 * 60 * 60;
        match text {
            Some("never") => Self::Never,
            Some("missing" | "if_not_present" | "build") => Self::Missing,
            Some("daily") => Self::Every(DAY),
            Some("weekly") => Self::Every(7 * DAY),
            Some(other) => match other.strip_prefix("every_").and_then(seconds) {
                Some(seconds) => Self::Every(seconds),
                None => Self::Always,
            },
            None => Self::Always,
        }
    }
}

/// A duration such as `1w2d`, `36h` or `90m` in seconds.
fn seconds(text: &str) -> Option<u64> {
    let (mut total, mut number) = (0_u64, String::new());
    for c in text.chars() {
        if c.is_ascii_digit() {
            number.push(c);
            continue;
        }
        let unit = match c {
            'w' => 7 * 24 * 60 * 60,
            'd' => 24 * 60 * 60,
            'h' => 60 * 60,
            'm' => 60,
            's' => 1,
            _ => return None,
        };
        let count: u64 = std::mem::take(&mut number).parse().ok()?;
        total = total.checked_add(count.checked_mul(unit)?)?;
    }
    (number.is_empty() && total > 0).then_some(total)
}

/// What was pulled.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Pulled {
    /// One entry a service: the image it will run.
    pub images: Vec<ServiceImage>,
    /// `repository@sha256:…` that were not on the server before this run.
    pub new: Vec<String>,
}

/// Whose release lay in the deploy directory before this run's own.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Generation {
    /// The run that had made it; none where nobody had noted one.
    pub before: Option<String>,
}

/// What a rollback takes back, and what it leaves, in a directory that projects may share.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Shared {
    /// What its project's runs have put in place since the backup was taken.
    pub own: Vec<String>,
    /// What is another project's.
    pub others: Vec<String>,
}

/// What was there at a moment when nobody but this run had done anything.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Seen {
    /// The IDs of the project's containers.
    pub containers: Vec<String>,
    /// What was not as this run's backup has it.
    pub files: Vec<Differing>,
}

#[cfg(test)]
mod tests;
