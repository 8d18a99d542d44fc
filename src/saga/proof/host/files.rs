//! The files of the deploy directory and its stage, put in place one at a time.
//!
//! It refuses to know what a file means to a container.

use std::path::PathBuf;

use super::call::{act, effect, peek, phase, scene};
use crate::files::rundir::RunDir;
use crate::saga::proof::danger;
use crate::saga::proof::life::Effect;
use crate::saga::proof::world::{Files, is_data};
use crate::words::Result;
use crate::words::backup::Description;
use crate::words::event::Failure;

/// Writes or removes one file.
fn filing(path: String, content: Option<String>) -> Effect {
    let (scene, phase) = (scene(), phase());
    effect(move |world| {
        danger::file_change(world, &scene, &path, phase);
        match content {
            Some(content) => world.files.insert(path, content),
            None => world.files.remove(&path),
        };
    })
}

/// What makes the files in place these, the data aside.
fn reconciling(wanted: &Files) -> Vec<(String, Option<String>)> {
    let now = peek(|w| w.files.clone());
    let differs = |(path, c): &(&String, &String)| !is_data(path) && now.get(*path) != Some(*c);
    let put = wanted.iter().filter(differs);
    let put = put.map(|(path, c)| (path.clone(), Some(c.clone())));
    let extra = now
        .keys()
        .filter(|p| !is_data(p) && !wanted.contains_key(*p));
    put.chain(extra.map(|p| (p.clone(), None))).collect()
}

fn put(name: &'static str, changes: Vec<(String, Option<String>)>) -> Result<Vec<String>> {
    let paths = changes.iter().map(|(path, _)| path.clone()).collect();
    act(
        name,
        changes.into_iter().map(|(p, c)| filing(p, c)).collect(),
    )?;
    Ok(paths)
}

fn stage_of(run: &RunDir) -> String {
    run.stage().display().to_string()
}

pub fn lay_stage(run: &RunDir) -> Result<PathBuf> {
    let (scene, stage) = (scene(), stage_of(run));
    act(
        "lay stage",
        vec![effect(move |world| {
            danger::any_change(world, &scene, "the stage");
            world.staged.insert(stage);
        })],
    )?;
    Ok(run.stage())
}

pub fn strike_stage(run: &RunDir) -> Result<()> {
    let stage = stage_of(run);
    if !peek(|w| w.staged.contains(&stage)) {
        return act("strike stage", Vec::new());
    }
    let strike = effect(move |world| {
        world.staged.remove(&stage);
    });
    act("strike stage", vec![strike])
}

pub fn put_files() -> Result<Vec<String>> {
    let mut wanted = peek(|w| w.files.clone());
    wanted.extend(scene().shipped.clone());
    put("put files", reconciling(&wanted))
}

pub fn restore(description: &Description) -> Result<Vec<String>> {
    let files = peek(|w| w.backups.get(&description.timestamp)?.files.clone());
    let files = files.ok_or_else(|| Failure::new("the archive is gone"))?;
    put("restore", reconciling(&files))
}

pub fn set_generation(run: Option<&str>) -> Result<()> {
    let (scene, run) = (scene(), run.map(ToOwned::to_owned));
    act(
        "note a generation",
        vec![effect(move |world| {
            danger::release_change(world, &scene, "a generation");
            world.generation = run;
        })],
    )
}
