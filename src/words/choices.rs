//! What a person chooses of a few words: whether to become root, and when to tell.
//!
//! It refuses to know which input or flag the word stood in.

use crate::words::event::Status;

/// Whether commands on the server go through `sudo -n`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Sudo {
    /// Only if the user can't do without.
    #[default]
    Auto,
    /// Unless the user is root.
    Always,
    /// In no case.
    Never,
}

impl Sudo {
    /// Each choice by its word.
    pub const WORDS: &'static [(&'static str, Self)] = &[
        ("auto", Self::Auto),
        ("always", Self::Always),
        ("never", Self::Never),
    ];

    /// The word of the `sudo` input.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Always => "always",
            Self::Never => "never",
        }
    }
}

/// When a message is sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Notify {
    /// After every run that touched a server or meant to.
    #[default]
    Always,
    /// After a run that did not end as asked.
    Failure,
    /// Not at all.
    Never,
}

impl Notify {
    /// Each choice by its word.
    pub const WORDS: &'static [(&'static str, Self)] = &[
        ("always", Self::Always),
        ("failure", Self::Failure),
        ("never", Self::Never),
    ];

    /// Says whether a run that ended so is told. A dry run or a look touches
    /// nothing and tells nobody.
    #[must_use]
    pub fn wants(self, status: Status) -> bool {
        let good = matches!(status, Status::Deployed | Status::Restored);
        let looked = matches!(
            status,
            Status::Planned | Status::Healthy | Status::Unhealthy
        );
        match self {
            Self::Always => !looked,
            Self::Failure => !looked && !good,
            Self::Never => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_asked_for_failures_only_hears_of_nothing_else() {
        let heard = |notify: Notify| {
            let wanted = Status::ALL.iter().filter(|s| notify.wants(**s));
            wanted.map(|s| s.word()).collect::<Vec<_>>().join(" ")
        };
        let lines = [Notify::Always, Notify::Failure, Notify::Never].map(heard);
        insta::assert_snapshot!(lines.join("\n"), @r"
        deployed restored rolled_back refused rollback_failed unknown
        rolled_back refused rollback_failed unknown
        ");
    }
}
