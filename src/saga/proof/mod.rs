//! The proof: every way in which a run can fail and die, carried out in memory and judged.
//!
//! The saga, its steps, its journal and its recovery are the real ones; only the server and the
//! disk are imagined. A failure names its seed; `LANDFALL_SEED="…" cargo test --lib
//! proof::replay -- --nocapture` tells that run call by call. `make proof` makes all of the runs.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]
#![allow(clippy::missing_docs_in_private_items)]

mod bytes;
mod danger;
pub mod disk;
mod explore;
mod ground;
mod host;
mod judge;
mod life;
mod random;
mod scenes;
mod search;
mod seed;
mod since;
mod table;
mod world;

use std::time::Instant;

use crate::words::event::Status;
use life::Keep;
use scenes::Scene;
use search::Extent;

#[test]
fn every_clean_run_of_every_scene_ends_as_it_should() {
    let dir = tempfile::tempdir().unwrap();
    for name in scenes::ALL {
        let scene = Scene::of(name, dir.path());
        let verdict = explore::replay(&scene, &[], Keep::End);
        let wanted = match name {
            bad if bad.ends_with("bad") || bad == "more-services" => Status::RolledBack,
            back if back.starts_with("rollback") => Status::Restored,
            _ => Status::Deployed,
        };
        assert_eq!(verdict, Ok(Some(wanted)), "{name}");
    }
}

#[test]
fn whatever_fails_and_whoever_dies_the_server_ends_old_or_new() {
    let start = Instant::now();
    let only = std::env::var("LANDFALL_SCENE").unwrap_or_default();
    let mut names = scenes::ALL.to_vec();
    names.retain(|name| only.is_empty() || *name == only);
    assert!(!names.is_empty(), "there is no scene `{only}`");
    let extent = Extent::asked();
    let found = search::all(&names, extent);
    println!("{} in {:.1} s", found.told(), start.elapsed().as_secs_f64());
    assert!(found.wrong.is_empty(), "{}", found.worst());
    let enough = found.runs >= 100_000 || extent == Extent::Brief || !only.is_empty();
    assert!(enough, "{} runs only", found.runs);
}

/// Tells one run call by call: the seed is in `LANDFALL_SEED`.
#[test]
fn replay() {
    let Ok(seed) = std::env::var("LANDFALL_SEED") else {
        return;
    };
    let (name, lots) = seed::read(&seed).expect("a seed, such as `upgrade 12.1@88!`");
    let name = scenes::ALL
        .into_iter()
        .find(|n| *n == name)
        .expect("a scene");
    let dir = tempfile::tempdir().unwrap();
    let scene = Scene::of(name, dir.path());
    let verdict = explore::replay(&scene, &lots, Keep::Told);
    println!("{verdict:?}");
    verdict.unwrap();
}
