//! A private key as people paste it: made whole again, or refused with the reason.
//!
//! Every form that some OpenSSH reads is read, each other one is named. It refuses to know how the
//! key is used. Nothing here touches a disk or a network.

mod der;
mod mistakes;
mod paste;
mod pkcs8;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::hostkey::HostKey;
use crate::words::event::Failure;
use crate::words::secret::Secret;

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
    /// Reads a pasted key: restores what pasting took from it, refuses what is no private key.
    pub fn read(pasted: &Secret) -> Result<Self, Failure> {
        let text = Zeroizing::new(paste::repaired(pasted.expose()));
        let block = paste::block(&text).ok_or_else(|| mistakes::of(&text))?;
        let locked = block.is_locked();
        let content = Zeroizing::new(decoded(&block.content)?);
        match block.label {
            "OPENSSH PRIVATE KEY" => Self::openssh(&block, &content),
            "PRIVATE KEY" => Self::pkcs8(&block, &content),
            "ENCRYPTED PRIVATE KEY" => Self::pem(&block, &content, Lock::Passphrase),
            "RSA PRIVATE KEY" | "EC PRIVATE KEY" if locked => {
                Ok(Self::of(&block, Lock::Passphrase, None))
            }
            "RSA PRIVATE KEY" | "EC PRIVATE KEY" => Self::pem(&block, &content, Lock::Open),
            "DSA PRIVATE KEY" => Err(mistakes::unsupported("a DSA key")),
            other => Err(mistakes::unsupported(&format!("a `{other}`"))),
        }
    }

    fn of(block: &paste::Block, lock: Lock, public: Option<HostKey>) -> Self {
        Self {
            text: Secret::new(block.text()),
            lock,
            public,
        }
    }

    fn openssh(block: &paste::Block, content: &[u8]) -> Result<Self, Failure> {
        let (cipher, public) = openssh_parts(content).ok_or_else(mistakes::damaged)?;
        if let Some(kind) = field(public).and_then(|(kind, _)| std::str::from_utf8(kind).ok()) {
            mistakes::refuse_type(kind)?;
        }
        let lock = if cipher == "none" {
            Lock::Open
        } else {
            Lock::Passphrase
        };
        Ok(Self::of(block, lock, HostKey::from_blob(public)))
    }

    fn pem(block: &paste::Block, content: &[u8], lock: Lock) -> Result<Self, Failure> {
        der::whole(content).ok_or_else(mistakes::damaged)?;
        Ok(Self::of(block, lock, None))
    }

    /// OpenSSH before 9.6 reads no ed25519 key in this form, so it is written in OpenSSH's own.
    fn pkcs8(block: &paste::Block, content: &[u8]) -> Result<Self, Failure> {
        match pkcs8::read(content).ok_or_else(mistakes::damaged)? {
            pkcs8::Kind::AsItIs => Ok(Self::of(block, Lock::Open, None)),
            pkcs8::Kind::Other(what) => Err(mistakes::unsupported(what)),
            pkcs8::Kind::Ed25519(seed) => {
                let written = pkcs8::openssh(&seed).ok_or_else(mistakes::damaged)?;
                let public = openssh_parts(&written).and_then(|(_, p)| HostKey::from_blob(p));
                let block = paste::Block::of("OPENSSH PRIVATE KEY", STANDARD.encode(&*written));
                Ok(Self::of(&block, Lock::Open, public))
            }
        }
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

fn decoded(content: &str) -> Result<Vec<u8>, Failure> {
    STANDARD.decode(content).map_err(|_| mistakes::damaged())
}

/// The cipher's name and the public key's blob of an OpenSSH private key, which must be whole.
fn openssh_parts(blob: &[u8]) -> Option<(&str, &[u8])> {
    let rest = blob.strip_prefix(b"openssh-key-v1\0")?;
    let (cipher, rest) = field(rest)?;
    let (_kdf, rest) = field(rest)?;
    let (_kdf_options, rest) = field(rest)?;
    let (public, rest) = field(rest.get(4..)?)?;
    field(rest)?;
    Some((std::str::from_utf8(cipher).ok()?, public))
}

/// One length-prefixed field of the SSH wire format, and what follows it.
pub(super) fn field(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)
}

#[cfg(test)]
mod tests;
