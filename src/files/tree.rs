//! Looking at a directory tree and writing into it, safe from whoever may plant links there.
//!
//! It refuses to know Docker, archives and why a tree is looked at.

pub mod difference;
pub mod dir;
pub mod home;
pub mod mirror;
pub mod name;
#[cfg(test)]
pub(crate) mod odd;
pub mod put;
pub mod scope;
pub mod snapshot;
pub mod spool;
pub mod sums;
#[cfg(test)]
mod tests;
pub mod walk;
pub mod whose;

use std::fmt;
use std::io::{self, Read};
use std::path::Path;

use sha2::{Digest, Sha256};

pub use difference::{Difference, Differing, Drift, diff};
pub use home::Home;
pub use mirror::{NewFile, mirror, remove_mirror};
pub use put::{Put, make_dir, put_file};
pub use scope::{Part, Scope};
pub use snapshot::Snapshot;
pub use sums::Key;
pub use whose::Us;

use crate::words::backup::Entry;
use crate::words::event::Failure;

/// How much of a file is in memory at once.
pub(crate) const BUFFER: usize = 64 * 1024;

/// Reading trees.
pub struct Tree;

impl Tree {
    /// Lists what the release answers for below `root`, in the order of a walk, every file with its
    /// SHA-256. Links are named, never followed; data and what is left out are not listed.
    pub fn read(root: &Home, scope: &Scope) -> Result<Vec<Entry>, Failure> {
        let entries: io::Result<Vec<Entry>> = Snapshot::take(root, scope)?.entries().collect();
        entries.map_err(|e| cannot(Act::Read, &root.path().display(), &e))
    }
}

/// Says whether a file at `rel` below `root` is what an entry says, its owner aside.
#[must_use]
pub fn is_as(root: &Home, rel: &Path, entry: &Entry, key: Option<&Key>) -> bool {
    let look = || -> io::Result<bool> {
        let invalid = || io::Error::from(io::ErrorKind::InvalidInput);
        let parent = rel.parent().ok_or_else(invalid)?;
        let last = rel.file_name().ok_or_else(invalid)?;
        let dir = root.dir().descend(parent)?;
        let said = (entry.kind, entry.size, entry.mode);
        let mark = dir.look(last)?;
        if mark.is_none_or(|m| (m.kind, m.size, m.mode) != said) {
            return Ok(false);
        }
        let mut file = sums::Summing::new(dir.file(last)?, key);
        let (_, sha256) = digest(&mut file)?;
        Ok(match (&entry.hmac, file.finish().1) {
            (Some(said), Some(is)) => *said == is,
            _ => entry.sha256 == Some(sha256),
        })
    };
    look().unwrap_or(false)
}

/// Removes a directory below `root` if it is empty; what lies behind a link is refused.
pub fn remove_empty(root: &Home, path: &Path) -> io::Result<()> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Ok(());
    };
    root.dir().descend(parent)?.remove_dir(name)
}

/// What was tried on a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Act {
    Read,
    Write,
    Remove,
}

/// A failure that says what could not be done to which path, why, and what helps.
pub(crate) fn cannot(act: Act, path: &dyn fmt::Display, error: &io::Error) -> Failure {
    let verb = match act {
        Act::Read => "read",
        Act::Write => "write",
        Act::Remove => "remove",
    };
    let path = led_to(&path.to_string());
    let failure = Failure::new(format!("cannot {verb} `{path}`")).because(error);
    match remedy(act, error) {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

/// What a path through a descriptor of this process leads to, for people: they cannot follow it.
fn led_to(path: &str) -> String {
    let through = path.strip_prefix("/proc/self/fd/").map(|rest| {
        let (descriptor, below) = rest.split_once('/').unwrap_or((rest, ""));
        let link = format!("/proc/self/fd/{descriptor}");
        std::fs::read_link(link).map(|place| place.join(below).display().to_string())
    });
    match through {
        Some(Ok(place)) => place,
        _ => path.to_owned(),
    }
}

/// Where a listed path lies, for people.
pub(crate) fn below(root: &Path, path: &str) -> String {
    if path == "." {
        root.display().to_string()
    } else {
        root.join(path).display().to_string()
    }
}

fn remedy(act: Act, error: &io::Error) -> Option<&'static str> {
    use io::ErrorKind as Kind;
    match (error.kind(), act) {
        (Kind::PermissionDenied, Act::Read) => Some(
            "give the SSH user the right to read it, set `sudo: always`, or name it in `backup_exclude`",
        ),
        (Kind::PermissionDenied, _) => {
            Some("give the SSH user the right to change it, or set `sudo: always`")
        }
        (Kind::StorageFull | Kind::QuotaExceeded, _) => Some("free space on that file system"),
        (Kind::ReadOnlyFilesystem, _) => Some("mount that file system for writing"),
        (Kind::ResourceBusy, _) => {
            Some("unmount what is mounted on it, or mount the directory around it instead")
        }
        (Kind::NotADirectory, _) => {
            Some("replace what is on the way to it and is no directory, such as a symbolic link")
        }
        _ => None,
    }
}

/// Lower-case hex of bytes.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The size and hex SHA-256 of all that a reader gives, 64 KiB at a time.
pub(crate) fn digest(mut content: impl Read) -> io::Result<(u64, String)> {
    let mut hash = Sha256::new();
    let mut buffer = vec![0; BUFFER];
    let mut size = 0;
    loop {
        match content.read(&mut buffer) {
            Ok(0) => return Ok((size, hex(&hash.finalize()))),
            Ok(n) => {
                hash.update(&buffer[..n]);
                size += n as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
