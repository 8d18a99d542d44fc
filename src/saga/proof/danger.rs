//! What must never be done to a server, whatever fails and whoever dies, told at the moment it is.
//!
//! Each look is taken before its effect. It refuses to know how a run ends; that is the judge's.

use std::fmt;
use std::fs::{File, TryLockError};
use std::path::Path;

use super::life::{self, Phase};
use super::scenes::Scene;
use super::world::{Case, KEEPER, Owner, World, is_data};
use crate::host::State;

/// Something that must never be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Danger {
    pub kind: Kind,
    pub what: String,
}

/// What kind of danger it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A mixture of releases; a way back that itself fails may have no better choice.
    Mixture,
    /// Nothing excuses it.
    Never,
}

impl fmt::Display for Danger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl World {
    fn mixture(&mut self, what: impl Into<String>) {
        self.endanger(Kind::Mixture, what.into());
    }

    pub fn never(&mut self, what: impl Into<String>) {
        self.endanger(Kind::Never, what.into());
    }

    fn endanger(&mut self, kind: Kind, what: String) {
        self.dangers.push(Danger { kind, what });
    }
}

/// Anything is about to change: somebody must hold the lock.
pub fn any_change(world: &mut World, scene: &Scene, what: &str) {
    if life::is_astray() {
        world.never(format!("{what} for a run whose directory is another one"));
    }
    if !is_locked(&scene.plan.site.deploy_dir) {
        world.never(format!("{what} without the lock"));
    }
}

/// Says whether somebody holds a directory's lock against everybody else. It is asked at every effect
/// of every run, so it is no more than the question.
fn is_locked(dir: &Path) -> bool {
    let is_held = |dir: File| matches!(dir.try_lock_shared(), Err(TryLockError::WouldBlock));
    File::open(dir).is_ok_and(is_held)
}

/// The release is about to change: its backup must be whole.
pub fn release_change(world: &mut World, scene: &Scene, what: &str) {
    any_change(world, scene, what);
    let own = |b: &super::world::Backup| {
        let ours = b
            .description
            .iter()
            .any(|d| d.deployment_id == scene.plan.id);
        ours && b.files.is_some()
    };
    if !world.backups.values().any(own) {
        world.never(format!("{what} before there is a backup"));
    }
}

/// A file is about to be written or removed.
pub fn file_change(world: &mut World, scene: &Scene, path: &str, phase: Phase) {
    release_change(world, scene, path);
    if is_data(path) {
        world.never(format!("`{path}` is what containers write, and is touched"));
    }
    let is_new = |c: &&Case| c.state == State::Running && c.made >= scene.old.made;
    let running = world.own().find(is_new).map(|c| c.name.clone());
    if let (Phase::Undo, Some(name)) = (phase, running) {
        world.mixture(format!(
            "`{path}` is put back under the new `{name}`, which runs"
        ));
    }
}

/// A container is about to be started, stopped, renamed or removed: it must be the application's.
pub fn touch(world: &mut World, made: usize, what: &str) {
    let hit = world.containers.iter().find(|c| c.made == made);
    if let Some(name) = hit
        .filter(|c| c.owner != Owner::Ours)
        .map(|c| c.name.clone())
    {
        world.never(format!("{what} of `{name}`, which is somebody else's"));
    }
}

/// A container is about to start.
pub fn start(world: &mut World, scene: &Scene, made: usize) {
    release_change(world, scene, "a start");
    touch(world, made, "a start");
    let Some(c) = world.containers.iter().find(|c| c.made == made) else {
        return;
    };
    let name = c.name.clone();
    let is_of = |release: &World| {
        let by_files = release.services().contains(&c.service);
        let alike = |o: &&Case| o.service == c.service || (by_files && o.name == c.name);
        let mut all = release.containers.iter().filter(alike);
        all.any(|o| o.image_id == c.image_id)
    };
    let (old, new) = (is_of(&scene.old), is_of(&scene.new));
    let files = world.release_files();
    if old && !new && files != scene.old.release_files() {
        world.mixture(format!(
            "the old `{name}` starts on files that are not its own"
        ));
    }
    if new && !old && files != scene.new.release_files() {
        world.mixture(format!(
            "the new `{name}` starts on files that are not its own"
        ));
    }
    if !new && !old {
        world.mixture(format!("`{name}` starts, which is of neither release"));
    }
}

/// A registry is about to be asked.
pub fn pull(world: &mut World, scene: &Scene, reference: &str, phase: Phase) {
    any_change(world, scene, "a pull");
    if phase == Phase::Forward && world.release_files() != scene.old.release_files() {
        world.never(format!(
            "`{reference}` is pulled when the release is touched already"
        ));
    }
    if phase == Phase::Forward && !scene.is_rollback() {
        return;
    }
    if !reference.contains('@') {
        world.never(format!("the tag `{reference}` is pulled on the way back"));
    } else if world.image(reference).is_some() {
        world.never(format!("`{reference}` is pulled though it is there"));
    }
}

/// The anonymous volume of a container is about to go with it.
pub fn volume_goes(world: &mut World, scene: &Scene, made: usize) {
    let Some(c) = world.containers.iter().find(|c| c.made == made) else {
        return;
    };
    // One that was taken over is mounted by its name, and stays.
    let is_own = c.volume == made;
    let shared = |o: &&Case| o.made != made && o.volume == c.volume;
    let (name, volume) = (c.name.clone(), c.volume);
    if is_own && volume < scene.old.made && !world.containers.iter().any(|o| shared(&o)) {
        world.never(format!(
            "with `{name}` goes a volume that was there before the run"
        ));
    }
}

/// A reference has gone: whatever a backup or a container needs must still be there.
pub fn image_gone(world: &mut World, scene: &Scene, before: &World, reference: &str) {
    let gone = before
        .images
        .iter()
        .filter(|i| world.image(&i.id).is_none());
    // What was not there before the run began goes again with what it fetched.
    let gone = gone.filter(|i| scene.old.image(&i.id).is_some());
    let gone: Vec<String> = gone.map(|i| i.id.clone()).collect();
    let descriptions = before
        .backups
        .values()
        .filter_map(|b| b.description.as_ref());
    let mut needed = descriptions.flat_map(|d| &d.release.services);
    if let Some(service) = needed.find(|s| gone.contains(&s.image_id)) {
        let id = service.image_id.clone();
        world.never(format!(
            "with `{reference}` went {id}, which a backup needs"
        ));
    }
}

/// What a tag means is about to change, a backup's keeping reference aside.
pub fn tag_change(world: &mut World, scene: &Scene, reference: &str) {
    if reference.starts_with(KEEPER) {
        any_change(world, scene, "a keeping reference");
    } else {
        release_change(world, scene, "a tag");
    }
}
