//! Words as a shell reads them: of commands that are run on a server, and of those that a message
//! proposes.
//!
//! It refuses to know what a command does, and runs none.

use std::path::Path;

/// A word that every shell reads as itself.
#[must_use]
pub fn word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@%+,".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// Words as one command line.
#[must_use]
pub fn words<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    words.into_iter().map(word).collect::<Vec<_>>().join(" ")
}

/// A path as a word.
#[must_use]
pub fn path(path: &Path) -> String {
    word(&path.to_string_lossy())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_quoted_where_a_shell_would_read_it_otherwise() {
        for (text, typed) in [
            ("/srv/app", "/srv/app"),
            ("/srv/my app", "'/srv/my app'"),
            ("it's; rm -rf $HOME", r"'it'\''s; rm -rf $HOME'"),
            ("", "''"),
        ] {
            assert_eq!(word(text), typed);
        }
        assert_eq!(path(Path::new("/a b")), "'/a b'");
        assert_eq!(words(["rm", "a b"]), "rm 'a b'");
    }
}
