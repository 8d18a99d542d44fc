//! A tree as it was, with what the file system said about each path, so that a later look reads
//! only the files that moved since.
//!
//! It refuses to trust a time stamp that is as young as the snapshot itself.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::iter::Peekable;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::dir::{Dir, Mark};
use super::home::Home;
use super::scope::{Part, Scope};
use super::spool::{Reading, Spool, Spooled};
use super::sums::{Key, Summing, is_guarded};
use super::walk::{Found, walk};
use super::{Act, below, cannot, digest, name};
use crate::words::backup::{Entry, EntryKind};
use crate::words::event::Failure;

/// The version of [`Snapshot`] that this build writes.
pub const SNAPSHOT_VERSION: u32 = 2;

/// A change within this time of the snapshot may carry the same time stamp as what it replaced.
const GRANULARITY_NS: i64 = 2_000_000_000;

/// A tree and the marks of its paths, in the order of a walk; not in memory where it is large.
#[derive(Debug, Clone)]
pub struct Snapshot {
    taken_ns: i64,
    pairs: Spooled,
    /// Where they begin.
    begin: u64,
}

/// The first line of a snapshot in a file.
#[derive(Serialize, Deserialize)]
struct Format {
    v: u32,
    taken_ns: i64,
}

impl Snapshot {
    /// Looks at a tree and reads every file in it.
    pub fn take(root: &Home, scope: &Scope) -> Result<Self, Failure> {
        look(root, scope, None)
    }

    /// Looks at the tree again and reads only the files that moved since.
    pub fn retake(&self, root: &Home, scope: &Scope) -> Result<Self, Failure> {
        look(root, scope, Some(Settled::of(self)))
    }

    /// Writes a snapshot down.
    pub fn write_to(&self, to: &mut dyn io::Write) -> io::Result<()> {
        let (v, taken_ns) = (SNAPSHOT_VERSION, self.taken_ns);
        serde_json::to_writer(&mut *to, &Format { v, taken_ns })?;
        to.write_all(b"\n")?;
        io::copy(&mut self.pairs.read_from(self.begin), to).map(|_| ())
    }

    /// The snapshot that was written to a file; none where an older agent wrote it: then all is read
    /// again.
    #[must_use]
    pub fn read_from(file: File) -> Option<Self> {
        let length = file.metadata().ok()?.len();
        let pairs = Spooled::of(file, length);
        let mut line = Vec::new();
        let from = &mut pairs.read_from(0).take(1024);
        let begin = from.read_until(b'\n', &mut line).ok()?;
        let Format { v, taken_ns } = serde_json::from_slice(&line).ok()?;
        (v == SNAPSHOT_VERSION).then_some(Self {
            taken_ns,
            pairs,
            begin: begin as u64,
        })
    }

    /// What was seen of each path, in the order of a walk.
    #[must_use]
    pub fn pairs(&self) -> Pairs {
        Pairs {
            from: self.pairs.read_from(self.begin),
            line: Vec::new(),
        }
    }

    /// The paths, in the order of a walk.
    pub fn entries(&self) -> impl Iterator<Item = io::Result<Entry>> + use<> {
        self.pairs().map(|pair| pair.map(|(entry, _)| entry))
    }
}

/// Reads a snapshot.
#[derive(Debug)]
pub struct Pairs {
    from: BufReader<Reading>,
    line: Vec<u8>,
}

impl Iterator for Pairs {
    type Item = io::Result<(Entry, Mark)>;

    fn next(&mut self) -> Option<Self::Item> {
        self.line.clear();
        match self.from.read_until(b'\n', &mut self.line) {
            Ok(0) => None,
            Ok(_) => Some(serde_json::from_slice(&self.line).map_err(io::Error::from)),
            Err(error) => Some(Err(error)),
        }
    }
}

/// A snapshot on its way.
pub(crate) struct Taking {
    taken_ns: i64,
    spool: Spool,
}

impl Taking {
    pub(crate) fn begin() -> Self {
        Self {
            taken_ns: now_ns(),
            spool: Spool::default(),
        }
    }

    /// Notes a path; they come in the order of a walk.
    pub(crate) fn note(&mut self, entry: &Entry, mark: &Mark) -> io::Result<()> {
        serde_json::to_writer(&mut self.spool, &(entry, mark))?;
        self.spool.write_all(b"\n")
    }

    pub(crate) fn done(self) -> Snapshot {
        Snapshot {
            taken_ns: self.taken_ns,
            pairs: self.spool.done(),
            begin: 0,
        }
    }
}

/// What an earlier look knows of the paths of a later one, which come in the same order.
struct Settled {
    pairs: Peekable<Pairs>,
    /// A file had been at rest for a while when it was read if it changed before this.
    before_ns: i64,
}

impl Settled {
    fn of(snapshot: &Snapshot) -> Self {
        Self {
            pairs: snapshot.pairs().peekable(),
            before_ns: snapshot.taken_ns.saturating_sub(GRANULARITY_NS),
        }
    }

    /// The digests of a path that still hold, as its mark is the same.
    fn of_path(&mut self, path: &str, mark: &Mark) -> Option<Entry> {
        let is_before = |entry: &Entry| name::order(&entry.path, path).is_lt();
        while self
            .pairs
            .next_if(|pair| pair.as_ref().is_ok_and(|(e, _)| is_before(e)))
            .is_some()
        {}
        let is_it = |(entry, was): &(Entry, Mark)| {
            entry.path == path && was == mark && mark.ctime_ns < self.before_ns
        };
        let found = self.pairs.next_if(|pair| pair.as_ref().is_ok_and(is_it));
        let entry = found?.ok()?.0;
        entry.sha256.is_some().then_some(entry)
    }
}

/// Nanoseconds since 1970.
pub(crate) fn now_ns() -> i64 {
    crate::clock::now().timestamp_nanos_opt().unwrap_or(0)
}

fn look(root: &Home, scope: &Scope, mut settled: Option<Settled>) -> Result<Snapshot, Failure> {
    let mut taking = Taking::begin();
    let mut visit = |found: &Found| {
        let seen = match entry_of(found, &mut settled, scope.key()) {
            Err(error) if is_kept_from_us(&error, scope, root, found.path) => return Ok(()),
            other => other,
        };
        let noted = seen.and_then(|seen| match seen {
            Some((entry, mark)) => taking.note(&entry, &mark),
            None => Ok(()),
        });
        noted.map_err(|error| unread(root.path(), found.path, &error))
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
    Ok(taking.done())
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
    settled: &mut Option<Settled>,
    key: Option<&Key>,
) -> io::Result<Option<(Entry, Mark)>> {
    let mut mark = found.mark.clone();
    let mut entry = bare(found.path, &mark);
    match mark.kind {
        EntryKind::File => {
            let key = key.filter(|_| is_guarded(found.path, &mark));
            let known = settled.as_mut().and_then(|s| s.of_path(found.path, &mark));
            if let Some(known) = known.filter(|known| key.is_none() || known.hmac.is_some()) {
                entry.sha256 = known.sha256;
                entry.hmac = known.hmac;
                return Ok(Some((entry, mark)));
            }
            let file = match found.dir.file(found.name) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                other => other?,
            };
            mark = Mark::of_file(&file)?;
            entry = bare(found.path, &mark);
            if mark.kind == EntryKind::File {
                let mut file = Summing::new(file, key);
                let (size, sha256) = digest(&mut file)?;
                entry.size = size;
                entry.sha256 = Some(sha256);
                entry.hmac = file.finish().1;
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
        hmac: None,
        target: None,
    }
}
