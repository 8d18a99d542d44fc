//! A journal as it is read while it grows.
//!
//! It refuses to know what the records mean, and who waits for them.

use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::PathBuf;

use crate::files::foreign::{self, Links};
use crate::words::event::Record;
use crate::words::line;

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
        let mut read = Vec::new();
        while self.offset < end {
            read.clear();
            (&mut file)
                .take(line::LONGEST)
                .read_until(b'\n', &mut read)?;
            let Some(record) = line::parse(&read) else {
                break;
            };
            self.offset += read.len() as u64;
            records.push(record);
        }
        Ok(records)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::fs;

    use super::*;
    use crate::words::line::sample::said;

    #[test]
    fn a_journal_is_read_as_it_grows_up_to_its_last_whole_line() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal");
        let mut tail = Tail::new(path.clone());
        assert_eq!(tail.more().unwrap(), []);
        let first = line::of(&said(0)).unwrap();
        let second = line::of(&said(1)).unwrap();
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
        let lines: String = (0..20_000).map(|n| line::of(&said(n)).unwrap()).collect();
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
        let text = line::of(&said(0)).unwrap().replace("gone", "come");
        fs::write(&path, text).unwrap();
        assert_eq!(Tail::new(path).more().unwrap(), []);
    }
}
