//! Reads a deploy directory into a tar stream: the release first, data behind it.
//!
//! A rollback that wants the release alone then need not read past it. It refuses to know where
//! the stream goes.

use std::io::{self, Read};
use std::path::Path;

use super::frame::Frames;
use super::pipe::Inlet;
use super::space::full_disk;
use super::write::Request;
use crate::files::tree::dir::Mark;
use crate::files::tree::scope::Part;
use crate::files::tree::snapshot::{Snapshot, Taking, bare, unread};
use crate::files::tree::sums::{Summing, is_guarded};
use crate::files::tree::walk::{Found, TOO_DEEP, walk};
use crate::files::tree::{Act, cannot, name};
use crate::words::backup::{Entry, EntryKind};
use crate::words::event::Failure;

/// Why a backup ended early.
pub(crate) enum Stop {
    /// A file of the release changed under our eyes.
    Torn(String),
    /// The disk is full.
    Full,
    /// Anything else.
    Failed(Failure),
}

impl Stop {
    pub(crate) fn of(path: &Path, error: &io::Error) -> Self {
        if full_disk(error) {
            return Self::Full;
        }
        Self::Failed(cannot(Act::Write, &path.display(), error))
    }
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// What went into the stream.
pub(crate) struct Gathered {
    pub snapshot: Snapshot,
    /// Whether anything was summed by a key.
    pub keyed: bool,
    pub entries: u64,
    pub torn: Vec<String>,
    pub unread: Vec<String>,
}

/// Writes the tree of a request as a tar stream.
pub(crate) fn gather(request: &Request, to: Inlet) -> Result<Gathered, Stop> {
    let mut gather = Gather {
        request,
        frames: Frames::new(to),
        seen: Taking::begin(),
        keyed: false,
        torn: Vec::new(),
        unread: Vec::new(),
        read: 0,
    };
    gather.part(Part::Release)?;
    gather.part(Part::Data)?;
    let entries = gather.frames.entries;
    gather.frames.finish().map_err(|e| pipe_closed(&e))?;
    Ok(Gathered {
        snapshot: gather.seen.done(),
        keyed: gather.keyed,
        entries,
        torn: gather.torn,
        unread: gather.unread,
    })
}

/// The other end tells why; this only ends the walk.
fn pipe_closed(error: &io::Error) -> Stop {
    Stop::Failed(Failure::new("the archive cannot be written").because(error))
}

struct Gather<'a> {
    request: &'a Request<'a>,
    frames: Frames<Inlet>,
    seen: Taking,
    keyed: bool,
    torn: Vec<String>,
    unread: Vec<String>,
    read: u64,
}

/// What became of one path.
enum Fate {
    Archived,
    /// It changed while it was read.
    Torn,
    Vanished,
}

impl Gather<'_> {
    fn part(&mut self, part: Part) -> Result<(), Stop> {
        let (root, scope) = (self.request.deploy_dir, self.request.scope);
        let (mut unread, mut torn) = (Vec::new(), Vec::new());
        let mut visit = |found: &Found| self.one(found, part);
        walk(root, scope, part, &mut visit, &mut |path, error| {
            let part = match part {
                Part::Release if scope.us().is_theirs_at(root, path) => Part::Data,
                part => part,
            };
            match (part, error.kind()) {
                // What containers write may well belong to users that nobody else can read.
                (Part::Data, io::ErrorKind::PermissionDenied | TOO_DEEP) => {
                    unread.push(path.to_owned());
                }
                // A directory that is something else by now.
                (Part::Data, io::ErrorKind::NotADirectory) => torn.push(path.to_owned()),
                _ => return Err(unreadable(root.path(), path, &error)),
            }
            Ok(())
        })?;
        self.unread.extend(unread);
        self.torn.extend(torn);
        Ok(())
    }

    fn one(&mut self, found: &Found, part: Part) -> Result<(), Stop> {
        let mark = &found.mark;
        let tolerance = if self.request.scope.us().can_give(mark.uid, mark.gid) {
            part
        } else {
            // What belongs to somebody else may be written or kept from us at any moment.
            Part::Data
        };
        let fate = match found.mark.kind {
            EntryKind::File => self.file(found, part, tolerance)?,
            EntryKind::Dir | EntryKind::Link => self.bare(found, part)?,
            EntryKind::Other => {
                self.keep(part, &bare(found.path, &found.mark), &found.mark)?;
                Fate::Archived
            }
        };
        match (fate, tolerance) {
            (Fate::Archived, _) => {}
            (Fate::Torn | Fate::Vanished, Part::Data) => self.torn.push(found.path.to_owned()),
            (Fate::Torn | Fate::Vanished, _) => return Err(Stop::Torn(found.path.to_owned())),
        }
        Ok(())
    }

    fn bare(&mut self, found: &Found, part: Part) -> Result<Fate, Stop> {
        let mut entry = bare(found.path, &found.mark);
        let mut target = Vec::new();
        if found.mark.kind == EntryKind::Link {
            target = match found.dir.link_target(found.name) {
                Ok(target) => target,
                // Gone, or no link any more.
                Err(_) => return Ok(Fate::Vanished),
            };
            entry.target = Some(name::escape(&target));
        }
        self.frames
            .bare(&raw(found.path), &found.mark, &target)
            .map_err(|e| pipe_closed(&e))?;
        self.keep(part, &entry, &found.mark)?;
        Ok(Fate::Archived)
    }

    fn file(&mut self, found: &Found, part: Part, tolerance: Part) -> Result<Fate, Stop> {
        let file = match found.dir.file(found.name) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                if tolerance != Part::Data {
                    return Err(unreadable(
                        self.request.deploy_dir.path(),
                        found.path,
                        &error,
                    ));
                }
                self.unread.push(found.path.to_owned());
                return Ok(Fate::Archived);
            }
            // Gone, or a link by now.
            Err(_) => return Ok(Fate::Vanished),
        };
        let failed =
            |error: io::Error| unreadable(self.request.deploy_dir.path(), found.path, &error);
        let mark = Mark::of_file(&file).map_err(failed)?;
        if mark.kind != EntryKind::File {
            return Ok(Fate::Vanished);
        }
        let key = self.request.scope.key();
        let key = key.filter(|_| is_guarded(found.path, &mark));
        let mut source = Summing::new(Source::new(&file), key);
        let body = self.frames.file(&raw(found.path), &mark, &mut source);
        let (source, hmac) = source.finish();
        if let Some(error) = source.failed {
            return Err(failed(error));
        }
        let body = body.map_err(|e| pipe_closed(&e))?;
        self.read += mark.size;
        (self.request.progress)(self.read);
        let moved = Mark::of_file(&file).map_err(failed)? != mark;
        let sha256 = Some(body.sha256);
        let entry = Entry {
            sha256,
            hmac,
            ..bare(found.path, &mark)
        };
        self.keep(part, &entry, &mark)?;
        Ok(if moved || body.short {
            Fate::Torn
        } else {
            Fate::Archived
        })
    }

    fn keep(&mut self, part: Part, entry: &Entry, mark: &Mark) -> Result<(), Stop> {
        if part != Part::Release {
            return Ok(());
        }
        self.keyed |= entry.hmac.is_some();
        let noted = self.seen.note(entry, mark);
        noted.map_err(|e| unreadable(self.request.deploy_dir.path(), &entry.path, &e))
    }
}

fn raw(path: &str) -> Vec<u8> {
    name::unescape(path).unwrap_or_default()
}

fn unreadable(root: &Path, path: &str, error: &io::Error) -> Stop {
    Stop::Failed(unread(root, path, error))
}

/// A file that remembers its own error, so that it is not taken for one of the stream's.
struct Source<'a> {
    file: &'a std::fs::File,
    failed: Option<io::Error>,
}

impl<'a> Source<'a> {
    fn new(file: &'a std::fs::File) -> Self {
        Self { file, failed: None }
    }
}

impl Read for Source<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.file.read(buffer).map_err(|error| {
            let kind = error.kind();
            if kind != io::ErrorKind::Interrupted {
                self.failed = Some(error);
            }
            kind.into()
        })
    }
}
