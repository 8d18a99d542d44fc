//! What travels between runner and agent.
//!
//! Towards the agent: the plan, its secrets, the length of a tar stream, the stream, and later a word.
//! Towards the runner: one JSON object a line. It refuses to know connections.

use serde::{Deserialize, Serialize};

use crate::words::event::{Failure, Record};

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

/// A word from the runner to the agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, clap::ValueEnum)]
pub enum Word {
    /// The runner's own checks passed.
    Confirm,
    /// The runner's own checks failed; the reason says how.
    Deny,
    /// A person or the runner wants it taken back.
    Cancel,
}

impl Word {
    /// The word itself.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Confirm => "confirm",
            Self::Deny => "deny",
            Self::Cancel => "cancel",
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::words::event::{Event, Outcome};
    use crate::words::line::sample::{record, said};

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
}
