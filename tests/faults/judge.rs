//! Judges what a cell left, by looking for itself: containers, files, references, answers.
//!
//! It trusts nothing that Landfall says, and holds what it said against what is there.

use std::collections::BTreeSet;
use std::fmt;
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::actor::{Actor, Left};
use super::cell::{Cell, Fault, Scenario};
use super::harness::oracle::Release;
use super::play::Played;
use super::scene::{Scene, answers};

/// How long a release may take to stand after the next contact has ended.
const SETTLING: Duration = Duration::from_secs(12);
/// What stays of a finished run.
const KEPT: [&str; 6] = [
    "journal",
    // Its place among the runs, whatever clocks say.
    "number.json",
    "journal.damaged",
    "alive",
    "starting",
    "agent.log",
];

/// What a cell came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// The old release, exactly.
    Old,
    /// The new release, healthy.
    New,
    /// What somebody else left.
    Theirs,
    /// Neither, and something answers.
    Mixed,
    /// Neither, and nothing answers.
    Down,
    /// Something never ended, or still holds the directory.
    Hung,
    /// Somebody was told what is not so.
    Lied,
    /// What is not this deployment's is not as it was.
    Trespassed,
}

impl Verdict {
    pub const ALL: [Self; 8] = [
        Self::Old,
        Self::New,
        Self::Theirs,
        Self::Mixed,
        Self::Down,
        Self::Hung,
        Self::Lied,
        Self::Trespassed,
    ];

    /// Says whether the promise was kept.
    pub fn is_kept(self) -> bool {
        matches!(self, Self::Old | Self::New | Self::Theirs)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Old => "OLD",
            Self::New => "NEW",
            Self::Theirs => "THEIRS",
            Self::Mixed => "MIXED",
            Self::Down => "DOWN",
            Self::Hung => "HUNG",
            Self::Lied => "LIED",
            Self::Trespassed => "TRESPASSED",
        })
    }
}

/// Looks until the release is the old one, the new one or what somebody left, or has had its time;
/// what is wrong with it.
pub fn world(scene: &Scene, who: Option<Actor>, left: Option<&Left>) -> (Verdict, String) {
    let begun = Instant::now();
    let aside = |release: &Release| who.map_or_else(|| release.clone(), |who| who.aside(release));
    let (old, new) = (aside(&scene.old), scene.new.as_ref().map(aside));
    loop {
        let now = scene.app.release();
        let says = answers(&scene.app);
        let but = aside(&now);
        if but == old && says == scene.answers[0] {
            return (Verdict::Old, String::new());
        }
        if new.as_ref() == Some(&but) && says == scene.answers[1] {
            return (Verdict::New, String::new());
        }
        if let (Some(who), Some(left)) = (who, left)
            && left.is(who, &now, &says)
        {
            return (Verdict::Theirs, String::new());
        }
        if begun.elapsed() > SETTLING {
            let answered = says.iter().any(Option::is_some) || scene.scenario == Scenario::First;
            let verdict = if answered {
                Verdict::Mixed
            } else {
                Verdict::Down
            };
            return (verdict, differences(scene, &now, &says));
        }
        sleep(Duration::from_millis(100));
    }
}

fn differences(scene: &Scene, now: &Release, says: &[Option<String>]) -> String {
    let from = |name: &str, then: &Release| {
        let mut parts = Vec::new();
        if then.services != now.services {
            parts.push(format!(
                "services {:?} for {:?}",
                now.services, then.services
            ));
        }
        if then.tags != now.tags {
            let tags: Vec<_> = then.tags.symmetric_difference(&now.tags).collect();
            parts.push(format!("tags {tags:?}"));
        }
        if then.tree != now.tree {
            let paths: BTreeSet<_> = then.tree.keys().chain(now.tree.keys()).collect();
            let mut paths = paths.into_iter();
            let differing = paths
                .by_ref()
                .filter(|p| then.tree.get(*p) != now.tree.get(*p));
            parts.push(format!("files {:?}", differing.collect::<Vec<_>>()));
        }
        if then.plumbing != now.plumbing {
            parts.push(format!("plumbing {:?}", now.plumbing));
        }
        format!("{name}: {}", parts.join("; "))
    };
    let old = from("against old", &scene.old);
    let new = scene.new.as_ref().map(|new| from("against new", new));
    format!(
        "answers {says:?}\n      {old}\n      {}",
        new.unwrap_or_default()
    )
}

/// Says whether a status is a lie about a world.
pub fn is_lie(cell: &Cell, status: &str, world: Verdict) -> bool {
    match status {
        // Beside a run, somebody's own release may be the one before it or the one after.
        _ if world == Verdict::Theirs && cell.fault == Fault::Somebody => false,
        // Nothing of it was begun, or it had landed before somebody deployed.
        "refused" | "deployed" | "restored" if world == Verdict::Theirs => false,
        "deployed" | "restored" => world != Verdict::New,
        "rolled_back" | "refused" => world != Verdict::Old,
        _ => false,
    }
}

/// The journal of the cell's run, if it has one: what it says of the end, and when somebody began
/// to take the run back after the fault struck. Times are in ms since 1970.
pub fn journal(scene: &Scene, played: &Played, struck: i64) -> (Option<String>, Option<i64>) {
    let script =
        "cd /srv/app-backups/.landfall/runs && for run in *; do cat $run/journal; echo --; done";
    let output = scene.app.slot.try_sh_as("root", script, b"");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    // Others may have tried to deploy after it.
    let of_the_cell = |records: &Vec<Value>| {
        let first = records.first().and_then(at);
        first.is_some_and(|at| at >= played.began)
    };
    let Some(records) = text.split("--\n").map(records).find(of_the_cell) else {
        return (None, None);
    };
    let told = records.last().filter(|r| r["event"] == "finished");
    let told = told.and_then(|r| r["outcome"]["outcome"].as_str());
    let back = records.iter().filter(|record| {
        record["event"] == "undo_started"
            || record["failure"]["kind"] == "interrupted"
            || record["event"] == "finished"
    });
    let back = back.filter_map(at).find(|at| *at > struck);
    let told = told.map(|word| word.replace("stuck", "rollback_failed"));
    (told, back)
}

/// What was undone of what somebody did.
pub fn undone(scene: &Scene, cell: &Cell, played: &Played, world: Verdict) -> Option<String> {
    let who = cell.who?;
    if cell.fault != Fault::Somebody && played.left.is_some() {
        let is_sound = world.is_kept() && !who.may_be().contains(&world);
        if is_sound {
            return Some(format!("somebody's release was undone: it is {world}"));
        }
    }
    who.undone(scene, cell.scenario, world)
}

/// What was done to others: neighbours, and the company in the application's own directories.
pub fn trespasses(scene: &Scene) -> Vec<String> {
    let mut wrong = scene.app.slot.trespasses();
    wrong.extend(scene.app.trespasses_on_company());
    wrong
}

/// The records of a journal, as far as they can be read.
fn records(journal: &str) -> Vec<Value> {
    let lines = journal.lines().filter_map(|line| line.split_once(' '));
    lines
        .filter_map(|(_, json)| serde_json::from_str(json).ok())
        .collect()
}

/// When a record was made.
fn at(record: &Value) -> Option<i64> {
    let at = record["at"]
        .as_str()?
        .parse::<chrono::DateTime<chrono::Utc>>();
    Some(at.ok()?.timestamp_millis())
}

/// What is left on the server that no finished run leaves.
pub fn litter(scene: &Scene) -> Vec<String> {
    let script = "cd /srv/app-backups
        find . -mindepth 1 -maxdepth 1 -not -name .landfall -not -type p -printf '%f\\n'; echo --
        cd .landfall/runs 2>/dev/null || exit 0
        for run in *; do ls -A $run | sed 's/^/run: /'; done";
    let text = scene.app.slot.sh(script);
    let (files, runs) = text.split_once("--\n").unwrap_or((&text, ""));
    let files: BTreeSet<&str> = files.lines().collect();
    let paired = |name: &&str| {
        let (archive, text) = (name.strip_suffix(".tar.gz"), name.strip_suffix(".json"));
        let other = match (archive, text) {
            (Some(stem), _) => format!("{stem}.json"),
            (_, Some(stem)) => format!("{stem}.tar.gz"),
            _ => return false,
        };
        files.contains(other.as_str())
    };
    let odd = files
        .iter()
        .filter(|name| !paired(name))
        .map(ToString::to_string);
    let of_runs = runs.lines().filter_map(|line| line.strip_prefix("run: "));
    let of_runs = of_runs
        .filter(|name| !KEPT.contains(name))
        .map(ToOwned::to_owned);
    odd.chain(of_runs).collect()
}
