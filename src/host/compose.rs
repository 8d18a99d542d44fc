//! Compose's command lines and what its answers say, for versions 1 and 2.
//!
//! It builds and reads text; it runs nothing.

mod binds;
pub mod env_files;
pub mod files;
pub mod find;
mod mounts;
mod ports;
pub mod rehearsal;
mod starting;
pub mod surroundings;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::files::foreign;
use crate::host::cmd::{Cmd, Output};
use crate::host::{Config, Making, Others, Recreate, ServiceConfig};
use crate::words::Result;
use crate::words::event::Failure;
use crate::words::plan::Site;

/// The longest that one `up` or `build` may take; the run's own deadline is usually nearer.
const LONGEST: Duration = Duration::from_hours(1);

/// A Compose version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Version {
    /// 1 or 2, or newer.
    pub major: u32,
    /// The second number.
    pub minor: u32,
    /// The third number.
    pub patch: u32,
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

impl Version {
    /// Reads `2.26.1`, `v2.40.3-desktop.1` or `1.29.2`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim().trim_start_matches('v');
        let mut numbers = text.split(['.', '-', '+', '~']).map(str::parse::<u32>);
        Some(Self {
            major: numbers.next()?.ok()?,
            minor: numbers.next()?.ok()?,
            patch: numbers
                .next()
                .and_then(std::result::Result::ok)
                .unwrap_or(0),
        })
    }

    /// Says whether `create` knows `--scale`, and the `up --no-start` of the past.
    fn creates_to_scale(self) -> bool {
        self.is_one() || (self.major, self.minor) >= (2, 16)
    }

    /// Says whether this is the Python Compose of the past.
    #[must_use]
    pub fn is_one(self) -> bool {
        self.major < 2
    }
}

/// The Compose of a server: how it is called, and which it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compose {
    /// `docker compose`, `docker-compose` or a plugin's path.
    pub program: Vec<String>,
    /// Its version.
    pub version: Version,
}

impl Compose {
    /// A command in the project's directory, with the compose files that the operator names.
    fn base(&self, site: &Site, dir: &Path, project: Option<&str>) -> Cmd {
        let program = Cmd::new(&self.program[0]).args(&self.program[1..]);
        // The plugin's own file is called, which nobody types.
        let program = if self.version.is_one() {
            program
        } else {
            program.shown_as("docker compose")
        };
        let mut cmd = program.dir(dir).within(LONGEST).as_by_hand();
        if let Some(project) = project {
            cmd = cmd.args(["-p", project]);
        }
        for file in &site.compose_files {
            cmd = cmd.args(["-f", file]);
        }
        cmd
    }

    /// `config`, as JSON where Compose can.
    #[must_use]
    pub fn config(&self, site: &Site, dir: &Path) -> Cmd {
        let cmd = self.base(site, dir, site.project_name.as_deref());
        self.asking_for_config(cmd)
    }

    /// The same with all profiles on; Compose 1 shows all services anyhow.
    #[must_use]
    pub fn every_profile(&self, site: &Site, dir: &Path) -> Cmd {
        let cmd = self.base(site, dir, site.project_name.as_deref());
        self.asking_for_config(cmd.args(["--profile", "*"]))
    }

    fn asking_for_config(&self, cmd: Cmd) -> Cmd {
        let cmd = cmd.arg("config").within(Duration::from_mins(1));
        if self.version.is_one() {
            cmd
        } else {
            cmd.args(["--format", "json"])
        }
    }

    /// `up -d` that neither pulls nor builds.
    #[must_use]
    pub fn up(
        &self,
        site: &Site,
        project: &str,
        services: &[String],
        recreate: Recreate,
        others: Others,
    ) -> Cmd {
        let mut cmd =
            self.base(site, &site.deploy_dir, Some(project))
                .args(["up", "-d", "--no-build"]);
        if !self.version.is_one() {
            cmd = cmd.args(["--pull", "never"]);
        }
        if recreate == Recreate::Only {
            cmd = cmd.arg("--force-recreate");
        }
        // Compose 2 may hash what `--no-deps` leaves out, so that the next `up` would replace it
        // again; Compose 1 does not, and would force the services below as well.
        let forced = recreate == Recreate::Only && self.version.is_one();
        if forced || others == Others::LeftAlone {
            cmd = cmd.arg("--no-deps");
        }
        cmd.args(services)
    }

    /// `create`: what `up` does before it starts anything.
    #[must_use]
    pub fn create(&self, site: &Site, project: &str, making: &Making) -> Cmd {
        let mut cmd = self.base(site, &site.deploy_dir, Some(project));
        // `create` would make what the services depend on as the files say.
        let alone = making.others == Others::LeftAlone;
        cmd = match (self.version.is_one(), alone) {
            (true, false) => cmd.args(["up", "--no-start", "--no-build"]),
            (true, true) => cmd.args(["up", "--no-start", "--no-deps", "--no-build"]),
            (false, false) => cmd.args(["create", "--no-build", "--pull", "never"]),
            (false, true) => {
                cmd.args(["up", "--no-start", "--no-deps"])
                    .args(["--no-build", "--pull", "never"])
            }
        };
        if making.recreate == Recreate::Only {
            cmd = cmd.arg("--force-recreate");
        }
        let known = |scale: &&(String, u32)| scale.1 != 1 || self.version.creates_to_scale();
        for (service, replicas) in making.scale.iter().filter(known) {
            cmd = cmd.args(["--scale".to_owned(), format!("{service}={replicas}")]);
        }
        cmd.args(&making.services)
    }

    /// `build` of the named services.
    #[must_use]
    pub fn build(&self, site: &Site, project: &str, services: &[String]) -> Cmd {
        self.base(site, &site.deploy_dir, Some(project))
            .arg("build")
            .args(services)
    }
}

/// Reads what `config` printed.
///
/// # Errors
/// An answer that is no configuration.
pub fn read_config(output: &Output, site: &Site, version: Version) -> Result<Config> {
    let value = whole(&output.stdout, version)?;
    let project = match value["name"].as_str() {
        Some(name) => name.to_owned(),
        None => project_of_one(site),
    };
    let mut services: Vec<ServiceConfig> = value["services"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, service)| read_service(name, service, &value, &project))
        .collect();
    services.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(Config {
        project,
        services,
        unset: unset_variables(&output.stderr),
    })
}

fn whole(text: &str, version: Version) -> Result<Value> {
    if version.is_one() {
        serde_saphyr::from_str(text).map_err(|e| odd_answer(&e))
    } else {
        serde_json::from_str(text).map_err(|e| odd_answer(&e))
    }
}

/// Reads each service of what `config` printed as it is; paths in a stage become what they stand for.
///
/// # Errors
/// An answer that is no configuration.
pub fn read_services(
    output: &Output,
    version: Version,
    stage: &Path,
) -> Result<BTreeMap<String, Value>> {
    let text = output.stdout.replace(&*stage.to_string_lossy(), "");
    let value = whole(&text, version)?;
    let services = value["services"].as_object().into_iter().flatten();
    let services = services.map(|(name, service)| (name.clone(), service.clone()));
    Ok(services.collect())
}

fn read_service(name: &str, service: &Value, whole: &Value, project: &str) -> ServiceConfig {
    let text = |key: &str| service[key].as_str().map(ToOwned::to_owned);
    let replicas = &service["deploy"]["replicas"];
    let replicas = replicas.as_u64().or_else(|| service["scale"].as_u64());
    ServiceConfig {
        name: name.to_owned(),
        image: text("image"),
        build: !service["build"].is_null(),
        pull_policy: text("pull_policy"),
        platform: text("platform"),
        binds: binds::of(service, whole),
        replicas: replicas.and_then(|n| u32::try_from(n).ok()),
        depends_on: names(&service["depends_on"]),
        container_name: text("container_name"),
        ports: ports::of(service),
        ranges: ports::ranges(service),
        mounts: mounts::of(service, whole, project),
        given_at_start: starting::is_given_at_start(service, whole),
    }
}

/// The keys of a map, or the texts of a list.
fn names(value: &Value) -> Vec<String> {
    let keys = value
        .as_object()
        .into_iter()
        .flat_map(|map| map.keys().cloned());
    let texts = value.as_array().into_iter().flatten();
    keys.chain(texts.filter_map(|v| v.as_str().map(ToOwned::to_owned)))
        .collect()
}

/// What Compose 2 and Compose 1 call an image that is built without a name.
#[must_use]
pub fn built_names(project: &str, service: &str) -> [String; 2] {
    ["-", "_"].map(|sign| format!("{project}{sign}{service}"))
}

/// Names the variables that Compose would replace by nothing.
fn unset_variables(stderr: &str) -> Vec<String> {
    let names: BTreeSet<String> = stderr
        .lines()
        .filter_map(|line| line.split_once(" variable is not set"))
        .filter_map(|(before, _)| before.split_whitespace().last())
        .map(|name| name.trim_matches(['"', '\\', '\'']).to_owned())
        .collect();
    names.into_iter().collect()
}

/// Why a configuration with blanks in it is not deployed; `env_file` is where this run puts an env
/// file, if it brings one.
#[must_use]
pub fn refuse_unset(unset: &[String], site: &Site, env_file: Option<&str>) -> Failure {
    if unset.is_empty() {
        return Failure::new("an env file uses a variable that is not set")
            .because("Compose would put a blank text in its place")
            .hint(crate::words::env_file::DOLLAR);
    }
    let names: Vec<String> = unset.iter().map(|n| format!("`{n}`")).collect();
    Failure::new(format!(
        "the compose file uses {} that {} not set: {}",
        if unset.len() == 1 {
            "a variable"
        } else {
            "variables"
        },
        if unset.len() == 1 { "is" } else { "are" },
        names.join(", ")
    ))
    .because("Compose would put a blank text in its place")
    .hint(where_to_set(site, env_file))
    .hint("or give it a default in the compose file: `${NAME:-value}`")
}

/// Compose reads one env file for `${…}`, the one beside the first compose file.
fn where_to_set(site: &Site, env_file: Option<&str>) -> String {
    let read = surroundings::env_path(site).display().to_string();
    match env_file {
        None => format!("set it in the env file: input `env_file`, or `{read}` on the server"),
        Some(path) if path == read => {
            format!("add it to what `env_file` brings, which is `{read}`")
        }
        Some(path) => format!(
            "Compose reads `{read}` for that, and `env_file` is written to `{path}`: set \
             `env_file_path: {read}`"
        ),
    }
}

/// The first line says where; what follows may quote the answer, which holds secrets.
fn odd_answer(error: &dyn fmt::Display) -> Failure {
    let error = error.to_string();
    Failure::new("Compose's `config` gave an answer that cannot be read")
        .because(error.lines().next().unwrap_or_default())
}

/// How much of `.env` is looked at, in bytes.
const ENV: u64 = 1024 * 1024;

/// The project's name as Compose 1 chooses it: `-p`, `.env`, or the directory's name.
fn project_of_one(site: &Site) -> String {
    if let Some(name) = &site.project_name {
        return name.clone();
    }
    let env = foreign::text(&site.deploy_dir.join(".env"), ENV).unwrap_or_default();
    let set = env
        .lines()
        .find_map(|l| l.strip_prefix("COMPOSE_PROJECT_NAME="));
    let base = site.deploy_dir.file_name().unwrap_or_default();
    let name = set.map_or_else(|| base.to_string_lossy().into_owned(), ToOwned::to_owned);
    let kept = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    name.trim().to_lowercase().chars().filter(kept).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::host::Access;
    use crate::words::plan::sample;

    fn two() -> Version {
        Version::parse("2.26.1").unwrap()
    }

    fn compose(version: &str) -> Compose {
        Compose {
            program: vec!["docker".into(), "compose".into()],
            version: Version::parse(version).unwrap(),
        }
    }

    #[test]
    fn versions_are_read_with_their_decorations() {
        let parsed = |t| Version::parse(t).map(|v| v.to_string());
        assert_eq!(parsed("v2.40.3-desktop.1").as_deref(), Some("2.40.3"));
        assert_eq!(parsed("2.26.1+ds1").as_deref(), Some("2.26.1"));
        assert_eq!(parsed("1.29.2\n").as_deref(), Some("1.29.2"));
        assert_eq!(parsed("unknown"), None);
    }

    #[test]
    fn a_plugin_is_called_by_its_file_and_shown_as_people_type_it() {
        let plugin = Compose {
            program: vec!["/usr/libexec/docker/cli-plugins/docker-compose".into()],
            version: two(),
        };
        let site = sample::deploy().site;
        let cmd = plugin.build(&site, "mcp", &["web".into()]);
        assert_eq!(cmd.argv()[0], plugin.program[0]);
        assert_eq!(cmd.to_string(), "docker compose -p mcp build web");
        let one = Compose {
            program: vec!["docker-compose".into()],
            version: Version { major: 1, ..two() },
        };
        let shown = one.build(&site, "mcp", &[]).to_string();
        assert_eq!(shown, "docker-compose -p mcp build");
    }

    #[test]
    fn up_never_pulls_and_never_builds() {
        let site = sample::deploy().site;
        let up = |v, r| {
            let up = compose(v).up(&site, "mcp", &["web".into()], r, Others::AsTheFilesSay);
            up.to_string()
        };
        assert_eq!(
            up("2.26.1", Recreate::Changed),
            "docker compose -p mcp up -d --no-build --pull never web"
        );
        assert_eq!(
            up("2.26.1", Recreate::Only),
            "docker compose -p mcp up -d --no-build --pull never --force-recreate web"
        );
        assert_eq!(
            up("1.29.2", Recreate::Only),
            "docker compose -p mcp up -d --no-build --force-recreate --no-deps web"
        );
    }

    #[test]
    fn a_service_is_made_to_scale_also_where_it_is_one_and_compose_knows_how() {
        let site = sample::deploy().site;
        let making = Making {
            services: vec!["web".into()],
            scale: vec![("web".into(), 1)],
            recreate: Recreate::Changed,
            others: Others::AsTheFilesSay,
        };
        let create = |v| compose(v).create(&site, "mcp", &making).to_string();
        assert_eq!(
            create("2.26.1"),
            "docker compose -p mcp create --no-build --pull never --scale web=1 web"
        );
        assert_eq!(
            create("1.29.2"),
            "docker compose -p mcp up --no-start --no-build --scale web=1 web"
        );
        assert_eq!(
            create("2.15.1"),
            "docker compose -p mcp create --no-build --pull never web"
        );
    }

    #[test]
    fn services_that_are_not_named_are_left_alone_where_that_is_asked_for() {
        let site = sample::deploy().site;
        let services = ["web".to_owned()];
        let making = Making {
            services: services.to_vec(),
            scale: Vec::new(),
            recreate: Recreate::Changed,
            others: Others::LeftAlone,
        };
        let told = |v| {
            let (compose, changed) = (compose(v), Recreate::Changed);
            let up = compose.up(&site, "mcp", &services, changed, Others::LeftAlone);
            [up, compose.create(&site, "mcp", &making)].map(|cmd| cmd.to_string())
        };
        assert_eq!(
            told("2.26.1"),
            [
                "docker compose -p mcp up -d --no-build --pull never --no-deps web",
                "docker compose -p mcp up --no-start --no-deps --no-build --pull never web",
            ]
        );
        assert_eq!(
            told("1.29.2"),
            [
                "docker compose -p mcp up -d --no-build --no-deps web",
                "docker compose -p mcp up --no-start --no-deps --no-build web",
            ]
        );
    }

    #[test]
    fn compose_files_are_named_in_the_operators_order() {
        let mut site = sample::deploy().site;
        site.compose_files = vec!["base.yml".into(), "prod.yml".into()];
        assert_eq!(
            compose("2.26.1")
                .config(&site, &site.deploy_dir)
                .to_string(),
            "docker compose -f base.yml -f prod.yml config --format json"
        );
    }

    #[test]
    fn both_versions_name_unset_variables_and_are_refused() {
        let stderr = "time=\"x\" level=warning msg=\"The \\\"DB_URL\\\" variable is not set. Defaulting to a blank string.\"\n\
             WARNING: The TAG variable is not set. Defaulting to a blank string.\n";
        assert_eq!(unset_variables(stderr), ["DB_URL", "TAG"]);
        let output = Output {
            stdout: "{}".into(),
            stderr: stderr.into(),
        };
        let site = sample::deploy().site;
        let config = read_config(&output, &site, two()).unwrap();
        let failure = refuse_unset(&config.unset, &site, None);
        assert_eq!(
            failure.what,
            "the compose file uses variables that are not set: `DB_URL`, `TAG`"
        );
    }

    #[test]
    fn where_an_unset_variable_is_to_be_set_asks_for_no_input_that_was_given() {
        let mut site = sample::deploy().site;
        let hint = |site: &Site, env_file| where_to_set(site, env_file);
        assert_eq!(
            hint(&site, None),
            "set it in the env file: input `env_file`, or `.env` on the server"
        );
        assert_eq!(
            hint(&site, Some(".env")),
            "add it to what `env_file` brings, which is `.env`"
        );
        site.compose_files = vec!["docker/compose.yml".into()];
        assert_eq!(
            hint(&site, Some(".env")),
            "Compose reads `docker/.env` for that, and `env_file` is written to `.env`: set `env_file_path: docker/.env`"
        );
    }

    #[test]
    fn a_configuration_of_compose_two_is_read() {
        let stdout = r#"{"name":"mcp","services":{"web":{"image":"acme/web:1","build":{"context":"."},
            "volumes":[{"type":"bind","source":"/opt/mcp/app.conf","target":"/x","read_only":true},
                       {"type":"volume","source":"db","target":"/y"}],
            "deploy":{"replicas":2}},"db":{"image":"postgres"}}}"#;
        let output = Output {
            stdout: stdout.into(),
            stderr: String::new(),
        };
        let config = read_config(&output, &sample::deploy().site, two()).unwrap();
        assert_eq!(config.project, "mcp");
        assert_eq!(config.services[0].name, "db");
        let web = config.service("web").unwrap();
        assert!(web.build);
        assert_eq!(web.replicas, Some(2));
        assert_eq!(web.binds.len(), 1);
        assert_eq!(web.binds[0].access, Access::ReadOnly);
    }

    #[test]
    fn services_of_a_stage_are_told_as_if_they_lay_where_they_will() {
        let output = Output {
            stdout: r#"{"services":{"web":{"volumes":[{"source":"/tmp/x/stage/opt/mcp/data"}]}}}"#
                .into(),
            stderr: String::new(),
        };
        let read = read_services(&output, two(), Path::new("/tmp/x/stage")).unwrap();
        assert_eq!(read["web"]["volumes"][0]["source"], "/opt/mcp/data");
    }

    #[test]
    fn a_configuration_of_compose_one_is_read() {
        let stdout = "services:\n  web:\n    image: acme/web:1\n    volumes:\n    - /opt/mcp/data:/data:rw\n    - db:/db:rw\nversion: '3'\n";
        let output = Output {
            stdout: stdout.into(),
            stderr: String::new(),
        };
        let version = Version::parse("1.29.2").unwrap();
        let config = read_config(&output, &sample::deploy().site, version).unwrap();
        assert_eq!(config.project, "mcp");
        assert_eq!(config.services[0].binds.len(), 1);
        assert_eq!(config.services[0].binds[0].access, Access::ReadWrite);
    }

    #[test]
    fn an_answer_that_cannot_be_read_is_not_quoted() {
        let failure = odd_answer(&"at line 3\n  password: s3cret");
        assert_eq!(failure.because, ["at line 3"]);
    }
}
