//! A run that has ended: how, and everything that it told.
//!
//! It refuses to know what is on the server; the oracle looks there.

use std::collections::BTreeMap;
use std::time::Duration;

/// A run that has ended.
pub struct Done {
    /// None if a signal ended it.
    pub code: Option<i32>,
    /// As the runner reads them.
    pub outputs: BTreeMap<String, String>,
    /// Both its output streams; the first alone where they were kept apart.
    pub log: String,
    /// The second, where they were kept apart.
    #[allow(dead_code, reason = "cells keep nothing apart")]
    pub errors: String,
    /// The step summary.
    pub summary: String,
    /// What it saved for a later step of its own.
    pub state: String,
    /// By the clock on the wall.
    pub took: Duration,
    /// Processes and files that it left on this machine.
    pub leftovers: Vec<String>,
}

impl Done {
    /// Must have ended with this status and exit code, and left nothing on this machine.
    #[track_caller]
    pub fn ends(&self, status: &str, code: i32) -> &Self {
        let ended = self.outputs.get("status").map(String::as_str);
        assert_eq!(
            (ended, self.code),
            (Some(status), Some(code)),
            "{}",
            self.reason()
        );
        self.leaves_nothing()
    }

    /// Must have exited with this code; for the command line, which has no outputs.
    #[track_caller]
    pub fn exits(&self, code: i32) -> &Self {
        assert_eq!(self.code, Some(code));
        self.leaves_nothing()
    }

    /// Must have printed each of these.
    #[track_caller]
    pub fn says(&self, words: &[&str]) -> &Self {
        for word in words {
            assert!(self.log.contains(word), "the log does not say {word:?}");
        }
        self
    }

    /// The value of an output; panics if it was not written.
    #[track_caller]
    pub fn output(&self, name: &str) -> &str {
        let value = self.outputs.get(name);
        value.unwrap_or_else(|| panic!("there is no output `{name}`"))
    }

    /// Everything that it told anybody, in one text.
    pub fn everything_told(&self) -> String {
        let outputs = self
            .outputs
            .iter()
            .map(|(name, value)| format!("{name}={value}"));
        let told = [&self.log, &self.summary, &self.state].map(Clone::clone);
        told.into_iter()
            .chain(outputs)
            .collect::<Vec<_>>()
            .join("\n")
    }

    #[track_caller]
    fn leaves_nothing(&self) -> &Self {
        assert!(
            self.leftovers.is_empty(),
            "left on this machine: {:#?}",
            self.leftovers
        );
        self
    }

    fn reason(&self) -> &str {
        self.outputs.get("reason").map_or("", String::as_str)
    }
}
