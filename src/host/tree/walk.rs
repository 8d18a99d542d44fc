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
use crate::archive::EntryKind;

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
    walk.inside(dir, ".", Path::new(""), scope.root())
}

struct Walk<'a, E> {
    scope: &'a Scope,
    part: Part,
    visit: &'a mut dyn FnMut(&Found) -> Result<(), E>,
    refused: &'a mut dyn FnMut(&str, io::Error) -> Result<(), E>,
}

impl<E> Walk<'_, E> {
    fn inside(&mut self, dir: &Dir, at: &str, raw: &Path, part: Part) -> Result<(), E> {
        let names: Vec<OsString> = match dir.names() {
            Ok(names) => names,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return (self.refused)(at, error),
        };
        for each in names {
            let path = name::join(at, &name::escape(each.as_bytes()));
            let raw: PathBuf = raw.join(&each);
            let part = self.scope.part(part, &path, &raw);
            if part == self.part || self.leads_on(part, &path) {
                self.one(dir, &each, &path, &raw, part)?;
            }
        }
        Ok(())
    }

    fn one(
        &mut self,
        dir: &Dir,
        each: &OsStr,
        path: &str,
        raw: &Path,
        part: Part,
    ) -> Result<(), E> {
        let mark = match dir.look(each) {
            Ok(Some(mark)) => mark,
            Ok(None) => return Ok(()),
            Err(error) => return (self.refused)(path, error),
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
            return Ok(());
        }
        match dir.enter(each) {
            Ok(inside) => self.inside(&inside, path, raw, part),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => (self.refused)(path, error),
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
