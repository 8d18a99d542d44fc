//! Writes a backup: a tar.gz of the deploy directory, read back and checked, then its description.
//!
//! The description comes last, so a backup that has one is whole. It refuses to know what runs:
//! that is told to it.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::thread;

use chrono::{DateTime, Utc};

use super::gather::{Gathered, Stop, gather};
use super::naming::{self, Role};
use super::pipe::pipe;
use super::sequence::{self, Place};
use super::squeeze::squeeze;
use super::{catalogue, lineage, manifest, space, verify};
use crate::files::tree::dir::Dir;
use crate::files::tree::{Act, Home, Scope, Snapshot, cannot};
use crate::words::backup::{
    ArchiveFact, DESCRIPTION_VERSION, Description, Entry, Purpose, Release,
};
use crate::words::event::Failure;
use crate::words::plan::{Made, Origin};

/// What a backup is to be made of.
pub struct Request<'a> {
    /// The directory to archive.
    pub deploy_dir: &'a Home,
    /// Where to; created for its owner alone if it is missing.
    pub backup_dir: &'a Path,
    /// What belongs to the release, what is data and what is left out.
    pub scope: &'a Scope,
    /// The run that asks for it.
    pub deployment_id: &'a str,
    /// What it is for.
    pub purpose: Purpose,
    /// What runs at this moment.
    pub release: &'a Release,
    /// Who asked for the run.
    pub origin: &'a Origin,
    /// Who made what runs, where that is known.
    pub made_by: Option<&'a Made>,
    /// Paths of the tree that make up what runs, besides what is shipped and what backups name.
    pub made_of: &'a [String],
    /// The moment that names it, unless there are backups of that moment or later ones.
    pub at: DateTime<Utc>,
    /// Told how many bytes have been read so far.
    pub progress: &'a dyn Fn(u64),
}

/// A backup that stands.
#[derive(Debug, Clone)]
pub struct Written {
    /// What is in it; also in the file beside it.
    pub description: Description,
    /// The archive's path.
    pub archive: PathBuf,
    /// Data that changed while it was read: what the backup holds of it may be torn.
    pub torn: Vec<String>,
    /// Data that could not be read: the backup lacks it, and a restore leaves it alone.
    pub unread: Vec<String>,
    /// What is to be said of a clock that lies behind.
    pub told: Option<String>,
    /// The tree as it was, so that a restore need not read again what never moved.
    pub snapshot: Snapshot,
}

/// Writes a backup and checks what it wrote. Whatever goes wrong, nothing half-written stays.
///
/// A file of the release that changes while it is read is read once more, then it is an error;
/// data that does is archived as far as it goes and noted.
pub fn write(request: &Request) -> Result<Written, Failure> {
    make_backup_dir(request.backup_dir)?;
    let dir = Dir::open(request.backup_dir)
        .map_err(|e| cannot(Act::Write, &request.backup_dir.display(), &e))?;
    let base = naming::base(request.deploy_dir.path());
    let draft = Draft {
        request,
        dir,
        place: sequence::next(request.backup_dir, &base, request.at)?,
        base,
    };
    let written = match draft.attempt() {
        Err(Stop::Torn(_)) => draft.attempt(),
        other => other,
    };
    if written.is_err() {
        draft.clear();
    }
    written.map_err(|stop| match stop {
        Stop::Torn(path) => torn(&path),
        Stop::Full => space::full(request.deploy_dir, request.backup_dir, request.scope),
        Stop::Failed(failure) => failure,
    })
}

fn torn(path: &str) -> Failure {
    Failure::new(format!("`{path}` changes while it is being archived"))
        .because("it changed on the second try too")
        .hint("name it in `backup_exclude`, stop what writes it, or mount it into its container for writing so that it counts as data")
}

fn make_backup_dir(path: &Path) -> Result<(), Failure> {
    let made = fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path);
    made.map_err(|e| {
        let failure = Failure::new(format!("cannot create `{}`", path.display())).because(&e);
        failure.hint("create it for the SSH user, set another `backup_dir`, or set `sudo: always`")
    })
}

/// A backup on its way.
struct Draft<'a> {
    request: &'a Request<'a>,
    dir: Dir,
    base: String,
    place: Place,
}

impl Draft<'_> {
    fn partial(&self, role: Role) -> String {
        naming::partial(
            &self.base,
            &self.place.timestamp,
            role,
            self.request.deployment_id,
        )
    }

    fn path(&self, name: &str) -> PathBuf {
        self.request.backup_dir.join(name)
    }

    fn attempt(&self) -> Result<Written, Stop> {
        fault!(here "backup.archive.before");
        let (gathered, fact) = self.pack()?;
        fault!(here "backup.archive.written");
        let description = self.describe(&gathered, fact)?;
        self.inscribe(&description, &gathered.snapshot)?;
        let [archive, listing] =
            [Role::Archive, Role::Description].map(|role| self.path(&self.partial(role)));
        let mismatches = verify::check(&archive, &listing, self.request.scope.key())?;
        if !mismatches.is_empty() {
            let mut failure = Failure::new("the archive just written does not hold what was read");
            failure.because = mismatches.into_iter().take(10).collect();
            let failure = failure.hint("check the server's disk and memory");
            return Err(Stop::Failed(failure));
        }
        self.publish(&description)?;
        Ok(Written {
            archive: self.path(&description.archive.file),
            description,
            torn: gathered.torn,
            unread: gathered.unread,
            told: self.place.told.clone(),
            snapshot: gathered.snapshot,
        })
    }

    /// Reads in this thread and compresses in others.
    fn pack(&self) -> Result<(Gathered, ArchiveFact), Stop> {
        let name = self.partial(Role::Archive);
        let failed = |e: io::Error| Stop::of(&self.path(&name), &e);
        self.dir.remove(name.as_ref()).map_err(failed)?;
        let file = self.dir.create(name.as_ref()).map_err(failed)?;
        let (inlet, outlet) = pipe();
        let (gathered, squeezed) = thread::scope(|threads| {
            let squeezing = threads.spawn(|| squeeze(outlet, file));
            let gathered = gather(self.request, inlet);
            let panicked = |_| Err(io::Error::other("the compressing thread panicked"));
            (gathered, squeezing.join().unwrap_or_else(panicked))
        });
        // A full disk shows on this side first, as a pipe that closed.
        let (bytes, sha256) = squeezed.map_err(failed)?;
        let gathered = gathered?;
        let fact = ArchiveFact {
            file: naming::file(&self.base, &self.place.timestamp, Role::Archive),
            bytes,
            sha256,
            entries: gathered.entries,
        };
        Ok((gathered, fact))
    }

    fn describe(&self, gathered: &Gathered, archive: ArchiveFact) -> Result<Description, Stop> {
        let scope = self.request.scope;
        let unread = gathered.unread.iter().map(|p| as_glob(p));
        let brings = brought(scope, &gathered.snapshot);
        let brings = brings.map_err(|e| Stop::of(self.request.backup_dir, &e))?;
        let lineage = self.lineage(&gathered.snapshot)?;
        let needs = gathered.keyed.then(|| manifest::KEYED.to_owned());
        Ok(Description {
            v: DESCRIPTION_VERSION,
            timestamp: self.place.timestamp.clone(),
            sequence: self.place.sequence,
            created_at: self.request.at,
            deployment_id: self.request.deployment_id.to_owned(),
            purpose: self.request.purpose,
            deploy_dir: self.request.deploy_dir.path().to_owned(),
            project: self.request.release.project.clone(),
            release: self.request.release.clone(),
            archive,
            data: scope.data().to_vec(),
            brings,
            ships: scope.ships().to_vec(),
            exclude: scope.patterns().iter().cloned().chain(unread).collect(),
            origin: self.request.origin.clone(),
            made_by: self.request.made_by.cloned(),
            made_of: lineage.made_of,
            fingerprint: Some(lineage.fingerprint),
            first: lineage.first,
            needs: needs.into_iter().collect(),
        })
    }

    /// Which release it is, among those that there are backups of.
    fn lineage(&self, tree: &Snapshot) -> Result<Lineage, Stop> {
        let (request, scope) = (self.request, self.request.scope);
        let (release, deploy_dir) = (request.release, request.deploy_dir.path());
        let known = catalogue::list(request.backup_dir, deploy_dir)?;
        let more = scope.ships().iter().chain(request.made_of).cloned();
        let made_of = lineage::made_of(&known, release, deploy_dir, more);
        let entries = tree.entries().map(|entry| entry.map(without_guesses));
        let fingerprint = lineage::fingerprint(release, &made_of, entries)
            .map_err(|e| Stop::of(request.backup_dir, &e))?;
        let sequence = self.place.sequence;
        let first = lineage::first(&known, &release.project, &fingerprint, sequence);
        Ok(Lineage {
            made_of: lineage::untold(&made_of, scope.ships()),
            fingerprint,
            first,
        })
    }

    /// Writes the description under a name that says that it is half of a backup.
    fn inscribe(&self, description: &Description, tree: &Snapshot) -> Result<(), Stop> {
        let text = self.partial(Role::Description);
        let write = || {
            self.dir.remove(text.as_ref())?;
            let file = self.dir.create(text.as_ref())?;
            let mut to = io::BufWriter::new(file);
            let told = tree.entries().map(|entry| entry.map(without_guesses));
            manifest::inscribe(&mut to, description, told)?;
            to.into_inner()?.sync_all()
        };
        write().map_err(|e: io::Error| Stop::of(&self.path(&text), &e))?;
        sequence::keep(self.request.backup_dir, &self.place)?;
        fault!(here "backup.description.written");
        Ok(())
    }

    /// Gives the archive its name, and then the description.
    fn publish(&self, description: &Description) -> Result<(), Stop> {
        let archive = &description.archive.file;
        let failed = |e: io::Error| Stop::of(&self.path(archive), &e);
        let text = self.partial(Role::Description);
        let partial = self.partial(Role::Archive);
        self.dir
            .rename_to_free(partial.as_ref(), archive.as_ref())
            .map_err(failed)?;
        let described = self.name_description(&text);
        if described.is_err() {
            // Without its description it is no backup; the error to tell is the one at hand.
            let _ = self.dir.remove(archive.as_ref());
        }
        described.map_err(failed)
    }

    /// Gives the description its name, or leaves it half-written: only that says, until it is cleared,
    /// that the archive is nobody's.
    fn name_description(&self, partial: &str) -> io::Result<()> {
        self.dir.sync()?;
        fault!(here "backup.archive.named");
        let name = naming::file(&self.base, &self.place.timestamp, Role::Description);
        self.dir.rename_to_free(partial.as_ref(), name.as_ref())?;
        if let Err(error) = self.dir.sync() {
            let _ = self.dir.rename(name.as_ref(), &self.dir, partial.as_ref());
            return Err(error);
        }
        fault!(here "backup.description.named");
        Ok(())
    }

    /// Removes what an attempt left. What cannot be removed is cleared by a later run.
    fn clear(&self) {
        for role in [Role::Archive, Role::Description] {
            let _ = self.dir.remove(self.partial(role).as_ref());
        }
    }
}

/// Which release a backup holds.
struct Lineage {
    made_of: Vec<String>,
    fingerprint: String,
    first: u64,
}

/// What the release is to own and is not there yet.
fn brought(scope: &Scope, tree: &Snapshot) -> io::Result<Vec<String>> {
    let mut missing: BTreeSet<String> = scope.own().map(ToOwned::to_owned).collect();
    missing.remove(".");
    for entry in tree.entries() {
        missing.remove(&entry?.path);
    }
    Ok(missing.into_iter().collect())
}

/// What has a checksum by a key is told with no other.
fn without_guesses(mut entry: Entry) -> Entry {
    if entry.hmac.is_some() {
        entry.sha256 = None;
    }
    entry
}

/// The glob of one path; whatever of its name is not plain text may be anything.
fn as_glob(path: &str) -> String {
    let mut glob = String::from("/");
    let mut rest = path;
    while let Some((plain, escaped)) = rest.split_once('\\') {
        glob.push_str(&globset::escape(plain));
        if !glob.ends_with('*') {
            glob.push('*');
        }
        // What follows is `xNN` or a second backslash.
        let taken = if escaped.starts_with('x') { 3 } else { 1 };
        rest = escaped.get(taken..).unwrap_or_default();
    }
    glob + &globset::escape(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_glob_of_a_path_matches_it_and_nothing_beside_it() {
        assert_eq!(as_glob("data/pg"), "/data/pg");
        assert_eq!(as_glob("data/[a]*"), "/data/[[]a[]][*]");
        assert_eq!(as_glob(r"data/\xff\\x"), "/data/*x");
        assert_eq!(as_glob(r"data/\x0a.d"), "/data/*.d");
    }
}
