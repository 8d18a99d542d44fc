//! Checks a backup against its own description: the file, its compression, every entry.
//!
//! It refuses to know the deploy directory as it is now.

use std::path::{Path, PathBuf};

use super::manifest;
use super::read::{Item, Then, file_name, read_through};
use crate::files::tree::difference::aspects;
use crate::files::tree::scope::OWN_NAME;
use crate::files::tree::sums::{Key, Summing};
use crate::files::tree::{digest, name};
use crate::words::backup::{Description, Entry, EntryKind};
use crate::words::event::Failure;

/// How many mismatches are noted.
const NOTED: usize = 1000;
/// How many mismatches a failure names.
const NAMED: usize = 50;

/// Checks a backup: its description is there and known, and the archive holds exactly what the
/// description says. The failure names each mismatch.
pub fn verify(archive_path: &Path) -> Result<(), Failure> {
    let listing = listing_of(archive_path)?;
    let state = archive_path.with_file_name(OWN_NAME);
    let mismatches = check(archive_path, &listing, Key::of(&state).as_ref())?;
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

/// Where the description beside an archive lies.
pub(crate) fn listing_of(archive_path: &Path) -> Result<PathBuf, Failure> {
    description_path(archive_path).ok_or_else(|| {
        Failure::new(format!("`{}` is not a backup", archive_path.display()))
            .because("its name does not end with `.tar.gz`")
    })
}

/// Where the description of an archive lies.
#[must_use]
pub fn description_path(archive_path: &Path) -> Option<PathBuf> {
    let name = file_name(archive_path);
    let stem = name.strip_suffix(".tar.gz")?;
    Some(archive_path.with_file_name(format!("{stem}.json")))
}

/// Every way in which an archive is not what a description says, in words. Both are in the order of a
/// walk: first what the release answers for, then data.
pub(crate) fn check(
    archive: &Path,
    listing: &Path,
    key: Option<&Key>,
) -> Result<Vec<String>, Failure> {
    let description = manifest::head(listing)?;
    let kept =
        |entry: &Result<Entry, Failure>| !entry.as_ref().is_ok_and(|e| e.kind == EntryKind::Other);
    let mut said = manifest::listing(listing)?.filter(kept).peekable();
    let mut found = Vec::new();
    let mut note = |mismatch: Option<String>| {
        if found.len() < NOTED {
            found.extend(mismatch);
        }
    };
    let fact = read_through(archive, &mut |item: &mut Item| {
        while let Some(entry) = said.next_if(|said| is_before(said, &item.entry)) {
            note(Some(format!("missing: {}", entry?.path)));
        }
        note(match said.next_if(|said| is_named(said, &item.entry)) {
            Some(entry) => differs(&entry?, item, key)?,
            None => stray(&item.entry, &description),
        });
        Ok(Then::GoOn)
    })?;
    for entry in said {
        note(Some(format!("missing: {}", entry?.path)));
    }
    let said = &description.archive;
    if let Some(fact) = fact {
        note(unlike("size", &said.bytes, &fact.bytes));
        note(unlike("SHA-256", &said.sha256, &fact.sha256));
        note(unlike("number of entries", &said.entries, &fact.entries));
    }
    Ok(found)
}

/// Says whether the next described entry should have come before one; a fault comes before all.
fn is_before(said: &Result<Entry, Failure>, entry: &Entry) -> bool {
    let before = |said: &Entry| name::order(&said.path, &entry.path).is_lt();
    said.as_ref().map_or(true, before)
}

fn is_named(said: &Result<Entry, Failure>, entry: &Entry) -> bool {
    said.as_ref().is_ok_and(|said| said.path == entry.path)
}

fn unlike<T: PartialEq + std::fmt::Display>(what: &str, said: &T, is: &T) -> Option<String> {
    (said != is).then(|| format!("the archive's {what} is {is}, described as {said}"))
}

/// How an entry of the archive differs from the described one; reads its content.
fn differs(said: &Entry, item: &mut Item, key: Option<&Key>) -> Result<Option<String>, Failure> {
    if item.entry.kind == EntryKind::File {
        let mut body = Summing::new(&mut *item.body, key.filter(|_| said.hmac.is_some()));
        let (_, sha256) = digest(&mut body)
            .map_err(|e| Failure::new(format!("cannot unpack `{}`", said.path)).because(e))?;
        item.entry.sha256 = Some(sha256);
        item.entry.hmac = body.finish().1;
        if said.hmac.is_some() && key.is_none() {
            // Without the key, the checksum of the whole archive has to do.
            item.entry.hmac.clone_from(&said.hmac);
        }
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
