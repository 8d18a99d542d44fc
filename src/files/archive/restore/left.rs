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

use crate::files::tree::difference::{Aspect, Beside, Change, Difference, compare};
use crate::files::tree::sums::Summing;
use crate::files::tree::whose::{look, user};
use crate::files::tree::{Home, Scope, digest, name};
use crate::words::backup::{Entry, EntryKind};

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

/// A path that differs.
pub(crate) struct Found {
    pub difference: Difference,
    /// Why it is left as it is, if it is.
    pub why: Option<Why>,
    pub want: Option<Entry>,
    pub now: Option<Entry>,
}

/// Who decides that about one restore.
pub(crate) struct Leaving<'a> {
    deploy_dir: &'a Home,
    scope: &'a Scope,
    held: OnceCell<HashSet<(u64, u64)>>,
}

impl<'a> Leaving<'a> {
    pub(crate) fn of(deploy_dir: &'a Home, scope: &'a Scope) -> Self {
        Self {
            deploy_dir,
            scope,
            held: OnceCell::new(),
        }
    }

    /// What differs between what is wanted and what is there, and why it is left where it is.
    pub(crate) fn compared<'s, E: 's>(
        &'s self,
        want: impl Iterator<Item = Result<Entry, E>> + 's,
        now: impl Iterator<Item = Result<Entry, E>> + 's,
    ) -> impl Iterator<Item = Result<Found, E>> + 's {
        let judge = |(want, now): (Option<Entry>, Option<Entry>)| {
            let difference = compare(want.as_ref(), now.as_ref())?;
            Some(Found {
                why: self.why(&difference, want.as_ref(), now.as_ref()),
                difference,
                want,
                now,
            })
        };
        Beside::of(want, now).filter_map(move |pair| pair.map(judge).transpose())
    }

    /// What is left.
    pub(crate) fn among<E>(
        &self,
        want: impl Iterator<Item = Result<Entry, E>>,
        now: impl Iterator<Item = Result<Entry, E>>,
    ) -> Result<Left, E> {
        let mut left = Left::new();
        for found in self.compared(want, now) {
            let found = found?;
            if let Some(why) = found.why {
                left.insert(found.difference.path, why);
            }
        }
        Ok(left)
    }

    fn why(
        &self,
        difference: &Difference,
        want: Option<&Entry>,
        now: Option<&Entry>,
    ) -> Option<Why> {
        if self.scope.is_shipped(&difference.path) {
            return None;
        }
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
        (may_be_a_log && self.begins_as(want)).then_some(Why::Grown(now.uid))
    }

    /// Says whether a file begins with all that it held.
    pub(crate) fn begins_as(&self, want: &Entry) -> bool {
        let Ok((begins, keyed)) = self.beginning(want) else {
            return false;
        };
        match (&want.hmac, keyed) {
            (Some(said), Some(is)) => *said == is,
            _ => want.sha256 == Some(begins),
        }
    }

    /// The digests of as many first bytes of a file as it had.
    fn beginning(&self, want: &Entry) -> io::Result<(String, Option<String>)> {
        let (at, last) = name::split(&want.path);
        let (at, last) = (name::to_path(at), name::to_path(last));
        let dir = self.deploy_dir.dir().descend(&at.unwrap_or_default())?;
        let file = dir.file(last.unwrap_or_default().as_os_str())?;
        let mut first = Summing::new(file.take(want.size), self.scope.key());
        let (_, sha256) = digest(&mut first)?;
        Ok((sha256, first.finish().1))
    }
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
