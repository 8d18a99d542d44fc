//! A description as a file: its head in the first line, the tree behind it, one entry a line.
//!
//! All of it is one JSON text. The head carries a checksum, so that a listing reads no tree; the last
//! line carries one of everything before it. A reader of version 1 takes such a file for the backup
//! of a directory that does not exist, and leaves it alone. It refuses to know what a tree is for.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::files::foreign::{self, Links};
use crate::files::tree::{Act, cannot, hex, name};
use crate::words::backup::{DESCRIPTION_VERSION, Description, Entry};
use crate::words::event::Failure;

/// What a reader has to know to make sense of a description that needs it.
pub const KEYED: &str = "keyed-checksums";
/// What this build knows.
const KNOWN: [&str; 1] = [KEYED];

/// The longest head that is read, in bytes.
const HEAD: u64 = 16 * 1024 * 1024;
/// The longest line behind it: a path of bytes that all have to be escaped.
const LINE: u64 = 1024 * 1024;
/// The longest description of version 1 that is read, in bytes.
const MOST: u64 = 512 * 1024 * 1024;

/// How a head begins that is not of version 1.
const NEWER: &[u8] = br#"{"v":1,"version":"#;
const SUM: &str = r#","sum":""#;
const TREE: &str = "\",\"tree\":[],\"entries\":[\n";
const TOTAL: &str = r#"],"total":""#;
const END: &str = "\"}\n";
/// How long a checksum is, as text.
const HEX: usize = 64;

/// Why a description cannot be used.
#[derive(Debug)]
pub enum Unreadable {
    /// A newer Landfall wrote it.
    Newer(Failure),
    /// It is not what was written.
    Damaged(Failure),
}

impl From<Unreadable> for Failure {
    fn from(unreadable: Unreadable) -> Self {
        match unreadable {
            Unreadable::Newer(failure) | Unreadable::Damaged(failure) => failure,
        }
    }
}

fn damaged(path: &Path, why: impl std::fmt::Display) -> Unreadable {
    let what = format!("description `{}` is damaged", path.display());
    Unreadable::Damaged(Failure::new(what).because(why))
}

fn newer(path: &Path, why: &str) -> Unreadable {
    let what = format!("description `{}` {why}", path.display());
    let hint = "use the version of landfall that wrote it";
    Unreadable::Newer(Failure::new(what).hint(hint))
}

/// Writes a description with its tree, and flushes nothing.
pub(crate) fn inscribe(
    to: impl Write,
    description: &Description,
    tree: impl IntoIterator<Item = io::Result<Entry>>,
) -> io::Result<()> {
    let mut to = Summed {
        to,
        hash: Sha256::new(),
    };
    to.write_all(head_line(description)?.as_bytes())?;
    let mut between = "";
    for entry in tree {
        to.write_all(between.as_bytes())?;
        serde_json::to_writer(&mut to, &entry?)?;
        between = ",\n";
    }
    if !between.is_empty() {
        to.write_all(b"\n")?;
    }
    let total = hex(&to.hash.clone().finalize());
    to.to.write_all(format!("{TOTAL}{total}{END}").as_bytes())?;
    to.to.flush()
}

struct Summed<W> {
    to: W,
    hash: Sha256,
}

impl<W: Write> Write for Summed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = self.to.write(bytes)?;
        self.hash.update(&bytes[..n]);
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

/// The first line. What version 1 reads of it is true, but for the directory.
fn head_line(description: &Description) -> io::Result<String> {
    let Value::Object(fields) = serde_json::to_value(description)? else {
        return Err(io::Error::other("a description is no object"));
    };
    let mut head = Map::new();
    head.insert("v".into(), 1.into());
    head.insert("version".into(), DESCRIPTION_VERSION.into());
    for (name, value) in fields.into_iter().filter(|(name, _)| name != "v") {
        if name == "deploy_dir" {
            let shown = description.deploy_dir.display();
            let told = format!("{shown}, in a format that a newer landfall reads");
            head.insert(name, told.into());
            head.insert("directory".into(), value);
        } else {
            head.insert(name, value);
        }
    }
    let mut text = serde_json::to_string(&head)?;
    text.pop();
    let sum = hex(&Sha256::digest(text.as_bytes()));
    Ok(format!("{text}{SUM}{sum}{TREE}"))
}

/// The head of a description; the tree is not read.
pub fn head(path: &Path) -> Result<Description, Unreadable> {
    let mut from = opened(path)?;
    let line = first_line(&mut from).map_err(|e| damaged(path, e))?;
    if line.starts_with(NEWER) {
        parse_head(path, &line)
    } else {
        first_version(path)
    }
}

fn opened(path: &Path) -> Result<BufReader<File>, Unreadable> {
    let failed = |e: io::Error| Unreadable::Damaged(cannot(Act::Read, &path.display(), &e));
    let file = foreign::open(path, Links::Refused).map_err(failed)?;
    if file.metadata().map_err(failed)?.len() > MOST {
        return Err(damaged(path, format!("it is longer than {MOST} bytes")));
    }
    Ok(BufReader::new(file))
}

fn first_line(from: &mut impl BufRead) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    from.take(HEAD).read_until(b'\n', &mut line)?;
    Ok(line)
}

fn parse_head(path: &Path, line: &[u8]) -> Result<Description, Unreadable> {
    let said = |why: &str| damaged(path, why);
    let text = std::str::from_utf8(line).map_err(|e| damaged(path, e))?;
    refuse_newer(path, text)?;
    let text = text
        .strip_suffix(TREE)
        .ok_or_else(|| said("its first line does not come to its end"))?;
    let (text, sum) = text
        .split_at_checked(text.len().saturating_sub(HEX))
        .ok_or_else(|| said("its first line does not come to its end"))?;
    let text = text
        .strip_suffix(SUM)
        .ok_or_else(|| said("its first line has no checksum"))?;
    if hex(&Sha256::digest(text.as_bytes())) != sum {
        return Err(said("the checksum of its first line is another"));
    }
    let fields: Map<String, Value> =
        serde_json::from_str(&format!("{text}}}")).map_err(|e| damaged(path, e))?;
    let description = of_fields(fields).map_err(|e| damaged(path, e))?;
    let unknown = |need: &&String| !KNOWN.contains(&need.as_str());
    match description.needs.iter().find(unknown) {
        None => Ok(description),
        Some(need) => Err(newer(
            path,
            &format!("needs `{need}`, which this build does not know"),
        )),
    }
}

fn of_fields(mut fields: Map<String, Value>) -> serde_json::Result<Description> {
    if let Some(directory) = fields.remove("directory") {
        fields.insert("deploy_dir".into(), directory);
    }
    fields.insert("v".into(), DESCRIPTION_VERSION.into());
    serde_json::from_value(Value::Object(fields))
}

/// What stands where the version does is read before anything else.
fn refuse_newer(path: &Path, text: &str) -> Result<(), Unreadable> {
    let digits = text[NEWER.len()..].split(',').next().unwrap_or_default();
    match digits.parse::<u32>() {
        Ok(DESCRIPTION_VERSION) => Ok(()),
        Ok(version) => Err(unknown_version(path, &version.to_string())),
        Err(_) => Err(damaged(path, "it says no version")),
    }
}

fn unknown_version(path: &Path, said: &str) -> Unreadable {
    let known = DESCRIPTION_VERSION;
    newer(
        path,
        &format!("has version {said}, and this build knows up to {known}"),
    )
}

/// What tells a format, in a file of which not even the first bytes are certain.
#[derive(Deserialize)]
struct Format {
    v: Option<u32>,
    sum: Option<IgnoredAny>,
    directory: Option<IgnoredAny>,
    entries: Option<IgnoredAny>,
    total: Option<IgnoredAny>,
}

impl Format {
    /// Version 1 knows none of these.
    fn is_of_lines(&self) -> bool {
        let [sum, directory] = [&self.sum, &self.directory];
        let [entries, total] = [&self.entries, &self.total];
        let mut fields = [sum, directory, entries, total].into_iter();
        fields.any(Option::is_some)
    }
}

/// A description of version 1, without its tree.
fn first_version(path: &Path) -> Result<Description, Unreadable> {
    let format: Format = serde_json::from_reader(opened(path)?).map_err(|e| damaged(path, e))?;
    if format.is_of_lines() {
        return Err(damaged(path, "its first line is not as it was written"));
    }
    if format.v != Some(1) {
        let said = format.v.map_or("none".to_owned(), |v| v.to_string());
        return Err(unknown_version(path, &said));
    }
    let read: Result<Description, _> = serde_json::from_reader(opened(path)?);
    let mut description = read.map_err(|e| damaged(path, e))?;
    description.project.clone_from(&description.release.project);
    Ok(description)
}

/// The entries of a tree, in the order of a walk through it. What comes before the end has not been
/// checked: see [`expect_whole`].
pub(crate) struct Listing {
    path: PathBuf,
    from: Entries,
}

enum Entries {
    /// Of version 1.
    Memory(std::vec::IntoIter<Entry>),
    Lines(Lines),
    Ended,
}

struct Lines {
    from: BufReader<File>,
    hash: Sha256,
    line: Vec<u8>,
}

/// Opens the tree of a description.
pub(crate) fn listing(path: &Path) -> Result<Listing, Failure> {
    let mut from = opened(path)?;
    let line = first_line(&mut from).map_err(|e| damaged(path, e))?;
    let from = if line.starts_with(NEWER) {
        parse_head(path, &line)?;
        Entries::Lines(Lines {
            from,
            hash: Sha256::new_with_prefix(&line),
            line: Vec::new(),
        })
    } else {
        first_version(path)?;
        Entries::Memory(first_tree(path)?.into_iter())
    };
    let path = path.to_owned();
    Ok(Listing { path, from })
}

/// The tree of a description of version 1, which was sorted by path.
fn first_tree(path: &Path) -> Result<Vec<Entry>, Unreadable> {
    #[derive(Deserialize)]
    struct Tree {
        tree: Vec<Entry>,
    }
    let read: Result<Tree, _> = serde_json::from_reader(opened(path)?);
    let mut tree = read.map_err(|e| damaged(path, e))?.tree;
    tree.sort_by(|a, b| name::order(&a.path, &b.path));
    Ok(tree)
}

/// Refuses a description of which anything is not as it was written.
pub(crate) fn expect_whole(path: &Path) -> Result<(), Failure> {
    let mut listing = listing(path)?;
    while let Entries::Lines(lines) = &mut listing.from {
        if lines
            .next_line()
            .map_err(|why| damaged(path, why))?
            .is_none()
        {
            break;
        }
    }
    Ok(())
}

/// The whole tree, checked.
#[cfg(test)]
pub(crate) fn tree(path: &Path) -> Result<Vec<Entry>, Failure> {
    listing(path)?.collect()
}

impl Iterator for Listing {
    type Item = Result<Entry, Failure>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = match &mut self.from {
            Entries::Memory(entries) => return entries.next().map(Ok),
            Entries::Lines(lines) => lines.next_entry().transpose(),
            Entries::Ended => None,
        };
        if !matches!(next, Some(Ok(_))) {
            self.from = Entries::Ended;
        }
        next.map(|entry| entry.map_err(|why| damaged(&self.path, why).into()))
    }
}

impl Lines {
    fn next_entry(&mut self) -> Result<Option<Entry>, String> {
        if self.next_line()?.is_none() {
            return Ok(None);
        }
        let line = self.line.strip_suffix(b"\n").unwrap_or(&self.line);
        let line = line.strip_suffix(b",").unwrap_or(line);
        serde_json::from_slice(line)
            .map(Some)
            .map_err(|e| e.to_string())
    }

    /// The next line with an entry; none where the last one is right and nothing follows it.
    fn next_line(&mut self) -> Result<Option<&[u8]>, String> {
        self.line.clear();
        let from = &mut self.from;
        from.take(LINE)
            .read_until(b'\n', &mut self.line)
            .map_err(|e| e.to_string())?;
        if self.line.starts_with(TOTAL.as_bytes()) {
            return self.expect_end().map(|()| None);
        }
        if self.line.last() != Some(&b'\n') {
            return Err("it ends too early".to_owned());
        }
        self.hash.update(&self.line);
        Ok(Some(&self.line))
    }

    fn expect_end(&mut self) -> Result<(), String> {
        let total = hex(&self.hash.clone().finalize());
        if self.line != format!("{TOTAL}{total}{END}").as_bytes() {
            return Err("its checksum is another".to_owned());
        }
        match self.from.read(&mut [0]) {
            Ok(0) => Ok(()),
            Ok(_) => Err("something follows its end".to_owned()),
            Err(error) => Err(error.to_string()),
        }
    }
}
