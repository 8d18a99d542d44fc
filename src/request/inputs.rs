//! Every input, once: its name, what an empty one means, and what it is for.
//!
//! `action.yml`, the README's table, the environment variables and the flags of the command line
//! all come from this table or are held to it by a test. It refuses to know what a value may be.

use std::collections::BTreeMap;

use serde::Deserialize;

/// One input of the action, and the flag of the same name.
#[derive(Debug, PartialEq, Eq)]
pub struct Input {
    /// Its name in `with:`, such as `deploy_dir`.
    pub name: &'static str,
    /// What it is about: which commands of the operator's command line take it.
    pub group: Group,
    /// What its text is made of.
    pub shape: Shape,
    /// What an empty one means.
    pub unset: Unset,
    /// What it is for, in Markdown, without a line break.
    pub doc: &'static str,
}

/// What an input is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    /// What to do; the command line says it by its subcommand.
    Mode,
    /// How to reach the server.
    Server,
    /// Where the release and its backups live there, and with whose rights.
    Site,
    /// What is new.
    Release,
    /// The login to a registry.
    Registry,
    /// How the release is judged.
    Checks,
    /// What becomes of backups.
    Backups,
    /// Which backup comes back, and how much of it.
    Rollback,
    /// How the run behaves.
    Run,
    /// Who hears of it.
    Telling,
}

/// What the text of an input is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// One line.
    Line,
    /// One entry a line; a flag may be repeated instead.
    Lines,
    /// Any text.
    Text,
    /// `true` or `false`.
    Switch,
    /// Text that is never shown, and never the value of a flag.
    Secret,
}

/// What an empty input means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unset {
    /// A fault.
    Required,
    /// Nothing.
    Nothing,
    /// This value.
    Value(&'static str),
    /// What these words say; no single value stands for it.
    Words(&'static str),
    /// What is on the server stays. `action.yml` has [`STAYS`] for it, so that a text which arrives
    /// empty was given: a secret that is not set.
    Stays,
}

/// What stands in `action.yml` for an input that is left out.
pub const STAYS: &str = "(unchanged)";

impl Input {
    /// The variable in which the runner hands it over.
    #[must_use]
    pub fn variable(&self) -> String {
        format!("INPUT_{}", self.name.to_uppercase())
    }

    /// The variable that the command line reads.
    #[must_use]
    pub fn cli_variable(&self) -> String {
        format!("LANDFALL_{}", self.name.to_uppercase())
    }

    /// The flag's name, without its dashes in front.
    #[must_use]
    pub fn flag(&self) -> String {
        self.name.replace('_', "-")
    }

    /// What `action.yml` declares as its default.
    #[must_use]
    pub fn declared(&self) -> Option<&'static str> {
        match self.unset {
            Unset::Stays => Some(STAYS),
            _ => self.default(),
        }
    }

    /// The value that an empty one stands for, if a value does.
    #[must_use]
    pub fn default(&self) -> Option<&'static str> {
        match self.unset {
            Unset::Value(value) => Some(value),
            _ => None,
        }
    }
}

/// An input together with what was given for it.
#[derive(Clone, Copy)]
pub struct Given<'a> {
    /// Which input.
    pub input: &'static Input,
    /// The text as it arrived; empty when unset.
    pub text: &'a str,
}

impl<'a> Given<'a> {
    /// The text without the white space around it, or the default; `None` when there is neither.
    #[must_use]
    pub fn line(self) -> Option<&'a str> {
        match self.text.trim() {
            "" => self.input.default(),
            text => Some(text),
        }
    }

    /// The lines that hold something, without the white space around each.
    pub fn lines(self) -> impl Iterator<Item = &'a str> {
        self.text
            .split('\n')
            .map(str::trim)
            .filter(|l| !l.is_empty())
    }

    /// Says whether somebody asked for something other than the default.
    #[must_use]
    pub fn is_set(self) -> bool {
        let text = self.text.trim();
        !text.is_empty() && self.input.default() != Some(text)
    }
}

macro_rules! inputs {
    ($($name:ident: $group:ident $shape:ident $unset:expr, $doc:literal;)*) => {
        /// Every input, in the order of the documentation.
        pub const INPUTS: &[Input] = &[$(Input {
            name: stringify!($name),
            group: Group::$group,
            shape: Shape::$shape,
            unset: $unset,
            doc: $doc,
        }),*];

        /// What was given for every input, unread: an empty text is an unset input.
        #[derive(Clone, Default, Deserialize)]
        #[serde(default)]
        pub struct Raw {
            $($name: String,)*
            #[serde(skip)]
            empty: BTreeMap<&'static str, Option<String>>,
        }

        impl Raw {
            $(
                #[doc = $doc]
                #[must_use]
                pub fn $name(&self) -> Given<'_> {
                    const INPUT: &Input = &Input {
                        name: stringify!($name),
                        group: Group::$group,
                        shape: Shape::$shape,
                        unset: $unset,
                        doc: $doc,
                    };
                    Given { input: INPUT, text: &self.$name }
                }
            )*

            /// Notes that an input was given and is empty, and what it most likely comes from.
            pub fn note_empty(&mut self, input: &'static Input, meant: Option<String>) {
                self.empty.insert(input.name, meant);
            }

            /// Says whether an input was given and is empty, and what it most likely comes from.
            #[must_use]
            pub fn given_empty(&self, input: &Input) -> Option<Option<&str>> {
                self.empty.get(input.name).map(Option::as_deref)
            }

            /// Every input with what was given for it, in the order of [`INPUTS`].
            pub fn all(&self) -> impl Iterator<Item = Given<'_>> {
                [$(self.$name()),*].into_iter()
            }

            /// The place of an input's text, by its name.
            pub fn slot(&mut self, name: &str) -> Option<&mut String> {
                match name {
                    $(stringify!($name) => Some(&mut self.$name),)*
                    _ => None,
                }
            }
        }
    };
}

use Unset::{Nothing, Required, Stays, Value, Words};

inputs! {
    mode: Mode Line Value("deploy"), "What to do: `deploy`, `rollback` to a backup, `plan` (shows what would change, refuses what a deployment would refuse, and touches nothing) or `status` (says whether what was deployed is healthy, and what is not as it was left; settles first what an interrupted run left).";
    host: Server Line Required, "The server: a name or an address, such as `example.org`, `203.0.113.7` or `[2001:db8::1]`.";
    port: Server Line Value("22"), "The server's SSH port.";
    user: Server Line Required, "The SSH user; it must be able to run Docker on the server, by itself or through sudo.";
    ssh_key: Server Secret Required, "The user's private SSH key, as the text of the key file (OpenSSH or PEM). Store it as a secret.";
    ssh_key_passphrase: Server Secret Nothing, "The passphrase of `ssh_key`, if it has one.";
    host_key: Server Lines Required, "The server's public key, so that nobody else can pose as the server: `known_hosts` lines (from `ssh-keyscan`) or `SHA256:…` fingerprints, one a line. Any of them is accepted and nothing else is. Leave it out once to be shown what the server presents and how to confirm it.";
    jump_host: Server Line Nothing, "A host to connect through, as `user@host:port`; its key is checked against `host_key` too.";
    deploy_dir: Site Line Required, "The application's directory on the server, absolute: where the compose file and its configuration live.";
    compose_file: Site Lines Words("what Compose itself would find"), "Compose files relative to `deploy_dir`, one a line.";
    project_name: Site Line Words("what Compose would choose"), "The Compose project's name.";
    services: Site Lines Words("all"), "The services to deploy, one a line; the others are left alone.";
    image: Release Lines Words("what the compose file names"), "Image references to run, one a line. Each goes to every service whose image has the same repository.";
    files: Release Lines Nothing, "What to copy from the workspace into `deploy_dir`: paths or globs, one a line. A directory copies its content; `from => to` renames.";
    env_file: Release Secret Stays, "The content of the application's env file, written byte for byte and readable by its owner alone. Store it as a secret. Left out, the file on the server stays; given and empty, it is refused, for then the secret is not set.";
    env_file_path: Release Line Value(".env"), "Where `env_file` is written, relative to `deploy_dir`.";
    require_env: Release Lines Nothing, "Names of variables that the env file must set, and not to nothing, one a line; all that are missing are told at once.";
    public_env: Release Lines Nothing, "Names of variables whose values in env files are no secrets, one a line. All other values of 6 characters and more are hidden wherever text is told; names such as `PORT`, `TZ`, `NODE_ENV` and `LOG_LEVEL`, inputs of the run and ordinary words such as `production` never are.";
    registry: Registry Line Words("that of `image`"), "The registry that `registry_username` and `registry_password` are for, such as `ghcr.io`, `registry.example.org:5000` or `docker.io`. No other one receives the password, whatever compose files name.";
    registry_username: Registry Line Nothing, "The user name for `registry`.";
    registry_password: Registry Secret Nothing, "The password or token that goes with `registry_username`. It is never on a command line and never left on the server.";
    pre_deploy: Release Text Nothing, "Shell commands to run in `deploy_dir` on the server after the backup and before the switch; if they fail, the deployment is taken back.";
    post_deploy: Release Text Nothing, "Shell commands to run in `deploy_dir` on the server once the new release is final.";
    health_url: Checks Line Nothing, "A URL that must answer 2xx, asked from the server, such as `http://localhost:8000/health`.";
    smoke_tests: Checks Text Nothing, "Tests that the new release must pass, as YAML or as the path of a YAML file in the workspace.";
    smoke_suite: Checks Line Value("basic"), "Which smoke tests to run: `basic`, or `full` for those marked `suite: full` as well.";
    health_timeout: Checks Line Value("120"), "Seconds until the checks must pass.";
    watch: Checks Line Value("10"), "Seconds in which the checks, once passed, must go on passing. Even with 0, a service without a healthcheck or a test of its own must have run for 5 s without a restart.";
    confirm: Checks Line Value("auto"), "Whose word makes a release final: `auto` (the runner's where smoke tests say `from: runner`, else the server's own checks) or `runner` (always). Without the runner's word within `health_timeout` the server takes the release back.";
    backup_dir: Site Line Words("`<deploy_dir>-backups`"), "The directory on the server that holds the backups, absolute.";
    keep_backups: Backups Line Value("3"), "How many good releases are kept as backups, the newest first: failed attempts evict none, and the one that a rollback would need is always kept.";
    backup_exclude: Backups Lines Nothing, "What a backup leaves out: globs relative to `deploy_dir`, one a line.";
    backup_timestamp: Rollback Line Value("latest"), "With `mode: rollback`, what to go back to: `latest`, the newest good release older than the one that runs; `latest~2`, two further back; a backup's timestamp such as `20251017_143025`; a commit; a tag.";
    restore_data: Rollback Switch Value("false"), "With `mode: rollback`, also restore what containers write (their read-write bind mounts below `deploy_dir`).";
    to_nothing: Rollback Switch Value("false"), "With `mode: rollback`, go back also to the state before the first deployment, where nothing ran: the application is removed.";
    sudo: Site Line Value("auto"), "Whether to use sudo on the server: `auto` (where it is needed), `always` or `never`.";
    lock_timeout: Run Line Value("600"), "Seconds to wait for another deployment of the same directory.";
    timeout: Run Line Value("1800"), "Seconds for the whole run.";
    dry_run: Run Switch Value("false"), "Show what would happen in any mode, and touch nothing.";
    environment: Telling Line Value("production"), "The environment's name in messages.";
    url: Telling Line Nothing, "The application's address in messages.";
    slack_webhook_url: Telling Secret Nothing, "A Slack incoming webhook that is told how the run ended. Store it as a secret.";
    notify: Telling Line Value("always"), "When to tell: `always`, `failure` or `never`.";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_input_is_found_by_its_name() {
        let mut raw = Raw::default();
        for input in INPUTS {
            if let Some(slot) = raw.slot(input.name) {
                *slot = format!("<{}>", input.name);
            }
        }
        for (given, input) in raw.all().zip(INPUTS) {
            assert_eq!(given.input, input);
            assert_eq!(given.text, format!("<{}>", input.name));
        }
        assert!(raw.slot("nonsense").is_none());
    }

    #[test]
    fn white_space_alone_is_unset() {
        let port = |text: &str| Raw {
            port: text.into(),
            ..Raw::default()
        };
        assert_eq!(port(" \n").port().line(), Some("22"));
        assert!(!port(" \n").port().is_set());
        assert_eq!(port("2222\n").port().line(), Some("2222"));
        assert!(port("2222\n").port().is_set());
    }
}
