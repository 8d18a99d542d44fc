//! What a restore leaves as it is, though it is not as the backup has it, and why.
//!
//! What this process could not give back to its owner it does not take away either, and no writer
//! loses the file that it writes to. The file refuses to touch anything.

use std::cell::OnceCell;
use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::super::{Entry, EntryKind};
use crate::host::tree::difference::{Aspect, Change, Difference};
use crate::host::tree::whose::{look, user};
use crate::host::tree::{Home, Scope, Snapshot, digest, name};

/// Why a path is left as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// It belongs to somebody else, and this process could not put it back as theirs.
    Theirs(u32),
    /// Something has it open for writing.
    Held,
    /// It belongs to another user than the directory, and has only grown.
    Grown(u32),
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Theirs(uid) => write!(f, "it belongs to {}", user(*uid)),
            Self::Held => f.write_str("a program holds it open and writes to it"),
            Self::Grown(uid) => write!(f, "it belongs to {} and has only grown", user(*uid)),
        }
    }
}

/// The paths that are left as they are.
pub(crate) type Left = BTreeMap<String, Why>;

/// Who decides that about one restore.
pub(crate) struct Leaving<'a> {
    deploy_dir: &'a Home,
    scope: &'a Scope,
    want: &'a [Entry],
    held: OnceCell<HashSet<(u64, u64)>>,
}

impl<'a> Leaving<'a> {
    pub(crate) fn of(deploy_dir: &'a Home, scope: &'a Scope, want: &'a [Entry]) -> Self {
        Self {
            deploy_dir,
            scope,
            want,
            held: OnceCell::new(),
        }
    }

    /// Those of the differences that are left.
    pub(crate) fn among(&self, differences: &[Difference], now: &Snapshot) -> Left {
        let found = differences.iter();
        let left = found.filter_map(|d| Some((d.path.clone(), self.why(d, now)?)));
        left.collect()
    }

    fn why(&self, difference: &Difference, now: &Snapshot) -> Option<Why> {
        let path = difference.path.as_str();
        if self.scope.is_shipped(path) {
            return None;
        }
        let (want, now) = (at(self.want, path), at(now.entries(), path));
        self.theirs(want, now)
            .or_else(|| self.held(now))
            .or_else(|| self.grown(difference, want?, now?))
    }

    /// A directory that the backup has not is nobody's once it is empty.
    fn theirs(&self, want: Option<&Entry>, now: Option<&Entry>) -> Option<Why> {
        let of = want.or_else(|| now.filter(|is| is.kind != EntryKind::Dir))?;
        self.scope.us().is_theirs(of).then_some(Why::Theirs(of.uid))
    }

    fn held(&self, now: Option<&Entry>) -> Option<Why> {
        let file = now.filter(|is| is.kind == EntryKind::File)?;
        let mark = look(self.deploy_dir, &file.path)?;
        let held = self.held.get_or_init(open_for_writing);
        held.contains(&(mark.dev, mark.ino)).then_some(Why::Held)
    }

    /// Root could put a log of root's back, and cut off what was written since.
    fn grown(&self, difference: &Difference, want: &Entry, now: &Entry) -> Option<Why> {
        let Change::Changed(aspects) = &difference.change else {
            return None;
        };
        let home = self.deploy_dir.dir().mark().ok()?.uid;
        let may_be_a_log = *aspects == [Aspect::Content] && now.uid != home && now.size > want.size;
        let begins = may_be_a_log.then(|| self.beginning(&now.path, want.size).ok())??;
        (Some(begins) == want.sha256).then_some(Why::Grown(now.uid))
    }

    /// The digest of a file's first bytes.
    fn beginning(&self, path: &str, bytes: u64) -> io::Result<String> {
        let (at, last) = name::split(path);
        let (at, last) = (name::to_path(at), name::to_path(last));
        let dir = self.deploy_dir.dir().descend(&at.unwrap_or_default())?;
        let file = dir.file(last.unwrap_or_default().as_os_str())?;
        digest(file.take(bytes)).map(|(_, sha256)| sha256)
    }
}

fn at<'e>(entries: &'e [Entry], path: &str) -> Option<&'e Entry> {
    let found = entries.binary_search_by(|e| e.path.as_str().cmp(path));
    found.ok().map(|i| &entries[i])
}

/// Device and inode of the files that other processes have open for writing, as far as this one may
/// look.
fn open_for_writing() -> HashSet<(u64, u64)> {
    let us = std::process::id().to_string();
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let others = processes.filter(|p| {
        let pid = p.file_name();
        let pid = pid.to_string_lossy();
        pid != us.as_str() && pid.bytes().all(|b| b.is_ascii_digit())
    });
    others
        .flat_map(|process| written_by(&process.path()))
        .collect()
}

fn written_by(process: &Path) -> Vec<(u64, u64)> {
    let open = fs::read_dir(process.join("fd")).into_iter().flatten();
    let files = open.flatten().filter_map(|fd| {
        let info = fs::read_to_string(process.join("fdinfo").join(fd.file_name())).ok()?;
        let flags = info.lines().find_map(|l| l.strip_prefix("flags:"))?;
        let mode = u32::from_str_radix(flags.trim(), 8).ok()? & 0o3;
        let meta = (mode != 0).then(|| fs::metadata(fd.path()).ok())??;
        meta.is_file().then_some((meta.dev(), meta.ino()))
    });
    files.collect()
}
