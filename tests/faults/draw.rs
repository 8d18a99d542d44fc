//! Draws cells from a seed: the same seed and the same census give the same cell.
//!
//! It refuses to know what becomes of a cell.

use std::collections::BTreeMap;

use landfall::fault::POINTS;

use super::actor::Actor;
use super::cell::{Cell, Fault, Moment, Scenario};

/// How often each crash point, with what it was about, is come by in a run without a fault.
pub type Census = BTreeMap<String, u64>;

/// Faults that are drawn as often as all the others together: those of the agent itself.
const OF_THE_AGENT: [Fault; 4] = [Fault::Kill, Fault::KillGroup, Fault::Stop, Fault::Error];
const AROUND_IT: [Fault; 10] = [
    Fault::Runner,
    Fault::Cancel,
    Fault::SshKill,
    Fault::SshDrop,
    Fault::SshReset,
    Fault::Dockerd,
    Fault::Power,
    Fault::Disk,
    Fault::DockerDisk,
    Fault::Registry,
];
/// Who does something, whether a run is at work or died and nobody has settled it.
const ANYBODY: [Actor; 8] = [
    Actor::Up,
    Actor::Edit,
    Actor::Pull,
    Actor::Prune,
    Actor::Move,
    Actor::Link,
    Actor::Clock,
    Actor::Second,
];
/// Points that cannot fail, by how they begin.
const INFALLIBLE: [&str; 8] = [
    "act.",
    "undo.",
    "tidy.",
    "group.",
    "agent.",
    "backup.archive.",
    "backup.description.",
    "journal.append.after",
];

/// Points that only a run on its way forth comes by, by how they begin.
const ONLY_FORTH: [&str; 8] = [
    "launch.", "agent.", "act.", "lock.", "stage.", "pull.", "backup.", "image.",
];

/// Points that a run comes by once it has opened and locked its directory. Where the path led before
/// is no matter of that run's.
const BEHIND_THE_LOCK: [&str; 12] = [
    "lock.take.after",
    "stage.",
    "compose.",
    "pull.",
    "backup.",
    "generation.",
    "files.",
    "restore.",
    "tag.",
    "start.",
    "stop.",
    "tidy.",
];
/// From this share of a run on it has, for certain.
const LOCKED: u64 = 40;

/// A small generator of random numbers (`SplitMix64`).
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `n`.
    pub fn below(&mut self, n: u64) -> u64 {
        self.next() % n.max(1)
    }

    /// One of some things.
    pub fn one<'t, T>(&mut self, of: &'t [T]) -> &'t T {
        let at = self.below(of.len() as u64);
        &of[usize::try_from(at).unwrap()]
    }
}

/// Draws a cell of a scenario: two in three at a crash point, the others at any time; in one of
/// three somebody does something, beside the run or after its death.
pub fn draw(dice: &mut Dice, scenario: Scenario, census: &Census, only: Option<Actor>) -> Cell {
    let kinds = if only.is_some() { 2 } else { 6 };
    let (fault, who) = match dice.below(kinds) {
        0 => (Fault::Somebody, Some(somebody(dice, Actor::Older))),
        1 => (Fault::Both, Some(somebody(dice, Actor::Hand))),
        2 | 3 => (*dice.one(&OF_THE_AGENT), None),
        _ => (*dice.one(&AROUND_IT), None),
    };
    // What ours would make of another one's compose file is neither of the two that are known.
    let ships_all = !matches!(
        scenario,
        Scenario::Two | Scenario::Mutable | Scenario::Rollback
    );
    let is_known = |who: Actor| {
        let deploys = matches!(who, Actor::Second | Actor::Older);
        who.is_there() && (!deploys || ships_all || fault == Fault::Both)
    };
    let who = who.map(|who| if is_known(who) { who } else { Actor::Up });
    let who = only.or(who);
    let at_a_point = matches!(fault, Fault::Error | Fault::Both) || dice.below(3) > 0;
    let moment = if at_a_point {
        point(dice, fault, census)
    } else {
        Moment::Share(dice.below(100))
    };
    let leads_elsewhere = |who: Actor| matches!(who, Actor::Move | Actor::Link);
    let who = who.map(|who| match &moment {
        moment if leads_elsewhere(who) && !is_behind_the_lock(moment) => Actor::Up,
        _ => who,
    });
    let dies = matches!(fault, Fault::Kill | Fault::KillGroup) && at_a_point;
    let again = (dies && dice.below(2) == 0).then(|| on_the_way_back(dice));
    Cell {
        scenario,
        fault,
        moment,
        again,
        who,
    }
}

fn is_behind_the_lock(moment: &Moment) -> bool {
    match moment {
        Moment::Share(percent) => *percent >= LOCKED,
        Moment::Point(name, _) => BEHIND_THE_LOCK.iter().any(|begin| name.starts_with(begin)),
        Moment::Call(..) => false,
    }
}

/// Anybody, or one more who fits the moment.
fn somebody(dice: &mut Dice, more: Actor) -> Actor {
    let all: Vec<_> = ANYBODY.into_iter().chain([more]).collect();
    *dice.one(&all)
}

/// A point that whoever recovers may come by.
fn on_the_way_back(dice: &mut Dice) -> (String, u64) {
    let names = POINTS.iter().filter(|name| {
        let mut forth = ONLY_FORTH.iter();
        !forth.any(|begin| name.starts_with(begin))
    });
    let name = *dice.one(&names.collect::<Vec<_>>());
    ((*name).to_owned(), 1 + dice.below(2))
}

/// Every name is as likely as any other, however often it is come by.
fn point(dice: &mut Dice, fault: Fault, census: &Census) -> Moment {
    let may_fail = |name: &str| !INFALLIBLE.iter().any(|begin| name.starts_with(begin));
    let name_of = |full: &str| full.split(':').next().unwrap_or_default().to_owned();
    let mut names: Vec<String> = census.keys().map(|full| name_of(full)).collect();
    names.retain(|name| fault != Fault::Error || may_fail(name));
    // Before there is an agent, and behind the end that it has told, there are no two to die.
    let has_both = |name: &str| !name.starts_with("launch.") && !name.starts_with("tidy.");
    names.retain(|name| fault != Fault::Both || has_both(name));
    names.dedup();
    let name = dice.one(&names).clone();
    let full: Vec<_> = census.iter().filter(|(f, _)| name_of(f) == name).collect();
    let (full, count) = dice.one(&full);
    Moment::Point((*full).clone(), 1 + dice.below(**count))
}
