//! The sweep: the K-th call of each kind that the agent makes, struck for K = 1, 2, 3… until there
//! is no such call any more: `make sweep`.
//!
//! `SWEEP` is `full`, or `drawn` for calls drawn from `SEED`; `SCENARIO` names the scenarios of a
//! full one and `CALL` the calls, `FROM` is the first K, `STRIDE` takes every n-th. It refuses to know
//! how a call is struck and what becomes of it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Mutex;
use std::thread;
use std::time::Instant;

use super::calls::{self, CALLS, Calls, INJECTIONS};
use super::cell::{Cell, Fault, Moment, Scenario, Thread};
use super::draw::Dice;
use super::harness::app::App;
use super::judge::Verdict;
use super::scene::Scene;
use super::tally::Tally;
use super::{Asked, guarded, slots, struck, variable};

/// What a drawn sweep draws from, and a full one goes through.
const SCENARIOS: [Scenario; 3] = [Scenario::Good, Scenario::Exits, Scenario::Rollback];

/// How many cells a slot of a drawn sweep plays however long its stage took to set up.
const AT_LEAST: u32 = 3;

/// How often a call is tried to be struck: what wakes another thread is a `write` too, comes when it
/// likes, and then the n-th call is about no disk.
const TRIES: u32 = 3;

/// How often in a row the laboratory may fail before a lane is given up.
const FAILURES: u32 = 3;

/// What is asked for.
pub enum Sweep {
    Full(Full),
    Drawn,
}

/// Every call, or every n-th.
pub struct Full {
    lanes: Mutex<VecDeque<Lane>>,
    from: u64,
    stride: u64,
}

/// All calls of one kind, struck in one way.
#[derive(Clone)]
struct Lane {
    scenario: Scenario,
    thread: Thread,
    call: &'static str,
    fault: Fault,
}

/// A scenario on a server, and the calls in it.
struct Stage {
    scene: Scene,
    calls: Calls,
}

impl Lane {
    fn key(&self) -> (Thread, String) {
        (self.thread, self.call.to_owned())
    }

    fn cell(&self, nth: u64) -> Cell {
        Cell {
            scenario: self.scenario,
            fault: self.fault,
            moment: Moment::Call(self.thread, self.call.to_owned(), nth),
            again: None,
            who: None,
        }
    }
}

impl Sweep {
    /// What `SWEEP` asks for, if it is set.
    pub fn asked() -> Option<Self> {
        match variable::<String>("SWEEP")?.as_str() {
            "drawn" => Some(Self::Drawn),
            _ => Some(Self::Full(Full {
                lanes: Mutex::new(lanes()),
                from: variable("FROM").unwrap_or(1),
                stride: variable("STRIDE").unwrap_or(1),
            })),
        }
    }

    /// Goes through it on all slots and prints what came of it; says whether all is well.
    pub fn run(&self, asked: &Asked) -> bool {
        let (begun, tally) = (Instant::now(), Mutex::default());
        println!("SEED={}", asked.seed);
        thread::scope(|threads| {
            for (number, _) in (0..).zip(0..slots()) {
                let tally = &tally;
                threads.spawn(move || match self {
                    Self::Full(full) => full.work(asked, tally),
                    Self::Drawn => drawn(asked, asked.seed + number, tally),
                });
            }
        });
        let tally: Tally = tally.into_inner().unwrap();
        print(&tally, begun);
        tally.is_kept()
    }
}

/// The most frequent calls first, so that no slot is left alone with them at the end.
fn lanes() -> VecDeque<Lane> {
    let (scenarios, names) = (variable("SCENARIO"), variable("CALL"));
    let of = |scenario| {
        let calls = CALLS.into_iter().flat_map(|call| {
            let threads = Thread::ALL.map(|(thread, _)| (thread, call));
            threads.into_iter()
        });
        calls.flat_map(move |(thread, call)| {
            INJECTIONS.map(|(fault, _)| Lane {
                scenario,
                thread,
                call,
                fault,
            })
        })
    };
    let one_of = |words: &Option<String>, word: &str| {
        let mut words = words.iter().map(|text| text.split(' '));
        words.all(|mut words| words.any(|each| each == word))
    };
    let is_wanted =
        |lane: &Lane| one_of(&scenarios, &lane.scenario.to_string()) && one_of(&names, lane.call);
    SCENARIOS
        .into_iter()
        .flat_map(of)
        .filter(is_wanted)
        .collect()
}

impl Full {
    fn work(&self, asked: &Asked, tally: &Mutex<Tally>) {
        let mut stage = None;
        loop {
            let Some(lane) = self.lanes.lock().unwrap().pop_front() else {
                return;
            };
            let (mut count, mut failed) = (0, 0);
            let strides = (self.from..).step_by(usize::try_from(self.stride).unwrap());
            for nth in strides.take_while(|_| Instant::now() < asked.until) {
                let fired = guarded(tally, &lane.cell(nth).to_string(), || {
                    // The old one's slot has to be free before a new one is leased.
                    stage.take_if(|s: &mut Stage| s.scene.scenario != lane.scenario);
                    let stage = stage.get_or_insert_with(|| Stage::set_up(lane.scenario));
                    let calls = stage.calls.get(&lane.key()).cloned().unwrap_or_default();
                    count = calls.len() as u64;
                    if count == 0 || !may_fail(lane.fault, &calls, nth) {
                        return count > 0;
                    }
                    let tries = if nth > count { 1 } else { TRIES };
                    let cell = lane.cell(nth);
                    (0..tries).any(|_| struck(asked, &mut stage.scene, &cell, nth, tally))
                });
                match fired {
                    Some(true) => failed = 0,
                    Some(false) if nth > count => break,
                    // A run without a fault makes this call, and this run did not.
                    Some(false) => tally.lock().unwrap().unstruck += 1,
                    None => {
                        stage = None;
                        failed += 1;
                    }
                }
                if failed == FAILURES {
                    break;
                }
            }
        }
    }
}

/// Says whether the n-th of these calls can meet a fault: an agent may die in any, and only what is
/// about the disk can fail as one. Beyond those that are known, it can.
fn may_fail(fault: Fault, calls: &[bool], nth: u64) -> bool {
    let at = usize::try_from(nth).unwrap() - 1;
    fault == Fault::Kill || calls.get(at).copied().unwrap_or(true)
}

/// Draws scenario, thread and call, each as likely as any other, until the time is over.
fn drawn(asked: &Asked, seed: u64, tally: &Mutex<Tally>) {
    let mut dice = Dice::new(seed);
    let scenario = *dice.one(&SCENARIOS);
    let mut stage = None;
    for number in 0.. {
        if number >= AT_LEAST && Instant::now() > asked.until {
            break;
        }
        let fired = guarded(tally, &format!("{scenario} seed {seed}"), || {
            let stage = stage.get_or_insert_with(|| Stage::set_up(scenario));
            let of: Vec<_> = stage.calls.iter().collect();
            let ((thread, name), calls) = dice.one(&of);
            let fault = dice.one(&INJECTIONS).0;
            let nth = 1 + dice.below(calls.len() as u64);
            if !may_fail(fault, calls, nth) {
                return true;
            }
            let cell = Cell {
                scenario,
                fault,
                moment: Moment::Call(*thread, name.clone(), nth),
                again: None,
                who: None,
            };
            struck(asked, &mut stage.scene, &cell, seed, tally)
        });
        match fired {
            Some(true) => {}
            Some(false) => tally.lock().unwrap().unstruck += 1,
            None => stage = None,
        }
    }
}

impl Stage {
    fn set_up(scenario: Scenario) -> Self {
        let mut scene = Scene::set_up(App::empty(), scenario);
        let calls = calls::census(&mut scene);
        Self { scene, calls }
    }
}

/// How often each kind of call was struck and survived, and every broken promise.
fn print(tally: &Tally, begun: Instant) {
    let mut lanes = BTreeMap::<String, BTreeMap<&str, (usize, usize)>>::new();
    for entry in &tally.entries {
        let mut words = entry.cell.splitn(3, '/');
        let (scenario, fault, call) = (words.next(), words.next(), words.next());
        let call = call.and_then(|c| c.split('#').next()).unwrap_or_default();
        let lane = format!("{} {call}", scenario.unwrap_or_default());
        let counts = lanes.entry(lane).or_default();
        let counts = counts.entry(fault.unwrap_or_default()).or_default();
        counts.0 += usize::from(entry.verdict.is_kept());
        counts.1 += 1;
    }
    println!();
    for (lane, faults) in lanes {
        let words = faults
            .iter()
            .map(|(f, (kept, all))| format!("{f} {kept}/{all}"));
        println!("{lane:<32}{}", words.collect::<Vec<_>>().join(", "));
    }
    let verdicts = Verdict::ALL.map(|v| format!("{v} {}", tally.count(v)));
    println!("{}", verdicts.join(", "));
    let cells = tally.entries.len();
    println!(
        "calls struck: {cells} in {} s; drawn and not made: {}; the laboratory failed: {}",
        begun.elapsed().as_secs(),
        tally.unstruck,
        tally.broken.len()
    );
    tally.print_faults();
}
