//! An open directory: every look and every change goes through its descriptor, one name at a time.
//!
//! No symbolic link is ever followed below the directory that was opened first, so whoever can
//! plant links in a tree cannot lead us out of it. It refuses to know what the tree is for.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path};

use rustix::fs::{AtFlags, Gid, Mode, OFlags, RenameFlags, Stat, Timespec, Timestamps, Uid};
use serde::{Deserialize, Serialize};

use crate::words::backup::EntryKind;

/// Why a file that something is mounted on stays where it is.
const MOUNTED: &str = "something is mounted on it";

/// What the file system says about a name, its content aside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// What it is.
    pub kind: EntryKind,
    /// The device it lies on.
    pub dev: u64,
    /// Its inode.
    pub ino: u64,
    /// Bytes.
    pub size: u64,
    /// When its content changed, in nanoseconds since 1970.
    pub mtime_ns: i64,
    /// When anything about it changed, in nanoseconds since 1970.
    pub ctime_ns: i64,
    /// Permission bits, the lowest twelve.
    pub mode: u32,
    /// The owner's number.
    pub uid: u32,
    /// The group's number.
    pub gid: u32,
}

impl Mark {
    fn of(stat: &Stat) -> Self {
        let ns = |seconds: i64, more: u64| {
            let more = i64::try_from(more).unwrap_or(0);
            seconds.saturating_mul(1_000_000_000).saturating_add(more)
        };
        Self {
            kind: match stat.st_mode & 0o170_000 {
                0o100_000 => EntryKind::File,
                0o040_000 => EntryKind::Dir,
                0o120_000 => EntryKind::Link,
                _ => EntryKind::Other,
            },
            dev: stat.st_dev,
            ino: stat.st_ino,
            size: u64::try_from(stat.st_size).unwrap_or(0),
            mtime_ns: ns(stat.st_mtime, stat.st_mtime_nsec),
            ctime_ns: ns(stat.st_ctime, stat.st_ctime_nsec),
            mode: stat.st_mode & 0o7777,
            uid: stat.st_uid,
            gid: stat.st_gid,
        }
    }

    /// What an open file is now.
    pub fn of_file(file: &File) -> io::Result<Self> {
        Ok(Self::of(&rustix::fs::fstat(file)?))
    }
}

/// An open directory.
#[derive(Debug)]
pub struct Dir(OwnedFd);

impl AsFd for Dir {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Dir {
    /// Opens the directory that everything below is relative to; links on the way to it are fine.
    pub fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self(rustix::fs::open(path, flags, Mode::empty())?))
    }

    /// The descriptor's number in this process.
    #[must_use]
    pub fn number(&self) -> RawFd {
        self.0.as_raw_fd()
    }

    /// Opens a directory in this one; a link is refused.
    pub fn enter(&self, name: &OsStr) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(Self(rustix::fs::openat(
            &self.0,
            name,
            flags,
            Mode::empty(),
        )?))
    }

    /// Opens the directory at a relative path, name by name; a link anywhere on it is refused.
    pub fn descend(&self, path: &Path) -> io::Result<Self> {
        let mut at = Self(self.0.try_clone()?);
        for name in names(path)? {
            at = at.enter(name)?;
        }
        Ok(at)
    }

    /// Opens a file in this directory for reading; a link is refused, a pipe does not block.
    pub fn file(&self, name: &OsStr) -> io::Result<File> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        Ok(rustix::fs::openat(&self.0, name, flags, Mode::empty())?.into())
    }

    /// Looks at a name without following it; none if there is no such name.
    pub fn look(&self, name: &OsStr) -> io::Result<Option<Mark>> {
        match rustix::fs::statat(&self.0, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(Mark::of(&stat))),
            Err(rustix::io::Errno::NOENT) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Looks at the directory itself.
    pub fn mark(&self) -> io::Result<Mark> {
        Ok(Mark::of(&rustix::fs::fstat(&self.0)?))
    }

    /// The names in this directory, sorted by their bytes.
    pub fn names(&self) -> io::Result<Vec<OsString>> {
        let mut names = Vec::new();
        for entry in rustix::fs::Dir::read_from(&self.0)? {
            let name = entry?.file_name().to_bytes().to_vec();
            if name != b"." && name != b".." {
                names.push(OsString::from_vec(name));
            }
        }
        names.sort();
        Ok(names)
    }

    /// Where a link in this directory points.
    pub fn link_target(&self, name: &OsStr) -> io::Result<Vec<u8>> {
        Ok(rustix::fs::readlinkat(&self.0, name, Vec::new())?.into_bytes())
    }

    /// Creates a file that did not exist, open for writing, for its owner alone.
    pub fn create(&self, name: &OsStr) -> io::Result<File> {
        touch()?;
        let flags =
            OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let create = || rustix::fs::openat(&self.0, name, flags, Mode::from_raw_mode(0o600));
        Ok(fault!(around "file.create" => create())?.into())
    }

    /// Creates a directory.
    pub fn make_dir(&self, name: &OsStr, mode: u32) -> io::Result<()> {
        touch()?;
        let mode = Mode::from_raw_mode(mode);
        Ok(fault!(around "dir.make" => rustix::fs::mkdirat(&self.0, name, mode))?)
    }

    /// Creates a symbolic link.
    pub fn make_link(&self, name: &OsStr, target: &[u8]) -> io::Result<()> {
        touch()?;
        Ok(rustix::fs::symlinkat(
            OsStr::from_bytes(target),
            &self.0,
            name,
        )?)
    }

    /// Removes a name that is no directory; one that is gone already is fine.
    pub fn remove(&self, name: &OsStr) -> io::Result<()> {
        touch()?;
        fault!(around "file.remove" => gone(rustix::fs::unlinkat(&self.0, name, AtFlags::empty())))
    }

    /// Removes an empty directory; one that is gone already is fine.
    pub fn remove_dir(&self, name: &OsStr) -> io::Result<()> {
        touch()?;
        gone(rustix::fs::unlinkat(&self.0, name, AtFlags::REMOVEDIR))
    }

    /// Removes a directory unless something is in it, and says whether it is gone.
    pub fn remove_if_empty(&self, name: &OsStr) -> io::Result<bool> {
        use io::ErrorKind as Kind;
        match self.remove_dir(name) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == Kind::DirectoryNotEmpty => Ok(false),
            // The kernel asks for our rights first; a full directory in one of root's ends here.
            Err(error) if error.kind() == Kind::PermissionDenied => {
                let full = self
                    .enter(name)?
                    .names()
                    .is_ok_and(|names| !names.is_empty());
                if full { Ok(false) } else { Err(error) }
            }
            Err(error) => Err(error),
        }
    }

    /// Removes a name with everything below it; links are removed, not followed.
    pub fn remove_all(&self, name: &OsStr) -> io::Result<()> {
        match self.look(name)?.map(|m| m.kind) {
            None => return Ok(()),
            Some(EntryKind::Dir) => {}
            Some(_) => return self.remove(name),
        }
        // No matter how deep it is: one directory is open at a time, and no call waits for another.
        let mut here = self.enter(name)?;
        let mut left = vec![here.clear()?];
        let mut way: Vec<(OsString, (u64, u64))> = Vec::new();
        loop {
            if let Some(below) = left.last_mut().and_then(Vec::pop) {
                let mark = here.mark()?;
                here = here.enter(&below)?;
                left.push(here.clear()?);
                way.push((below, (mark.dev, mark.ino)));
                continue;
            }
            left.pop();
            let Some((below, above)) = way.pop() else {
                return self.remove_dir(name);
            };
            here = here.enter("..".as_ref())?;
            let mark = here.mark()?;
            if (mark.dev, mark.ino) != above {
                return Err(io::Error::other("it was moved while it was removed"));
            }
            here.remove_dir(&below)?;
        }
    }

    /// Removes what is in this directory, directories aside; those are named.
    fn clear(&self) -> io::Result<Vec<OsString>> {
        let mut dirs = Vec::new();
        for each in self.names()? {
            match self.look(&each)? {
                Some(mark) if mark.kind == EntryKind::Dir => dirs.push(each),
                Some(_) => self.remove(&each)?,
                None => {}
            }
        }
        Ok(dirs)
    }

    /// Gives a name in this directory another name in `to`, replacing what stands there.
    pub fn rename(&self, name: &OsStr, to: &Self, new: &OsStr) -> io::Result<()> {
        touch()?;
        Ok(fault!(around "file.rename" => rustix::fs::renameat(&self.0, name, &to.0, new))?)
    }

    /// Gives a name in this directory another name that is still free.
    pub fn rename_to_free(&self, name: &OsStr, new: &OsStr) -> io::Result<()> {
        use rustix::io::Errno;
        touch()?;
        fault!("file.name.before");
        match rustix::fs::renameat_with(&self.0, name, &self.0, new, RenameFlags::NOREPLACE) {
            // Some file systems (NFS among them) cannot promise it; the caller's lock then has to.
            Err(Errno::INVAL | Errno::NOSYS) if self.look(new)?.is_none() => {
                Ok(rustix::fs::renameat(&self.0, name, &self.0, new)?)
            }
            other => Ok(other?),
        }
    }

    /// Gives a link in this directory to an owner.
    pub fn own_link(&self, name: &OsStr, uid: u32, gid: u32) -> io::Result<()> {
        touch()?;
        let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
        let flags = AtFlags::SYMLINK_NOFOLLOW;
        Ok(rustix::fs::chownat(
            &self.0,
            name,
            Some(uid),
            Some(gid),
            flags,
        )?)
    }

    /// Makes the directory itself belong to an owner with these permissions.
    pub fn dress(&self, mode: u32, uid: u32, gid: u32) -> io::Result<()> {
        dress(&self.0, &self.mark()?, mode, uid, gid)
    }

    /// Makes sure that names in this directory may be changed.
    pub fn takes_changes(&self) -> io::Result<()> {
        use rustix::fs::Access;
        let change = Access::WRITE_OK | Access::EXEC_OK;
        rustix::fs::accessat(&self.0, ".", change, AtFlags::EACCESS)?;
        match self.fixed(OsStr::new(".")) {
            // A directory that something is mounted on is as good as any other.
            None | Some(MOUNTED) => Ok(()),
            Some(why) => Err(io::Error::other(why)),
        }
    }

    /// Why a name in this directory cannot be replaced, whoever tries; the kernel may not know.
    #[must_use]
    pub fn fixed(&self, name: &OsStr) -> Option<&'static str> {
        use rustix::fs::{StatxAttributes as Is, StatxFlags};
        let flags = AtFlags::SYMLINK_NOFOLLOW;
        let seen = rustix::fs::statx(&self.0, name, flags, StatxFlags::empty()).ok()?;
        let known = seen.stx_attributes;
        if known.contains(Is::IMMUTABLE) {
            Some("it is immutable (`lsattr`, `chattr -i`)")
        } else if known.contains(Is::APPEND) {
            Some("it can only be appended to (`lsattr`, `chattr -a`)")
        } else {
            known.contains(Is::MOUNT_ROOT).then_some(MOUNTED)
        }
    }

    /// Waits until the names in this directory are on the disk.
    pub fn sync(&self) -> io::Result<()> {
        #[cfg(test)]
        faults::sync()?;
        match rustix::fs::fsync(&self.0) {
            // A file system without that notion keeps its names some other way.
            Err(rustix::io::Errno::INVAL) => Ok(()),
            other => Ok(other?),
        }
    }
}

/// Makes an open file belong to an owner with these permissions; what fits already is not touched.
pub fn dress_file(file: &File, mode: u32, uid: u32, gid: u32) -> io::Result<()> {
    dress(file, &Mark::of_file(file)?, mode, uid, gid)
}

fn dress(fd: impl std::os::fd::AsFd, now: &Mark, mode: u32, uid: u32, gid: u32) -> io::Result<()> {
    let changes_owner = (now.uid, now.gid) != (uid, gid);
    if changes_owner {
        touch()?;
        let uid = (now.uid != uid).then(|| Uid::from_raw(uid));
        let gid = (now.gid != gid).then(|| Gid::from_raw(gid));
        rustix::fs::fchown(&fd, uid, gid)?;
    }
    // A change of owner drops setuid and setgid, so the permissions come after it.
    if changes_owner || now.mode != mode {
        touch()?;
        rustix::fs::fchmod(&fd, Mode::from_raw_mode(mode))?;
    }
    Ok(())
}

/// Sets when a file's content changed, in seconds since 1970.
pub fn set_mtime(file: &File, seconds: u64) -> io::Result<()> {
    let time = Timespec {
        tv_sec: i64::try_from(seconds).unwrap_or(0),
        tv_nsec: 0,
    };
    let times = Timestamps {
        last_access: time,
        last_modification: time,
    };
    Ok(rustix::fs::futimens(file, &times)?)
}

/// The names of a relative path; anything else than plain names is refused.
pub fn names(path: &Path) -> io::Result<Vec<&OsStr>> {
    let refused = || io::Error::new(io::ErrorKind::InvalidInput, "the path leaves its directory");
    path.components()
        .filter(|c| *c != Component::CurDir)
        .map(|component| match component {
            Component::Normal(name) => Ok(name),
            _ => Err(refused()),
        })
        .collect()
}

fn gone(result: rustix::io::Result<()>) -> io::Result<()> {
    match result {
        Ok(()) | Err(rustix::io::Errno::NOENT) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Stands before every change; a test can let the one it chooses fail, and all after it.
#[cfg(not(test))]
#[expect(clippy::unnecessary_wraps, reason = "the build for tests does fail")]
fn touch() -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
pub(crate) use faults::touch;

/// The seam at which tests end a run between two changes.
#[cfg(test)]
pub(crate) mod faults {
    use std::cell::Cell;
    use std::io;

    thread_local!(static LEFT: Cell<Option<u64>> = const { Cell::new(None) });
    thread_local!(static SYNCS: Cell<Option<u64>> = const { Cell::new(None) });

    /// Lets `n` more directories of this thread reach the disk, and not the next one.
    pub(crate) fn fail_sync_after(n: u64) {
        SYNCS.set(Some(n));
    }

    pub(crate) fn sync() -> io::Result<()> {
        let left = SYNCS.take();
        SYNCS.set(left.and_then(|n| n.checked_sub(1)));
        match left {
            Some(0) => Err(io::Error::other("the disk is broken")),
            _ => Ok(()),
        }
    }

    /// Lets `n` more changes of this thread happen and refuses every one after; none lifts it.
    pub(crate) fn after(n: Option<u64>) {
        LEFT.set(n);
    }

    pub(crate) fn touch() -> io::Result<()> {
        match LEFT.get() {
            None => Ok(()),
            Some(0) => Err(io::Error::other("the power is out")),
            Some(left) => {
                LEFT.set(Some(left - 1));
                Ok(())
            }
        }
    }
}
