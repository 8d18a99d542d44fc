//! Says whether what makes up a release is in the deploy directory as a backup has it.
//!
//! It looks at those paths alone, and refuses to know what a restore would do about the others.

use std::collections::HashSet;
use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStrExt;

use super::Source;
use crate::files::archive::lineage::Among;
use crate::files::tree::{self, Act, Home, Part, Scope, cannot, name};
use crate::words::backup::{Entry, EntryKind};
use crate::words::event::Failure;

/// Says whether these paths, and all that the release answers for below them, hold what a backup has
/// there, and nothing else is.
pub fn is_made_of_the_same(
    from: Source,
    deploy_dir: &Home,
    scope: &Scope,
    made_of: &[String],
) -> Result<bool, Failure> {
    let described = from.description;
    let scope = scope
        .clone()
        .with_data(&described.data)
        .leaving(from.others);
    // Of what lies among data it knows only what was about to be brought there.
    let scope = scope
        .excluding(&described.exclude)?
        .with_own(&described.brings);
    let among = Among::of(made_of);
    let mut listed = HashSet::new();
    for entry in from.tree()?.entries()? {
        let entry = entry?;
        if among.holds(&entry.path) {
            if !is_still(deploy_dir, &entry, &scope) {
                return Ok(false);
            }
            listed.insert(entry.path);
        }
    }
    let now = paths_now(deploy_dir, made_of)
        .map_err(|e| cannot(Act::Read, &deploy_dir.path().display(), &e))?;
    let is_known = |path: &String| listed.contains(path) || scope.part_of(path) != Part::Release;
    Ok(now.iter().all(is_known))
}

fn is_still(deploy_dir: &Home, entry: &Entry, scope: &Scope) -> bool {
    let path = name::to_path(&entry.path).unwrap_or_default();
    if entry.kind == EntryKind::File {
        return tree::is_as(deploy_dir, &path, entry, scope.key());
    }
    let look = || -> io::Result<bool> {
        let (Some(parent), Some(last)) = (path.parent(), path.file_name()) else {
            return Ok(true);
        };
        let dir = deploy_dir.dir().descend(parent)?;
        let Some(mark) = dir.look(last)? else {
            return Ok(false);
        };
        Ok(match (entry.kind, &entry.target) {
            (EntryKind::Link, Some(target)) => {
                mark.kind == EntryKind::Link && name::escape(&dir.link_target(last)?) == *target
            }
            (kind, _) => mark.kind == kind && mark.mode == entry.mode,
        })
    };
    look().unwrap_or(false)
}

/// What is there of these paths, with all that is below.
fn paths_now(deploy_dir: &Home, made_of: &[String]) -> io::Result<Vec<String>> {
    let mut found = Vec::new();
    let mut open: Vec<String> = made_of.to_vec();
    while let Some(path) = open.pop() {
        let way = name::to_path(&path).unwrap_or_default();
        let (Some(parent), Some(last)) = (way.parent(), way.file_name()) else {
            continue;
        };
        // What lies behind a link, or behind nothing, is not there.
        let Ok(dir) = deploy_dir.dir().descend(parent) else {
            continue;
        };
        match dir.look(last)? {
            None => continue,
            Some(mark) if mark.kind == EntryKind::Dir => {
                let below = dir.enter(last)?.names()?.into_iter();
                let join = |each: OsString| name::join(&path, &name::escape(each.as_bytes()));
                open.extend(below.map(join));
            }
            Some(_) => {}
        }
        found.push(path);
    }
    Ok(found)
}
