//! Images: fetched from the scene's registry, and the references that keep them.
//!
//! It refuses to know containers.

use super::call::{act, effect, peek, phase, scene, see};
use super::shown;
use crate::host::{Fetched, Telling};
use crate::saga::proof::danger;
use crate::words::Result;
use crate::words::event::Failure;

pub fn references(repository: &str) -> Result<Vec<String>> {
    let of = format!("{repository}:");
    see("references", |world| {
        let tags = world.images.iter().flat_map(|i| &i.tags);
        tags.filter(|t| t.starts_with(&of)).cloned().collect()
    })
}

pub fn pull(reference: &str, telling: Telling<'_>) -> Result<Fetched> {
    let (scene, phase, asked) = (scene(), phase(), reference.to_owned());
    let Some((digest, id)) = scene.registry.get(reference).cloned() else {
        act("pull", Vec::new())?;
        return Err(Failure::new(format!("the registry has no `{reference}`")));
    };
    if peek(|w| w.image(&digest).is_none()) {
        (telling.new)(&digest)?;
    }
    let by = digest.clone();
    act(
        "pull",
        vec![effect(move |world| {
            danger::pull(world, &scene, &asked, phase);
            world.fetch(&id, &by);
        })],
    )?;
    let image = peek(|w| shown::image(w, &digest)).unwrap_or_default();
    Ok(Fetched { image, digest })
}

pub fn tag(id: &str, reference: &str) -> Result<()> {
    if peek(|w| w.image(id).is_none()) {
        act("tag", Vec::new())?;
        return Err(Failure::new(format!("no such image: {id}")));
    }
    let (scene, id, reference) = (scene(), id.to_owned(), reference.to_owned());
    act(
        "tag",
        vec![effect(move |world| {
            danger::tag_change(world, &scene, &reference);
            world.tag(&id, &reference);
        })],
    )
}

pub fn untag(reference: &str) -> Result<()> {
    if peek(|w| w.image(reference).is_none()) {
        return act("untag", Vec::new());
    }
    let (scene, reference) = (scene(), reference.to_owned());
    act(
        "untag",
        vec![effect(move |world| {
            danger::any_change(world, &scene, "the end of a reference");
            let before = world.clone();
            world.untag(&reference);
            danger::image_gone(world, &scene, &before, &reference);
        })],
    )
}
