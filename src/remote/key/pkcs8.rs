//! A key in PKCS#8: which kind it is, and an ed25519 one in OpenSSH's own form.
//!
//! It refuses to know how the text was pasted.

use ring::signature::{Ed25519KeyPair, KeyPair};
use zeroize::Zeroizing;

use super::der;

const INTEGER: u8 = 0x02;
const OCTETS: u8 = 0x04;
const OID: u8 = 0x06;
const SEQUENCE: u8 = 0x30;

/// What a key in PKCS#8 is.
pub enum Kind {
    /// RSA or ECDSA, which OpenSSH reads in this form.
    AsItIs,
    /// The secret half of an ed25519 key.
    Ed25519(Zeroizing<[u8; 32]>),
    /// Something that is no key for SSH.
    Other(&'static str),
}

/// Reads `PrivateKeyInfo` of RFC 5958; RFC 8410 says how an ed25519 key lies in it.
pub fn read(bytes: &[u8]) -> Option<Kind> {
    let (_version, rest) = der::next(der::whole(bytes)?, INTEGER)?;
    let (algorithm, rest) = der::next(rest, SEQUENCE)?;
    let (key, _attributes) = der::next(rest, OCTETS)?;
    let (oid, _parameters) = der::next(algorithm, OID)?;
    Some(match oid {
        [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1] | [0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1] => {
            Kind::AsItIs
        }
        [0x2b, 0x65, 0x70] => {
            let (seed, _) = der::next(key, OCTETS)?;
            Kind::Ed25519(Zeroizing::new(seed.try_into().ok()?))
        }
        [0x2b, 0x65, 0x71] => Kind::Other("an ed448 key"),
        [0x2b, 0x65, 0x6e | 0x6f] => Kind::Other("a key for key agreement (X25519, X448)"),
        [0x2a, 0x86, 0x48, 0xce, 0x38, 4, 1] => Kind::Other("a DSA key"),
        _ => Kind::Other("a key of a kind that SSH does not know"),
    })
}

/// The key in the form of `PROTOCOL.key`, not locked.
pub fn openssh(seed: &[u8; 32]) -> Option<Zeroizing<Vec<u8>>> {
    const KIND: &[u8] = b"ssh-ed25519";
    let pair = Ed25519KeyPair::from_seed_unchecked(seed).ok()?;
    let public = pair.public_key().as_ref();
    let mut secret = Zeroizing::new(seed.to_vec());
    secret.extend_from_slice(public);
    let mut shown = Vec::new();
    put(&mut shown, KIND);
    put(&mut shown, public);
    // Two equal numbers, by which a wrong passphrase is noticed; there is none.
    let mut hidden = Zeroizing::new(vec![0; 8]);
    for part in [KIND, public, &secret, b""] {
        put(&mut hidden, part);
    }
    for pad in 1..=u8::MAX {
        if hidden.len().is_multiple_of(8) {
            break;
        }
        hidden.push(pad);
    }
    let mut whole = Zeroizing::new(b"openssh-key-v1\0".to_vec());
    for part in [&b"none"[..], b"none", b""] {
        put(&mut whole, part);
    }
    whole.extend(1_u32.to_be_bytes());
    put(&mut whole, &shown);
    put(&mut whole, &hidden);
    Some(whole)
}

fn put(to: &mut Vec<u8>, part: &[u8]) {
    to.extend(u32::try_from(part.len()).unwrap_or(0).to_be_bytes());
    to.extend(part);
}
