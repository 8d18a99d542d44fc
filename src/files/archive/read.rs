//! One pass over an archive: unpacked in a thread of its own, each entry shown as it comes.
//!
//! It refuses what this program never writes: names that leave the tree, hard links, devices,
//! endless names. What an entry means is its visitor's business.

use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::path::Path;
use std::thread;

use flate2::bufread::MultiGzDecoder;
use sha2::{Digest, Sha256};
use tar::{Archive, EntryType, Header};

use super::pipe::{Inlet, Outlet, pipe};
use crate::files::foreign::{self, Links};
use crate::files::tree::walk::DEEPEST;
use crate::files::tree::{Act, BUFFER, cannot, dir, hex, name};
use crate::words::backup::{ArchiveFact, Entry, EntryKind};
use crate::words::event::Failure;

/// No file system takes a longer path.
const LONGEST_NAME: u64 = 64 * 1024;

/// How many zeros may follow the end of a tar stream.
const PADDING: usize = 64 * 1024;

/// An entry as it comes by.
pub(crate) struct Item<'a> {
    /// What its header says; no digest yet.
    pub entry: Entry,
    /// When its content changed, in seconds since 1970.
    pub mtime: u64,
    /// Its content, exactly as many bytes as the entry says.
    pub body: &'a mut dyn Read,
}

/// Whether a visitor has seen enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Then {
    GoOn,
    Stop,
}

/// Shows every entry of an archive to `visit`; none comes back if that stopped before the end.
pub(crate) fn read_through(
    archive: &Path,
    visit: &mut dyn FnMut(&mut Item) -> Result<Then, Failure>,
) -> Result<Option<ArchiveFact>, Failure> {
    let file = foreign::open(archive, Links::Refused)
        .map_err(|e| cannot(Act::Read, &archive.display(), &e))?;
    let (inlet, outlet) = pipe();
    let (unpacked, seen) = thread::scope(|threads| {
        let unpacking = threads.spawn(|| unpack(file, inlet));
        let seen = entries(archive, outlet, visit);
        let panicked = |_| Err(io::Error::other("the unpacking thread panicked"));
        (unpacking.join().unwrap_or_else(panicked), seen)
    });
    match (unpacked, seen) {
        // A visitor that stops closes the pipe under the unpacking thread: no fault of the file.
        (Err(error), seen) if error.kind() == io::ErrorKind::BrokenPipe => seen.map(|_| None),
        (Err(error), _) => Err(broken(archive, &error)),
        (Ok(_), Err(failure)) => Err(failure),
        (Ok(_), Ok(None)) => Ok(None),
        (Ok((bytes, sha256)), Ok(Some(entries))) => Ok(Some(ArchiveFact {
            file: file_name(archive),
            bytes,
            sha256,
            entries,
        })),
    }
}

/// The size and hex SHA-256 of the archive as a file.
pub(crate) fn digest_of(archive: &Path) -> Result<(u64, String), Failure> {
    foreign::open(archive, Links::Refused)
        .and_then(crate::files::tree::digest)
        .map_err(|e| cannot(Act::Read, &archive.display(), &e))
}

pub(crate) fn file_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

pub(crate) fn broken(archive: &Path, error: &dyn std::fmt::Display) -> Failure {
    Failure::new(format!("archive `{}` is damaged", archive.display()))
        .because(error)
        .hint("choose another backup: `landfall backups` lists them")
}

/// A reader that keeps the digest and the count of what went through it.
struct Watched<R> {
    from: R,
    hash: Sha256,
    bytes: u64,
}

impl<R: Read> Read for Watched<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.from.read(buffer)?;
        self.hash.update(&buffer[..n]);
        self.bytes += n as u64;
        Ok(n)
    }
}

fn unpack(file: File, mut to: Inlet) -> io::Result<(u64, String)> {
    let watched = Watched {
        from: file,
        hash: Sha256::new(),
        bytes: 0,
    };
    let mut gzip = MultiGzDecoder::new(BufReader::with_capacity(BUFFER, watched));
    let mut buffer = vec![0; BUFFER];
    loop {
        match gzip.read(&mut buffer)? {
            0 => break,
            n => to.write_all(&buffer[..n])?,
        }
    }
    to.flush()?;
    let watched = gzip.into_inner().into_inner();
    Ok((watched.bytes, hex(&watched.hash.finalize())))
}

/// Names that stand before the entry they belong to.
#[derive(Default)]
struct Ahead {
    name: Option<Vec<u8>>,
    target: Option<Vec<u8>>,
}

/// Shows the entries of a tar stream, and says how many they were unless the visitor stopped.
fn entries(
    archive: &Path,
    from: Outlet,
    visit: &mut dyn FnMut(&mut Item) -> Result<Then, Failure>,
) -> Result<Option<u64>, Failure> {
    let damaged = |error: io::Error| broken(archive, &error);
    let mut tar = Archive::new(from);
    let mut ahead = Ahead::default();
    let mut count = 0;
    for entry in tar.entries().map_err(damaged)?.raw(true) {
        let mut entry = entry.map_err(damaged)?;
        match entry.header().entry_type() {
            EntryType::GNULongName => ahead.name = Some(long(&mut entry).map_err(damaged)?),
            EntryType::GNULongLink => ahead.target = Some(long(&mut entry).map_err(damaged)?),
            _ => {
                let names = std::mem::take(&mut ahead);
                let header = entry.header();
                let mtime = header.mtime().map_err(damaged)?;
                let shown = describe(header, names).map_err(damaged)?;
                count += 1;
                let mut item = Item {
                    entry: shown,
                    mtime,
                    body: &mut entry,
                };
                if visit(&mut item)? == Then::Stop {
                    return Ok(None);
                }
            }
        }
    }
    // What follows the end still has to be sound gzip, and counts into the file's digest.
    expect_padding(tar.into_inner()).map_err(damaged)?;
    Ok(Some(count))
}

/// Behind its end, a tar stream has zeros that fill its last record, and nothing else.
fn expect_padding(mut from: impl Read) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER];
    let mut left = PADDING;
    loop {
        let n = from.read(&mut buffer)?;
        left = left.checked_sub(n).ok_or_else(hidden)?;
        if buffer[..n].iter().any(|byte| *byte != 0) {
            return Err(hidden());
        }
        if n == 0 {
            return Ok(());
        }
    }
}

fn hidden() -> io::Error {
    refused("something follows its end")
}

fn long(entry: &mut tar::Entry<'_, Outlet>) -> io::Result<Vec<u8>> {
    if entry.size() > LONGEST_NAME {
        return Err(refused("a name in it is longer than any file system takes"));
    }
    let mut text = Vec::new();
    entry.read_to_end(&mut text)?;
    if text.last() == Some(&0) {
        text.pop();
    }
    Ok(text)
}

fn describe(header: &Header, ahead: Ahead) -> io::Result<Entry> {
    let name = ahead
        .name
        .unwrap_or_else(|| header.path_bytes().into_owned());
    let path = inside(&name)?;
    let number = |n: u64| u32::try_from(n).map_err(|_| refused("it has an impossible owner"));
    let kind = match header.entry_type() {
        EntryType::Regular => EntryKind::File,
        EntryType::Directory => EntryKind::Dir,
        EntryType::Symlink => EntryKind::Link,
        _ => {
            return Err(refused(&format!(
                "`{path}` in it is no file, directory or link"
            )));
        }
    };
    let target = (kind == EntryKind::Link).then(|| {
        let short = || header.link_name_bytes().unwrap_or_default().into_owned();
        name::escape(&ahead.target.unwrap_or_else(short))
    });
    Ok(Entry {
        path,
        kind,
        mode: header.mode()? & 0o7777,
        uid: number(header.uid()?)?,
        gid: number(header.gid()?)?,
        size: header.size()?,
        sha256: None,
        hmac: None,
        target,
    })
}

/// The path of a name in an archive, escaped; one that leads out of the tree is refused.
fn inside(bytes: &[u8]) -> io::Result<String> {
    use std::os::unix::ffi::OsStrExt;
    let raw = Path::new(std::ffi::OsStr::from_bytes(bytes));
    let names = dir::names(raw).map_err(|_| {
        let shown = name::escape(bytes);
        refused(&format!("`{shown}` in it lies outside of the tree"))
    })?;
    if names.len() > DEEPEST {
        return Err(refused("a path in it is deeper than any that is archived"));
    }
    if bytes.is_empty() || bytes.contains(&0) {
        return Err(refused("a name in it is not one"));
    }
    let names: Vec<String> = names.iter().map(|n| name::escape(n.as_bytes())).collect();
    Ok(if names.is_empty() {
        ".".to_owned()
    } else {
        names.join("/")
    })
}

fn refused(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}
