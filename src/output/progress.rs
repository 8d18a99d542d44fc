//! How far something has come: bars on a terminal, a line now and then elsewhere.
//!
//! It refuses to know what is moving, and reads no clock but the records'.

use std::collections::HashMap;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::escaped::Escaped;
use crate::words::clean;

/// Seconds after which a line is due even without much progress.
const PATIENCE: TimeDelta = TimeDelta::seconds(5);
/// Per cent after which a line is due even without much time.
const LEAP: u64 = 25;

/// One report of progress.
#[derive(Debug, Clone, Copy)]
pub struct Moved<'a> {
    /// What is moving.
    pub what: &'a str,
    /// Bytes so far.
    pub done: u64,
    /// Bytes in all; 0 while unknown.
    pub total: u64,
}

impl Moved<'_> {
    fn percent(self) -> u64 {
        self.done
            .saturating_mul(100)
            .checked_div(self.total)
            .unwrap_or(0)
    }

    /// The line itself: `ghcr.io/acme/app:2: 60 % of 100.0 MB`.
    pub fn words(self) -> String {
        match self.total {
            0 => format!("{}: {}", self.what, clean::size(self.done)),
            total => format!(
                "{}: {} % of {}",
                self.what,
                self.percent(),
                clean::size(total)
            ),
        }
    }
}

/// Lets a line through every five seconds or every quarter, whichever comes first.
#[derive(Debug, Default)]
pub struct Pace(HashMap<String, (DateTime<Utc>, u64)>);

impl Pace {
    /// Says whether a line is due, and remembers that it was told.
    pub fn is_due(&mut self, moved: Moved<'_>, at: DateTime<Utc>) -> bool {
        let percent = moved.percent();
        let due = match self.0.get(moved.what) {
            None => true,
            Some((_, 100)) => false,
            Some((then, told)) => {
                percent >= told + LEAP || percent == 100 || at - *then >= PATIENCE
            }
        };
        if due {
            self.0.insert(moved.what.to_owned(), (at, percent));
        }
        due
    }
}

/// Progress bars at the foot of a terminal.
#[derive(Debug, Default)]
pub struct Bars {
    all: MultiProgress,
    each: HashMap<String, ProgressBar>,
}

impl Bars {
    /// Moves the bar of what moved.
    pub fn show(&mut self, moved: Moved<'_>) {
        let bar = self.each.entry(moved.what.to_owned()).or_insert_with(|| {
            let bar = self
                .all
                .add(ProgressBar::new(moved.total).with_style(looks()));
            bar.set_message(Escaped::line(moved.what).to_string());
            bar.enable_steady_tick(Duration::from_millis(200));
            bar
        });
        if moved.total > 0 {
            bar.set_length(moved.total);
        }
        bar.set_position(moved.done);
    }

    /// Takes all bars away.
    pub fn clear(&mut self) {
        for (_, bar) in self.each.drain() {
            bar.finish_and_clear();
        }
    }

    /// Writes something above the bars.
    pub fn aside(&self, write: impl FnOnce()) {
        self.all.suspend(write);
    }
}

fn looks() -> ProgressStyle {
    let template = "  {bar:24} {bytes:>10} / {total_bytes:10} {wide_msg}";
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(steps: &[(i64, u64)]) -> Vec<u64> {
        let mut pace = Pace::default();
        let due = steps.iter().filter(|(second, done)| {
            let at = DateTime::from_timestamp(*second, 0).unwrap_or_default();
            let moved = Moved {
                what: "x",
                done: *done,
                total: 100,
            };
            pace.is_due(moved, at)
        });
        due.map(|(_, done)| *done).collect()
    }

    #[test]
    fn a_fast_pull_tells_each_quarter_and_its_end_once() {
        let steps: Vec<_> = (0..=100).chain([100]).map(|done| (0, done)).collect();
        assert_eq!(told(&steps), [0, 25, 50, 75, 100]);
    }

    #[test]
    fn a_slow_pull_tells_every_five_seconds() {
        let steps: Vec<_> = (0..=12).map(|second| (second, 1)).collect();
        assert_eq!(told(&steps).len(), 3);
    }

    #[test]
    fn an_unknown_total_is_told_in_bytes() {
        let moved = Moved {
            what: "x",
            done: 2_048,
            total: 0,
        };
        assert_eq!(moved.words(), "x: 2.0 kB");
    }
}
