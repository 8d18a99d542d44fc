//! Compresses a stream into a file and keeps the digest of what it wrote.
//!
//! It refuses to know that the stream is tar.

use std::fs::File;
use std::io::{self, Read, Write};

use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};

use super::pipe::Outlet;
use crate::files::tree::{BUFFER, hex};

/// Fast rather than small: a backup is made while a deployment waits for it.
const LEVEL: u32 = 2;

/// Compresses all of `from` into `to`, flushes that to disk, and returns its size and SHA-256.
pub(crate) fn squeeze(mut from: Outlet, to: File) -> io::Result<(u64, String)> {
    let watched = Watched {
        to: io::BufWriter::with_capacity(BUFFER, to),
        hash: Sha256::new(),
        bytes: 0,
    };
    let mut gzip = GzEncoder::new(watched, Compression::new(LEVEL));
    let mut buffer = vec![0; BUFFER];
    loop {
        match from.read(&mut buffer)? {
            0 => break,
            n => gzip.write_all(&buffer[..n])?,
        }
    }
    let mut watched = gzip.finish()?;
    watched.to.flush()?;
    watched.to.get_ref().sync_all()?;
    Ok((watched.bytes, hex(&watched.hash.finalize())))
}

struct Watched<W> {
    to: W,
    hash: Sha256,
    bytes: u64,
}

impl<W: Write> Write for Watched<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = self.to.write(bytes)?;
        self.hash.update(&bytes[..n]);
        self.bytes += n as u64;
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}
