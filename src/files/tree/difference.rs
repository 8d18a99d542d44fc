//! What differs between two manifests, in words an operator understands.
//!
//! It refuses to know which of the two is right.

use std::cmp::Ordering;
use std::convert::Infallible;
use std::fmt;
use std::iter::Peekable;

use serde::{Deserialize, Serialize};

use super::name;
use crate::words::backup::{Entry, EntryKind};

/// One path that is not the same before and after.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// The path.
    pub path: String,
    /// How it differs.
    pub change: Change,
}

/// A path that is not as a backup has it, and what it is instead.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Differing {
    /// The path.
    pub path: String,
    /// What is there; none if nothing is.
    pub now: Option<Entry>,
    /// How it changed.
    pub kind: Drift,
    /// Whether nothing was there; nobody decides by it once it is on disk.
    #[serde(skip)]
    pub is_new: bool,
}

/// What became of a path since a backup was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Drift {
    /// It holds something else, or is there instead of nothing.
    Content,
    /// The same, as it happens beside a release: something was written behind its end, as into a
    /// log, or it belongs to somebody who does not deploy.
    Aside,
    /// It is gone, or it only has other permissions.
    Other,
}

/// How a path differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// It is there only after.
    Extra,
    /// It is there only before.
    Missing,
    /// It is there in both, and these aspects of it changed; at least one.
    Changed(Vec<Aspect>),
}

/// What can change about a path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Aspect {
    /// From one kind to another.
    Kind(EntryKind, EntryKind),
    /// What is in the file.
    Content,
    /// Where the link points, before and after.
    Target(String, String),
    /// The permissions, before and after.
    Mode(u32, u32),
    /// User and group, before and after.
    Owner((u32, u32), (u32, u32)),
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.change {
            Change::Extra => write!(f, "extra: {}", self.path),
            Change::Missing => write!(f, "missing: {}", self.path),
            Change::Changed(aspects) => {
                let aspects: Vec<String> = aspects.iter().map(ToString::to_string).collect();
                write!(f, "changed: {} ({})", self.path, aspects.join(", "))
            }
        }
    }
}

impl fmt::Display for Aspect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kind(before, after) => write!(f, "{} → {}", before.word(), after.word()),
            Self::Content => f.write_str("content"),
            Self::Target(before, after) => write!(f, "target {before} → {after}"),
            Self::Mode(before, after) => write!(f, "mode {before:04o} → {after:04o}"),
            Self::Owner(before, after) => write!(
                f,
                "owner {}:{} → {}:{}",
                before.0, before.1, after.0, after.1
            ),
        }
    }
}

impl EntryKind {
    fn word(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Dir => "directory",
            Self::Link => "link",
            Self::Other => "special file",
        }
    }
}

/// Compares two manifests, each in the order of a walk. What was a socket, pipe or device may be gone:
/// no archive brings one back.
#[must_use]
pub fn diff(before: &[Entry], after: &[Entry]) -> Vec<Difference> {
    let before = before.iter().cloned().map(Ok::<_, Infallible>);
    let after = after.iter().cloned().map(Ok);
    let found = differences(before, after);
    found.filter_map(Result::ok).collect()
}

/// The same of manifests that are read as they are compared.
pub fn differences<E>(
    before: impl Iterator<Item = Result<Entry, E>>,
    after: impl Iterator<Item = Result<Entry, E>>,
) -> impl Iterator<Item = Result<Difference, E>> {
    let both = Beside::of(before, after);
    both.filter_map(|pair| {
        let differs =
            |(was, is): (Option<Entry>, Option<Entry>)| compare(was.as_ref(), is.as_ref());
        pair.map(differs).transpose()
    })
}

/// Two manifests path by path: what each has of it.
pub struct Beside<A: Iterator, B: Iterator> {
    before: Peekable<A>,
    after: Peekable<B>,
}

impl<E, A, B> Beside<A, B>
where
    A: Iterator<Item = Result<Entry, E>>,
    B: Iterator<Item = Result<Entry, E>>,
{
    /// Both have to be in the order of a walk.
    pub fn of(before: A, after: B) -> Self {
        Self {
            before: before.peekable(),
            after: after.peekable(),
        }
    }
}

impl<E, A, B> Iterator for Beside<A, B>
where
    A: Iterator<Item = Result<Entry, E>>,
    B: Iterator<Item = Result<Entry, E>>,
{
    type Item = Result<(Option<Entry>, Option<Entry>), E>;

    fn next(&mut self) -> Option<Self::Item> {
        let order = match (self.before.peek(), self.after.peek()) {
            (None, None) => return None,
            // A fault is told at once.
            (Some(_), None) | (Some(Err(_)), _) => Ordering::Less,
            (None | Some(Ok(_)), Some(Err(_))) | (None, Some(Ok(_))) => Ordering::Greater,
            (Some(Ok(a)), Some(Ok(b))) => name::order(&a.path, &b.path),
        };
        let was = if order.is_le() {
            self.before.next()
        } else {
            None
        };
        let is = if order.is_ge() {
            self.after.next()
        } else {
            None
        };
        Some(was.transpose().and_then(|was| Ok((was, is.transpose()?))))
    }
}

/// How what is there differs from what was.
pub(crate) fn compare(was: Option<&Entry>, is: Option<&Entry>) -> Option<Difference> {
    let (path, change) = match (was, is) {
        (Some(was), None) if was.kind == EntryKind::Other => return None,
        (Some(was), None) => (&was.path, Change::Missing),
        (None, Some(is)) => (&is.path, Change::Extra),
        (Some(was), Some(is)) => (&was.path, Change::Changed(aspects(was, is))),
        (None, None) => return None,
    };
    (change != Change::Changed(Vec::new())).then(|| Difference {
        path: path.clone(),
        change,
    })
}

/// What differs between two entries of the same path.
pub(crate) fn aspects(was: &Entry, is: &Entry) -> Vec<Aspect> {
    if was.kind != is.kind {
        return vec![Aspect::Kind(was.kind, is.kind)];
    }
    let mut found = Vec::new();
    if was.kind == EntryKind::Other {
        return found;
    }
    if was.size != is.size || !same_content(was, is) {
        found.push(Aspect::Content);
    }
    if was.target != is.target {
        let text = |e: &Entry| e.target.clone().unwrap_or_default();
        found.push(Aspect::Target(text(was), text(is)));
    }
    // The permissions of a link mean nothing, and nothing can set them.
    if was.mode != is.mode && was.kind != EntryKind::Link {
        found.push(Aspect::Mode(was.mode, is.mode));
    }
    if (was.uid, was.gid) != (is.uid, is.gid) {
        found.push(Aspect::Owner((was.uid, was.gid), (is.uid, is.gid)));
    }
    found
}

/// Goes by a checksum that both have. Where there is none, they are not known to be the same.
fn same_content(was: &Entry, is: &Entry) -> bool {
    match ((&was.hmac, &is.hmac), (&was.sha256, &is.sha256)) {
        ((Some(was), Some(is)), _) | (_, (Some(was), Some(is))) => was == is,
        (one, two) => one == (&None, &None) && two == (&None, &None),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    fn file(path: &str, sha: &str) -> Entry {
        Entry {
            path: path.to_owned(),
            kind: EntryKind::File,
            mode: 0o644,
            uid: 1,
            gid: 1,
            size: 3,
            sha256: Some(sha.to_owned()),
            hmac: None,
            target: None,
        }
    }

    fn said(before: &[Entry], after: &[Entry]) -> Vec<String> {
        diff(before, after)
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn every_kind_of_difference_is_told_in_words() {
        let before = [
            file(".env", "a"),
            file("gone", "b"),
            file("same", "c"),
            file("x", "d"),
        ];
        let mut after = [
            file(".env", "z"),
            file("new.conf", "b"),
            file("same", "c"),
            file("x", "d"),
        ];
        after[3].mode = 0o600;
        after[3].uid = 33;
        assert_eq!(
            said(&before, &after),
            [
                "changed: .env (content)",
                "missing: gone",
                "extra: new.conf",
                "changed: x (mode 0644 → 0600, owner 1:1 → 33:1)",
            ]
        );
    }

    #[test]
    fn a_changed_kind_says_only_that() {
        let mut link = file("x", "a");
        link.kind = EntryKind::Link;
        link.sha256 = None;
        link.target = Some("y".to_owned());
        assert_eq!(
            said(&[file("x", "a")], &[link]),
            ["changed: x (file → link)"]
        );
    }

    #[test]
    fn a_socket_that_is_gone_is_no_difference() {
        let mut socket = file("s", "a");
        socket.kind = EntryKind::Other;
        assert!(said(&[socket], &[]).is_empty());
    }

    #[test]
    fn equal_trees_have_no_difference() {
        let tree = [file("a", "1"), file("b", "2")];
        assert!(said(&tree, &tree).is_empty());
    }
}
