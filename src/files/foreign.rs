//! The one door to files in a directory that others can write: it opens regular files and nothing else.
//!
//! A pipe under a file's name would hold its reader for ever, a link would lead elsewhere, and a
//! device or a sparse file would never end. The file refuses to know what the bytes mean.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::OFlags;

/// Whether a link under the file's own name is gone through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Links {
    /// It is: the file is a person's own, who may keep it elsewhere.
    Followed,
    /// It is not: nobody but Landfall makes such files.
    Refused,
}

/// Opens a regular file for reading, without waiting for anybody.
///
/// # Errors
/// What is no regular file, or cannot be opened.
pub fn open(path: &Path, links: Links) -> io::Result<File> {
    opened(path, links, OpenOptions::new().read(true))
}

/// Opens or makes a regular file of mode 0600 for appending; a link is refused.
///
/// # Errors
/// What is no regular file, or cannot be opened.
pub fn append(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    let options = options.append(true).create(true).mode(0o600);
    opened(path, Links::Refused, options)
}

/// All of a regular file that is ours, of at most so many bytes.
///
/// # Errors
/// What is no regular file, longer, or cannot be read.
pub fn read(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let file = open(path, Links::Refused)?;
    let length = file.metadata()?.len();
    let mut bytes = Vec::new();
    file.take(most + 1).read_to_end(&mut bytes)?;
    if length > most || bytes.len() as u64 > most {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("it is longer than {most} bytes"),
        ));
    }
    Ok(bytes)
}

/// The first `most` bytes of a regular file of a person's own, as text.
///
/// # Errors
/// What is no regular file, no text, or cannot be read.
pub fn text(path: &Path, most: u64) -> io::Result<String> {
    let mut text = String::new();
    let file = open(path, Links::Followed)?;
    file.take(most).read_to_string(&mut text)?;
    Ok(text)
}

fn opened(path: &Path, links: Links, options: &mut OpenOptions) -> io::Result<File> {
    let mut flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    if links == Links::Refused {
        flags |= OFlags::NOFOLLOW;
    }
    let opened = options.custom_flags(flags.bits().cast_signed()).open(path);
    let file = opened.map_err(|error| told(path, error))?;
    if file.metadata()?.is_file() {
        Ok(file)
    } else {
        Err(irregular())
    }
}

/// A pipe that nobody reads, a socket and a link fail in the kernel's own words.
fn told(path: &Path, error: io::Error) -> io::Error {
    let there = path.symlink_metadata();
    match there {
        Ok(meta) if meta.is_symlink() && error.kind() != io::ErrorKind::NotFound => {
            io::Error::other("it is a symbolic link")
        }
        Ok(meta) if !meta.is_file() && !meta.is_symlink() => irregular(),
        _ => error,
    }
}

fn irregular() -> io::Error {
    io::Error::other("it is no regular file")
}

#[cfg(test)]
pub(crate) mod odd {
    //! What may lie under the name of a file.

    #![allow(clippy::unwrap_used)]

    use std::fs::{self, File};
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;
    use std::path::Path;
    use std::sync::mpsc;
    use std::time::Duration;

    use rustix::fs::{CWD, FileType, Mode, mknodat};

    /// What [`put`] can put.
    pub const ALL: [&str; 5] = ["pipe", "socket", "endless link", "sparse file", "directory"];

    /// Puts something under a name, in place of whatever has it.
    pub fn put(what: &str, path: &Path) {
        let _ = fs::remove_file(path).or_else(|_| fs::remove_dir_all(path));
        match what {
            "pipe" => {
                let mode = Mode::from_raw_mode(0o600);
                mknodat(CWD, path, FileType::Fifo, mode, 0).unwrap();
            }
            "socket" => drop(UnixListener::bind(path).unwrap()),
            "endless link" => symlink("/dev/zero", path).unwrap(),
            "sparse file" => File::create(path).unwrap().set_len(3 << 30).unwrap(),
            "directory" => fs::create_dir(path).unwrap(),
            other => panic!("no {other}"),
        }
    }

    /// Does something that must come to an end soon, whatever it comes to.
    #[track_caller]
    pub fn ends<T: Send + 'static>(what: &str, act: impl FnOnce() -> T + Send + 'static) -> T {
        let (done, waits) = mpsc::channel();
        std::thread::spawn(move || drop(done.send(act())));
        let waited = waits.recv_timeout(Duration::from_mins(1));
        waited.unwrap_or_else(|e| panic!("{what}: {e}"))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn nothing_but_a_regular_file_of_a_bounded_size_is_read_or_appended_to() {
        let dir = tempfile::tempdir().unwrap();
        for what in odd::ALL {
            let path = dir.path().join("file");
            odd::put(what, &path);
            let (again, then) = (path.clone(), path.clone());
            let failed = odd::ends(what, move || read(&path, 1 << 20)).unwrap_err();
            assert!(failed.to_string().starts_with("it is "), "{what}: {failed}");
            let looked = odd::ends(what, move || text(&again, 9));
            assert_eq!(looked.is_ok(), what == "sparse file", "{what}");
            let appended = odd::ends(what, move || append(&then));
            assert_eq!(appended.is_ok(), what == "sparse file", "{what}");
        }
    }

    #[test]
    fn a_file_of_ours_is_read_whole_and_a_persons_own_up_to_its_bound_and_through_a_link() {
        let dir = tempfile::tempdir().unwrap();
        let (file, link) = (dir.path().join("file"), dir.path().join("link"));
        std::fs::write(&file, "abc").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        assert_eq!(text(&link, 2).unwrap(), "ab");
        assert_eq!(read(&file, 3).unwrap(), b"abc");
        assert!(read(&file, 2).is_err());
        assert!(read(&link, 3).is_err());
        let missing = read(&dir.path().join("none"), 3).unwrap_err();
        assert_eq!(missing.kind(), io::ErrorKind::NotFound);
    }
}
