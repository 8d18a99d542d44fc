//! `files`: patterns to a sorted list of what is copied, measured and checked.
//!
//! Nothing outside the workspace is ever read, not through `..` and not through a symbolic link.
//! It refuses to know how files travel.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use globset::{GlobBuilder, GlobMatcher};
use sha2::{Digest as _, Sha256};

use crate::words::event::Failure;
use crate::words::plan::PlannedFile;

use super::fault::shown;
use super::grammar;

/// A file of the workspace, and what becomes of it on the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalFile {
    /// Where it goes, and what it must be when it arrives.
    pub planned: PlannedFile,
    /// Where it is now.
    pub source: PathBuf,
}

/// One entry of `files`.
#[derive(Debug)]
struct Entry {
    /// As it was typed.
    text: String,
    /// Relative to the workspace.
    from: String,
    /// Relative to the deploy directory, if it is renamed.
    to: Option<String>,
    /// It was written with a last `/`: what is copied keeps its own name below it.
    to_directory: bool,
}

/// Resolves the entries of `files` in a workspace, and finds every fault in them.
pub(super) fn resolve<'a>(
    lines: impl Iterator<Item = &'a str>,
    workspace: &Path,
) -> Result<Vec<LocalFile>, Vec<Failure>> {
    let mut faults = Vec::new();
    let mut found: BTreeMap<String, PathBuf> = BTreeMap::new();
    for line in lines {
        match entry(line).and_then(|entry| sources(&entry, workspace)) {
            Ok(pairs) => place(pairs, &mut found, &mut faults),
            Err(fault) => faults.push(fault),
        }
    }
    let measured: Vec<_> = found
        .into_iter()
        .filter_map(|(path, source)| measure(path, source).map_err(|f| faults.push(f)).ok())
        .collect();
    if faults.is_empty() {
        Ok(measured)
    } else {
        Err(faults)
    }
}

/// The text of one file of the workspace, a megabyte at most.
pub(super) fn text(path: &str, workspace: &Path) -> Result<String, Failure> {
    const LONGEST: u64 = 1 << 20;
    let path = grammar::relative_file(path)?;
    let walk = Walk::of(workspace, true)?;
    if !workspace.join(&path).exists() {
        let what = format!("{} is not in the workspace", shown(&path));
        return Err(Failure::new(what).hint("check the path; has the repository been checked out?"));
    }
    let source = walk.file(&workspace.join(&path), &path)?;
    let read = || {
        let mut text = String::new();
        File::open(source)?
            .take(LONGEST + 1)
            .read_to_string(&mut text)?;
        Ok(text)
    };
    let fault = |why: &str| Failure::new(format!("{} {why}", shown(&path)));
    let text = read().map_err(|error: std::io::Error| {
        fault("cannot be read")
            .because(error)
            .hint("save it as UTF-8 text")
    })?;
    if text.len() as u64 > LONGEST {
        return Err(fault("is longer than a megabyte").hint("name the file that was meant"));
    }
    Ok(text)
}

/// Adds sources under their targets; two different ones for one target are a fault.
fn place(
    pairs: Vec<(String, PathBuf)>,
    found: &mut BTreeMap<String, PathBuf>,
    faults: &mut Vec<Failure>,
) {
    for (target, source) in pairs {
        match found.get(&target) {
            Some(other) if *other != source => faults.push(
                Failure::new(format!("two files would become {}", shown(&target)))
                    .hint("rename one of them with `from => to`"),
            ),
            _ => {
                found.insert(target, source);
            }
        }
    }
}

fn entry(line: &str) -> Result<Entry, Failure> {
    let (from, to) = match line.split_once("=>") {
        Some((from, to)) => (from.trim(), Some(to.trim())),
        None => (line, None),
    };
    if from.is_empty() || to == Some("") {
        return Err(
            Failure::new(format!("{} lacks one side of `=>`", shown(line)))
                .hint("write `from => to`"),
        );
    }
    Ok(Entry {
        text: line.to_owned(),
        from: grammar::relative(from)?,
        to: to.map(grammar::relative).transpose()?,
        to_directory: to.is_some_and(|to| to.ends_with('/')),
    })
}

/// Every file that an entry means, with its target.
fn sources(entry: &Entry, workspace: &Path) -> Result<Vec<(String, PathBuf)>, Failure> {
    let git_too = entry.from.split('/').any(|part| part == ".git");
    let walk = Walk::of(workspace, git_too)?;
    let literal = workspace.join(&entry.from);
    let found = if literal.symlink_metadata().is_ok() {
        literally(entry, &walk, &literal)?
    } else {
        by_glob(entry, &walk, workspace)?
    };
    if found.is_empty() {
        return Err(
            Failure::new(format!("{} matches no file", shown(&entry.text))).hint(
                "check the path; has the repository been checked out, and the file been built?",
            ),
        );
    }
    Ok(found)
}

fn literally(entry: &Entry, walk: &Walk, path: &Path) -> Result<Vec<(String, PathBuf)>, Failure> {
    let name = entry.from.rsplit('/').next().unwrap_or_default();
    if path.is_dir() {
        let to = entry.to.as_deref().unwrap_or(&entry.from);
        return Ok(walk
            .below(path, &entry.from)?
            .into_iter()
            .map(|(below, source)| (joined(to, &below), source))
            .collect());
    }
    let target = match entry.to.as_deref() {
        None => entry.from.clone(),
        Some(".") => name.to_owned(),
        Some(to) if entry.to_directory => joined(to, name),
        Some(to) => to.to_owned(),
    };
    Ok(vec![(target, walk.file(path, &entry.from)?)])
}

/// A glob keeps the part of the path behind its last fixed directory.
fn by_glob(
    entry: &Entry,
    walk: &Walk,
    workspace: &Path,
) -> Result<Vec<(String, PathBuf)>, Failure> {
    let matcher = matcher(&entry.from)?;
    let base = fixed_directory(&entry.from);
    let start = workspace.join(base);
    if !start.is_dir() {
        return Ok(Vec::new());
    }
    let found = walk.matching(&start, base, &|path| matches_or_lies_below(&matcher, path))?;
    let to = entry.to.as_deref().unwrap_or(base);
    Ok(found
        .into_iter()
        .map(|(below, source)| (joined(to, &below), source))
        .collect())
}

fn matcher(pattern: &str) -> Result<GlobMatcher, Failure> {
    GlobBuilder::new(pattern)
        .literal_separator(true)
        .build()
        .map(|glob| glob.compile_matcher())
        .map_err(|error| {
            Failure::new(format!("{} is not a glob", shown(pattern)))
                .because(error.kind())
                .hint("escape a literal `[` or `{` with a backslash")
        })
}

/// A directory that matches brings its content.
fn matches_or_lies_below(matcher: &GlobMatcher, path: &str) -> bool {
    Path::new(path)
        .ancestors()
        .any(|part| !part.as_os_str().is_empty() && matcher.is_match(part))
}

fn fixed_directory(pattern: &str) -> &str {
    let end = pattern
        .find(['*', '?', '[', '{', '\\'])
        .unwrap_or(pattern.len());
    pattern[..end]
        .rfind('/')
        .map_or("", |slash| &pattern[..slash])
}

fn joined(directory: &str, below: &str) -> String {
    match directory {
        "" | "." => below.to_owned(),
        _ => format!("{directory}/{below}"),
    }
}

/// A walk that never leaves its root.
struct Walk {
    /// The workspace, free of symbolic links.
    root: PathBuf,
    /// `.git` was asked for by name.
    git_too: bool,
}

impl Walk {
    fn of(workspace: &Path, git_too: bool) -> Result<Self, Failure> {
        let root = fs::canonicalize(workspace).map_err(|error| {
            Failure::new("the workspace cannot be read")
                .because(error)
                .hint("check the repository out in an earlier step")
        })?;
        Ok(Self { root, git_too })
    }

    /// All files below a directory, each with its path relative to it.
    fn below(&self, directory: &Path, shown_as: &str) -> Result<Vec<(String, PathBuf)>, Failure> {
        self.matching(directory, shown_as, &|_| true)
    }

    /// The files below a directory whose path from the workspace is wanted.
    fn matching(
        &self,
        directory: &Path,
        shown_as: &str,
        wanted: &dyn Fn(&str) -> bool,
    ) -> Result<Vec<(String, PathBuf)>, Failure> {
        let mut found = Vec::new();
        let mut trail = Vec::new();
        self.descend(directory, shown_as, "", wanted, &mut trail, &mut found)?;
        Ok(found)
    }

    fn descend(
        &self,
        directory: &Path,
        shown_as: &str,
        below: &str,
        wanted: &dyn Fn(&str) -> bool,
        trail: &mut Vec<PathBuf>,
        found: &mut Vec<(String, PathBuf)>,
    ) -> Result<(), Failure> {
        let real = self.inside(directory, &joined(shown_as, below))?;
        if trail.contains(&real) {
            return Ok(());
        }
        trail.push(real);
        for name in names(directory)? {
            if name == ".git" && !self.git_too {
                continue;
            }
            let path = directory.join(&name);
            let below = joined(below, &name);
            let full = joined(shown_as, &below);
            if path.is_dir() {
                self.descend(&path, shown_as, &below, wanted, trail, found)?;
            } else if wanted(&full) {
                found.push((below, self.file(&path, &full)?));
            }
        }
        trail.pop();
        Ok(())
    }

    /// A regular file inside the root, free of symbolic links.
    fn file(&self, path: &Path, shown_as: &str) -> Result<PathBuf, Failure> {
        grammar::one_line(shown_as)?;
        let real = self.inside(path, shown_as)?;
        if real.is_file() {
            return Ok(real);
        }
        Err(
            Failure::new(format!("{} is not a regular file", shown(shown_as)))
                .hint("name regular files and directories alone"),
        )
    }

    fn inside(&self, path: &Path, shown_as: &str) -> Result<PathBuf, Failure> {
        let real = fs::canonicalize(path).map_err(|error| {
            Failure::new(format!("{} cannot be read", shown(shown_as)))
                .because(error)
                .hint("if it is a symbolic link, mend what it points at")
        })?;
        if real.starts_with(&self.root) {
            return Ok(real);
        }
        Err(
            Failure::new(format!("{} points out of the workspace", shown(shown_as)))
                .hint("copy what it points at into the workspace"),
        )
    }
}

/// The names in a directory, sorted.
fn names(directory: &Path) -> Result<Vec<String>, Failure> {
    let cannot = |error: std::io::Error| {
        Failure::new(format!(
            "{} cannot be read",
            shown(&directory.display().to_string())
        ))
        .because(error)
        .hint("let the workspace be readable")
    };
    let mut names = Vec::new();
    for entry in fs::read_dir(directory).map_err(cannot)? {
        let name = entry.map_err(cannot)?.file_name();
        names.push(name.into_string().map_err(|name| {
            Failure::new(format!("{} is not UTF-8", shown(&name.to_string_lossy())))
                .hint("rename the file")
        })?);
    }
    names.sort();
    Ok(names)
}

fn measure(path: String, source: PathBuf) -> Result<LocalFile, Failure> {
    let measured = (|| {
        let mut file = File::open(&source)?;
        let executable = file.metadata()?.permissions().mode() & 0o100 != 0;
        let (size, sha256) = digest(&mut file)?;
        Ok((executable, size, sha256))
    })();
    let (executable, size, sha256) = measured.map_err(|error: std::io::Error| {
        Failure::new(format!(
            "{} cannot be read",
            shown(&source.display().to_string())
        ))
        .because(error)
        .hint("let the workspace be readable")
    })?;
    let mode = if executable { 0o755 } else { 0o644 };
    let planned = PlannedFile {
        path,
        mode,
        size,
        sha256,
    };
    Ok(LocalFile { planned, source })
}

fn digest(file: &mut File) -> std::io::Result<(u64, String)> {
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 64 * 1024];
    let mut size = 0;
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            break;
        }
        hasher.update(&buffer[..read]);
        size += read as u64;
    }
    let hex = |hex: String, byte: &u8| format!("{hex}{byte:02x}");
    Ok((size, hasher.finalize().iter().fold(String::new(), hex)))
}

#[cfg(test)]
mod tests;
