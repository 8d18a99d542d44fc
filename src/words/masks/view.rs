//! A text without what a notation puts in, each byte with the place that it came from.
//!
//! Programs print a value with line breaks, escapes, quotes or entities in it. Both sides of a
//! comparison are seen the same way, so a value is found however it was written. It refuses to know
//! what is looked for.

use std::ops::Range;

/// Bytes, and where each of them stands in the text.
#[derive(Debug, Default)]
pub struct View {
    text: Vec<u8>,
    places: Vec<(usize, usize)>,
}

/// The longest entity of HTML that stands for a sign, `&#x0027;`.
const ENTITY: usize = 8;

impl View {
    /// The text in one line, as if nobody had wrapped it.
    #[must_use]
    pub fn joined(text: &str) -> Self {
        let mut view = Self::with_room(text);
        let mut at = 0;
        while at < text.len() {
            match text.as_bytes()[at] {
                b'\n' => at = view.join(text, at),
                byte => {
                    view.push(byte, at, at + 1);
                    at += 1;
                }
            }
        }
        view
    }

    /// The text without line breaks, quotes and escapes: of JSON, shells, URLs, HTML and languages,
    /// one inside the other if need be.
    #[must_use]
    pub fn plain(text: &str) -> Self {
        let mut view = Self::with_room(text);
        let mut at = 0;
        while at < text.len() {
            match text.as_bytes()[at] {
                b'\n' => at = view.join(text, at),
                b'\\' => at = view.escape(text, at),
                byte => {
                    view.take(byte, at, at + 1);
                    at += 1;
                }
            }
        }
        view
    }

    /// What there is to compare.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.text
    }

    /// Where in the text a found range stands.
    #[must_use]
    pub fn place(&self, found: Range<usize>) -> Range<usize> {
        let (from, _) = self.places[found.start];
        let (_, to) = self.places[found.end - 1];
        from..to
    }

    fn with_room(text: &str) -> Self {
        Self {
            text: Vec::with_capacity(text.len()),
            places: Vec::with_capacity(text.len()),
        }
    }

    fn push(&mut self, byte: u8, from: usize, to: usize) {
        self.text.push(byte);
        self.places.push((from, to));
    }

    /// Leaves out a line break with the white space around it; where the text goes on.
    fn join(&mut self, text: &str, at: usize) -> usize {
        while self.text.last() == Some(&b' ') {
            self.text.pop();
            self.places.pop();
        }
        let rest = &text[at..];
        at + rest.len() - rest.trim_start().len()
    }

    /// Takes what a backslash and what follows stand for; where the text goes on.
    fn escape(&mut self, text: &str, at: usize) -> usize {
        let rest = &text[at + 1..];
        let (decoded, length) = decoded(rest).unwrap_or_default();
        let end = at + 1 + length;
        let mut bytes = [0; 4];
        match decoded {
            Some(Decoded::Char(c)) => {
                for byte in c.encode_utf8(&mut bytes).bytes() {
                    self.take(byte, at, end);
                }
            }
            Some(Decoded::Byte(byte)) => self.take(byte, at, end),
            None => {}
        }
        end
    }

    fn take(&mut self, byte: u8, from: usize, to: usize) {
        match byte {
            b'"' | b'\'' | b'`' | b'\\' => {}
            b'$' if self.text.last() == Some(&b'$') => {}
            b'+' => self.push(b' ', from, to),
            b';' => {
                self.push(byte, from, to);
                self.entity();
            }
            byte => {
                self.push(byte, from, to);
                self.percent();
            }
        }
    }

    /// Puts the sign in the place of its `%2F`.
    fn percent(&mut self) {
        let Some((rest, [b'%', high, low])) = self.text.split_last_chunk::<3>() else {
            return;
        };
        let (Some(high), Some(low)) = (hex(*high), hex(*low)) else {
            return;
        };
        self.instead(rest.len(), high * 16 + low);
    }

    /// Puts the sign in the place of its `&amp;` or `&#38;`.
    fn entity(&mut self) {
        let window = self.text.len().saturating_sub(ENTITY);
        let Some(and) = self.text[window..].iter().rposition(|b| *b == b'&') else {
            return;
        };
        let start = window + and;
        let name = &self.text[start + 1..self.text.len() - 1];
        let byte = match name {
            b"amp" => Some(b'&'),
            b"lt" => Some(b'<'),
            b"gt" => Some(b'>'),
            b"quot" | b"apos" => Some(b'"'),
            b"nbsp" => Some(b' '),
            [b'#', b'x' | b'X', digits @ ..] => number(digits, 16),
            [b'#', digits @ ..] => number(digits, 10),
            _ => None,
        };
        if let Some(byte) = byte {
            self.instead(start, byte);
        }
    }

    fn instead(&mut self, start: usize, byte: u8) {
        let (from, _) = self.places[start];
        let to = self.places.last().map_or(from, |place| place.1);
        self.text.truncate(start);
        self.places.truncate(start);
        self.take(byte, from, to);
    }
}

enum Decoded {
    Char(char),
    Byte(u8),
}

/// What stands behind a backslash, and how long it is; none where the next sign means itself.
fn decoded(rest: &str) -> Option<(Option<Decoded>, usize)> {
    let digits = |from: usize, to: usize, base| u32::from_str_radix(rest.get(from..to)?, base).ok();
    let char_of = |number| char::from_u32(number).map(Decoded::Char);
    let byte_of = |number| u8::try_from(number).ok().map(Decoded::Byte);
    match rest.bytes().next()? {
        // A line break inside a value, written as one line.
        b'n' | b'r' | b't' => Some((None, 1)),
        b'x' => Some((byte_of(digits(1, 3, 16)?), 3)),
        b'u' if rest[1..].starts_with('{') => {
            let end = rest.find('}').filter(|end| *end <= 8)?;
            Some((char_of(digits(2, end, 16)?), end + 1))
        }
        b'u' => Some((char_of(digits(1, 5, 16)?), 5)),
        b'U' => Some((char_of(digits(1, 9, 16)?), 9)),
        b'0'..=b'3' => Some((byte_of(digits(0, 3, 8)?), 3)),
        _ => None,
    }
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit)
        .to_digit(16)
        .and_then(|n| u8::try_from(n).ok())
}

fn number(digits: &[u8], base: u32) -> Option<u8> {
    u8::from_str_radix(std::str::from_utf8(digits).ok()?, base).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(text: &str) -> String {
        String::from_utf8_lossy(View::plain(text).bytes()).into_owned()
    }

    #[test]
    fn every_notation_of_a_text_looks_alike() {
        let secret = plain("p@ss w/o\"&<é");
        for written in [
            r#"p@ss w/o\"&<é"#,
            r#"p@ss w\/o\\\"\\u0026\u003c\u00e9"#,
            "p%40ss+w%2fo%22%26%3C%C3%A9",
            "p%2540ss%2520w%252Fo%2526%253c\\xc3\\xa9",
            "p&#64;ss&nbsp;w&#x2F;o&quot;&amp;&lt;é",
            "p@ss w/o'\"'\"'&<\\303\\251",
            "p@ss w/\n     o\"&<é",
        ] {
            assert_eq!(plain(written), secret, "{written}");
        }
    }

    #[test]
    fn what_was_found_is_told_by_its_place_in_the_text() {
        let text = "x \\u0061b%63\n  d y";
        let view = View::plain(text);
        let at = view.bytes().windows(4).position(|w| w == b"abcd");
        let at = at.unwrap_or_default();
        assert_eq!(&text[view.place(at..at + 4)], "\\u0061b%63\n  d");
    }
}
