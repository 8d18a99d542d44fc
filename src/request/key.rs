//! Keys: the private one that opens the server, and the public ones that the server may show.
//!
//! It refuses to know ssh's own code: it reads just enough to tell a key from what people paste by
//! mistake. No text of a key is ever part of a fault.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};

use crate::event::Failure;
use crate::secret::Secret;

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

/// Reads a private key in OpenSSH or PEM text; line breaks that were lost on the way come back.
pub(super) fn private_key(text: &str) -> Result<PrivateKey, Failure> {
    let text = with_line_breaks(text.trim());
    let (label, body) = pem(&text).ok_or_else(|| no_private_key(&text))?;
    let locked = if label == "OPENSSH PRIVATE KEY" {
        openssh_is_locked(body)
    } else {
        pem_is_locked(label, body)
    };
    Ok(PrivateKey {
        locked: locked.ok_or_else(damaged)?,
        text: Secret::new(text + "\n"),
    })
}

/// Pasted keys arrive with Windows line ends, with `\n` spelled out, or with spaces instead.
fn with_line_breaks(text: &str) -> String {
    let text = text.replace("\r\n", "\n");
    if text.contains('\n') {
        return text;
    }
    let text = text.replace("\\n", "\n");
    let parts = text
        .strip_prefix("-----BEGIN ")
        .and_then(|rest| rest.split_once("-----"))
        .and_then(|(label, rest)| Some((label, rest.split_once("-----END ")?.0)));
    match parts {
        Some((label, body)) if !text.contains('\n') => {
            let body = body.trim().replace(' ', "\n");
            format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----")
        }
        _ => text,
    }
}

fn pem(text: &str) -> Option<(&str, &str)> {
    let (first, rest) = text.split_once('\n')?;
    let (body, last) = rest.rsplit_once('\n')?;
    let label = first.trim_end().strip_prefix("-----BEGIN ")?;
    let label = label.strip_suffix("-----")?;
    let ends_alike = last == format!("-----END {label}-----");
    (label.ends_with("PRIVATE KEY") && ends_alike).then_some((label, body))
}

fn no_private_key(text: &str) -> Failure {
    let (what, hint) = if text.starts_with("ssh-") || text.starts_with("ecdsa-") {
        (
            "it is a public key",
            "give the private half, the file without `.pub`",
        )
    } else if text.starts_with("PuTTY-User-Key-File") {
        (
            "it is a PuTTY key",
            "convert it with `puttygen KEY -O private-openssh`",
        )
    } else if text.starts_with("-----BEGIN ") && text.contains("PRIVATE KEY") {
        (
            "the private key is cut off",
            "store the key file as it is, `-----BEGIN` and `-----END` lines included",
        )
    } else {
        (
            "it is not a private key in OpenSSH or PEM text",
            "store the whole key file, `-----BEGIN` and `-----END` lines included",
        )
    };
    Failure::new(what).hint(hint)
}

fn damaged() -> Failure {
    Failure::new("the private key is damaged between its first and last line")
        .hint("store the key file again, as it is")
}

fn openssh_is_locked(body: &str) -> Option<bool> {
    let blob = STANDARD.decode(body.replace('\n', "")).ok()?;
    let mut rest = blob.strip_prefix(b"openssh-key-v1\0")?;
    Some(field(&mut rest)? != b"none")
}

fn pem_is_locked(label: &str, body: &str) -> Option<bool> {
    let content: String = body.lines().filter(|line| !line.contains(':')).collect();
    STANDARD.decode(content).ok()?;
    Some(label.starts_with("ENCRYPTED") || body.contains("4,ENCRYPTED"))
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

    fn openssh(cipher: &str) -> String {
        let mut blob = b"openssh-key-v1\0".to_vec();
        blob.extend(u32::try_from(cipher.len()).unwrap().to_be_bytes());
        blob.extend(cipher.as_bytes());
        let body = STANDARD.encode(blob);
        format!("-----BEGIN OPENSSH PRIVATE KEY-----\n{body}\n-----END OPENSSH PRIVATE KEY-----")
    }

    fn pem_key(label: &str, body: &str) -> String {
        format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----\n")
    }

    #[test]
    fn a_private_key_is_read_however_it_was_pasted() {
        let whole = openssh("none");
        for pasted in [
            whole.clone(),
            format!("\n{whole}\n\n"),
            whole.replace('\n', "\r\n"),
            whole.replace('\n', "\\n"),
            whole.replace('\n', " "),
        ] {
            let key = private_key(&pasted).ok().unwrap();
            assert_eq!(key.text.expose(), format!("{whole}\n"));
            assert!(!key.locked);
        }
        assert!(private_key(&pem_key("RSA PRIVATE KEY", "AAAA")).is_ok());
        assert!(private_key(&pem_key("PRIVATE KEY", "AAAA")).is_ok());
    }

    #[test]
    fn a_locked_key_is_known_as_such() {
        let dek = "Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nAAAA";
        for locked in [
            openssh("aes256-ctr"),
            pem_key("ENCRYPTED PRIVATE KEY", "AAAA"),
            pem_key("RSA PRIVATE KEY", dek),
        ] {
            assert!(private_key(&locked).ok().unwrap().locked);
        }
    }

    #[test]
    fn what_people_paste_by_mistake_is_named_and_not_shown() {
        let whole = openssh("none");
        let mistakes = [
            &format!("ssh-ed25519 {ED25519} me"),
            "PuTTY-User-Key-File-3: ssh-ed25519",
            &whole[..whole.len() - 9],
            &pem_key("OPENSSH PRIVATE KEY", "bm9wZQ=="),
            &pem_key("RSA PRIVATE KEY", "!!"),
            "hunter2hunter2",
        ];
        let said = mistakes.map(|text| {
            let fault = private_key(text).err().unwrap();
            assert!(!format!("{fault:?}").contains("hunter2"));
            fault.what
        });
        insta::assert_snapshot!(said.join("\n"), @r"
        it is a public key
        it is a PuTTY key
        the private key is cut off
        the private key is damaged between its first and last line
        the private key is damaged between its first and last line
        it is not a private key in OpenSSH or PEM text
        ");
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
