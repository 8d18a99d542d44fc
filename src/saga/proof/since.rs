//! Somebody does something between a death and its settling, at every moment at which an agent can
//! die: what they made is theirs until a person says otherwise.
//!
//! It refuses to know how Landfall tells; it compares what is there before and after.

use std::rc::Rc;

use super::explore::{self, Trail, again, deaths, died, fresh, reopened, settled};
use super::judge::judge;
use super::life::{Fault, Keep, Life, Struck};
use super::scenes::{self, Scene};
use super::search::scene_in;
use super::world::{COMPOSE, CONF, Case, NETWORK, World, compose};
use crate::words::event::Status;

/// The scenes in which somebody comes.
const SCENES: [&str; 9] = [
    "upgrade-bad",
    "upgrade",
    "first-bad",
    "two-services-one-bad",
    "mutable-tag-bad",
    "sidecar-bad",
    "rollback",
    "rollback-fewer",
    "config-only",
];
/// The image of what somebody makes.
const THEIRS: &str = "sha256:websince";

/// What somebody does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Does {
    /// Deploys with Landfall, from another machine or with another backup directory.
    Deploys,
    /// Edits the compose file and types `docker compose up -d`; so does an older Landfall.
    TypesUp,
    /// Edits a file, and nothing else.
    Edits,
    /// Gives a tag another image.
    MovesTheTag,
}

/// How many of the moments are passed over to look at one.
fn stride() -> usize {
    if cfg!(debug_assertions) { 17 } else { 4 }
}

/// The reference that the scene's first service has, before and after.
fn tag_of(scene: &Scene) -> String {
    let services = [&scene.old, &scene.new].map(World::services);
    let first = services.iter().flatten().next();
    first.map(|s| s.image.clone()).unwrap_or_default()
}

/// Does it.
fn does(what: Does, scene: &Scene, world: &mut World) {
    match what {
        Does::Deploys => {
            makes_a_release(world, scene);
            world.generation = Some("20251018_000000-decade".into());
        }
        Does::TypesUp => makes_a_release(world, scene),
        Does::Edits => {
            world.files.insert(CONF.into(), "edited by hand".into());
        }
        Does::MovesTheTag => {
            world.fetch(THEIRS, "acme/web@sha256:dwebsince");
            world.tag(THEIRS, &tag_of(scene));
        }
    }
}

/// What runs and what lies there is theirs: one service, whose container has the volume of the old.
fn makes_a_release(world: &mut World, scene: &Scene) {
    world
        .files
        .insert(COMPOSE.into(), "web acme/web:since conf data\n".into());
    world.files.insert(CONF.into(), "theirs".into());
    world.fetch(THEIRS, "acme/web@sha256:dwebsince");
    world.tag(THEIRS, "acme/web:since");
    world.networks.insert(NETWORK.into());
    let is_web = |c: &&Case| c.service.name == "web";
    let webs: Vec<Case> = world.containers.iter().filter(is_web).cloned().collect();
    for web in &webs {
        world.remove(web.made);
    }
    let service = compose(&world.files[COMPOSE]).remove(0);
    let made = world.make(&service, Case::proper_name("web"));
    let old = webs.iter().find(|c| c.volume < scene.old.made);
    if let Some(old) = old {
        world.inherit(made, old.volume);
    }
    world.start(made);
}

/// A trail on which somebody has come by.
fn visited(what: Does, scene: &Scene, trail: &Trail) -> Trail {
    let mut visited = trail.clone();
    does(what, scene, Rc::make_mut(&mut visited.state.world));
    visited
}

/// Every trail that ends with the death of a scene's agent, some of them after a fault.
fn dead(scene: &Rc<Scene>, stride: usize) -> Vec<Trail> {
    let mut trails = Vec::new();
    // A release that is taken back dies on its way back too.
    let fails = Fault {
        call: usize::MAX,
        after: 0,
    };
    let lived: Life = explore::life(scene, &fresh(scene), 0, &[fails], Keep::Points).0;
    for at in (0..lived.points.len()).step_by(stride) {
        for death in deaths(&lived.points, at) {
            trails.push(died(scene, &fresh(scene), &lived.points[at], death.loss));
        }
    }
    trails
}

/// What must stay as somebody made it.
fn theirs(world: &World) -> impl PartialEq + std::fmt::Debug + use<> {
    (
        world.files.clone(),
        world.containers.clone(),
        world.image("acme/web:since").map(|i| i.id.clone()),
        world.networks.clone(),
    )
}

#[test]
fn what_somebody_made_since_is_never_taken_back_without_a_persons_word() {
    let dir = tempfile::tempdir().unwrap();
    let (mut stuck, mut runs) = (0, 0);
    for name in SCENES {
        let scene = scene_in(dir.path(), name);
        for what in [Does::Deploys, Does::TypesUp, Does::Edits] {
            for trail in dead(&scene, stride()) {
                let trail = visited(what, &scene, &trail);
                let (after, status) = settled(&scene, trail.clone());
                runs += 1;
                let committed = matches!(status, Some(Status::Deployed | Status::Restored));
                let (was, mut is) = (&*trail.state.world, (*after.state.world).clone());
                if committed {
                    // What a rollback had set aside is its own to remove.
                    is.containers.clone_from(&was.containers);
                }
                assert_eq!(
                    theirs(was),
                    theirs(&is),
                    "{name}: {what:?}, told {status:?}"
                );
                if status == Some(Status::RollbackFailed) {
                    stuck += 1;
                    taken_back_by_a_person(&scene, after);
                }
            }
        }
    }
    println!("{runs} runs, {stuck} of which needed a person");
    assert!(stuck > runs / 4, "{stuck} of {runs}");
}

/// A person has it taken back: all of it is as it was before the run.
fn taken_back_by_a_person(scene: &Rc<Scene>, mut stuck: Trail) {
    // What somebody fetched and made on the side stays.
    stuck.struck = Struck::Undo;
    stuck.told = None;
    again(scene, &stuck).unwrap_or_else(|why| panic!("{}: {why}", scene.name));
}

#[test]
fn a_way_back_upon_a_persons_word_is_taken_up_again_whenever_its_agent_dies() {
    let dir = tempfile::tempdir().unwrap();
    let scene = scene_in(dir.path(), "upgrade-bad");
    let trails = dead(&scene, 1);
    let visited = trails.iter().map(|t| visited(Does::Deploys, &scene, t));
    let mut stuck = visited.map(|t| settled(&scene, t));
    let (mut stuck, _) = stuck
        .find(|(_, status)| *status == Some(Status::RollbackFailed))
        .expect("a run that needs a person");
    stuck.struck = Struck::Undo;
    stuck.told = None;
    let lived = reopened(&scene, &stuck, Keep::Points);
    for at in (0..lived.points.len()).step_by(stride()) {
        for death in deaths(&lived.points, at) {
            let trail = died(&scene, &stuck, &lived.points[at], death.loss);
            let (after, status) = settled(&scene, trail);
            let ended = match status {
                Some(Status::RollbackFailed) => Ok(status),
                _ => judge(&scene, &after),
            };
            match ended {
                // The word itself was not on the disk yet, or half of it.
                Ok(Some(Status::RollbackFailed)) => taken_back_by_a_person(&scene, after),
                other => assert_eq!(other, Ok(Some(Status::RolledBack)), "at {at}"),
            }
        }
    }
}

#[test]
fn a_tag_that_somebody_moved_since_keeps_its_image_and_the_release_is_taken_back_all_the_same() {
    let dir = tempfile::tempdir().unwrap();
    for name in scenes::ALL {
        let scene = scene_in(dir.path(), name);
        let tag = tag_of(&scene);
        for trail in dead(&scene, 3 * stride()) {
            let trail = visited(Does::MovesTheTag, &scene, &trail);
            let (mut after, status) = settled(&scene, trail);
            let world = Rc::make_mut(&mut after.state.world);
            let means = world.image(&tag).map(|i| i.id.clone());
            assert_eq!(means.as_deref(), Some(THEIRS), "{name}, told {status:?}");
            // Apart from that, it is as if nobody had come.
            world.untag(&tag);
            let was = match status {
                Some(Status::Deployed | Status::Restored) => &scene.new,
                _ => &scene.old,
            };
            if let Some(was) = was.image(&tag) {
                world.tag(&was.id, &tag);
            }
            after.struck = Struck::End;
            let verdict = judge(&scene, &after);
            assert!(verdict.is_ok(), "{name}, told {status:?}: {verdict:?}");
        }
    }
}
