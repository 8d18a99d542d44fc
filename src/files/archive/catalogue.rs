//! Which backups there are, and what runs have brought since each was taken.
//!
//! It goes by the places that heads tell, never by a clock or the file system's times, and refuses to
//! open an archive.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use super::manifest::{self, Unreadable};
use super::naming::{self, Role};
use crate::files::tree::{Act, cannot};
use crate::words::backup::Description;
use crate::words::event::Failure;

/// A backup in a backup directory, usable or not.
#[derive(Debug, Clone, PartialEq)]
pub struct Listed {
    /// Its name's timestamp.
    pub timestamp: String,
    /// What it is, or why it cannot be used.
    pub description: Result<Description, Unusable>,
    /// The archive's path, whether it is there or not.
    pub archive: PathBuf,
    /// The archive's size; 0 if it is not there.
    pub bytes: u64,
}

/// Why a backup cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unusable {
    /// It was taken of this other directory, which has the same base name.
    Foreign(PathBuf),
    /// Something is missing or damaged.
    Broken(String),
    /// A newer Landfall made it.
    Newer(String),
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Foreign(dir) => write!(f, "it was taken of `{}`", dir.display()),
            Self::Broken(why) | Self::Newer(why) => f.write_str(why),
        }
    }
}

/// The backups of `deploy_dir` in `backup_dir`, newest first: by their places, and those that are of no
/// use by their names. Foreign files are not listed; a directory that does not exist holds none.
pub fn list(backup_dir: &Path, deploy_dir: &Path) -> Result<Vec<Listed>, Failure> {
    let base = naming::base(deploy_dir);
    let mut found: BTreeMap<String, Vec<Role>> = BTreeMap::new();
    for name in names(backup_dir)? {
        if let Some((timestamp, role)) = naming::parse(&base, &name) {
            found.entry(timestamp.to_owned()).or_default().push(role);
        }
    }
    let newest_first = found.into_iter().rev();
    let all =
        newest_first.map(|(timestamp, roles)| look(backup_dir, deploy_dir, timestamp, &roles));
    Ok(in_order(all.collect()))
}

/// Orders backups, the newest first. Where those of no use stood is not known for sure, so they go by
/// their names alone.
pub(crate) fn in_order(all: Vec<Listed>) -> Vec<Listed> {
    let (mut usable, others): (Vec<_>, Vec<_>) =
        all.into_iter().partition(|l| l.description.is_ok());
    let order = |l: &Listed| {
        l.description
            .as_ref()
            .map(|d| (d.sequence, d.timestamp.clone()))
            .ok()
    };
    usable.sort_by_key(|l| std::cmp::Reverse(order(l)));
    let mut ordered = Vec::new();
    let mut others = others.into_iter().peekable();
    for listed in usable {
        while let Some(other) = others.next_if(|other| other.timestamp > listed.timestamp) {
            ordered.push(other);
        }
        ordered.push(listed);
    }
    ordered.extend(others);
    ordered
}

/// The names in a backup directory; none if there is no such directory.
pub(crate) fn names(backup_dir: &Path) -> Result<Vec<String>, Failure> {
    let failed = |e: io::Error| cannot(Act::Read, &backup_dir.display(), &e);
    let entries = match std::fs::read_dir(backup_dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.map_err(failed)?,
    };
    let mut names = Vec::new();
    for entry in entries {
        // Names of ours are plain text.
        if let Ok(name) = entry.map_err(failed)?.file_name().into_string() {
            names.push(name);
        }
    }
    Ok(names)
}

fn look(backup_dir: &Path, deploy_dir: &Path, timestamp: String, roles: &[Role]) -> Listed {
    let base = naming::base(deploy_dir);
    let path = |role| backup_dir.join(naming::file(&base, &timestamp, role));
    let archive = path(Role::Archive);
    let bytes = archive
        .symlink_metadata()
        .ok()
        .filter(std::fs::Metadata::is_file)
        .map(|m| m.len());
    let description = if roles.contains(&Role::Description) {
        manifest::head(&path(Role::Description))
            .map_err(unusable)
            .and_then(|d| usable(d, &timestamp, deploy_dir, bytes))
    } else {
        Err(Unusable::Broken("it has no description".to_owned()))
    };
    Listed {
        timestamp,
        description,
        archive,
        bytes: bytes.unwrap_or(0),
    }
}

fn unusable(unreadable: Unreadable) -> Unusable {
    match unreadable {
        Unreadable::Newer(failure) => Unusable::Newer(failure.to_string()),
        Unreadable::Damaged(failure) => Unusable::Broken(failure.to_string()),
    }
}

fn usable(
    description: Description,
    timestamp: &str,
    deploy_dir: &Path,
    bytes: Option<u64>,
) -> Result<Description, Unusable> {
    if !same_place(&description.deploy_dir, deploy_dir) {
        return Err(Unusable::Foreign(description.deploy_dir));
    }
    let expected = naming::file(&naming::base(deploy_dir), timestamp, Role::Archive);
    let said = description.archive.bytes;
    let why = match bytes {
        None => "its archive is missing".to_owned(),
        Some(is) if is != said => format!("its archive has {is} bytes, described as {said}"),
        Some(_) if description.timestamp != timestamp => {
            format!("its description is of {}", description.timestamp)
        }
        Some(_) if description.archive.file != expected => {
            format!(
                "its description names the archive `{}`",
                description.archive.file
            )
        }
        Some(_) => return Ok(description),
    };
    Err(Unusable::Broken(why))
}

fn same_place(one: &Path, other: &Path) -> bool {
    let real = |p: &Path| p.canonicalize().ok();
    one == other || real(one).is_some_and(|r| Some(r) == real(other))
}

/// The usable backup of a timestamp; the failure lists those that exist.
pub fn find<'a>(list: &'a [Listed], timestamp: &str) -> Result<&'a Listed, Failure> {
    let found = list.iter().find(|l| l.timestamp == timestamp);
    match found.map(|l| (l, &l.description)) {
        Some((listed, Ok(_))) => Ok(listed),
        Some((_, Err(why))) => Err(Failure::new(format!("backup `{timestamp}` cannot be used"))
            .because(why)
            .hint(choices(list))),
        None => Err(Failure::new(format!("there is no backup `{timestamp}`"))
            .because("none was made here at that time, or it has made room for newer ones")
            .hint(choices(list))),
    }
}

fn choices(list: &[Listed]) -> String {
    let usable: Vec<&str> = list
        .iter()
        .filter(|l| l.description.is_ok())
        .map(|l| l.timestamp.as_str())
        .collect();
    if usable.is_empty() {
        "deploy first: there is no usable backup yet".to_owned()
    } else {
        format!("choose one of those that exist: {}", usable.join(", "))
    }
}

/// What its own run and later ones of its project brought since a backup was taken. Those that were
/// taken back again count too: what they brought is gone.
#[must_use]
pub fn brought_since(list: &[Listed], backup: &Description) -> Vec<String> {
    let own = since(list, backup).filter(|d| d.release.project == backup.release.project);
    let brought: BTreeSet<&String> = own.flat_map(|d| &d.brings).collect();
    brought.into_iter().cloned().collect()
}

/// What its own run and later ones of its project put in place since a backup was taken, and so what
/// a rollback to it takes back.
#[must_use]
pub fn shipped_since(list: &[Listed], backup: &Description) -> Vec<String> {
    let own = since(list, backup).filter(|d| d.release.project == backup.release.project);
    let shipped: BTreeSet<&String> = own.flat_map(|d| d.ships.iter().chain(&d.brings)).collect();
    shipped.into_iter().cloned().collect()
}

/// What is another project's in the same directory: what its runs put in place since a backup was
/// taken, and the compose files that its containers were made from.
#[must_use]
pub fn of_others(list: &[Listed], backup: &Description) -> Vec<String> {
    let is_other = |d: &&Description| d.release.project != backup.release.project;
    let shipped = since(list, backup).filter(is_other);
    let shipped = shipped.flat_map(|d| d.ships.iter().chain(&d.brings));
    let described = list.iter().filter_map(|l| l.description.as_ref().ok());
    let files = described.filter(is_other).flat_map(|d| {
        let files = d.release.compose_files.iter();
        files.map(|file| {
            let below = Path::new(file).strip_prefix(&d.deploy_dir);
            below.map_or(file.clone(), |path| path.to_string_lossy().into_owned())
        })
    });
    let all: BTreeSet<String> = shipped.cloned().chain(files).collect();
    // What both were made from belongs to both, and goes back with either.
    let own = &backup.release.compose_files;
    let is_own = |path: &String| own.iter().any(|o| Path::new(o).ends_with(path));
    all.into_iter().filter(|path| !is_own(path)).collect()
}

fn since<'l>(list: &'l [Listed], backup: &Description) -> impl Iterator<Item = &'l Description> {
    let described = list.iter().filter_map(|l| l.description.as_ref().ok());
    let (sequence, timestamp) = (backup.sequence, backup.timestamp.clone());
    described.filter(move |d| d.order() >= (sequence, timestamp.as_str()))
}

/// Says whether a backup is of a project; one that cannot be read may be anybody's.
#[must_use]
pub fn is_of(listed: &Listed, project: &str) -> bool {
    let description = listed.description.as_ref();
    description.map_or(true, |d| d.release.project == project)
}

/// The projects that there are backups of.
#[must_use]
pub fn projects(list: &[Listed]) -> BTreeSet<String> {
    let described = list.iter().filter_map(|l| l.description.as_ref().ok());
    described.map(|d| d.release.project.clone()).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_description_that_names_another_file_is_of_no_use() {
        let description = |file: &str| {
            let text = serde_json::json!({
                "v": 1, "timestamp": "20251017_143025", "created_at": "2025-10-17T14:30:25Z",
                "deployment_id": "r", "purpose": "deploy", "deploy_dir": "/opt/mcp",
                "release": {"project": "mcp", "services": [], "references": []},
                "archive": {"file": file, "bytes": 7, "sha256": "", "entries": 0}, "tree": [],
            });
            serde_json::from_value::<Description>(text).unwrap()
        };
        let look = |file| {
            usable(
                description(file),
                "20251017_143025",
                Path::new("/opt/mcp"),
                Some(7),
            )
        };
        assert!(look("mcp-backup-20251017_143025.tar.gz").is_ok());
        for other in ["../mcp-backup-20251017_143025.tar.gz", "/etc/x.tar.gz", ""] {
            let why = look(other).unwrap_err().to_string();
            assert!(why.contains("names the archive"), "{why}");
        }
    }
}
