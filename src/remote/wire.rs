//! What travels between runner and agent, and how a journal is read while it grows.
//!
//! Towards the agent: the plan, its secrets, the length of a tar stream, the stream. Towards the
//! runner: one JSON object a line. It refuses to know connections.

use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::files::foreign::{self, Links};
use crate::words::event::{Event, Failure, Record};

/// One line towards the runner.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Line {
    /// Something happened.
    Record(Box<Record>),
    /// The agent is no more, and the run has no end; these are its last words.
    Gone {
        /// The last lines of its log.
        gone: Vec<String>,
    },
    /// The launcher would not start the agent; nothing was touched.
    Refused {
        /// Why.
        refused: Failure,
    },
    /// Nothing happened, and the line still stands.
    Beat {
        /// The seconds since the follower began.
        beat: u64,
    },
}

impl Line {
    /// Reads one line; none for what a server's shell may have put in between.
    #[must_use]
    pub fn parse(line: &str) -> Option<Self> {
        serde_json::from_str(line.trim()).ok()
    }
}

/// The line before the tar stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cargo {
    /// The stream's exact length, so that a connection that ends early is no end of the stream.
    pub tar_bytes: u64,
}

/// A record as a journal holds it: checksum, a space, JSON, newline.
pub fn journal_line(record: &Record) -> serde_json::Result<String> {
    let json = serde_json::to_string(record)?;
    Ok(format!("{:08x} {json}\n", crc32fast::hash(json.as_bytes())))
}

fn parse_journal_line(line: &[u8]) -> Option<Record> {
    let (sum, json) = line.split_at_checked(9)?;
    let sum = std::str::from_utf8(sum).ok()?.strip_suffix(' ')?;
    let whole = u32::from_str_radix(sum, 16) == Ok(crc32fast::hash(json));
    whole.then(|| serde_json::from_slice(json).ok())?
}

/// The longest line that is read, in bytes; a plan with many thousand files is shorter.
pub const LONGEST_LINE: u64 = 16 * 1024 * 1024;
/// How much of a journal one call reads, up to the end of a line.
const AT_ONCE: u64 = 1024 * 1024;

/// Reads a journal as it grows, up to its last whole line.
#[derive(Debug)]
pub struct Tail {
    path: PathBuf,
    offset: u64,
}

impl Tail {
    /// Begins at the journal's beginning; the file need not be there yet.
    #[must_use]
    pub fn new(path: PathBuf) -> Self {
        Self { path, offset: 0 }
    }

    /// The next records, about [`AT_ONCE`] bytes of them, none once all have been read; a torn one
    /// is left for later.
    pub fn more(&mut self) -> io::Result<Vec<Record>> {
        let mut file = match foreign::open(&self.path, Links::Refused) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let end = self.offset + AT_ONCE;
        file.seek(SeekFrom::Start(self.offset))?;
        let mut file = BufReader::new(file);
        let mut records = Vec::new();
        let mut line = Vec::new();
        while self.offset < end {
            line.clear();
            (&mut file)
                .take(LONGEST_LINE)
                .read_until(b'\n', &mut line)?;
            let Some(record) = line.strip_suffix(b"\n").and_then(parse_journal_line) else {
                break;
            };
            self.offset += line.len() as u64;
            records.push(record);
        }
        Ok(records)
    }
}

/// Says whether a record is a run's last.
#[must_use]
pub fn is_last(record: &Record) -> bool {
    matches!(record.event, Event::Finished { .. })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::words::event::{Note, Outcome, RECORD_VERSION, Step};
    use std::fs;

    fn record(seq: u64, event: Event) -> Record {
        Record {
            v: RECORD_VERSION,
            seq,
            at: chrono::Utc::now(),
            run: "r".to_owned(),
            event,
        }
    }

    fn said(seq: u64) -> Record {
        let note = Note::Said {
            text: "gone".into(),
        };
        record(
            seq,
            Event::Note {
                step: Step::Pull,
                note,
            },
        )
    }

    #[test]
    fn every_line_is_read_as_what_was_written() {
        let lines = [
            Line::Record(Box::new(said(3))),
            Line::Record(Box::new(record(
                4,
                Event::Finished {
                    outcome: Outcome::Deployed,
                },
            ))),
            Line::Gone {
                gone: vec!["panicked".into()],
            },
            Line::Refused {
                refused: Failure::new("no").hint("do"),
            },
            Line::Beat { beat: 5 },
        ];
        for line in lines {
            let text = serde_json::to_string(&line).unwrap();
            assert_eq!(Line::parse(&text), Some(line), "{text}");
        }
        assert_eq!(Line::parse("Welcome to Ubuntu!"), None);
        assert_eq!(Line::parse("{}"), None);
    }

    #[test]
    fn a_journal_is_read_as_it_grows_up_to_its_last_whole_line() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal");
        let mut tail = Tail::new(path.clone());
        assert_eq!(tail.more().unwrap(), []);
        let first = journal_line(&said(0)).unwrap();
        let second = journal_line(&said(1)).unwrap();
        fs::write(&path, format!("{first}{}", &second[..20])).unwrap();
        assert_eq!(tail.more().unwrap().len(), 1);
        assert_eq!(tail.more().unwrap().len(), 0);
        fs::write(&path, format!("{first}{second}")).unwrap();
        assert_eq!(tail.more().unwrap()[0].seq, 1);
    }

    #[test]
    fn a_long_journal_is_read_in_parts_and_whole() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal");
        let lines: String = (0..20_000)
            .map(|n| journal_line(&said(n)).unwrap())
            .collect();
        assert!(lines.len() as u64 > 2 * AT_ONCE);
        fs::write(&path, lines).unwrap();
        let mut tail = Tail::new(path);
        let parts: Vec<_> = std::iter::from_fn(|| Some(tail.more().unwrap()))
            .take_while(|part| !part.is_empty())
            .collect();
        assert!(parts.len() > 2);
        assert!(parts.iter().flatten().map(|r| r.seq).eq(0..20_000));
    }

    #[test]
    fn a_line_whose_checksum_is_wrong_is_not_believed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal");
        let line = journal_line(&said(0)).unwrap().replace("gone", "come");
        fs::write(&path, line).unwrap();
        assert_eq!(Tail::new(path).more().unwrap(), []);
    }
}
