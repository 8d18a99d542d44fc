//! A path that leads elsewhere: at every moment of a run, and between a death and its settling.
//!
//! What is there by then is nobody's to touch, whatever the run was about to do. It refuses to know
//! who moved the directory.

use std::rc::Rc;

use super::danger::Kind;
use super::explore::{self, Trail, died, fresh};
use super::judge::judge;
use super::life::{self, Keep, Life, Struck};
use super::scenes::{self, Scene};
use super::search::scene_in;
use super::seed::Loss;
use super::world::World;
use crate::host::State;
use crate::words::event::Status;

/// How many moments are passed over to look at one, where the build is not optimised.
const STRIDE: usize = if cfg!(debug_assertions) { 7 } else { 1 };

/// Looks at every moment of every scene; `LANDFALL_MOVE="upgrade 12"` tells one of them call by call.
fn at_every_moment(
    kind: &str,
    look: impl Fn(&Rc<Scene>, usize, Keep) -> Option<Result<Status, String>>,
) {
    let dir = tempfile::tempdir().unwrap();
    let asked = std::env::var("LANDFALL_MOVE").unwrap_or_default();
    if let Some((name, at)) = asked.split_once(' ') {
        let name = scenes::ALL.into_iter().find(|n| *n == name).unwrap();
        let told = look(&scene_in(dir.path(), name), at.parse().unwrap(), Keep::Told);
        return println!("{told:?}");
    }
    let (mut looks, mut wrong) = (0, Vec::new());
    for name in scenes::ALL {
        let scene = scene_in(dir.path(), name);
        for at in (0..).step_by(STRIDE) {
            let Some(verdict) = look(&scene, at, Keep::Calls) else {
                break;
            };
            looks += 1;
            wrong.extend(verdict.err().map(|why| format!("{name} {at}: {why}")));
        }
    }
    println!("{kind}: {looks} moments");
    assert!(
        wrong.is_empty(),
        "{} of {looks}, such as\n{}",
        wrong.len(),
        some(&wrong)
    );
}

fn some(wrong: &[String]) -> String {
    wrong
        .iter()
        .take(12)
        .cloned()
        .collect::<Vec<_>>()
        .join("\n")
}

#[test]
fn a_path_that_comes_to_lead_elsewhere_in_a_run_ends_it_and_a_person_is_asked() {
    at_every_moment("moved in a run", |scene, at, keep| {
        life::moves_at(Some(at));
        let (lived, trail) = explore::life(scene, &fresh(scene), 0, &[], keep);
        life::moves_at(None);
        trail
            .state
            .world
            .elsewhere
            .then(|| moved(scene, &lived, trail, at))
    });
}

/// Judges a run whose path came to lead elsewhere in one of its calls.
fn moved(scene: &Rc<Scene>, lived: &Life, mut trail: Trail, at: usize) -> Result<Status, String> {
    let noticed = life::noticed() > 0;
    let status = trail.told.ok_or("it has no end")?;
    let started = |step: &str| {
        lived
            .calls
            .iter()
            .position(|c| c.step == format!("started {step}"))
    };
    let stood = lived.stands.unwrap_or_default();
    let committing = started("commit").is_some_and(|first| stood + at >= first);
    match status {
        Status::Deployed | Status::Restored if !committing => {
            Err(format!("{status} though its path led elsewhere"))
        }
        Status::RolledBack if noticed => Err("nobody is asked".into()),
        Status::RollbackFailed if noticed => is_mended(scene, trail).map(|()| status),
        _ => {
            // Backups beyond those to be kept are left to the next run.
            trail.struck = Struck::End;
            judge(scene, &trail).map(|_| status)
        }
    }
}

/// What can serve serves, and once a person has put the directory back, the old release is there.
fn is_mended(scene: &Rc<Scene>, mut trail: Trail) -> Result<(), String> {
    let mut dangers = trail.state.world.dangers.iter();
    if let Some(danger) = dangers.find(|d| d.kind == Kind::Never) {
        return Err(danger.to_string());
    }
    let ran = |made| {
        let mut old = scene.old.containers.iter();
        old.any(|o| o.made == made && o.state == State::Running)
    };
    let idle = trail.state.world.containers.iter().find(|c| {
        let by_path = c.service.mounts_conf || c.service.writes_data;
        ran(c.made) && c.state != State::Running && !by_path && c.joined.is_none()
    });
    if let Some(idle) = idle {
        return Err(format!("`{}` ran, and does not", idle.name));
    }
    Rc::make_mut(&mut trail.state.world).elsewhere = false;
    trail.struck = Struck::Undo;
    explore::again(scene, &trail)
}

#[test]
fn a_dead_run_is_left_alone_where_its_path_has_come_to_lead_elsewhere() {
    at_every_moment("moved behind a death", |scene, at, keep| {
        let (lived, _) = explore::life(scene, &fresh(scene), 0, &[], Keep::Points);
        let point = lived.points.get(at)?;
        let mut trail = died(scene, &fresh(scene), point, Loss::Nothing);
        if explore::is_over(scene, &trail) {
            return Some(Ok(Status::Refused));
        }
        Rc::make_mut(&mut trail.state.world).elsewhere = true;
        let mut had = World::clone(&trail.state.world);
        // The stage is the run's own.
        had.staged.clear();
        let (_, after) = explore::life(scene, &trail, 1, &[], keep);
        Some(left_alone(scene, &had, after))
    });
}

fn left_alone(scene: &Rc<Scene>, had: &World, mut after: Trail) -> Result<Status, String> {
    Rc::make_mut(&mut after.state.world).staged.clear();
    if *had != *after.state.world {
        let dangers = &after.state.world.dangers;
        return Err(format!("something was touched: {dangers:?}"));
    }
    Rc::make_mut(&mut after.state.world).elsewhere = false;
    // Nothing was cleaned up either.
    after.struck = Struck::Undo;
    match after.told {
        Some(Status::RollbackFailed) => {
            explore::again(scene, &after).map(|()| Status::RollbackFailed)
        }
        // A journal without a whole line has no plan: nothing was begun, and there is nobody to tell.
        told => judge(scene, &after).map(|_| told.unwrap_or(Status::Refused)),
    }
}
