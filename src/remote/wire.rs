//! What travels between runner and agent, and how a journal is read while it grows.
//!
//! Towards the agent: the plan, its secrets, the length of a tar stream, the stream. Towards the
//! runner: one JSON object a line. It refuses to know connections.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::event::{Event, Failure, Record};

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

    /// The records that were appended since the last call; a torn one is left for later.
    pub fn more(&mut self) -> io::Result<Vec<Record>> {
        let mut file = match File::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut bytes = Vec::new();
        file.seek(SeekFrom::Start(self.offset))?;
        file.read_to_end(&mut bytes)?;
        let mut records = Vec::new();
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
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
    use crate::event::{Note, Outcome, RECORD_VERSION, Step};
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
    fn a_line_whose_checksum_is_wrong_is_not_believed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal");
        let line = journal_line(&said(0)).unwrap().replace("gone", "come");
        fs::write(&path, line).unwrap();
        assert_eq!(Tail::new(path).more().unwrap(), []);
    }
}
