//! Lives one after the other until the run is settled: the real saga on an imagined server.
//!
//! A death is a state that a life went through, taken up by the next life; so what two runs have
//! in common is run once.

use std::path::Path;
use std::rc::Rc;

use super::disk::ROOT;
use super::host::Fake;
use super::judge::judge;
use super::life::{self, Fault, Keep, Life, Point, State, Struck};
use super::scenes::Scene;
use super::seed::{Death, Loss, Lot};
use crate::files::rundir::RunDir;
use crate::saga::{again, run, settle};
use crate::words::Result;
use crate::words::event::{Event, Outcome, Record, Status};
use crate::words::line;
use crate::words::plan::Private;

/// How often a run may be settled before it counts as endless.
const LIVES: usize = 4;

/// What a run has come to so far.
#[derive(Debug, Clone)]
pub struct Trail {
    pub state: State,
    /// How the run ended in the eyes of whoever was told.
    pub told: Option<Status>,
    pub struck: Struck,
}

impl Trail {
    /// What the rest of the run depends on, and nothing else.
    pub fn print(&self) -> Print {
        (
            self.state.world.print(),
            self.state.disk.print(),
            self.told,
            self.struck,
        )
    }

    /// Nothing failed while taking back or cleaning up, so nothing may be left over either.
    pub fn is_spotless(&self) -> bool {
        self.struck == Struck::Forward
    }
}

/// Two runs with the same print go on in the same way.
pub type Print = (u64, u64, Option<Status>, Struck);

thread_local! {
    static RUNTIME: tokio::runtime::Runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime");
}

fn state_dir() -> std::path::PathBuf {
    Path::new(ROOT).join("state")
}

/// Where a scene's journal lies.
pub fn journal_of(scene: &Scene) -> String {
    format!("{ROOT}/state/runs/{}/journal", scene.plan.id)
}

/// Lets the scene's run begin.
async fn beginning(scene: &Scene) -> Result<Vec<Outcome>> {
    let dir = RunDir::of(&state_dir(), &scene.plan.id);
    let host = Fake::default();
    let run = run::begin(scene.plan.clone(), scene.private(), &host, &dir);
    run.await.map(|outcome| vec![outcome])
}

/// Lets the next contact settle what an earlier life left.
async fn settling(scene: &Scene) -> Result<Vec<Outcome>> {
    settle::all(&Fake::default(), &state_dir(), &scene.plan.site).await
}

/// Lets a person have the way back tried again.
async fn by_hand(scene: &Scene) -> Result<Vec<Outcome>> {
    again::by_hand(&Fake::default(), &state_dir(), &scene.plan.site).await
}

/// One life: the first one begins the run, a later one settles it.
pub fn life(
    scene: &Rc<Scene>,
    from: &Trail,
    nth: usize,
    faults: &[Fault],
    keep: Keep,
) -> (Life, Trail) {
    life::begin(scene, from.state.clone(), faults, keep);
    let ended = RUNTIME.with(|runtime| {
        runtime.block_on(async {
            match nth {
                0 => beginning(scene).await,
                _ => settling(scene).await,
            }
        })
    });
    let life = life::end();
    let outcome = ended.ok().and_then(|outcomes| outcomes.into_iter().next());
    let trail = Trail {
        state: life.state.clone(),
        told: from.told.or(outcome.map(|o| o.status())),
        struck: from.struck.max(life.struck),
    };
    (life, trail)
}

/// The life of another agent, whose deployment of the same directory waits for nobody.
pub fn second(scene: &Rc<Scene>, from: &Trail) -> Trail {
    life::begin(scene, from.state.clone(), &[], Keep::End);
    let mut plan = scene.plan.clone();
    plan.id = "20251018_000000-decade".into();
    plan.lock_timeout = 0;
    let dir = RunDir::of(&state_dir(), &plan.id);
    let host = Fake::default();
    let run = run::begin(plan, Private::default(), &host, &dir);
    let ended = RUNTIME.with(|runtime| runtime.block_on(run));
    Trail {
        state: life::end().state,
        told: ended.ok().map(|outcome| outcome.status()),
        struck: from.struck,
    }
}

/// A whole run without faults.
pub fn live(scene: &Rc<Scene>, state: State) -> Life {
    let from = Trail {
        state,
        told: None,
        struck: Struck::default(),
    };
    life(scene, &from, 0, &[], Keep::Calls).0
}

/// The trail of a scene in which nothing has happened yet.
pub fn fresh(scene: &Scene) -> Trail {
    Trail {
        state: scene.before(),
        told: None,
        struck: Struck::default(),
    }
}

/// The trail of an agent that died at a point; what a follower read until then was told.
pub fn died(scene: &Scene, trail: &Trail, point: &Point, loss: Loss) -> Trail {
    let mut state = point.state.clone();
    let journal = state.disk.content(&journal_of(scene)).unwrap_or_default();
    let told = match last_record(journal).map(|record| record.event) {
        Some(Event::Finished { outcome }) => Some(outcome.status()),
        _ => None,
    };
    let told = told.filter(|status| matches!(status, Status::Deployed | Status::Restored));
    if loss == Loss::Unsynced {
        state.disk = Rc::new(state.disk.cut_off());
    }
    Trail {
        state,
        told: trail.told.or(told),
        struck: trail.struck.max(point.struck),
    }
}

/// The deaths that a point allows and that its forerunner did not.
pub fn deaths(points: &[Point], at: usize) -> Vec<Death> {
    let death = |loss| Death { point: at, loss };
    let mut deaths = Vec::new();
    if !points[at].synced {
        deaths.push(death(Loss::Nothing));
    }
    if !points[at].state.disk.is_synced() {
        deaths.push(death(Loss::Unsynced));
    }
    deaths
}

/// Settles a run until it is over, and judges it. Where the way back failed, it is tried again: in
/// a replay always, in a search after every third such end, whichever the disk's print picks.
pub fn settle(
    scene: &Rc<Scene>,
    mut trail: Trail,
    first: usize,
    keep: Keep,
) -> std::result::Result<Option<Status>, String> {
    trail = until_over(scene, trail, first, keep);
    let status = judge(scene, &trail)?;
    let every_third = keep != Keep::End || trail.print().1.is_multiple_of(3);
    if status == Some(Status::RollbackFailed) && every_third {
        again(scene, &trail).map_err(|why| format!("tried again after it was stuck: {why}"))?;
    }
    Ok(status)
}

/// Settles a run until it is over.
fn until_over(scene: &Rc<Scene>, mut trail: Trail, first: usize, keep: Keep) -> Trail {
    for nth in first.max(1)..first + LIVES {
        if is_over(scene, &trail) {
            break;
        }
        trail = life(scene, &trail, nth, &[], keep).1;
    }
    trail
}

/// Settles a run whose agent died; how it ended by its journal.
pub fn settled(scene: &Rc<Scene>, trail: Trail) -> (Trail, Option<Status>) {
    let after = until_over(scene, trail, 1, Keep::End);
    let journal = after.state.disk.content(&journal_of(scene));
    let last = last_record(journal.unwrap_or_default());
    let status = last.and_then(|record| match record.event {
        Event::Finished { outcome } => Some(outcome.status()),
        _ => None,
    });
    (after, status)
}

/// The life of an agent that takes a run back upon a person's word.
pub fn reopened(scene: &Rc<Scene>, stuck: &Trail, keep: Keep) -> Life {
    let mut state = stuck.state.clone();
    Rc::make_mut(&mut state.world).dangers.clear();
    life::begin(scene, state, &[], keep);
    // What came of it is in the journal.
    let _ = RUNTIME.with(|runtime| runtime.block_on(by_hand(scene)));
    life::end()
}

/// A person has the way back tried again, and nothing fails any more: it comes to its end.
pub fn again(scene: &Rc<Scene>, stuck: &Trail) -> std::result::Result<(), String> {
    let mended = Trail {
        state: reopened(scene, stuck, Keep::End).state,
        told: None,
        struck: stuck.struck,
    };
    match judge(scene, &mended)? {
        Some(Status::RolledBack | Status::Refused) => Ok(()),
        other => Err(format!("it ended as {other:?}")),
    }
}

/// Says whether there is nothing to settle: an end, or no beginning.
pub fn is_over(scene: &Scene, trail: &Trail) -> bool {
    let journal = trail
        .state
        .disk
        .content(&journal_of(scene))
        .unwrap_or_default();
    let is_end = |record: Record| matches!(record.event, Event::Finished { .. });
    journal.is_empty() || last_record(journal).is_some_and(is_end)
}

/// The record of a journal's last line, if that is whole.
fn last_record(journal: &[u8]) -> Option<Record> {
    let (_, before) = journal.split_last()?;
    let start = before
        .iter()
        .rposition(|b| *b == b'\n')
        .map_or(0, |at| at + 1);
    line::parse(&journal[start..])
}

/// Runs a whole seed and judges it.
pub fn replay(
    scene: &Rc<Scene>,
    lots: &[Lot],
    keep: Keep,
) -> std::result::Result<Option<Status>, String> {
    let mut trail = fresh(scene);
    let whole = [Lot::default()];
    let lots = if lots.is_empty() { &whole } else { lots };
    for (nth, lot) in lots.iter().enumerate() {
        if keep == Keep::Told {
            println!("life {}:", nth + 1);
        }
        let deadly = if lot.death.is_some() && keep != Keep::Told {
            Keep::Points
        } else {
            keep
        };
        let (lived, after) = life(scene, &trail, nth, &lot.faults, deadly);
        trail = match lot.death {
            None => after,
            Some(death) => {
                let point = lived.points.get(death.point).ok_or("no such point")?;
                died(scene, &trail, point, death.loss)
            }
        };
    }
    settle(scene, trail, lots.len(), keep)
}
