//! The configuration that `ssh` is given: every option that matters, as text.
//!
//! It refuses to know the disk; paths come in, text comes out.

use std::fmt::Write;
use std::path::Path;

use super::hostkey::HostPin;
use super::target::{HostKeys, Identity, Target};

/// The name under which the configuration knows the jump host.
pub const JUMP: &str = "landfall-jump";

/// The algorithms of each type of host key, asked for one after the other when keys are shown.
pub const KEY_TYPES: [&str; 3] = [
    "ssh-ed25519",
    "ecdsa-sha2-nistp256,ecdsa-sha2-nistp384,ecdsa-sha2-nistp521",
    "rsa-sha2-512,rsa-sha2-256",
];

/// The files that the configuration names.
#[derive(Debug, Clone, Copy)]
pub struct Files<'a> {
    /// The private key.
    pub key: &'a Path,
    /// The pinned host keys.
    pub known_hosts: &'a Path,
    /// Where fingerprints are, and where presented keys are noted.
    pub notes: &'a Path,
}

/// The text of `ssh_config`.
#[must_use]
pub fn ssh_config(target: &Target, files: Files) -> String {
    let mut text = String::new();
    if let Some(jump) = &target.jump {
        let (host, user, port) = (escaped(jump.bare_host()), &jump.user, jump.port);
        let _ = writeln!(
            text,
            "Host {JUMP}\n  HostName {host}\n  User {user}\n  Port {port}\n  ProxyJump none"
        );
    }
    let _ = writeln!(
        text,
        "Host *\n  User {}\n  Port {}",
        target.user, target.port
    );
    let jump = target.jump.as_ref().map_or("none", |_| JUMP);
    if target.jump.is_some() || matches!(target.identity, Identity::Key { .. }) {
        let _ = writeln!(text, "  ProxyJump {jump}");
    }
    text += &liveness(target);
    text += &identity(target, files.key);
    text += &host_keys(target, files);
    if matches!(target.identity, Identity::Own) {
        text += "  Include ~/.ssh/config\n  Include /etc/ssh/ssh_config\n";
    }
    text
}

fn liveness(target: &Target) -> String {
    let seconds = target.connect_timeout.as_secs().max(1);
    format!(
        "  BatchMode yes
  ConnectTimeout {seconds}
  ConnectionAttempts 1
  ServerAliveInterval 5
  ServerAliveCountMax 3
  ControlPersist no
  ForwardAgent no
  ForwardX11 no
  ClearAllForwardings yes
  PermitLocalCommand no
  RequestTTY no
  RemoteCommand none
  EscapeChar none
  Compression no
  LogLevel ERROR
"
    )
}

fn identity(target: &Target, key: &Path) -> String {
    match target.identity {
        Identity::Own => String::new(),
        Identity::Key { .. } => format!(
            "  IdentityFile {}
  IdentitiesOnly yes
  IdentityAgent none
  AddKeysToAgent no
  PreferredAuthentications publickey
",
            quoted(key)
        ),
    }
}

fn host_keys(target: &Target, files: Files) -> String {
    let HostKeys::Pinned(pins) = &target.host_keys else {
        return "  StrictHostKeyChecking yes\n  UpdateHostKeys no\n".to_owned();
    };
    let mut text = format!(
        "  StrictHostKeyChecking yes
  UserKnownHostsFile {}
  GlobalKnownHostsFile /dev/null
  CheckHostIP no
  UpdateHostKeys no
  VerifyHostKeyDNS no
  NoHostAuthenticationForLocalhost no
",
        quoted(files.known_hosts)
    );
    if pins
        .iter()
        .any(|pin| matches!(pin, HostPin::Fingerprint(_)))
    {
        let _ = writeln!(
            text,
            "  {}",
            ask_us(&target.program, files.notes).replacen('=', " ", 1)
        );
    } else if matches!(target.identity, Identity::Own) {
        // The person's own configuration follows, and might name a command that accepts more.
        text += "  KnownHostsCommand none\n";
    }
    text
}

/// The option that makes `ssh` ask this program about a presented key.
#[must_use]
pub fn ask_us(program: &Path, notes: &Path) -> String {
    format!(
        "KnownHostsCommand={} known-hosts {} %I %H %t %K",
        quoted(program),
        quoted(notes)
    )
}

/// The text of `known_hosts`: every pin that is a key, for every host.
#[must_use]
pub fn known_hosts(pins: &[HostPin]) -> String {
    pins.iter()
        .filter_map(HostPin::known_hosts_line)
        .fold(String::new(), |text, line| text + &line + "\n")
}

/// A path as one word of the configuration, in which `%` means nothing.
fn quoted(path: &Path) -> String {
    let path = path.to_string_lossy();
    format!(
        "\"{}\"",
        escaped(&path.replace('\\', "\\\\").replace('"', "\\\""))
    )
}

fn escaped(text: &str) -> String {
    text.replace('%', "%%")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::hostkey;
    use super::super::target::Jump;
    use super::*;
    use crate::words::secret::Secret;

    const PRINT: &str = "SHA256:+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU";

    fn text(target: &Target) -> String {
        let files = Files {
            key: Path::new("/run/100%/key"),
            known_hosts: Path::new("/run/known_hosts"),
            notes: Path::new("/run"),
        };
        ssh_config(target, files)
    }

    fn with_key(pins: &str) -> Target {
        let identity = Identity::Key {
            key: Secret::new("key"),
            passphrase: None,
        };
        let pins = HostKeys::Pinned(hostkey::parse(pins).unwrap());
        let mut target = Target::new("[2001:db8::1]", "deploy", identity, pins).unwrap();
        target.program = "/usr/bin/landfall".into();
        target
    }

    #[test]
    fn a_given_key_is_the_only_identity_and_the_pins_the_only_host_keys() {
        let text = text(&with_key(
            "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl",
        ));
        for line in [
            "  IdentityFile \"/run/100%%/key\"",
            "  IdentitiesOnly yes",
            "  IdentityAgent none",
            "  StrictHostKeyChecking yes",
            "  UserKnownHostsFile \"/run/known_hosts\"",
            "  GlobalKnownHostsFile /dev/null",
            "  ProxyJump none",
        ] {
            assert!(text.lines().any(|l| l == line), "{line}\n{text}");
        }
        assert!(
            !text.contains("KnownHostsCommand") && !text.contains("Include"),
            "{text}"
        );
    }

    #[test]
    fn a_fingerprint_makes_ssh_ask_this_program() {
        let text = text(&with_key(PRINT));
        let asked = "  KnownHostsCommand \"/usr/bin/landfall\" known-hosts \"/run\" %I %H %t %K";
        assert!(text.lines().any(|l| l == asked), "{text}");
    }

    #[test]
    fn a_person_keeps_their_own_identities_and_known_hosts() {
        let own = Target::new("web-1", "deploy", Identity::Own, HostKeys::Own).unwrap();
        let text = text(&own);
        assert!(text.contains("  Include ~/.ssh/config\n"), "{text}");
        for word in ["IdentityFile", "UserKnownHostsFile", "ProxyJump"] {
            assert!(!text.contains(word), "{word}\n{text}");
        }
    }

    #[test]
    fn a_persons_own_configuration_cannot_loosen_the_pins() {
        let mut own = with_key(
            "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl",
        );
        own.identity = Identity::Own;
        let text = text(&own);
        let (before, _) = text.split_once("  Include ").unwrap();
        for line in [
            "  KnownHostsCommand none\n",
            "  NoHostAuthenticationForLocalhost no\n",
        ] {
            assert!(before.contains(line), "{line}{text}");
        }
    }

    #[test]
    fn a_jump_host_has_its_own_name_user_and_port() {
        let mut target = with_key(PRINT);
        target.jump = Some(Jump {
            user: "hop".into(),
            host: "fe80::1%eth0".into(),
            port: 2200,
        });
        let text = text(&target);
        assert!(text.starts_with(
            "Host landfall-jump\n  HostName fe80::1%%eth0\n  User hop\n  Port 2200\n  ProxyJump none\nHost *\n"
        ), "{text}");
        assert!(text.contains("  ProxyJump landfall-jump\n"), "{text}");
    }

    #[test]
    fn known_hosts_names_every_host_and_leaves_fingerprints_out() {
        let pins = hostkey::parse(&format!(
            "web-1 ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl\n{PRINT}"
        ));
        assert_eq!(
            known_hosts(&pins.unwrap()),
            "* ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl\n"
        );
    }
}
