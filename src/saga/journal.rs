//! The journal of one run: append-only, checksummed, on disk before what it announces.
//!
//! A line is `<crc32 as 8 hex digits> <record as JSON>\n`. A torn tail is ignored. It refuses to
//! know what the events mean beyond what [`History`] accepts.

use std::io;
use std::path::Path;

use rustix::io::Errno;
use serde::Deserialize;

use crate::files::disk::{self, Tape};
use crate::saga::History;
use crate::saga::salvage::salvaged;
use crate::words::event::{Event, Failure, RECORD_VERSION, Record};
use crate::words::line;
use crate::words::plan::Plan;

/// How much room the records which decide always have, whatever else fills the disk.
const RESERVE: u64 = 64 * 1024;
/// How much of a journal's end is read to find its last record.
const END: u64 = 64 * 1024;

/// An open journal, for its one writer.
#[derive(Debug)]
pub struct Journal {
    file: Tape,
    run: String,
    seq: u64,
    history: History,
    /// The length of the whole lines.
    whole: u64,
    /// Up to where room is reserved.
    reserved: u64,
    /// Lines that count in memory and are not on disk yet.
    unwritten: String,
}

impl Journal {
    /// Opens or creates the journal of a run and folds what it holds.
    ///
    /// A torn last line is cut off. A whole line that makes no sense is an error: such a journal
    /// is not to be resumed.
    pub fn open(path: &Path, run: &str) -> Result<Self, Failure> {
        fault!("journal.open.before");
        let whole = read_whole(path)?;
        if let Some(fault) = whole.fault {
            return Err(fault);
        }
        let file = Tape::open(path, whole.bytes).map_err(|e| cannot("open", path, &e))?;
        fault!("journal.open.after");
        let mut journal = Self {
            file,
            run: run.to_owned(),
            seq: whole.records.last().map_or(0, |r| r.seq + 1),
            history: whole.history,
            whole: whole.bytes,
            reserved: 0,
            unwritten: String::new(),
        };
        journal.reserve();
        Ok(journal)
    }

    /// What has happened so far.
    #[must_use]
    pub fn history(&self) -> &History {
        &self.history
    }

    /// Says whether something counts that could not be written.
    #[must_use]
    pub fn is_behind(&self) -> bool {
        !self.unwritten.is_empty()
    }

    /// Writes one event down and syncs it; only then does it count.
    pub fn append(&mut self, event: Event) -> Result<(), Failure> {
        self.refuse_nonsense(&event)?;
        let durable = !matches!(event, Event::Note { .. });
        let record = self.record(event);
        let text = format!("{}{}", self.unwritten, text_of(&record)?);
        self.write(&text, durable)
            .map_err(|e| Failure::new("cannot append to the journal").because(e))?;
        self.unwritten.clear();
        self.count(&record.event)
    }

    /// Lets an event count even if it cannot be written; it is written with the next one that can.
    ///
    /// # Errors
    /// An event that makes no sense here.
    pub fn insist(&mut self, event: Event) -> Result<(), Failure> {
        self.refuse_nonsense(&event)?;
        let record = self.record(event);
        self.unwritten.push_str(&text_of(&record)?);
        let text = std::mem::take(&mut self.unwritten);
        if self.write(&text, true).is_err() {
            self.unwritten = text;
        }
        self.count(&record.event)
    }

    fn refuse_nonsense(&self, event: &Event) -> Result<(), Failure> {
        if self.history.allows(event) {
            return Ok(());
        }
        Err(Failure::new(self.history.nonsense(event).to_string()))
    }

    fn count(&mut self, event: &Event) -> Result<(), Failure> {
        self.seq += 1;
        let counted = self.history.push(event);
        counted.map_err(|e| Failure::new(e.to_string()))
    }

    fn record(&self, event: Event) -> Record {
        Record {
            v: event.version(),
            seq: self.seq,
            at: disk::now(),
            run: self.run.clone(),
            event,
        }
    }

    /// Writes whole lines or nothing. A note never takes the room that is reserved for others.
    fn write(&mut self, lines: &str, durable: bool) -> io::Result<()> {
        fault!("journal.append.before", crate::fault::event(lines));
        let end = self.whole + lines.len() as u64;
        if end + RESERVE > self.reserved && !self.reserve() && !durable {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let written = self.file.append(lines.as_bytes());
        let written = written.and_then(|()| {
            if durable {
                fault!("journal.sync.before", crate::fault::event(lines));
                self.file.sync()
            } else {
                Ok(())
            }
        });
        match written {
            Ok(()) => self.whole = end,
            Err(_) => self.file.cut(self.whole)?,
        }
        fault!(here "journal.append.after", crate::fault::event(lines));
        written
    }

    /// Reserves room behind the last line; `false` when the disk has none.
    fn reserve(&mut self) -> bool {
        let (from, room) = (self.whole, 4 * RESERVE);
        match self.file.reserve(from, room) {
            Ok(()) => self.reserved = from + room,
            Err(Errno::NOSPC | Errno::DQUOT) => return false,
            // A file system that knows no reserving: nothing to look after any more.
            Err(_) => self.reserved = u64::MAX,
        }
        true
    }
}

/// Sets a damaged or contradictory journal aside as `journal.damaged`, and leaves in its place what
/// comes before the fault and what can be salvaged from behind it; `plan` stands in for a plan
/// that cannot be read. The fault, if there was one.
pub fn mend(
    path: &Path,
    run: &str,
    plan: impl FnOnce() -> Option<Plan>,
) -> Result<Option<Failure>, Failure> {
    let mut whole = read_whole(path)?;
    let Some(fault) = whole.fault.take() else {
        return Ok(None);
    };
    let aside = path.with_extension("damaged");
    let salvaged = salvaged_lines(&whole, run, plan)?;
    let mend = || -> io::Result<()> {
        let mut good = disk::read(path)?;
        good.truncate(usize::try_from(whole.bytes).unwrap_or(usize::MAX));
        good.extend(salvaged.as_bytes());
        disk::link(path, &aside)?;
        disk::replace(path, &good)
    };
    mend().map_err(|e| cannot("mend", path, &e).because(&fault))?;
    Ok(Some(fault.hint(format!(
        "the run is settled from what can be read; look at `{}`, then remove it",
        aside.display()
    ))))
}

/// The lines that take the place of what cannot be read.
fn salvaged_lines(
    whole: &Whole,
    run: &str,
    plan: impl FnOnce() -> Option<Plan>,
) -> Result<String, Failure> {
    let first = whole.records.last().map_or(0, |r| r.seq + 1);
    let events = salvaged(&whole.history, &whole.behind, plan());
    let lines = (first..).zip(events).map(|(seq, event)| {
        text_of(&Record {
            v: event.version(),
            seq,
            at: disk::now(),
            run: run.to_owned(),
            event,
        })
    });
    lines.collect()
}

/// The last whole record of a journal, found without reading all of it.
#[must_use]
pub fn last(path: &Path) -> Option<Record> {
    let end = disk::read_end(path, END).ok()?;
    let newline = end.iter().rposition(|b| *b == b'\n')?;
    let start = end[..newline].iter().rposition(|b| *b == b'\n');
    line::parse(&end[start.map_or(0, |at| at + 1)..=newline])
}

/// Reads every whole record of a journal; a torn tail is left out.
///
/// # Errors
/// A line in the middle that is damaged, or one of a newer format.
pub fn read(path: &Path) -> Result<Vec<Record>, Failure> {
    let whole = read_whole(path)?;
    match whole.fault {
        Some(fault) => Err(fault),
        None => Ok(whole.records),
    }
}

/// What a journal holds before its first fault.
#[derive(Default)]
struct Whole {
    records: Vec<Record>,
    history: History,
    bytes: u64,
    fault: Option<Failure>,
    /// What can be read behind the fault.
    behind: Vec<Event>,
}

fn read_whole(path: &Path) -> Result<Whole, Failure> {
    let content = match disk::read(path) {
        Ok(content) => content,
        Err(e) if e.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(e) => return Err(cannot("read", path, &e)),
    };
    let mut whole = Whole::default();
    for line in content.split_inclusive(|b| *b == b'\n') {
        let record = line::parse(line).filter(|record| record.v <= RECORD_VERSION);
        if record.is_none() {
            refuse_newer(line)?;
        }
        if whole.fault.is_some() {
            whole.behind.extend(record.map(|r| r.event));
            continue;
        }
        let fault = match record {
            Some(record) => whole.take(record),
            None if is_torn(line) => break,
            None => Some("damaged".to_owned()),
        };
        if let Some(fault) = fault {
            let (shown, at) = (path.display(), whole.bytes);
            let fault = Failure::new(format!("the journal `{shown}` is {fault} at byte {at}"));
            whole.fault = Some(fault);
            whole.behind.extend(line::parse(line).map(|r| r.event));
            continue;
        }
        whole.bytes += line.len() as u64;
    }
    Ok(whole)
}

impl Whole {
    /// Takes a record in; otherwise, what is wrong with it.
    fn take(&mut self, record: Record) -> Option<String> {
        if let Err(nonsense) = self.history.push(&record.event) {
            return Some(format!("contradictory ({nonsense})"));
        }
        self.records.push(record);
        None
    }
}

fn text_of(record: &Record) -> Result<String, Failure> {
    line::of(record).map_err(|e| Failure::new("cannot write a record").because(e))
}

/// Says whether a line was cut off in the middle: nothing that it announces has been done. A line
/// that only lacks its newline was whole once.
fn is_torn(line: &[u8]) -> bool {
    let Some((last, rest)) = line.split_last() else {
        return true;
    };
    *last != b'\n' && line::parse(&[rest, b"\n"].concat()).is_none()
}

/// Only a line's format is read here: a newer one may hold what this Landfall has no word for.
fn refuse_newer(line: &[u8]) -> Result<(), Failure> {
    #[derive(Deserialize)]
    struct Format {
        v: u32,
    }
    let format: Option<Format> = line::json(line).and_then(|json| serde_json::from_str(json).ok());
    let Some(Format { v }) = format.filter(|format| format.v > RECORD_VERSION) else {
        return Ok(());
    };
    Err(Failure::new(format!(
        "the journal is of format {v} and this Landfall reads up to {RECORD_VERSION}"
    ))
    .hint("use the newer Landfall that wrote it"))
}

fn cannot(verb: &str, path: &Path, error: &io::Error) -> Failure {
    Failure::new(format!("cannot {verb} the journal `{}`", path.display())).because(error)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::fs::File;
    use std::io::Write;

    use rustix::fs::{MemfdFlags, SealFlags};

    use super::*;
    use crate::words::event::Step;
    use crate::words::plan::sample;

    fn written(dir: &Path) -> std::path::PathBuf {
        let path = dir.join("journal");
        let mut journal = Journal::open(&path, "r").unwrap();
        let plan = Box::new(sample::deploy());
        journal.append(Event::Planned { plan }).unwrap();
        let step = Step::Preflight;
        journal.append(Event::Started { step }).unwrap();
        path
    }

    #[test]
    fn a_journal_cut_at_any_byte_opens_with_the_records_that_are_whole() {
        let dir = tempfile::tempdir().unwrap();
        let path = written(dir.path());
        let content = std::fs::read(&path).unwrap();
        let first = content.iter().position(|b| *b == b'\n').unwrap() + 1;
        for cut in 0..=content.len() {
            std::fs::write(&path, &content[..cut]).unwrap();
            let records = read(&path).unwrap().len();
            let expected = usize::from(cut >= first) + usize::from(cut == content.len());
            assert_eq!(records, expected, "cut at {cut}");
            let mut journal = Journal::open(&path, "r").unwrap();
            if cut < first {
                let plan = Box::new(sample::deploy());
                journal.append(Event::Planned { plan }).unwrap();
            }
        }
    }

    #[test]
    fn a_flipped_byte_in_the_middle_is_never_taken_for_a_record() {
        let dir = tempfile::tempdir().unwrap();
        let path = written(dir.path());
        let content = std::fs::read(&path).unwrap();
        let first = content.iter().position(|b| *b == b'\n').unwrap();
        for at in 0..first {
            let mut bad = content.clone();
            bad[at] ^= 0x20;
            std::fs::write(&path, &bad).unwrap();
            assert!(read(&path).is_err(), "byte {at}");
        }
    }

    /// A journal whose disk is full from here on.
    fn full(dir: &Path) -> Journal {
        let path = written(dir);
        let mut journal = Journal::open(&path, "r").unwrap();
        let full = File::options().write(true).open("/dev/full");
        journal.file = full.unwrap().into();
        journal
    }

    #[test]
    fn a_line_that_fails_half_way_leaves_no_half_behind() {
        let dir = tempfile::tempdir().unwrap();
        let path = written(dir.path());
        let mut journal = Journal::open(&path, "r").unwrap();
        // A file that shrinks and does not grow, with half a line at its end.
        let file = rustix::fs::memfd_create("full", MemfdFlags::ALLOW_SEALING).unwrap();
        let mut file = File::from(file);
        let good = std::fs::read(&path).unwrap();
        file.write_all(&[&good[..], b"half"].concat()).unwrap();
        rustix::fs::fcntl_add_seals(&file, SealFlags::GROW).unwrap();
        journal.file = file.try_clone().unwrap().into();
        let step = Step::Preflight;
        assert!(journal.append(Event::Succeeded { step }).is_err());
        assert_eq!(file.metadata().unwrap().len(), good.len() as u64);
    }

    #[test]
    fn what_could_not_be_written_counts_and_is_written_with_the_next_that_can() {
        let dir = tempfile::tempdir().unwrap();
        let mut journal = full(dir.path());
        let step = Step::Preflight;
        assert!(journal.append(Event::Succeeded { step }).is_err());
        let failure = Failure::new("the disk is full");
        journal.insist(Event::Failed { step, failure }).unwrap();
        assert!(journal.is_behind());
        let path = dir.path().join("journal");
        assert_eq!(read(&path).unwrap().len(), 2);
        let mended = File::options().append(true).open(&path);
        journal.file = mended.unwrap().into();
        journal.insist(Event::UndoStarted { step }).unwrap();
        assert!(!journal.is_behind());
        let seqs: Vec<u64> = read(&path).unwrap().iter().map(|r| r.seq).collect();
        assert_eq!(seqs, [0, 1, 2, 3]);
    }

    #[test]
    fn a_damaged_journal_is_set_aside_and_what_comes_before_stays() {
        let dir = tempfile::tempdir().unwrap();
        let path = written(dir.path());
        let good = std::fs::read(&path).unwrap();
        let mut bad = good.clone();
        bad.extend(b"half a line\n0 another\n");
        std::fs::write(&path, &bad).unwrap();
        let fault = mend(&path, "r", || None).unwrap().unwrap();
        assert!(fault.what.contains("damaged at byte"), "{fault}");
        let mended = std::fs::read(&path).unwrap();
        assert!(mended.starts_with(&good));
        assert_eq!(
            std::fs::read(dir.path().join("journal.damaged")).unwrap(),
            bad
        );
        assert!(mend(&path, "r", || None).unwrap().is_none());
        Journal::open(&path, "r").unwrap();
    }

    #[test]
    fn the_last_record_is_found_at_the_end_of_a_long_journal() {
        let dir = tempfile::tempdir().unwrap();
        let path = written(dir.path());
        let mut journal = Journal::open(&path, "r").unwrap();
        let step = Step::Preflight;
        let note = crate::words::event::Note::Said {
            text: "x".repeat(9000),
        };
        for _ in 0..20 {
            let note = note.clone();
            journal.append(Event::Note { step, note }).unwrap();
        }
        journal.append(Event::Succeeded { step }).unwrap();
        let torn = std::fs::OpenOptions::new().append(true).open(&path);
        torn.and_then(|mut f| f.write_all(b"torn")).unwrap();
        assert_eq!(last(&path).unwrap().event, Event::Succeeded { step });
        assert!(last(&dir.path().join("none")).is_none());
    }
}
