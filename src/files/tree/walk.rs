//! A walk through a tree: every path of the parts that are wanted, parents first, names in order.
//!
//! It refuses to know what is done with a path, and never follows a link.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::dir::{Dir, Mark};
use super::home::Home;
use super::name;
use super::scope::{Part, Scope};
use crate::words::backup::EntryKind;

/// How many directories a path may lie in.
pub const DEEPEST: usize = 2000;
/// How many bytes a path may have.
const LONGEST: usize = 60_000;
/// How many directories of a path are open at once.
const OPEN: usize = 32;

/// What is said of a directory that is not walked into.
pub const TOO_DEEP: io::ErrorKind = io::ErrorKind::InvalidFilename;

fn too_deep() -> io::Error {
    io::Error::new(
        TOO_DEEP,
        format!("it lies in more than {DEEPEST} directories, or its path is too long"),
    )
}

/// One path on the way.
pub struct Found<'a> {
    /// The directory it lies in; for the root, the root itself.
    pub dir: &'a Dir,
    /// Its name there; `.` for the root.
    pub name: &'a OsStr,
    /// Its path relative to the root, escaped.
    pub path: &'a str,
    /// What it is.
    pub mark: Mark,
}

/// Visits every path of `part` below `root`. What cannot be looked at goes to `refused`, which may
/// let the walk go on without it.
pub fn walk<E>(
    root: &Home,
    scope: &Scope,
    part: Part,
    visit: &mut dyn FnMut(&Found) -> Result<(), E>,
    refused: &mut dyn FnMut(&str, io::Error) -> Result<(), E>,
) -> Result<(), E> {
    let dir = root.dir();
    let mark = match dir.mark() {
        Ok(mark) => mark,
        Err(error) => return refused(".", error),
    };
    let mut walk = Walk {
        scope,
        part,
        visit,
        refused,
    };
    if scope.root() == part {
        (walk.visit)(&Found {
            dir,
            name: OsStr::new("."),
            path: ".",
            mark,
        })?;
    }
    match dir.descend(Path::new("")) {
        Ok(top) => walk.inside(dir, top),
        Err(error) => (walk.refused)(".", error),
    }
}

struct Walk<'a, E> {
    scope: &'a Scope,
    part: Part,
    visit: &'a mut dyn FnMut(&Found) -> Result<(), E>,
    refused: &'a mut dyn FnMut(&str, io::Error) -> Result<(), E>,
}

/// A directory that is being walked through.
struct Level {
    /// Open for as long as it is near.
    dir: Option<Dir>,
    /// What it is known by when it is opened again.
    identity: (u64, u64),
    names: std::vec::IntoIter<OsString>,
    path: String,
    raw: PathBuf,
    part: Part,
}

impl Level {
    fn of(dir: Dir, path: String, raw: PathBuf, part: Part) -> io::Result<Self> {
        let mark = dir.mark()?;
        Ok(Self {
            names: dir.names()?.into_iter(),
            identity: (mark.dev, mark.ino),
            dir: Some(dir),
            path,
            raw,
            part,
        })
    }

    /// Opens it again, from the directory in it that has been walked through, or from the top.
    fn open_again(&self, below: Option<&Dir>, top: &Dir) -> io::Result<Dir> {
        let is_it = |dir: &Dir| dir.mark().is_ok_and(|m| (m.dev, m.ino) == self.identity);
        let up = below.and_then(|dir| dir.enter("..".as_ref()).ok());
        if let Some(dir) = up.filter(is_it) {
            return Ok(dir);
        }
        let found = Some(top.descend(&self.raw)?).filter(is_it);
        found.ok_or_else(|| io::Error::new(io::ErrorKind::NotADirectory, "it was replaced"))
    }
}

impl<E> Walk<'_, E> {
    /// Walks without calling itself: a tree may be deeper than any stack, and than a process may have
    /// files open.
    fn inside(&mut self, top: &Dir, dir: Dir) -> Result<(), E> {
        let mut levels = Vec::new();
        let part = self.scope.root();
        self.enter(&mut levels, dir, (".".to_owned(), PathBuf::new(), part))?;
        while let Some(level) = levels.last_mut() {
            let (Some(dir), Some(each)) = (&level.dir, level.names.next()) else {
                self.leave(&mut levels, top)?;
                continue;
            };
            let path = name::join(&level.path, &name::escape(each.as_bytes()));
            let raw: PathBuf = level.raw.join(&each);
            let part = self.scope.part(level.part, &path, &raw);
            if part != self.part && !self.leads_on(part, &path) {
                continue;
            }
            if let Some(inside) = self.one(dir, &each, &path, part)? {
                if levels.len() >= DEEPEST || raw.as_os_str().len() > LONGEST {
                    (self.refused)(&path, too_deep())?;
                } else {
                    self.enter(&mut levels, inside, (path, raw, part))?;
                }
            }
        }
        Ok(())
    }

    fn enter(
        &mut self,
        levels: &mut Vec<Level>,
        dir: Dir,
        (path, raw, part): (String, PathBuf, Part),
    ) -> Result<(), E> {
        match Level::of(dir, path.clone(), raw, part) {
            Ok(level) => levels.push(level),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return (self.refused)(&path, error),
        }
        if let Some(far) = levels.len().checked_sub(OPEN + 1) {
            levels[far].dir = None;
        }
        Ok(())
    }

    fn leave(&mut self, levels: &mut Vec<Level>, top: &Dir) -> Result<(), E> {
        let left = levels.pop();
        let Some(above) = levels.last_mut().filter(|level| level.dir.is_none()) else {
            return Ok(());
        };
        match above.open_again(left.and_then(|level| level.dir).as_ref(), top) {
            Ok(dir) => above.dir = Some(dir),
            Err(error) => return (self.refused)(&above.path, error),
        }
        Ok(())
    }

    /// Visits one path; the directory, where it is one.
    fn one(&mut self, dir: &Dir, each: &OsStr, path: &str, part: Part) -> Result<Option<Dir>, E> {
        let mark = match dir.look(each) {
            Ok(Some(mark)) => mark,
            Ok(None) => return Ok(None),
            Err(error) => return (self.refused)(path, error).map(|()| None),
        };
        let is_dir = mark.kind == EntryKind::Dir;
        if part == self.part {
            (self.visit)(&Found {
                dir,
                name: each,
                path,
                mark,
            })?;
        }
        if !is_dir {
            return Ok(None);
        }
        match dir.enter(each) {
            Ok(inside) => Ok(Some(inside)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => (self.refused)(path, error).map(|()| None),
        }
    }

    /// Says whether a path of another part may have wanted ones below it.
    fn leads_on(&self, part: Part, path: &str) -> bool {
        match self.part {
            Part::Release => part != Part::Release && self.scope.leads_to_own(path),
            Part::Data => part == Part::Release && self.scope.leads_to_data(path),
            Part::Left => false,
        }
    }
}
