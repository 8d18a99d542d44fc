//! The umask that the login had: an agent keeps its own files from others, and what a user's own
//! command makes is as readable as if the user had typed it.
//!
//! It refuses to know which commands those are.

use std::sync::OnceLock;

/// Takes on a umask and becomes the command. Arguments: the umask, the command.
const UNDER: &str = "umask \"$1\"; shift; exec \"$@\"";

/// What the login had.
static LOGIN: OnceLock<u32> = OnceLock::new();

/// From now on, commands that are the user's own run with this umask; the first one stays.
pub fn of_login(mask: u32) {
    let _ = LOGIN.set(mask);
}

/// A command as the user would run it, where this process has another umask than the login had.
pub(super) fn as_by_hand(argv: &[String]) -> Vec<String> {
    match LOGIN.get() {
        Some(mask) => under(*mask, argv),
        None => argv.to_owned(),
    }
}

fn under(mask: u32, argv: &[String]) -> Vec<String> {
    let mask = format!("{mask:04o}");
    let shell = ["sh", "-c", UNDER, "sh", &mask].map(ToOwned::to_owned);
    shell.into_iter().chain(argv.iter().cloned()).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_command_under_a_umask_is_the_same_process_and_keeps_its_arguments() {
        let argv = ["sh", "-c", "umask; echo \"$1\"", "sh", "a  b"].map(ToOwned::to_owned);
        for (mask, said) in [(0o027, "0027\na  b\n"), (0, "0000\na  b\n")] {
            let argv = under(mask, &argv);
            let ran = std::process::Command::new(&argv[0])
                .args(&argv[1..])
                .output();
            assert_eq!(String::from_utf8(ran.unwrap().stdout).unwrap(), said);
        }
    }
}
