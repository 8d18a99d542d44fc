//! Finds secrets in a text, in every notation, in one pass for each view of it.
//!
//! It refuses to know what makes a text a secret.

use std::collections::HashMap;
use std::ops::Range;

use aho_corasick::{AhoCorasick, MatchKind};

use super::forms;
use super::view::View;
use crate::words::clean::CUT;
use crate::words::secret::{REDACTED, Secret};

/// A shorter secret is looked for as it is, and in no other notation: it may be a part of any word.
const LOOSE: usize = 6;
/// A plainer form may be a little shorter, for quotes are left out of it.
const PLAIN: usize = 5;
/// How many bytes of notations are looked for; the plain ones of all secrets come first.
const MOST: usize = 512 * 1024;
/// How much of a secret's beginning a line waits for: shorter ones end every other line, and what
/// follows is hidden all the same.
const BEGINNING: usize = 3;
/// How far from its end a text is looked at for the beginning of a secret.
const LONGEST_END: usize = 4 * 1024;
/// The shortest beginning of a secret that is hidden at a cut.
const CUT_OFF: usize = 4;

/// Finds what it was made for.
#[derive(Debug, Default)]
pub struct Search {
    joined: Patterns,
    plain: Patterns,
}

#[derive(Debug, Default)]
struct Patterns {
    all: Vec<Pattern>,
    bytes: usize,
    finder: Option<AhoCorasick>,
    /// Which patterns begin so, in small letters.
    begins: HashMap<[u8; BEGINNING], Vec<usize>>,
}

#[derive(Debug)]
struct Pattern {
    bytes: Vec<u8>,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// In its own letters.
    Exact,
    /// In small and capital letters.
    Loose,
    /// The same, and the signs beside it hold some bits of it too.
    Base64,
}

impl Search {
    /// Looks for these texts, and for the bytes of `wholes` in the notations of bytes.
    #[must_use]
    pub fn of(texts: &[Secret], wholes: &[Secret]) -> Self {
        let mut search = Self::default();
        let texts: Vec<&str> = texts.iter().map(Secret::expose).collect();
        for text in &texts {
            search.as_it_is(text);
        }
        let wholes = wholes.iter().map(Secret::expose);
        for text in texts.into_iter().chain(wholes).filter(|t| is_long(t)) {
            search.as_bytes(text);
        }
        search.joined.build();
        search.plain.build();
        search
    }

    fn as_it_is(&mut self, text: &str) {
        if !is_long(text) {
            return self.joined.add(text.as_bytes(), Kind::Exact);
        }
        self.joined.add(text.as_bytes(), Kind::Loose);
        // Wrapped at its spaces it has lost one; and a backslash of its own is no escape.
        for form in [
            text.to_owned(),
            text.replace(' ', ""),
            text.replace('\\', ""),
        ] {
            let view = View::plain(&form);
            if view.bytes().len() >= PLAIN {
                self.plain.add(view.bytes(), Kind::Loose);
            }
        }
    }

    fn as_bytes(&mut self, text: &str) {
        for form in forms::base64(text.as_bytes()) {
            self.joined.within(form.as_bytes(), Kind::Base64);
            self.plain.within(View::plain(&form).bytes(), Kind::Base64);
        }
        for form in forms::hex(text.as_bytes()) {
            self.joined.within(form.as_bytes(), Kind::Loose);
        }
    }

    /// The text with `[redacted]` in place of what was found; it has as many lines as before.
    #[must_use]
    pub fn redact(&self, text: &str) -> String {
        let mut found = self.joined.find(&View::joined(text), text);
        found.extend(self.plain.find(&View::plain(text), text));
        found.extend(self.cut_off(text));
        replaced(text, found)
    }

    /// Says whether a text ends as some secret begins.
    #[must_use]
    pub fn may_go_on(&self, text: &str) -> bool {
        self.joined.may_go_on(View::joined(text).bytes())
            || self.plain.may_go_on(View::plain(text).bytes())
    }

    /// The beginnings of secrets before a cut: whoever cuts a text says so by its last sign.
    fn cut_off(&self, text: &str) -> Vec<Range<usize>> {
        let mut found = Vec::new();
        for (at, _) in text.match_indices(CUT) {
            let start = text[..at].rfind('\n').map_or(0, |n| n + 1);
            let line = &text[start..at];
            let views = [
                (&self.joined, View::joined(line)),
                (&self.plain, View::plain(line)),
            ];
            for (patterns, view) in views {
                let place = patterns.beginning(view.bytes()).map(|n| view.place(n));
                found.extend(place.map(|p| p.start + start..p.end + start));
            }
        }
        found
    }
}

impl Patterns {
    fn add(&mut self, bytes: &[u8], kind: Kind) {
        self.bytes += bytes.len();
        self.all.push(Pattern {
            bytes: bytes.to_vec(),
            kind,
        });
    }

    fn within(&mut self, bytes: &[u8], kind: Kind) {
        if self.bytes + bytes.len() <= MOST {
            self.add(bytes, kind);
        }
    }

    fn build(&mut self) {
        // A finder of nothing takes as long to make as one of a few.
        if self.all.is_empty() {
            return;
        }
        let patterns = self.all.iter().map(|pattern| &pattern.bytes);
        let finder = AhoCorasick::builder()
            .ascii_case_insensitive(true)
            .match_kind(MatchKind::Standard)
            .build(patterns);
        for (nth, pattern) in self.all.iter().enumerate() {
            if let Some(start) = start_of(&pattern.bytes) {
                self.begins.entry(start).or_default().push(nth);
            }
        }
        // Fails for more patterns than there can be.
        self.finder = finder.ok();
    }

    /// Says whether some pattern begins where the text ends, and does not end there.
    fn may_go_on(&self, text: &[u8]) -> bool {
        let text = &text[text.len().saturating_sub(LONGEST_END)..];
        let mut places = text.windows(BEGINNING).enumerate();
        places.any(|(at, window)| {
            let end = &text[at..];
            let key = start_of(window);
            let candidates = key.and_then(|key| self.begins.get(&key));
            candidates.into_iter().flatten().any(|nth| {
                let bytes = &self.all[*nth].bytes;
                bytes.len() > end.len() && bytes[..end.len()].eq_ignore_ascii_case(end)
            })
        })
    }

    fn find(&self, view: &View, text: &str) -> Vec<Range<usize>> {
        let Some(finder) = &self.finder else {
            return Vec::new();
        };
        let matches = finder.find_overlapping_iter(view.bytes());
        matches
            .filter_map(|m| {
                let pattern = &self.all[m.pattern().as_usize()];
                let place = view.place(m.range());
                match pattern.kind {
                    Kind::Exact => (view.bytes()[m.range()] == *pattern.bytes).then_some(place),
                    Kind::Loose => Some(place),
                    Kind::Base64 => Some(with_neighbours(text, place)),
                }
            })
            .collect()
    }

    /// The longest end of a text that some secret begins with.
    fn beginning(&self, text: &[u8]) -> Option<Range<usize>> {
        let longest = self.all.iter().filter_map(|pattern| {
            let most = pattern.bytes.len().min(text.len());
            let begins =
                |n: &usize| pattern.bytes[..*n].eq_ignore_ascii_case(&text[text.len() - n..]);
            (CUT_OFF..=most).rev().find(begins)
        });
        longest.max().map(|n| text.len() - n..text.len())
    }
}

fn start_of(bytes: &[u8]) -> Option<[u8; BEGINNING]> {
    let start: [u8; BEGINNING] = bytes.get(..BEGINNING)?.try_into().ok()?;
    Some(start.map(|byte| byte.to_ascii_lowercase()))
}

fn is_long(text: &str) -> bool {
    text.chars().count() >= LOOSE
}

/// A piece of base64 with the sign before it and those behind it that hold its last bits.
fn with_neighbours(text: &str, place: Range<usize>) -> Range<usize> {
    let bytes = text.as_bytes();
    let is_sign = |at: usize| bytes.get(at).copied().is_some_and(forms::is_base64);
    let start = place.start.checked_sub(1).filter(|at| is_sign(*at));
    let mut end = place.end;
    if is_sign(end) {
        end += 1;
    }
    while bytes.get(end) == Some(&b'=') {
        end += 1;
    }
    start.unwrap_or(place.start)..end
}

fn replaced(text: &str, mut found: Vec<Range<usize>>) -> String {
    if found.is_empty() {
        return text.to_owned();
    }
    found.sort_by_key(|range| range.start);
    let mut out = String::with_capacity(text.len());
    let mut shown = 0;
    for range in merged(found) {
        let start = text.floor_char_boundary(range.start).max(shown);
        let end = text.ceil_char_boundary(range.end);
        out.push_str(&text[shown..start]);
        // A secret that was wrapped takes nothing away from the lines it stood in.
        let lines = text[start..end].matches('\n').count();
        out.push_str(REDACTED);
        (0..lines).for_each(|_| {
            out.push('\n');
            out.push_str(REDACTED);
        });
        shown = end;
    }
    out.push_str(&text[shown..]);
    out
}

fn merged(sorted: Vec<Range<usize>>) -> Vec<Range<usize>> {
    let mut merged: Vec<Range<usize>> = Vec::new();
    for range in sorted {
        match merged.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => merged.push(range),
        }
    }
    merged
}
