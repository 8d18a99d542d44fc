//! The step that is at work and what it has told: one line a step, its details folded under it.
//!
//! What a quick step tells is held back until its end, so that its result is the fold's own title;
//! a slow one is shown while it works. It refuses to know what is told, and writes nothing.

use chrono::{DateTime, TimeDelta, Utc};

use crate::output::escaped::Escaped;
use crate::words::report::span;

/// How long a step may work before it is shown.
const QUICK: TimeDelta = TimeDelta::seconds(1);

/// The columns of a step's name, the longest of which is a way back's, and of its time.
const NAME: usize = 23;
const TIME: usize = 6;

/// A step at work.
#[derive(Debug)]
pub struct AtWork {
    /// What it is called.
    step: &'static str,
    since: DateTime<Utc>,
    /// How far it is shown.
    pub shown: Shown,
    /// What it told and nobody has read yet.
    pub held: Vec<Escaped>,
}

/// How far a step is shown while it works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// Not at all.
    No,
    /// By its name.
    Named,
    /// With its details, in a fold that is open.
    Open,
}

impl AtWork {
    /// A step that begins.
    pub fn begin(step: &'static str, since: DateTime<Utc>) -> Self {
        Self {
            step,
            since,
            shown: Shown::No,
            held: Vec::new(),
        }
    }

    /// Says whether it has worked long enough to be shown.
    pub fn is_slow(&self, now: DateTime<Utc>) -> bool {
        now - self.since >= QUICK
    }

    /// What it is called while it works.
    pub fn title(&self) -> String {
        format!("{} \u{2026}", self.step)
    }

    /// Its line, behind the word for its result: name, time, and why it failed.
    pub fn line(&self, end: DateTime<Utc>, why: &str) -> Escaped {
        let ms = u64::try_from((end - self.since).num_milliseconds()).unwrap_or(0);
        Escaped::row(&[(self.step, NAME), (&span(ms), TIME), (why, 0)])
    }
}
