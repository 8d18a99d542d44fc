//! The env files of a project, as its compose files name them: to know what must not be told, and
//! to say which line of which file Compose stumbled over, without a word of what stands there.
//!
//! It reads what it can and misses the rest: what is interpolated.

use std::path::{Component, Path, PathBuf};

use serde_json::Value;

use super::files;
use crate::files::foreign;
use crate::words::env_file::{DOLLAR, EnvFile, Fault};
use crate::words::event::Failure;
use crate::words::plan::Site;

/// How much of a file is looked at, in bytes.
const MOST: u64 = 1024 * 1024;
/// How many files a project may name.
const FILES: usize = 64;
/// The name that Compose looks for by itself.
const OWN: &str = ".env";

/// Where a project has secrets.
#[derive(Debug, Default)]
pub struct Known {
    /// Env files.
    pub env_files: Vec<PathBuf>,
    /// Files that hold one secret each.
    pub secret_files: Vec<PathBuf>,
    /// Variables that stand in the compose files themselves.
    pub variables: Vec<(String, String)>,
}

/// What the compose files in `dir` name.
#[must_use]
pub fn named(site: &Site, dir: &Path) -> Known {
    let home = home(site, dir);
    let mut known = Known::default();
    if !dir.is_dir() {
        return known;
    }
    known.env_file(dir.join(OWN));
    known.env_file(home.join(OWN));
    let mut files = Vec::new();
    for name in files::names(site, dir) {
        add(&mut files, (dir.join(name), home.clone()));
    }
    let mut next = 0;
    while let Some((path, home)) = files.get(next).cloned() {
        let text = foreign::text(&path, MOST).unwrap_or_default();
        // A file that is no YAML is Compose's to refuse.
        let file: Value = serde_saphyr::from_str(&text).unwrap_or_default();
        known.take(&file, &home);
        for other in others(&file, &home) {
            add(&mut files, other);
        }
        next += 1;
    }
    known
}

/// The files that one includes or extends, each with the directory that its own paths begin at.
fn others(file: &Value, home: &Path) -> Vec<(PathBuf, PathBuf)> {
    let included = texts(&file["include"], "path").into_iter();
    let services = entries(&file["services"]);
    let extended = services.filter_map(|(_, service)| service["extends"]["file"].as_str());
    let paths = included.chain(extended).map(|path| from(home, path));
    let with_home = |path: PathBuf| (path.clone(), path.parent().unwrap_or(home).to_owned());
    paths.map(with_home).collect()
}

/// The project's directory: that of the first compose file.
fn home(site: &Site, dir: &Path) -> PathBuf {
    let first = site.compose_files.first().map(|file| dir.join(file));
    let above = first.as_deref().and_then(Path::parent);
    above.unwrap_or(dir).to_owned()
}

impl Known {
    fn take(&mut self, file: &Value, home: &Path) {
        for (_, service) in entries(&file["services"]) {
            for path in texts(&service["env_file"], "path") {
                self.env_file(from(home, path));
            }
            self.environment(&service["environment"]);
        }
        for (_, secret) in entries(&file["secrets"]) {
            if let Some(path) = secret["file"].as_str() {
                add(&mut self.secret_files, from(home, path));
            }
        }
    }

    fn env_file(&mut self, path: PathBuf) {
        add(&mut self.env_files, path);
    }

    fn environment(&mut self, environment: &Value) {
        let pairs = entries(environment)
            .filter_map(|(name, value)| Some((name.to_owned(), value.as_str()?.to_owned())));
        self.variables.extend(pairs);
        let lines = texts(environment, "").into_iter();
        let pairs = lines.filter_map(|line| line.split_once('='));
        self.variables
            .extend(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }
}

fn add<T: PartialEq>(all: &mut Vec<T>, one: T) {
    if all.len() < FILES && !all.contains(&one) {
        all.push(one);
    }
}

fn entries(value: &Value) -> impl Iterator<Item = (&str, &Value)> {
    let all = value.as_object().into_iter().flatten();
    all.map(|(name, value)| (name.as_str(), value))
}

/// A text, the texts of a list, and those that objects in it have under a key.
fn texts<'v>(value: &'v Value, key: &str) -> Vec<&'v str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(all) => all.iter().flat_map(|one| texts(one, key)).collect(),
        Value::Object(object) => object.get(key).map_or_else(Vec::new, |one| texts(one, key)),
        _ => Vec::new(),
    }
}

/// A path as somebody in `home` means it, without `.` and `..`.
fn from(home: &Path, path: &str) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in home.join(path).components() {
        match part {
            Component::ParentDir => drop(plain.pop()),
            Component::CurDir => {}
            part => plain.push(part),
        }
    }
    plain
}

/// A text of a regular file, if it is one.
#[must_use]
pub fn text(path: &Path) -> Option<String> {
    foreign::text(path, MOST).ok()
}

/// An env file with the name that a person knows it by.
struct Read {
    name: String,
    file: EnvFile,
}

fn read_all(site: &Site, dir: &Path) -> Vec<Read> {
    let known = named(site, dir).env_files.into_iter();
    let read = known.filter_map(|path| {
        let file = EnvFile::read(&text(&path)?);
        let name = path.strip_prefix(dir).unwrap_or(&path);
        let name = name.display().to_string();
        Some(Read { name, file })
    });
    read.collect()
}

/// What Compose says when it is an env file that it cannot read.
const SIGNS: [&str; 9] = [
    "failed to read",
    "in variable name",
    "unterminated quoted value",
    "cannot contain a space",
    "zero length string",
    "env file",
    "env_file",
    "nvalid template",
    "interpolation format",
];

/// Compose refuses an env file: says where, and keeps what Compose said to itself, for it quotes
/// the file. None where it is not about env files.
#[must_use]
pub fn refuse(failure: &Failure, site: &Site, dir: &Path) -> Option<Failure> {
    let said = failure.because.join("\n");
    if !SIGNS.iter().any(|sign| said.contains(sign)) {
        return None;
    }
    let read = read_all(site, dir);
    let faults = read.iter().flat_map(|Read { name, file }| {
        file.faults
            .iter()
            .map(move |fault| (name.as_str(), fault.clone()))
    });
    let faults: Vec<(&str, Fault)> = faults.collect();
    if !faults.is_empty() {
        return Some(told(&faults));
    }
    let place = read.iter().find_map(|read| {
        let line = line_of(&said, &read.name)?;
        Some((read.name.as_str(), at_line(&read.file, line)))
    });
    place
        .map(|fault| told(&[fault]))
        .or_else(|| with_dollars(&said, &read))
}

/// The line that Compose names behind a file's path.
fn line_of(said: &str, name: &str) -> Option<usize> {
    let (_, behind) = said.split_once(&format!("/{name}: line "))?;
    let digits = behind.find(|c: char| !c.is_ascii_digit())?;
    behind[..digits].parse().ok()
}

fn at_line(file: &EnvFile, line: usize) -> Fault {
    let mut before = file.variables.iter().rev();
    let variable = before.find(|v| v.line <= line);
    Fault {
        line,
        name: variable.map(|v| v.name.clone()),
        what: "is none that Compose can read",
        hint: "put the value in single quotes: `NAME='…'`",
    }
}

/// A `$` that begins no name makes Compose quote the whole value.
fn with_dollars(said: &str, read: &[Read]) -> Option<Failure> {
    if !said.contains("nvalid template") && !said.contains("interpolation format") {
        return None;
    }
    let faults: Vec<_> = read
        .iter()
        .flat_map(|Read { name, file }| {
            let faults = file.with_dollars().map(|v| dollar(v.line, &v.name));
            faults.map(move |fault| (name.as_str(), fault))
        })
        .collect();
    (!faults.is_empty()).then(|| told(&faults))
}

fn dollar(line: usize, name: &str) -> Fault {
    Fault {
        line,
        name: Some(name.to_owned()),
        what: "holds a `$` that Compose takes for the beginning of a variable's name",
        hint: DOLLAR,
    }
}

/// What is to be told of variables that Compose would replace by nothing: a name that only an env
/// file has is a piece of a value there.
#[must_use]
pub fn refuse_unset(unset: &[String], site: &Site, dir: &Path, env_file: Option<&str>) -> Failure {
    let read = read_all(site, dir);
    let mut faults = Vec::new();
    for Read { name, file } in &read {
        for unset in unset {
            let referring = file.that_refer_to(unset);
            faults.extend(referring.map(|v| (name.as_str(), dollar(v.line, &v.name))));
        }
    }
    if !faults.is_empty() {
        faults.dedup();
        return told(&faults);
    }
    let names = files::names(site, dir).into_iter();
    let texts: Vec<String> = names.filter_map(|name| text(&dir.join(name))).collect();
    let is_told = |name: &&String| texts.iter().any(|text| text.contains(name.as_str()));
    let known: Vec<String> = unset.iter().filter(is_told).cloned().collect();
    super::refuse_unset(&known, site, env_file)
}

fn told(faults: &[(&str, Fault)]) -> Failure {
    let (name, _) = faults[0];
    let mut failure = Failure::new(format!(
        "Compose cannot take the env file `{name}` as it is"
    ));
    for (name, fault) in faults {
        let line = format!("`{name}`, {fault}");
        if !failure.because.contains(&line) {
            failure.because.push(line);
        }
        if !failure.hints.iter().any(|hint| hint == fault.hint) {
            failure.hints.push(fault.hint.to_owned());
        }
    }
    failure
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::words::plan::sample;

    struct Scene {
        dir: tempfile::TempDir,
        site: Site,
    }

    impl Scene {
        fn of(files: &[(&str, &str)]) -> Self {
            let dir = tempfile::tempdir().unwrap();
            for (name, text) in files {
                let path = dir.path().join(name);
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::write(path, text).unwrap();
            }
            let mut site = sample::deploy().site;
            site.deploy_dir = dir.path().to_owned();
            Self { dir, site }
        }

        fn refused(&self, said: &str) -> Option<Failure> {
            let said = said.replace("DIR", &self.dir.path().display().to_string());
            let failure = Failure::new("compose failed").because(said);
            refuse(&failure, &self.site, self.dir.path())
        }
    }

    #[test]
    fn env_files_secrets_and_settings_are_found_as_compose_files_name_them() {
        let scene = Scene::of(&[(
            "docker/compose.yml",
            "services:\n  a:\n    env_file: a.env\n    environment: {A: one, N: 1}\n  b:\n    env_file:\n    - b.env\n    - path: ../c.env\n      required: false\n    environment: [B=two, HOME]\nsecrets:\n  s: {file: ./s.txt}\n",
        )]);
        let mut site = scene.site.clone();
        site.compose_files = vec!["docker/compose.yml".into()];
        let dir = Path::new("/x");
        std::fs::create_dir_all(scene.dir.path().join("docker")).unwrap();
        let known = named(&site, scene.dir.path());
        let below = |paths: &[PathBuf]| {
            let below = paths
                .iter()
                .map(|p| p.strip_prefix(scene.dir.path()).unwrap());
            below
                .map(|p| p.display().to_string())
                .collect::<Vec<_>>()
                .join(" ")
        };
        assert_eq!(
            below(&known.env_files),
            ".env docker/.env docker/a.env docker/b.env c.env"
        );
        assert_eq!(below(&known.secret_files), "docker/s.txt");
        let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        assert_eq!(known.variables, [pair("A", "one"), pair("B", "two")]);
        assert!(named(&site, dir).env_files.is_empty(), "nothing is there");
    }

    #[test]
    fn what_is_included_or_extended_is_read_too_and_a_circle_ends() {
        let scene = Scene::of(&[
            (
                "compose.yaml",
                "include: [parts/a.yml]\nservices: {x: {extends: {file: base.yml, service: x}}}",
            ),
            (
                "parts/a.yml",
                "include: [{path: [../compose.yaml]}]\nservices: {a: {env_file: a.env}}",
            ),
            ("base.yml", "services: {x: {env_file: base.env}}"),
        ]);
        let known = named(&scene.site, scene.dir.path());
        let names = known
            .env_files
            .iter()
            .filter_map(|p| p.file_name()?.to_str());
        assert_eq!(names.collect::<Vec<_>>(), [".env", "a.env", "base.env"]);
    }

    #[test]
    fn a_piece_of_a_secret_is_no_variable_that_is_not_set() {
        let scene = Scene::of(&[
            (
                "compose.yaml",
                "services: {web: {image: \"x:${TAG}\", env_file: app.env}}",
            ),
            (".env", "OK=1\nDB_PASSWORD=ab$cdef99\n"),
            ("app.env", "API_TOKEN=\"x${ghij}\"\n"),
        ]);
        let dir = scene.dir.path();
        let told = |unset: &[&str]| {
            let unset: Vec<String> = unset.iter().map(ToString::to_string).collect();
            refuse_unset(&unset, &scene.site, dir, None)
        };
        let failure = told(&["cdef99", "ghij"]);
        insta::assert_snapshot!(failure, @"Compose cannot take the env file `.env` as it is: `.env`, line 2 (`DB_PASSWORD`) holds a `$` that Compose takes for the beginning of a variable's name: `app.env`, line 1 (`API_TOKEN`) holds a `$` that Compose takes for the beginning of a variable's name");
        assert_eq!(failure.hints, [DOLLAR]);
        assert!(told(&["TAG"]).what.ends_with("that is not set: `TAG`"));
        let unknown = told(&["from-nowhere"]).to_string();
        assert!(!unknown.contains("from-nowhere"), "{unknown}");
    }

    #[test]
    fn a_line_that_compose_cannot_read_is_told_by_its_number_alone() {
        let scene = Scene::of(&[
            ("compose.yaml", "services: {web: {image: x}}"),
            (".env", "OK=1\nDB_PASSWORD=\"hunter2-open\nhunter2/x\n"),
        ]);
        let said = "failed to read DIR/.env: line 2: unterminated quoted value \"hunter2-open";
        let failure = scene.refused(said).unwrap();
        assert!(!failure.to_string().contains("hunter2"), "{failure}");
        assert!(failure.because[0].starts_with("`.env`, line 2 (`DB_PASSWORD`) opens a quote"));
        let sound = Scene::of(&[(".env", "A=1\nB=hunter2-open\n")]);
        let failure = sound.refused("failed to read DIR/.env: line 2: odd \"hunter2-open\"");
        let failure = failure.unwrap().to_string();
        assert!(
            failure.contains("line 2 (`B`)") && !failure.contains("hunter2"),
            "{failure}"
        );
        let dollars = Scene::of(&[(".env", "A=1\nB=hunter2$-open\n")]);
        let failure = dollars.refused("Invalid template: \"hunter2$-open\"");
        let failure = failure.unwrap().to_string();
        assert!(failure.contains("line 2 (`B`) holds a `$`"), "{failure}");
        assert_eq!(sound.refused("services.web.image must be a string"), None);
    }
}
