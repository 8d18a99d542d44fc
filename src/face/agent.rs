//! The face that the runner sees on the server: start, follow, ask, look.
//!
//! `start` launches `run` in a session of its own and then follows it, so a run outlives every
//! connection. The verbs speak JSON lines, one of [`Line`] each. They refuse to know what a run
//! does: that is their [`Work`].

mod follow;
mod foresee;
mod launch;
mod logs;
mod look;
mod standing;
mod unit;
pub mod work;

use std::io::{self, BufRead, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use rustix::fs::Mode;
use rustix::process::{geteuid, setsid, umask};

use crate::host::cmd::umask::of_login;
use crate::host::trust::{self, Rulers};
use crate::remote::rundir::RunDir;
use crate::words::error::exit;
use crate::words::event::Failure;
use crate::words::plan::{Plan, Private};
use crate::words::wire::{Line, Word};

/// What an agent does once it stands.
pub trait Work {
    /// Carries out a plan, appending every record to the run's journal.
    fn run(&self, plan: Plan, private: Private, dir: RunDir) -> impl Future<Output = ExitCode>;

    /// Runs an errand, such as a look at how it stands, and tells what came of it as JSON.
    fn look(
        &self,
        state: &Path,
        what: &str,
        args: &[String],
    ) -> impl Future<Output = Result<serde_json::Value, Failure>>;

    /// Prints what containers print; the site and what is wanted are JSON.
    fn logs(&self, state: &Path, args: &[String]) -> impl Future<Output = Result<(), Failure>>;
}

/// The variable in which root's first process names who deploys, `uid:gid`.
const RULERS: &str = "LANDFALL_RULERS";

#[derive(Parser)]
#[command(name = "landfall agent", disable_help_subcommand = true)]
struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Reads plan, secrets and files from standard input, starts the run, and follows it.
    Start(Which),
    /// Is the run itself; only `start` calls it.
    Run {
        #[command(flatten)]
        which: Which,
        /// The umask that the login had, octal.
        #[arg(long, value_parser = octal)]
        umask: Option<u32>,
    },
    /// Prints a run's records as they come.
    Follow {
        #[command(flatten)]
        which: Which,
        /// The first record to print.
        #[arg(long)]
        from: u64,
    },
    /// Leaves a word for a run, the reason on standard input.
    Ask {
        #[command(flatten)]
        which: Which,
        /// The word.
        #[arg(long)]
        word: Word,
    },
    /// Runs an errand on this server, and prints what came of it as JSON.
    Look {
        /// The state directory.
        #[arg(long)]
        state: PathBuf,
        /// Which errand.
        #[arg(long)]
        what: String,
        /// What that needs to know.
        #[arg(last = true)]
        args: Vec<String>,
    },
    /// Prints what containers print, as JSON lines, until standard input ends.
    Logs {
        /// The state directory.
        #[arg(long)]
        state: PathBuf,
        /// The site and what is wanted, as JSON.
        #[arg(last = true, num_args = 2)]
        args: Vec<String>,
    },
}

impl Args {
    /// Root reads and runs nothing where somebody else could put something in its place.
    fn refuse_foreign(&self) -> Result<(), Failure> {
        let named = std::env::var(RULERS).unwrap_or_default();
        let rulers = Rulers::named(&named);
        match self.verb.state() {
            Some(state) if geteuid().is_root() => trust::refuse_foreign(state, rulers),
            _ => Ok(()),
        }
    }
}

impl Verb {
    /// The state directory that is asked about; a run itself was launched by one that has looked.
    fn state(&self) -> Option<&Path> {
        match self {
            Self::Start(which) | Self::Follow { which, .. } | Self::Ask { which, .. } => {
                Some(&which.state)
            }
            Self::Look { state, .. } | Self::Logs { state, .. } => Some(state),
            Self::Run { .. } => None,
        }
    }

    /// The login's umask, where another process has noted it.
    fn umask(&self) -> Option<u32> {
        match self {
            Self::Run { umask, .. } => *umask,
            _ => None,
        }
    }
}

fn octal(text: &str) -> Result<u32, std::num::ParseIntError> {
    u32::from_str_radix(text, 8)
}

/// Which run.
#[derive(clap::Args)]
struct Which {
    /// The state directory, `<backup_dir>/.landfall`.
    #[arg(long)]
    state: PathBuf,
    /// The deployment's id.
    #[arg(long)]
    id: String,
}

impl Which {
    fn dir(&self) -> Result<RunDir, Failure> {
        fault!(arm & self.state);
        RunDir::new(&self.state, &self.id)
    }
}

/// Answers the runner, on this one thread.
pub fn face(args: &[String], work: &impl Work) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.map_or(ExitCode::from(exit::REFUSED), |runtime| {
        runtime.block_on(agent(args, work))
    })
}

/// Answers the runner.
pub async fn agent(args: &[String], work: &impl Work) -> ExitCode {
    let words = std::iter::once("landfall agent").chain(args.iter().map(String::as_str));
    let args = match Args::try_parse_from(words) {
        Ok(args) => args,
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(exit::REFUSED);
        }
    };
    let login = umask(Mode::RWXG | Mode::RWXO).bits();
    of_login(args.verb.umask().unwrap_or(login));
    if let Err(refused) = args.refuse_foreign() {
        return match args.verb {
            Verb::Look { .. } => answer(&refused, exit::REFUSED),
            _ => refuse(refused),
        };
    }
    let answered = match args.verb {
        Verb::Start(which) => which.dir().and_then(|dir| launch::start(&dir, login)),
        Verb::Follow { which, from } => which.dir().and_then(|dir| follow::known(&dir, from)),
        Verb::Ask { which, word } => which.dir().and_then(|dir| ask(&dir, word)),
        Verb::Run { which, .. } => return run(&which, work).await,
        Verb::Look { state, what, args } => return look(work, &state, &what, &args).await,
        Verb::Logs { state, args } => work.logs(&state, &args).await,
    };
    match answered {
        Ok(()) => ExitCode::SUCCESS,
        Err(refused) => refuse(refused),
    }
}

fn refuse(refused: Failure) -> ExitCode {
    let _ = print(&Line::Refused { refused });
    ExitCode::from(exit::REFUSED)
}

/// Prints one line; an error means that nobody listens any more.
fn print(line: &Line) -> io::Result<()> {
    let mut text = serde_json::to_string(line)?;
    text.push('\n');
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// The run itself, detached: it leads its own session, holds its claim, and works.
async fn run(which: &Which, work: &impl Work) -> ExitCode {
    let begun = which.dir().and_then(|dir| {
        // Fails only for a process that leads its group already, which is as good.
        let _ = setsid();
        let claim = dir.claim()?;
        let (plan, private) = read_plan(&mut io::stdin().lock())?;
        fault!(here "agent.claimed");
        Ok((dir, claim, plan, private))
    });
    match begun {
        Ok((dir, _claim, plan, private)) => work.run(plan, private, dir).await,
        Err(refused) => refuse(refused),
    }
}

/// Reads the two lines that a run begins with.
fn read_plan(from: &mut impl BufRead) -> Result<(Plan, Private), Failure> {
    let mut line = String::new();
    from.read_line(&mut line)?;
    let plan = serde_json::from_str(&line)
        .map_err(|e| Failure::new("the plan cannot be read").because(e))?;
    let mut line = zeroize::Zeroizing::new(String::new());
    from.read_line(&mut line)?;
    // The parser's message may quote what it read, so it is not told.
    let private = serde_json::from_str(&line)
        .map_err(|_| Failure::new("what belongs to the plan cannot be read"))?;
    Ok((plan, private))
}

fn ask(dir: &RunDir, word: Word) -> Result<(), Failure> {
    if !dir.path().is_dir() {
        return Err(follow::unknown(dir));
    }
    let reason = io::read_to_string(io::stdin().lock())?;
    Ok(dir.say(word, &reason)?)
}

async fn look(work: &impl Work, state: &Path, what: &str, args: &[String]) -> ExitCode {
    fault!(arm state);
    match work.look(state, what, args).await {
        Ok(seen) => answer(&seen, exit::OK),
        Err(failure) => answer(&failure, exit::REFUSED),
    }
}

/// Prints what came of an errand, as JSON.
fn answer(what: &impl serde::Serialize, code: u8) -> ExitCode {
    let told = serde_json::to_string(what).unwrap_or_default();
    let told = writeln!(io::stdout(), "{told}");
    ExitCode::from(told.map_or(exit::REFUSED, |()| code))
}
