//! Reconciles a deploy directory with a backup, in place: what is the same is not touched.
//!
//! May be interrupted anywhere and run again. It refuses to touch what containers write unless it
//! is told to, to follow links, and to believe that it succeeded without looking.

mod apply;
mod data;
mod differing;
mod left;
mod plan;
mod stage;

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use self::apply::Site;
pub use self::differing::differing;
pub use self::left::Why;
use self::left::{Leaving, Left};
use self::plan::Plan;
use super::read::{broken, digest_of};
use super::{Description, EntryKind};
use crate::event::Failure;
use crate::host::tree::difference::Change;
use crate::host::tree::{Act, Difference, Home, Part, Scope, Snapshot, cannot, diff, name, put};

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

/// Makes `deploy_dir` what `description` says, taking content from `archive` where it differs, and
/// looks again afterwards. The archive is only read if something in it is needed, and no farther.
pub fn restore(
    archive: &Path,
    description: &Description,
    deploy_dir: &Home,
    options: &Options,
) -> Result<Report, Failure> {
    let view = view(description, options.scope)?;
    if options.data == Data::Restore {
        expect_whole(archive, description)?;
    }
    let done = reconcile(archive, description, deploy_dir, options, &view);
    if done.is_err() {
        // The failure at hand is the one to tell; the next run clears what stays.
        let _ = stage::clear(deploy_dir);
    }
    done
}

/// What a restore would have to change, and the tree as it was seen. Data does not count, nor does
/// what a restore leaves as it is.
pub fn compare(
    description: &Description,
    deploy_dir: &Home,
    options: &Options,
) -> Result<(Vec<Difference>, Snapshot), Failure> {
    let view = view(description, options.scope)?;
    let now = look(deploy_dir, options, &view)?;
    let mut found = diff(&description.tree, now.entries());
    let left = Leaving::of(deploy_dir, &view, &description.tree).among(&found, &now);
    let stays = |d: &Difference| d.change == Change::Extra && stays(deploy_dir, &d.path, &now);
    found.retain(|d| !stays(d) && !left.contains_key(&d.path));
    Ok((found, now))
}

/// Says whether a path is a directory that no restore removes, for what is not the release's is
/// in it.
fn stays(deploy_dir: &Home, path: &str, now: &Snapshot) -> bool {
    let all = now.entries();
    let at = |path: &str| all.binary_search_by(|e| e.path.as_str().cmp(path));
    if !at(path).is_ok_and(|i| all[i].kind == EntryKind::Dir) {
        return false;
    }
    let below = name::to_path(path).unwrap_or_default();
    let names = deploy_dir.dir().descend(&below).and_then(|d| d.names());
    let names = names.unwrap_or_default().into_iter();
    let mut paths = names.map(|n| name::join(path, &name::escape(n.as_bytes())));
    paths.any(|path| at(&path).is_err() || stays(deploy_dir, &path, now))
}

fn look(deploy_dir: &Home, options: &Options, view: &Scope) -> Result<Snapshot, Failure> {
    match options.snapshot {
        Some(known) => known.retake(deploy_dir, view),
        None => Snapshot::take(deploy_dir, view),
    }
}

fn reconcile(
    archive: &Path,
    description: &Description,
    deploy_dir: &Home,
    options: &Options,
    view: &Scope,
) -> Result<Report, Failure> {
    tidy(deploy_dir, view)?;
    let now = look(deploy_dir, options, view)?;
    let leaving = Leaving::of(deploy_dir, view, &description.tree);
    let left = leaving.among(&diff(&description.tree, now.entries()), &now);
    let plan = Plan::of(&description.tree, now.entries(), &left);
    let mut site = Site::of(deploy_dir, view.us());
    site.report.untouched = plan.untouched;
    if !plan.is_empty() {
        let staged = stage::stage(archive, &plan, &mut site)?;
        fault!("restore.staged");
        site.apply(&plan, &staged);
    }
    let mut site = site.expect_no_failure()?;
    if options.data == Data::Restore {
        data::restore(archive, description, view, &mut site)?;
    }
    let mut report = site.finish()?;
    report.left = left.into_iter().collect();
    let after = now.retake(deploy_dir, view)?;
    look_again(description, &after, &report, &leaving)?;
    Ok(report)
}

/// The parts of the tree, seen so that everything the backup lists belongs to the release.
fn view(description: &Description, scope: &Scope) -> Result<Scope, Failure> {
    let view = scope
        .clone()
        .with_data(&description.data)
        .excluding(&description.exclude)?;
    let listed = description.tree.iter().map(|e| e.path.as_str());
    let hidden: Vec<&str> = listed
        .filter(|p| view.part_of(p) != Part::Release)
        .collect();
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
    description: &Description,
    after: &Snapshot,
    report: &Report,
    leaving: &Leaving,
) -> Result<(), Failure> {
    let kept = |d: &Difference| d.change == Change::Extra && report.kept.contains(&d.path);
    let mut left = diff(&description.tree, after.entries());
    // Somebody may have written once more.
    let theirs: Left = leaving.among(&left, after);
    left.retain(|d| !kept(d) && !theirs.contains_key(&d.path));
    if left.is_empty() {
        return Ok(());
    }
    let mut failure = Failure::new("the restored tree is not what the backup describes");
    failure.because = left.iter().take(20).map(ToString::to_string).collect();
    Err(failure.hint(
        "stop what writes there, or name it in `backup_exclude`; then run the rollback again",
    ))
}

/// Says whether a path of this kind can be replaced by one of that by renaming.
fn renames_over(now: EntryKind, then: EntryKind) -> bool {
    now != EntryKind::Dir && then != EntryKind::Dir && then != EntryKind::Other
}
