//! A tree as it was, with what the file system said about each path, so that a later look reads
//! only the files that moved since.
//!
//! It refuses to trust a time stamp that is as young as the snapshot itself.

use std::collections::HashMap;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::dir::{Dir, Mark};
use super::home::Home;
use super::scope::{Part, Scope};
use super::walk::{Found, walk};
use super::{Act, below, cannot, digest, name};
use crate::archive::{Entry, EntryKind};
use crate::event::Failure;

/// The version of [`Snapshot`] that this build writes.
pub const SNAPSHOT_VERSION: u32 = 1;

/// A change within this time of the snapshot may carry the same time stamp as what it replaced.
const GRANULARITY_NS: i64 = 2_000_000_000;

/// A tree and the marks of its paths, in the same order, sorted by path.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    v: u32,
    taken_ns: i64,
    entries: Vec<Entry>,
    marks: Vec<Mark>,
}

impl Snapshot {
    /// Looks at a tree and reads every file in it.
    pub fn take(root: &Home, scope: &Scope) -> Result<Self, Failure> {
        look(root, scope, &HashMap::new())
    }

    /// Looks at the tree again and reads only the files that moved since.
    pub fn retake(&self, root: &Home, scope: &Scope) -> Result<Self, Failure> {
        look(root, scope, &self.settled())
    }

    /// A snapshot of paths as they were seen since `taken_ns`, nanoseconds since 1970.
    #[must_use]
    pub fn of(taken_ns: i64, mut seen: Vec<(Entry, Mark)>) -> Self {
        seen.sort_by(|(a, _), (b, _)| a.path.cmp(&b.path));
        let (entries, marks) = seen.into_iter().unzip();
        Self {
            v: SNAPSHOT_VERSION,
            taken_ns,
            entries,
            marks,
        }
    }

    /// The paths, sorted.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The paths, sorted, and nothing else.
    #[must_use]
    pub fn into_entries(self) -> Vec<Entry> {
        self.entries
    }

    /// The digests that still hold wherever a path's mark is the same: the file had been at rest
    /// for a while when it was read.
    fn settled(&self) -> HashMap<&str, (&Mark, &str)> {
        if self.v != SNAPSHOT_VERSION || self.entries.len() != self.marks.len() {
            return HashMap::new();
        }
        let pairs = self.entries.iter().zip(&self.marks);
        pairs
            .filter(|(_, mark)| mark.ctime_ns < self.taken_ns.saturating_sub(GRANULARITY_NS))
            .filter_map(|(e, mark)| Some((e.path.as_str(), (mark, e.sha256.as_deref()?))))
            .collect()
    }
}

/// Nanoseconds since 1970.
pub(crate) fn now_ns() -> i64 {
    crate::clock::now().timestamp_nanos_opt().unwrap_or(0)
}

fn look(
    root: &Home,
    scope: &Scope,
    settled: &HashMap<&str, (&Mark, &str)>,
) -> Result<Snapshot, Failure> {
    let taken_ns = now_ns();
    let mut seen = Vec::new();
    let mut visit = |found: &Found| {
        match entry_of(found, settled) {
            Ok(Some(pair)) => seen.push(pair),
            Ok(None) => {}
            Err(error) if is_kept_from_us(&error, scope, root, found.path) => {}
            Err(error) => return Err(unread(root.path(), found.path, &error)),
        }
        Ok(())
    };
    walk(
        root,
        scope,
        Part::Release,
        &mut visit,
        &mut |path, error| {
            if is_kept_from_us(&error, scope, root, path) {
                return Ok(());
            }
            Err(unread(root.path(), path, &error))
        },
    )?;
    Ok(Snapshot::of(taken_ns, seen))
}

/// Says whether a path could not be read because it belongs to somebody else.
pub(crate) fn is_kept_from_us(error: &io::Error, scope: &Scope, root: &Home, path: &str) -> bool {
    error.kind() == io::ErrorKind::PermissionDenied && scope.us().is_theirs_at(root, path)
}

/// The failure of a path below a root that could not be read.
pub(crate) fn unread(root: &Path, path: &str, error: &io::Error) -> Failure {
    cannot(Act::Read, &below(root, path), error)
}

/// What a path is, or none if it vanished.
fn entry_of(
    found: &Found,
    settled: &HashMap<&str, (&Mark, &str)>,
) -> io::Result<Option<(Entry, Mark)>> {
    let mut mark = found.mark.clone();
    let mut entry = bare(found.path, &mark);
    match mark.kind {
        EntryKind::File => {
            if let Some((_, sha256)) = settled.get(found.path).filter(|(m, _)| **m == mark) {
                entry.sha256 = Some((*sha256).to_owned());
                return Ok(Some((entry, mark)));
            }
            let file = match found.dir.file(found.name) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                other => other?,
            };
            mark = Mark::of_file(&file)?;
            entry = bare(found.path, &mark);
            if mark.kind == EntryKind::File {
                let (size, sha256) = digest(file)?;
                entry.size = size;
                entry.sha256 = Some(sha256);
            }
        }
        EntryKind::Link => entry.target = Some(target_of(found.dir, found)?),
        EntryKind::Dir | EntryKind::Other => {}
    }
    Ok(Some((entry, mark)))
}

fn target_of(dir: &Dir, found: &Found) -> io::Result<String> {
    Ok(name::escape(&dir.link_target(found.name)?))
}

/// An entry with what a mark knows: no digest, no target.
pub(crate) fn bare(path: &str, mark: &Mark) -> Entry {
    Entry {
        path: path.to_owned(),
        kind: mark.kind,
        mode: mark.mode,
        uid: mark.uid,
        gid: mark.gid,
        size: if mark.kind == EntryKind::File {
            mark.size
        } else {
            0
        },
        sha256: None,
        target: None,
    }
}
