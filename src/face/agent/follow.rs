//! Following a run: its records as they are written, a beat while nothing is, and its end.
//!
//! It refuses to know what records mean, the last one aside.

use std::io::{self, Read, Seek, SeekFrom};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::print;
use crate::files::foreign::{self, Links};
use crate::files::tail::Tail;
use crate::remote::rundir::RunDir;
use crate::remote::transport::lines_of;
use crate::words::event::Failure;
use crate::words::line::is_last;
use crate::words::wire::Line;

/// How often the journal is looked at: a look is some ten system calls, and what it misses keeps the
/// person and the step waiting.
const LOOK: Duration = Duration::from_millis(5);
/// The longest silence towards the runner.
const BEAT: Duration = Duration::from_secs(2);
/// How much of the log's end they are looked for in, in bytes.
const LAST_BYTES: u64 = 64 * 1024;
/// How many lines of the log are an agent's last words.
const LAST_WORDS: usize = 20;

/// Prints the records of a run that is known, from one on.
pub fn known(dir: &RunDir, first: u64) -> Result<(), Failure> {
    if !dir.path().is_dir() {
        return Err(unknown(dir));
    }
    from(dir, first)
}

/// Prints the records of a run from one on, until its last, the agent's death, or the reader's.
pub fn from(dir: &RunDir, first: u64) -> Result<(), Failure> {
    let begun = Instant::now();
    let mut said = begun;
    let mut tail = Tail::new(dir.journal());
    loop {
        // Asked before the journal is read: what a dying agent wrote last is read after its death.
        let alive = dir.is_alive();
        let records = tail.more()?;
        let all_read = records.is_empty();
        for record in records {
            let last = is_last(&record);
            if record.seq >= first {
                said = Instant::now();
                if print(&Line::Record(Box::new(record))).is_err() {
                    return Ok(());
                }
            }
            if last {
                return Ok(());
            }
        }
        if !all_read {
            continue;
        }
        if !alive {
            let _ = print(&Line::Gone {
                gone: last_words(dir),
            });
            return Ok(());
        }
        if said.elapsed() >= BEAT {
            said = Instant::now();
            let beat = begun.elapsed().as_secs();
            if print(&Line::Beat { beat }).is_err() {
                return Ok(());
            }
        }
        sleep(LOOK);
    }
}

/// The failure of a run that this server has never heard of.
pub fn unknown(dir: &RunDir) -> Failure {
    Failure::new(format!("there is no run `{}` on this server", dir.id()))
        .hint("`landfall history` lists those that there were")
}

/// What an agent printed last.
pub fn last_words(dir: &RunDir) -> Vec<String> {
    let mut lines = lines_of(&end_of_log(dir).unwrap_or_default());
    lines.split_off(lines.len().saturating_sub(LAST_WORDS))
}

fn end_of_log(dir: &RunDir) -> io::Result<Vec<u8>> {
    let mut log = foreign::open(&dir.log(), Links::Refused)?;
    let from = log.metadata()?.len().saturating_sub(LAST_BYTES);
    log.seek(SeekFrom::Start(from))?;
    let mut end = Vec::new();
    log.take(LAST_BYTES).read_to_end(&mut end)?;
    Ok(end)
}
