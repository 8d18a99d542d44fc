//! Keys: the private one that opens the server, and the public ones that the server may show.
//!
//! It refuses to know ssh's own code: it reads just enough to tell a host key from what people paste
//! by mistake. No text of a key is ever part of a fault.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};

use crate::remote::key;
use crate::words::event::Failure;
use crate::words::secret::Secret;

/// What a server's key is held against.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostKey {
    /// `SHA256:` and 43 characters of base64.
    Fingerprint(String),
    /// A line as in `known_hosts`, host names hashed or not; or a bare public key, for any host.
    KnownHosts(String),
}

impl fmt::Display for HostKey {
    /// The line that `host_key` would hold for it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fingerprint(line) | Self::KnownHosts(line) => f.write_str(line),
        }
    }
}

/// A private key that has been read far enough to know whether it is locked.
pub(super) struct PrivateKey {
    /// The key's text with Unix line ends and a last one.
    pub text: Secret,
    /// It cannot be used without its passphrase.
    pub locked: bool,
}

/// Reads a private key as it was pasted.
pub(super) fn private_key(text: &str) -> Result<PrivateKey, Failure> {
    let read = key::PrivateKey::read(&Secret::new(text))?;
    Ok(PrivateKey {
        locked: read.lock() == key::Lock::Passphrase,
        text: read.text().clone(),
    })
}

/// The next field of an SSH blob: a big-endian length and that many bytes.
fn field<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, tail) = rest.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
    let (field, tail) = tail.split_at_checked(length)?;
    *rest = tail;
    Some(field)
}

/// Reads one line of `host_key`: as in `known_hosts`, or as `ssh-keygen` prints a fingerprint.
pub(super) fn host_key(line: &str) -> Result<HostKey, Failure> {
    let words: Vec<_> = line.split_ascii_whitespace().collect();
    // Beside a key or a marker it is a comment, which anybody may have written.
    let alone = !words.iter().any(|w| w.starts_with("AAAA")) && !line.trim().starts_with('@');
    if let Some(word) = words.iter().find(|w| alone && w.starts_with("SHA256:")) {
        return fingerprint(word);
    }
    let (marker, rest) = match words.split_first() {
        Some((&marker @ ("@cert-authority" | "@revoked"), rest)) => (Some(marker), rest),
        _ => (None, words.as_slice()),
    };
    let kept = match rest {
        [hosts, kind, blob, ..] if is_hosts(hosts) && is_public_key(kind, blob) => &rest[..3],
        [kind, blob, ..] if is_public_key(kind, blob) => &rest[..2],
        _ => return Err(no_host_key(line)),
    };
    let words: Vec<_> = marker.into_iter().chain(kept.iter().copied()).collect();
    Ok(HostKey::KnownHosts(words.join(" ")))
}

fn fingerprint(word: &str) -> Result<HostKey, Failure> {
    let digest = word["SHA256:".len()..].trim_end_matches('=');
    match STANDARD_NO_PAD.decode(digest) {
        Ok(bytes) if bytes.len() == 32 => Ok(HostKey::Fingerprint(format!("SHA256:{digest}"))),
        _ => Err(Failure::new("is not a whole `SHA256:…` fingerprint")
            .hint("give `SHA256:` and the 43 characters that follow it")),
    }
}

fn is_hosts(text: &str) -> bool {
    text.chars().all(|c| c.is_ascii_graphic()) && !text.starts_with(['-', '#'])
}

fn is_public_key(kind: &str, blob: &str) -> bool {
    STANDARD.decode(blob).is_ok_and(|blob| {
        let mut rest = blob.as_slice();
        let names_itself = field(&mut rest) == Some(kind.as_bytes()) && !rest.is_empty();
        while field(&mut rest).is_some() {}
        names_itself && rest.is_empty()
    })
}

fn no_host_key(line: &str) -> Failure {
    let (what, hint) = if line.contains("MD5:") {
        (
            "is an MD5 fingerprint, which proves nothing",
            "give the `SHA256:…` one",
        )
    } else if line.contains("PRIVATE KEY") {
        (
            "is a private key",
            "give the server's public key; treat the private one as leaked",
        )
    } else {
        (
            "is neither a `known_hosts` line nor a `SHA256:…` fingerprint",
            "give what `ssh-keyscan` prints for the server, or `ssh-keygen -lf` on the server",
        )
    };
    Failure::new(what).hint(hint)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const ED25519: &str = "AAAAC3NzaC1lZDI1NTE5AAAAIEbdlpP8eZzDl8PZPbiDxjuP6WxT8VhsAoGzMDBZVsyP";
    const PRINT: &str = "SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU";

    #[test]
    fn a_locked_key_is_known_as_such_and_no_fault_shows_what_was_pasted() {
        let locked =
            "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMAA=\n-----END ENCRYPTED PRIVATE KEY-----";
        assert!(private_key(locked).ok().unwrap().locked);
        let fault = private_key("hunter2hunter2").err().unwrap();
        assert!(!format!("{fault:?}").contains("hunter2"));
    }

    #[test]
    fn host_keys_are_known_hosts_lines_or_fingerprints() {
        for good in [
            format!("example.org ssh-ed25519 {ED25519}"),
            format!("[example.org]:2222,[203.0.113.7]:2222 ssh-ed25519 {ED25519}"),
            format!("|1|b2xk|bmV3 ssh-ed25519 {ED25519}"),
            format!("@cert-authority *.example.org ssh-ed25519 {ED25519}"),
            format!("ssh-ed25519 {ED25519}"),
        ] {
            assert_eq!(host_key(&format!("{good} a comment")), host_key(&good));
            assert_eq!(host_key(&good), Ok(HostKey::KnownHosts(good)));
        }
        for line in [
            PRINT.to_owned(),
            format!("{PRINT}="),
            format!("256 {PRINT} root@web (ED25519)"),
        ] {
            assert_eq!(host_key(&line), Ok(HostKey::Fingerprint(PRINT.into())));
        }
    }

    #[test]
    fn a_fingerprint_beside_a_key_or_a_marker_is_never_the_pin() {
        let key = format!("example.org ssh-ed25519 {ED25519}");
        assert_eq!(
            host_key(&format!("{key} was {PRINT}")),
            Ok(HostKey::KnownHosts(key.clone()))
        );
        assert_eq!(
            host_key(&format!("@revoked {key} {PRINT}")),
            Ok(HostKey::KnownHosts(format!("@revoked {key}")))
        );
        for line in [
            format!("@revoked * {PRINT}"),
            format!("@odd * {PRINT}"),
            format!("example.org ssh-ed25519 {} {PRINT}", &ED25519[..40]),
        ] {
            assert!(host_key(&line).is_err(), "{line}");
        }
    }

    #[test]
    fn what_proves_no_server_is_refused() {
        let mistakes = [
            "SHA256:short",
            "256 MD5:aa:bb root@web (ED25519)",
            &format!("example.org ssh-rsa {ED25519}"),
            &format!("example.org ssh-ed25519 {}", &ED25519[..40]),
            &format!("-x ssh-rsa {ED25519}"),
            "-----BEGIN OPENSSH PRIVATE KEY-----",
            "example.org",
        ];
        let said = mistakes.map(|line| host_key(line).unwrap_err().what);
        insta::assert_snapshot!(said.join("\n"), @r"
        is not a whole `SHA256:…` fingerprint
        is an MD5 fingerprint, which proves nothing
        is neither a `known_hosts` line nor a `SHA256:…` fingerprint
        is neither a `known_hosts` line nor a `SHA256:…` fingerprint
        is neither a `known_hosts` line nor a `SHA256:…` fingerprint
        is a private key
        is neither a `known_hosts` line nor a `SHA256:…` fingerprint
        ");
    }
}
