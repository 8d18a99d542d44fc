//! Typical mistakes of newcomers and operators, each a whole transcript in `tests/transcripts`: what
//! was typed, what was told, the exit code, and what the server looks like afterwards.
//!
//! `UPDATE=1 cargo test --test it transcripts` writes them anew. What is told has to say in the first
//! screen what happened, why and what to do; and where it says that nothing was touched, nothing was.

mod door;
mod ground;
mod inputs;
mod life;
mod plain;
mod release;
mod scene;
mod screen;

use std::collections::BTreeSet;

use crate::harness::app::App;

/// Where the transcripts lie.
const KEPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/transcripts");

/// Every scene's mistakes, by the names of their transcripts.
const SCENES: [&[&str]; 5] = [
    door::MISTAKES,
    inputs::MISTAKES,
    release::MISTAKES,
    life::MISTAKES,
    ground::MISTAKES,
];

#[test]
fn mistakes_that_are_refused_where_an_application_runs() {
    let app = App::running("v1");
    let plays = [door::play, inputs::play, release::play];
    is_as_kept(&plays.map(|play| play(&app)).concat());
}

#[test]
fn mistakes_that_show_once_a_release_runs() {
    let app = App::running("v1");
    is_as_kept(&life::play(&app));
}

#[test]
fn mistakes_where_nothing_was_deployed_yet() {
    let app = App::empty();
    is_as_kept(&ground::play(&app));
}

#[track_caller]
fn is_as_kept(wrong: &[String]) {
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n\n"));
}

#[test]
fn every_transcript_is_of_one_mistake_and_every_mistake_has_one() {
    let entries = std::fs::read_dir(KEPT).unwrap();
    let kept: BTreeSet<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let all = SCENES.into_iter().flatten();
    let made: BTreeSet<String> = all.clone().map(|name| format!("{name}.txt")).collect();
    assert_eq!(made.len(), all.count(), "two mistakes have one name");
    let without: Vec<_> = made.difference(&kept).collect();
    let orphans: Vec<_> = kept.difference(&made).collect();
    assert!(
        without.is_empty() && orphans.is_empty(),
        "mistakes without a transcript: {without:?}; transcripts that no mistake makes: {orphans:?}"
    );
}
