//! What a shell needs so that `docker compose` means in it what it means to a run, and whether the
//! plain command in the deploy directory would mean something else.
//!
//! It looks which files there are, and refuses to know who types.

use std::path::{Path, PathBuf};

use super::Version;
use crate::files::foreign;
use crate::words::plan::Site;

/// How much of `.env` is looked at, in bytes.
const ENV: u64 = 1024 * 1024;
/// Where Compose 2 looks for its file, in this order.
pub const TWO: [&str; 4] = [
    "compose.yaml",
    "compose.yml",
    "docker-compose.yml",
    "docker-compose.yaml",
];
/// The same of Compose 1.
const ONE: [&str; 4] = [
    "docker-compose.yml",
    "docker-compose.yaml",
    "compose.yml",
    "compose.yaml",
];
/// Those that override them, in this order.
const OVERRIDES: [&str; 4] = [
    "compose.override.yml",
    "compose.override.yaml",
    "docker-compose.override.yml",
    "docker-compose.override.yaml",
];

/// The variables that make `docker compose` mean a project and the compose files of a site, with one
/// more file behind them.
#[must_use]
pub fn of(
    site: &Site,
    project: &str,
    more: Option<&Path>,
    version: Version,
) -> Vec<(String, String)> {
    let mut files = files(site, version);
    let env = env_file(site, &files);
    let mut known = vec![("COMPOSE_PROJECT_NAME".to_owned(), project.to_owned())];
    if !files.is_empty() {
        files.extend(more.map(Path::to_owned));
        known.extend(listed(&files));
    }
    if let Some(profiles) = variable(&env, "COMPOSE_PROFILES") {
        known.push(("COMPOSE_PROFILES".into(), profiles));
    }
    // Newer versions would read one in the working directory as well, which the run did not.
    let read = if env.is_file() {
        Some(env)
    } else {
        (!site.compose_files.is_empty()).then(|| "/dev/null".into())
    };
    known.extend(read.map(|file| ("COMPOSE_ENV_FILES".into(), file.display().to_string())));
    known
}

/// Says whether the plain command in the deploy directory would act on other files or another
/// project.
#[must_use]
pub fn differs(site: &Site, project: &str, version: Version) -> bool {
    let plain = Site {
        compose_files: Vec::new(),
        project_name: None,
        ..site.clone()
    };
    let found = files(&plain, version);
    let own = files(site, version);
    own != found || (site.project_name.is_some() && !may_choose(&plain, project, &found))
}

/// The compose files of a site, absolute: those that are named, or what Compose finds.
fn files(site: &Site, version: Version) -> Vec<PathBuf> {
    let dir = &site.deploy_dir;
    if !site.compose_files.is_empty() {
        return site.compose_files.iter().map(|f| dir.join(f)).collect();
    }
    let env = dir.join(".env");
    if let Some(named) = variable(&env, "COMPOSE_FILE") {
        let separator = variable(&env, "COMPOSE_PATH_SEPARATOR").unwrap_or_else(|| ":".into());
        return named.split(&separator).map(|f| dir.join(f)).collect();
    }
    let first = |names: [&str; 4]| {
        let mut paths = names.into_iter().map(|name| dir.join(name));
        paths.find(|path| path.is_file())
    };
    let Some(file) = first(if version.is_one() { ONE } else { TWO }) else {
        return Vec::new();
    };
    [file].into_iter().chain(first(OVERRIDES)).collect()
}

/// The env file that Compose reads by itself: it lies beside the first compose file.
fn env_file(site: &Site, files: &[PathBuf]) -> PathBuf {
    let beside = files.first().and_then(|file| file.parent());
    let home = beside.filter(|_| !site.compose_files.is_empty());
    home.unwrap_or(&site.deploy_dir).join(".env")
}

/// The same, relative to the deploy directory.
#[must_use]
pub fn env_path(site: &Site) -> PathBuf {
    let first = site.compose_files.first().map(Path::new);
    first
        .and_then(Path::parent)
        .unwrap_or(Path::new(""))
        .join(".env")
}

fn listed(files: &[PathBuf]) -> Vec<(String, String)> {
    let texts: Vec<String> = files.iter().map(|f| f.display().to_string()).collect();
    let mut separators = [":", ";", ",", "|"].into_iter();
    let free = separators.find(|s| !texts.iter().any(|text| text.contains(s)));
    let separator = free.unwrap_or(":");
    let mut known = vec![("COMPOSE_FILE".to_owned(), texts.join(separator))];
    if separator != ":" {
        known.push(("COMPOSE_PATH_SEPARATOR".into(), separator.into()));
    }
    known
}

/// Says whether Compose may choose this name for the project by itself.
fn may_choose(site: &Site, project: &str, files: &[PathBuf]) -> bool {
    let kept = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    let base = site.deploy_dir.file_name().unwrap_or_default();
    let base = base.to_string_lossy().to_lowercase();
    let base: String = base.chars().filter(kept).collect();
    let set = variable(&site.deploy_dir.join(".env"), "COMPOSE_PROJECT_NAME");
    let named = files.iter().any(|file| {
        let text = foreign::text(file, ENV).unwrap_or_default();
        let mut lines = text.lines().filter_map(|line| line.strip_prefix("name:"));
        lines.any(|name| name.trim().trim_matches(['"', '\'']) == project)
    });
    named || set.map_or(base == project, |name| name == project)
}

/// The value of a variable in an env file, if it is set and not empty.
fn variable(file: &Path, name: &str) -> Option<String> {
    let text = foreign::text(file, ENV).ok()?;
    let lines = text.lines().map(str::trim);
    let lines = lines.map(|line| line.strip_prefix("export ").unwrap_or(line));
    let mut set = lines.filter_map(|line| line.split_once('='));
    let (_, value) = set.rfind(|(key, _)| key.trim() == name)?;
    let value = value.trim().trim_matches(['"', '\'']).to_owned();
    (!value.is_empty()).then_some(value)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::fs;

    use super::*;
    use crate::words::plan::sample;

    fn site(files: &[(&str, &str)]) -> (tempfile::TempDir, Site) {
        let dir = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let mut site = sample::deploy().site;
        site.deploy_dir = dir.path().to_owned();
        (dir, site)
    }

    fn two() -> Version {
        Version::parse("2.26.1").unwrap()
    }

    fn told(site: &Site, more: Option<&Path>) -> String {
        let known = of(site, "shop", more, two());
        let lines: Vec<String> = known.iter().map(|(n, v)| format!("{n}={v}")).collect();
        lines
            .join("\n")
            .replace(&site.deploy_dir.display().to_string(), "/srv/app")
    }

    #[test]
    fn what_compose_finds_by_itself_is_named_with_its_override_and_one_more_behind() {
        let (_dir, site) = site(&[
            ("compose.yaml", ""),
            ("docker-compose.yml", ""),
            ("compose.override.yml", ""),
            (".env", "COMPOSE_PROFILES=extra\n"),
        ]);
        insta::assert_snapshot!(told(&site, Some(Path::new("/run/x.json"))), @r"
        COMPOSE_PROJECT_NAME=shop
        COMPOSE_FILE=/srv/app/compose.yaml:/srv/app/compose.override.yml:/run/x.json
        COMPOSE_PROFILES=extra
        COMPOSE_ENV_FILES=/srv/app/.env
        ");
    }

    #[test]
    fn files_in_a_subdirectory_have_the_env_file_beside_them_and_no_other() {
        let (_dir, mut site) = site(&[("docker/compose.yml", ""), (".env", "COMPOSE_PROFILES=no")]);
        site.compose_files = vec!["docker/compose.yml".into()];
        insta::assert_snapshot!(told(&site, None), @r"
        COMPOSE_PROJECT_NAME=shop
        COMPOSE_FILE=/srv/app/docker/compose.yml
        COMPOSE_ENV_FILES=/dev/null
        ");
        assert_eq!(env_path(&site), Path::new("docker/.env"));
        fs::write(site.deploy_dir.join("docker/.env"), "").unwrap();
        assert!(told(&site, None).ends_with("COMPOSE_ENV_FILES=/srv/app/docker/.env"));
    }

    #[test]
    fn an_env_file_may_name_other_files_and_a_colon_in_a_path_another_separator() {
        let (_dir, site) = site(&[(".env", "export COMPOSE_FILE='a.yml:b:c.yml'\n")]);
        let told = told(&site, None);
        assert!(
            told.contains("COMPOSE_FILE=/srv/app/a.yml:/srv/app/b:/srv/app/c.yml"),
            "{told}"
        );
        let odd = listed(&["/srv/a:b/x.yml".into(), "/srv/y.yml".into()]);
        assert_eq!(odd[0].1, "/srv/a:b/x.yml;/srv/y.yml");
        assert_eq!(odd[1], ("COMPOSE_PATH_SEPARATOR".into(), ";".into()));
    }

    #[test]
    fn the_plain_command_is_another_one_where_files_or_project_are_not_what_compose_would_choose() {
        let (dir, mut site) = site(&[("compose.yaml", "name: shop\n"), ("prod.yaml", "")]);
        let differs = |site: &Site, project: &str| differs(site, project, two());
        assert!(!differs(&site, "anything"), "Compose has chosen it");
        site.project_name = Some("shop".into());
        assert!(!differs(&site, "shop"));
        site.project_name = Some("other".into());
        assert!(differs(&site, "other"));
        site.project_name = None;
        site.compose_files = vec!["compose.yaml".into()];
        assert!(!differs(&site, "shop"));
        site.compose_files.push("prod.yaml".into());
        assert!(differs(&site, "shop"));
        drop(dir);
    }
}
