//! What a run is going to do, as data: made on the runner, shipped to the agent, kept in the journal.
//!
//! A plan holds no secret and no file content; those travel beside it as [`Private`] and a tar
//! stream. It refuses to know how anything in it is carried out.

mod display;

use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::words::event::Step;
use crate::words::secret::{self, Secret};

/// The version of [`Plan`] that this build writes.
pub const PLAN_VERSION: u32 = 1;

/// Everything that a run needs to know, secrets and contents aside.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// The format, [`PLAN_VERSION`].
    pub v: u32,
    /// The deployment's id: `%Y%m%d_%H%M%S-<6 hex>`, sortable by time, unique.
    pub id: String,
    /// Deploy something new, or roll back to something old.
    pub goal: Goal,
    /// Where on the server.
    pub site: Site,
    /// The files that travel beside the plan, in the order of the tar stream.
    #[serde(default)]
    pub files: Vec<PlannedFile>,
    /// The env file's path relative to the deploy directory, if its content is given.
    #[serde(default)]
    pub env_file_path: Option<String>,
    /// The names of variables in the env file whose values are no secrets.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub public_env: Vec<String>,
    /// What the env file must set, whoever brought it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub required: Option<RequiredEnv>,
    /// Which hooks there are; their text is [`Private`].
    #[serde(default)]
    pub hooks: Hooks,
    /// How the release is judged.
    #[serde(default)]
    pub checks: Checks,
    /// What becomes of backups.
    pub backups: Backups,
    /// Seconds to wait for another deployment of the same directory.
    pub lock_timeout: u64,
    /// Seconds for the whole run.
    pub timeout: u64,
    /// Who asked for it, and why: for messages and descriptions only.
    #[serde(default)]
    pub origin: Origin,
}

/// Variables that an env file must set, not to nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequiredEnv {
    /// The file, relative to the deploy directory.
    pub path: String,
    /// Their names.
    pub names: Vec<String>,
}

/// What a run is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "goal", rename_all = "snake_case")]
pub enum Goal {
    /// Run these images; empty means what the compose file names.
    Deploy {
        /// Image references, each for every service whose image has the same repository.
        images: Vec<String>,
    },
    /// Run what a backup describes.
    Rollback {
        /// `latest`, `latest~2`, a timestamp, a commit or a tag.
        to: String,
        /// Also restore what containers write.
        restore_data: bool,
        /// Whether it may go to where nothing ran.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        to_nothing: bool,
    },
}

/// Where a release lives on its server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Site {
    /// The deploy directory, absolute.
    pub deploy_dir: PathBuf,
    /// The backup directory, absolute.
    pub backup_dir: PathBuf,
    /// Compose files relative to the deploy directory; empty means Compose's own choice.
    #[serde(default)]
    pub compose_files: Vec<String>,
    /// The project's name; none means Compose's own choice.
    #[serde(default)]
    pub project_name: Option<String>,
    /// The services to deploy; empty means all.
    #[serde(default)]
    pub services: Vec<String>,
}

impl Site {
    /// Where the backups of a directory lie unless somebody says otherwise: `/opt/app-backups`.
    #[must_use]
    pub fn usual_backup_dir(deploy_dir: &Path) -> PathBuf {
        let mut path = deploy_dir.as_os_str().to_owned();
        path.push("-backups");
        path.into()
    }
}

/// A file that travels beside the plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedFile {
    /// Where it goes, relative to the deploy directory.
    pub path: String,
    /// Permission bits, such as `0o644`.
    pub mode: u32,
    /// Bytes.
    pub size: u64,
    /// Hex SHA-256 of the content.
    pub sha256: String,
}

/// Which hooks a plan has.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hooks {
    /// There is a command for before the switch.
    pub pre_deploy: bool,
    /// There is a command for after the commit.
    pub post_deploy: bool,
}

/// How a release is judged, besides the judgement of every service.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Checks {
    /// Must answer 2xx, asked from the server.
    pub health_url: Option<String>,
    /// Declared tests, already narrowed to the chosen suite.
    #[serde(default)]
    pub smoke: Vec<SmokeTest>,
    /// Seconds until the checks must pass.
    pub health_timeout: u64,
    /// Seconds after that in which they must go on passing.
    pub watch: u64,
    /// Whose word makes the release final.
    #[serde(default)]
    pub confirm: Confirm,
}

/// Whose word makes a release final, once the server's checks have passed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Confirm {
    /// The runner's where it has tests of its own to make, the server's otherwise.
    #[default]
    Auto,
    /// The runner's in any case.
    Runner,
}

impl Checks {
    /// The tests that only the runner can make.
    pub fn from_runner(&self) -> impl Iterator<Item = &SmokeTest> {
        self.smoke.iter().filter(|t| t.from == Vantage::Runner)
    }

    /// Says whether the server waits for the runner's word.
    #[must_use]
    pub fn await_the_runner(&self) -> bool {
        self.confirm == Confirm::Runner || self.from_runner().next().is_some()
    }

    /// The tests that the server makes.
    pub fn from_server(&self) -> impl Iterator<Item = &SmokeTest> {
        self.smoke.iter().filter(|t| t.from == Vantage::Server)
    }
}

/// One declared test.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SmokeTest {
    /// The name that messages use.
    pub name: String,
    /// What is asked.
    pub probe: Probe,
    /// Who asks.
    #[serde(default)]
    pub from: Vantage,
}

/// What a test asks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Probe {
    /// A GET request.
    Http {
        /// http or https.
        url: String,
        /// What the answer must be.
        expect: Expect,
    },
    /// A TCP connection.
    Tcp {
        /// `host:port`.
        address: String,
    },
    /// A service that runs, is healthy if it can say so, and does not restart.
    Service {
        /// The service's name.
        service: String,
    },
    /// A command in a service's container that exits 0.
    Exec {
        /// The service's name.
        service: String,
        /// The argument vector.
        command: Vec<String>,
    },
}

/// What an HTTP answer must be; what is not named may be anything, the status 2xx.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Expect {
    /// The exact status.
    #[serde(default)]
    pub status: Option<u16>,
    /// A text that the body contains.
    #[serde(default)]
    pub body: Option<String>,
    /// JSON pointers and the values they must point at.
    #[serde(default)]
    pub json: serde_json::Map<String, serde_json::Value>,
    /// The longest acceptable answer, in milliseconds.
    #[serde(default)]
    pub max_ms: Option<u64>,
}

/// Who makes a test.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Vantage {
    /// The agent, on the server.
    #[default]
    Server,
    /// The runner, from outside.
    Runner,
}

/// What becomes of backups.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Backups {
    /// The newest this many are kept.
    pub keep: u32,
    /// Globs of what a backup leaves out.
    #[serde(default)]
    pub exclude: Vec<String>,
}

/// Who asked for a run, and why.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Origin {
    /// The environment's name, such as `production`.
    pub environment: String,
    /// The application's address, for messages.
    pub url: Option<String>,
    /// Who started it: `GITHUB_ACTOR`, or `user@machine`.
    pub actor: Option<String>,
    /// `owner/name`.
    pub repository: Option<String>,
    /// The commit's full hash.
    pub commit: Option<String>,
    /// The first line of its message.
    pub commit_title: Option<String>,
    /// Its author.
    pub commit_author: Option<String>,
    /// Where its log can be read.
    pub run_url: Option<String>,
}

impl Origin {
    /// The page of the commit, beside the run's on the same server.
    #[must_use]
    pub fn commit_address(&self) -> Option<String> {
        let hash = self.commit.as_ref()?;
        let (repository, _) = self.run_url.as_ref()?.split_once("/actions/runs/")?;
        let is_hash = hash.chars().all(|c| c.is_ascii_hexdigit());
        is_hash.then(|| format!("{repository}/commit/{hash}"))
    }
}

/// Who made a release, and of what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Made {
    /// The run that deployed it.
    pub run: String,
    /// When that run began.
    pub at: DateTime<Utc>,
    /// The image references that were asked for; empty means what the compose file named.
    #[serde(default)]
    pub asked: Vec<String>,
    /// Who asked, and why.
    #[serde(default)]
    pub origin: Origin,
}

/// What must not outlive the run, so it is in no journal: it travels beside the plan.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Private {
    /// The env file's bytes as text.
    #[serde(with = "secret::in_the_clear")]
    pub env_file: Option<Secret>,
    /// The one registry that the login is for, `docker.io` for Docker Hub.
    pub registry: Option<String>,
    /// The registry login's name.
    pub registry_username: Option<String>,
    /// The registry login's password.
    #[serde(with = "secret::in_the_clear")]
    pub registry_password: Option<Secret>,
    /// The hook before the switch.
    #[serde(with = "secret::in_the_clear")]
    pub pre_deploy: Option<Secret>,
    /// The hook after the commit.
    #[serde(with = "secret::in_the_clear")]
    pub post_deploy: Option<Secret>,
    /// Inputs that are no secrets, such as the server's name: an env file may hold them too.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub public_values: Vec<String>,
}

impl Plan {
    /// The steps of this plan, in order.
    #[must_use]
    pub fn steps(&self) -> &'static [Step] {
        match self.goal {
            Goal::Deploy { .. } => &[
                Step::Preflight,
                Step::Stage,
                Step::Pull,
                Step::Backup,
                Step::Files,
                Step::PreDeploy,
                Step::Up,
                Step::Verify,
                Step::Confirm,
                Step::Commit,
                Step::PostDeploy,
            ],
            Goal::Rollback { .. } => &[
                Step::Preflight,
                Step::Pull,
                Step::Backup,
                Step::Restore,
                Step::Up,
                Step::Verify,
                Step::Confirm,
                Step::Commit,
            ],
        }
    }
}

#[cfg(test)]
pub mod sample {
    //! Plans for tests.

    use super::*;

    /// A deployment of whatever the compose file names.
    #[must_use]
    pub fn deploy() -> Plan {
        Plan {
            v: PLAN_VERSION,
            id: "20251017_143025-c0ffee".into(),
            goal: Goal::Deploy { images: Vec::new() },
            site: Site {
                deploy_dir: "/opt/mcp".into(),
                backup_dir: "/opt/mcp-backups".into(),
                compose_files: Vec::new(),
                project_name: None,
                services: Vec::new(),
            },
            files: Vec::new(),
            env_file_path: None,
            public_env: Vec::new(),
            required: None,
            hooks: Hooks::default(),
            checks: Checks {
                health_timeout: 120,
                ..Checks::default()
            },
            backups: Backups {
                keep: 3,
                exclude: Vec::new(),
            },
            lock_timeout: 600,
            timeout: 1800,
            origin: Origin {
                environment: "production".into(),
                ..Origin::default()
            },
        }
    }
}
