//! What the agent can be sent for, in the words that both sides use.
//!
//! It refuses to know what comes of it: the server's side does it, the runner's side shows it.

use std::time::Duration;

use clap::ValueEnum;

use crate::remote::agent::{LONG_LOOK, LOOK};

/// What the agent is to look at or to do, beside a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Errand {
    /// Every run that the server knows.
    History,
    /// How the directory stands; what a dead agent left is settled first.
    Status,
    /// The backups that can be read.
    Backups,
    /// Whether backups are whole.
    Verify,
    /// No deployment goes any more.
    Freeze,
    /// Deployments go again.
    Thaw,
    /// What a plan on standard input would change.
    Foresee,
    /// Whether the engine answers.
    Engine,
    /// Recovery at boot.
    Install,
    /// Settles what dead agents left.
    Settle,
    /// The same, and tries a way back again that had failed.
    SettleByHand,
    /// The same, and lets go of a way back that had failed: what runs is kept.
    Keep,
}

impl Errand {
    /// The word itself.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::History => "history",
            Self::Status => "status",
            Self::Backups => "backups",
            Self::Verify => "verify",
            Self::Freeze => "freeze",
            Self::Thaw => "thaw",
            Self::Foresee => "foresee",
            Self::Engine => "engine",
            Self::Install => "install",
            Self::Settle => "settle",
            Self::SettleByHand => "settle-by-hand",
            Self::Keep => "keep",
        }
    }

    /// The errand of a word; none when another version of this program says it.
    #[must_use]
    pub fn of(word: &str) -> Option<Self> {
        Self::from_str(word, false).ok()
    }

    /// Says whether it may first have to settle what an earlier run left.
    #[must_use]
    pub fn settles(self) -> bool {
        matches!(
            self,
            Self::Settle | Self::SettleByHand | Self::Keep | Self::Status
        )
    }

    /// How long it may take.
    #[must_use]
    pub fn patience(self) -> Duration {
        if self.settles() || self == Self::Verify {
            LONG_LOOK
        } else {
            LOOK
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_errand_is_known_again_by_its_word() {
        for errand in Errand::value_variants() {
            assert_eq!(Errand::of(errand.word()), Some(*errand));
        }
        assert_eq!(Errand::of("dance"), None);
    }
}
