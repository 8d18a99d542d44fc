//! What a run knows of containers and images: what was there before it, and what it makes.
//!
//! It refuses to look at the server.

use std::collections::BTreeSet;

use super::{Begun, SoFar};
use crate::files::rundir::name;
use crate::host::compose::built_names;
use crate::host::{Container, Host};
use crate::saga::facts::{Before, Pulled, Seen, Wanted};
use crate::saga::steps::Run;
use crate::words::Result;
use crate::words::backup::Release;

/// What a run knows.
#[derive(Debug, Default)]
pub struct Known {
    /// The containers that were there before, or that were seen to be this run's.
    containers: BTreeSet<String>,
    /// The images of what this run, or its way back, makes; none while it has made nothing.
    images: BTreeSet<String>,
    /// What this run builds, as far as it came to say.
    built: Built,
    pub before: Before,
    pub pulled: Pulled,
    /// What a rollback goes to.
    pub target: Option<Release>,
}

/// What a run builds on the server.
#[derive(Debug, Default)]
struct Built {
    services: Vec<String>,
    /// The names that its images get.
    references: Vec<String>,
    /// Their IDs, where the run came to note them.
    ids: Option<Vec<String>>,
}

impl Built {
    fn may_be(&self, image_id: &str) -> bool {
        let known = self.ids.as_ref();
        known.is_none_or(|ids| ids.iter().any(|id| id == image_id))
    }
}

impl Known {
    /// What a run that has come so far knows.
    pub fn of<H: Host>(run: &Run<'_, H>, so_far: &SoFar) -> Result<Self> {
        let before = run.before()?;
        let target = run.is_rollback().then(|| run.target()).transpose()?;
        let mut known = Self {
            pulled: run.pulled()?,
            target: target.map(|target| target.release),
            containers: before.containers.iter().map(|c| c.id.clone()).collect(),
            before,
            ..Self::default()
        };
        for fact in [name::AFTER_HOOK, name::REOPENED] {
            let seen: Option<Seen> = run.dir.recall(fact)?;
            known.containers.extend(seen.unwrap_or_default().containers);
        }
        if !so_far.begun.is_empty() {
            known.images = images_of(&known.before.release);
        }
        if so_far.has(Begun::Up) || so_far.has(Begun::Hook) {
            known.takes_forward(run)?;
        }
        Ok(known)
    }

    /// What is made on the way to the new release.
    fn takes_forward<H: Host>(&mut self, run: &Run<'_, H>) -> Result<()> {
        let pulled = self.pulled.images.iter();
        self.images.extend(pulled.map(|i| i.image_id.clone()));
        self.images.extend(self.target.iter().flat_map(images_of));
        let wanted: Option<Wanted> = run.dir.recall(name::WANTED)?;
        let Some(wanted) = wanted else { return Ok(()) };
        let project = &wanted.config.project;
        for service in wanted.built_here() {
            let names = built_names(project, &service.name);
            let names = service.image.iter().cloned().chain(names);
            self.built.references.extend(names);
            self.built.services.push(service.name.clone());
        }
        self.built.ids = run.dir.recall(name::BUILT)?;
        Ok(())
    }

    /// Says whether a container was there before, or can be of this run's making.
    pub fn has(&self, container: &Container) -> bool {
        let is_built = || {
            let built = &self.built;
            built.services.contains(&container.service) && built.may_be(&container.image_id)
        };
        self.containers.contains(&container.id)
            || self.images.contains(&container.image_id)
            || is_built()
    }

    /// Says whether a reference that means an image is as this run found it or makes it.
    pub fn means(&self, reference: &str, image_id: &str) -> bool {
        let releases = self.target.iter().chain([&self.before.release]);
        let of_release = |release: &Release| {
            let mut meant = release.references.iter();
            let mut ran = release.services.iter();
            meant.any(|r| r.reference == reference && r.image_id.as_deref() == Some(image_id))
                || ran.any(|s| s.image == reference && s.image_id == image_id)
        };
        let mut pulled = self.pulled.images.iter();
        let is_built = self.built.references.iter().any(|r| r == reference);
        releases.into_iter().any(of_release)
            || pulled.any(|i| i.image == reference && i.image_id == image_id)
            || is_built && self.built.may_be(image_id)
    }
}

fn images_of(release: &Release) -> BTreeSet<String> {
    let ran = release.services.iter().map(|s| s.image_id.clone());
    let meant = release.references.iter().filter_map(|r| r.image_id.clone());
    ran.chain(meant).collect()
}
