//! Colours: whether whoever reads sees them, and which tone has which.
//!
//! It refuses to know what is being told, and paints only what was made safe to write.

use std::ffi::OsStr;
use std::io::IsTerminal;

use crate::words::event::Status;

/// When somebody wants colours, as `--color` says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum When {
    /// Where they are seen, unless `NO_COLOR` is set.
    #[default]
    Auto,
    /// Everywhere, whatever is set.
    Always,
    /// Nowhere.
    Never,
}

/// Whether what is written is coloured.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Paint {
    /// It is.
    On,
    /// It is not.
    #[default]
    Off,
}

/// What a word is to feel like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// As it should be.
    Good,
    /// Not as it should be.
    Bad,
    /// Worth a look.
    Caution,
    /// Less than the rest.
    Quiet,
}

impl When {
    /// What can be said of it.
    pub const WORDS: [&'static str; 3] = ["auto", "always", "never"];

    /// The one of a word; where it is none of them, the first.
    #[must_use]
    pub fn named(word: &str) -> Self {
        match word {
            "always" => Self::Always,
            "never" => Self::Never,
            _ => Self::Auto,
        }
    }
}

impl Paint {
    /// For a reader who sees colours or does not, as terminals and GitHub Actions do and files do
    /// not.
    #[must_use]
    pub fn wanted(when: When, is_seen: bool, env: impl Fn(&str) -> Option<String>) -> Self {
        let set = |name: &str| env(name).filter(|value| !value.is_empty());
        let is_on = match when {
            When::Always => true,
            When::Never => false,
            When::Auto => {
                let is_dumb = set("TERM").is_some_and(|term| term == "dumb");
                is_seen && !is_dumb && set("NO_COLOR").is_none()
            }
        };
        if is_on { Self::On } else { Self::Off }
    }

    /// For a stream of this process.
    #[must_use]
    pub fn of(when: When, stream: &impl IsTerminal) -> Self {
        let is_actions = std::env::var_os("GITHUB_ACTIONS").as_deref() == Some(OsStr::new("true"));
        let is_seen = stream.is_terminal() || is_actions;
        Self::wanted(when, is_seen, |name| std::env::var(name).ok())
    }

    /// A word in its tone.
    #[must_use]
    pub fn word(self, word: &str, tone: Tone) -> String {
        match self {
            Self::On => format!("\u{1b}[{}m{word}\u{1b}[0m", tone.code()),
            Self::Off => word.to_owned(),
        }
    }
}

impl Tone {
    /// How an outcome feels.
    #[must_use]
    pub fn of(status: Status) -> Self {
        match status {
            Status::Deployed | Status::Restored | Status::Planned | Status::Healthy => Self::Good,
            Status::RolledBack | Status::Unknown => Self::Caution,
            Status::Refused | Status::RollbackFailed | Status::Unhealthy => Self::Bad,
        }
    }

    /// The parameters of the escape sequence that begins it.
    #[must_use]
    fn code(self) -> &'static str {
        match self {
            Self::Good => "32",
            Self::Bad => "1;31",
            Self::Caution => "33",
            Self::Quiet => "2",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(when: When, is_seen: bool, set: (&str, &str)) -> Paint {
        let env = |name: &str| (name == set.0).then(|| set.1.to_owned());
        Paint::wanted(when, is_seen, env)
    }

    #[test]
    fn colours_are_where_they_are_seen_and_wanted() {
        let none = ("", "");
        assert_eq!(wanted(When::Auto, true, none), Paint::On);
        assert_eq!(wanted(When::Auto, false, none), Paint::Off);
        assert_eq!(wanted(When::Auto, true, ("NO_COLOR", "1")), Paint::Off);
        assert_eq!(wanted(When::Auto, true, ("NO_COLOR", "")), Paint::On);
        assert_eq!(wanted(When::Auto, true, ("TERM", "dumb")), Paint::Off);
        assert_eq!(wanted(When::Always, false, ("NO_COLOR", "1")), Paint::On);
        assert_eq!(wanted(When::Never, true, none), Paint::Off);
    }

    #[test]
    fn a_word_is_coloured_or_as_it_was() {
        assert_eq!(Paint::On.word("ok", Tone::Good), "\u{1b}[32mok\u{1b}[0m");
        assert_eq!(Paint::Off.word("ok", Tone::Good), "ok");
    }
}
