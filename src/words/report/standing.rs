//! How a deploy directory stands right now: what `landfall status` tells.
//!
//! It refuses to know who looks and how; the server fills it in, a face shows it.

use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{Report, made};
use crate::words::backup::Release;
use crate::words::event::{Failure, ServiceImage, Status};

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
    /// `healthy` or `unhealthy`; none where an older program looked.
    pub status: Option<Status>,
    /// Why it is unhealthy, each with what to do.
    pub reasons: Vec<Failure>,
    /// Every service that should run or does, as it is at this moment.
    pub services: Vec<ServiceStanding>,
    /// Since when all of them run as they do now; none where nothing runs.
    pub since: Option<DateTime<Utc>>,
    /// The run whose release should be in place; none where nothing was ever deployed.
    pub deployed: Option<Report>,
    /// What is not as that run left it, each with what to do.
    pub drift: Vec<Failure>,
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

/// A service at this moment.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ServiceStanding {
    /// Its name.
    pub service: String,
    /// Whether it is as it should be.
    pub healthy: bool,
    /// What it does, in words.
    pub detail: String,
    /// Since when its youngest container runs; none where none does.
    pub since: Option<DateTime<Utc>>,
    /// How often its containers restarted by themselves.
    pub restarts: i64,
    /// How many containers it has.
    pub replicas: u32,
    /// The reference that they were made from, or the deployed one where there is none.
    pub image: String,
    /// The ID of their image; empty where there is no container.
    pub image_id: String,
    /// The digest to pull it by.
    pub digest: Option<String>,
}

impl Standing {
    /// The version that this build writes.
    pub const VERSION: u32 = 1;

    /// Why there is nothing to be healthy where nothing was ever deployed.
    #[must_use]
    pub fn nothing_at(dir: &Path) -> Failure {
        let dir = dir.display();
        Failure::new(format!(
            "nothing was ever deployed to `{dir}`, and nothing runs there"
        ))
        .hint("deploy; or, where it was deployed with a `backup_dir` or a `project_name`, name that as well")
    }

    /// Whether all is as it should be.
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        self.status == Some(Status::Healthy)
    }

    /// What a service's image is called: as it was asked for, where that runs which was deployed.
    #[must_use]
    pub fn called<'a>(&'a self, service: &'a ServiceStanding) -> &'a str {
        let is_deployed =
            |i: &ServiceImage| i.service == service.service && i.image_id == service.image_id;
        let run = self.deployed.as_ref();
        let run = run.filter(|run| run.images.iter().any(is_deployed));
        run.map_or(&service.image, |run| {
            made::asked_for(&service.image, run.asked())
        })
    }

    /// What runs, as the `images` output has it.
    #[must_use]
    pub fn images(&self) -> Vec<ServiceImage> {
        let there = self.services.iter().filter(|s| s.replicas > 0);
        let images = there.map(|s| ServiceImage {
            service: s.service.clone(),
            image: self.called(s).to_owned(),
            image_id: s.image_id.clone(),
            digest: s.digest.clone(),
            previous_image_id: None,
            previous_digest: None,
        });
        images.collect()
    }
}

impl Report {
    /// The report of a look: healthy or not, why not, and what runs.
    #[must_use]
    pub fn looked(mut self, standing: &Standing, lines: Vec<String>) -> Self {
        self.status = standing.status.unwrap_or(Status::Unhealthy);
        self.failures.clone_from(&standing.reasons);
        self.images = standing.images();
        self.preview = lines;
        self.settle();
        self
    }
}
