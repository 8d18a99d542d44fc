//! Everything that stops the program before a server was asked: kind, heading, exit code.
//!
//! The only place that picks exit codes. It refuses to know how a message is shown.

use std::fmt;

use crate::words::event::{Failure, Status};
use crate::words::reader::Reader;

/// Exit codes, as the contract documents them.
pub mod exit {
    /// As asked.
    pub const OK: u8 = 0;
    /// Put back exactly as before.
    pub const ROLLED_BACK: u8 = 1;
    /// A look says no.
    pub const UNHEALTHY: u8 = 1;
    /// Nothing was touched.
    pub const REFUSED: u8 = 2;
    /// A person is needed.
    pub const ROLLBACK_FAILED: u8 = 3;
    /// Contact was lost.
    pub const UNKNOWN: u8 = 4;
}

/// The exit code of a status.
#[must_use]
pub fn exit_code(status: Status) -> u8 {
    match status {
        Status::Deployed | Status::Restored | Status::Planned | Status::Healthy => exit::OK,
        Status::RolledBack => exit::ROLLED_BACK,
        Status::Unhealthy => exit::UNHEALTHY,
        Status::Refused => exit::REFUSED,
        Status::RollbackFailed => exit::ROLLBACK_FAILED,
        Status::Unknown => exit::UNKNOWN,
    }
}

/// What stopped a run on this side of the connection.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The inputs have faults, all of them listed.
    #[error("{}", Faults(.0))]
    Input(Vec<Failure>),
    /// The server could not be reached or would not let us in.
    #[error("{0}")]
    Connect(Failure),
    /// The agent could not be placed or started; nothing was touched.
    #[error("{0}")]
    Agent(Failure),
    /// Contact was lost while the agent was at work, and not regained.
    #[error("{0}")]
    Lost(Failure),
    /// Something else on this machine.
    #[error("{0}")]
    Local(Failure),
}

impl Error {
    /// The status that a run ends with when this stops it.
    #[must_use]
    pub fn status(&self) -> Status {
        match self {
            Self::Lost(_) => Status::Unknown,
            _ => Status::Refused,
        }
    }

    /// The heading that a person reads first.
    #[must_use]
    pub fn heading(&self) -> &'static str {
        match self {
            Self::Input(_) => "the inputs have faults",
            Self::Connect(_) => "the server cannot be reached",
            Self::Agent(_) => "the agent cannot be started on the server",
            Self::Lost(_) => "contact with the server was lost",
            Self::Local(_) => "this machine refuses",
        }
    }

    /// The same for whoever reads it.
    #[must_use]
    pub fn for_reader(mut self, reader: &Reader) -> Self {
        let failures = match &mut self {
            Self::Input(all) => all.as_mut_slice(),
            Self::Connect(one) | Self::Agent(one) | Self::Lost(one) | Self::Local(one) => {
                std::slice::from_mut(one)
            }
        };
        for failure in failures {
            failure.each_text(&mut |text| *text = reader.completed(text));
        }
        self
    }

    /// The failures behind it, one or more.
    #[must_use]
    pub fn failures(&self) -> &[Failure] {
        match self {
            Self::Input(all) => all,
            Self::Connect(one) | Self::Agent(one) | Self::Lost(one) | Self::Local(one) => {
                std::slice::from_ref(one)
            }
        }
    }
}

struct Faults<'a>(&'a [Failure]);

impl fmt::Display for Faults<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, fault) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{fault}")?;
        }
        Ok(())
    }
}
