//! The operator's face: a command line to a typed [`Command`], faults to exit code 2.
//!
//! It refuses to know how a command is carried out.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::builder::{PossibleValuesParser, TypedValueParser as _};
use clap::{CommandFactory as _, Parser, Subcommand};
use clap_complete::Shell;

use super::doctor::Install;
use super::flags::{Flags, Scope};
use super::logs::Wanted;
use super::owner;
use super::recover::When;
use crate::output::paint;
use crate::request::{Caller, Faults, Group, Raw, Request, one_line, shown};
use crate::words::error::{Error, exit};
use crate::words::event::Failure;
use crate::words::reader::Reader;

/// What an operator asked for, validated.
#[derive(Debug, Clone)]
pub struct Invocation {
    /// What to do.
    pub command: Command,
    /// How to tell it.
    pub show: Show,
    /// When to colour what a person reads.
    pub color: paint::When,
}

/// What to do.
#[derive(Debug, Clone)]
pub enum Command {
    /// Run a new release.
    Deploy(Request),
    /// Run what a backup describes.
    Rollback(Request),
    /// Show what a deployment would do.
    Plan(Request),
    /// Show what runs, and what is going on.
    Status(Request),
    /// Show the runs of the past.
    History(Request),
    /// Show the backups.
    Backups(Request),
    /// Hold a backup against its description.
    Verify {
        /// Where.
        request: Request,
        /// `latest` or a timestamp.
        backup: String,
    },
    /// Refuse deployments until somebody thaws the directory.
    Freeze {
        /// Where.
        request: Request,
        /// Why, in one line.
        message: String,
    },
    /// Allow deployments again.
    Thaw(Request),
    /// Settle what an interrupted run left behind.
    Recover {
        /// Where.
        request: Request,
        /// Who asks.
        when: When,
    },
    /// Look for what would make a deployment fail.
    Doctor {
        /// Where.
        request: Request,
        /// Whether to install the recovery at boot.
        install: Install,
    },
    /// Show what the containers print.
    Logs {
        /// Where.
        request: Request,
        /// What of it.
        wanted: Wanted,
    },
    /// Print which version this is.
    Version,
    /// Print a completion script.
    Completions(Shell),
}

impl Command {
    /// Whoever typed it.
    #[must_use]
    pub fn reader(&self) -> Reader {
        match self {
            Self::Deploy(request)
            | Self::Rollback(request)
            | Self::Plan(request)
            | Self::Status(request)
            | Self::History(request)
            | Self::Backups(request)
            | Self::Verify { request, .. }
            | Self::Freeze { request, .. }
            | Self::Thaw(request)
            | Self::Recover { request, .. }
            | Self::Doctor { request, .. }
            | Self::Logs { request, .. } => request.reader(),
            Self::Version | Self::Completions(_) => Reader::default(),
        }
    }
}

/// How to tell what happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Show {
    /// For a person.
    Text,
    /// For a program: JSON.
    Json,
}

/// Why a command line asks for nothing.
#[derive(Debug)]
pub enum Stop {
    /// It could not be read, or it asked for help.
    Usage(clap::Error),
    /// It could be read, and its values have faults.
    Faults(Faults),
}

const EXAMPLES: &str = "\
Examples:
  On the server itself:
    landfall status --deploy-dir /opt/mcp
    landfall deploy --deploy-dir /opt/mcp --image ghcr.io/acme/app:1.2.3
    landfall rollback latest --deploy-dir /opt/mcp

  From a laptop, with your own SSH keys and known_hosts:
    landfall plan --host example.org --user deploy --deploy-dir /opt/mcp
    landfall verify 20251017_143025 --host example.org --user deploy --deploy-dir /opt/mcp

  Every flag can be set as a variable instead:
    export LANDFALL_HOST=example.org LANDFALL_USER=deploy LANDFALL_DEPLOY_DIR=/opt/mcp
    landfall freeze \"moving house until Monday\"

Exit codes: 0 as asked, 1 rolled back, 2 refused and untouched, 3 the rollback failed and a person
is needed, 4 contact was lost and `landfall status` tells.";

/// Deploys Docker Compose applications, verifies them, and puts everything back on failure.
#[derive(Parser)]
#[command(name = "landfall", version, after_help = EXAMPLES, arg_required_else_help = true)]
struct Line {
    #[command(subcommand)]
    verb: Verb,
    /// Print JSON, for programs
    #[arg(long, global = true)]
    json: bool,
    /// When to use colours: where a terminal shows them, everywhere, or nowhere
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    #[arg(value_parser = PossibleValuesParser::new(paint::When::WORDS).map(|word| paint::When::named(&word)))]
    color: paint::When,
}

#[derive(Subcommand)]
enum Verb {
    /// Run a new release, and put the old one back if it fails
    #[command(after_help = "\
Example:
  landfall deploy --host example.org --user deploy --deploy-dir /opt/mcp \\
    --image ghcr.io/acme/app:1.2.3 --files compose.yml --health-url http://localhost:8000/health")]
    Deploy(Release),
    /// Go back to a backup; what is replaced is backed up first
    #[command(after_help = "\
Examples:
  landfall rollback --deploy-dir /opt/mcp                    # the newest good backup
  landfall rollback 20251017_143025 --deploy-dir /opt/mcp    # in UTC; `landfall backups` lists them
  landfall rollback --dry-run --deploy-dir /opt/mcp          # show it first")]
    Rollback(Back),
    /// Show what `deploy` would do, and touch nothing
    #[command(after_help = "\
Example:
  landfall plan --host example.org --user deploy --deploy-dir /opt/mcp \\
    --image ghcr.io/acme/app:1.2.3 --files compose.yml")]
    Plan(Release),
    /// Settle what an interrupted run left behind, then show what runs, who deployed it, and whether a run is going on
    #[command(after_help = "\
Examples:
  landfall status --deploy-dir /opt/mcp
  landfall status --json --deploy-dir /opt/mcp    # for programs")]
    Status(Look),
    /// List the runs of the past
    #[command(after_help = "\
Examples:
  landfall history --deploy-dir /opt/mcp           # newest first; times are UTC
  landfall history --json --deploy-dir /opt/mcp    # every run with all its steps")]
    History(Look),
    /// List the backups
    #[command(after_help = "\
Example:
  landfall backups --deploy-dir /opt/mcp    # newest first; timestamps are UTC")]
    Backups(Look),
    /// Hold a backup against its description, byte for byte
    #[command(after_help = "\
Examples:
  landfall verify --deploy-dir /opt/mcp                    # the newest
  landfall verify all --deploy-dir /opt/mcp                # each of them, for a nightly job
  landfall verify 20251017_143025 --deploy-dir /opt/mcp    # a timestamp, in UTC")]
    Verify(Verify),
    /// Refuse all deployments until `thaw`, and tell everybody why
    #[command(after_help = "\
Example:
  landfall freeze \"moving house until Monday\" --deploy-dir /opt/mcp")]
    Freeze(Freeze),
    /// Allow deployments again
    #[command(after_help = "\
Example:
  landfall thaw --deploy-dir /opt/mcp")]
    Thaw(Look),
    /// Settle what an interrupted run left behind, and try a rollback again that had failed
    #[command(after_help = "\
Examples:
  landfall recover --deploy-dir /opt/mcp          # after a crash, or once the cause of a failed rollback is gone
  landfall recover --keep --deploy-dir /opt/mcp   # keep what runs instead
  landfall recover --host example.org --user deploy --deploy-dir /opt/mcp")]
    Recover(Recover),
    /// Look for what would make a deployment fail, and say how to mend it
    #[command(after_help = "\
Examples:
  landfall doctor --host example.org --user deploy --deploy-dir /opt/mcp
  landfall doctor --install --host example.org --user root --deploy-dir /opt/mcp")]
    Doctor(Doctor),
    /// Show what the application's containers print, without what must not be told
    #[command(after_help = "\
Examples:
  landfall logs --deploy-dir /opt/mcp              # the last 100 lines of each container
  landfall logs web -f -H example.org -u deploy -d /opt/mcp
  landfall logs web --tail all --deploy-dir /opt/mcp")]
    Logs(Logs),
    /// Print which version this is
    #[command(after_help = "\
Example:
  landfall version --json")]
    Version,
    /// Print the completion script of a shell
    #[command(after_help = "\
Example:
  landfall completions bash > /etc/bash_completion.d/landfall")]
    Completions {
        /// Which shell
        shell: Shell,
    },
}

#[derive(clap::Args)]
struct Release {
    #[command(flatten)]
    flags: Flags<OfARelease>,
    #[command(flatten)]
    workspace: Workspace,
}

#[derive(clap::Args)]
struct Back {
    /// The backup: `latest` or a timestamp, as --backup-timestamp, which it goes before
    backup: Option<String>,
    #[command(flatten)]
    flags: Flags<OfARollback>,
    #[command(flatten)]
    workspace: Workspace,
}

#[derive(clap::Args)]
struct Look {
    #[command(flatten)]
    flags: Flags<OfAPlace>,
}

#[derive(clap::Args)]
struct Recover {
    /// Only settle, once the engine of a machine that is booting answers; the unit of `doctor --install` says it
    #[arg(long)]
    boot: bool,
    /// Keep what runs: let go of the run that could not be taken back, and take nothing back
    #[arg(long, conflicts_with = "boot")]
    keep: bool,
    #[command(flatten)]
    look: Look,
}

#[derive(clap::Args)]
struct Doctor {
    /// Let systemd settle interrupted runs at every boot; needs root or sudo on the server
    #[arg(long)]
    install: bool,
    #[command(flatten)]
    look: Look,
}

#[derive(clap::Args)]
struct Logs {
    /// The service; all of them without one
    service: Option<String>,
    /// Go on with what comes, until Ctrl-C
    #[arg(short, long)]
    follow: bool,
    /// How many of the lines that are there, of each container: a number or `all`
    #[arg(long, value_name = "LINES", default_value = "100", value_parser = tail)]
    tail: Tail,
    #[command(flatten)]
    look: Look,
}

/// How many lines; none means all.
#[derive(Clone, Copy)]
struct Tail(Option<u32>);

fn tail(text: &str) -> Result<Tail, String> {
    match text {
        "all" => Ok(Tail(None)),
        number => number
            .parse()
            .map(|lines| Tail(Some(lines)))
            .map_err(|_| "give a number or `all`".to_owned()),
    }
}

#[derive(clap::Args)]
struct Verify {
    /// The backup: `latest`, a timestamp or `all`
    #[arg(default_value = "latest")]
    backup: String,
    #[command(flatten)]
    look: Look,
}

#[derive(clap::Args)]
struct Freeze {
    /// Why, for whoever tries to deploy meanwhile; required
    message: Option<String>,
    #[command(flatten)]
    look: Look,
}

#[derive(clap::Args)]
struct Workspace {
    /// The directory that files and smoke tests are found in
    #[arg(
        long,
        value_name = "DIR",
        default_value = ".",
        hide_default_value = true
    )]
    #[arg(value_hint = clap::ValueHint::DirPath, help_heading = "The release")]
    workspace: PathBuf,
}

struct OfARelease;

impl Scope for OfARelease {
    const GROUPS: &'static [Group] = &[
        Group::Server,
        Group::Site,
        Group::Release,
        Group::Registry,
        Group::Checks,
        Group::Backups,
        Group::Run,
        Group::Telling,
    ];
}

struct OfARollback;

impl Scope for OfARollback {
    const GROUPS: &'static [Group] = &[
        Group::Server,
        Group::Site,
        Group::Registry,
        Group::Checks,
        Group::Backups,
        Group::Rollback,
        Group::Run,
        Group::Telling,
    ];
}

struct OfAPlace;

impl Scope for OfAPlace {
    const GROUPS: &'static [Group] = &[Group::Server, Group::Site];
}

/// Where a command line's values come from, besides itself.
pub struct Surroundings<V, I> {
    /// Looks up an environment variable that holds a secret.
    pub var: V,
    /// Standard input, for `-`.
    pub stdin: I,
}

/// Reads a command line, the program's name first, and validates what it asks for.
///
/// Variables other than those of secrets are read from the process's own environment.
pub fn parse<V, I>(
    args: impl IntoIterator<Item = OsString>,
    around: Surroundings<V, I>,
) -> Result<Invocation, Stop>
where
    V: Fn(&str) -> Option<String>,
    I: std::io::Read,
{
    let line = Line::try_parse_from(args).map_err(Stop::Usage)?;
    let show = if line.json { Show::Json } else { Show::Text };
    let command = command(line.verb, around).map_err(Stop::Faults)?;
    Ok(Invocation {
        command,
        show,
        color: line.color,
    })
}

fn command<V, I>(verb: Verb, around: Surroundings<V, I>) -> Result<Command, Faults>
where
    V: Fn(&str) -> Option<String>,
    I: std::io::Read,
{
    let here = Path::new(".");
    let look = |look: Look, around| request(look.flags, around, "status", here, &[]);
    Ok(match verb {
        Verb::Deploy(release) => Command::Deploy(release.request("deploy", around)?),
        Verb::Plan(release) => Command::Plan(release.request("plan", around)?),
        Verb::Rollback(back) => {
            let backup: Vec<_> = back
                .backup
                .as_deref()
                .into_iter()
                .map(|backup| ("backup_timestamp", backup))
                .collect();
            let workspace = &back.workspace.workspace;
            Command::Rollback(request(back.flags, around, "rollback", workspace, &backup)?)
        }
        Verb::Status(flags) => Command::Status(look(flags, around)?),
        Verb::History(flags) => Command::History(look(flags, around)?),
        Verb::Backups(flags) => Command::Backups(look(flags, around)?),
        Verb::Verify(verify) => {
            let one = (verify.backup != "all").then_some(("backup_timestamp", &*verify.backup));
            let request = request(verify.look.flags, around, "status", here, one.as_slice())?;
            Command::Verify {
                request,
                backup: verify.backup,
            }
        }
        Verb::Freeze(freeze) => {
            let request = look(freeze.look, around);
            Command::Freeze {
                message: message(freeze.message.as_deref(), request.as_ref().err())?,
                request: request?,
            }
        }
        Verb::Thaw(flags) => Command::Thaw(look(flags, around)?),
        Verb::Recover(recover) => Command::Recover {
            request: look(recover.look, around)?,
            when: match (recover.boot, recover.keep) {
                (true, _) => When::AtBoot,
                (_, true) => When::ToKeep,
                _ => When::Now,
            },
        },
        Verb::Doctor(doctor) => Command::Doctor {
            request: look(doctor.look, around)?,
            install: if doctor.install {
                Install::AtBoot
            } else {
                Install::Nothing
            },
        },
        Verb::Logs(logs) => Command::Logs {
            wanted: Wanted {
                service: logs.service,
                tail: logs.tail.0,
                follow: logs.follow,
            },
            request: look(logs.look, around)?,
        },
        Verb::Version => Command::Version,
        Verb::Completions { shell } => Command::Completions(shell),
    })
}

impl Release {
    fn request<V, I>(self, mode: &str, around: Surroundings<V, I>) -> Result<Request, Faults>
    where
        V: Fn(&str) -> Option<String>,
        I: std::io::Read,
    {
        request(self.flags, around, mode, &self.workspace.workspace, &[])
    }
}

/// The request of some flags in a mode, with the inputs that a positional argument gives.
fn request<S: Scope, V, I>(
    flags: Flags<S>,
    around: Surroundings<V, I>,
    mode: &str,
    workspace: &Path,
    positional: &[(&str, &str)],
) -> Result<Request, Faults>
where
    V: Fn(&str) -> Option<String>,
    I: std::io::Read,
{
    let (mut raw, faults) = flags.read(around.var, around.stdin);
    for (name, value) in positional.iter().chain(&[("mode", mode)]) {
        if let Some(slot) = raw.slot(name) {
            (*value).clone_into(slot);
        }
    }
    Request::check(&raw, Caller::Operator, workspace, faults)
}

/// A message in one line; its fault joins those that the flags have.
fn message(text: Option<&str>, others: Option<&Faults>) -> Result<String, Faults> {
    let given = text.map(str::trim);
    let fault = match given {
        Some(text) if !text.is_empty() && !text.chars().any(char::is_control) => {
            return Ok(text.to_owned());
        }
        Some(text) => Failure::new(format!(
            "the message {} is not one line of text",
            shown(text)
        )),
        None => Failure::new("the message is missing, which whoever tries to deploy will read"),
    };
    let fault = fault.hint(
        "say in one line why nobody may deploy: `landfall freeze \"moving house until Monday\"`",
    );
    let mut all = others.map_or_else(Vec::new, |faults| faults.all.clone());
    all.push(fault);
    Err(all.into())
}

/// The completion script of a shell.
#[must_use]
pub fn completions(shell: Shell) -> Vec<u8> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Line::command(), "landfall", &mut script);
    script
}

/// Where a command line is about, before any of its values is checked.
fn about(args: &[OsString]) -> Option<Raw> {
    let given = match Line::try_parse_from(args).ok()?.verb {
        Verb::Deploy(release) | Verb::Plan(release) => release.flags.given().clone(),
        Verb::Rollback(back) => back.flags.given().clone(),
        Verb::Status(look) | Verb::History(look) | Verb::Backups(look) | Verb::Thaw(look) => {
            look.flags.given().clone()
        }
        Verb::Verify(Verify { look, .. })
        | Verb::Freeze(Freeze { look, .. })
        | Verb::Recover(Recover { look, .. })
        | Verb::Logs(Logs { look, .. })
        | Verb::Doctor(Doctor { look, .. }) => look.flags.given().clone(),
        Verb::Version | Verb::Completions { .. } => return None,
    };
    Some(given)
}

/// Runs the command line of this process.
#[must_use]
pub fn run() -> ExitCode {
    let args: Vec<OsString> = std::env::args_os().collect();
    let handed_over = about(&args).and_then(|raw| owner::hand_over(&raw, &args));
    match handed_over {
        Some(Ok(code)) => return code,
        Some(Err(failure)) => {
            return ExitCode::from(super::operator::told(
                &Error::Local(failure),
                paint::When::Auto,
            ));
        }
        None => {}
    }
    let around = Surroundings {
        var: |name: &str| std::env::var(name).ok(),
        stdin: std::io::stdin(),
    };
    match parse(args, around) {
        Ok(invocation) => carry_out(invocation),
        Err(stop) => stop.tell(),
    }
}

#[allow(clippy::print_stdout)] // Printing is what was asked for.
fn carry_out(invocation: Invocation) -> ExitCode {
    match invocation.command {
        Command::Completions(shell) => print!("{}", String::from_utf8_lossy(&completions(shell))),
        Command::Version => print!("{}", version(invocation.show)),
        _ => return ExitCode::from(super::blocking(super::operator::carry_out(invocation))),
    }
    exit::OK.into()
}

/// Which version this is, as `--version` has it.
fn version(show: Show) -> String {
    match show {
        Show::Text => Line::command().render_version(),
        Show::Json => {
            let version = env!("CARGO_PKG_VERSION");
            format!("{}\n", serde_json::json!({ "version": version }))
        }
    }
}

impl Stop {
    /// Prints what is wrong, or the help that was asked for, and gives the exit code.
    #[allow(clippy::print_stderr)] // An operator reads it there.
    fn tell(&self) -> ExitCode {
        match self {
            Self::Usage(error) => {
                // Nobody is left to tell when the terminal is gone.
                let _ = error.print();
                if error.use_stderr() {
                    exit::REFUSED.into()
                } else {
                    exit::OK.into()
                }
            }
            Self::Faults(faults) => {
                for fault in &faults.all {
                    eprintln!("error: {}", one_line(fault));
                }
                eprintln!("\nFor more information, try '--help'.");
                exit::REFUSED.into()
            }
        }
    }
}
