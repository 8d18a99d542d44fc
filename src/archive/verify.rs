//! Checks a backup against its own description: the file, its compression, every entry.
//!
//! It refuses to know the deploy directory as it is now.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::read::{Item, Then, file_name, read_through};
use super::{DESCRIPTION_VERSION, Description, Entry, EntryKind};
use crate::event::Failure;
use crate::host::foreign;
use crate::host::tree::difference::aspects;
use crate::host::tree::{Act, cannot, digest, name};

/// The longest description that is read, in bytes.
const MOST: u64 = 256 * 1024 * 1024;
/// How many mismatches a failure names.
const NAMED: usize = 50;

/// Checks a backup: its description is there and known, and the archive holds exactly what the
/// description says. The failure names each mismatch.
pub fn verify(archive_path: &Path) -> Result<(), Failure> {
    let description = describe(archive_path)?;
    let mismatches = check(archive_path, &description)?;
    if mismatches.is_empty() {
        return Ok(());
    }
    let more = mismatches.len().saturating_sub(NAMED);
    let mut failure = Failure::new(format!(
        "backup `{}` is not what its description says",
        archive_path.display()
    ));
    failure.because = mismatches.into_iter().take(NAMED).collect();
    if more > 0 {
        failure = failure.because(format!("and {more} more"));
    }
    Err(failure.hint("choose another backup: `landfall backups` lists them"))
}

/// The description beside an archive.
pub fn describe(archive_path: &Path) -> Result<Description, Failure> {
    let path = description_path(archive_path).ok_or_else(|| {
        Failure::new(format!("`{}` is not a backup", archive_path.display()))
            .because("its name does not end with `.tar.gz`")
    })?;
    read_description(&path)
}

/// Where the description of an archive lies.
#[must_use]
pub fn description_path(archive_path: &Path) -> Option<PathBuf> {
    let name = file_name(archive_path);
    let stem = name.strip_suffix(".tar.gz")?;
    Some(archive_path.with_file_name(format!("{stem}.json")))
}

/// Reads a description and refuses a format that this build does not know.
pub fn read_description(path: &Path) -> Result<Description, Failure> {
    let text = foreign::read(path, MOST).map_err(|e| cannot(Act::Read, &path.display(), &e))?;
    let damaged = |error: serde_json::Error| {
        Failure::new(format!("description `{}` is damaged", path.display())).because(error)
    };
    let value: serde_json::Value = serde_json::from_slice(&text).map_err(damaged)?;
    let version = value.get("v").and_then(serde_json::Value::as_u64);
    if version != Some(DESCRIPTION_VERSION.into()) {
        let said = version.map_or("none".to_owned(), |v| v.to_string());
        return Err(Failure::new(format!(
            "description `{}` has version {said}, and this build knows {DESCRIPTION_VERSION}",
            path.display()
        ))
        .hint("use the version of landfall that wrote it"));
    }
    serde_json::from_value(value).map_err(damaged)
}

/// Every way in which an archive is not what a description says, in words.
pub(crate) fn check(archive: &Path, description: &Description) -> Result<Vec<String>, Failure> {
    let mut left: HashMap<&str, &Entry> = description
        .tree
        .iter()
        .filter(|e| e.kind != EntryKind::Other)
        .map(|e| (e.path.as_str(), e))
        .collect();
    let mut found = Vec::new();
    let fact = read_through(archive, &mut |item: &mut Item| {
        found.extend(match left.remove(item.entry.path.as_str()) {
            Some(said) => differs(said, item)?,
            None => stray(&item.entry, description),
        });
        Ok(Then::GoOn)
    })?;
    let mut missing: Vec<&str> = left.into_keys().collect();
    missing.sort_unstable();
    found.extend(missing.iter().map(|path| format!("missing: {path}")));
    let said = &description.archive;
    if let Some(fact) = fact {
        found.extend(unlike("size", &said.bytes, &fact.bytes));
        found.extend(unlike("SHA-256", &said.sha256, &fact.sha256));
        found.extend(unlike("number of entries", &said.entries, &fact.entries));
    }
    Ok(found)
}

fn unlike<T: PartialEq + std::fmt::Display>(what: &str, said: &T, is: &T) -> Option<String> {
    (said != is).then(|| format!("the archive's {what} is {is}, described as {said}"))
}

/// How an entry of the archive differs from the described one; reads its content.
fn differs(said: &Entry, item: &mut Item) -> Result<Option<String>, Failure> {
    if item.entry.kind == EntryKind::File {
        let (_, sha256) = digest(&mut *item.body)
            .map_err(|e| Failure::new(format!("cannot unpack `{}`", said.path)).because(e))?;
        item.entry.sha256 = Some(sha256);
    }
    let aspects: Vec<String> = aspects(said, &item.entry)
        .iter()
        .map(ToString::to_string)
        .collect();
    Ok((!aspects.is_empty()).then(|| format!("changed: {} ({})", said.path, aspects.join(", "))))
}

/// An entry that the description does not list may only be data.
fn stray(entry: &Entry, description: &Description) -> Option<String> {
    let is_data = |data: &String| name::is_within(&entry.path, data);
    (!description.data.iter().any(is_data)).then(|| format!("extra: {}", entry.path))
}
