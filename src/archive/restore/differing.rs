//! Says path by path what became of a tree since a backup of it was made.
//!
//! What we write half-done beside a path is nobody's. It refuses to know who changed what.

use std::io::{self, Read};
use std::path::PathBuf;

use rustix::process::geteuid;

use super::{Options, compare};
use crate::archive::{Description, Entry, EntryKind};
use crate::event::Failure;
use crate::host::tree::difference::{Aspect, Change};
use crate::host::tree::dir::names;
use crate::host::tree::{Differing, Drift, Home, digest, name};

/// How the names begin under which files are written.
const TEMPORARY: &str = ".landfall-tmp-";

/// What is not as a backup has it, and what it is instead.
pub fn differing(
    description: &Description,
    deploy_dir: &Home,
    options: &Options,
) -> Result<Vec<Differing>, Failure> {
    let (differences, now) = compare(description, deploy_dir, options)?;
    let of = |entries: &[Entry], path: &str| {
        let found = entries.binary_search_by(|e| e.path.as_str().cmp(path));
        found.ok().map(|at| entries[at].clone())
    };
    let foreign = differences.into_iter().filter(|d| !is_ours(&d.path));
    let owners = owners(deploy_dir);
    let differing = foreign.map(|d| {
        let (was, now) = (of(&description.tree, &d.path), of(now.entries(), &d.path));
        let is_aside = || {
            let foreign = now.as_ref().is_some_and(|now| !owners.contains(&now.uid));
            foreign || has_grown(deploy_dir, was.as_ref(), now.as_ref())
        };
        let kind = match drift(&d.change) {
            Drift::Content if is_aside() => Drift::Aside,
            kind => kind,
        };
        Differing {
            path: d.path,
            now,
            kind,
        }
    });
    Ok(differing.collect())
}

/// Who deploys: this process's user, and the owner of the directory.
fn owners(deploy_dir: &Home) -> Vec<u32> {
    let home = deploy_dir.dir().mark().ok().map(|home| home.uid);
    home.into_iter().chain([geteuid().as_raw()]).collect()
}

fn is_ours(path: &str) -> bool {
    path.split('/').any(|name| name.starts_with(TEMPORARY))
}

fn drift(change: &Change) -> Drift {
    let content = |aspect: &Aspect| {
        matches!(
            aspect,
            Aspect::Kind(..) | Aspect::Content | Aspect::Target(..)
        )
    };
    match change {
        Change::Extra => Drift::Content,
        Change::Changed(aspects) if aspects.iter().any(content) => Drift::Content,
        Change::Missing | Change::Changed(_) => Drift::Other,
    }
}

/// Says whether a file begins with all that it held.
fn has_grown(deploy_dir: &Home, was: Option<&Entry>, now: Option<&Entry>) -> bool {
    let (Some(was), Some(now)) = (was, now) else {
        return false;
    };
    let files = (was.kind, now.kind) == (EntryKind::File, EntryKind::File);
    files && now.size > was.size && beginning(deploy_dir, was).is_ok_and(|sum| sum == was.sha256)
}

/// The digest of as much of a file as there was.
fn beginning(deploy_dir: &Home, was: &Entry) -> io::Result<Option<String>> {
    let path = name::to_path(&was.path).ok_or(io::ErrorKind::InvalidInput)?;
    let mut parents = names(&path)?;
    let last = parents.pop().ok_or(io::ErrorKind::InvalidInput)?;
    let parents: PathBuf = parents.into_iter().collect();
    let file = deploy_dir.dir().descend(&parents)?.file(last)?;
    let (_, sum) = digest(file.take(was.size))?;
    Ok(Some(sum))
}
