//! Which part of a deploy directory a release answers for, and which part it leaves alone.
//!
//! It refuses to know why a path is data: whoever reads the compose file says so.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use globset::{Glob, GlobBuilder, GlobSet, GlobSetBuilder};

use super::sums::Key;
use super::{Us, name};
use crate::files::generation;
use crate::words::event::Failure;

/// The name at the top of a deploy directory that is Landfall's own.
pub const OWN_NAME: &str = ".landfall";

/// To whom a path belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// To the release: listed, archived and restored.
    Release,
    /// To the containers that write it: archived, never touched unless it is asked for.
    Data,
    /// To nobody here: neither listed nor archived nor touched.
    Left,
}

/// Which paths of a tree belong to whom. Paths are relative to its root.
#[derive(Debug, Clone, Default)]
pub struct Scope {
    data: Vec<String>,
    own: HashSet<String>,
    shipped: HashSet<String>,
    us: Us,
    leads_to_own: HashSet<String>,
    ships: Vec<String>,
    left: Vec<String>,
    patterns: Vec<String>,
    exclude: GlobSet,
    key: Option<Key>,
}

impl Scope {
    /// The whole of a deploy directory but for what Landfall keeps in it: its backup directory, if
    /// that lies inside, `.landfall`, and the note of whose release it is.
    pub fn of(deploy_dir: &Path, backup_dir: &Path) -> Result<Self, Failure> {
        Self::around(&resolved(deploy_dir), &resolved(backup_dir))
    }

    /// The same for paths without links.
    pub fn around(deploy: &Path, backup: &Path) -> Result<Self, Failure> {
        let mut scope = Self {
            left: [OWN_NAME, generation::FILE].map(ToOwned::to_owned).into(),
            us: Us::now(),
            ..Self::default()
        };
        if deploy == backup {
            return Err(Failure::new(format!(
                "backup directory `{}` is the deploy directory itself",
                backup.display()
            ))
            .hint("give `backup_dir` a directory of its own"));
        }
        if let Ok(inside) = backup.strip_prefix(deploy) {
            scope.left.push(name::escape(inside.as_os_str().as_bytes()));
        }
        Ok(scope)
    }

    /// The same scope with more paths that containers write; `.` makes all of it theirs.
    #[must_use]
    pub fn with_data<S: AsRef<str>>(mut self, paths: impl IntoIterator<Item = S>) -> Self {
        for path in paths.into_iter().map(|p| tidy(p.as_ref())) {
            if !self.data.contains(&path) {
                self.data.push(path);
            }
        }
        self.data.sort();
        self
    }

    /// The same scope with more paths that the release answers for though they lie within data or
    /// match an excluding glob: compose files, the env file, the files that a deployment brings.
    #[must_use]
    pub fn with_own<S: AsRef<str>>(mut self, paths: impl IntoIterator<Item = S>) -> Self {
        for path in paths.into_iter().map(|p| tidy(p.as_ref())) {
            let mut at = path.as_str();
            while at != "." {
                at = name::split(at).0;
                self.leads_to_own.insert(at.to_owned());
            }
            self.own.insert(path);
        }
        self
    }

    /// The same scope with more paths of the release that a run ships or has shipped: they are put
    /// back and removed whoever they belong to by now.
    #[must_use]
    pub fn with_shipped<S: AsRef<str>>(self, paths: impl IntoIterator<Item = S>) -> Self {
        let paths: Vec<String> = paths.into_iter().map(|p| tidy(p.as_ref())).collect();
        let mut scope = self.with_own(&paths);
        scope.shipped.extend(paths);
        scope
    }

    /// The same scope as somebody else sees it.
    #[cfg(test)]
    #[must_use]
    pub fn seen_by(mut self, us: Us) -> Self {
        self.us = us;
        self
    }

    /// Who looks at it.
    #[must_use]
    pub fn us(&self) -> &Us {
        &self.us
    }

    /// Says whether a run ships a path, or has.
    #[must_use]
    pub fn is_shipped(&self, path: &str) -> bool {
        self.shipped.contains(path)
    }

    /// The same scope without what more globs match. One without a `/` matches a name anywhere,
    /// any other a path from the root; a directory goes with all that is below it.
    pub fn excluding<S: AsRef<str>>(
        mut self,
        patterns: impl IntoIterator<Item = S>,
    ) -> Result<Self, Failure> {
        let more = patterns.into_iter().map(|p| p.as_ref().trim().to_owned());
        self.patterns.extend(more.filter(|p| !p.is_empty()));
        let mut set = GlobSetBuilder::new();
        for pattern in &self.patterns {
            set.add(glob(pattern)?);
        }
        self.exclude = set
            .build()
            .map_err(|e| Failure::new("the globs cannot be used together").because(e))?;
        Ok(self)
    }

    /// The same scope whose guarded files are summed by a key.
    #[must_use]
    pub fn with_key(mut self, key: Option<Key>) -> Self {
        self.key = key;
        self
    }

    /// The key that guarded files are summed by.
    #[must_use]
    pub fn key(&self) -> Option<&Key> {
        self.key.as_ref()
    }

    /// What containers write.
    #[must_use]
    pub fn data(&self) -> &[String] {
        &self.data
    }

    /// What the release answers for wherever it lies.
    pub fn own(&self) -> impl Iterator<Item = &str> {
        self.own.iter().map(String::as_str)
    }

    /// The same scope of a run that is about to put these paths in place.
    #[must_use]
    pub fn shipping(mut self, paths: &[String]) -> Self {
        self.ships = paths.to_vec();
        self
    }

    /// What the run is about to put in place.
    #[must_use]
    pub fn ships(&self) -> &[String] {
        &self.ships
    }

    /// The same scope without paths that are another's, whatever lies there.
    #[must_use]
    pub fn leaving<S: AsRef<str>>(mut self, paths: impl IntoIterator<Item = S>) -> Self {
        self.left
            .extend(paths.into_iter().map(|p| tidy(p.as_ref())));
        self
    }

    /// The globs of what is left out.
    #[must_use]
    pub fn patterns(&self) -> &[String] {
        &self.patterns
    }

    /// To whom a path belongs that lies in a directory of `parent`.
    #[must_use]
    pub fn part(&self, parent: Part, path: &str, raw: &Path) -> Part {
        if self.left.iter().any(|left| left == path) {
            return Part::Left;
        }
        if self.own.contains(path) {
            return Part::Release;
        }
        if parent == Part::Left || self.exclude.is_match(raw) {
            return Part::Left;
        }
        if self.data.iter().any(|data| name::is_within(path, data)) {
            return Part::Data;
        }
        parent
    }

    /// To whom a path belongs, judged from the root.
    #[must_use]
    pub fn part_of(&self, path: &str) -> Part {
        let mut part = self.root();
        let ends = path.match_indices('/').map(|(i, _)| i);
        for end in ends.chain([path.len()]) {
            let upto = &path[..end];
            let raw = name::unescape(upto).unwrap_or_default();
            // What is left out entirely holds nothing of the release, whatever its name.
            if part == Part::Left && !self.leads_to_own(upto) && !self.own.contains(upto) {
                return Part::Left;
            }
            if upto != "." {
                part = self.part(part, upto, Path::new(OsStr::from_bytes(&raw)));
            }
        }
        part
    }

    /// To whom the root itself belongs.
    #[must_use]
    pub fn root(&self) -> Part {
        if self.data.iter().any(|data| data == ".") {
            Part::Data
        } else {
            Part::Release
        }
    }

    /// Says whether something the release answers for may lie below a path that is not its own.
    #[must_use]
    pub fn leads_to_own(&self, path: &str) -> bool {
        self.leads_to_own.contains(path) && !self.left.iter().any(|l| name::is_within(path, l))
    }

    /// Says whether data may lie below a path, be it data itself or on the way there.
    #[must_use]
    pub fn leads_to_data(&self, path: &str) -> bool {
        let either = |data: &String| name::is_within(data, path) || name::is_within(path, data);
        self.data.iter().any(either)
    }
}

/// A path without `./`, doubled or trailing slashes, as manifests write it.
fn tidy(path: &str) -> String {
    let names = path.split('/').filter(|n| !n.is_empty() && *n != ".");
    let joined = names.collect::<Vec<_>>().join("/");
    if joined.is_empty() {
        return ".".to_owned();
    }
    name::escape(joined.as_bytes())
}

fn glob(pattern: &str) -> Result<Glob, Failure> {
    let path = pattern.trim_start_matches("./").trim_matches('/');
    let anywhere = !pattern.trim_end_matches('/').contains('/');
    let text = if anywhere {
        format!("**/{path}")
    } else {
        path.to_owned()
    };
    GlobBuilder::new(&text)
        .literal_separator(true)
        .build()
        .map_err(|e| {
            Failure::new(format!("`{pattern}` is not a glob"))
                .because(e.kind())
                .hint("correct `backup_exclude`; `*.log`, `cache/` and `var/**/tmp` are globs")
        })
}

/// A path without links, as far as it exists.
#[must_use]
pub fn resolved(path: &Path) -> PathBuf {
    let mut missing = PathBuf::new();
    for at in path.ancestors() {
        if let Ok(real) = at.canonicalize() {
            return if missing.as_os_str().is_empty() {
                real
            } else {
                real.join(missing)
            };
        }
        if let Some(last) = at.file_name() {
            missing = if missing.as_os_str().is_empty() {
                PathBuf::from(last)
            } else {
                Path::new(last).join(missing)
            };
        }
    }
    path.to_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    fn scope() -> Scope {
        Scope::of(Path::new("/opt/mcp"), Path::new("/opt/mcp/backups"))
            .unwrap()
            .with_data(["./data/", "config"])
            .with_own(["config/app.conf", ".env"])
            .excluding(["*.log", "cache/", "var/tmp"])
            .unwrap()
    }

    #[test]
    fn a_path_belongs_to_the_release_unless_somebody_else_is_named() {
        let scope = scope();
        for (path, part) in [
            (".", Part::Release),
            ("compose.yaml", Part::Release),
            ("data", Part::Data),
            ("data/pg/1", Part::Data),
            ("database", Part::Release),
            ("config", Part::Data),
            ("config/app.conf", Part::Release),
            ("config/other.conf", Part::Data),
            ("backups", Part::Left),
            ("backups/x.tar.gz", Part::Left),
            (".landfall/lock", Part::Left),
            (".landfall-generation", Part::Left),
            ("sub/.landfall-generation", Part::Release),
            ("sub/.landfall", Part::Release),
            ("a/b/x.log", Part::Left),
            ("data/x.log", Part::Left),
            ("a/cache/file", Part::Left),
            ("var/tmp/file", Part::Left),
            ("lib/var/tmp", Part::Release),
        ] {
            assert_eq!(scope.part_of(path), part, "{path}");
        }
    }

    #[test]
    fn the_backup_directory_cannot_be_the_deploy_directory() {
        let error = Scope::of(Path::new("/opt/mcp"), Path::new("/opt/./mcp")).unwrap_err();
        assert!(error.what.contains("deploy directory itself"), "{error}");
    }

    #[test]
    fn a_broken_glob_is_named() {
        let error = Scope::default().excluding(["a[b"]).unwrap_err();
        assert!(error.what.contains("`a[b`"), "{error}");
    }
}
