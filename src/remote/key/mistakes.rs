//! What people paste where a private key belongs, each called by its name and never shown.
//!
//! It refuses to know how a key is read.

use crate::words::event::Failure;

const WHOLE: &str = "store the key file as it is, `-----BEGIN` and `-----END` lines included";
const OTHER: &str =
    "make one for this purpose: `ssh-keygen -t ed25519 -N '' -f deploy_key`, and give `deploy_key`";

/// How a text begins, what that is, and what to do.
const BEGINNINGS: [(&[&str], &str, &str); 6] = [
    (
        &[
            "ssh-",
            "ecdsa-sha2-",
            "sk-ssh-",
            "sk-ecdsa-",
            "---- BEGIN SSH2 PUBLIC",
            "-----BEGIN PUBLIC KEY",
            "-----BEGIN RSA PUBLIC KEY",
        ],
        "it is a public key",
        "give the private half, the file without `.pub`",
    ),
    (
        &["PuTTY-User-Key-File"],
        "it is a PuTTY key, which OpenSSH does not read",
        "convert it: `puttygen key.ppk -O private-openssh -o key`, and give `key`",
    ),
    (
        &["---- BEGIN SSH2 ENCRYPTED PRIVATE KEY"],
        "it is a key of SSH Communications' program, which OpenSSH does not read as it is",
        "convert it: `ssh-keygen -i -f key > converted`, and give that",
    ),
    (
        &["SSH PRIVATE KEY FILE FORMAT 1.1"],
        "it is a key for SSH 1, which nothing speaks any more",
        OTHER,
    ),
    (
        &["-----BEGIN PGP"],
        "it is a PGP key, which opens no server",
        OTHER,
    ),
    (
        &["-----BEGIN CERTIFICATE"],
        "it is a certificate, not a private key",
        OTHER,
    ),
];

/// What a text without a private key in it is.
pub fn of(text: &str) -> Failure {
    let text = text.trim();
    let begins = |with: &[&str]| with.iter().any(|word| text.starts_with(word));
    if let Some((_, what, hint)) = BEGINNINGS.iter().find(|(with, ..)| begins(with)) {
        return Failure::new(*what).hint(*hint);
    }
    let (what, hint) = match () {
        () if text.is_empty() => ("the private key is empty", WHOLE),
        () if text.contains("PRIVATE KEY-----") => ("the private key is cut off", WHOLE),
        () if is_a_path(text) => (
            "it is the path of a file, not a key",
            "give what the file holds",
        ),
        () => ("it is not a private key in OpenSSH or PEM text", WHOLE),
    };
    Failure::new(what).hint(hint)
}

fn is_a_path(text: &str) -> bool {
    let begins = ["/", "~/", "./", "../"].iter().any(|w| text.starts_with(w));
    begins && text.len() < 256 && !text.contains(char::is_whitespace)
}

/// The failure of a private key whose content is not what its lines say.
pub fn damaged() -> Failure {
    Failure::new("the private key is damaged between its first and last line")
        .hint("store the key file again, as it is")
}

/// The failure of a private key that no server lets in.
pub fn unsupported(what: &str) -> Failure {
    Failure::new(format!("it is {what}, which cannot be used here")).hint(OTHER)
}

/// Refuses the kinds of keys that are useless without their device, or to servers of today.
pub fn refuse_type(kind: &str) -> Result<(), Failure> {
    let known = kind == "ssh-ed25519" || kind == "ssh-rsa" || kind.starts_with("ecdsa-sha2-");
    match kind {
        _ if known => Ok(()),
        "ssh-dss" => Err(unsupported("a DSA key")),
        _ if kind.starts_with("sk-") => Err(unsupported(
            "the handle of a security key (FIDO), which somebody has to touch",
        )),
        _ => Err(unsupported("a key of a kind that few servers know")),
    }
}
