//! Checksums by a key: of small files that only their owner may read, and of env files.
//!
//! A plain checksum of a short secret lets whoever reads it guess, and be told that he is right. The
//! key lies beside the journals, for its owner alone. The file refuses to know what is summed, and
//! why.

use std::fmt;
use std::io::{self, Read, Write};
use std::path::Path;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::dir::{Dir, Mark};
use super::{hex, name};
use crate::files::foreign;
use crate::words::backup::EntryKind;

/// What the key is called in the state directory.
const FILE: &str = "key";
/// What a key takes, as hex and with its newline.
const LENGTH: u64 = 65;
/// No secret that somebody could guess is longer, in bytes.
const GUESSABLE: u64 = 1024 * 1024;

/// The key of a backup directory.
#[derive(Clone)]
pub struct Key([u8; 32]);

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key")
    }
}

impl Key {
    /// The key in a state directory, if there is one that can be read.
    #[must_use]
    pub fn of(state: &Path) -> Option<Self> {
        let text = foreign::read(&state.join(FILE), LENGTH).ok()?;
        let text = std::str::from_utf8(&text).ok()?.trim();
        if text.len() != 64 || !text.is_ascii() {
            return None;
        }
        let mut key = [0; 32];
        for (byte, at) in key.iter_mut().zip((0..).step_by(2)) {
            *byte = u8::from_str_radix(text.get(at..at + 2)?, 16).ok()?;
        }
        Some(Self(key))
    }

    /// The key in a state directory; a new one where there is none.
    pub fn made(state: &Path) -> io::Result<Self> {
        if let Some(key) = Self::of(state) {
            return Ok(key);
        }
        let mut key = [0; 32];
        std::fs::File::open("/dev/urandom")?.read_exact(&mut key)?;
        let dir = Dir::open(state)?;
        let staged = ".key";
        dir.remove(staged.as_ref())?;
        let mut file = dir.create(staged.as_ref())?;
        file.write_all(format!("{}\n", hex(&key)).as_bytes())?;
        file.sync_all()?;
        dir.rename(staged.as_ref(), &dir, FILE.as_ref())?;
        dir.sync()?;
        Ok(Self(key))
    }

    /// Begins a checksum.
    #[must_use]
    pub fn begin(&self) -> Sum {
        // A key of any length will do.
        Sum(Hmac::new_from_slice(&self.0).ok())
    }
}

/// A checksum by a key, of what it has been given so far.
#[derive(Clone)]
pub struct Sum(Option<Hmac<Sha256>>);

impl Sum {
    /// Takes in more.
    pub fn update(&mut self, bytes: &[u8]) {
        if let Some(sum) = &mut self.0 {
            sum.update(bytes);
        }
    }

    /// Hex of all of it.
    #[must_use]
    pub fn finish(self) -> Option<String> {
        self.0.map(|sum| hex(&sum.finalize().into_bytes()))
    }
}

/// A reader that sums what goes through it.
pub struct Summing<R> {
    from: R,
    sum: Option<Sum>,
}

impl<R: Read> Summing<R> {
    /// Sums by a key, if there is one.
    pub fn new(from: R, key: Option<&Key>) -> Self {
        let sum = key.map(Key::begin);
        Self { from, sum }
    }

    /// The reader, and the checksum of all that went through.
    #[must_use]
    pub fn finish(self) -> (R, Option<String>) {
        (self.from, self.sum.and_then(Sum::finish))
    }
}

impl<R: Read> Read for Summing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.from.read(buffer)?;
        if let Some(sum) = &mut self.sum {
            sum.update(&buffer[..n]);
        }
        Ok(n)
    }
}

/// Says whether what is in a file could be guessed, and is nobody's business.
#[must_use]
pub fn is_guarded(path: &str, mark: &Mark) -> bool {
    let name = name::split(path).1;
    let is_env = name.starts_with(".env") || Path::new(name).extension() == Some("env".as_ref());
    mark.kind == EntryKind::File
        && mark.size <= GUESSABLE
        && (is_env || mark.mode.trailing_zeros() >= 6)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[test]
    fn a_key_is_made_once_for_its_owner_alone_and_sums_otherwise_than_another() {
        let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let sum = |state: &Path| {
            let mut sum = Key::made(state).unwrap().begin();
            sum.update(b"DB_PASSWORD=hunter2");
            sum.finish().unwrap()
        };
        assert!(Key::of(one.path()).is_none());
        assert_eq!(sum(one.path()), sum(one.path()));
        assert_ne!(sum(one.path()), sum(two.path()));
        let file = std::fs::metadata(one.path().join(FILE)).unwrap();
        assert_eq!(file.mode() & 0o777, 0o600);
        std::fs::write(one.path().join(FILE), "half").unwrap();
        assert!(Key::of(one.path()).is_none());
        assert_eq!(format!("{:?}", Key([7; 32])), "Key");
    }
}
