//! A private directory in memory for the length of one connection.
//!
//! It holds what `ssh` insists on reading from files: a key, a configuration, pinned host keys and
//! the control socket. It refuses to know what is in them; it sees to it that nobody else can read
//! them and that they are gone afterwards, those of a killed run included.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use rustix::process::geteuid;
use tempfile::TempDir;

/// The first part of the directory's name, by which leftovers are known.
const PREFIX: &str = "landfall-ssh-";
/// The file whose lock says that the directory is in use.
const IN_USE: &str = "in-use";
/// The longest directory path that leaves room for a control socket's temporary name.
const LONGEST: usize = 70;

/// A directory of mode 0700 that is removed when it is dropped.
#[derive(Debug)]
pub struct PrivateDir {
    dir: TempDir,
    _in_use: File,
}

impl PrivateDir {
    /// Makes one on the first place that keeps files in memory, and sweeps up dead ones there.
    pub fn new() -> io::Result<Self> {
        let mut refusal = io::Error::other("there is no place for temporary files");
        for place in places() {
            sweep(&place);
            match Self::below(&place) {
                Ok(dir) => return Ok(dir),
                Err(error) => refusal = error,
            }
        }
        Err(refusal)
    }

    fn below(place: &Path) -> io::Result<Self> {
        let dir = tempfile::Builder::new()
            .prefix(PREFIX)
            .permissions(fs::Permissions::from_mode(0o700))
            .tempdir_in(place)?;
        // Locked before it has its name: a sweeper must never see it free.
        let unnamed = dir.path().join("new");
        let in_use = private_file(&unnamed)?;
        in_use.try_lock().map_err(io::Error::from)?;
        fs::rename(unnamed, dir.path().join(IN_USE))?;
        Ok(Self {
            dir,
            _in_use: in_use,
        })
    }

    /// The absolute path of a name in it.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes a file of mode 0600, in place of any that was there.
    pub fn write(&self, name: &str, content: &[u8]) -> io::Result<PathBuf> {
        let path = self.path(name);
        private_file(&path)?.write_all(content)?;
        Ok(path)
    }

    /// Makes a directory of mode 0700 in it.
    pub fn subdirectory(&self, name: &str) -> io::Result<PathBuf> {
        let path = self.path(name);
        fs::DirBuilder::new().mode(0o700).create(&path)?;
        Ok(path)
    }

    /// Removes a file that is no longer needed; one that is not there is fine.
    pub fn forget(&self, name: &str) {
        let _ = fs::remove_file(self.path(name));
    }
}

fn private_file(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
}

/// Where to try, memory first; long paths are of no use to a socket.
fn places() -> impl Iterator<Item = PathBuf> {
    [
        Some(PathBuf::from("/dev/shm")),
        std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from),
        Some(std::env::temp_dir()),
        Some(PathBuf::from("/tmp")),
    ]
    .into_iter()
    .flatten()
    .filter(|place| place.is_absolute() && place.as_os_str().len() <= LONGEST && place.is_dir())
}

/// Removes the directories of runs that were killed: nobody holds their lock.
fn sweep(place: &Path) {
    let Ok(entries) = fs::read_dir(place) else {
        return;
    };
    for entry in entries.filter_map(Result::ok) {
        let named = entry.file_name().to_string_lossy().starts_with(PREFIX);
        if named && is_our_directory(&entry.path()) && is_abandoned(&entry.path()) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// Says whether a directory's owner is dead; one without its lock file is just being made.
fn is_abandoned(dir: &Path) -> bool {
    let flags = OFlags::NONBLOCK | OFlags::NOFOLLOW;
    let held = OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits().cast_signed())
        .open(dir.join(IN_USE));
    held.is_ok_and(|held| {
        held.metadata().is_ok_and(|m| m.is_file()) && held.try_lock_shared().is_ok()
    })
}

/// Anybody may put anything under any name where everybody keeps temporary files.
fn is_our_directory(path: &Path) -> bool {
    path.symlink_metadata()
        .is_ok_and(|m| m.is_dir() && m.uid() == geteuid().as_raw())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn a_private_directory_is_its_owners_alone_and_goes_when_dropped() {
        let dir = PrivateDir::new().unwrap();
        let key = dir.write("key", b"secret").unwrap();
        assert_eq!((mode(&dir.path(".")), mode(&key)), (0o700, 0o600));
        drop(dir);
        assert!(!key.exists());
    }

    #[test]
    fn what_a_killed_run_left_behind_is_swept_up_and_a_living_runs_is_not() {
        let place = tempfile::tempdir().unwrap();
        let living = PrivateDir::below(place.path()).unwrap();
        let dead = place.path().join(format!("{PREFIX}dead"));
        fs::create_dir(&dead).unwrap();
        fs::write(dead.join(IN_USE), b"").unwrap();
        sweep(place.path());
        assert!(!dead.exists());
        assert!(living.path(IN_USE).exists());
    }

    #[test]
    fn what_a_stranger_planted_hangs_no_sweep_and_is_left_alone() {
        let place = tempfile::tempdir().unwrap();
        let planted = |name: &str| place.path().join(format!("{PREFIX}{name}"));
        let pipe = planted("pipe");
        fs::create_dir(&pipe).unwrap();
        let made = std::process::Command::new("mkfifo")
            .arg(pipe.join(IN_USE))
            .status();
        assert!(made.unwrap().success());
        let elsewhere = tempfile::tempdir().unwrap();
        fs::write(elsewhere.path().join(IN_USE), b"").unwrap();
        std::os::unix::fs::symlink(elsewhere.path(), planted("link")).unwrap();
        let foreign = planted("foreign");
        fs::create_dir(&foreign).unwrap();
        fs::write(foreign.join(IN_USE), b"").unwrap();
        let chowned = std::os::unix::fs::chown(&foreign, Some(4_242), None).is_ok();
        let (done, swept) = std::sync::mpsc::channel();
        let path = place.path().to_owned();
        std::thread::spawn(move || {
            sweep(&path);
            let _ = done.send(());
        });
        swept
            .recv_timeout(std::time::Duration::from_secs(10))
            .unwrap();
        assert!(pipe.exists() && planted("link").is_symlink());
        assert!(!chowned || foreign.exists());
    }
}
