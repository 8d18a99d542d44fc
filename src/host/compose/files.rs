//! The files that Compose reads in a directory: those of the plan, or those that it finds there.
//!
//! It looks for words in them and refuses to read YAML: where it cannot be sure it says yes.

use std::io;
use std::path::{Path, PathBuf};

use crate::files::foreign;
use crate::host::compose::env_files;
use crate::words::backup::READ_BY_COMPOSE;
use crate::words::event::Failure;
use crate::words::plan::Site;

/// How much of a file is looked at, in bytes.
const MOST: u64 = 16 * 1024 * 1024;
/// What may bring profiles in: themselves, or a file that is not looked at.
const WORDS: [&str; 3] = ["profiles", "include", "extends"];

/// Says whether the compose files in `dir` may name profiles; files that are not there name none.
#[must_use]
pub fn may_name_profiles(site: &Site, dir: &Path) -> bool {
    let points_elsewhere = site.compose_files.is_empty()
        && foreign::text(&dir.join(".env"), MOST).is_ok_and(|text| text.contains("COMPOSE_FILE"));
    if points_elsewhere {
        return true;
    }
    let names = names(site, dir);
    let texts: io::Result<Vec<String>> = names
        .iter()
        .map(|name| foreign::text(&dir.join(name), MOST))
        .collect();
    match texts {
        Ok(texts) => texts.iter().any(|t| WORDS.iter().any(|w| t.contains(w))),
        Err(error) => error.kind() != io::ErrorKind::NotFound,
    }
}

/// Compose refuses the files: that is a fault of theirs, so say which ones.
#[must_use]
pub fn refuse(failure: Failure, site: &Site, dir: &Path) -> Failure {
    if let Some(refused) = env_files::refuse(&failure, site, dir) {
        return refused;
    }
    let names_here = names(site, dir);
    let is_missing = |name: &String| !dir.join(name).is_file();
    if names_here.is_empty() || names_here.iter().any(is_missing) {
        let missing: Vec<String> = names_here.into_iter().filter(is_missing).collect();
        return not_there(&missing, site).of(failure.kind);
    }
    let mut refused = Failure::new(format!(
        "Compose refuses {} in `{}`",
        in_words(&names(site, dir)),
        site.deploy_dir.display()
    ));
    refused.kind = failure.kind;
    let said = if failure.because.is_empty() {
        vec![failure.what]
    } else {
        failure.because
    };
    // New files are asked about where they are laid out, which is nowhere that anybody looks.
    let (laid_out, home) = (dir.to_string_lossy(), site.deploy_dir.to_string_lossy());
    let said = said.iter().map(|text| text.replace(&*laid_out, &home));
    refused.because = said.collect();
    if let Some(path) = refused
        .because
        .iter()
        .find_map(|text| env_file_missing(text))
    {
        return Failure::new(format!("the env file `{path}` is not there"))
            .because(format!("{} names it", in_words(&names(site, dir))))
            .hint("ship it with `files`, or make it on the server")
            .of(refused.kind);
    }
    refused.hint("run `docker compose config` with the same files; it names the line")
}

/// The env file of a service that Compose, newer or older, says is missing.
fn env_file_missing(said: &str) -> Option<&str> {
    let newer = said
        .split_once("env file ")
        .and_then(|(_, rest)| rest.split_once(" not found"));
    let older = said.split_once("Couldn't find env file: ");
    newer
        .map(|(path, _)| path)
        .or(older.map(|(_, path)| path.trim()))
}

/// Compose files that the site names, or without a name any, are missing.
fn not_there(missing: &[String], site: &Site) -> Failure {
    let dir = site.deploy_dir.display();
    if missing.is_empty() {
        let looked = defaults().filter(|name| !name.contains("override"));
        let looked: Vec<String> = looked.map(|name| format!("`{name}`")).collect();
        return Failure::new(format!("there is no compose file in `{dir}`"))
            .because(format!("Compose looks for {}", looked.join(", ")))
            .hint("ship one with `files`, or name the one that is there with `compose_file`");
    }
    let verb = if missing.len() == 1 { "is" } else { "are" };
    Failure::new(format!("{} {verb} not in `{dir}`", in_words(missing)))
        .because("`compose_file` names what nobody has brought there")
        .hint("ship it with `files`, or name the one that is there with `compose_file`")
}

fn in_words(names: &[String]) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    if names.is_empty() {
        return "what there is".into();
    }
    names.join(" and ")
}

/// All files that may be a site's compose files in a directory, be they there or not.
#[must_use]
pub fn may_be(site: &Site, dir: &Path) -> Vec<PathBuf> {
    let named = site.compose_files.iter().map(|name| dir.join(name));
    match site.compose_files.as_slice() {
        [] => defaults().map(|name| dir.join(name)).collect(),
        _ => named.collect(),
    }
}

/// The names that Compose looks for.
fn defaults() -> impl Iterator<Item = String> {
    let read = READ_BY_COMPOSE.into_iter();
    read.filter(|name| *name != ".env").map(ToOwned::to_owned)
}

/// The compose files in `dir`, relative to it.
#[must_use]
pub fn names(site: &Site, dir: &Path) -> Vec<String> {
    if !site.compose_files.is_empty() {
        return site.compose_files.clone();
    }
    defaults().filter(|name| dir.join(name).is_file()).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::words::plan::sample;

    #[test]
    fn only_files_that_may_name_profiles_are_worth_a_second_question() {
        let dir = tempfile::tempdir().unwrap();
        let mut site = sample::deploy().site;
        let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
        let asks = |site: &Site| may_name_profiles(site, dir.path());
        assert!(!asks(&site), "nothing there");
        write("compose.yaml", "services: {web: {image: x}}");
        assert!(!asks(&site), "a plain file");
        write("compose.override.yaml", "services: {web: {profiles: [x]}}");
        assert!(asks(&site), "the override names one");
        site.compose_files = vec!["compose.yaml".into()];
        assert!(!asks(&site), "the override is not asked for");
        site.compose_files.push("missing.yaml".into());
        assert!(!asks(&site), "Compose could not read it either");
    }

    #[test]
    fn an_env_file_may_point_to_other_files() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(".env"), "COMPOSE_FILE=a.yml:b.yml\n").unwrap();
        assert!(may_name_profiles(&sample::deploy().site, dir.path()));
    }

    #[test]
    fn what_is_missing_is_named_as_it_is_called_on_the_server() {
        let site = sample::deploy().site;
        let stage = tempfile::tempdir().unwrap();
        let told = |said: String| refuse(Failure::new("x").because(said), &site, stage.path());
        assert_eq!(
            told(String::new()).what,
            "there is no compose file in `/opt/mcp`"
        );
        std::fs::write(stage.path().join("compose.yaml"), "").unwrap();
        let path = stage.path().join("web.env");
        for said in [
            "env file PATH not found: stat PATH: no such file",
            "Couldn't find env file: PATH",
        ] {
            let failure = told(said.replace("PATH", &path.display().to_string()));
            assert_eq!(failure.what, "the env file `/opt/mcp/web.env` is not there");
        }
        let failure = told(format!("yaml: in {}", path.display()));
        assert_eq!(failure.because, ["yaml: in /opt/mcp/web.env"]);
    }
}
