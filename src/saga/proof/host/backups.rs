//! Backups: an archive first and its description after it, and gone the other way round.
//!
//! It refuses to know how files get back in place; that is `files`'.

use std::path::PathBuf;
use std::rc::Rc;

use super::call::{act, effect, peek, scene, see};
use crate::files::archive::catalogue::{Listed, Unusable};
use crate::files::archive::choice::{self, Current, Standings};
use crate::files::tree::difference::Change;
use crate::files::tree::{Differing, Drift, diff};
use crate::saga::proof::danger;
use crate::saga::proof::world::{Backup, Files, is_data};
use crate::words::Result;
use crate::words::backup::Order;
use crate::words::backup::{
    ArchiveFact, DESCRIPTION_VERSION, Description, Entry, EntryKind, Release,
};
use crate::words::event::Failure;
use crate::words::plan::Plan;

fn tree(files: &Files) -> Vec<Entry> {
    let files = files.iter().filter(|(path, _)| !is_data(path));
    let entry = |(path, content): (&String, &String)| Entry {
        path: path.clone(),
        kind: EntryKind::File,
        mode: 0o644,
        uid: 0,
        gid: 0,
        size: content.len() as u64,
        sha256: Some(content.clone()),
        hmac: None,
        target: None,
    };
    files.map(entry).collect()
}

fn describe(plan: &Plan, order: &Order<'_>) -> Description {
    let timestamp = plan.id.split_once('-').map_or("", |(t, _)| t);
    Description {
        v: DESCRIPTION_VERSION,
        timestamp: timestamp.into(),
        sequence: sequence(),
        created_at: chrono::DateTime::UNIX_EPOCH,
        deployment_id: plan.id.clone(),
        purpose: order.purpose,
        deploy_dir: plan.site.deploy_dir.clone(),
        project: order.release.project.clone(),
        release: order.release.clone(),
        archive: ArchiveFact::default(),
        data: order.parts.data.clone(),
        brings: Vec::new(),
        ships: Vec::new(),
        exclude: Vec::new(),
        origin: plan.origin.clone(),
        made_by: order.made_by.clone(),
        made_of: Vec::new(),
        fingerprint: None,
        first: 0,
        needs: Vec::new(),
    }
}

/// One more than the highest that there is.
fn sequence() -> u64 {
    peek(|w| {
        let described = w.backups.values().filter_map(|b| b.description.as_ref());
        described.map(|d| d.sequence).max().unwrap_or(0) + 1
    })
}

/// The paths of a backup's files.
pub fn listed(description: &Description) -> Result<Vec<String>> {
    let files = peek(|w| w.backups.get(&description.timestamp)?.files.clone());
    let files = files.ok_or_else(|| Failure::new("the archive is gone"))?;
    Ok(tree(&files).into_iter().map(|entry| entry.path).collect())
}

pub fn backup(plan: &Plan, order: &Order<'_>) -> Result<(Description, Vec<String>)> {
    let scene = scene();
    let files = Rc::new(peek(|w| w.files.clone()));
    let made = describe(plan, order);
    let (id, description) = (plan.id.clone(), Rc::new(made.clone()));
    let (timestamp, again) = (made.timestamp.clone(), made.timestamp.clone());
    act(
        "backup",
        vec![
            effect(move |world| {
                danger::any_change(world, &scene, "a backup");
                world.partial.insert(id);
            }),
            effect(move |world| {
                let backup = Backup {
                    description: None,
                    files: Some(files),
                };
                world.backups.insert(timestamp, backup);
            }),
            effect(move |world| {
                let backup = world.backups.get_mut(&again);
                if let Some(backup) = backup {
                    backup.description = Some(description);
                }
                world.partial.clear();
            }),
        ],
    )?;
    Ok((made, Vec::new()))
}

pub fn list() -> Result<Vec<Listed>> {
    see("backups", |world| {
        let newest_first = world.backups.iter().rev();
        let listed = newest_first.map(|(timestamp, backup)| {
            let whole = backup
                .description
                .as_ref()
                .filter(|_| backup.files.is_some());
            let broken = || Unusable::Broken("half of it is missing".into());
            Listed {
                timestamp: timestamp.clone(),
                description: whole.map(|d| (**d).clone()).ok_or_else(broken),
                archive: PathBuf::from(timestamp),
                bytes: 1,
            }
        });
        listed.collect()
    })
}

pub fn check(description: &Description) -> Result<()> {
    let timestamp = description.timestamp.clone();
    let whole = see("check backup", |w| {
        let backup = w.backups.get(&timestamp);
        backup.is_some_and(|b| b.files.is_some())
    })?;
    if whole {
        return Ok(());
    }
    Err(Failure::new("the archive is gone"))
}

/// The files that hold something else than in a backup.
pub fn differing(description: &Description) -> Result<Vec<Differing>> {
    let now = see("differing", |w| tree(&w.files))?;
    let of = |entries: &[Entry], path: &str| entries.iter().find(|e| e.path == path).cloned();
    let then = peek(|w| {
        let backup = w.backups.get(&description.timestamp);
        backup.and_then(|b| Some(tree(b.files.as_ref()?)))
    });
    let differences = diff(&then.unwrap_or_default(), &now).into_iter();
    Ok(differences
        .map(|d| Differing {
            kind: match d.change {
                Change::Missing => Drift::Other,
                _ => Drift::Content,
            },
            is_new: matches!(d.change, Change::Extra),
            now: of(&now, &d.path),
            path: d.path,
        })
        .collect())
}

pub fn standings<'l>(listed: &'l [Listed], release: &Release) -> Result<Standings<'l>> {
    let tree = see("latest", |w| tree(&w.files))?;
    let mut current = Current {
        release,
        has_tree_of: &mut |description| {
            let then = peek(|w| {
                let backup = w.backups.get(&description.timestamp);
                backup.and_then(|b| Some(self::tree(b.files.as_ref()?)))
            });
            Ok(diff(&then.unwrap_or_default(), &tree).is_empty())
        },
    };
    choice::standings(listed, &mut current)
}

pub fn clear_partial(last: &str) -> Result<()> {
    let left = peek(|w| w.partial.iter().find(|id| id.as_str() <= last).cloned());
    let Some(id) = left else {
        return act("clear partial", Vec::new());
    };
    let timestamp = id.split_once('-').map_or("", |(t, _)| t).to_owned();
    let nameless = peek(|w| {
        w.backups
            .get(&timestamp)
            .is_some_and(|b| b.description.is_none())
    });
    let archive = nameless.then(|| {
        effect(move |world| {
            world.backups.remove(&timestamp);
        })
    });
    let partial = effect(move |world| {
        world.partial.remove(&id);
    });
    act(
        "clear partial",
        archive.into_iter().chain([partial]).collect(),
    )
}

pub fn discard(timestamp: &str) -> Result<()> {
    let (first, second) = (timestamp.to_owned(), timestamp.to_owned());
    let Some(backup) = peek(|w| w.backups.get(timestamp).cloned()) else {
        return act("drop backup", Vec::new());
    };
    let undescribe = effect(move |world| {
        let backup = world.backups.get_mut(&first);
        if let Some(backup) = backup {
            backup.description = None;
        }
    });
    let remove = effect(move |world| {
        world.backups.remove(&second);
    });
    let described = backup.description.map(|_| undescribe);
    act(
        "drop backup",
        described.into_iter().chain([remove]).collect(),
    )
}
