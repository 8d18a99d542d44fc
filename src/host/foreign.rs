//! Reads a file that anybody may have put there, a container for one: a regular one, up to a bound.
//!
//! A pipe under a file's name would hold its reader for ever. The file refuses to know what the
//! text means.

use std::fs::OpenOptions;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::OFlags;

/// The first `most` bytes of a regular file, as text.
///
/// # Errors
/// What is no regular file, no text, or cannot be read.
pub fn text(path: &Path, most: u64) -> io::Result<String> {
    let mut options = OpenOptions::new();
    let flags = OFlags::NONBLOCK.bits().cast_signed();
    let file = options.read(true).custom_flags(flags).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    let mut text = String::new();
    file.take(most).read_to_string(&mut text)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_pipe_holds_nobody_and_a_file_is_read_up_to_its_bound() {
        let dir = tempfile::tempdir().unwrap();
        let (pipe, file) = (dir.path().join("pipe"), dir.path().join("file"));
        let mode = rustix::fs::Mode::from_raw_mode(0o600);
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, mode, 0).unwrap();
        assert!(text(&pipe, 9).is_err());
        std::fs::write(&file, "abc").unwrap();
        assert_eq!(text(&file, 2).unwrap(), "ab");
    }
}
