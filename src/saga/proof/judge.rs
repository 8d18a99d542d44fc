//! The verdict on a run that is over: the new release, exactly the old one, or stuck for a reason.
//!
//! It believes the world and the journal, and nobody's word.

use std::collections::{BTreeMap, BTreeSet};

use super::danger::Kind;
use super::explore::Trail;
use super::life::{Struck, named_event};
use super::scenes::Scene;
use super::world::{Backup, Case, KEEPER, World};
use crate::host::State;
use crate::words::backup::Purpose;
use crate::words::event::{Event, FailureKind, Outcome, Record, Status};
use crate::words::line;

/// How exactly the old release must be there again.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Exactly {
    /// Nothing was touched: the very same containers, the very same backups.
    Untouched,
    /// Containers made again count as the same.
    Again,
}

/// Judges what a run came to; otherwise, what is wrong.
pub fn judge(scene: &Scene, trail: &Trail) -> Result<Option<Status>, String> {
    let path = super::explore::journal_of(scene);
    let journal = trail.state.disk.content(&path).unwrap_or_default();
    let lines: Vec<Line> = journal.split_inclusive(|b| *b == b'\n').map(line).collect();
    is_in_a_row(&lines)?;
    let said = |event: &str, step: &str| {
        let mut lines = lines.iter().flatten();
        lines.any(|l| l.event == event && l.rest.starts_with(&format!(",\"step\":\"{step}\"")))
    };
    let committed = said("succeeded", "commit");
    let begun = lines.iter().flatten().next().is_some();
    let mut ends = lines.iter().flatten().filter(|l| l.event == "finished");
    let outcome = ends
        .next_back()
        .and_then(|l| line::parse(l.whole))
        .and_then(outcome_of);
    let world = &*trail.state.world;
    let is_stuck = matches!(outcome, Some(Outcome::Stuck { .. }));
    let mut dangers = world.dangers.iter();
    if let Some(danger) = dangers.find(|d| !is_stuck || d.kind == Kind::Never) {
        return Err(danger.to_string());
    }
    let status = outcome.as_ref().map(Outcome::status);
    if let Some(told) = trail.told.filter(|told| Some(*told) != status) {
        return Err(format!(
            "`{told}` was told, and the journal ends with {status:?}"
        ));
    }
    if committed && !matches!(outcome, Some(Outcome::Deployed | Outcome::Restored)) {
        return Err(format!("what was committed ended as {status:?}"));
    }
    match &outcome {
        None if !begun => is_old(scene, world, Exactly::Untouched, trail)?,
        None => return Err("it never comes to an end".into()),
        Some(Outcome::Deployed | Outcome::Restored) => is_new(scene, world, trail)?,
        Some(Outcome::Refused { .. }) => is_old(scene, world, Exactly::Untouched, trail)?,
        Some(Outcome::RolledBack { .. }) => is_old(scene, world, Exactly::Again, trail)?,
        Some(Outcome::Stuck { cause, undo, .. }) => {
            // Three deaths in one undo are as good as a fault in it.
            let is_hopeless = undo.kind == FailureKind::Interrupted;
            if trail.struck != Struck::Undo && !is_hopeless {
                return Err(format!(
                    "stuck, and no undo was made to fail: {cause} / {undo}"
                ));
            }
            if cause.what.is_empty() || undo.what.is_empty() {
                return Err("stuck without both causes".into());
            }
        }
    }
    Ok(status)
}

/// A line of a journal as far as it is looked at here; none that is damaged.
type Line<'a> = Option<Words<'a>>;

struct Words<'a> {
    whole: &'a [u8],
    seq: usize,
    event: &'a str,
    rest: &'a str,
}

/// Reads a line without all of its JSON: there are millions.
fn line(whole: &[u8]) -> Line<'_> {
    let text = std::str::from_utf8(whole).ok()?.strip_suffix('\n')?;
    let (sum, json) = text.split_once(' ')?;
    if u32::from_str_radix(sum, 16) != Ok(crc32fast::hash(json.as_bytes())) {
        return None;
    }
    let (_, seq) = json.split_once("\"seq\":")?;
    let (seq, _) = seq.split_once(',')?;
    let (event, rest) = named_event(whole)?;
    Some(Words {
        whole,
        seq: seq.parse().ok()?,
        event,
        rest,
    })
}

fn outcome_of(record: Record) -> Option<Outcome> {
    match record.event {
        Event::Finished { outcome } => Some(outcome),
        _ => None,
    }
}

/// In a journal that can be read to its end, the records are numbered in a row.
fn is_in_a_row(lines: &[Line]) -> Result<(), String> {
    let numbers = lines.iter().flatten().map(|l| l.seq);
    if lines.iter().all(Option::is_some) && !numbers.eq(0..lines.len()) {
        return Err("the records are not numbered in a row".into());
    }
    Ok(())
}

fn is_new(scene: &Scene, world: &World, trail: &Trail) -> Result<(), String> {
    same("the files", &scene.new.files, &world.files)?;
    let mut world = world.clone();
    if !trail.is_spotless() {
        // What was set aside and could not be removed stays, and does nothing.
        let aside = format!(".{}", scene.plan.id);
        let is_aside = |c: &Case| c.name.ends_with(&aside) && c.state == State::Exited;
        world.containers.retain(|c| !is_aside(c));
    }
    let world = &world;
    same("the containers", &outside(&scene.new), &outside(world))?;
    let idle = world.own().find(|c| c.state != State::Running);
    if let Some(idle) = idle {
        return Err(format!("`{}` was deployed and does not run", idle.name));
    }
    let mut now = tags(world);
    if !trail.is_spotless() {
        now.retain(|tag, _| scene.new.image(tag).is_some());
    }
    same("the tags", &tags(&scene.new), &now)?;
    same("the networks", &scene.new.networks, &world.networks)?;
    for image in &world.images {
        let known = |w: &World| w.image(&image.id).is_some();
        if trail.is_spotless() && !known(&scene.new) {
            return Err(format!("the image {} is litter", image.id));
        }
    }
    has_kept_backups(scene, world, trail)?;
    clean(scene, world, trail)
}

fn is_old(scene: &Scene, world: &World, how: Exactly, trail: &Trail) -> Result<(), String> {
    let old = &scene.old;
    same("the files", &old.files, &world.files)?;
    let mut now = (tags(world), world.networks.clone());
    if !trail.is_spotless() {
        now.0.retain(|tag, _| old.image(tag).is_some());
        now.1.retain(|network| old.networks.contains(network));
    }
    let mut then = tags(old);
    if old.backups.keys().any(|t| !world.backups.contains_key(t)) {
        // What only a dropped backup needed may go with it.
        let needed = used_by_backups(world);
        then.retain(|_, id| needed.contains(*id));
        now.0.retain(|_, id| needed.contains(*id));
    }
    same("the tags", &then, &now.0)?;
    same("the networks", &old.networks, &now.1)?;
    match how {
        Exactly::Again => {
            same(
                "the containers",
                &outside(old),
                &outside(&undrifted(old, world)),
            )?;
            same("the volumes", &volumes(old), &volumes(world))?;
            has_kept_backups(scene, world, trail)?;
        }
        Exactly::Untouched => {
            let own = |w: &World| w.own().cloned().collect::<Vec<_>>();
            same("the containers", &own(old), &own(world))?;
            same("the backups", &old.backups, &world.backups)?;
            same("the keeping references", &keepers(old), &keepers(world))?;
        }
    }
    let needed = used_by_backups(world);
    for image in &old.images {
        let there = world
            .image(&image.id)
            .is_some_and(|i| i.digests.is_superset(&image.digests));
        if !there && needed.contains(&image.id) {
            return Err(format!(
                "the image {} is gone or has lost a digest",
                image.id
            ));
        }
    }
    let litter = world.images.iter().find(|i| old.image(&i.id).is_none());
    if let Some(image) = litter.filter(|_| trail.is_spotless()) {
        return Err(format!("the image {} is left over", image.id));
    }
    clean(scene, world, trail)
}

/// Nothing half-done lies about.
fn clean(_: &Scene, world: &World, trail: &Trail) -> Result<(), String> {
    if !world.staged.is_empty() && trail.is_spotless() {
        return Err("the stage is left over".into());
    }
    if !world.partial.is_empty() && trail.is_spotless() {
        return Err("a half-written archive is left over".into());
    }
    Ok(())
}

/// The run's own backup is whole and keeps its images, and none went that retention should keep.
fn has_kept_backups(scene: &Scene, world: &World, trail: &Trail) -> Result<(), String> {
    let keep = scene.plan.backups.keep as usize;
    let gone = scene
        .old
        .backups
        .keys()
        .any(|t| !world.backups.contains_key(t));
    if gone && world.backups.len() < keep {
        return Err("a backup is gone that was to be kept".into());
    }
    has_a_way_back(scene, world)?;
    let mut own = None;
    for backup in world.backups.values() {
        let (Some(description), Some(files)) = (&backup.description, &backup.files) else {
            if trail.is_spotless() {
                return Err("half a backup is left over".into());
            }
            continue;
        };
        if description.deployment_id == scene.plan.id {
            own = Some((description, files));
        }
    }
    let (description, files) = own.ok_or("the run's own backup is gone")?;
    same("the backup's files", &scene.old.files, files)?;
    for service in &description.release.services {
        let prefix = format!(
            "{KEEPER}{}:{}-",
            description.release.project, description.timestamp
        );
        let image = world.image(&service.image_id);
        if !image.is_some_and(|i| i.tags.iter().any(|t| t.starts_with(&prefix))) {
            return Err(format!("nothing keeps {} for the backup", service.image_id));
        }
    }
    Ok(())
}

/// Where a rollback had somewhere to go from what runs now, it still has.
fn has_a_way_back(scene: &Scene, world: &World) -> Result<(), String> {
    let runs: BTreeSet<&String> = world.own().map(|c| &c.image_id).collect();
    let leads_elsewhere = |backup: &Backup| {
        let described = backup.description.as_ref();
        described.is_some_and(|d| {
            let had: BTreeSet<&String> = d.release.services.iter().map(|s| &s.image_id).collect();
            d.purpose == Purpose::Deploy && d.release.is_good() && had != runs
        })
    };
    if scene.old.backups.values().any(leads_elsewhere)
        && !world.backups.values().any(leads_elsewhere)
    {
        return Err("no backup is left that a rollback would go to".into());
    }
    Ok(())
}

fn used_by_backups(world: &World) -> BTreeSet<String> {
    let described = world
        .backups
        .values()
        .filter_map(|b| b.description.as_ref());
    let ids = described.flat_map(|d| d.release.services.iter().map(|s| s.image_id.clone()));
    ids.chain(world.used_images()).collect()
}

/// What is seen of containers, whichever they are.
fn outside(world: &World) -> Vec<String> {
    let seen = world.own().map(|c| {
        // Where its name is another's by now, it serves under the next best.
        let name = c.name.trim_end_matches("-kept");
        let (line, id) = (&c.service.line, &c.image_id);
        let is_there = |made: usize| world.containers.iter().any(|c| c.made == made);
        format!(
            "{name}: {line} of {id}, {:?}, mounts {:?}, joined {:?}",
            c.state,
            c.mounted,
            c.joined.map(is_there)
        )
    });
    seen.collect()
}

fn volumes(world: &World) -> Vec<usize> {
    world.own().map(|c| c.volume).collect()
}

/// A world in which what was made again as its files say counts as what had drifted from them.
fn undrifted(old: &World, world: &World) -> World {
    let mut world = world.clone();
    for c in &mut world.containers {
        let by_files = old.services().contains(&c.service);
        let had = old.containers.iter().find(|o| o.name == c.name);
        if let Some(had) = had.filter(|_| by_files) {
            c.service = had.service.clone();
        }
    }
    world
}

fn tags(world: &World) -> BTreeMap<&str, &str> {
    pairs(world)
        .filter(|(tag, _)| !tag.starts_with(KEEPER))
        .collect()
}

fn keepers(world: &World) -> BTreeMap<&str, &str> {
    pairs(world)
        .filter(|(tag, _)| tag.starts_with(KEEPER))
        .collect()
}

fn pairs(world: &World) -> impl Iterator<Item = (&str, &str)> {
    let images = world.images.iter();
    images.flat_map(|i| i.tags.iter().map(|t| (t.as_str(), i.id.as_str())))
}

fn same<T: PartialEq + std::fmt::Debug>(what: &str, wanted: &T, found: &T) -> Result<(), String> {
    if wanted == found {
        return Ok(());
    }
    Err(format!(
        "{what} are not as they were to be:\n  wanted {wanted:?}\n  found  {found:?}"
    ))
}
