//! Says path by path what became of a tree since a backup of it was made.
//!
//! What we write half-done beside a path is nobody's. It refuses to know who changed what.

use rustix::process::geteuid;

use super::left::{Found, Leaving};
use super::{Options, Source, look, seen, view, would_change};
use crate::files::tree::difference::{Aspect, Change};
use crate::files::tree::{Differing, Drift, Home};
use crate::words::backup::{Entry, EntryKind};
use crate::words::event::Failure;

/// How the names begin under which files are written.
const TEMPORARY: &str = ".landfall-tmp-";

/// What is not as a backup has it, and what it is instead.
pub fn differing(
    from: Source,
    deploy_dir: &Home,
    options: &Options,
) -> Result<Vec<Differing>, Failure> {
    let tree = from.tree_for(options)?;
    let view = view(from.description, &tree, options.scope)?;
    let now = look(deploy_dir, options, &view)?;
    let (leaving, owners) = (Leaving::of(deploy_dir, &view), owners(deploy_dir));
    let mut differing = Vec::new();
    for found in leaving.compared(tree.entries()?, seen(deploy_dir, &now)) {
        let found = found?;
        if would_change(&found, deploy_dir, &view) && !is_ours(&found.difference.path) {
            differing.push(told(found, &leaving, &owners));
        }
    }
    Ok(differing)
}

fn told(found: Found, leaving: &Leaving, owners: &[u32]) -> Differing {
    let (was, now) = (found.want, found.now);
    let is_aside = || {
        let foreign = now.as_ref().is_some_and(|now| !owners.contains(&now.uid));
        foreign || has_grown(leaving, was.as_ref(), now.as_ref())
    };
    let kind = match drift(&found.difference.change) {
        Drift::Content if is_aside() => Drift::Aside,
        kind => kind,
    };
    Differing {
        path: found.difference.path,
        is_new: was.is_none(),
        now,
        kind,
    }
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
fn has_grown(leaving: &Leaving, was: Option<&Entry>, now: Option<&Entry>) -> bool {
    let (Some(was), Some(now)) = (was, now) else {
        return false;
    };
    let files = (was.kind, now.kind) == (EntryKind::File, EntryKind::File);
    files && now.size > was.size && leaving.begins_as(was)
}
