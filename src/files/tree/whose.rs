//! Whose a path is: what this process could put back exactly as it was, and what it could not.
//!
//! Only root can give a file to another user, or to a group that it is not in. What belongs to
//! either is left to its owner. The file refuses to know what is done about a path.

use std::path::Path;

use rustix::fs::Gid;
use rustix::process::{getegid, geteuid, getgroups};

use super::dir::Mark;
use super::{Home, name};
use crate::files::foreign;
use crate::words::backup::{Entry, EntryKind};
use crate::words::shell;

/// How much of the list of users is looked at, in bytes.
const USERS: u64 = 1024 * 1024;

/// Who this process is, as far as files go.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Us {
    /// Somebody who may give any file to anybody.
    #[default]
    Root,
    /// A user, with the groups that it may give its own files to.
    User {
        /// The user's number.
        uid: u32,
        /// The groups' numbers.
        groups: Vec<u32>,
    },
}

impl Us {
    /// Who this process is.
    #[must_use]
    pub fn now() -> Self {
        let uid = geteuid();
        if uid.is_root() {
            return Self::Root;
        }
        let more = getgroups().unwrap_or_default();
        let groups = more.into_iter().chain([getegid()]).map(Gid::as_raw);
        Self::User {
            uid: uid.as_raw(),
            groups: groups.collect(),
        }
    }

    /// Says whether a file of this owner and group could be put back by this process.
    #[must_use]
    pub fn can_give(&self, uid: u32, gid: u32) -> bool {
        match self {
            Self::Root => true,
            Self::User { uid: us, groups } => *us == uid && groups.contains(&gid),
        }
    }

    /// Says whether an entry belongs to somebody else.
    #[must_use]
    pub fn is_theirs(&self, entry: &Entry) -> bool {
        !self.can_give(entry.uid, entry.gid)
    }

    /// Says whether what lies at an escaped path below a root belongs to somebody else.
    #[must_use]
    pub fn is_theirs_at(&self, root: &Home, path: &str) -> bool {
        look(root, path).is_some_and(|mark| !self.can_give(mark.uid, mark.gid))
    }
}

/// What lies at an escaped path below a root.
pub(crate) fn look(root: &Home, path: &str) -> Option<Mark> {
    let (at, last) = name::split(path);
    let dir = root.dir().descend(&name::to_path(at)?).ok()?;
    dir.look(name::to_path(last)?.as_os_str()).ok()?
}

/// Why this process cannot put a file at `rel` below `root`, or cannot replace the one that is
/// there; none where it can, and where the way there tells by itself what is wrong with it.
#[must_use]
pub fn obstacle(root: &Home, rel: &Path, us: &Us) -> Option<String> {
    at(root, rel, |mark| owned(mark, us))
}

/// The same, whoever the file belongs to that is there now.
#[must_use]
pub fn obstacle_but_owner(root: &Home, rel: &Path) -> Option<String> {
    at(root, rel, |_| None)
}

fn at(root: &Home, rel: &Path, owned: impl Fn(&Mark) -> Option<String>) -> Option<String> {
    let (parent, last) = (rel.parent()?, rel.file_name()?);
    let mut here = root.dir().descend(Path::new("")).ok()?;
    for each in parent.components() {
        match here.enter(each.as_os_str()) {
            Ok(next) => here = next,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => break,
            Err(_) => return None,
        }
    }
    if let Err(error) = here.takes_changes() {
        return Some(format!("the directory it lies in takes no change: {error}"));
    }
    let mark = here.look(last).ok().flatten()?;
    if mark.kind == EntryKind::Dir {
        return None;
    }
    owned(&mark).or_else(|| here.fixed(last).map(ToOwned::to_owned))
}

fn owned(mark: &Mark, us: &Us) -> Option<String> {
    if us.can_give(mark.uid, mark.gid) {
        return None;
    }
    Some(match us {
        Us::User { uid, .. } if *uid == mark.uid => {
            format!("its group is {}, which this user is not in", mark.gid)
        }
        _ => format!("it belongs to {}", user(mark.uid)),
    })
}

/// A user as people call it.
#[must_use]
pub fn user(uid: u32) -> String {
    known(uid).unwrap_or_else(|| format!("user {uid}"))
}

/// A user as a word of a command: a number will do where there is no name.
#[must_use]
pub fn typed(uid: u32) -> String {
    known(uid).map_or_else(|| uid.to_string(), |name| shell::word(&name))
}

/// Whoever this process runs as, as a word of a command.
#[must_use]
pub fn me() -> String {
    typed(rustix::process::geteuid().as_raw())
}

fn known(uid: u32) -> Option<String> {
    let users = foreign::text(Path::new("/etc/passwd"), USERS).unwrap_or_default();
    let number = uid.to_string();
    users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1) == Some(number.as_str())).then(|| name.to_owned())
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::fs;
    use std::os::unix::fs::chown;

    use super::*;
    use crate::files::tree::odd;

    fn us() -> Us {
        Us::User {
            uid: 1000,
            groups: vec![1000, 998],
        }
    }

    #[test]
    fn a_users_own_files_are_those_of_the_user_in_a_group_of_the_users() {
        assert!(us().can_give(1000, 998));
        assert!(!us().can_give(1000, 33), "only root could give it back");
        assert!(!us().can_give(0, 1000));
        assert!(Us::Root.can_give(1000, 33));
    }

    #[test]
    fn a_file_of_another_user_or_group_is_in_the_way_and_says_whose_it_is() {
        if !odd::is_root() {
            return;
        }
        let temp = tempfile::tempdir().unwrap();
        let make = |name: &str, uid, gid| {
            fs::write(temp.path().join(name), "x").unwrap();
            chown(temp.path().join(name), Some(uid), Some(gid)).unwrap();
        };
        make("own", 1000, 1000);
        make("roots", 0, 1000);
        make("webs", 1000, 33);
        let root = Home::open(temp.path()).unwrap();
        let why = |path: &str| obstacle(&root, Path::new(path), &us());
        assert_eq!(why("own"), None);
        assert_eq!(why("new/file"), None);
        assert_eq!(why("roots").unwrap(), "it belongs to root");
        let webs = why("webs").unwrap();
        assert_eq!(webs, "its group is 33, which this user is not in");
    }
}
