//! The action's face: the runner's environment in, an exit code out.
//!
//! It refuses to know what an input may be and how a deployment is made.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use crate::error::{Error, exit_code};
use crate::event::{Failure, Status};
use crate::request::{self, one_line};

/// Runs the action in this process's environment.
#[must_use]
pub fn run() -> ExitCode {
    let ended = request::from_environment(std::env::vars_os(), &workspace())
        .map_err(Error::from)
        .and_then(|_request| {
            Err::<Status, _>(Error::Local(Failure::new(
                "the inputs are well, and this build goes no further",
            )))
        });
    match ended {
        Ok(status) => exit_code(status).into(),
        Err(error) => refuse(&error),
    }
}

/// The directory that the runner checks the repository out into.
fn workspace() -> PathBuf {
    std::env::var_os("GITHUB_WORKSPACE")
        .filter(|path| !path.is_empty())
        .map_or_else(|| PathBuf::from("."), PathBuf::from)
}

/// Tells every fault in a line of its own, and the cause in one annotation.
#[allow(clippy::print_stdout)] // The runner reads annotations from there.
fn refuse(error: &Error) -> ExitCode {
    let lines: Vec<_> = error.failures().iter().map(harmless_line).collect();
    println!("{}:", error.heading());
    for line in &lines {
        println!("  {line}");
    }
    let escaped = lines.join("\n").replace('%', "%25").replace('\n', "%0A");
    println!("::error title=Landfall: {}::{escaped}", error.heading());
    tell_later_steps(error.status(), &lines);
    exit_code(error.status()).into()
}

/// The runner obeys `##[…]` wherever it stands in a line.
fn harmless_line(failure: &Failure) -> String {
    one_line(failure)
        .replace(['\n', '\r'], " ")
        .replace("##[", "# #[")
}

/// Writes `status` and `reason`; a file that cannot be written changes nothing about the end.
fn tell_later_steps(status: Status, lines: &[String]) {
    let Some(path) = std::env::var_os("GITHUB_OUTPUT").filter(|path| !path.is_empty()) else {
        return;
    };
    let text = format!("status={}\nreason={}\n", status.word(), lines.join(" | "));
    let written = OpenOptions::new()
        .append(true)
        .create(true)
        .open(path)
        .and_then(|mut file| file.write_all(text.as_bytes()));
    if let Err(error) = written {
        warn(&format!("the outputs cannot be written: {error}"));
    }
}

#[allow(clippy::print_stdout)] // As above.
fn warn(line: &str) {
    println!("{line}");
}
