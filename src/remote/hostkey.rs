//! Host keys: those that are pinned, those that a server presents, and whether they agree.
//!
//! It refuses to know where either comes from. A pin is a key or a fingerprint; the host names of a
//! `known_hosts` line are not part of it, since the operator names the server beside it.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use sha2::{Digest, Sha256};

use super::key::field;
use crate::words::event::Failure;

/// A public key: its type and its base64 text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostKey {
    kind: String,
    base64: String,
}

impl HostKey {
    /// Reads type and base64 text, which must agree with each other.
    #[must_use]
    pub fn new(kind: &str, base64: &str) -> Option<Self> {
        Self::from_blob(&STANDARD.decode(base64).ok()?).filter(|key| key.kind == kind)
    }

    /// Reads the wire form, which names its own type; one that is cut off is none.
    #[must_use]
    pub fn from_blob(blob: &[u8]) -> Option<Self> {
        let (kind, mut rest) = field(blob).filter(|(_, rest)| !rest.is_empty())?;
        while !rest.is_empty() {
            (_, rest) = field(rest)?;
        }
        Some(Self {
            kind: String::from_utf8(kind.to_vec()).ok()?,
            base64: STANDARD.encode(blob),
        })
    }

    /// `SHA256:…`, as `ssh-keygen -l` shows it.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let blob = STANDARD.decode(&self.base64).unwrap_or_default();
        format!("SHA256:{}", STANDARD_NO_PAD.encode(Sha256::digest(blob)))
    }

    /// The type's short name: `ED25519`, `ECDSA`, `RSA`.
    #[must_use]
    pub fn label(&self) -> String {
        let short = self.kind.trim_start_matches("ssh-");
        short.split("-sha2").next().unwrap_or(short).to_uppercase()
    }
}

impl fmt::Display for HostKey {
    /// Type and base64 text, as in `authorized_keys`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.base64)
    }
}

/// One accepted (or revoked) host key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostPin {
    /// This very key.
    Key(HostKey),
    /// A key that this authority has signed.
    Authority(HostKey),
    /// Never this key.
    Revoked(HostKey),
    /// The key with this `SHA256:…` fingerprint.
    Fingerprint(String),
}

impl HostPin {
    /// Says whether a presented key is pinned by this.
    #[must_use]
    pub fn accepts(&self, presented: &HostKey) -> bool {
        match self {
            Self::Key(key) => key == presented,
            Self::Fingerprint(pinned) => *pinned == presented.fingerprint(),
            Self::Authority(_) | Self::Revoked(_) => false,
        }
    }

    /// The line of a `known_hosts` file that says the same of every host, if one can.
    #[must_use]
    pub fn known_hosts_line(&self) -> Option<String> {
        match self {
            Self::Key(key) => Some(format!("* {key}")),
            Self::Authority(key) => Some(format!("@cert-authority * {key}")),
            Self::Revoked(key) => Some(format!("@revoked * {key}")),
            Self::Fingerprint(_) => None,
        }
    }
}

impl fmt::Display for HostPin {
    /// The pin as a message names it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(key) => write!(f, "{} {}", key.label(), key.fingerprint()),
            Self::Authority(key) => write!(f, "authority {}", key.fingerprint()),
            Self::Revoked(key) => write!(f, "revoked {}", key.fingerprint()),
            Self::Fingerprint(pinned) => f.write_str(pinned),
        }
    }
}

/// A key that a server presented, with the name `known_hosts` has for that server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Presented {
    /// `host`, or `[host]:port` for a port other than 22.
    pub host: String,
    /// The key.
    pub key: HostKey,
}

impl Presented {
    /// Reads `host type base64`; none for anything else.
    #[must_use]
    pub fn parse(line: &str) -> Option<Self> {
        let mut words = line.split_ascii_whitespace();
        let host = words.next()?.to_owned();
        let key = HostKey::new(words.next()?, words.next()?)?;
        Some(Self { host, key })
    }
}

impl fmt::Display for Presented {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.host, self.key)
    }
}

/// Reads pins, one a line: `known_hosts` lines, bare public keys or `SHA256:…` fingerprints.
/// Every fault is reported.
pub fn parse(text: &str) -> Result<Vec<HostPin>, Vec<Failure>> {
    let mut pins = Vec::new();
    let mut faults = Vec::new();
    for line in text.lines().map(str::trim) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        match pin(line) {
            Ok(pin) => pins.push(pin),
            Err(fault) => faults.push(fault),
        }
    }
    if faults.is_empty() {
        Ok(pins)
    } else {
        Err(faults)
    }
}

fn pin(line: &str) -> Result<HostPin, Failure> {
    let mut words = line.split_ascii_whitespace().collect::<Vec<_>>();
    // Beside a key or a marker it is a comment, which anybody may have written.
    let alone = !line.starts_with('@') && !words.iter().any(|word| word.starts_with("AAAA"));
    if let Some(found) = words.iter().find(|w| alone && w.starts_with("SHA256:")) {
        return fingerprint(found);
    }
    if alone && words.iter().any(|word| word.starts_with("MD5:")) {
        return Err(unread(line).because("an MD5 fingerprint proves nothing any more"));
    }
    let make = match words[0] {
        "@cert-authority" => HostPin::Authority,
        "@revoked" => HostPin::Revoked,
        marker if marker.starts_with('@') => {
            return Err(unread(line).because(format!("the marker `{marker}` is unknown")));
        }
        _ => HostPin::Key,
    };
    words.retain(|word| !word.starts_with('@'));
    key_among(&words).map(make).ok_or_else(|| unread(line))
}

/// A key with the hosts before it, or a bare key as in a `.pub` file.
fn key_among(words: &[&str]) -> Option<HostKey> {
    let with_hosts = words.get(1).zip(words.get(2));
    let bare = words.first().zip(words.get(1));
    with_hosts
        .and_then(|(kind, base64)| HostKey::new(kind, base64))
        .or_else(|| bare.and_then(|(kind, base64)| HostKey::new(kind, base64)))
}

fn fingerprint(word: &str) -> Result<HostPin, Failure> {
    let trimmed = word.trim_end_matches('=');
    let bytes = STANDARD_NO_PAD.decode(&trimmed["SHA256:".len()..]);
    if bytes.is_ok_and(|b| b.len() == 32) {
        return Ok(HostPin::Fingerprint(trimmed.to_owned()));
    }
    Err(unread(word).because("a SHA256 fingerprint has 43 characters after the colon"))
}

fn unread(line: &str) -> Failure {
    let short: String = line.chars().filter(|c| !c.is_control()).take(60).collect();
    Failure::new(format!("the host key line `{short}` cannot be read")).hint(
        "give a line of `known_hosts` (`ssh-keyscan HOST` prints them) or a fingerprint `SHA256:…`",
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const ED: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl";
    const PRINT: &str = "SHA256:+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU";

    fn key() -> HostKey {
        let (kind, base64) = ED.split_once(' ').unwrap();
        HostKey::new(kind, base64).unwrap()
    }

    #[test]
    fn a_fingerprint_is_the_one_that_ssh_keygen_shows() {
        assert_eq!(key().fingerprint(), PRINT);
        assert_eq!(key().label(), "ED25519");
    }

    #[test]
    fn every_form_of_a_known_hosts_line_pins_its_key() {
        for line in [
            format!("github.com {ED}"),
            format!("[203.0.113.7]:2222,example.org {ED} a comment"),
            format!("|1|F1E1KeoE/eEWhi10WpGv4OdiO6Y=|3988QV0VE8wmZL7suNrYQLITLCg= {ED}"),
            ED.to_owned(),
        ] {
            assert_eq!(parse(&line).unwrap(), [HostPin::Key(key())], "{line}");
        }
        let marked = parse(&format!("@cert-authority * {ED}\n@revoked * {ED}")).unwrap();
        assert_eq!(marked, [HostPin::Authority(key()), HostPin::Revoked(key())]);
    }

    #[test]
    fn a_fingerprint_pins_alone_or_in_the_line_that_ssh_keygen_prints() {
        for line in [
            PRINT.to_owned(),
            format!("256 {PRINT} root@web-1 (ED25519)"),
            format!("{PRINT}="),
        ] {
            let pins = parse(&line).unwrap();
            assert_eq!(pins, [HostPin::Fingerprint(PRINT.to_owned())]);
            assert!(pins[0].accepts(&key()));
        }
    }

    #[test]
    fn a_fingerprint_beside_a_key_or_a_marker_is_never_the_pin() {
        let kept = parse(&format!("web-1 {ED} was {PRINT}")).unwrap();
        assert_eq!(kept, [HostPin::Key(key())]);
        let revoked = parse(&format!("@revoked * {ED} {PRINT}")).unwrap();
        assert_eq!(revoked, [HostPin::Revoked(key())]);
        for line in [
            format!("@revoked * {PRINT}"),
            format!("@odd * {PRINT}"),
            format!("web-1 {} {PRINT}", &ED[..40]),
        ] {
            assert!(parse(&line).is_err(), "{line}");
        }
    }

    #[test]
    fn comments_and_empty_lines_are_not_pins() {
        assert_eq!(parse("\n# web-1\n\r\n").unwrap(), []);
    }

    #[test]
    fn every_line_that_is_no_pin_is_named() {
        let cut = &ED[..40];
        let text = format!("SHA256:short\nMD5:aa:bb\nexample.org {cut}\n@odd * {ED}\nhello");
        let faults = parse(&text).unwrap_err();
        assert_eq!(faults.len(), 5);
        assert_eq!(
            faults[0].to_string(),
            "the host key line `SHA256:short` cannot be read: a SHA256 fingerprint has 43 characters after the colon"
        );
    }

    #[test]
    fn a_key_whose_type_and_content_disagree_is_refused() {
        let (_, base64) = ED.split_once(' ').unwrap();
        assert!(HostKey::new("ssh-rsa", base64).is_none());
    }

    #[test]
    fn a_revoked_key_and_an_authority_accept_no_key_themselves() {
        assert!(!HostPin::Revoked(key()).accepts(&key()));
        assert!(!HostPin::Authority(key()).accepts(&key()));
    }
}
