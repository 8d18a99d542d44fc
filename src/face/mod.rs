//! Faces: how the outside asks. A workflow through its environment, an operator through flags.
//!
//! A face turns what was asked into a [`crate::request::Request`] and an end into an exit code. It
//! refuses to know what happens in between.

use std::process::ExitCode;

pub mod action;
pub mod cli;
pub mod flags;

/// Runs the face that was called: the action when the runner starts the binary bare, else the
/// operator's command line.
#[must_use]
pub fn run() -> ExitCode {
    let bare = std::env::args_os().len() <= 1;
    let on_a_runner = std::env::var_os("GITHUB_ACTIONS").is_some_and(|value| value == "true");
    if bare && on_a_runner {
        action::run()
    } else {
        cli::run()
    }
}
