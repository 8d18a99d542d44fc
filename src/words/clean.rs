//! Text from elsewhere made fit to be shown: no control characters, no colours, no invisible letters.
//!
//! It refuses to know any markup; each output escapes its own on top of this.

use std::iter::Peekable;
use std::str::Chars;

/// Stands where something was cut off.
pub const CUT: char = '…';
/// What stands around the number of bytes that are missing.
const BEFORE: &str = " (";
/// What stands behind it.
const BEHIND: &str = " more bytes)";

/// The lines of a text as they may be shown. What a terminal or the GitHub runner takes for a
/// line break is one, so a carriage return cannot smuggle a line's start in.
#[must_use]
pub fn lines(text: &str) -> Vec<String> {
    let whole = text.strip_suffix('\n').unwrap_or(text);
    let whole = whole.replace("\r\n", "\n");
    whole.split(['\n', '\r']).map(visible).collect()
}

/// The text in one line: breaks and runs of white space become single spaces.
#[must_use]
pub fn one_line(text: &str) -> String {
    let joined = lines(text).join(" ");
    joined.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// At most `limit` characters of a text, the last one an ellipsis where something is missing.
#[must_use]
pub fn clip(text: &str, limit: usize) -> String {
    if text.chars().count() <= limit {
        return text.to_owned();
    }
    let kept: String = text.chars().take(limit.saturating_sub(1)).collect();
    format!("{kept}…")
}

/// The first twelve digits of a digest or image ID: `sha256:0123456789ab` to `0123456789ab`.
#[must_use]
pub fn short(digest: &str) -> String {
    let hex = digest.rsplit(':').next().unwrap_or(digest);
    one_line(hex).chars().take(12).collect()
}

/// A size for people, in powers of ten: `2.0 kB`, `851.3 MB`.
#[must_use]
pub fn size(bytes: u64) -> String {
    let units = ["B", "kB", "MB", "GB", "TB"];
    let (mut whole, mut tenth, mut unit) = (bytes, 0, 0);
    while whole >= 1_000 && unit + 1 < units.len() {
        tenth = whole % 1_000 / 100;
        whole /= 1_000;
        unit += 1;
    }
    match unit {
        0 => format!("{whole} B"),
        _ => format!("{whole}.{tenth} {}", units[unit]),
    }
}

/// At most `most` bytes of a line that a server told, and how much is missing. Masked text alone
/// may be cut: of a secret on the cut, a half would be shown.
#[must_use]
pub fn bounded(line: &str, most: usize) -> String {
    let (line, missing) = uncut(line);
    let kept = &line[..line.floor_char_boundary(most)];
    cut(kept, line.len() - kept.len() + missing)
}

/// A text of which so many bytes are missing.
#[must_use]
pub fn cut(kept: &str, missing: usize) -> String {
    match missing {
        0 => kept.to_owned(),
        n => format!("{kept}{CUT}{BEFORE}{n}{BEHIND}"),
    }
}

/// What is left of a text that was cut before, and how many bytes were missing then.
fn uncut(text: &str) -> (&str, usize) {
    let count = |text: &str| {
        text.strip_suffix(BEHIND)?
            .rsplit_once(BEFORE)?
            .1
            .parse()
            .ok()
    };
    let kept = text.rfind(CUT).map(|at| &text[..at]);
    kept.zip(count(text)).unwrap_or((text, 0))
}

/// The beginning of a text that was not masked yet, with the mark by which masking knows of a cut.
#[must_use]
pub fn beginning(text: &str, characters: usize) -> String {
    match text.char_indices().nth(characters) {
        Some((end, _)) => format!("{}{CUT}", &text[..end]),
        None => text.to_owned(),
    }
}

fn visible(line: &str) -> String {
    let mut shown = String::with_capacity(line.len());
    let mut rest = line.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '\u{1b}' => skip_escape(&mut rest),
            '\u{9b}' if rest.peek().is_some_and(|c| matches!(c, '0'..='?')) => {
                skip_sequence(&mut rest);
            }
            '\t' => shown.push_str("    "),
            c if c.is_control() || is_invisible(c) => {}
            c => shown.push(c),
        }
    }
    shown
}

/// Skips the rest of a terminal's escape sequence: `ESC [ … letter`, `ESC ] … BEL`, `ESC ( B`. A
/// letter behind a bare `ESC` stays: it may be one of a word.
fn skip_escape(rest: &mut Peekable<Chars<'_>>) {
    match rest.next_if(|c| matches!(c, '[' | ']' | '\\' | '7'..='9' | '=' | '>' | ' '..='/')) {
        Some('[') => skip_sequence(rest),
        Some(']') => while rest.next_if(|c| !matches!(c, '\u{7}' | '\u{1b}')).is_some() {},
        Some(' '..='/') => {
            while rest.next_if(|c| matches!(c, ' '..='/')).is_some() {}
            rest.next_if(|c| matches!(c, '0'..='~'));
        }
        _ => {}
    }
}

fn skip_sequence(rest: &mut Peekable<Chars<'_>>) {
    while rest.next_if(|c| matches!(c, ' '..='?')).is_some() {}
    rest.next_if(|c| matches!(c, '@'..='~'));
}

/// Letters without ink: they hide text from a reader, turn it round, or make `::` look unlike
/// `::` to a search while a comparison that follows a culture still takes it for `::`.
fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{ad}'
            | '\u{34f}'
            | '\u{61c}'
            | '\u{115f}'
            | '\u{1160}'
            | '\u{17b4}'
            | '\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}'
            | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}'
            | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_and_control_characters_are_gone() {
        assert_eq!(
            one_line("\u{1b}[31mred\u{1b}[0m\u{7} \u{1b}]0;title\u{7}x"),
            "red x"
        );
        assert_eq!(one_line("a\0b\u{9b}c"), "abc");
    }

    #[test]
    fn a_sequence_of_a_terminal_leaves_none_of_its_letters() {
        assert_eq!(
            one_line("a\u{1b}(B\u{1b}[mb\u{1b}%Gc\u{1b}7d\u{9b}31me"),
            "abcde"
        );
        assert_eq!(
            one_line("\u{1b}]8;;http://x\u{1b}\\link\u{1b}word"),
            "linkword"
        );
    }

    #[test]
    fn what_is_bounded_says_how_much_is_missing() {
        assert_eq!(bounded("äöü", 6), "äöü");
        assert_eq!(bounded("äöüx", 5), "äö… (3 more bytes)");
        assert_eq!(beginning("äöü", 2), "äö…");
    }

    #[test]
    fn a_carriage_return_is_a_line_break() {
        assert_eq!(
            lines("50 %\r::error::x\r\nend\n"),
            ["50 %", "::error::x", "end"]
        );
    }

    #[test]
    fn invisible_letters_are_gone() {
        assert_eq!(one_line("#\u{200b}#\u{feff}[x\u{202e}"), "##[x");
    }

    #[test]
    fn sizes_and_digests_are_short() {
        assert_eq!(
            [0, 999, 2_048, 851_300_000].map(size),
            ["0 B", "999 B", "2.0 kB", "851.3 MB"]
        );
        assert_eq!(short("repo@sha256:0123456789abcdef"), "0123456789ab");
        assert_eq!(clip("äöüß", 3), "äö…");
    }
}
