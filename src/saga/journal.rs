//! The journal of one run: append-only, checksummed, on disk before what it announces.
//!
//! A line is `<crc32 as 8 hex digits> <record as JSON>\n`. A torn tail is ignored. It refuses to
//! know what the events mean beyond what [`History`] accepts.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use chrono::Utc;

use crate::event::{Event, Failure, RECORD_VERSION, Record};
use crate::saga::History;

/// An open journal, for its one writer.
#[derive(Debug)]
pub struct Journal {
    file: File,
    run: String,
    seq: u64,
    history: History,
}

impl Journal {
    /// Opens or creates the journal of a run and folds what it holds.
    ///
    /// A torn last line is cut off. A whole line that makes no sense is an error: such a journal
    /// is not to be resumed.
    pub fn open(path: &Path, run: &str) -> Result<Self, Failure> {
        let whole = read_whole(path)?;
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .mode(0o600)
            .open(path)
            .map_err(|e| cannot("open", path, &e))?;
        file.set_len(whole.bytes)
            .map_err(|e| cannot("mend", path, &e))?;
        sync_parent(path).map_err(|e| cannot("create", path, &e))?;
        let mut journal = Self {
            file,
            run: run.to_owned(),
            seq: 0,
            history: History::default(),
        };
        for record in whole.records {
            journal.fold(&record)?;
        }
        Ok(journal)
    }

    /// What has happened so far.
    #[must_use]
    pub fn history(&self) -> &History {
        &self.history
    }

    /// Writes one event down and syncs it; only then does it count.
    pub fn append(&mut self, event: Event) -> Result<(), Failure> {
        let durable = !matches!(event, Event::Note { .. });
        let mut history = self.history.clone();
        history
            .push(&event)
            .map_err(|e| Failure::new(e.to_string()))?;
        let record = Record {
            v: RECORD_VERSION,
            seq: self.seq,
            at: Utc::now(),
            run: self.run.clone(),
            event,
        };
        let line =
            line_of(&record).map_err(|e| Failure::new("cannot write a record").because(e))?;
        self.write(&line, durable)
            .map_err(|e| Failure::new("cannot append to the journal").because(e))?;
        self.seq += 1;
        self.history = history;
        Ok(())
    }

    fn write(&mut self, line: &str, durable: bool) -> io::Result<()> {
        self.file.write_all(line.as_bytes())?;
        if durable {
            self.file.sync_data()?;
        }
        Ok(())
    }

    fn fold(&mut self, record: &Record) -> Result<(), Failure> {
        self.history
            .push(&record.event)
            .map_err(|e| Failure::new("the journal contradicts itself").because(e))?;
        self.seq = record.seq + 1;
        Ok(())
    }
}

/// Reads every whole record of a journal; a torn tail is left out.
///
/// # Errors
/// A line in the middle that is damaged, or one of a newer format.
pub fn read(path: &Path) -> Result<Vec<Record>, Failure> {
    Ok(read_whole(path)?.records)
}

struct Whole {
    records: Vec<Record>,
    bytes: u64,
}

fn read_whole(path: &Path) -> Result<Whole, Failure> {
    let content = match std::fs::read(path) {
        Ok(content) => content,
        Err(e) if e.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(e) => return Err(cannot("read", path, &e)),
    };
    let mut whole = Whole {
        records: Vec::new(),
        bytes: 0,
    };
    for line in content.split_inclusive(|b| *b == b'\n') {
        let ends_here = whole.bytes + line.len() as u64 == content.len() as u64;
        match parse_line(line) {
            Some(record) => whole.records.push(refuse_newer(record)?),
            None if ends_here => break,
            None => {
                return Err(Failure::new(format!(
                    "the journal `{}` is damaged at byte {}",
                    path.display(),
                    whole.bytes
                )));
            }
        }
        whole.bytes += line.len() as u64;
    }
    Ok(whole)
}

/// Parses one line with its newline; `None` when it is torn or damaged.
#[must_use]
pub fn parse_line(line: &[u8]) -> Option<Record> {
    let text = std::str::from_utf8(line.strip_suffix(b"\n")?).ok()?;
    let (sum, json) = text.split_once(' ')?;
    if checksum(json) != sum {
        return None;
    }
    serde_json::from_str(json).ok()
}

fn line_of(record: &Record) -> serde_json::Result<String> {
    let json = serde_json::to_string(record)?;
    Ok(format!("{} {json}\n", checksum(&json)))
}

fn checksum(json: &str) -> String {
    format!("{:08x}", crc32fast::hash(json.as_bytes()))
}

fn refuse_newer(record: Record) -> Result<Record, Failure> {
    if record.v > RECORD_VERSION {
        return Err(Failure::new(format!(
            "the journal is of format {} and this Landfall reads up to {RECORD_VERSION}",
            record.v
        ))
        .hint("use the newer Landfall that wrote it"));
    }
    Ok(record)
}

fn sync_parent(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(parent) => File::open(parent)?.sync_all(),
        None => Ok(()),
    }
}

fn cannot(verb: &str, path: &Path, error: &io::Error) -> Failure {
    Failure::new(format!("cannot {verb} the journal `{}`", path.display())).because(error)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::event::Step;
    use crate::plan::sample;

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
}
