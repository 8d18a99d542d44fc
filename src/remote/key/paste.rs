//! What pasting does to a key's text, taken back.
//!
//! It refuses to know what a key holds.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// Columns of a line; the longest that every reader of PEM takes.
const WIDTH: usize = 64;

/// The lines of a private key in a text.
pub struct Block<'a> {
    /// What its first line calls it.
    pub label: &'a str,
    /// Lines such as `DEK-Info: …`, without their ends.
    headers: Vec<String>,
    /// The base64 between them, in one piece.
    pub content: String,
}

impl<'a> Block<'a> {
    /// One without headers.
    pub fn of(label: &'a str, content: String) -> Self {
        Self {
            label,
            headers: Vec::new(),
            content,
        }
    }

    /// Says whether its headers tell of a passphrase.
    pub fn is_locked(&self) -> bool {
        self.headers.iter().any(|line| line.contains("ENCRYPTED"))
    }

    /// The whole text, as a key file has it.
    pub fn text(&self) -> String {
        let mut text = format!("-----BEGIN {}-----\n", self.label);
        for line in &self.headers {
            text += line;
            text.push('\n');
        }
        if !self.headers.is_empty() {
            text.push('\n');
        }
        for row in self.content.as_bytes().chunks(WIDTH) {
            text += &String::from_utf8_lossy(row);
            text.push('\n');
        }
        text + &format!("-----END {}-----\n", self.label)
    }
}

/// The text with what pasting did to it taken back: quotes, spelled-out line ends, base64 around
/// the whole.
pub fn repaired(pasted: &str) -> String {
    let text = unquoted(pasted);
    if text.contains("-----BEGIN ") {
        return text;
    }
    unwrapped(&text).map_or(text, |inner| unquoted(&inner))
}

fn unquoted(text: &str) -> String {
    let text = text.trim_start_matches('\u{feff}').replace("\r\n", "\n");
    let text = text.replace('\r', "\n").replace('\u{a0}', " ");
    let text = text.trim().trim_matches(['"', '\'', '`']).trim();
    text.replace("\\r", "").replace("\\n", "\n")
}

/// The text inside of base64, if that is what it is.
fn unwrapped(text: &str) -> Option<String> {
    let joined: String = text.split_whitespace().collect();
    let inner = String::from_utf8(STANDARD.decode(joined).ok()?).ok()?;
    inner.contains("-----BEGIN ").then_some(inner)
}

/// The first private key in a text, whatever stands before and behind it, however it is indented,
/// and if its lines were joined.
pub fn block(text: &str) -> Option<Block<'_>> {
    const BEGIN: &str = "-----BEGIN ";
    text.match_indices(BEGIN).find_map(|(at, _)| {
        let (label, rest) = text[at + BEGIN.len()..].split_once("-----")?;
        let is_private = label.ends_with("PRIVATE KEY") && !label.contains('\n');
        let end = rest.find(&format!("-----END {label}-----"))?;
        is_private.then(|| of_body(label, &rest[..end]))
    })
}

/// A header is a word with a colon and the word behind it.
fn of_body<'a>(label: &'a str, body: &str) -> Block<'a> {
    let mut block = Block::of(label, String::new());
    let mut words = body.split_whitespace();
    while let Some(word) = words.next() {
        if word.ends_with(':') {
            let value = words.next().unwrap_or_default();
            block.headers.push(format!("{word} {value}"));
        } else {
            block.content += word;
        }
    }
    block
}
