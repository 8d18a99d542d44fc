//! Just enough of DER to find a key's kind: a tag, a length and what they hold.
//!
//! It refuses to know any kind of key.

/// A tag's content and what follows it.
pub fn next(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (&found, rest) = bytes.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81..=0x84 => {
            let (length, rest) = rest.split_at_checked(usize::from(first & 0x0f))?;
            let length = length.iter().fold(0, |sum, b| (sum << 8) | usize::from(*b));
            (length, rest)
        }
        _ => return None,
    };
    (found == tag).then(|| rest.split_at_checked(length))?
}

/// The content of one sequence that the bytes are, and nothing behind it.
pub fn whole(bytes: &[u8]) -> Option<&[u8]> {
    let (content, rest) = next(bytes, 0x30)?;
    rest.is_empty().then_some(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shorter_or_longer_than_it_says_is_not_whole() {
        assert_eq!(whole(&[0x30, 2, 5, 0]), Some(&[5, 0][..]));
        assert_eq!(whole(&[0x30, 0x81, 1, 9]), Some(&[9][..]));
        for broken in [
            &[][..],
            &[0x30],
            &[0x30, 3, 5, 0],
            &[0x30, 1, 5, 0],
            &[0x31, 0],
            &[0x30, 0x80],
            &[0x30, 0x84, 255, 255, 255, 255, 1],
        ] {
            assert_eq!(whole(broken), None, "{broken:?}");
        }
    }
}
