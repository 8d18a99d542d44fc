//! Puts one file in place so that a reader sees the old one or the new one, and nothing else.
//!
//! It refuses to write through symbolic links: a link on the way is an error, and a link in the
//! file's own place is replaced, not followed.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use rustix::process::{getegid, geteuid};
use sha2::{Digest, Sha256};

use super::dir::{self, Dir, Mark};
use super::home::Home;
use super::{Act, BUFFER, cannot, hex, name};
use crate::words::backup::EntryKind;
use crate::words::event::Failure;

/// What can be read, and read again from its beginning.
pub trait Content: Read + Seek {}
impl<T: Read + Seek> Content for T {}

/// What putting a file in place came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Put {
    /// There was nothing in its place.
    Created,
    /// Something else was in its place.
    Replaced,
    /// Its content was there; the permissions were not.
    Adjusted,
    /// It was there already; nothing was touched.
    Untouched,
}

/// Puts a file at `rel` below `root`: written beside its place, flushed to disk, then renamed.
///
/// Missing directories are made with mode 0755. A file that is replaced keeps its owner; `owner`
/// (user, group) is for what is new, and none means this process.
pub fn put_file(
    root: &Home,
    rel: &str,
    content: &mut dyn Content,
    mode: u32,
    owner: Option<(u32, u32)>,
) -> Result<Put, Failure> {
    let shown = root.path().join(rel);
    let failed = |error: io::Error| cannot(Act::Write, &shown.display(), &error);
    let (parents, last) = apart(Path::new(rel)).map_err(failed)?;
    let way = make_way(root.dir(), &parents, owner);
    let parent = way.map_err(|error| on_the_way(root.path(), &error))?;
    let spot = Spot {
        dir: &parent,
        name: last,
        mode,
        owner,
    };
    spot.fill(content).map_err(failed)
}

/// Says whether a file at `rel` below `root` holds this already, with these permissions.
pub fn holds(root: &Home, rel: &str, content: &mut dyn Content, mode: u32) -> bool {
    let mut look = || -> io::Result<bool> {
        let (parents, last) = apart(Path::new(rel))?;
        let dir = root.dir().descend(&parents.iter().collect::<PathBuf>())?;
        let Some(mark) = dir.look(last)?.filter(|m| m.kind == EntryKind::File) else {
            return Ok(false);
        };
        Ok(mark.mode == mode && same(&dir.file(last)?, content, mark.size)?)
    };
    look().unwrap_or(false)
}

/// Makes the directory at `rel` below `root` where it is missing, and those on the way to it, with
/// mode 0755. `owner` (user, group) is theirs, and none means this process.
pub fn make_dir(root: &Home, rel: &Path, owner: Option<(u32, u32)>) -> Result<(), Failure> {
    let failed = |error: io::Error| cannot(Act::Write, &root.path().join(rel).display(), &error);
    let names = dir::names(rel).map_err(failed)?;
    let made = make_way(root.dir(), &names, owner);
    made.map(|_| ())
        .map_err(|error| on_the_way(root.path(), &error))
}

/// Removes what an interrupted [`put_file`] of this path left beside it.
pub fn sweep(root: &Home, rel: &Path) -> io::Result<()> {
    let Ok((parents, last)) = apart(rel) else {
        return Ok(());
    };
    let parents: PathBuf = parents.iter().collect();
    match root.dir().descend(&parents) {
        Ok(dir) => dir.remove_all(&temporary(last)),
        // No such directory, or a link instead of one: nothing of ours is there.
        Err(_) => Ok(()),
    }
}

/// The name beside a file's own under which it is written; the same each time, so that the next
/// try clears what the last one left.
pub(crate) fn temporary(last: &OsStr) -> OsString {
    let digest = Sha256::digest(last.as_encoded_bytes());
    format!(".landfall-tmp-{}", hex(&digest[..8])).into()
}

/// The directories of a relative path and its last name.
fn apart(path: &Path) -> io::Result<(Vec<&OsStr>, &OsStr)> {
    let mut names = dir::names(path)?;
    let last = names.pop().ok_or(io::ErrorKind::InvalidInput)?;
    Ok((names, last))
}

/// A path at which the way to a file ends, and why.
struct Blocked {
    at: PathBuf,
    link: Option<Vec<u8>>,
    error: io::Error,
}

fn on_the_way(root: &Path, blocked: &Blocked) -> Failure {
    let at = root.join(&blocked.at);
    match &blocked.link {
        None => cannot(Act::Write, &at.display(), &blocked.error),
        Some(target) => Failure::new(format!("`{}` is a symbolic link", at.display()))
            .because(format!("it points to `{}`", name::escape(target)))
            .hint("name the file by its real path, or replace the link by a directory"),
    }
}

fn make_way(top: &Dir, parents: &[&OsStr], owner: Option<(u32, u32)>) -> Result<Dir, Blocked> {
    let mut at = PathBuf::new();
    let mut here = top.descend(Path::new("")).map_err(|error| Blocked {
        at: at.clone(),
        link: None,
        error,
    })?;
    for each in parents {
        at.push(each);
        here = make_step(&here, each, owner).map_err(|error| Blocked {
            at: at.clone(),
            link: here.link_target(each).ok(),
            error,
        })?;
    }
    Ok(here)
}

fn make_step(here: &Dir, each: &OsStr, owner: Option<(u32, u32)>) -> io::Result<Dir> {
    match here.enter(each) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            here.make_dir(each, 0o755)?;
            let made = here.enter(each)?;
            let (uid, gid) = owner.unwrap_or_else(ourselves);
            made.dress(0o755, uid, gid)?;
            here.sync()?;
            Ok(made)
        }
        other => other,
    }
}

fn ourselves() -> (u32, u32) {
    (geteuid().as_raw(), getegid().as_raw())
}

struct Spot<'a> {
    dir: &'a Dir,
    name: &'a OsStr,
    mode: u32,
    owner: Option<(u32, u32)>,
}

impl Spot<'_> {
    fn fill(&self, content: &mut dyn Content) -> io::Result<Put> {
        let now = self.dir.look(self.name)?;
        if let Some(mark) = now.as_ref().filter(|m| m.kind == EntryKind::File) {
            let file = self.dir.file(self.name)?;
            content.seek(SeekFrom::Start(0))?;
            if same(&file, content, mark.size)? {
                return self.adjust(&file, mark);
            }
            content.seek(SeekFrom::Start(0))?;
        }
        if now.as_ref().is_some_and(|m| m.kind == EntryKind::Dir) {
            return Err(io::Error::new(
                io::ErrorKind::IsADirectory,
                "there is a directory in its place",
            ));
        }
        self.replace(content, now.as_ref())?;
        Ok(if now.is_some() {
            Put::Replaced
        } else {
            Put::Created
        })
    }

    fn adjust(&self, file: &File, mark: &Mark) -> io::Result<Put> {
        if mark.mode == self.mode {
            return Ok(Put::Untouched);
        }
        dir::dress_file(file, self.mode, mark.uid, mark.gid)?;
        file.sync_all()?;
        Ok(Put::Adjusted)
    }

    fn replace(&self, content: &mut dyn Content, now: Option<&Mark>) -> io::Result<()> {
        let temporary = temporary(self.name);
        self.dir.remove(&temporary)?;
        let written = self
            .write(&temporary, content, now)
            .and_then(|()| self.dir.rename(&temporary, self.dir, self.name));
        if written.is_err() {
            // The first error is the one to tell; what stays behind is cleared by the next try.
            let _ = self.dir.remove(&temporary);
        }
        written?;
        self.dir.sync()
    }

    fn write(&self, at: &OsStr, content: &mut dyn Content, now: Option<&Mark>) -> io::Result<()> {
        let mut file = self.dir.create(at)?;
        io::copy(content, &mut file)?;
        let kept = now.filter(|m| m.kind == EntryKind::File);
        let kept = kept.map(|m| (m.uid, m.gid));
        let made = Mark::of_file(&file)?;
        let (uid, gid) = kept.or(self.owner).unwrap_or((made.uid, made.gid));
        dir::dress_file(&file, self.mode, uid, gid).map_err(|error| {
            let text = format!("it cannot be given to owner {uid}:{gid}: {error}");
            io::Error::new(error.kind(), text)
        })?;
        file.sync_all()
    }
}

/// Says whether a file of `size` bytes holds exactly what the content gives from where it stands.
fn same(mut file: &File, content: &mut dyn Content, size: u64) -> io::Result<bool> {
    if content.seek(SeekFrom::End(0))? != size {
        return Ok(false);
    }
    content.seek(SeekFrom::Start(0))?;
    let (mut ours, mut theirs) = (vec![0; BUFFER], vec![0; BUFFER]);
    loop {
        let n = content.read(&mut ours)?;
        if n == 0 {
            return Ok(true);
        }
        match file.read_exact(&mut theirs[..n]) {
            Ok(()) if ours[..n] == theirs[..n] => {}
            Ok(()) => return Ok(false),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(false),
            Err(error) => return Err(error),
        }
    }
}
