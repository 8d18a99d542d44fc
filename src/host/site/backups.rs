//! The backups of a deploy directory, all of them reached through the directory that was opened for
//! the run, wherever its path leads by now.
//!
//! It refuses to know when a backup is made, put back or dropped.

use std::path::{Path, PathBuf};

use super::{NAMED, refuse_stuck};
use crate::files::archive::catalogue::{self, Listed};
use crate::files::archive::choice::{self, Current, Standings};
use crate::files::archive::lineage;
use crate::files::archive::restore::{self as put_back, Data, Source};
use crate::files::archive::verify::listing_of;
use crate::files::archive::{manifest, retention, write};
use crate::files::foreign::{self, Links};
use crate::files::rundir::{RunDir, name};
use crate::files::tree::scope::OWN_NAME;
use crate::files::tree::{self, Differing, Key, Scope, Snapshot, Us, whose};
use crate::host::Restored;
use crate::host::ground::Ground;
use crate::words::Result;
use crate::words::backup::Order;
use crate::words::backup::Parts;
use crate::words::backup::{Description, Entry, EntryKind, Release};
use crate::words::event::Failure;
use crate::words::plan::{Plan, Site};

/// The backup directory: where this process reaches it, and what people call it.
struct Shelf<'a> {
    at: PathBuf,
    shown: &'a Path,
}

impl<'a> Shelf<'a> {
    fn of(ground: &Ground, site: &'a Site) -> Self {
        Self {
            at: ground.backups(&site.backup_dir),
            shown: &site.backup_dir,
        }
    }

    fn key(&self) -> Option<Key> {
        Key::of(&self.at.join(OWN_NAME))
    }

    fn find(&self, description: &Description) -> Result<Found> {
        let archive = self.at.join(&description.archive.file);
        Ok(Found {
            listing: self.told(listing_of(&archive))?,
            archive,
        })
    }

    /// A failure in the words that people know.
    fn told<T>(&self, done: Result<T>) -> Result<T> {
        let (at, shown) = (self.at.to_string_lossy(), self.shown.to_string_lossy());
        let known = |text: &String| text.replace(&*at, &shown);
        done.map_err(|failure| Failure {
            what: known(&failure.what),
            because: failure.because.iter().map(known).collect(),
            hints: failure.hints.iter().map(known).collect(),
            kind: failure.kind,
        })
    }
}

/// The two files of a backup.
struct Found {
    archive: PathBuf,
    listing: PathBuf,
}

impl Found {
    fn of<'f>(&'f self, description: &'f Description, others: &'f [String]) -> Source<'f> {
        Source {
            archive: &self.archive,
            listing: &self.listing,
            description,
            others,
        }
    }
}

/// Makes sure that each file of a backup that is to change can be put back.
pub fn check_target(ground: &Ground, site: &Site, description: &Description) -> Result<()> {
    let (dir, us, shelf) = (ground.deploy(), Us::now(), Shelf::of(ground, site));
    let listing = shelf.find(description)?.listing;
    let mut stuck = Vec::new();
    for entry in shelf.told(manifest::listing(&listing))? {
        let entry = shelf.told(entry)?;
        if entry.kind != EntryKind::File || us.is_theirs(&entry) {
            continue;
        }
        let path = tree::name::to_path(&entry.path).unwrap_or_default();
        if let Some(why) = whose::obstacle_but_owner(dir, &path)
            && !tree::is_as(dir, &path, &entry, shelf.key().as_ref())
        {
            stuck.push((entry.path.clone(), why));
        }
    }
    refuse_stuck(dir.path(), "put back", &stuck)
}

/// Archives the deploy directory.
pub fn backup(
    ground: &Ground,
    plan: &Plan,
    order: &Order<'_>,
    run: &RunDir,
) -> Result<(Description, Vec<String>)> {
    ground.confirm_backups()?;
    let shelf = Shelf::of(ground, &plan.site);
    let key = Key::made(&shelf.at.join(OWN_NAME)).map_err(|e| {
        let state = shelf.shown.join(OWN_NAME);
        Failure::new(format!("there can be no key in `{}`", state.display())).because(e)
    })?;
    let scope = parts_of(ground, &plan.site, order.parts)?
        .excluding(&plan.backups.exclude)?
        .with_key(Some(key));
    let written = shelf.told(write::write(&write::Request {
        deploy_dir: ground.deploy(),
        backup_dir: &shelf.at,
        scope: &scope,
        deployment_id: &plan.id,
        purpose: order.purpose,
        release: order.release,
        origin: &plan.origin,
        made_by: order.made_by.as_ref(),
        made_of: &order.parts.read,
        at: crate::clock::now(),
        progress: &|_| {},
    }))?;
    run.keep_by(name::SNAPSHOT, &mut |to| written.snapshot.write_to(to))?;
    let torn = written.torn.iter();
    let torn = torn.map(|p| format!("`{p}` was written while it was archived; it may be torn"));
    let unread = written.unread.iter();
    let unread = unread.map(|p| format!("`{p}` cannot be read, so the backup lacks it"));
    let theirs = theirs(&scope, &written.snapshot)?;
    let warnings = torn.chain(unread).chain(theirs).chain(written.told);
    let warnings = warnings.collect();
    Ok((written.description, warnings))
}

/// What of a tree belongs to somebody else, in a line.
fn theirs(scope: &Scope, tree: &Snapshot) -> Result<Option<String>> {
    let mut named = Vec::new();
    let mut more: u64 = 0;
    for entry in tree.entries() {
        let entry = entry?;
        if entry.kind == EntryKind::Dir || !scope.us().is_theirs(&entry) {
            continue;
        }
        if named.len() < NAMED {
            named.push(format!("`{}` ({})", entry.path, whose::user(entry.uid)));
        } else {
            more += 1;
        }
    }
    let more = match more {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    Ok((!named.is_empty()).then(|| {
        format!(
            "left alone, whatever becomes of this release, for it belongs to somebody else: {}{more}",
            named.join(", ")
        )
    }))
}

/// Removes what dead runs left half-written in the backup directory.
pub fn clear_partial(ground: &Ground, site: &Site, last_id: &str) -> Result<()> {
    ground.confirm_backups()?;
    let shelf = Shelf::of(ground, site);
    let cleared = retention::clear_partial(&shelf.at, &site.deploy_dir, last_id);
    shelf.told(cleared).map(|_| ())
}

/// Reconciles the deploy directory to a backup; the paths that differed.
pub fn restore(
    ground: &Ground,
    site: &Site,
    description: &Description,
    parts: &Parts,
    data: Data,
    run: &RunDir,
) -> Result<Restored> {
    if ground.deploy().is_removed() {
        ground.confirm()?;
    }
    let shelf = Shelf::of(ground, site);
    let (scope, snapshot) = (
        scope_for(ground, site, parts, description)?,
        snapshot_of(run),
    );
    let options = options(data, &scope, snapshot.as_ref());
    let found = shelf.find(description)?;
    let from = found.of(description, &parts.others);
    let report = shelf.told(put_back::restore(from, ground.deploy(), &options))?;
    let mut changed = report.replaced;
    changed.extend(report.removed);
    let left = report.left.iter();
    let left = left.map(|(path, why)| format!("`{path}` is left alone: {why}"));
    Ok(Restored {
        changed,
        left: left.collect(),
    })
}

/// What is not as a backup has it; what is half-written by us aside.
pub fn differing(
    ground: &Ground,
    site: &Site,
    description: &Description,
    parts: &Parts,
    run: &RunDir,
) -> Result<Vec<Differing>> {
    let shelf = Shelf::of(ground, site);
    let (scope, snapshot) = (
        scope_for(ground, site, parts, description)?,
        snapshot_of(run),
    );
    let options = options(Data::LeaveAlone, &scope, snapshot.as_ref());
    let found = shelf.find(description)?;
    let from = found.of(description, &parts.others);
    shelf.told(put_back::differing(from, ground.deploy(), &options))
}

fn options<'o>(
    data: Data,
    scope: &'o Scope,
    snapshot: Option<&'o Snapshot>,
) -> put_back::Options<'o> {
    put_back::Options {
        data,
        scope,
        snapshot,
    }
}

/// The tree as this run's backup saw it.
fn snapshot_of(run: &RunDir) -> Option<Snapshot> {
    let file = foreign::open(&run.within(name::SNAPSHOT), Links::Refused).ok();
    file.and_then(Snapshot::read_from)
}

/// Says whether something of the tree that a run archived belongs to somebody else, directories aside.
#[must_use]
pub fn has_theirs(run: &RunDir) -> bool {
    let us = Us::now();
    let is_theirs = |entry: &Entry| entry.kind != EntryKind::Dir && us.is_theirs(entry);
    let tree = snapshot_of(run);
    tree.is_some_and(|tree| tree.entries().flatten().any(|entry| is_theirs(&entry)))
}

/// Which paths belong to containers, and which to the release all the same.
fn parts_of(ground: &Ground, site: &Site, parts: &Parts) -> Result<Scope> {
    let scope = ground.scope(&site.backup_dir)?.with_data(&parts.data);
    let scope = scope.with_shipped(&parts.own).with_own(&parts.listed);
    Ok(scope.shipping(&parts.ships).leaving(&parts.others))
}

/// The same with what a backup left out.
fn scope_for(
    ground: &Ground,
    site: &Site,
    parts: &Parts,
    description: &Description,
) -> Result<Scope> {
    Ok(parts_of(ground, site, parts)?
        .with_data(&description.data)
        .excluding(&description.exclude)?
        .with_key(Shelf::of(ground, site).key()))
}

/// The backups there are, newest first.
pub fn backups(ground: &Ground, site: &Site) -> Result<Vec<Listed>> {
    let shelf = Shelf::of(ground, site);
    let mut listed = shelf.told(catalogue::list(&shelf.at, &site.deploy_dir))?;
    for one in &mut listed {
        if let Ok(file) = one.archive.strip_prefix(&shelf.at) {
            one.archive = shelf.shown.join(file);
        }
    }
    Ok(listed)
}

/// How backups stand to what runs. Only what makes up a release counts; of what an older program made
/// that is not known, so all that a restore would change does.
pub fn standings<'l>(
    ground: &Ground,
    site: &Site,
    listed: &'l [Listed],
    release: &Release,
) -> Result<Standings<'l>> {
    let shelf = Shelf::of(ground, site);
    let made_of = lineage::made_of(listed, release, &site.deploy_dir, []);
    let whole = ground.scope(&site.backup_dir)?.with_key(shelf.key());
    let mut seen: Option<Snapshot> = None;
    let mut has_tree_of = |description: &Description| {
        let found = shelf.find(description)?;
        let others = catalogue::of_others(listed, description);
        let from = found.of(description, &others);
        if description.fingerprint.is_some() {
            return put_back::is_made_of_the_same(from, ground.deploy(), &whole, &made_of);
        }
        let brought = catalogue::brought_since(listed, description);
        let scope = whole.clone().with_own(brought).leaving(&others);
        let options = options(Data::LeaveAlone, &scope, seen.as_ref());
        let (is_same, now) = put_back::is_same(from, ground.deploy(), &options)?;
        seen = Some(now);
        Ok(is_same)
    };
    let mut current = Current {
        release,
        has_tree_of: &mut has_tree_of,
    };
    shelf.told(choice::standings(listed, &mut current))
}

/// The paths that a backup lists though they would be data, or left out.
pub fn listed_within(
    ground: &Ground,
    site: &Site,
    description: &Description,
    data: &[String],
    exclude: &[String],
) -> Result<Vec<String>> {
    let shelf = Shelf::of(ground, site);
    let listing = shelf.find(description)?.listing;
    shelf.told(put_back::listed_within(&listing, data, exclude))
}

/// Removes a backup.
pub fn drop_backup(ground: &Ground, site: &Site, timestamp: &str) -> Result<()> {
    ground.confirm_backups()?;
    let shelf = Shelf::of(ground, site);
    shelf.told(retention::drop(&shelf.at, &site.deploy_dir, &[timestamp]))
}
