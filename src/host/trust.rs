//! Who rules over a path: everybody who could put something else in its place.
//!
//! Below a directory that only root and those who deploy rule over, nobody else can change one thing
//! for another, so what has been looked at is what is used. The file refuses to know what for.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{CWD, Mode, OFlags, Stat};

use crate::words::Result;
use crate::words::event::Failure;
use crate::words::shell;

/// How many links a way may lead through.
const HOPS: u32 = 40;
/// The longest access list that is read.
const LONGEST: usize = 64 * 1024;

/// Who may rule: root, and those named here.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rulers {
    /// The user who deploys.
    pub user: Option<u32>,
    /// A group of that user's own.
    pub group: Option<u32>,
}

impl Rulers {
    /// Reads `uid:gid`; what is no number is nobody.
    #[must_use]
    pub fn named(text: &str) -> Self {
        let (user, group) = text.split_once(':').unwrap_or((text, ""));
        Self {
            user: user.parse().ok(),
            group: group.parse().ok(),
        }
    }
}

/// What is wrong with a place on the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wrong {
    Stranger(u32),
    Writable,
    Listed,
    Loop,
}

/// Refuses a path that somebody else could change for another, its own place included; the way ends
/// where nothing is yet.
pub fn refuse_foreign(path: &Path, rulers: Rulers) -> Result<()> {
    match foreign(path, rulers)? {
        None => Ok(()),
        Some((place, wrong)) => Err(unsafe_place(&place, wrong)),
    }
}

fn unsafe_place(place: &Path, wrong: Wrong) -> Failure {
    let (shown, typed) = (place.display(), shell::path(place));
    let failure = Failure::new(format!(
        "root would run and read what others can replace: `{shown}`"
    ));
    match wrong {
        Wrong::Stranger(owner) => failure
            .because(format!("it belongs to user {owner}"))
            .hint(format!(
                "look at what it holds, then let root own it: `sudo chown root {typed}`"
            ))
            .hint("or name a directory of the deploying user's own in `backup_dir`"),
        Wrong::Writable => failure
            .because("others may write there")
            .hint(format!("take that right away: `sudo chmod go-w {typed}`")),
        Wrong::Listed => failure
            .because("its access list (ACL) lets others write there")
            .hint(format!("take that right away: `sudo setfacl -b {typed}`")),
        Wrong::Loop => failure.because("its symbolic links lead in a circle"),
    }
}

/// The first place on the way that somebody else rules over.
fn foreign(path: &Path, rulers: Rulers) -> io::Result<Option<(PathBuf, Wrong)>> {
    let mut rest = parts(path);
    let mut stack = vec![(PathBuf::from("/"), open(CWD, Path::new("/"))?)];
    if let Some(wrong) = judge(&stack[0].1, rulers)? {
        return Ok(Some((PathBuf::from("/"), wrong)));
    }
    let mut hops = 0;
    while let Some(part) = rest.pop_front() {
        let (at, dir) = stack
            .last()
            .ok_or_else(|| io::Error::other("there is no root"))?;
        if part == ".." {
            if stack.len() > 1 {
                stack.pop();
            }
            continue;
        }
        let place = at.join(&part);
        let opened = match open(dir, Path::new(&part)) {
            Ok(opened) => opened,
            Err(rustix::io::Errno::NOENT | rustix::io::Errno::NOTDIR) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        if let Some(wrong) = judge(&opened, rulers)? {
            return Ok(Some((place, wrong)));
        }
        if is_link(&rustix::fs::fstat(&opened)?) {
            hops += 1;
            if hops > HOPS {
                return Ok(Some((place, Wrong::Loop)));
            }
            let to = rustix::fs::readlinkat(&opened, "", Vec::new())?;
            let to = PathBuf::from(OsString::from_vec(to.into_bytes()));
            if to.is_absolute() {
                stack.truncate(1);
            }
            for part in parts(&to).into_iter().rev() {
                rest.push_front(part);
            }
        } else {
            stack.push((place, opened));
        }
    }
    Ok(None)
}

/// The names on a way, `..` among them.
fn parts(path: &Path) -> VecDeque<OsString> {
    let named = path.components().filter_map(|part| match part {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        _ => None,
    });
    named.collect()
}

fn open(dir: impl AsFd, name: &Path) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(dir, name, flags, Mode::empty())
}

fn is_link(stat: &Stat) -> bool {
    stat.st_mode & 0o170_000 == 0o120_000
}

fn judge(place: &OwnedFd, rulers: Rulers) -> io::Result<Option<Wrong>> {
    let stat = rustix::fs::fstat(place)?;
    if stat.st_uid != 0 && Some(stat.st_uid) != rulers.user {
        return Ok(Some(Wrong::Stranger(stat.st_uid)));
    }
    let is_sticky = stat.st_mode & 0o1000 != 0;
    if is_link(&stat) || is_sticky {
        return Ok(None);
    }
    let own_group = stat.st_gid == 0 || Some(stat.st_gid) == rulers.group;
    if stat.st_mode & 0o002 != 0 {
        return Ok(Some(Wrong::Writable));
    }
    let Some(list) = access_list(place) else {
        let writable = stat.st_mode & 0o020 != 0 && !own_group;
        return Ok(writable.then_some(Wrong::Writable));
    };
    Ok(lets_others_write(&list, own_group, rulers).then_some(Wrong::Listed))
}

/// The access list of an open place, as the kernel keeps it; none where there is none.
fn access_list(place: &OwnedFd) -> Option<Vec<u8>> {
    let path = format!("/proc/self/fd/{}", place.as_raw_fd());
    let mut list = vec![0; LONGEST];
    let read = rustix::fs::getxattr(path, "system.posix_acl_access", &mut list[..]).ok()?;
    list.truncate(read);
    Some(list)
}

/// Reads `struct posix_acl_xattr_entry`: tag, permissions, number, little-endian, behind four bytes
/// of version.
fn lets_others_write(list: &[u8], own_group: bool, rulers: Rulers) -> bool {
    const USER: u16 = 0x02;
    const GROUP_OBJ: u16 = 0x04;
    const GROUP: u16 = 0x08;
    const MASK: u16 = 0x10;
    const WRITE: u16 = 2;
    let entries = || {
        list.get(4..).unwrap_or_default().chunks_exact(8).map(|e| {
            let half = |at: usize| u16::from_le_bytes([e[at], e[at + 1]]);
            let id = u32::from_le_bytes([e[4], e[5], e[6], e[7]]);
            (half(0), half(2), id)
        })
    };
    let mask = entries().find(|(tag, ..)| *tag == MASK);
    if mask.is_some_and(|(_, may, _)| may & WRITE == 0) {
        return false;
    }
    entries().any(|(tag, may, id)| {
        may & WRITE != 0
            && match tag {
                USER => id != 0 && Some(id) != rulers.user,
                GROUP => id != 0 && Some(id) != rulers.group,
                GROUP_OBJ => !own_group,
                _ => false,
            }
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::fs;
    use std::os::unix::fs::{PermissionsExt, chown, lchown, symlink};

    use super::*;

    const DEPLOY: Rulers = Rulers {
        user: Some(4_242),
        group: Some(4_242),
    };

    /// A tree whose directories are root's; none when the tests are somebody else's.
    fn tree() -> Option<(tempfile::TempDir, PathBuf)> {
        let dir = tempfile::Builder::new().tempdir_in("/tmp").unwrap();
        let path = dir.path().join("a/b/c");
        fs::create_dir_all(&path).unwrap();
        for at in path.ancestors().take(4) {
            fs::set_permissions(at, fs::Permissions::from_mode(0o755)).unwrap();
        }
        rustix::process::getuid().is_root().then_some((dir, path))
    }

    #[test]
    fn rulers_are_read_as_the_first_process_names_them() {
        assert_eq!(Rulers::named("4242:4242"), DEPLOY);
        assert_eq!(Rulers::named("7:none").group, None);
        assert_eq!(Rulers::named(""), Rulers::default());
    }

    fn wrong(path: &Path) -> Option<(PathBuf, Wrong)> {
        foreign(path, DEPLOY).unwrap()
    }

    #[test]
    fn a_way_of_roots_and_the_deploying_users_is_safe_and_ends_where_nothing_is() {
        let Some((dir, path)) = tree() else { return };
        assert_eq!(wrong(&path.join("not/yet")), None);
        chown(dir.path().join("a"), Some(4_242), None).unwrap();
        assert_eq!(wrong(&path), None);
        assert!(foreign(&path, Rulers::default()).unwrap().is_some());
    }

    #[test]
    fn each_ancestor_of_a_stranger_or_for_others_to_write_is_found() {
        for level in ["a", "a/b", "a/b/c"] {
            let Some((dir, path)) = tree() else { return };
            let at = dir.path().join(level);
            chown(&at, Some(1_717), None).unwrap();
            assert_eq!(wrong(&path), Some((at.clone(), Wrong::Stranger(1_717))));
            chown(&at, Some(0), Some(1_717)).unwrap();
            for (mode, found) in [
                (0o757, Some(Wrong::Writable)),
                (0o775, Some(Wrong::Writable)),
                (0o1777, None),
            ] {
                fs::set_permissions(&at, fs::Permissions::from_mode(mode)).unwrap();
                assert_eq!(wrong(&path).map(|(_, wrong)| wrong), found, "{mode:o}");
            }
            chown(&at, Some(0), Some(4_242)).unwrap();
            fs::set_permissions(&at, fs::Permissions::from_mode(0o775)).unwrap();
            assert_eq!(wrong(&path), None);
        }
    }

    #[test]
    fn a_link_is_followed_place_by_place_and_leads_through_no_strangers_directory() {
        let Some((dir, path)) = tree() else { return };
        let theirs = dir.path().join("theirs");
        fs::create_dir_all(theirs.join("roots")).unwrap();
        fs::set_permissions(&theirs, fs::Permissions::from_mode(0o755)).unwrap();
        chown(&theirs, Some(1_717), None).unwrap();
        symlink("../../theirs/roots", dir.path().join("a/b/link")).unwrap();
        let found = wrong(&path.join("../link/deeper"));
        assert_eq!(found, Some((theirs, Wrong::Stranger(1_717))));
        let own = dir.path().join("own");
        symlink("a/b", &own).unwrap();
        assert_eq!(wrong(&own.join("c")), None);
        lchown(&own, Some(1_717), None).unwrap();
        assert!(wrong(&own.join("c")).is_some());
    }

    #[test]
    fn links_in_a_circle_end() {
        let Some((dir, _)) = tree() else { return };
        symlink("two", dir.path().join("one")).unwrap();
        symlink("one", dir.path().join("two")).unwrap();
        let found = wrong(&dir.path().join("one"));
        assert!(matches!(found, Some((_, Wrong::Loop))), "{found:?}");
    }

    /// An access list: the owner all, these entries, and a mask.
    fn list(entries: &[(u16, u16, u32)], mask: u16) -> Vec<u8> {
        let none = u32::MAX;
        let mut all = vec![(0x01, 7, none)];
        all.extend(entries);
        all.extend([(0x04, 5, none), (0x10, mask, none), (0x20, 5, none)]);
        all.sort_by_key(|(tag, _, id)| (*tag, *id));
        let mut bytes = 2_u32.to_le_bytes().to_vec();
        for (tag, may, id) in all {
            bytes.extend(u16::to_le_bytes(tag));
            bytes.extend(u16::to_le_bytes(may));
            bytes.extend(u32::to_le_bytes(id));
        }
        bytes
    }

    #[test]
    fn an_access_list_that_lets_a_stranger_write_is_read() {
        let others = |entries: &[_], mask| lets_others_write(&list(entries, mask), true, DEPLOY);
        assert!(!others(&[], 7));
        assert!(!others(&[(0x02, 7, 4_242), (0x08, 7, 4_242)], 7));
        assert!(others(&[(0x02, 7, 1_717)], 7));
        assert!(others(&[(0x08, 7, 1_717)], 7));
        assert!(!others(&[(0x02, 7, 1_717)], 5));
        assert!(!others(&[(0x02, 5, 1_717)], 7));
    }

    #[test]
    fn an_ancestor_with_such_a_list_is_found() {
        let Some((dir, path)) = tree() else { return };
        let at = dir.path().join("a");
        let bytes = list(&[(0x02, 7, 1_717)], 7);
        let name = "system.posix_acl_access";
        // A file system without access lists has none to be found.
        if rustix::fs::setxattr(&at, name, &bytes, rustix::fs::XattrFlags::empty()).is_ok() {
            assert_eq!(wrong(&path), Some((at, Wrong::Listed)));
        }
    }
}
