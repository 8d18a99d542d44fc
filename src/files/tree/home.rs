//! A directory that was opened once and is meant from then on, wherever its path leads by then.
//!
//! A path is no directory: somebody may rename what it leads to and put something else in its
//! place. File work goes through the descriptor; whoever has to hand over the path, as to Compose,
//! asks right before and right after whether it still leads here. It refuses to know what the
//! directory is for.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{AtFlags, StatxFlags, statx};
use serde::{Deserialize, Serialize};

use super::dir::{Dir, Mark};
use super::scope::resolved;
use crate::words::event::{Failure, FailureKind};
use crate::words::shell;

/// A directory that was opened once; clones are the same one.
#[derive(Debug, Clone)]
pub struct Home(Arc<Opened>);

#[derive(Debug)]
struct Opened {
    path: PathBuf,
    real: PathBuf,
    dir: Dir,
    identity: Identity,
}

/// What tells a directory from every other, also after its path came to lead elsewhere, and after a
/// reboot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The device; a reboot may give it another number.
    pub dev: u64,
    /// The inode; once it is free, another directory may get it.
    pub ino: u64,
    /// When it was made, in nanoseconds since 1970, where the file system knows.
    #[serde(default)]
    pub born_ns: Option<i128>,
}

/// Where a path leads by now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leads {
    /// To the directory that was opened.
    Here,
    /// To something else.
    Elsewhere,
    /// To nothing.
    Nowhere,
}

impl Identity {
    /// Says whether both are of one directory. Two of different times of birth never are; without
    /// those, the device has to be the same.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        self.ino == other.ino
            && match (self.born_ns, other.born_ns) {
                (Some(one), Some(two)) => one == two,
                _ => self.dev == other.dev,
            }
    }

    fn of(dir: &Dir, mark: &Mark) -> Self {
        let born = statx(dir, "", AtFlags::EMPTY_PATH, StatxFlags::BTIME).ok();
        let born = born.filter(|seen| seen.stx_mask & StatxFlags::BTIME.bits() != 0);
        Self {
            dev: mark.dev,
            ino: mark.ino,
            born_ns: born.map(|seen| {
                i128::from(seen.stx_btime.tv_sec) * 1_000_000_000
                    + i128::from(seen.stx_btime.tv_nsec)
            }),
        }
    }
}

impl Home {
    /// Opens the directory that a path leads to now; links on the way to it are fine.
    pub fn open(path: &Path) -> io::Result<Self> {
        let dir = Dir::open(path)?;
        let identity = Identity::of(&dir, &dir.mark()?);
        Ok(Self(Arc::new(Opened {
            real: resolved(path),
            path: path.to_owned(),
            dir,
            identity,
        })))
    }

    /// The path that it was opened by: for messages, and for whoever takes paths alone.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0.path
    }

    /// The same path without links, as it was when the directory was opened.
    #[must_use]
    pub fn real(&self) -> &Path {
        &self.0.real
    }

    /// The open directory: all work on files goes through it.
    #[must_use]
    pub fn dir(&self) -> &Dir {
        &self.0.dir
    }

    /// The open directory as a path, which leads there wherever its own path leads by now: for this
    /// process alone, and never to be told.
    #[must_use]
    pub fn within(&self) -> PathBuf {
        let through = format!("/proc/self/fd/{}", self.dir().number());
        let through = PathBuf::from(through);
        if fs::symlink_metadata(&through).is_ok() {
            through
        } else {
            self.path().to_owned()
        }
    }

    /// The same, and its own path as long as that leads there.
    #[must_use]
    pub fn here(&self) -> PathBuf {
        match self.leads() {
            Leads::Here => self.path().to_owned(),
            Leads::Elsewhere | Leads::Nowhere => self.within(),
        }
    }

    /// What tells it from every other directory.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        &self.0.identity
    }

    /// Where its path leads by now.
    #[must_use]
    pub fn leads(&self) -> Leads {
        let own = self.identity();
        match fs::metadata(self.path()) {
            Ok(found) if (found.dev(), found.ino()) == (own.dev, own.ino) => Leads::Here,
            Err(error) if is_nothing(&error) => Leads::Nowhere,
            _ => Leads::Elsewhere,
        }
    }

    /// Where the directory itself is by now; none if it was removed, or is out of sight.
    #[must_use]
    pub fn now(&self) -> Option<PathBuf> {
        let link = format!("/proc/self/fd/{}", self.dir().number());
        let now = fs::read_link(link).ok()?;
        let found = fs::metadata(&now).ok()?;
        let own = self.identity();
        ((found.dev(), found.ino()) == (own.dev, own.ino)).then_some(now)
    }

    /// Says whether the directory itself was removed: nothing can be made in it any more.
    #[must_use]
    pub fn is_removed(&self) -> bool {
        rustix::fs::fstat(self.dir()).is_ok_and(|found| found.st_nlink == 0)
    }

    /// Refuses where the path leads elsewhere by now, and says where both are.
    pub fn confirm(&self) -> Result<(), Failure> {
        let what = match self.leads() {
            Leads::Here => return Ok(()),
            Leads::Elsewhere => "leads elsewhere than when this run began",
            Leads::Nowhere => "is gone",
        };
        let shown = self.path().display();
        let mut failure = Failure::new(format!("`{shown}` {what}")).of(FailureKind::Moved);
        if let Some(there) = leads_to(self.path()) {
            failure = failure.because(format!("`{shown}` {there}, and nothing there was touched"));
        }
        Err(match self.now() {
            Some(now) => {
                let (from, to) = (shell::path(&now), shell::path(self.path()));
                let now = now.display();
                failure
                    .because(format!(
                        "the directory that this run works in is now `{now}`"
                    ))
                    .hint(format!(
                        "put it back: move away what is at `{shown}`, then `mv -T {from} {to}`"
                    ))
            }
            None if self.is_removed() => failure
                .because("the directory that this run works in was removed")
                .of(FailureKind::Gone),
            // As under a mount.
            None => failure
                .because("the directory that this run works in is out of sight")
                .hint(format!(
                    "see what is mounted there, `findmnt -T {}`, and unmount it",
                    shell::path(self.path())
                )),
        })
    }

    /// Refuses where this is not the directory that a run worked in whose agent has died.
    pub fn confirm_is(&self, was: &Identity) -> Result<(), Failure> {
        if self.identity().is(was) {
            return Ok(());
        }
        let shown = self.path().display();
        let what = format!("`{shown}` is not the directory that the run worked in");
        Err(Failure::new(what)
            .because("somebody moved it, or put another in its place; nothing there was touched")
            .hint(format!(
                "if it is still there, put it back at `{shown}`: look for inode {} with `sudo find / -xdev -inum {}`",
                was.ino, was.ino
            ))
            .of(FailureKind::Moved))
    }
}

/// Says whether a path leads to nothing.
#[must_use]
pub fn is_gone(path: &Path) -> bool {
    fs::metadata(path).is_err_and(|error| is_nothing(&error))
}

/// The failure of a run whose directory is not there any more.
#[must_use]
pub fn gone(path: &Path) -> Failure {
    Failure::new(format!("`{}` is gone", path.display()))
        .because("the directory that the run worked in was moved or removed")
        .of(FailureKind::Gone)
}

/// What a path is by now that leads elsewhere than it did.
fn leads_to(path: &Path) -> Option<String> {
    if let Ok(target) = fs::read_link(path) {
        return Some(format!("is a link to `{}`", target.display()));
    }
    match fs::metadata(path) {
        Ok(found) if found.is_dir() => Some("is another directory".into()),
        Ok(_) => Some("is no directory".into()),
        Err(error) if is_nothing(&error) => None,
        Err(error) => Some(format!("cannot be looked at ({error})")),
    }
}

fn is_nothing(error: &io::Error) -> bool {
    use io::ErrorKind as Kind;
    matches!(error.kind(), Kind::NotFound | Kind::NotADirectory)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_path_that_leads_elsewhere_is_told_with_both_places() {
        let temp = tempfile::tempdir().unwrap();
        let at = |name: &str| temp.path().canonicalize().unwrap().join(name);
        for name in ["app", "victim"] {
            fs::create_dir(at(name)).unwrap();
        }
        let home = Home::open(&at("app")).unwrap();
        assert_eq!(home.confirm(), Ok(()));
        fs::rename(at("app"), at("app.real")).unwrap();
        assert_eq!(home.leads(), Leads::Nowhere);
        symlink("victim", at("app")).unwrap();
        assert_eq!(home.leads(), Leads::Elsewhere);
        let failure = home.confirm().unwrap_err();
        assert_eq!(failure.kind, FailureKind::Moved);
        let told = format!("{failure}").replace(&at("").display().to_string(), "/srv/");
        insta::assert_snapshot!(told, @"`/srv/app` leads elsewhere than when this run began: `/srv/app` is a link to `victim`, and nothing there was touched: the directory that this run works in is now `/srv/app.real`");
    }

    #[test]
    fn what_puts_a_directory_back_is_quoted_as_a_shell_reads_it_and_works_when_it_is_typed() {
        let temp = tempfile::tempdir().unwrap();
        let at = |name: &str| temp.path().canonicalize().unwrap().join(name);
        fs::create_dir(at("it's my app")).unwrap();
        let home = Home::open(&at("it's my app")).unwrap();
        fs::write(at("it's my app").join("kept"), "").unwrap();
        fs::rename(at("it's my app"), at("my app; touch gone")).unwrap();
        let failure = home.confirm().unwrap_err();
        let typed = failure.hints[0].split('`').rev().nth(1).unwrap();
        let typed = format!("cd {} && {typed}", at("").display());
        let done = std::process::Command::new("sh")
            .args(["-c", &typed])
            .status();
        assert!(done.unwrap().success(), "{typed}");
        assert_eq!(home.confirm(), Ok(()));
        assert!(!at("gone").exists(), "{typed}");
    }

    #[test]
    fn what_is_written_within_a_directory_is_in_it_wherever_its_path_leads() {
        let temp = tempfile::tempdir().unwrap();
        let at = |name: &str| temp.path().join(name);
        for name in ["app", "victim"] {
            fs::create_dir(at(name)).unwrap();
        }
        let home = Home::open(&at("app")).unwrap();
        fs::rename(at("app"), at("app.real")).unwrap();
        symlink("victim", at("app")).unwrap();
        fs::write(home.within().join("new"), "").unwrap();
        assert!(at("app.real/new").exists());
        assert!(!at("victim/new").exists());
    }

    #[test]
    fn a_directory_that_was_removed_and_made_anew_is_another_one() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("app");
        fs::create_dir(&path).unwrap();
        let home = Home::open(&path).unwrap();
        fs::remove_dir(&path).unwrap();
        let failure = home.confirm().unwrap_err();
        assert!(failure.what.ends_with("is gone"), "{failure}");
        assert!(home.is_removed());
        assert!(failure.to_string().contains("was removed"), "{failure}");
        // Without the descriptor its inode may be given again; its birth is another.
        let was = home.identity().clone();
        drop(home);
        fs::create_dir(&path).unwrap();
        let anew = Home::open(&path).unwrap();
        assert!(!was.is(anew.identity()), "{was:?} {:?}", anew.identity());
        assert!(anew.identity().is(Home::open(&path).unwrap().identity()));
    }

    #[test]
    fn a_renamed_parent_and_a_link_that_is_turned_lead_elsewhere_too() {
        let temp = tempfile::tempdir().unwrap();
        let at = |name: &str| temp.path().join(name);
        for name in ["a/app", "b/app"] {
            fs::create_dir_all(at(name)).unwrap();
        }
        let under = Home::open(&at("a/app")).unwrap();
        symlink("a/app", at("current")).unwrap();
        let linked = Home::open(&at("current")).unwrap();
        assert_eq!(linked.confirm(), Ok(()));
        fs::remove_file(at("current")).unwrap();
        symlink("b/app", at("current")).unwrap();
        assert_eq!(linked.leads(), Leads::Elsewhere);
        fs::rename(at("a"), at("c")).unwrap();
        assert_eq!(under.leads(), Leads::Nowhere);
        fs::rename(at("b"), at("a")).unwrap();
        assert_eq!(under.leads(), Leads::Elsewhere);
        assert_eq!(under.now(), Some(at("c/app").canonicalize().unwrap()));
    }
}
