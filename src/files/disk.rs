//! The few operations on files that a run's safety rests on, each with what is on disk when it returns.
//!
//! It refuses to know what the bytes mean. A test may give its thread a disk of its own, which
//! fails, dies and forgets what was not synced.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use chrono::{DateTime, Utc};
use rustix::fs::{FallocateFlags, fallocate};
use rustix::io::Errno;

use crate::files::foreign::{self, Links};

#[cfg(test)]
use crate::saga::proof::disk as imagined;

/// The longest file that is read whole, in bytes: the tree of a million files takes as much.
const MOST: u64 = 512 * 1024 * 1024;

/// The clock that records are stamped with.
#[must_use]
pub fn now() -> DateTime<Utc> {
    #[cfg(test)]
    if imagined::is_here() {
        return DateTime::UNIX_EPOCH;
    }
    crate::clock::now()
}

/// All of a file.
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    #[cfg(test)]
    if imagined::has(path) {
        return imagined::read(path);
    }
    foreign::read(path, MOST)
}

/// At most this many bytes of a file's end.
pub fn read_end(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    #[cfg(test)]
    if imagined::has(path) {
        return imagined::read(path);
    }
    let mut file = foreign::open(path, Links::Refused)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(most)))?;
    let mut end = Vec::new();
    file.take(most).read_to_end(&mut end)?;
    Ok(end)
}

/// The names in a directory; none in one that cannot be read.
#[must_use]
pub fn names(dir: &Path) -> Vec<String> {
    #[cfg(test)]
    if imagined::has(dir) {
        return imagined::names(dir);
    }
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries
        .filter_map(|e| e.file_name().into_string().ok())
        .collect()
}

/// Gives a file this content, all or nothing, and on disk when it returns.
pub fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    #[cfg(test)]
    if imagined::has(path) {
        return imagined::replace(path, content);
    }
    replace_by(path, &mut |to| to.write_all(content))
}

/// Gives a file the content that is written, all or nothing, and on disk when it returns.
pub fn replace_by(
    path: &Path,
    write: &mut dyn FnMut(&mut dyn Write) -> io::Result<()>,
) -> io::Result<()> {
    let mut temp = tempfile::NamedTempFile::new_in(path.parent().unwrap_or(path))?;
    write(&mut temp)?;
    temp.as_file().sync_data()?;
    fault!("facts.rename.before", name_of(path));
    temp.persist(path)?;
    fault!("facts.rename.after", name_of(path));
    sync_parent(path)
}

/// What a file is called, without its extension.
#[cfg(feature = "faults")]
fn name_of(path: &Path) -> std::borrow::Cow<'_, str> {
    path.file_stem().unwrap_or_default().to_string_lossy()
}

/// Makes a file that holds nothing but this many bytes of room; on a file system that cannot
/// reserve any, an empty one.
pub fn reserve(path: &Path, bytes: u64) -> io::Result<()> {
    #[cfg(test)]
    if imagined::has(path) {
        return Ok(());
    }
    remove(path);
    let mut options = OpenOptions::new();
    let options = options.write(true).create_new(true).mode(0o600);
    let file = options.open(path)?;
    match fallocate(&file, FallocateFlags::empty(), 0, bytes) {
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => Ok(()),
        reserved => Ok(reserved?),
    }
}

/// Gives a file a second name, in place of whatever had it.
pub fn link(path: &Path, name: &Path) -> io::Result<()> {
    #[cfg(test)]
    if imagined::has(path) {
        return imagined::link(path, name);
    }
    let _ = fs::remove_file(name);
    fs::hard_link(path, name)
}

/// Removes a file or a directory with all in it; one that is not there is as good.
pub fn remove(path: &Path) {
    #[cfg(test)]
    if imagined::has(path) {
        return imagined::remove(path);
    }
    let _ = fs::remove_file(path).or_else(|_| fs::remove_dir_all(path));
}

/// Takes a file's kernel lock, for as long as the claim is held; `None` when somebody has it.
#[must_use]
pub fn claim(path: &Path) -> Option<Claim> {
    #[cfg(test)]
    if imagined::has(path) {
        return Some(Claim(None));
    }
    let file = foreign::append(path).ok()?;
    file.try_lock().ok().map(|()| Claim(Some(file)))
}

/// Says whether somebody holds a file's kernel lock.
#[must_use]
pub fn is_claimed(path: &Path) -> bool {
    #[cfg(test)]
    if imagined::has(path) {
        return false;
    }
    foreign::open(path, Links::Refused)
        .is_ok_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
}

/// A held kernel lock; dropping it, or dying, lets it go.
#[derive(Debug)]
pub struct Claim(#[allow(dead_code, reason = "held for its lock")] Option<File>);

/// An open file that is only ever appended to.
#[derive(Debug)]
pub struct Tape(On);

#[derive(Debug)]
enum On {
    File(File),
    #[cfg(test)]
    Imagined(std::path::PathBuf),
}

impl Tape {
    /// Opens or makes a file, for its owner alone, and cuts it to a length. Its name and what it
    /// holds are on disk when it returns, also what a dead agent had written and not synced.
    pub fn open(path: &Path, length: u64) -> io::Result<Self> {
        #[cfg(test)]
        if imagined::has(path) {
            imagined::open(path, length)?;
            return Ok(Self(On::Imagined(path.to_owned())));
        }
        let file = foreign::append(path)?;
        file.set_len(length)?;
        file.sync_data()?;
        sync_parent(path)?;
        Ok(Self(On::File(file)))
    }

    /// Appends bytes; only [`Self::sync`] says that they are on disk.
    pub fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.0 {
            On::File(file) => file.write_all(bytes),
            #[cfg(test)]
            On::Imagined(path) => imagined::append(path, bytes),
        }
    }

    /// Sees to it that what was appended is on disk.
    pub fn sync(&self) -> io::Result<()> {
        match &self.0 {
            On::File(file) => file.sync_data(),
            #[cfg(test)]
            On::Imagined(path) => imagined::sync(path),
        }
    }

    /// Cuts off what lies beyond a length.
    pub fn cut(&self, length: u64) -> io::Result<()> {
        match &self.0 {
            On::File(file) => file.set_len(length),
            #[cfg(test)]
            On::Imagined(path) => imagined::cut(path, length),
        }
    }

    /// Reserves room from a position on, without making the file longer.
    pub fn reserve(&self, from: u64, room: u64) -> Result<(), Errno> {
        match &self.0 {
            On::File(file) => fallocate(file, FallocateFlags::KEEP_SIZE, from, room),
            #[cfg(test)]
            On::Imagined(_) => Err(Errno::OPNOTSUPP),
        }
    }
}

#[cfg(test)]
impl From<File> for Tape {
    fn from(file: File) -> Self {
        Self(On::File(file))
    }
}

fn sync_parent(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(parent) => File::open(parent)?.sync_all(),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::files::foreign::odd;

    #[test]
    fn whatever_lies_under_a_files_name_holds_no_run() {
        let dir = tempfile::tempdir().unwrap();
        for what in odd::ALL {
            let path = dir.path().join("file");
            let put = || {
                odd::put(what, &path);
                path.clone()
            };
            let at = put();
            odd::ends(what, move || read(&at)).unwrap_err();
            let at = put();
            let end = odd::ends(what, move || read_end(&at, 64));
            assert!(end.is_err() || end.unwrap().len() == 64, "{what}");
            let at = put();
            assert!(!odd::ends(what, move || is_claimed(&at)), "{what}");
            let at = put();
            let claimed = odd::ends(what, move || claim(&at)).is_some();
            assert_eq!(claimed, what == "sparse file", "{what}");
            let at = put();
            let tape = odd::ends(what, move || Tape::open(&at, 0));
            assert_eq!(tape.is_ok(), what == "sparse file", "{what}");
            let at = put();
            odd::ends(what, move || reserve(&at, 4096)).unwrap();
        }
    }
}
