//! File names as text of one line: reversible, whatever bytes they are made of.
//!
//! It refuses to know what a name stands for.

use std::cmp::Ordering;
use std::ffi::OsString;
use std::fmt::Write;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

/// Writes bytes as text: a backslash as two, control characters and bytes that are not UTF-8 as
/// `\xNN` each.
#[must_use]
pub fn escape(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for char in chunk.valid().chars() {
            match char {
                '\\' => text.push_str(r"\\"),
                c if c.is_control() => numbers(&mut text, c.encode_utf8(&mut [0; 4]).as_bytes()),
                c => text.push(c),
            }
        }
        numbers(&mut text, chunk.invalid());
    }
    text
}

fn numbers(text: &mut String, bytes: &[u8]) {
    for byte in bytes {
        // Writing to a string cannot fail.
        let _ = write!(text, r"\x{byte:02x}");
    }
}

/// Reads back what [`escape`] wrote; none if it cannot have written that.
#[must_use]
pub fn unescape(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let (byte, taken) = match first {
            b'\\' => escaped(after)?,
            plain => (plain, 0),
        };
        bytes.push(byte);
        rest = after.get(taken..)?;
    }
    Some(bytes)
}

/// The byte behind a backslash and how many bytes it took to say it.
fn escaped(after: &[u8]) -> Option<(u8, usize)> {
    match after {
        [b'\\', ..] => Some((b'\\', 1)),
        [b'x', high, low, ..] => {
            let digit = |b: u8| char::from(b).to_digit(16);
            let value = digit(*high)? * 16 + digit(*low)?;
            Some((u8::try_from(value).ok()?, 3))
        }
        _ => None,
    }
}

/// The path that an escaped text stands for; none if it cannot be one.
#[must_use]
pub fn to_path(text: &str) -> Option<PathBuf> {
    unescape(text).map(|bytes| PathBuf::from(OsString::from_vec(bytes)))
}

/// Orders paths as a walk comes by them: a directory, then all that is in it, then its neighbours, by
/// the bytes of their names.
#[must_use]
pub fn order(one: &str, other: &str) -> Ordering {
    if one == "." || other == "." {
        return (one != ".").cmp(&(other != "."));
    }
    // No name has a byte as small as the slash counts here.
    let weighed = |bytes: &[u8], more: &[u8]| {
        let weigh = |byte: &u8| if *byte == b'/' { 0 } else { *byte };
        bytes.iter().map(weigh).cmp(more.iter().map(weigh))
    };
    if one.contains('\\') || other.contains('\\') {
        let raw = |path: &str| unescape(path).unwrap_or_default();
        return weighed(&raw(one), &raw(other));
    }
    weighed(one.as_bytes(), other.as_bytes())
}

/// The directory that an entry lies in and its last name: `a/b/c` is `c` in `a/b`, `a` is in `.`.
#[must_use]
pub fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or((".", path))
}

/// The path of a name in a directory; both may be `.`.
#[must_use]
pub fn join(dir: &str, name: &str) -> String {
    if dir == "." {
        name.to_owned()
    } else {
        format!("{dir}/{name}")
    }
}

/// Says whether `path` is `dir` or lies below it.
#[must_use]
pub fn is_within(path: &str, dir: &str) -> bool {
    dir == "."
        || path
            .strip_prefix(dir)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    #[test]
    fn every_name_comes_back_as_it_was() {
        let names: [&[u8]; 6] = [
            b"plain",
            b"\xff\xfe",
            br"back\slash",
            br"\xff",
            "grüße\n x".as_bytes(),
            b"half \xc3",
        ];
        for name in names {
            assert_eq!(unescape(&escape(name)).unwrap(), name);
        }
        assert_eq!(escape(b"a\xff\\b\n"), r"a\xff\\b\x0a");
        let every: Vec<u8> = (0..=255).collect();
        assert_eq!(unescape(&escape(&every)).unwrap(), every);
    }

    #[test]
    fn what_was_never_written_is_not_read() {
        for text in [r"\", r"\x", r"\xg0", r"\n", r"\x0"] {
            assert_eq!(unescape(text), None, "{text}");
        }
    }

    #[test]
    fn paths_are_in_the_order_of_a_walk() {
        let walked = [
            ".", r"\x01", "a", "a/b", "a/b/c", "a/bc", "a b", "a-b", "a.b", "ab", r"b\x0a", "b/x",
            "ü", r"\xff",
        ];
        let mut paths: Vec<&str> = walked.iter().rev().copied().collect();
        paths.sort_by(|a, b| order(a, b));
        assert_eq!(paths[..3], [".", r"\x01", "a"]);
        assert_eq!(
            paths[3..10],
            ["a/b", "a/b/c", "a/bc", "a b", "a-b", "a.b", "ab"]
        );
        assert_eq!(paths[10..], ["b/x", r"b\x0a", "ü", r"\xff"]);
    }

    #[test]
    fn a_neighbour_with_the_same_beginning_is_not_within() {
        assert!(is_within("data/x", "data"));
        assert!(is_within("data", "data"));
        assert!(!is_within("database", "data"));
        assert!(is_within("anything", "."));
    }
}
