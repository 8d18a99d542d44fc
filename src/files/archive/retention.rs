//! Which backups go, and their going.
//!
//! It refuses to drop a backup that is protected, one that is another directory's or a newer
//! Landfall's, and any file
//! that is not a backup's.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs::TryLockError;
use std::io;
use std::path::Path;

use super::catalogue::{Listed, Unusable, names};
use super::lineage;
use super::naming::{self, Role};
use crate::files::foreign::{self, Links};
use crate::files::tree::dir::Dir;
use crate::files::tree::scope::OWN_NAME;
use crate::files::tree::{Act, cannot};
use crate::words::backup::{Description, EntryKind};
use crate::words::event::Failure;

/// How many backups stay.
#[derive(Debug, Clone, Copy)]
pub struct Keep {
    /// Good releases.
    releases: usize,
    /// Backups of what is no release to go back to.
    others: usize,
}

impl Keep {
    /// The newest releases, so many.
    #[must_use]
    pub fn newest(keep: usize) -> Self {
        Self {
            releases: keep,
            others: keep,
        }
    }

    /// Every release, for an attempt that failed evicts none; of what is none, as many as otherwise.
    #[must_use]
    pub fn every_release(keep: usize) -> Self {
        Self {
            releases: usize::MAX,
            ..Self::newest(keep)
        }
    }
}

/// The timestamps to drop of a list, newest first: all usable ones but those of the good releases that
/// are kept, and broken ones older than those. What is protected stays, whatever its age.
#[must_use]
pub fn to_drop(list: &[Listed], keep: Keep, protect: &[&str]) -> Vec<String> {
    let kept = kept(list, keep);
    let oldest = kept.iter().min().copied();
    let goes = |l: &&Listed| match &l.description {
        Ok(_) => !kept.contains(l.timestamp.as_str()),
        Err(Unusable::Foreign(_) | Unusable::Newer(_)) => false,
        Err(Unusable::Broken(_)) => oldest.is_some_and(|o| l.timestamp.as_str() < o),
    };
    list.iter()
        .filter(goes)
        .map(|l| l.timestamp.clone())
        .filter(|t| !protect.contains(&t.as_str()))
        .collect()
}

/// Why a backup of a list is dropped with the others that are: what is kept in its place.
#[must_use]
pub fn why(list: &[Listed], dropped: &[String], timestamp: &str) -> String {
    let is_broken = |l: &Listed| l.timestamp == timestamp && l.description.is_err();
    if list.iter().any(is_broken) {
        return "it cannot be used, and is older than those that are kept".to_owned();
    }
    let is_kept = |l: &&Listed| !dropped.contains(&l.timestamp);
    let releases = lineage::releases(list);
    let own = releases.iter().find(|held| {
        let mut copies = held.copies.iter();
        copies.any(|(listed, _)| listed.timestamp == timestamp)
    });
    let same = own.and_then(|held| held.copies.iter().map(|(l, _)| *l).find(is_kept));
    match same {
        Some(same) => format!("`{}` holds the same release", same.timestamp),
        None => "there are newer ones, as many as `keep_backups` says".to_owned(),
    }
}

/// Of the newest good releases the newest copy, and the newest that `latest` may mean. Of what is no
/// release to go back to the newest, but none that is older than all of those once they are complete.
fn kept(list: &[Listed], keep: Keep) -> HashSet<&str> {
    let is_good = |l: &&Listed| l.description.as_ref().is_ok_and(|d| d.release.is_good());
    let releases = lineage::releases(list.iter().filter(is_good));
    let is_complete = releases.len() >= keep.releases;
    let copies = releases.iter().take(keep.releases).flat_map(|held| {
        let newest = Some(held.newest());
        newest.into_iter().chain(held.deployed_over())
    });
    let copies: Vec<_> = copies.collect();
    let oldest = copies
        .iter()
        .map(|(_, description)| description.order())
        .min();
    let is_recent = |d: &Description| !is_complete || oldest.is_some_and(|o| d.order() > o);
    let others = list.iter().filter(|l| !is_good(l));
    let others = others.filter(|l| l.description.as_ref().is_ok_and(is_recent));
    let copies = copies.into_iter().map(|(listed, _)| listed);
    let all = copies.chain(others.take(keep.others));
    all.map(|listed| listed.timestamp.as_str()).collect()
}

/// Removes backups of `deploy_dir`. The description goes first: a half-dropped backup is none.
pub fn drop<S: AsRef<str>>(
    backup_dir: &Path,
    deploy_dir: &Path,
    timestamps: &[S],
) -> Result<(), Failure> {
    if timestamps.is_empty() {
        return Ok(());
    }
    let base = naming::base(deploy_dir);
    let dir = open(backup_dir)?;
    for role in [Role::Description, Role::Archive] {
        for timestamp in timestamps {
            let name = naming::file(&base, timestamp.as_ref(), role);
            remove_file(&dir, OsStr::new(&name))
                .map_err(|e| cannot(Act::Remove, &backup_dir.join(&name).display(), &e))?;
        }
        dir.sync()
            .map_err(|e| cannot(Act::Write, &backup_dir.display(), &e))?;
    }
    Ok(())
}

/// A directory under a backup's name is somebody else's.
fn remove_file(dir: &Dir, name: &OsStr) -> io::Result<()> {
    match dir.look(name)? {
        Some(mark) if mark.kind == EntryKind::Dir => Ok(()),
        _ => dir.remove(name),
    }
}

/// Removes the half-written files of one run and of those that are at work no more, and says which.
///
/// An archive that got its name before its description did is half-written too.
pub fn clear_partial(
    backup_dir: &Path,
    deploy_dir: &Path,
    own_id: &str,
) -> Result<Vec<String>, Failure> {
    let base = naming::base(deploy_dir);
    let there = names(backup_dir)?;
    let partial = |name: &&String| {
        naming::parse_partial(&base, name)
            .is_some_and(|partial| partial.id == own_id || !is_at_work(backup_dir, partial.id))
    };
    let partial: Vec<&String> = there.iter().filter(partial).collect();
    if partial.is_empty() {
        return Ok(Vec::new());
    }
    let stamps = partial
        .iter()
        .filter_map(|name| naming::parse_partial(&base, name));
    let nameless = stamps.filter_map(|partial| undescribed(&base, partial.timestamp, &there));
    // The archive first: only the half-written description says that it is nobody's.
    let mut left: Vec<String> = nameless.collect();
    left.extend(partial.into_iter().cloned());
    left.dedup();
    let dir = open(backup_dir)?;
    for name in &left {
        remove_file(&dir, OsStr::new(name))
            .map_err(|e| cannot(Act::Remove, &backup_dir.join(name).display(), &e))?;
    }
    Ok(left)
}

/// Says whether somebody works on a run: it may be another directory's of the same base name.
fn is_at_work(backup_dir: &Path, id: &str) -> bool {
    let run = backup_dir.join(OWN_NAME).join("runs").join(id);
    let alive = foreign::open(&run.join("alive"), Links::Refused);
    alive.is_ok_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
}

/// The archive of a backup that has no description, if it is there.
fn undescribed(base: &str, timestamp: &str, there: &[String]) -> Option<String> {
    let [archive, description] =
        [Role::Archive, Role::Description].map(|role| naming::file(base, timestamp, role));
    (there.contains(&archive) && !there.contains(&description)).then_some(archive)
}

fn open(backup_dir: &Path) -> Result<Dir, Failure> {
    Dir::open(backup_dir).map_err(|e| cannot(Act::Read, &backup_dir.display(), &e))
}
