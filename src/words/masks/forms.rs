//! The notations that no view undoes: base64 and hex, of a secret that stands in something longer.
//!
//! It refuses to know where a text comes from.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use std::fmt::Write as _;

/// A shorter piece of base64 or hex is as likely a word.
const SHORTEST: usize = 6;

/// The secret in hex: in a row, and as programs part the bytes.
#[must_use]
pub fn hex(secret: &[u8]) -> Vec<String> {
    let digits = |before: &str| {
        secret.iter().fold(String::new(), |mut all, byte| {
            let _ = write!(all, "{before}{byte:02x}");
            all
        })
    };
    let parted = |sign: &str| digits(sign).split_off(sign.len());
    let decimal = |sign: &str| {
        let all: Vec<_> = secret.iter().map(ToString::to_string).collect();
        all.join(sign)
    };
    let forms = vec![
        digits(""),
        parted(" "),
        parted(":"),
        parted(", 0x"),
        decimal(" "),
        decimal(", "),
        decimal(","),
    ];
    forms
        .into_iter()
        .filter(|f| f.len() >= 2 * SHORTEST)
        .collect()
}

/// What of a secret's base64 is the same whatever stands before and behind it, in each of the
/// three ways that it may fall on the groups of three bytes, in both alphabets.
#[must_use]
pub fn base64(secret: &[u8]) -> Vec<String> {
    let mut forms = Vec::new();
    for shift in 0..3 {
        let shifted = [&[0; 2][..shift], secret].concat();
        let first = (shift * 8).div_ceil(6);
        let last = shifted.len() * 8 / 6;
        for engine in [STANDARD_NO_PAD, URL_SAFE_NO_PAD] {
            let form = engine.encode(&shifted)[first..last].to_owned();
            if form.len() >= SHORTEST && !forms.contains(&form) {
                forms.push(form);
            }
        }
    }
    forms
}

/// Says whether a sign may belong to base64, padding included.
#[must_use]
pub fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_' | b'=')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_found_in_the_base64_of_whatever_holds_it() {
        for before in ["", "a", "ab", "abc", "user:"] {
            for after in ["", "z", "zz", "zzz"] {
                let whole = STANDARD_NO_PAD.encode(format!("{before}hunt+er?2>>{after}"));
                let found = base64(b"hunt+er?2>>")
                    .into_iter()
                    .any(|f| whole.contains(&f));
                assert!(found, "{before} {after}");
            }
        }
    }
}
