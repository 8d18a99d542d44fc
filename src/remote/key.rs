//! A private key as people paste it: made whole again, or refused with the reason.
//!
//! It refuses to know how the key is used. Nothing here touches a disk or a network.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::hostkey::HostKey;
use crate::event::Failure;
use crate::secret::Secret;

/// A private key's text, as `ssh` wants it.
#[derive(Debug, Clone)]
pub struct PrivateKey {
    text: Secret,
    lock: Lock,
    public: Option<HostKey>,
}

/// Whether a key needs a passphrase.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lock {
    /// It can be used as it is.
    Open,
    /// It is encrypted.
    Passphrase,
}

impl PrivateKey {
    /// Reads a pasted key: restores line ends and the last newline, refuses what is no private key.
    pub fn read(pasted: &Secret) -> Result<Self, Failure> {
        let text = normalised(pasted.expose());
        refuse_other_things(&text)?;
        let (kind, body) = armour(&text)?;
        if kind == "OPENSSH PRIVATE KEY" {
            return Self::openssh(&text, &body);
        }
        let locked = kind.starts_with("ENCRYPTED") || text.contains("Proc-Type: 4,ENCRYPTED");
        Ok(Self {
            lock: if locked { Lock::Passphrase } else { Lock::Open },
            text: Secret::new(text),
            public: None,
        })
    }

    fn openssh(text: &str, body: &str) -> Result<Self, Failure> {
        let blob = STANDARD.decode(body).map_err(|e| garbled().because(e))?;
        let (cipher, public) = openssh_parts(&blob).ok_or_else(garbled)?;
        Ok(Self {
            lock: if cipher == "none" {
                Lock::Open
            } else {
                Lock::Passphrase
            },
            text: Secret::new(text),
            public: HostKey::from_blob(public),
        })
    }

    /// The whole text with its last newline.
    #[must_use]
    pub fn text(&self) -> &Secret {
        &self.text
    }

    /// Says whether it is encrypted.
    #[must_use]
    pub fn lock(&self) -> Lock {
        self.lock
    }

    /// The public half, where the format shows it without being opened.
    #[must_use]
    pub fn public(&self) -> Option<&HostKey> {
        self.public.as_ref()
    }
}

fn normalised(pasted: &str) -> String {
    let text = pasted.trim_start_matches('\u{feff}').replace("\r\n", "\n");
    let text = text.replace('\r', "\n");
    let text = text.trim().trim_matches(['"', '\'']).trim();
    let text = if text.contains('\n') {
        text.to_owned()
    } else {
        text.replace("\\r", "").replace("\\n", "\n")
    };
    let lines = text.trim().lines().map(str::trim).collect::<Vec<_>>();
    match lines[..] {
        [line] => unfolded(line),
        _ => lines.join("\n") + "\n",
    }
}

/// A key whose newlines became spaces gets them back.
fn unfolded(line: &str) -> String {
    let parts = line
        .strip_prefix("-----BEGIN ")
        .and_then(|rest| rest.split_once("-----"))
        .and_then(|(kind, rest)| Some((kind, rest.split_once("-----END ")?.0)));
    let Some((kind, body)) = parts else {
        return format!("{line}\n");
    };
    let body: Vec<char> = body.chars().filter(|c| !c.is_whitespace()).collect();
    let mut text = format!("-----BEGIN {kind}-----\n");
    for row in body.chunks(64) {
        text.extend(row);
        text.push('\n');
    }
    text + &format!("-----END {kind}-----\n")
}

fn refuse_other_things(text: &str) -> Result<(), Failure> {
    let what = if text.trim().is_empty() {
        Failure::new("the private key is empty")
    } else if is_public(text) {
        Failure::new("that is a public key, not a private one")
            .hint("give the file without `.pub`, such as `~/.ssh/id_ed25519`, whole")
    } else if text.starts_with("PuTTY-User-Key-File") {
        Failure::new("that is a PuTTY key, which OpenSSH does not read")
            .hint("convert it: `puttygen key.ppk -O private-openssh-new -o key`")
    } else if text.starts_with("LS0tLS1CRUdJTi") {
        Failure::new("that key is wrapped in base64 once more")
            .hint("give the decoded text, which begins with `-----BEGIN`")
    } else {
        return Ok(());
    };
    Err(what)
}

fn is_public(text: &str) -> bool {
    let starts = [
        "ssh-",
        "ecdsa-sha2-",
        "sk-ssh-",
        "sk-ecdsa-",
        "---- BEGIN SSH2 PUBLIC",
    ];
    starts.iter().any(|s| text.starts_with(s)) || text.starts_with("-----BEGIN PUBLIC KEY")
}

/// The kind named in a key's first line, and its body in one piece.
fn armour(text: &str) -> Result<(&str, String), Failure> {
    let kind = text
        .lines()
        .next()
        .and_then(|first| first.strip_prefix("-----BEGIN ")?.strip_suffix("-----"))
        .ok_or_else(not_a_key)?;
    if !kind.ends_with("PRIVATE KEY") {
        return Err(Failure::new(format!("that is a `{kind}`, not a private key")).hint(WHOLE));
    }
    let Some(end) = text.find(&format!("-----END {kind}-----")) else {
        return Err(
            Failure::new("the private key is cut off: its last line is missing").hint(WHOLE),
        );
    };
    let body = text[..end].lines().skip(1).collect();
    Ok((kind, body))
}

const WHOLE: &str =
    "give the whole file, from `-----BEGIN … PRIVATE KEY-----` to `-----END … PRIVATE KEY-----`";

fn not_a_key() -> Failure {
    Failure::new("that is not a private key: it does not begin with `-----BEGIN`").hint(WHOLE)
}

fn garbled() -> Failure {
    Failure::new("the private key is damaged: its content cannot be decoded").hint(WHOLE)
}

/// The cipher's name and the public key's blob of an OpenSSH private key.
fn openssh_parts(blob: &[u8]) -> Option<(&str, &[u8])> {
    let rest = blob.strip_prefix(b"openssh-key-v1\0")?;
    let (cipher, rest) = field(rest)?;
    let (_kdf, rest) = field(rest)?;
    let (_kdf_options, rest) = field(rest)?;
    let (public, _) = field(rest.get(4..)?)?;
    Some((std::str::from_utf8(cipher).ok()?, public))
}

/// One length-prefixed field of the SSH wire format, and what follows it.
pub(super) fn field(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// A structurally whole OpenSSH key that opens nothing.
    fn sample(cipher: &str) -> String {
        let mut blob = b"openssh-key-v1\0".to_vec();
        let mut public = Vec::new();
        for part in [b"ssh-ed25519".as_slice(), &[7; 32]] {
            push(&mut public, part);
        }
        for part in [cipher.as_bytes(), b"none", b""] {
            push(&mut blob, part);
        }
        blob.extend(1u32.to_be_bytes());
        push(&mut blob, &public);
        push(&mut blob, &[9; 64]);
        let body = STANDARD.encode(blob);
        let rows: Vec<_> = body
            .as_bytes()
            .chunks(70)
            .map(String::from_utf8_lossy)
            .collect();
        format!(
            "-----BEGIN OPENSSH PRIVATE KEY-----\n{}\n-----END OPENSSH PRIVATE KEY-----\n",
            rows.join("\n")
        )
    }

    fn push(to: &mut Vec<u8>, part: &[u8]) {
        to.extend(u32::try_from(part.len()).unwrap().to_be_bytes());
        to.extend(part);
    }

    #[track_caller]
    fn read(text: &str) -> Result<PrivateKey, Failure> {
        PrivateKey::read(&Secret::new(text))
    }

    #[track_caller]
    fn refusal(text: &str) -> String {
        read(text).unwrap_err().to_string()
    }

    #[test]
    fn a_key_survives_every_way_of_being_pasted() {
        let whole = sample("none");
        let pastes = [
            whole.clone(),
            whole.trim_end().to_owned(),
            whole.replace('\n', "\r\n"),
            whole.replace('\n', "\\n"),
            format!("\"{}\"", whole.replace('\n', "\\n")),
            format!("\u{feff}\n\n  {}\n\n", whole.replace('\n', "\n  ")),
        ];
        for paste in pastes {
            assert_eq!(read(&paste).unwrap().text().expose(), whole, "{paste:?}");
        }
        let folded = read(&whole.replace('\n', " ")).unwrap();
        assert_eq!(folded.public(), read(&whole).unwrap().public());
    }

    #[test]
    fn an_encrypted_key_is_known_as_such_before_anything_is_contacted() {
        assert_eq!(read(&sample("none")).unwrap().lock(), Lock::Open);
        assert_eq!(
            read(&sample("aes256-ctr")).unwrap().lock(),
            Lock::Passphrase
        );
        let pem = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nAAAA\n-----END RSA PRIVATE KEY-----";
        assert_eq!(read(pem).unwrap().lock(), Lock::Passphrase);
        let pkcs8 =
            "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----";
        assert_eq!(read(pkcs8).unwrap().lock(), Lock::Passphrase);
    }

    #[test]
    fn what_is_no_private_key_is_called_by_its_name() {
        assert_eq!(refusal(" \n"), "the private key is empty");
        assert_eq!(
            refusal("ssh-ed25519 AAAAC3 me@here"),
            "that is a public key, not a private one"
        );
        assert_eq!(
            refusal("PuTTY-User-Key-File-3: ssh-ed25519\n"),
            "that is a PuTTY key, which OpenSSH does not read"
        );
        assert_eq!(
            refusal("hunter2"),
            "that is not a private key: it does not begin with `-----BEGIN`"
        );
        assert_eq!(
            refusal("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"),
            "that is a `CERTIFICATE`, not a private key"
        );
        assert_eq!(
            refusal("-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA"),
            "the private key is cut off: its last line is missing"
        );
        let damaged = sample("none").replacen("b3Bl", "b3B?", 1);
        assert!(refusal(&damaged).starts_with("the private key is damaged"));
    }

    #[test]
    fn a_refusal_never_shows_the_text() {
        let shown = format!("{:?}", read("hunter2").unwrap_err());
        assert!(!shown.contains("hunter2"));
        assert!(!format!("{:?}", read(&sample("none"))).contains("b3Bl"));
    }
}
