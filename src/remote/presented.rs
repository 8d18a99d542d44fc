//! Which host keys a server presents: asked for by type, without ever logging in to it.
//!
//! `ssh` calls this program back for every presented key (`KnownHostsCommand`), which also works
//! through a jump host. It refuses to know what a mismatch means.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::Stdio;

use futures_util::future::join_all;
use tokio::process::Command;
use tokio::time::timeout;

use super::config::{self, JUMP, KEY_TYPES};
use super::dir::PrivateDir;
use super::hostkey::{HostKey, HostPin, Presented};
use super::target::Target;
use super::transport::without_inputs;

/// The file of pinned fingerprints, one a line.
pub const FINGERPRINTS: &str = "fingerprints";
/// The file of presented keys, one a line.
const NOTED: &str = "presented";

/// A server on the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hop {
    /// The jump host.
    Jump,
    /// The server itself.
    Target,
}

/// The servers on the way, nearest first.
pub fn hops(target: &Target) -> impl Iterator<Item = Hop> {
    let jump = target.jump.as_ref().map(|_| Hop::Jump);
    jump.into_iter().chain([Hop::Target])
}

/// The nearest server.
#[must_use]
pub fn first_hop(target: &Target) -> Hop {
    target.jump.as_ref().map_or(Hop::Target, |_| Hop::Jump)
}

/// The text of the fingerprint file.
#[must_use]
pub fn fingerprints(pins: &[HostPin]) -> String {
    pins.iter()
        .filter_map(|pin| match pin {
            HostPin::Fingerprint(text) => Some(format!("{text}\n")),
            _ => None,
        })
        .collect()
}

/// The presented keys that are pinned and not revoked.
#[must_use]
pub fn pinned_among<'a>(keys: &'a [Presented], pins: &[HostPin]) -> Vec<&'a Presented> {
    let revoked = |key: &HostKey| pins.contains(&HostPin::Revoked(key.clone()));
    keys.iter()
        .filter(|shown| pins.iter().any(|pin| pin.accepts(&shown.key)) && !revoked(&shown.key))
        .collect()
}

/// The pins that no presented key stands for: authorities and revoked keys.
#[must_use]
pub fn standing(pins: &[HostPin]) -> Vec<HostPin> {
    let stands = |pin: &&HostPin| matches!(pin, HostPin::Authority(_) | HostPin::Revoked(_));
    pins.iter().filter(stands).cloned().collect()
}

/// The keys that a hop presents, one of each type it has; without any, what `ssh` said.
pub async fn gather(target: &Target, dir: &PrivateDir, hop: Hop) -> Result<Vec<Presented>, String> {
    let asked = KEY_TYPES.map(|types| ask(target, dir, hop, types));
    let mut keys = Vec::new();
    let mut log = String::new();
    for answer in join_all(asked).await {
        match answer {
            Ok(key) => keys.push(key),
            Err(said) => log = said,
        }
    }
    if keys.is_empty() { Err(log) } else { Ok(keys) }
}

async fn ask(
    target: &Target,
    dir: &PrivateDir,
    hop: Hop,
    types: &str,
) -> Result<Presented, String> {
    let name = format!("{hop:?}-{}", types.split(',').next().unwrap_or_default());
    let notes = dir.subdirectory(&name).map_err(|e| e.to_string())?;
    let destination = match hop {
        Hop::Jump => JUMP,
        Hop::Target => target.bare_host(),
    };
    let mut ssh = Command::new("ssh");
    without_inputs(ssh.as_std_mut());
    ssh.arg("-F")
        .arg(dir.path("config"))
        .args([
            "-o",
            "UserKnownHostsFile=/dev/null",
            "-o",
            "GlobalKnownHostsFile=/dev/null",
        ])
        .arg("-o")
        .arg(format!("HostKeyAlgorithms={types}"))
        .arg("-o")
        .arg(config::ask_us(&target.program, &notes))
        .args(["-S", "none", "-T", "--", destination, "true"])
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let patience = target.connect_timeout * 2;
    let said = match timeout(patience, ssh.output()).await {
        Ok(Ok(output)) => String::from_utf8_lossy(&output.stderr).into_owned(),
        Ok(Err(error)) => error.to_string(),
        Err(_) => "connection timed out".to_owned(),
    };
    let shown = fs::read_to_string(notes.join(NOTED)).unwrap_or_default();
    shown.lines().rev().find_map(Presented::parse).ok_or(said)
}

/// Answers `ssh` about a presented key: notes it, and gives the line that accepts it if its
/// fingerprint is pinned. `args` are the notes' directory, `%I`, `%H`, `%t` and `%K`.
pub fn answer(args: &[String]) -> io::Result<Option<String>> {
    let [notes, reason, host, kind, base64] = args else {
        return Err(io::Error::other("five words are expected"));
    };
    let Some(key) = HostKey::new(kind, base64).filter(|_| reason != "ORDER") else {
        return Ok(None);
    };
    let notes = Path::new(notes);
    let line = format!("{host} {key}\n");
    append(&notes.join(NOTED), &line)?;
    let pinned = fs::read_to_string(notes.join(FINGERPRINTS)).unwrap_or_default();
    let print = key.fingerprint();
    Ok(pinned.lines().any(|pin| pin == print).then_some(line))
}

fn append(path: &Path, line: &str) -> io::Result<()> {
    OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path)?
        .write_all(line.as_bytes())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const ED: [&str; 2] = [
        "ssh-ed25519",
        "AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl",
    ];
    const PRINT: &str = "SHA256:+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU";

    fn asked(notes: &Path, reason: &str, key: [&str; 2]) -> Option<String> {
        let notes = notes.to_string_lossy();
        answer(&[&notes, reason, "[web-1]:2222", key[0], key[1]].map(str::to_owned)).unwrap()
    }

    #[test]
    fn a_pinned_fingerprint_accepts_its_key_and_no_other_is_accepted() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(asked(dir.path(), "HOSTNAME", ED), None);
        fs::write(dir.path().join(FINGERPRINTS), format!("{PRINT}\n")).unwrap();
        let line = asked(dir.path(), "HOSTNAME", ED);
        assert_eq!(line, Some(format!("[web-1]:2222 {} {}\n", ED[0], ED[1])));
    }

    #[test]
    fn the_question_of_order_notes_no_key() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(asked(dir.path(), "ORDER", ["NONE", "NONE"]), None);
        assert!(!dir.path().join(NOTED).exists());
    }

    #[test]
    fn a_revoked_key_is_not_among_the_pinned_ones() {
        let key = HostKey::new(ED[0], ED[1]).unwrap();
        let shown = [Presented {
            host: "web-1".into(),
            key: key.clone(),
        }];
        let print = HostPin::Fingerprint(PRINT.to_owned());
        assert_eq!(
            pinned_among(&shown, std::slice::from_ref(&print)),
            [&shown[0]]
        );
        assert!(pinned_among(&shown, &[print, HostPin::Revoked(key.clone())]).is_empty());
    }
}
