//! A transient unit of systemd for the agent, where root may have one.
//!
//! Logind may end what a user leaves behind at logout (`KillUserProcesses`), a session of its own or
//! not; a unit of the system it does not. `systemd-run --pipe` hands the very file descriptors over,
//! so plan and secrets still travel through a pipe and through nothing else. Only root has a unit: a
//! user's own manager ends with the user's last session. It refuses to know what the agent does.

use std::ffi::OsString;
use std::path::Path;
use std::process::Command;

use rustix::process::getuid;

use crate::host::cmd::INHERITED;

/// What begins the command that launches the agent as a unit; none where that cannot be.
#[must_use]
pub fn command(root: &Path, id: &str) -> Option<Command> {
    let systemd = root.join("run/systemd/system").is_dir();
    let own = std::env::current_exe().ok()?;
    (systemd && getuid().is_root()).then(|| {
        let mut command = Command::new("systemd-run");
        command
            .args(words(id, |name| std::env::var_os(name)))
            .arg(own);
        command
    })
}

fn words(id: &str, var: impl Fn(&str) -> Option<OsString>) -> Vec<OsString> {
    let mut words: Vec<OsString> = ["--quiet", "--collect", "--pipe"].map(Into::into).into();
    words.push(format!("--unit=landfall-{id}").into());
    words.push(format!("--description=Landfall at work on {id}").into());
    // At a shutdown, what is stopped last was started first: Docker outlives the agent.
    words.push("--property=After=docker.service".into());
    for (name, value) in INHERITED.iter().filter_map(|n| Some((n, var(n)?))) {
        let mut word = OsString::from(format!("--setenv={name}="));
        word.push(value);
        words.push(word);
    }
    words.push("--".into());
    words
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_server_without_systemd_launches_no_unit() {
        let root = tempfile::tempdir().unwrap();
        assert!(command(root.path(), "r").is_none());
        std::fs::create_dir_all(root.path().join("run/systemd/system")).unwrap();
        let made = command(root.path(), "r");
        assert_eq!(made.is_some(), getuid().is_root());
    }

    #[test]
    fn a_unit_gets_the_runs_name_the_commands_surroundings_and_nothing_else() {
        let var = |name: &str| match name {
            "HOME" => Some("/root".into()),
            "SECRET" => Some("s3cret".into()),
            _ => None,
        };
        let words: Vec<String> = words("20251017_143025-c0ffee", var)
            .into_iter()
            .map(|word| word.into_string().unwrap())
            .collect();
        assert_eq!(
            words,
            [
                "--quiet",
                "--collect",
                "--pipe",
                "--unit=landfall-20251017_143025-c0ffee",
                "--description=Landfall at work on 20251017_143025-c0ffee",
                "--property=After=docker.service",
                "--setenv=HOME=/root",
                "--",
            ]
        );
    }
}
