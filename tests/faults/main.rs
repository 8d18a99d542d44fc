//! Deployments with faults on real servers, and what they came to: `make faults`.
//!
//! `RUNS` says how many cells, `SEED` where the dice begin, `CELL` plays one and nothing else (`RUNS` times),
//! `WHO` lets one actor of `actor.rs` act in every cell, `SCENARIO` names the scenarios,
//! `PAUSE` how many seconds a SIGSTOP or a cut connection lasts, `BUDGET` for how many seconds
//! cells are begun. `SWEEP` strikes system calls instead, see `sweep.rs`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on has failed"
)]
#![allow(clippy::print_stdout, reason = "it prints what it found")]

mod actor;
mod by_hand;
mod calls;
mod cell;
mod draw;
#[allow(dead_code, reason = "scenes elsewhere need more of it")]
#[path = "../it/harness/mod.rs"]
mod harness;
mod judge;
mod play;
mod scene;
mod sweep;
mod tally;
mod watch;

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::str::FromStr;
use std::sync::Mutex;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use actor::Actor;
use cell::{Cell, Fault, Scenario};
use draw::Dice;
use harness::app::App;
use judge::Verdict;
use scene::{Scene, Standing};
use sweep::Sweep;
use tally::{Entry, Tally};

/// How often a cell whose fault struck nothing is drawn again.
const DRAWS: u64 = 4;

/// What is asked for.
struct Asked {
    runs: u64,
    seed: u64,
    pause: Duration,
    cell: Option<Cell>,
    who: Option<Actor>,
    until: Instant,
}

/// Cells of one scenario, for one server.
struct Batch {
    scenario: Scenario,
    tool: Tool,
    seeds: Vec<u64>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Tool {
    Landfall,
    ByHand,
}

fn main() -> ExitCode {
    let cell = variable("CELL");
    let asked = Asked {
        runs: variable("RUNS").unwrap_or(if cell.is_some() { 1 } else { 60 }),
        seed: variable("SEED").unwrap_or_else(|| u64::from(std::process::id())),
        pause: Duration::from_secs(variable("PAUSE").unwrap_or(3)),
        cell,
        who: variable("WHO"),
        until: Instant::now() + Duration::from_secs(variable("BUDGET").unwrap_or(1_000_000)),
    };
    if let Some(sweep) = Sweep::asked() {
        return ExitCode::from(u8::from(!sweep.run(&asked)));
    }
    println!("SEED={} RUNS={}", asked.seed, asked.runs);
    let queue = Mutex::new(batches(&asked));
    let tallies = [Mutex::default(), Mutex::default()];
    thread::scope(|threads| {
        for _ in 0..slots() {
            threads.spawn(|| work(&asked, &queue, &tallies));
        }
    });
    let [landfall, by_hand] = tallies.map(|t: Mutex<Tally>| t.into_inner().unwrap());
    tally::print(&landfall, &by_hand);
    let lost = play::LOST_PORTS.load(Ordering::Relaxed);
    println!("engines that came back with the port of a lost container: {lost}");
    let unplayed = unplayed(&asked, &landfall);
    for scenario in &unplayed {
        println!("no cell of `{scenario}` was played");
    }
    ExitCode::from(u8::from(!landfall.is_kept() || !unplayed.is_empty()))
}

/// The scenarios that were to be played, and of which nothing is known.
fn unplayed(asked: &Asked, tally: &Tally) -> Vec<Scenario> {
    let mut all = scenarios();
    all.truncate(usize::try_from(asked.runs).unwrap());
    all.retain(|scenario| {
        let begin = format!("{scenario}/");
        asked.cell.is_none() && !tally.entries.iter().any(|e| e.cell.starts_with(&begin))
    });
    all
}

/// A variable that is set to something; panics if that cannot be read.
fn variable<T: FromStr<Err: std::fmt::Debug>>(name: &str) -> Option<T> {
    let text = std::env::var(name).ok().filter(|text| !text.is_empty())?;
    Some(text.parse().unwrap())
}

fn slots() -> usize {
    let named = std::env::var("LANDFALL_LAB_SLOTS");
    named.map_or(2, |names| names.split_whitespace().count())
}

/// The scenarios that are asked for.
fn scenarios() -> Vec<Scenario> {
    let asked: Option<String> = variable("SCENARIO");
    let is_asked = |word: &str| {
        let mut words = asked.iter().map(|asked| asked.split(' '));
        words.all(|mut words| words.any(|each| each == word))
    };
    let all = Scenario::ALL.iter().filter(|(_, word)| is_asked(word));
    all.map(|(scenario, _)| *scenario).collect()
}

/// As many cells of each scenario, and a fifth as many by hand.
fn batches(asked: &Asked) -> VecDeque<Batch> {
    if let Some(cell) = &asked.cell {
        let (scenario, tool) = (cell.scenario, Tool::Landfall);
        let seeds = (0..asked.runs).map(|n| asked.seed + n).collect();
        return VecDeque::from([Batch {
            scenario,
            tool,
            seeds,
        }]);
    }
    let scenarios = scenarios();
    let all = scenarios.iter().zip(0..).map(|(scenario, at)| Batch {
        scenario: *scenario,
        tool: Tool::Landfall,
        seeds: (at..asked.runs)
            .step_by(scenarios.len())
            .map(|n| asked.seed + n)
            .collect(),
    });
    let by_hand = Batch {
        scenario: Scenario::Mutable,
        tool: Tool::ByHand,
        seeds: (0..(asked.runs / 5).max(4))
            .map(|n| asked.seed + n)
            .collect(),
    };
    let by_hand = Some(by_hand).filter(|_| asked.who.is_none());
    by_hand
        .into_iter()
        .chain(all)
        .filter(|b| !b.seeds.is_empty())
        .collect()
}

fn work(asked: &Asked, queue: &Mutex<VecDeque<Batch>>, tallies: &[Mutex<Tally>; 2]) {
    loop {
        let Some(batch) = queue.lock().unwrap().pop_front() else {
            return;
        };
        let mut scene = None;
        for seed in &batch.seeds {
            if Instant::now() > asked.until {
                break;
            }
            let tally = &tallies[batch.tool as usize];
            let text = format!("{} seed {seed}", batch.scenario);
            let played = guarded(tally, &text, || {
                let scene = scene.get_or_insert_with(|| set_up(&batch));
                let names = scene
                    .census
                    .keys()
                    .filter_map(|full| full.split(':').next());
                let names = names.map(ToOwned::to_owned);
                tally.lock().unwrap().passed.extend(names);
                match batch.tool {
                    Tool::Landfall => one_of_ours(asked, scene, *seed, tally),
                    Tool::ByHand => one_by_hand(scene, *seed, tally),
                }
            });
            if played.is_none() {
                scene = None;
            }
        }
    }
}

/// Plays something unless the laboratory fails.
fn guarded<T>(tally: &Mutex<Tally>, text: &str, play: impl FnOnce() -> T) -> Option<T> {
    let panic = match catch_unwind(AssertUnwindSafe(play)) {
        Ok(played) => return Some(played),
        Err(panic) => panic,
    };
    let why = panic.downcast_ref::<String>().cloned().unwrap_or_default();
    let text = format!("{text}: {why}");
    println!("LAB   {text}");
    tally.lock().unwrap().broken.push(text);
    None
}

fn set_up(batch: &Batch) -> Scene {
    let mut scene = Scene::set_up(App::empty(), batch.scenario);
    if batch.tool == Tool::ByHand {
        by_hand::set_up(&mut scene);
        scene.reset(Standing::Unknown);
    }
    scene
}

/// Draws and plays a cell until its fault strikes.
fn one_of_ours(asked: &Asked, scene: &mut Scene, seed: u64, tally: &Mutex<Tally>) {
    let mut dice = Dice::new(seed);
    for _ in 0..DRAWS {
        let drawn = || draw::draw(&mut dice, scene.scenario, &scene.census, asked.who);
        let cell = asked.cell.clone().unwrap_or_else(drawn);
        if struck(asked, scene, &cell, seed, tally) {
            return;
        }
        println!("  --  {cell} struck nothing");
        tally.lock().unwrap().unstruck += 1;
    }
}

/// Plays a cell and counts what it came to, if its fault struck; says whether it did.
fn struck(asked: &Asked, scene: &mut Scene, cell: &Cell, seed: u64, tally: &Mutex<Tally>) -> bool {
    let begun = Instant::now();
    let played = play::play(scene, cell, asked.pause);
    let Some(struck) = played.struck else {
        scene.reset(Standing::Unknown);
        return false;
    };
    let entry = judged(scene, cell, seed, struck, played, tally);
    let (verdict, text) = (entry.verdict, cell.to_string());
    let took = begun.elapsed().as_secs_f64();
    let gap = entry.gap.as_secs_f64();
    println!("{verdict:<10} {text:<64} gap {gap:>5.2} s, {took:>5.1} s");
    tally.lock().unwrap().entries.push(entry);
    // What somebody did may be there in an old release, too.
    scene.reset(if verdict == Verdict::Old && cell.who.is_none() {
        Standing::Old
    } else {
        Standing::Unknown
    });
    true
}

fn judged(
    scene: &Scene,
    cell: &Cell,
    seed: u64,
    struck: i64,
    played: play::Played,
    tally: &Mutex<Tally>,
) -> Entry {
    let (world, mut detail) = judge::world(scene, cell.who, played.left.as_ref());
    let (recorded, back) = judge::journal(scene, &played, struck);
    let told = [&played.told, &recorded];
    let lies = told
        .into_iter()
        .flatten()
        .any(|s| judge::is_lie(cell, s, world));
    let mut trespasses = judge::trespasses(scene);
    trespasses.extend(judge::undone(scene, cell, &played, world));
    let verdict = match &played.hung {
        Some(_) => Verdict::Hung,
        None if lies => Verdict::Lied,
        None if !trespasses.is_empty() => Verdict::Trespassed,
        None => world,
    };
    if !verdict.is_kept() {
        let log = keep_log(cell, &played.log);
        detail = format!(
            "world {world}, told {:?}, recorded {recorded:?}, hung {:?}, trespasses {trespasses:#?}, log {log}\n      {detail}",
            played.told, played.hung
        );
    }
    // What somebody did stays, be it a whole release or a line in a file: then the run of the dead
    // waits for a person, and keeps what it would be taken back from.
    let is_stuck = recorded.as_deref() == Some("rollback_failed");
    let waits = world == Verdict::Theirs || is_stuck && cell.who.is_some();
    let mut litter = if waits {
        Vec::new()
    } else {
        judge::litter(scene)
    };
    litter.extend(played.leftovers);
    if !litter.is_empty() {
        let text = format!("make faults CELL='{cell}'   # {litter:?}");
        tally.lock().unwrap().litter.push(text);
    }
    tally.lock().unwrap().again += usize::from(played.again);
    let gave_up = played.told.as_deref() == Some("rollback_failed");
    tally.lock().unwrap().stuck += usize::from(gave_up);
    let killed = matches!(cell.fault, Fault::Kill | Fault::KillGroup);
    let back = back.filter(|_| killed).map(|at| at - struck);
    Entry {
        verdict,
        gap: played.gap,
        back: back.and_then(|ms| Some(Duration::from_millis(ms.try_into().ok()?))),
        cell: cell.to_string(),
        seed,
        detail,
    }
}

/// Keeps what was printed; where.
fn keep_log(cell: &Cell, log: &str) -> String {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/.lab/faults");
    let name = cell.to_string().replace(['/', ':', '#'], "_");
    let path = format!("{folder}/{name}.log");
    std::fs::create_dir_all(folder).unwrap();
    std::fs::write(&path, log).unwrap();
    path
}

fn one_by_hand(scene: &mut Scene, seed: u64, tally: &Mutex<Tally>) {
    let mut dice = Dice::new(seed);
    for _ in 0..DRAWS {
        let played = by_hand::play(scene, &mut dice);
        scene.reset(Standing::Unknown);
        let Some(by_hand::ByHand { verdict, gap, cell }) = played else {
            tally.lock().unwrap().unstruck += 1;
            continue;
        };
        println!("{verdict:<10} {cell:<64} gap {:>5.2} s", gap.as_secs_f64());
        let (back, detail) = (None, String::new());
        let entry = Entry {
            verdict,
            gap,
            back,
            cell,
            seed,
            detail,
        };
        tally.lock().unwrap().entries.push(entry);
        return;
    }
}
