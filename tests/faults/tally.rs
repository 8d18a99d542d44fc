//! Counts what the cells came to, and prints the histogram.
//!
//! It refuses to know how a verdict was reached.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use landfall::fault::POINTS;

use super::judge::Verdict;

/// One cell that counts.
pub struct Entry {
    pub verdict: Verdict,
    pub gap: Duration,
    /// From a SIGKILL of the agent to the record that the run is being taken back.
    pub back: Option<Duration>,
    /// The text that replays it, and its seed.
    pub cell: String,
    pub seed: u64,
    /// What is wrong.
    pub detail: String,
}

/// All cells of a tool, and what came of none of them.
#[derive(Default)]
pub struct Tally {
    pub entries: Vec<Entry>,
    /// Faults that did not provably strike.
    pub unstruck: usize,
    /// Cells in which something died again.
    pub again: usize,
    /// Cells that were told `rollback_failed`.
    pub stuck: usize,
    /// Cells that the laboratory could not play.
    pub broken: Vec<String>,
    /// The crash points that runs without a fault came by.
    pub passed: BTreeSet<String>,
    /// What finished runs left lying about, by cell.
    pub litter: Vec<String>,
}

impl Tally {
    /// How many cells came to a verdict.
    pub fn count(&self, verdict: Verdict) -> usize {
        self.entries.iter().filter(|e| e.verdict == verdict).count()
    }

    fn broken_promises(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(|e| !e.verdict.is_kept())
    }

    /// Prints what the laboratory could not play, what was left lying about, and broken promises.
    pub fn print_faults(&self) {
        for text in &self.broken {
            println!("LAB    {text}");
        }
        for text in &self.litter {
            println!("LITTER {text}");
        }
        for Entry {
            verdict,
            cell,
            seed,
            detail,
            ..
        } in self.broken_promises()
        {
            println!("{verdict:<10} make faults CELL='{cell}'   # seed {seed}");
            println!("      {detail}");
        }
    }

    /// Says whether every promise was kept, and enough was tried to say so.
    pub fn is_kept(&self) -> bool {
        self.broken_promises().next().is_none()
            && self.litter.is_empty()
            && !self.entries.is_empty()
            && self.broken.len() * 10 <= self.entries.len()
    }
}

/// Prints the tool's histogram beside that of deployments by hand, and every broken promise.
pub fn print(landfall: &Tally, by_hand: &Tally) {
    println!(
        "\n{:<22}{:>10}  {:>22}",
        "", "landfall", "docker compose up -d"
    );
    for verdict in Verdict::ALL {
        let (ours, theirs) = (landfall.count(verdict), by_hand.count(verdict));
        println!("{verdict:<22}{ours:>10}  {theirs:>22}");
    }
    let (ours, theirs) = (landfall.entries.len(), by_hand.entries.len());
    println!("{:<22}{ours:>10}  {theirs:>22}", "cells");
    let gaps = |tally: &Tally| spread(tally.entries.iter().map(|e| e.gap));
    let (ours, theirs) = (gaps(landfall), gaps(by_hand));
    println!(
        "{:<22}{:>10}  {:>22}",
        "longest gap, median", ours.0, theirs.0
    );
    println!(
        "{:<22}{:>10}  {:>22}",
        "longest gap, most", ours.2, theirs.2
    );
    let back = landfall.entries.iter().filter_map(|e| e.back);
    let n = back.clone().count();
    let (median, p99, _) = spread(back);
    println!(
        "{:<22}{median:>10}  (99 %: {p99}, of {n}; mark 5 s)",
        "kill to going back"
    );
    println!(
        "died twice: {}; told rollback_failed: {}; struck nothing and drawn again: {}; the laboratory failed: {}",
        landfall.again,
        landfall.stuck,
        landfall.unstruck + by_hand.unstruck,
        landfall.broken.len() + by_hand.broken.len()
    );
    by_fault(landfall);
    by_point(landfall);
    for text in &by_hand.broken {
        println!("LAB    {text}");
    }
    landfall.print_faults();
}

/// How many crash points there were to draw from, and which no run came by.
fn by_point(tally: &Tally) {
    let never = POINTS.iter().filter(|name| !tally.passed.contains(**name));
    let never: Vec<_> = never.copied().collect();
    let (passed, all) = (POINTS.len() - never.len(), POINTS.len());
    println!(
        "crash points come by: {passed} of {all}; not: {}",
        never.join(" ")
    );
}

/// How often each fault was survived, of how often it struck.
fn by_fault(tally: &Tally) {
    let mut faults: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for entry in &tally.entries {
        let fault = entry.cell.split('/').nth(1).unwrap_or_default();
        let counts = faults.entry(fault).or_default();
        counts.0 += usize::from(entry.verdict.is_kept());
        counts.1 += 1;
    }
    let words = faults
        .iter()
        .map(|(fault, (kept, all))| format!("{fault} {kept}/{all}"));
    println!("survived: {}", words.collect::<Vec<_>>().join(", "));
}

/// Median, 99th percentile and maximum, as words.
fn spread(times: impl Iterator<Item = Duration>) -> (String, String, String) {
    let mut times: Vec<Duration> = times.collect();
    times.sort();
    let at = |percent: usize| {
        let index = (times.len() * percent).div_ceil(100).max(1) - 1;
        let time = times.get(index);
        time.map_or("-".into(), |t| format!("{:.2} s", t.as_secs_f64()))
    };
    (at(50), at(99), at(100))
}
