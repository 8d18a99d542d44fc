//! The directory of one run: which file is where, and who is alive.
//!
//! A fact is on disk before anything relies on it, so an undo finds it after a crash. The file
//! refuses to know what the journal and the facts mean.

use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::files::disk::{self, Claim};
use crate::files::tree::Home;
use crate::words::Result;
use crate::words::event::{Failure, FailureKind};

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

/// The names of the facts.
pub mod name {
    /// The `Plan`, for when the journal's own cannot be read.
    pub const PLAN: &str = "plan";
    /// `Before`.
    pub const BEFORE: &str = "before";
    /// `Wanted`.
    pub const WANTED: &str = "wanted";
    /// `Pulled`.
    pub const PULLED: &str = "pulled";
    /// `Parts`.
    pub const PARTS: &str = "parts";
    /// The tree as the backup saw it, so that a restore reads only what moved.
    pub const SNAPSHOT: &str = "snapshot";
    /// The `Description` of this run's backup.
    pub const BACKUP: &str = "backup";
    /// The `Description` that a rollback restores.
    pub const TARGET: &str = "target";
    /// Paths that runs have brought since that backup was taken.
    pub const BROUGHT: &str = "brought";
    /// `Shared`.
    pub const SHARED: &str = "shared";
    /// The `Description`s of the backups that retention drops.
    pub const DROPPED: &str = "dropped";
    /// The `Identity` of the directory that the run works in.
    pub const GROUND: &str = "ground";
    /// The how manieth run of its state directory a run is.
    pub const NUMBER: &str = "number";
    /// Paths that `Files` or `Restore` changed.
    pub const CHANGED: &str = "changed";
    /// A compose file that names the images of a release where its own name others.
    pub const IMAGES: &str = "landfall-images";
    /// `Generation`.
    pub const GENERATION: &str = "generation";
    /// The SHA-256 of the env file that this run brings.
    pub const ENV_FILE: &str = "env-file";
    /// The IDs of the images that this run built.
    pub const BUILT: &str = "built";
    /// `Seen`, once the hook before the switch has ended.
    pub const AFTER_HOOK: &str = "after-hook";
    /// `Seen`, when a person had the way back tried again.
    pub const REOPENED: &str = "reopened";
    /// `Seen`, when a way back had failed: what comes later is a person's.
    pub const STUCK: &str = "stuck";
    /// The socket of the engine that the run works with.
    pub const ENGINE: &str = "engine";
    /// Values that the run knows to be public: whoever takes it up tells them as it did.
    pub const PUBLIC: &str = "public";
    /// The `Reference`s that somebody gave another image since the agent died.
    pub const MOVED: &str = "moved";
    /// A compose file that names the new images to a hook, while references still mean the old ones.
    pub const HOOK_IMAGES: &str = "landfall-hook-images";
    /// The `Moment` until which the runner's word counts.
    pub const DEADLINE: &str = "deadline";
    /// Where the client's configuration lies in the run's directory as long as a hook runs.
    pub const LOGINS: &str = "docker-config";
}

/// Says whether a compose file that a container was made from is such a file of ours, and gone with
/// its run.
#[must_use]
pub fn is_list_of_images(file: &Path) -> bool {
    file.file_stem()
        .is_some_and(|stem| stem == name::IMAGES || stem == name::HOOK_IMAGES)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::fs;

    use super::*;

    #[test]
    fn a_run_that_is_held_keeps_its_facts_wherever_its_path_comes_to_lead() {
        let state = tempfile::tempdir().unwrap();
        let dir = RunDir::of(state.path(), "r");
        fs::create_dir_all(dir.path()).unwrap();
        let dir = dir.held();
        dir.keep(name::CHANGED, &["mine"]).unwrap();
        let away = state.path().join("away");
        fs::rename(dir.path(), &away).unwrap();
        let theirs = dir.path().join("theirs");
        fs::create_dir(dir.path()).unwrap();
        fs::write(&theirs, "").unwrap();
        fs::write(dir.fact(name::BACKUP), "\"theirs\"").unwrap();
        assert_eq!(
            dir.recall(name::CHANGED).unwrap(),
            Some(vec!["mine".to_owned()])
        );
        assert_eq!(dir.recall::<String>(name::BACKUP).unwrap(), None);
        dir.keep(name::BACKUP, &"mine").unwrap();
        fs::write(away.join("word-cancel"), "why").unwrap();
        assert_eq!(dir.word("cancel").as_deref(), Some("why"));
        let failure = dir.confirm().unwrap_err();
        assert!(failure.what.contains("leads elsewhere"), "{failure}");
        assert!(!failure.is_astray(), "what ran can come back");
        dir.names().iter().for_each(|name| dir.remove(name));
        assert_eq!(fs::read_dir(&away).unwrap().count(), 0);
        assert!(theirs.exists() && dir.fact(name::BACKUP).exists());
    }

    #[test]
    fn ballast_is_room_on_the_disk_until_it_is_dropped() {
        use std::os::unix::fs::MetadataExt;
        let state = tempfile::tempdir().unwrap();
        let dir = RunDir::of(state.path(), "r");
        fs::create_dir_all(dir.path()).unwrap();
        dir.take_on_ballast().unwrap();
        let blocks = fs::metadata(dir.ballast()).unwrap().blocks();
        assert!(blocks * 512 >= BALLAST, "{blocks} blocks");
        dir.drop_ballast();
        assert!(!dir.ballast().exists());
    }
}
