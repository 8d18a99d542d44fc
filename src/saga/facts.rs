//! What one step found out and another needs: small JSON files under the run's own directory.
//!
//! A fact is on disk before anything relies on it, so an undo finds it after a crash. The file
//! refuses to know which step asks.

use std::io;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::files::tree::{Differing, Home};
use crate::host::{Config, Container, ServiceConfig};
use crate::saga::disk::{self, Claim};
use crate::words::Result;
use crate::words::backup::Release;
use crate::words::event::{Failure, FailureKind, ServiceImage};

/// How much room a run keeps for its way back, in bytes.
const BALLAST: u64 = 1024 * 1024;

/// The directory of one run: `<backup_dir>/.landfall/runs/<id>`. One that is held is meant from then
/// on, wherever its path leads.
#[derive(Debug, Clone)]
pub struct RunDir {
    path: PathBuf,
    held: Option<Home>,
}

impl RunDir {
    /// The directory of a run below a state directory; it need not exist yet.
    #[must_use]
    pub fn of(state: &Path, id: &str) -> Self {
        Self {
            path: state.join("runs").join(id),
            held: None,
        }
    }

    /// Opens it, for whoever works on the run: what the run relies on is read and written there.
    #[must_use]
    pub fn held(mut self) -> Self {
        self.held = Home::open(&self.path).ok();
        self
    }

    /// Refuses where its path leads elsewhere by now: Compose and hooks are given paths.
    pub fn confirm(&self) -> Result<()> {
        let led = self.held.iter().try_for_each(Home::confirm);
        // The deploy directory is where it was, so what ran can come back.
        led.map_err(|failure| failure.of(FailureKind::Failed))
    }

    /// Where this process reaches it, never to be told.
    fn here(&self) -> PathBuf {
        let held = self.held.as_ref().map(Home::within);
        held.unwrap_or_else(|| self.path.clone())
    }

    fn at(&self, file: &str) -> PathBuf {
        self.here().join(file)
    }

    /// The directory itself.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The state directory that the run belongs to.
    #[must_use]
    pub fn state(&self) -> &Path {
        self.path.ancestors().nth(2).unwrap_or(&self.path)
    }

    /// The journal.
    #[must_use]
    pub fn journal(&self) -> PathBuf {
        self.at("journal")
    }

    /// The files that came with the plan, as a tar stream.
    #[must_use]
    pub fn files(&self) -> PathBuf {
        self.at("files.tar")
    }

    /// Where the new files are laid beside the old ones.
    #[must_use]
    pub fn stage(&self) -> PathBuf {
        self.path.join("stage")
    }

    /// The file whose kernel lock the agent of this run holds for as long as it lives.
    #[must_use]
    pub fn alive(&self) -> PathBuf {
        self.at("alive")
    }

    /// Says whether the agent of this run lives.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        disk::is_claimed(&self.alive())
    }

    /// Claims the run for this process, for as long as the file is held; `None` when an agent has it.
    #[must_use]
    pub fn claim(&self) -> Option<Claim> {
        disk::claim(&self.alive())
    }

    /// A word that the runner has left, and the reason it gave.
    #[must_use]
    pub fn word(&self, word: &str) -> Option<String> {
        let said = disk::read(&self.at(&format!("word-{word}"))).ok()?;
        String::from_utf8(said).ok()
    }

    /// Writes a fact down, on disk when it returns.
    pub fn keep<T: Serialize>(&self, name: &str, fact: &T) -> Result<()> {
        self.write(name, fact)
            .map_err(|e| Failure::new(format!("cannot write down `{name}`")).because(e))
    }

    /// Where a fact lies.
    #[must_use]
    pub fn fact(&self, name: &str) -> PathBuf {
        self.path.join(format!("{name}.json"))
    }

    /// The same for this process alone, never to be told.
    #[must_use]
    pub fn within(&self, name: &str) -> PathBuf {
        self.at(&format!("{name}.json"))
    }

    /// The names of what is in it.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        disk::names(&self.here())
    }

    /// Removes what is in it under a name.
    pub fn remove(&self, file: &str) {
        disk::remove(&self.at(file));
    }

    /// Reads a fact; `None` when the step that finds it never came so far.
    pub fn recall<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>> {
        let path = self.fact(name);
        match disk::read(&self.within(name)) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map(Some)
                .map_err(|e| Failure::new(format!("`{}` is damaged", path.display())).because(e)),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(Failure::new(format!("cannot read `{}`", path.display())).because(e)),
        }
    }

    /// Keeps room on the disk for the way back, which has facts to write down and files to put back.
    pub fn take_on_ballast(&self) -> Result<()> {
        disk::reserve(&self.ballast(), BALLAST).map_err(|e| {
            Failure::new(format!(
                "there is no room for a way back beside `{}`",
                self.path.display()
            ))
            .because(e)
            .hint("free disk space on the server")
        })
    }

    /// Gives that room free.
    pub fn drop_ballast(&self) {
        disk::remove(&self.ballast());
    }

    fn ballast(&self) -> PathBuf {
        self.at("ballast")
    }

    /// Forgets a fact.
    pub fn forget(&self, name: &str) {
        disk::remove(&self.within(name));
    }

    /// Writes a fact down that is too large for memory, on disk when it returns.
    pub fn keep_by(
        &self,
        name: &str,
        write: &mut dyn FnMut(&mut dyn io::Write) -> io::Result<()>,
    ) -> Result<()> {
        let mut keep = || -> io::Result<()> {
            fault!("facts.write.before", name);
            disk::replace_by(&self.within(name), write)?;
            fault!("facts.write.after", name);
            Ok(())
        };
        keep().map_err(|e| Failure::new(format!("cannot write down `{name}`")).because(e))
    }

    fn write<T: Serialize>(&self, name: &str, fact: &T) -> std::io::Result<()> {
        fault!("facts.write.before", name);
        let text = serde_json::to_vec(fact)?;
        disk::replace(&self.within(name), &text)?;
        fault!("facts.write.after", name);
        Ok(())
    }
}

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

/// The names of the facts.
pub mod name {
    /// The [`crate::words::plan::Plan`], for when the journal's own cannot be read.
    pub const PLAN: &str = "plan";
    /// [`super::Before`].
    pub const BEFORE: &str = "before";
    /// [`super::Wanted`].
    pub const WANTED: &str = "wanted";
    /// [`super::Pulled`].
    pub const PULLED: &str = "pulled";
    /// [`super::Parts`].
    pub const PARTS: &str = "parts";
    /// The tree as the backup saw it, so that a restore reads only what moved.
    pub const SNAPSHOT: &str = "snapshot";
    /// The [`crate::words::backup::Description`] of this run's backup.
    pub const BACKUP: &str = "backup";
    /// The [`crate::words::backup::Description`] that a rollback restores.
    pub const TARGET: &str = "target";
    /// Paths that runs have brought since that backup was taken.
    pub const BROUGHT: &str = "brought";
    /// [`super::Shared`].
    pub const SHARED: &str = "shared";
    /// The [`crate::words::backup::Description`]s of the backups that retention drops.
    pub const DROPPED: &str = "dropped";
    /// The [`crate::files::tree::home::Identity`] of the directory that the run works in.
    pub const GROUND: &str = "ground";
    /// The how manieth run of its state directory a run is.
    pub const NUMBER: &str = "number";
    /// Paths that `Files` or `Restore` changed.
    pub const CHANGED: &str = "changed";
    /// A compose file that names the images of a release where its own name others.
    pub const IMAGES: &str = "landfall-images";
    /// [`super::Generation`].
    pub const GENERATION: &str = "generation";
    /// The SHA-256 of the env file that this run brings.
    pub const ENV_FILE: &str = "env-file";
    /// The IDs of the images that this run built.
    pub const BUILT: &str = "built";
    /// [`super::Seen`], once the hook before the switch has ended.
    pub const AFTER_HOOK: &str = "after-hook";
    /// [`super::Seen`], when a person had the way back tried again.
    pub const REOPENED: &str = "reopened";
    /// [`super::Seen`], when a way back had failed: what comes later is a person's.
    pub const STUCK: &str = "stuck";
    /// The socket of the engine that the run works with.
    pub const ENGINE: &str = "engine";
    /// Values that the run knows to be public: whoever takes it up tells them as it did.
    pub const PUBLIC: &str = "public";
    /// The [`crate::words::backup::Reference`]s that somebody gave another image since the agent died.
    pub const MOVED: &str = "moved";
    /// A compose file that names the new images to a hook, while references still mean the old ones.
    pub const HOOK_IMAGES: &str = "landfall-hook-images";
    /// The [`crate::saga::patience::Moment`] until which the runner's word counts.
    pub const DEADLINE: &str = "deadline";
}

#[cfg(test)]
mod tests;
