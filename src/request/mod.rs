//! What was asked for: inputs → [`Raw`] strings → a validated [`Request`] → a plan.
//!
//! [`Raw`] becomes a [`Request`] at one border, [`Request::check`], which tells every fault at
//! once; inside, everything is already true. It refuses to know the server: nothing is contacted.

use std::path::Path;

use crate::words::choices::{Notify, Sudo};
use crate::words::event::Failure;
use crate::words::plan::{Backups, Checks, Site};
use crate::words::secret::Secret;

mod check;
mod consistency;
mod env;
mod fault;
mod files;
mod grammar;
mod host;
mod image;
mod inputs;
mod key;
mod meant;
mod origin;
mod plan;
mod raw;
mod smoke;
mod this_program;
mod typed;

pub use fault::{Caller, Faults, one_line, shown};
pub use files::LocalFile;
pub use host::JumpHost;
pub use image::Reference;
pub use inputs::{Given, Group, INPUTS, Input, Raw, Shape, Unset};
pub use key::HostKey;
pub use origin::{ASKED_BY, of_operator, of_workflow};
pub use plan::deployment_id;

/// Everything that was asked for, validated.
#[derive(Debug, Clone)]
pub struct Request {
    /// What to do.
    pub mode: Mode,
    /// Show it and touch nothing.
    pub dry_run: bool,
    /// The machine that the release lives on.
    pub place: Place,
    /// Where on that machine.
    pub site: Site,
    /// The images to run, at most one of a repository; empty means what the compose file names.
    pub images: Vec<Reference>,
    /// The files to copy, sorted by target.
    pub files: Vec<LocalFile>,
    /// The env file to write.
    pub env_file: Option<EnvFile>,
    /// The names of variables that the env file must set.
    pub require_env: Vec<String>,
    /// Where the env file is, whether one comes or not.
    pub env_file_path: String,
    /// The names of variables whose values are no secrets.
    pub public_env: Vec<String>,
    /// The login to the registry.
    pub registry: Option<Login>,
    /// Shell commands for before the switch.
    pub pre_deploy: Option<Secret>,
    /// Shell commands for after the commit.
    pub post_deploy: Option<Secret>,
    /// How the release is judged.
    pub checks: Checks,
    /// What becomes of backups.
    pub backups: Backups,
    /// The backup to go back to: `latest` or a timestamp.
    pub backup_timestamp: String,
    /// Also restore what containers write.
    pub restore_data: bool,
    /// Whether it may go to where nothing ran.
    pub to_nothing: bool,
    /// Whether to become root on the server.
    pub sudo: Sudo,
    /// Seconds to wait for another deployment of the same directory.
    pub lock_timeout: u64,
    /// Seconds for the whole run.
    pub timeout: u64,
    /// The environment's name in messages.
    pub environment: String,
    /// The application's address in messages.
    pub url: Option<String>,
    /// Where Slack listens.
    pub slack_webhook_url: Option<Secret>,
    /// When to tell.
    pub notify: Notify,
    /// What was given and will have no effect, one line each.
    pub warnings: Vec<String>,
}

impl Request {
    /// Says whether nothing may be touched, whatever the mode.
    #[must_use]
    pub fn only_shows(&self) -> bool {
        self.dry_run || matches!(self.mode, Mode::Plan | Mode::Status)
    }

    /// The server to connect to; none when the release lives on this machine.
    #[must_use]
    pub fn target(&self) -> Option<&Target> {
        match &self.place {
            Place::Here => None,
            Place::Server(target) => Some(target),
        }
    }
}

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Run something new.
    Deploy,
    /// Run what a backup describes.
    Rollback,
    /// Show what a deployment would do.
    Plan,
    /// Show what runs.
    Status,
}

impl Mode {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("deploy", Self::Deploy),
        ("rollback", Self::Rollback),
        ("plan", Self::Plan),
        ("status", Self::Status),
    ];
}

/// The machine that a release lives on.
#[derive(Debug, Clone)]
pub enum Place {
    /// This one.
    Here,
    /// One that is reached over SSH.
    Server(Target),
}

/// How to reach a server.
#[derive(Debug, Clone)]
pub struct Target {
    /// A name or an address, IPv6 without its brackets.
    pub host: String,
    /// The SSH port.
    pub port: u16,
    /// The SSH user.
    pub user: String,
    /// Whose key opens the server.
    pub identity: Identity,
    /// What the server's key is held against.
    pub host_keys: HostKeys,
    /// The host to connect through.
    pub jump_host: Option<JumpHost>,
}

/// Whose key opens a server.
#[derive(Debug, Clone)]
pub enum Identity {
    /// This private key.
    Key {
        /// Its text, with a line end after the last line.
        text: Secret,
        /// What unlocks it.
        passphrase: Option<Secret>,
    },
    /// What an operator's own `ssh` would use: agent, keys, configuration.
    Own,
}

/// What a server's key is held against.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostKeys {
    /// These; none at all only in [`Faults::only_host_key_missing`].
    Pinned(Vec<HostKey>),
    /// An operator's own `known_hosts`.
    Own,
}

/// An env file to write.
#[derive(Debug, Clone)]
pub struct EnvFile {
    /// Relative to the deploy directory.
    pub path: String,
    /// Byte for byte.
    pub content: Secret,
}

/// A login to a registry.
#[derive(Debug, Clone)]
pub struct Login {
    /// The one registry that it is for, `docker.io` for Docker Hub.
    pub registry: String,
    /// The user's name.
    pub username: String,
    /// The password or token.
    pub password: Secret,
}

/// Which smoke tests to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Suite {
    Basic,
    Full,
}

impl Suite {
    const WORDS: &'static [(&'static str, Self)] = &[("basic", Self::Basic), ("full", Self::Full)];
}

/// The request that an action's environment makes, or every fault in it.
///
/// The workspace is the directory that `files` and `smoke_tests` are found in.
pub fn from_environment(
    vars: impl IntoIterator<Item = (std::ffi::OsString, std::ffi::OsString)>,
    workspace: &Path,
) -> Result<Request, Faults> {
    let (raw, faults): (Raw, Vec<Failure>) = Raw::from_env(vars);
    Request::check(&raw, Caller::Action, workspace, faults)
}
