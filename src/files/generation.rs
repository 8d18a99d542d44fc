//! Whose release lies in a deploy directory, noted on the directory itself.
//!
//! The note belongs to the directory and to no backup directory: whoever deploys there sees it. It
//! is an extended attribute, and a file where there are none. It refuses to know what the name of a
//! run means.

use std::ffi::OsStr;
use std::io::{self, Read, Write};

use rustix::fs::{XattrFlags, fgetxattr, fremovexattr, fsetxattr};
use rustix::io::Errno;

use crate::files::tree::Home;
use crate::files::tree::dir::Dir;
use crate::words::Result;
use crate::words::event::Failure;

/// The extended attribute.
const ATTRIBUTE: &str = "user.landfall.generation";
/// The file that stands for it, at the top of the deploy directory.
pub const FILE: &str = ".landfall-generation";
/// Under which name that file is written.
const WRITTEN: &str = ".landfall-generation-new";
/// More than any run's name has, in bytes.
const MOST: usize = 256;

/// The run whose release lies in a directory, if one has said so.
pub fn read(home: &Home) -> Result<Option<String>> {
    let known = match attribute(home.dir()) {
        None => file(home.dir()),
        known => Ok(known),
    };
    known.map_err(|e| cannot("tell", home, &e))
}

/// Notes whose release lies in a directory, on disk when it returns; none takes the note away.
pub fn write(home: &Home, run: Option<&str>) -> Result<()> {
    let dir = home.dir();
    let write = || -> io::Result<()> {
        let noted = match run {
            Some(run) => fsetxattr(dir, ATTRIBUTE, run.as_bytes(), XattrFlags::empty()),
            None => fremovexattr(dir, ATTRIBUTE),
        };
        match (noted, run) {
            (Err(_), Some(run)) => write_file(dir, run)?,
            _ => dir.remove(OsStr::new(FILE))?,
        }
        dir.sync()
    };
    fault!("generation.write.before");
    write().map_err(|e| cannot("note", home, &e))?;
    fault!("generation.write.after");
    Ok(())
}

fn attribute(dir: &Dir) -> Option<String> {
    let mut value = [0; MOST];
    let length = match fgetxattr(dir, ATTRIBUTE, &mut value[..]) {
        Ok(length) => length,
        // Somebody else's words: too long for a run of ours, and another's all the same.
        Err(Errno::RANGE) => return Some("somebody else's".into()),
        Err(_) => return None,
    };
    let value = String::from_utf8_lossy(&value[..length]).into_owned();
    (!value.is_empty()).then_some(value)
}

fn file(dir: &Dir) -> io::Result<Option<String>> {
    let file = match dir.file(OsStr::new(FILE)) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other?,
    };
    if !file.metadata()?.is_file() {
        return Err(io::Error::other(format!("`{FILE}` is no regular file")));
    }
    let mut value = Vec::new();
    file.take(MOST as u64).read_to_end(&mut value)?;
    let value = String::from_utf8_lossy(&value).trim().to_owned();
    Ok((!value.is_empty()).then_some(value))
}

fn write_file(dir: &Dir, run: &str) -> io::Result<()> {
    let new = OsStr::new(WRITTEN);
    dir.remove(new)?;
    let mut file = dir.create(new)?;
    writeln!(file, "{run}")?;
    file.sync_all()?;
    dir.rename(new, dir, OsStr::new(FILE))
}

fn cannot(verb: &str, home: &Home, error: &io::Error) -> Failure {
    let shown = home.path().display();
    Failure::new(format!("cannot {verb} whose release lies in `{shown}`")).because(error)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_directory_tells_the_last_run_that_was_noted_on_it_and_forgets_it() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::open(dir.path()).unwrap();
        assert_eq!(read(&home).unwrap(), None);
        write(&home, Some("one")).unwrap();
        write(&home, Some("two")).unwrap();
        assert_eq!(read(&home).unwrap().as_deref(), Some("two"));
        write(&home, None).unwrap();
        assert_eq!(read(&home).unwrap(), None);
    }

    #[test]
    fn a_file_stands_for_the_attribute_where_there_are_none() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::open(dir.path()).unwrap();
        write_file(home.dir(), "one").unwrap();
        write_file(home.dir(), "two").unwrap();
        assert_eq!(file(home.dir()).unwrap().as_deref(), Some("two"));
        assert_eq!(read(&home).unwrap().as_deref(), Some("two"));
        write(&home, None).unwrap();
        assert_eq!(read(&home).unwrap(), None);
    }

    #[test]
    fn what_stands_where_the_file_would_be_holds_nobody() {
        let dir = tempfile::tempdir().unwrap();
        let mode = rustix::fs::Mode::from_raw_mode(0o600);
        let pipe = dir.path().join(FILE);
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, mode, 0).unwrap();
        let home = Home::open(dir.path()).unwrap();
        assert!(read(&home).is_err());
    }
}
