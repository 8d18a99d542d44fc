//! Entries of a tar stream in GNU's format, each bounded to the size that its header gives.
//!
//! It refuses to trust a file to stay as long as it was when it was looked at.

use std::io::{self, Read, Write};

use sha2::{Digest, Sha256};
use tar::{EntryType, Header};

use crate::files::tree::dir::Mark;
use crate::files::tree::{BUFFER, hex};
use crate::words::backup::EntryKind;

const BLOCK: usize = 512;

/// A tar stream that is being written.
pub(crate) struct Frames<W> {
    to: W,
    buffer: Vec<u8>,
    /// How many entries it has.
    pub entries: u64,
}

/// What was read of a file.
pub(crate) struct Body {
    /// Hex SHA-256 of the bytes that went in.
    pub sha256: String,
    /// The file had fewer bytes than its header says; zeros stand for the rest.
    pub short: bool,
}

impl<W: Write> Frames<W> {
    pub(crate) fn new(to: W) -> Self {
        Self {
            to,
            buffer: vec![0; BUFFER],
            entries: 0,
        }
    }

    /// Writes a directory, or a link to `target`.
    pub(crate) fn bare(&mut self, path: &[u8], mark: &Mark, target: &[u8]) -> io::Result<()> {
        let kind = match mark.kind {
            EntryKind::Dir => EntryType::Directory,
            _ => EntryType::Symlink,
        };
        self.head(path, mark, kind, 0, target)
    }

    /// Writes a file: exactly `mark.size` bytes, whatever the content gives.
    pub(crate) fn file(
        &mut self,
        path: &[u8],
        mark: &Mark,
        content: &mut dyn Read,
    ) -> io::Result<Body> {
        self.head(path, mark, EntryType::Regular, mark.size, b"")?;
        let mut hash = Sha256::new();
        let mut left = mark.size;
        let mut short = false;
        while left > 0 {
            let most = usize::try_from(left).unwrap_or(BUFFER).min(BUFFER);
            let mut n = read_some(content, &mut self.buffer[..most])?;
            if n == 0 {
                short = true;
                self.buffer[..most].fill(0);
                n = most;
            }
            hash.update(&self.buffer[..n]);
            self.to.write_all(&self.buffer[..n])?;
            left -= n as u64;
        }
        self.pad(mark.size)?;
        let sha256 = hex(&hash.finalize());
        Ok(Body { sha256, short })
    }

    /// Writes the two empty blocks that end a tar stream.
    pub(crate) fn finish(mut self) -> io::Result<W> {
        self.to.write_all(&[0; 2 * BLOCK])?;
        self.to.flush()?;
        Ok(self.to)
    }

    fn head(
        &mut self,
        path: &[u8],
        mark: &Mark,
        kind: EntryType,
        size: u64,
        target: &[u8],
    ) -> io::Result<()> {
        let name = spelled(path, kind);
        let mut header = Header::new_gnu();
        let long_target = put(&mut header.as_old_mut().linkname, target);
        let long_name = put(&mut header.as_old_mut().name, &name);
        header.set_mode(mark.mode);
        header.set_uid(mark.uid.into());
        header.set_gid(mark.gid.into());
        let seconds = mark.mtime_ns.div_euclid(1_000_000_000);
        header.set_mtime(u64::try_from(seconds).unwrap_or(0));
        header.set_size(size);
        header.set_entry_type(kind);
        header.set_cksum();
        if long_target {
            self.long(EntryType::GNULongLink, target)?;
        }
        if long_name {
            self.long(EntryType::GNULongName, &name)?;
        }
        self.entries += 1;
        self.to.write_all(header.as_bytes())
    }

    /// Writes a name that its header has no room for, as an entry before it.
    fn long(&mut self, kind: EntryType, name: &[u8]) -> io::Result<()> {
        let mut header = Header::new_gnu();
        put(&mut header.as_old_mut().name, b"././@LongLink");
        header.set_mode(0o644);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        header.set_size(name.len() as u64 + 1);
        header.set_entry_type(kind);
        header.set_cksum();
        self.to.write_all(header.as_bytes())?;
        self.to.write_all(name)?;
        self.to.write_all(&[0])?;
        self.pad(name.len() as u64 + 1)
    }

    fn pad(&mut self, size: u64) -> io::Result<()> {
        let over = usize::try_from(size % BLOCK as u64).unwrap_or(0);
        if over > 0 {
            self.to.write_all(&[0; BLOCK][over..])?;
        }
        Ok(())
    }
}

/// A path as GNU tar writes it: from `./` on, a directory with a slash behind it.
fn spelled(path: &[u8], kind: EntryType) -> Vec<u8> {
    let mut name = b"./".to_vec();
    if path != b"." {
        name.extend_from_slice(path);
        if kind == EntryType::Directory {
            name.push(b'/');
        }
    }
    name
}

/// Fills a field of a header and says whether the text is longer than the field.
fn put(field: &mut [u8], text: &[u8]) -> bool {
    let n = text.len().min(field.len());
    field[..n].copy_from_slice(&text[..n]);
    text.len() > field.len()
}

fn read_some(content: &mut dyn Read, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match content.read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}
