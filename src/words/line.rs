//! A record as one line: in the journal, and on its way to the runner.
//!
//! Checksum, a space, JSON, newline. The file refuses to know where the lines lie.

use crate::words::event::{Event, Record};

/// The longest line that is read, in bytes; a plan with many thousand files is shorter.
pub const LONGEST: u64 = 16 * 1024 * 1024;

/// The line of a record, with its newline.
///
/// # Errors
/// When the record cannot be written as JSON.
pub fn of(record: &Record) -> serde_json::Result<String> {
    let json = serde_json::to_string(record)?;
    Ok(format!("{} {json}\n", checksum(&json)))
}

/// Parses one line with its newline; `None` when it is torn or damaged.
#[must_use]
pub fn parse(line: &[u8]) -> Option<Record> {
    serde_json::from_str(json(line)?).ok()
}

/// The JSON of a whole line whose checksum is right.
#[must_use]
pub fn json(line: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(line.strip_suffix(b"\n")?).ok()?;
    let (sum, json) = text.split_once(' ')?;
    (checksum(json) == sum).then_some(json)
}

fn checksum(json: &str) -> String {
    format!("{:08x}", crc32fast::hash(json.as_bytes()))
}

/// Says whether a record is a run's last.
#[must_use]
pub fn is_last(record: &Record) -> bool {
    matches!(record.event, Event::Finished { .. })
}

#[cfg(test)]
pub mod sample {
    //! Records for the tests of whoever reads or writes them.

    use super::{Event, Record};
    use crate::words::event::{Note, RECORD_VERSION, Step};

    /// A record of some run.
    #[must_use]
    pub fn record(seq: u64, event: Event) -> Record {
        Record {
            v: RECORD_VERSION,
            seq,
            at: chrono::Utc::now(),
            run: "r".to_owned(),
            event,
        }
    }

    /// A step that says something.
    #[must_use]
    pub fn said(seq: u64) -> Record {
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
}
