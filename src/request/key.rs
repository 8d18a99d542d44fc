//! Keys: the private one that opens the server, and the public ones that the server may show.
//!
//! It refuses to know ssh's own code: it reads just enough to tell a key from what people paste by
//! mistake. No text of a key is ever part of a fault.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};

use crate::event::Failure;
use crate::secret::Secret;

/// What a server's key is held against.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostKey {
    /// `SHA256:` and 43 characters of base64.
    Fingerprint(String),
    /// A line as in `known_hosts`, host names hashed or not, `@cert-authority` perhaps in front.
    KnownHosts(String),
}

/// A private key that has been read far enough to know whether it is locked.
pub(super) struct PrivateKey {
    /// The key's text with Unix line ends and a last one.
    pub text: Secret,
    /// It cannot be used without its passphrase.
    pub locked: bool,
}

/// Reads a private key in OpenSSH or PEM text.
pub(super) fn private_key(text: &str) -> Result<PrivateKey, Failure> {
    let text = text.trim().replace("\r\n", "\n");
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
            "the private key is cut off or has lost its line breaks",
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

/// Reads one line of `host_key`.
pub(super) fn host_key(line: &str) -> Result<HostKey, Failure> {
    if line.starts_with("SHA256:") {
        return fingerprint(line);
    }
    let words: Vec<_> = line.split_ascii_whitespace().collect();
    let (marker, words) = match words.split_first() {
        Some((marker, rest)) if marker.starts_with('@') => (Some(*marker), rest),
        _ => (None, words.as_slice()),
    };
    match (marker, words) {
        (Some("@cert-authority") | None, [hosts, kind, blob, ..])
            if is_hosts(hosts) && is_public_key(kind, blob) =>
        {
            Ok(HostKey::KnownHosts(words_again(
                marker,
                &[hosts, kind, blob],
            )))
        }
        _ => Err(no_host_key(line, &words)),
    }
}

fn words_again(marker: Option<&str>, words: &[&str]) -> String {
    let words: Vec<_> = marker.into_iter().chain(words.iter().copied()).collect();
    words.join(" ")
}

fn fingerprint(line: &str) -> Result<HostKey, Failure> {
    let digest = line["SHA256:".len()..].trim_end_matches('=');
    match STANDARD_NO_PAD.decode(digest) {
        Ok(bytes) if bytes.len() == 32 => Ok(HostKey::Fingerprint(format!("SHA256:{digest}"))),
        _ => Err(Failure::new("is not a whole `SHA256:…` fingerprint")
            .hint("give `SHA256:` and the 43 characters that follow it, and nothing else")),
    }
}

fn is_hosts(text: &str) -> bool {
    text.chars().all(|c| c.is_ascii_graphic()) && !text.starts_with(['-', '#'])
}

fn is_public_key(kind: &str, blob: &str) -> bool {
    STANDARD.decode(blob).is_ok_and(|blob| {
        let mut rest = blob.as_slice();
        field(&mut rest) == Some(kind.as_bytes()) && !rest.is_empty()
    })
}

fn no_host_key(line: &str, words: &[&str]) -> Failure {
    let (what, hint) = match words {
        _ if line.starts_with("MD5:") => (
            "is an MD5 fingerprint, which proves nothing",
            "give the `SHA256:…` one",
        ),
        _ if line.contains("PRIVATE KEY") => (
            "is a private key",
            "give the server's public key; treat the private one as leaked",
        ),
        _ if line.starts_with("@revoked") => (
            "revokes a key",
            "leave it out: what is not listed is not accepted",
        ),
        [kind, blob, ..] if is_public_key(kind, blob) => (
            "is a public key without a host",
            "put the host's name in front of it, as in `known_hosts`",
        ),
        _ if words.iter().any(|word| word.starts_with("SHA256:")) => (
            "has more in it than a fingerprint",
            "give the `SHA256:…` word alone",
        ),
        _ => (
            "is neither a `known_hosts` line nor a `SHA256:…` fingerprint",
            "give what `ssh-keyscan` prints for the server, or `ssh-keygen -lf` on the server",
        ),
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
    fn a_private_key_is_read_whatever_its_line_ends() {
        let key = private_key(&openssh("none").replace('\n', "\r\n"))
            .ok()
            .unwrap();
        assert_eq!(key.text.expose(), openssh("none") + "\n");
        assert!(!key.locked);
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
            &whole.replace('\n', " "),
            &whole.replace('\n', "\\n"),
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
        insta::assert_snapshot!(said.join("\n"), @"");
    }

    #[test]
    fn host_keys_are_known_hosts_lines_or_fingerprints() {
        for good in [
            format!("example.org ssh-ed25519 {ED25519}"),
            format!("[example.org]:2222,[203.0.113.7]:2222 ssh-ed25519 {ED25519}"),
            format!("|1|b2xk|bmV3 ssh-ed25519 {ED25519}"),
            format!("@cert-authority *.example.org ssh-ed25519 {ED25519}"),
        ] {
            assert_eq!(host_key(&format!("{good} a comment")), host_key(&good));
            assert_eq!(host_key(&good), Ok(HostKey::KnownHosts(good)));
        }
        assert_eq!(host_key(PRINT), Ok(HostKey::Fingerprint(PRINT.into())));
        assert_eq!(host_key(&format!("{PRINT}=")), host_key(PRINT));
    }

    #[test]
    fn what_proves_no_server_is_refused() {
        let mistakes = [
            &format!("ssh-ed25519 {ED25519}"),
            &format!("256 {PRINT} root@web (ED25519)"),
            "SHA256:short",
            &format!("{PRINT} extra"),
            "MD5:aa:bb",
            &format!("@revoked example.org ssh-ed25519 {ED25519}"),
            &format!("example.org ssh-rsa {ED25519}"),
            &format!("example.org ssh-ed25519 {}", &ED25519[..40]),
            "-----BEGIN OPENSSH PRIVATE KEY-----",
            "example.org",
        ];
        let said = mistakes.map(|line| host_key(line).unwrap_err().what);
        insta::assert_snapshot!(said.join("\n"), @"");
    }
}
