//! Carries out a restore's plan, one name at a time through open directories.
//!
//! It refuses to decide what is right, and to go through a link.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::io;

use super::Report;
use super::plan::Plan;
use super::stage::{self, Staged};
use crate::files::tree::dir::{self, Dir, Mark};
use crate::files::tree::put::temporary;
use crate::files::tree::{Act, Home, Us, below, cannot, name};
use crate::words::backup::{Entry, EntryKind};
use crate::words::event::Failure;

/// How many further failures are named.
const NAMED: usize = 10;

/// A tree that is being restored.
pub(crate) struct Site {
    /// Where it is.
    pub root: Home,
    /// What has been done to it.
    pub report: Report,
    /// What could not be done to single paths: each keeps no other from being put back.
    pub failed: Vec<Failure>,
    us: Us,
    /// Directories whose names changed.
    touched: BTreeSet<String>,
}

impl Site {
    pub(crate) fn of(root: &Home, us: &Us) -> Self {
        Self {
            root: root.clone(),
            report: Report::default(),
            failed: Vec::new(),
            us: us.clone(),
            touched: BTreeSet::new(),
        }
    }

    /// Carries out a plan whose files have been staged, as far as it goes.
    pub(crate) fn apply(&mut self, plan: &Plan, staged: &Staged) {
        for (entry, then) in plan.remove.iter().rev() {
            let removed = self.remove(entry, then.as_ref());
            self.note(removed);
        }
        for entry in &plan.all_dirs {
            let taken = self.doing(Act::Write, &entry.path, |s| s.take_over(entry));
            self.note(taken);
        }
        self.each(&plan.dirs, |s, entry| s.make_dir(&entry.path));
        // Those that could not be staged have been noted.
        let waits = |entry: &&Entry| staged.names.contains_key(entry.path.as_str());
        for entry in plan.files.iter().filter(waits) {
            let placed = self.put_back(entry, staged);
            self.replaced(entry, placed);
        }
        self.each(&plan.links, Self::link);
        self.each(&plan.dress, Self::dress);
        // Deepest first, and after everything below them has been changed.
        for entry in plan.all_dirs.iter().rev() {
            let dressed = self.doing(Act::Write, &entry.path, |s| s.dress(entry));
            self.note(dressed);
        }
    }

    fn each(&mut self, entries: &[Entry], change: impl Fn(&mut Self, &Entry) -> io::Result<()>) {
        for entry in entries {
            let changed = self.doing(Act::Write, &entry.path, |s| change(s, entry));
            self.replaced(entry, changed);
        }
    }

    fn replaced(&mut self, entry: &Entry, done: Result<(), Failure>) {
        match done {
            Ok(()) => self.report.replaced.push(entry.path.clone()),
            Err(failure) => self.failed.push(failure),
        }
    }

    fn note(&mut self, done: Result<(), Failure>) {
        self.failed.extend(done.err());
    }

    /// Tells the first of what could not be done, and names the rest; what could be is on the disk
    /// by then.
    pub(crate) fn expect_no_failure(mut self) -> Result<Self, Failure> {
        if self.failed.is_empty() {
            return Ok(self);
        }
        let mut failed = std::mem::take(&mut self.failed).into_iter();
        let first = failed
            .next()
            .unwrap_or_else(|| Failure::new("a file stays"));
        let more = failed.take(NAMED).map(|other| format!("also: {other}"));
        let told = more.fold(first, Failure::because);
        // The failure at hand is the one to tell.
        let _ = self.finish();
        Err(told)
    }

    /// Brings changed names to the disk and clears the stage.
    pub(crate) fn finish(mut self) -> Result<Report, Failure> {
        fault!("restore.finish.before");
        self.doing(Act::Remove, ".", |s| stage::clear(&s.root))?;
        for path in std::mem::take(&mut self.touched) {
            self.doing(Act::Write, &path, |s| match s.enter(&path) {
                // Removed since, or no directory any more.
                Err(error) if is_gone(&error) => Ok(()),
                other => other?.sync(),
            })?;
        }
        self.report.replaced.sort();
        self.report.removed.sort();
        self.report.kept.sort();
        Ok(self.report)
    }

    /// Makes the directory in which files wait.
    pub(crate) fn make_staging(&self, name: &OsStr) -> io::Result<Dir> {
        let top = self.root.dir();
        open_up(top)?;
        top.remove_all(name)?;
        top.make_dir(name, 0o700)?;
        top.enter(name)
    }

    /// Runs one change and tells its failure with the path that it was about.
    pub(crate) fn doing<T>(
        &mut self,
        act: Act,
        path: &str,
        change: impl FnOnce(&mut Self) -> io::Result<T>,
    ) -> Result<T, Failure> {
        change(self).map_err(|e| cannot(act, &below(self.root.path(), path), &e))
    }

    /// Opens the directory at a path.
    pub(crate) fn enter(&self, path: &str) -> io::Result<Dir> {
        let invalid = || io::Error::from(io::ErrorKind::InvalidInput);
        self.root
            .dir()
            .descend(&name::to_path(path).ok_or_else(invalid)?)
    }

    /// Opens the directory that an entry lies in, for changes, and gives the entry's name there.
    /// Directories that no manifest lists (those of data) are made if they are missing.
    pub(crate) fn parent(&mut self, path: &str) -> io::Result<(Dir, OsString)> {
        let (at, last) = name::split(path);
        let last = name::to_path(last).unwrap_or_default().into_os_string();
        let dir = match self.enter(at) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => self.make_way(at)?,
            other => other?,
        };
        open_up(&dir)?;
        self.touched.insert(at.to_owned());
        Ok((dir, last))
    }

    fn put_back(&mut self, entry: &Entry, staged: &Staged) -> Result<(), Failure> {
        fault!(around "restore.place" => self.doing(Act::Write, &entry.path, |s| s.place(entry, staged)))
    }

    /// Makes the directories on a way that ends somewhere.
    fn make_way(&mut self, path: &str) -> io::Result<Dir> {
        let mut here = self.enter(".")?;
        let mut at = ".";
        let ends = path.match_indices('/').map(|(end, _)| end);
        for end in ends.chain([path.len()]) {
            let last = name::to_path(name::split(&path[..end]).1).unwrap_or_default();
            here = match here.enter(last.as_os_str()) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    open_up(&here)?;
                    here.make_dir(last.as_os_str(), 0o755)?;
                    self.touched.insert(at.to_owned());
                    here.enter(last.as_os_str())?
                }
                other => other?,
            };
            at = &path[..end];
        }
        Ok(here)
    }

    fn remove(&mut self, entry: &Entry, then: Option<&Entry>) -> Result<(), Failure> {
        fault!(around "restore.remove" => self.take_away(entry, then))
    }

    fn take_away(&mut self, entry: &Entry, then: Option<&Entry>) -> Result<(), Failure> {
        let done = self.doing(Act::Remove, &entry.path, |s| s.unlink(entry))?;
        let list = if done {
            &mut self.report.removed
        } else if then.is_none() {
            &mut self.report.kept
        } else {
            let shown = self.root.path().join(&entry.path);
            let what = format!(
                "`{}` cannot become what it was in the backup",
                shown.display()
            );
            return Err(Failure::new(what)
                .because("it is a directory that holds data or excluded files")
                .hint("move what is in it away and run the rollback again"));
        };
        // What something else takes the place of is told as replaced.
        if then.is_none() {
            list.push(entry.path.clone());
        }
        Ok(())
    }

    /// Removes a name; says no if it is a directory that must stay for what is in it.
    fn unlink(&mut self, entry: &Entry) -> io::Result<bool> {
        let (dir, last) = self.parent(&entry.path)?;
        if entry.kind != EntryKind::Dir {
            return dir.remove(&last).map(|()| true);
        }
        match dir.remove_if_empty(&last) {
            Err(error) if is_theirs_to_keep(&error) && self.us.is_theirs(entry) => Ok(false),
            other => other,
        }
    }

    /// Makes an empty directory of somebody else's our own again: the engine makes one for every
    /// bind mount whose source is missing, and only root can give it away.
    fn take_over(&mut self, entry: &Entry) -> io::Result<()> {
        let us = rustix::process::geteuid();
        if us.is_root() || entry.uid != us.as_raw() || entry.path == "." {
            return Ok(());
        }
        let (dir, last) = match self.parent(&entry.path) {
            Err(error) if is_gone(&error) => return Ok(()),
            other => other?,
        };
        let theirs = |mark: &Mark| mark.kind == EntryKind::Dir && mark.uid != entry.uid;
        if dir.look(&last)?.as_ref().is_some_and(theirs) && dir.remove_dir(&last).is_ok() {
            dir.make_dir(&last, 0o700)?;
        }
        Ok(())
    }

    fn make_dir(&mut self, path: &str) -> io::Result<()> {
        let (dir, last) = self.parent(path)?;
        dir.make_dir(&last, 0o700)
    }

    fn place(&mut self, entry: &Entry, staged: &Staged) -> io::Result<()> {
        let missing = || io::Error::from(io::ErrorKind::NotFound);
        let from = staged.dir.as_ref().ok_or_else(missing)?;
        let waiting = staged.names.get(entry.path.as_str()).ok_or_else(missing)?;
        let (dir, last) = self.parent(&entry.path)?;
        match from.rename(waiting, &dir, &last) {
            // Another file system is mounted in the tree: written there, then renamed.
            Err(error) if error.kind() == io::ErrorKind::CrossesDevices => {
                let mut source = from.file(waiting)?;
                let seconds = Mark::of_file(&source)?.mtime_ns / 1_000_000_000;
                let mtime = u64::try_from(seconds).unwrap_or(0);
                fill(&dir, &last, entry, mtime, |to| {
                    io::copy(&mut source, to).map(|_| ())
                })
            }
            other => other,
        }
    }

    /// Makes a link in place of whatever is there, a directory aside.
    pub(crate) fn link(&mut self, entry: &Entry) -> io::Result<()> {
        let (dir, last) = self.parent(&entry.path)?;
        let target = entry.target.as_deref().and_then(name::unescape);
        let temporary = temporary(&last);
        dir.remove(&temporary)?;
        dir.make_link(&temporary, &target.unwrap_or_default())?;
        if dir
            .look(&temporary)?
            .is_some_and(|m| (m.uid, m.gid) != (entry.uid, entry.gid))
        {
            dir.own_link(&temporary, entry.uid, entry.gid)?;
        }
        dir.rename(&temporary, &dir, &last)
    }

    /// Gives a path the permissions and the owner that the backup knows.
    pub(crate) fn dress(&mut self, entry: &Entry) -> io::Result<()> {
        if entry.kind == EntryKind::Dir {
            let dir = self.enter(&entry.path)?;
            return dir.dress(entry.mode, entry.uid, entry.gid);
        }
        let (at, last) = name::split(&entry.path);
        let last = name::to_path(last).unwrap_or_default().into_os_string();
        let dir = self.enter(at)?;
        match entry.kind {
            EntryKind::Link => dir.own_link(&last, entry.uid, entry.gid),
            _ => dir::dress_file(&dir.file(&last)?, entry.mode, entry.uid, entry.gid),
        }
    }
}

fn is_theirs_to_keep(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::PermissionDenied
}

fn is_gone(error: &io::Error) -> bool {
    use io::ErrorKind as Kind;
    matches!(error.kind(), Kind::NotFound | Kind::NotADirectory)
}

/// Lets ourselves change a directory that its own permissions keep us from changing; they are put
/// right at the end.
pub(crate) fn open_up(dir: &Dir) -> io::Result<()> {
    let mark = dir.mark()?;
    let us = rustix::process::geteuid();
    if us.is_root() || mark.uid != us.as_raw() || mark.mode & 0o700 == 0o700 {
        return Ok(());
    }
    dir.dress(mark.mode | 0o700, mark.uid, mark.gid)
}

/// Writes a file beside its place, flushes it and renames it there.
pub(crate) fn fill(
    dir: &Dir,
    last: &OsStr,
    entry: &Entry,
    mtime: u64,
    write: impl FnOnce(&mut std::fs::File) -> io::Result<()>,
) -> io::Result<()> {
    let temporary = temporary(last);
    dir.remove(&temporary)?;
    let mut file = dir.create(&temporary)?;
    write(&mut file)?;
    dir::dress_file(&file, entry.mode, entry.uid, entry.gid)?;
    dir::set_mtime(&file, mtime)?;
    file.sync_all()?;
    dir.rename(&temporary, dir, last)
}
