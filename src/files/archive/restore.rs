//! Reconciles a deploy directory with a backup, in place: what is the same is not touched.
//!
//! May be interrupted anywhere and run again. It refuses to touch what containers write unless it
//! is told to, to follow links, and to believe that it succeeded without looking.

mod apply;
mod data;
mod differing;
mod left;
mod made_of;
mod plan;
mod stage;

use std::collections::{HashMap, HashSet};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use self::apply::Site;
pub use self::differing::differing;
pub use self::left::Why;
use self::left::{Found, Leaving};
pub use self::made_of::is_made_of_the_same;
use self::plan::Plan;
use super::manifest;
use super::read::{Item, Then, broken, digest_of, read_through};
use crate::files::tree::difference::Change;
use crate::files::tree::{Act, Difference, Home, Part, Scope, Snapshot, cannot, digest, name, put};
use crate::words::backup::{Description, Entry, EntryKind};
use crate::words::event::Failure;

/// How many differences a failure names.
const TOLD: usize = 20;

/// What becomes of what containers write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Data {
    /// It stays as it is.
    LeaveAlone,
    /// It becomes exactly what the backup holds.
    Restore,
}

/// How a tree is restored.
pub struct Options<'a> {
    /// What becomes of what containers write.
    pub data: Data,
    /// The deploy directory as it is known now: what is data now and not in the backup is left
    /// alone; what the release owns now and is not in the backup is removed, even within data.
    pub scope: &'a Scope,
    /// The tree as it was last seen: spares reading what has not moved since.
    pub snapshot: Option<&'a Snapshot>,
}

/// What a restore did. Paths are relative to the deploy directory.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Created, replaced, or given other permissions.
    pub replaced: Vec<String>,
    /// Gone, because the backup has no such path.
    pub removed: Vec<String>,
    /// Directories that the backup has not, kept because data or excluded files lie in them.
    pub kept: Vec<String>,
    /// What differs from the backup and was left as it is, and why.
    pub left: Vec<(String, Why)>,
    /// How many paths were right already.
    pub untouched: u64,
}

/// A backup, to be put back or compared with.
#[derive(Debug, Clone, Copy)]
pub struct Source<'a> {
    /// The archive.
    pub archive: &'a Path,
    /// The file with its description, which lists the tree.
    pub listing: &'a Path,
    /// The head of that, as it was when the backup was chosen.
    pub description: &'a Description,
    /// The paths in it that are another project's: they are not part of it.
    pub others: &'a [String],
}

impl Source<'_> {
    /// The tree, once all of its description is known to be as it was written.
    fn tree(&self) -> Result<Tree<'_>, Failure> {
        let now = manifest::head(self.listing)?;
        let then = self.description;
        if (&now.timestamp, &now.archive) != (&then.timestamp, &then.archive) {
            let shown = self.listing.display();
            return Err(
                Failure::new(format!("description `{shown}` is another by now"))
                    .hint("choose another backup: `landfall backups` lists them"),
            );
        }
        manifest::expect_whole(self.listing)?;
        Ok(Tree {
            listing: self.listing,
            others: self.others.iter().map(String::as_str).collect(),
            plain: HashMap::new(),
        })
    }

    fn tree_for(&self, options: &Options) -> Result<Tree<'_>, Failure> {
        match options.scope.key() {
            Some(_) => self.tree(),
            None => self.tree_without_key(),
        }
    }

    /// The tree with plain checksums where the key is gone that others were made by: they are taken
    /// from the archive, once that is known to be whole.
    fn tree_without_key(&self) -> Result<Tree<'_>, Failure> {
        let mut tree = self.tree()?;
        let mut guarded = HashSet::new();
        for entry in tree.entries()? {
            let entry = entry?;
            if entry.hmac.is_some() {
                guarded.insert(entry.path);
            }
        }
        if guarded.is_empty() {
            return Ok(tree);
        }
        expect_whole(self.archive, self.description)?;
        read_through(self.archive, &mut |item: &mut Item| {
            if guarded.remove(&item.entry.path) {
                let (_, sha256) = digest(&mut *item.body).map_err(|e| broken(self.archive, &e))?;
                tree.plain.insert(item.entry.path.clone(), sha256);
            }
            Ok(if guarded.is_empty() {
                Then::Stop
            } else {
                Then::GoOn
            })
        })?;
        Ok(tree)
    }
}

/// What a backup lists, read from its description each time.
struct Tree<'a> {
    listing: &'a Path,
    others: HashSet<&'a str>,
    /// The plain checksums that take the place of others.
    plain: HashMap<String, String>,
}

impl Tree<'_> {
    fn entries(&self) -> Result<impl Iterator<Item = Result<Entry, Failure>> + '_, Failure> {
        let with_plain = |mut entry: Entry| {
            if let Some(sha256) = self.plain.get(&entry.path) {
                (entry.sha256, entry.hmac) = (Some(sha256.clone()), None);
            }
            entry
        };
        let is_other = |entry: &Entry| self.others.contains(entry.path.as_str());
        let listing = manifest::listing(self.listing)?;
        let own = listing.filter(move |entry| !entry.as_ref().is_ok_and(is_other));
        Ok(own.map(move |entry| entry.map(with_plain)))
    }
}

/// What a look has seen.
fn seen(deploy_dir: &Home, now: &Snapshot) -> impl Iterator<Item = Result<Entry, Failure>> + use<> {
    let path = deploy_dir.path().to_owned();
    let told = move |e: std::io::Error| cannot(Act::Read, &path.display(), &e);
    now.entries().map(move |entry| entry.map_err(&told))
}

/// Makes `deploy_dir` what a description says, taking content from the archive where it differs, and
/// looks again afterwards. The archive is only read if something in it is needed, and no farther.
pub fn restore(from: Source, deploy_dir: &Home, options: &Options) -> Result<Report, Failure> {
    let tree = from.tree_for(options)?;
    let view = view(from.description, &tree, options.scope)?;
    if options.data == Data::Restore {
        expect_whole(from.archive, from.description)?;
    }
    let done = reconcile(from, &tree, deploy_dir, options, &view);
    if done.is_err() {
        // The failure at hand is the one to tell; the next run clears what stays.
        let _ = stage::clear(deploy_dir);
    }
    done
}

/// Says whether a restore would change anything, and what the tree was seen to be. Data does not
/// count, nor does what a restore leaves as it is.
pub fn is_same(
    from: Source,
    deploy_dir: &Home,
    options: &Options,
) -> Result<(bool, Snapshot), Failure> {
    let tree = from.tree()?;
    let view = view(from.description, &tree, options.scope)?;
    let now = look(deploy_dir, options, &view)?;
    let leaving = Leaving::of(deploy_dir, &view);
    for found in leaving.compared(tree.entries()?, seen(deploy_dir, &now)) {
        if would_change(&found?, deploy_dir, &view) {
            return Ok((false, now));
        }
    }
    Ok((true, now))
}

/// Says whether a restore would change what differs.
fn would_change(found: &Found, deploy_dir: &Home, view: &Scope) -> bool {
    let difference = &found.difference;
    let is_extra = difference.change == Change::Extra;
    found.why.is_none() && !(is_extra && stays(deploy_dir, &difference.path, view))
}

/// The paths that a backup lists though they would be data, or left out.
pub fn listed_within(
    listing: &Path,
    data: &[String],
    exclude: &[String],
) -> Result<Vec<String>, Failure> {
    manifest::expect_whole(listing)?;
    let scope = Scope::default().with_data(data).excluding(exclude)?;
    let mut hidden = Vec::new();
    for entry in manifest::listing(listing)? {
        let path = entry?.path;
        if scope.part_of(&path) != Part::Release {
            hidden.push(path);
        }
    }
    Ok(hidden)
}

/// Says whether a path is a directory that no restore removes, for what is not the release's is
/// in it.
fn stays(deploy_dir: &Home, path: &str, view: &Scope) -> bool {
    let mut dirs = vec![path.to_owned()];
    while let Some(path) = dirs.pop() {
        let below = name::to_path(&path).unwrap_or_default();
        // What cannot be entered is no directory, or cannot be looked into.
        let names = deploy_dir.dir().descend(&below).and_then(|d| d.names());
        for each in names.unwrap_or_default() {
            let path = name::join(&path, &name::escape(each.as_bytes()));
            if view.part_of(&path) != Part::Release {
                return true;
            }
            dirs.push(path);
        }
    }
    false
}

fn look(deploy_dir: &Home, options: &Options, view: &Scope) -> Result<Snapshot, Failure> {
    match options.snapshot {
        Some(known) => known.retake(deploy_dir, view),
        None => Snapshot::take(deploy_dir, view),
    }
}

fn reconcile(
    from: Source,
    tree: &Tree,
    deploy_dir: &Home,
    options: &Options,
    view: &Scope,
) -> Result<Report, Failure> {
    tidy(deploy_dir, view)?;
    let now = look(deploy_dir, options, view)?;
    let leaving = Leaving::of(deploy_dir, view);
    let left = leaving.among(tree.entries()?, seen(deploy_dir, &now))?;
    let plan = Plan::of(tree.entries()?, seen(deploy_dir, &now), &left)?;
    let mut site = Site::of(deploy_dir, view.us());
    site.report.untouched = plan.untouched;
    if !plan.is_empty() {
        let staged = stage::stage(from.archive, &plan, &mut site, view.key())?;
        fault!("restore.staged");
        site.apply(&plan, &staged);
    }
    let mut site = site.expect_no_failure()?;
    if options.data == Data::Restore {
        data::restore(from.archive, from.description, view, &mut site)?;
    }
    let mut report = site.finish()?;
    report.left = left.into_iter().collect();
    let after = now.retake(deploy_dir, view)?;
    look_again(tree, seen(deploy_dir, &after), &report, &leaving)?;
    Ok(report)
}

/// The parts of the tree, seen so that everything the backup lists belongs to the release.
fn view(description: &Description, tree: &Tree, scope: &Scope) -> Result<Scope, Failure> {
    let view = scope
        .clone()
        .with_data(&description.data)
        .excluding(&description.exclude)?;
    let mut hidden = Vec::new();
    for entry in tree.entries()? {
        let path = entry?.path;
        if view.part_of(&path) != Part::Release {
            hidden.push(path);
        }
    }
    Ok(view.with_own(hidden))
}

/// Removes what an interrupted run left in the tree.
fn tidy(deploy_dir: &Home, view: &Scope) -> Result<(), Failure> {
    let failed = |e: std::io::Error| cannot(Act::Remove, &deploy_dir.path().display(), &e);
    stage::clear(deploy_dir).map_err(failed)?;
    for path in view.own().filter(|p| *p != ".") {
        put::sweep(deploy_dir, &name::to_path(path).unwrap_or_default()).map_err(failed)?;
    }
    Ok(())
}

/// Data has no digests of its own, so the whole archive has to be sound before any is touched.
fn expect_whole(archive: &Path, description: &Description) -> Result<(), Failure> {
    let (bytes, sha256) = digest_of(archive)?;
    let said = &description.archive;
    if (bytes, &sha256) == (said.bytes, &said.sha256) {
        return Ok(());
    }
    Err(broken(
        archive,
        &format!("its SHA-256 is {sha256}, described as {}", said.sha256),
    ))
}

fn look_again(
    tree: &Tree,
    after: impl Iterator<Item = Result<Entry, Failure>>,
    report: &Report,
    leaving: &Leaving,
) -> Result<(), Failure> {
    let kept = |d: &Difference| d.change == Change::Extra && report.kept.contains(&d.path);
    // Somebody may have written once more.
    let found = leaving.compared(tree.entries()?, after);
    let wrong = |found: &Result<Found, Failure>| {
        !found
            .as_ref()
            .is_ok_and(|f| f.why.is_some() || kept(&f.difference))
    };
    let told = found.filter(wrong).take(TOLD);
    let told = told.map(|found| found.map(|found| found.difference));
    let left: Vec<Difference> = told.collect::<Result<_, _>>()?;
    if left.is_empty() {
        return Ok(());
    }
    let mut failure = Failure::new("the restored tree is not what the backup describes");
    failure.because = left.iter().map(ToString::to_string).collect();
    Err(failure.hint(
        "stop what writes there, or name it in `backup_exclude`; then run the rollback again",
    ))
}

/// Says whether a path of this kind can be replaced by one of that by renaming.
fn renames_over(now: EntryKind, then: EntryKind) -> bool {
    now != EntryKind::Dir && then != EntryKind::Dir && then != EntryKind::Other
}
