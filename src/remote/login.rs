//! A login shell that let us in and then did not run what it was given, as a failure that can be
//! mended.
//!
//! It refuses to know connections: what the shell did and printed comes in, sentences go out.

use std::time::Duration;

use crate::words::event::{Failure, FailureKind};

/// How many lines of what it printed are told, and how much of each.
const LINES: usize = 6;
const COLUMNS: usize = 200;

/// What a login shell did instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Instead {
    /// It ended, with this status if that is known.
    Ended(Option<i32>),
    /// It ran nothing for so long.
    Waited(Duration),
}

/// The failure of `address`, whose login shell did that and printed this.
#[must_use]
pub fn failure(address: &str, did: Instead, printed: &[u8]) -> Failure {
    let lines = told(printed);
    let failure = match did {
        _ if lines.iter().any(|line| says_no_shell(line)) => {
            Failure::new(format!("`{address}` has no shell on the server"))
        }
        Instead::Ended(code) => Failure::new(format!(
            "`{address}` let us in, and its login shell ended{} before it ran anything",
            code.map_or_else(String::new, |code| format!(" with status {code}"))
        )),
        Instead::Waited(patience) => Failure::new(format!(
            "`{address}` let us in, and its login shell ran nothing within {} s",
            patience.as_secs()
        ))
        .of(FailureKind::TimedOut),
    };
    let failure = if lines.is_empty() {
        failure.because("it printed nothing")
    } else {
        let lines = lines.iter().map(|line| format!("it printed: {line}"));
        lines.fold(failure, Failure::because)
    };
    match did {
        Instead::Ended(_) => failure
            .hint("see that the user has a shell that runs commands: `getent passwd USER`; `/bin/false` and `nologin` run none, `usermod -s /bin/sh USER` gives one")
            .hint("see that `~/.bashrc`, `~/.zshenv` and the like end or replace the shell on a terminal alone: put `[ -t 0 ] || return` before an `exit` or `exec` there")
            .hint("a `command=` in `authorized_keys` or a `ForceCommand` in `sshd_config` runs instead of what is asked"),
        Instead::Waited(_) => failure
            .hint("see that `~/.bashrc`, `~/.zshenv` and the like neither wait, ask nor start another shell without a terminal: put `[ -t 0 ] || return` at the top"),
    }
}

fn says_no_shell(line: &str) -> bool {
    line.contains("account is currently not available") || line.contains("nologin")
}

/// The last lines, each cut short and without control characters.
fn told(printed: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(printed);
    let clean = |line: &str| -> String {
        let shown = line.chars().filter(|c| !c.is_control());
        shown.take(COLUMNS).collect()
    };
    let lines: Vec<String> = text
        .lines()
        .map(clean)
        .filter(|line| !line.trim().is_empty())
        .collect();
    lines[lines.len().saturating_sub(LINES)..].to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADDRESS: &str = "deploy@web-1";

    #[test]
    fn what_the_shell_did_and_printed_is_told() {
        let ended = failure(ADDRESS, Instead::Ended(Some(1)), b"");
        assert_eq!(
            ended.to_string(),
            "`deploy@web-1` let us in, and its login shell ended with status 1 before it ran anything: it printed nothing"
        );
        let waited = Instead::Waited(Duration::from_secs(40));
        let waited = failure(ADDRESS, waited, b"\x1b[1mWelcome\r\n\nto web-1");
        assert_eq!(
            waited.what,
            "`deploy@web-1` let us in, and its login shell ran nothing within 40 s"
        );
        assert_eq!(waited.kind, FailureKind::TimedOut);
        assert_eq!(
            waited.because,
            ["it printed: [1mWelcome", "it printed: to web-1"]
        );
    }

    #[test]
    fn a_shell_that_is_none_is_called_so() {
        let printed = b"This account is currently not available.\n";
        let none = failure(ADDRESS, Instead::Ended(Some(1)), printed);
        assert_eq!(none.what, "`deploy@web-1` has no shell on the server");
        assert!(none.hints[0].contains("usermod -s /bin/sh"));
    }

    #[test]
    fn a_server_that_prints_without_end_is_told_in_a_few_short_lines() {
        let printed = "x".repeat(900) + "\n";
        let long = failure(ADDRESS, Instead::Ended(None), printed.repeat(90).as_bytes());
        assert_eq!(long.because.len(), LINES);
        assert!(long.because.iter().all(|line| line.len() < COLUMNS + 20));
    }
}
