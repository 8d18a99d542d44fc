//! The face that `ssh` and `ssh-keygen` see when they call this program back.
//!
//! It refuses to know why they ask: a passphrase is where a variable says, and a host key is judged
//! by [`presented::answer`].

use std::fs;
use std::io::{self, Write};
use std::process::ExitCode;

use crate::remote::identity::ASKPASS_FILE;
use crate::remote::presented;

/// Prints the passphrase to `ssh-keygen`, if that is who calls; none if it isn't.
///
/// An askpass program gets no arguments of ours, so a variable in the environment of that one local
/// child says so, and names the file.
#[must_use]
pub fn askpass() -> Option<ExitCode> {
    let file = std::env::var_os(ASKPASS_FILE)?;
    let printed = fs::read(file).and_then(|passphrase| {
        let mut out = io::stdout().lock();
        out.write_all(&passphrase)?;
        out.write_all(b"\n")
    });
    Some(printed.map_or(ExitCode::FAILURE, |()| ExitCode::SUCCESS))
}

/// Answers `ssh`, which shows a host key: the line that accepts it, or nothing.
#[must_use]
pub fn known_hosts_command(args: &[String]) -> ExitCode {
    let answered = presented::answer(args)
        .and_then(|line| io::stdout().write_all(line.unwrap_or_default().as_bytes()));
    answered.map_or(ExitCode::FAILURE, |()| ExitCode::SUCCESS)
}
