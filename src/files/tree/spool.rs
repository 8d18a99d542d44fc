//! Lines that are written once and read more than once, in memory as long as they are few.
//!
//! Many of them lie in a file without a name. A disk that is full is no reason to fail: then they stay
//! in memory. It refuses to know what a line means.

use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

/// How many bytes are kept in memory.
const FEW: usize = 1024 * 1024;
/// How much is read, and written, at once.
const CHUNK: usize = 64 * 1024;

/// Lines on their way.
#[derive(Debug, Default)]
pub struct Spool {
    file: Option<File>,
    /// How many bytes are in the file.
    written: u64,
    /// What comes behind them.
    rest: Vec<u8>,
}

/// Lines that have been written; clones are the same ones.
#[derive(Debug, Clone, Default)]
pub struct Spooled(Arc<Spool>);

impl Spool {
    /// Nothing more comes.
    #[must_use]
    pub fn done(self) -> Spooled {
        Spooled(Arc::new(self))
    }

    /// Moves what is in memory to the file, or the file into memory where that is full.
    fn pour(&mut self) -> io::Result<()> {
        if self.file.is_none() {
            self.file = tempfile::tempfile().ok();
        }
        let Some(file) = &self.file else {
            return Ok(());
        };
        if file.write_all_at(&self.rest, self.written).is_ok() {
            self.written += self.rest.len() as u64;
            self.rest.clear();
            return Ok(());
        }
        let mut all = vec![0; usize::try_from(self.written).unwrap_or(usize::MAX)];
        file.read_exact_at(&mut all, 0)?;
        all.append(&mut self.rest);
        *self = Self {
            rest: all,
            ..Self::default()
        };
        Ok(())
    }
}

impl Write for Spool {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.rest.extend_from_slice(bytes);
        let most = if self.file.is_some() { CHUNK } else { FEW };
        if self.rest.len() > most && (self.rest.len() <= FEW + CHUNK || self.file.is_some()) {
            self.pour()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Spooled {
    /// What is in a file, from a position on.
    #[must_use]
    pub fn of(file: File, length: u64) -> Self {
        Self(Arc::new(Spool {
            file: Some(file),
            written: length,
            rest: Vec::new(),
        }))
    }

    /// Reads all of it, from a position on.
    #[must_use]
    pub fn read_from(&self, at: u64) -> BufReader<Reading> {
        let of = self.clone();
        BufReader::with_capacity(CHUNK, Reading { of, at })
    }
}

/// A reader of what was spooled.
#[derive(Debug)]
pub struct Reading {
    of: Spooled,
    at: u64,
}

impl Read for Reading {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let spool = &*self.of.0;
        let n = match (&spool.file, spool.written.checked_sub(self.at)) {
            (Some(file), Some(left)) if left > 0 => {
                let most = usize::try_from(left)
                    .unwrap_or(usize::MAX)
                    .min(buffer.len());
                file.read_at(&mut buffer[..most], self.at)?
            }
            _ => {
                let from = usize::try_from(self.at - spool.written).unwrap_or(usize::MAX);
                let mut rest = spool.rest.get(from..).unwrap_or_default();
                rest.read(buffer)?
            }
        };
        self.at += n as u64;
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn read(spooled: &Spooled, at: u64) -> Vec<u8> {
        let mut all = Vec::new();
        spooled.read_from(at).read_to_end(&mut all).unwrap();
        all
    }

    #[test]
    fn what_is_spooled_is_read_as_often_as_one_likes_whether_it_is_little_or_much() {
        for lines in [0, 3, 40_000, 400_000] {
            let mut spool = Spool::default();
            let mut all = Vec::new();
            for line in 0..lines {
                let line = format!("line {line}\n");
                spool.write_all(line.as_bytes()).unwrap();
                all.extend_from_slice(line.as_bytes());
            }
            assert_eq!(spool.file.is_some(), lines == 400_000);
            assert!(spool.rest.len() <= FEW);
            let spooled = spool.done();
            assert!(read(&spooled, 0) == all && read(&spooled.clone(), 0) == all);
            assert!(read(&spooled, 5.min(all.len() as u64)) == all[5.min(all.len())..]);
        }
    }

    #[test]
    fn a_full_disk_keeps_it_in_memory() {
        let mut spool = Spool::default();
        spool.write_all(b"before\n").unwrap();
        spool.file = Some(
            File::options()
                .read(true)
                .write(true)
                .open("/dev/full")
                .unwrap(),
        );
        spool.write_all(&vec![b'x'; 2 * CHUNK]).unwrap();
        assert!(spool.file.is_none());
        assert_eq!(read(&spool.done(), 0).len(), 7 + 2 * CHUNK);
    }
}
