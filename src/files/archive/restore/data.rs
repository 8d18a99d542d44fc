//! Makes what containers write exactly what a backup holds of it.
//!
//! Data has no digests, so each file is compared with the archive's as it streams by, and only one
//! that differs is written. It refuses to know the release's own files.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::path::Path;

use super::apply::{Site, fill, open_up};
use crate::files::archive::read::{Item, Then, read_through};
use crate::files::tree::dir::{self, Dir, Mark};
use crate::files::tree::scope::{Part, Scope};
use crate::files::tree::snapshot::unread;
use crate::files::tree::walk::{Found, walk};
use crate::files::tree::{Act, BUFFER, name};
use crate::words::backup::{Description, Entry, EntryKind};
use crate::words::event::Failure;

/// Restores the data of a backup below the site's root.
pub(crate) fn restore(
    archive: &Path,
    description: &Description,
    view: &Scope,
    site: &mut Site,
) -> Result<(), Failure> {
    let is_data = |path: &str| {
        let within = |data: &String| name::is_within(path, data);
        description.data.iter().any(within) && view.part_of(path) == Part::Data
    };
    let mut dirs = Vec::new();
    let mut seen = HashSet::new();
    read_through(archive, &mut |item: &mut Item| {
        if is_data(&item.entry.path) {
            let changed = one(site, item)?;
            note(site, &item.entry.path, changed);
            seen.insert(item.entry.path.clone());
            if item.entry.kind == EntryKind::Dir {
                dirs.push(item.entry.clone());
            }
        }
        Ok(Then::GoOn)
    })?;
    remove_others(site, view, &|path| is_data(path) && !seen.contains(path))?;
    for entry in dirs.iter().rev() {
        site.doing(Act::Write, &entry.path, |s| s.dress(entry))?;
    }
    Ok(())
}

fn note(site: &mut Site, path: &str, changed: Changed) {
    match changed {
        Changed::Yes => site.report.replaced.push(path.to_owned()),
        Changed::No => site.report.untouched += 1,
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Changed {
    Yes,
    No,
}

fn one(site: &mut Site, item: &mut Item) -> Result<Changed, Failure> {
    let path = item.entry.path.clone();
    site.doing(Act::Write, &path, |s| match item.entry.kind {
        EntryKind::Dir => directory(s, &item.entry),
        EntryKind::Link => link(s, &item.entry),
        _ => file(s, item),
    })
}

fn directory(site: &mut Site, entry: &Entry) -> io::Result<Changed> {
    if entry.path == "." {
        open_up(&site.enter(".")?)?;
        return Ok(Changed::No);
    }
    let (dir, last) = site.parent(&entry.path)?;
    let now = dir.look(&last)?;
    if now.as_ref().is_none_or(|m| m.kind != EntryKind::Dir) {
        dir.remove(&last)?;
        dir.make_dir(&last, 0o700)?;
        return Ok(Changed::Yes);
    }
    Ok(dressed(now.as_ref(), entry))
}

fn dressed(now: Option<&Mark>, entry: &Entry) -> Changed {
    let fits = |m: &Mark| (m.mode, m.uid, m.gid) == (entry.mode, entry.uid, entry.gid);
    if now.is_some_and(fits) {
        Changed::No
    } else {
        Changed::Yes
    }
}

fn link(site: &mut Site, entry: &Entry) -> io::Result<Changed> {
    let (dir, last) = site.parent(&entry.path)?;
    let now = dir.look(&last)?;
    if now
        .as_ref()
        .is_some_and(|m| m.kind == EntryKind::Link && (m.uid, m.gid) == (entry.uid, entry.gid))
        && Some(name::escape(&dir.link_target(&last)?)) == entry.target
    {
        return Ok(Changed::No);
    }
    make_room(&dir, &last, now.as_ref())?;
    site.link(entry)?;
    Ok(Changed::Yes)
}

/// A directory cannot be renamed over; within data it goes with all that is in it.
fn make_room(dir: &Dir, last: &OsStr, now: Option<&Mark>) -> io::Result<()> {
    if now.is_some_and(|m| m.kind == EntryKind::Dir) {
        dir.remove_all(last)?;
    }
    Ok(())
}

fn file(site: &mut Site, item: &mut Item) -> io::Result<Changed> {
    let (dir, last) = site.parent(&item.entry.path)?;
    let now = dir.look(&last)?;
    let same_size = |m: &&Mark| m.kind == EntryKind::File && m.size == item.entry.size;
    let mut old = match now.as_ref().filter(same_size) {
        Some(_) => Some(dir.file(&last)?),
        None => None,
    };
    let parting = match &mut old {
        None => Some(Parting::default()),
        Some(old) => compare(old, item.body)?,
    };
    let Some(parting) = parting else {
        let entry = &item.entry;
        if let Some(old) = &old {
            dir::dress_file(old, entry.mode, entry.uid, entry.gid)?;
        }
        return Ok(dressed(now.as_ref(), entry));
    };
    make_room(&dir, &last, now.as_ref())?;
    let body = &mut *item.body;
    fill(&dir, &last, &item.entry, item.mtime, |to| {
        if let Some(old) = &mut old {
            old.rewind()?;
            io::copy(&mut old.take(parting.same), to)?;
        }
        to.write_all(&parting.next)?;
        io::copy(body, to).map(|_| ())
    })?;
    Ok(Changed::Yes)
}

/// Where two contents part.
#[derive(Default)]
struct Parting {
    /// How many bytes they share.
    same: u64,
    /// The archive's next bytes, read already.
    next: Vec<u8>,
}

/// Reads both until they part; none if they never do.
fn compare(old: &mut File, body: &mut dyn Read) -> io::Result<Option<Parting>> {
    let (mut theirs, mut ours) = (vec![0; BUFFER], vec![0; BUFFER]);
    let mut same = 0;
    loop {
        let n = body.read(&mut theirs)?;
        if n == 0 {
            return Ok(None);
        }
        let read = old.read_exact(&mut ours[..n]);
        if read.is_err() || ours[..n] != theirs[..n] {
            theirs.truncate(n);
            return Ok(Some(Parting { same, next: theirs }));
        }
        same += n as u64;
    }
}

/// Removes the data that the backup has not.
fn remove_others(
    site: &mut Site,
    view: &Scope,
    is_other: &dyn Fn(&str) -> bool,
) -> Result<(), Failure> {
    let mut others = Vec::new();
    let root = site.root.clone();
    let mut visit = |found: &Found| {
        if is_other(found.path) {
            others.push((found.path.to_owned(), found.mark.kind));
        }
        Ok(())
    };
    walk(&root, view, Part::Data, &mut visit, &mut |path, error| {
        Err(unread(root.path(), path, &error))
    })?;
    for (path, kind) in others.iter().rev() {
        let gone = site.doing(Act::Remove, path, |s| remove(s, path, *kind))?;
        if gone {
            site.report.removed.push(path.clone());
        }
    }
    Ok(())
}

/// Removes one path, unless it is a directory that still holds what is not data.
fn remove(site: &mut Site, path: &str, kind: EntryKind) -> io::Result<bool> {
    let (dir, last) = site.parent(path)?;
    if kind != EntryKind::Dir {
        return dir.remove(&last).map(|()| true);
    }
    dir.remove_if_empty(&last)
}
