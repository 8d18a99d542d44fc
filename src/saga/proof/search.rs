//! Which runs are made: failing calls, failing undos, first and second deaths, put together.
//!
//! It refuses to know what is right; it counts, and keeps the seed of what is wrong.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;
use std::path::Path;
use std::rc::Rc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::explore::{self, Print, Trail, deaths, died, fresh};
use super::life::{Call, Fault, Keep, Life, Phase};
use super::scenes::Scene;
use super::seed::{self, Death, Lot};
use crate::words::event::Status;

/// What a search has found.
#[derive(Debug, Clone, Default)]
pub struct Found {
    pub runs: usize,
    /// Lives that were carried out; a run that goes on as one before it needs no more of them.
    pub lives: usize,
    pub ends: BTreeMap<String, usize>,
    pub kinds: BTreeMap<&'static str, usize>,
    pub wrong: Vec<(String, String)>,
}

impl Found {
    pub fn told(&self) -> String {
        format!(
            "{} runs in {} lives: {:?}, ended {:?}",
            self.runs, self.lives, self.kinds, self.ends
        )
    }

    /// The shortest seeds that fail, each with its complaint and the command that replays it.
    pub fn worst(&self) -> String {
        let mut wrong = self.wrong.clone();
        wrong.sort_by_key(|(seed, _)| (seed.split(' ').count(), seed.len()));
        let mut seen = BTreeSet::new();
        let news = wrong.iter().filter(|(seed, why)| {
            let scene = seed.split(' ').next();
            seen.insert((scene, why.chars().take(60).collect::<String>()))
        });
        let lines = news.take(12).map(|(seed, why)| {
            format!(
                "{why}\n  LANDFALL_SEED=\"{seed}\" cargo test --lib proof::replay -- --nocapture\n"
            )
        });
        let all: String = lines.collect();
        format!("{} runs ended wrongly, such as\n{all}", self.wrong.len())
    }

    fn count(
        &mut self,
        kind: &'static str,
        verdict: Result<Option<Status>, String>,
        seed: impl Fn() -> String,
    ) {
        self.runs += 1;
        *self.kinds.entry(kind).or_default() += 1;
        match verdict {
            Ok(status) => {
                let word = status.map_or("untouched", Status::word);
                *self.ends.entry(word.to_owned()).or_default() += 1;
            }
            Err(why) => self.wrong.push((seed(), why)),
        }
    }

    fn add(&mut self, other: Self) {
        self.lives += other.lives;
        self.repeat(&other);
        self.wrong.extend(other.wrong);
    }

    /// Counts runs that go on exactly as these did.
    fn repeat(&mut self, these: &Self) {
        self.runs += these.runs;
        for (word, n) in &these.ends {
            *self.ends.entry(word.clone()).or_default() += n;
        }
        for (word, n) in &these.kinds {
            *self.kinds.entry(word).or_default() += n;
        }
    }

    fn clone_counts(&self) -> Self {
        Self {
            wrong: Vec::new(),
            ..self.clone()
        }
    }

    /// What has been counted since.
    fn since(&self, before: &Self) -> Self {
        let mut news = self.clone_counts();
        news.runs -= before.runs;
        for (word, n) in &mut news.ends {
            *n -= before.ends.get(word).copied().unwrap_or_default();
        }
        for (word, n) in &mut news.kinds {
            *n -= before.kinds.get(word).copied().unwrap_or_default();
        }
        news
    }
}

/// How much is searched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// Every failing act and every death, and a little of what comes behind them: the share of a
    /// build that is not optimised.
    Brief,
    /// Every failing act and every death; what comes behind them wholly in some scenes, and behind
    /// every fortieth of them in the others.
    Daily,
    /// Second deaths and failing undos behind every death, one more death behind a failing act.
    Broad,
    /// Every combination, millions of runs.
    Whole,
}

impl Extent {
    /// What `LANDFALL_PROOF` asks for.
    pub fn asked() -> Self {
        match std::env::var("LANDFALL_PROOF").unwrap_or_default().as_str() {
            "whole" => Self::Whole,
            "broad" => Self::Broad,
            _ if cfg!(debug_assertions) => Self::Brief,
            _ => Self::Daily,
        }
    }

    /// How many are passed over to follow one further.
    fn stride(self, scene: &str) -> usize {
        match self {
            Self::Brief => 60,
            Self::Daily if !WHOLLY.contains(&scene) => 40,
            _ => 1,
        }
    }
}

/// The scenes that are searched deeply every day.
const WHOLLY: [&str; 3] = ["first", "upgrade-bad", "rollback-pruned"];

/// A call that fails first, if one does, and how far its consequences are followed.
#[derive(Debug, Clone, Copy)]
struct Job {
    fault: Option<Fault>,
    depth: Depth,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Depth {
    /// The failure alone.
    Alone,
    /// With every failing undo, every death on the way back and what is left of a second.
    Deep,
}

/// A part of a scene's search: some of its first failures, and some of its first deaths.
#[derive(Debug, Clone, Copy)]
struct Share {
    scene: &'static str,
    nth: usize,
    of: usize,
}

impl Share {
    /// The whole search of a scene, in shares that are worth a processor each.
    fn all_of(scene: &'static str) -> impl Iterator<Item = Self> {
        let of = if WHOLLY.contains(&scene) { 12 } else { 2 };
        (0..of).map(move |nth| Self { scene, nth, of })
    }

    /// What is this share's of so many: neighbours, since they go on alike.
    fn of(self, many: usize) -> Range<usize> {
        many * self.nth / self.of..many * (self.nth + 1) / self.of
    }
}

/// Searches all of some scenes, a share at a time on every core; the longest ones first, so that no
/// core waits for another at the end.
pub fn all(scenes: &[&'static str], extent: Extent) -> Found {
    let mut scenes = scenes.to_vec();
    scenes.sort_by_key(|name| !WHOLLY.contains(name));
    let shares: Vec<Share> = scenes.into_iter().flat_map(Share::all_of).collect();
    let next = AtomicUsize::new(0);
    let found = Mutex::new(Found::default());
    let work = || {
        let dir = tempfile::tempdir().expect("a directory");
        while let Some(share) = shares.get(next.fetch_add(1, Ordering::Relaxed)) {
            let own = search(&scene_in(dir.path(), share.scene), *share, extent);
            found.lock().expect("a lock").add(own);
        }
    };
    std::thread::scope(|threads| {
        for _ in 0..std::thread::available_parallelism().map_or(2, usize::from) {
            threads.spawn(work);
        }
    });
    found.into_inner().expect("a lock")
}

pub fn scene_in(dir: &Path, name: &'static str) -> Rc<Scene> {
    let own = dir.join(name);
    std::fs::create_dir_all(own.join("data")).expect("a directory");
    Scene::of(name, &own)
}

fn search(scene: &Rc<Scene>, share: Share, extent: Extent) -> Found {
    let (mut known, mut found) = (Known::default(), Found::default());
    let mut search = Search {
        extent,
        scene,
        share,
        known: &mut known,
        found: &mut found,
    };
    search.job(Job {
        fault: None,
        depth: Depth::Deep,
    });
    let failures = failures(scene);
    for job in &failures[share.of(failures.len())] {
        search.job(*job);
    }
    found
}

/// Every call failing clean, half-done and done; the first of its kind in a step is followed far.
fn failures(scene: &Rc<Scene>) -> Vec<Job> {
    let mut jobs = Vec::new();
    let mut seen = BTreeSet::new();
    for (call, made) in explore::live(scene, scene.before())
        .calls
        .iter()
        .enumerate()
    {
        for after in 0..=made.effects {
            let first = seen.insert((made.step.clone(), made.name, after));
            let deep = first && made.phase == Phase::Forward;
            let depth = if deep { Depth::Deep } else { Depth::Alone };
            let fault = Some(Fault { call, after });
            jobs.push(Job { fault, depth });
        }
    }
    jobs
}

/// One thread's search of one scene.
struct Search<'a> {
    extent: Extent,
    scene: &'a Rc<Scene>,
    share: Share,
    known: &'a mut Known,
    found: &'a mut Found,
}

/// What is known already of the runs that go on from a state.
#[derive(Default)]
pub struct Known {
    /// How a run that is settled from there ends.
    ends: HashMap<Print, Result<Option<Status>, String>>,
    /// Where every second death and every failing undo was tried.
    tried: HashMap<Print, Found>,
}

impl Search<'_> {
    fn job(&mut self, job: Job) {
        let faults: Vec<Fault> = job.fault.into_iter().collect();
        let lot = failing(faults.clone());
        let keep = if job.depth == Depth::Deep {
            Keep::Points
        } else {
            Keep::End
        };
        let (lived, after) = self.live(&fresh(self.scene), 0, &faults, keep);
        if job.fault.is_some() || self.share.nth == 0 {
            self.over("a fault", after, || vec![lot.clone()]);
        }
        if job.depth == Depth::Alone {
            return;
        }
        let from = job.fault.map_or(0, |f| f.call + 1);
        let stride = self.extent.stride(self.scene.name);
        let undos = undo_faults(&lived.calls, from, self.extent);
        let own = self.own(&job, undos.len());
        for (_, fault) in strided(undos, stride, own) {
            let lot = failing(faults.iter().copied().chain([fault]).collect());
            let (_, after) = self.live(&fresh(self.scene), 0, &lot.faults, Keep::End);
            self.over("a fault and a failing undo", after, || vec![lot.clone()]);
        }
        let deaths = deaths_of(&lived, job.fault.map(|_| Phase::Undo));
        let own = self.own(&job, deaths.len());
        for (nth, (death, at)) in strided(deaths, 1, own) {
            let lot = Lot {
                death: Some(death),
                ..lot.clone()
            };
            let trail = died(
                self.scene,
                &fresh(self.scene),
                &lived.points[at],
                death.loss,
            );
            let is_deep = job.fault.is_none() || self.extent == Extent::Whole;
            match (is_deep, nth % stride) {
                (true, 0) => self.settled(&lot, &trail),
                (true, _) => self.over("a death", trail, || vec![lot.clone()]),
                (false, 0) => self.over("a fault and a death", trail, || vec![lot.clone()]),
                (false, _) => {}
            }
        }
    }

    /// Which of so many consequences are looked at here: a failing call is one share's alone.
    fn own(&self, job: &Job, many: usize) -> Range<usize> {
        match job.fault {
            None => self.share.of(many),
            Some(_) => 0..many,
        }
    }

    /// What becomes of a run that died: settled, settled with a second death, with a failing undo.
    fn settled(&mut self, first: &Lot, trail: &Trail) {
        let print = trail.print();
        if let Some(tried) = self.known.tried.get(&print) {
            self.found.repeat(tried);
            return;
        }
        let before = self.found.clone_counts();
        let (lived, after) = self.live(trail, 1, &[], Keep::Points);
        self.over("a death", after, || vec![first.clone()]);
        for (death, at) in deaths_of(&lived, None) {
            let again = died(self.scene, trail, &lived.points[at], death.loss);
            let second = Lot {
                death: Some(death),
                ..Lot::default()
            };
            self.over("two deaths", again, || vec![first.clone(), second.clone()]);
        }
        for fault in undo_faults(&lived.calls, 0, self.extent) {
            let (_, after) = self.live(trail, 1, &[fault], Keep::End);
            let second = failing(vec![fault]);
            self.over("a death and a failing undo", after, || {
                vec![first.clone(), second.clone()]
            });
        }
        let tried = self.found.since(&before);
        self.known.tried.insert(print, tried);
    }

    fn live(&mut self, from: &Trail, nth: usize, faults: &[Fault], keep: Keep) -> (Life, Trail) {
        self.found.lives += 1;
        explore::life(self.scene, from, nth, faults, keep)
    }

    /// Settles what is left, and counts how it ends.
    fn over(&mut self, kind: &'static str, trail: Trail, lots: impl Fn() -> Vec<Lot>) {
        let print = trail.print();
        let verdict = self.known.ends.entry(print).or_insert_with(|| {
            self.found.lives += 1;
            explore::settle(self.scene, trail, 1, Keep::End)
        });
        let verdict = verdict.clone();
        self.found
            .count(kind, verdict, || seed::write(self.scene.name, &lots()));
    }
}

/// The deaths of a life, each with its point; only those in a phase, if one is asked for.
fn deaths_of(lived: &Life, phase: Option<Phase>) -> Vec<(Death, usize)> {
    let asked = |at: &usize| phase.is_none_or(|phase| lived.points[*at].phase == phase);
    let points = (0..lived.points.len()).filter(asked);
    points
        .flat_map(|at| deaths(&lived.points, at).into_iter().map(move |d| (d, at)))
        .collect()
}

/// Those of a range that the stride meets, each with its number.
fn strided<T>(all: Vec<T>, stride: usize, range: Range<usize>) -> impl Iterator<Item = (usize, T)> {
    let met = all.into_iter().enumerate().step_by(stride);
    met.filter(move |(nth, _)| range.contains(nth))
}

fn failing(faults: Vec<Fault>) -> Lot {
    Lot {
        faults,
        death: None,
    }
}

/// The failures, clean and half-done, of the calls that take a step back; usually the first call of
/// its kind in each step.
fn undo_faults(calls: &[Call], from: usize, extent: Extent) -> Vec<Fault> {
    let mut seen = BTreeSet::new();
    let mut faults = Vec::new();
    for (call, made) in calls.iter().enumerate().skip(from) {
        if made.phase != Phase::Undo || made.name == "journal note" {
            continue;
        }
        for after in 0..=made.effects {
            let first = seen.insert((&made.step, made.name, after));
            if first || extent == Extent::Whole {
                faults.push(Fault { call, after });
            }
        }
    }
    faults
}
