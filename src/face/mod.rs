//! The faces: who calls this binary, and which part of it answers.
//!
//! A face reads arguments, has the work done by other rooms, and tells what came of it. It refuses
//! to know how a step acts and how a connection works.

pub mod action;
pub mod agent;
pub mod callback;
pub mod cli;
pub mod doctor;
pub mod drive;
pub mod errand;
pub mod flags;
mod foresight;
pub mod logs;
pub mod look;
pub mod operator;
pub mod owner;
pub mod post;
pub mod preview;
pub mod recover;
pub mod runner_checks;
pub mod shell;
pub mod target;

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use rustix::process::{DumpableBehavior, set_dumpable_behavior};

use crate::words::error::exit;

/// Picks the face for these arguments, the program's name first.
pub fn run(args: impl IntoIterator<Item = OsString>, work: &impl agent::Work) -> ExitCode {
    keep_memory_to_itself();
    if let Some(code) = callback::askpass() {
        return code;
    }
    let mut args = args
        .into_iter()
        .map(|arg| arg.to_string_lossy().into_owned());
    let program = args.next().unwrap_or_default();
    let args: Vec<String> = args.collect();
    if Path::new(&program).ends_with(post::NAME) {
        return blocking(post::run()).into();
    }
    match args.split_first() {
        Some((face, rest)) if face == "known-hosts" => callback::known_hosts_command(rest),
        Some((face, rest)) if face == "agent" => agent::face(rest, work),
        None if in_actions() => blocking(action::run()).into(),
        _ => cli::run(),
    }
}

/// Secrets pass through the memory of every face: no other process of the same user may read it, and
/// no core of it is written. A limit on cores would say it again, and hooks would inherit that.
fn keep_memory_to_itself() {
    // A kernel that refuses leaves things as they were; a deployment is not worth less for it.
    let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
}

/// Says whether the GitHub runner called.
fn in_actions() -> bool {
    std::env::var_os("GITHUB_ACTIONS").is_some_and(|v| v == "true")
}

/// Runs a face on this one thread.
fn blocking(face: impl Future<Output = u8>) -> u8 {
    waiting(async { Ok::<_, std::io::Error>(face.await) }).unwrap_or(exit::REFUSED)
}

/// Waits on this one thread for something that may fail.
fn waiting<T, E: From<std::io::Error>>(work: impl Future<Output = Result<T, E>>) -> Result<T, E> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime?.block_on(work)
}
