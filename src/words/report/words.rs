//! A report in sentences: the headline of every status, the reason, spans of time.
//!
//! It refuses to know markup: what it returns is untrusted text that each output escapes.

use super::{Failure, Goal, Report, Status, made};
use crate::words::event::FailureKind;

impl Report {
    /// The outcome in one sentence.
    #[must_use]
    pub fn headline(&self) -> String {
        self.reader.completed(&self.outcome_in_words())
    }

    fn outcome_in_words(&self) -> String {
        match self.status {
            Status::Deployed => self.deployed_in_words(),
            Status::Restored => format!(
                "Restored {} on {}{}.",
                self.target_in_words(),
                self.place(),
                self.took()
            ),
            Status::Planned if self.goal.is_none() => {
                format!("Looked at {}: nothing was deployed.", self.place())
            }
            Status::Planned => format!("Planned {}: nothing was touched.", self.aim()),
            Status::Healthy => format!("Healthy: {} runs as it should.", self.place()),
            Status::Unhealthy => format!("Unhealthy: {}.", self.unhealthy_in_words()),
            Status::RolledBack => {
                format!("Rolled back: {}; {}.", self.what(), self.before_in_words())
            }
            Status::Refused => format!("Refused: {}; nothing was touched.", self.what()),
            Status::RollbackFailed => self.stuck_in_words(),
            Status::Unknown => self.unknown_in_words(),
        }
    }

    /// The environment, or what else names the target.
    #[must_use]
    pub fn place(&self) -> String {
        if !self.origin.environment.is_empty() {
            return self.origin.environment.clone();
        }
        match &self.deploy_dir {
            Some(dir) => format!("`{}`", dir.display()),
            None => "the server".to_owned(),
        }
    }

    /// What the run was for: "a deployment to production".
    #[must_use]
    pub fn aim(&self) -> String {
        match &self.goal {
            Some(Goal::Rollback { to, .. }) => {
                format!("a rollback of {} to `{to}`", self.place())
            }
            _ => format!("a deployment to {}", self.place()),
        }
    }

    /// What runs now, short: one image with its digest, or the services' names.
    #[must_use]
    pub fn images_in_words(&self) -> Option<String> {
        self.images_by(pinned)
    }

    /// What was asked for, shorter: one image, or the services' names.
    #[must_use]
    pub fn asked_in_words(&self) -> Option<String> {
        self.images_by(|name, _| name.to_owned())
    }

    fn images_by(&self, called: impl Fn(&str, Option<&str>) -> String) -> Option<String> {
        let first = self.images.first()?;
        let same = |i: &super::ServiceImage| i.image_id == first.image_id;
        if self.images.iter().all(same) {
            let name = made::asked_for(&first.image, self.asked());
            return Some(called(name, first.digest.as_deref()));
        }
        let names: Vec<_> = self.images.iter().map(|i| i.service.as_str()).collect();
        Some(format!("{} services ({})", names.len(), names.join(", ")))
    }

    /// The image references that were asked for, by this run or by the one whose release it restored.
    #[must_use]
    pub fn asked(&self) -> &[String] {
        match (&self.goal, &self.target_made_by) {
            (Some(Goal::Deploy { images }), _) => images,
            (_, Some(made)) => &made.asked,
            _ => &[],
        }
    }

    fn deployed_in_words(&self) -> String {
        let what = self
            .images_in_words()
            .map(|images| format!(" {images}"))
            .unwrap_or_default();
        let but = match (self.failed_step, self.cause()) {
            (Some(step), Some(cause)) => format!(", but `{step}` failed: {}", plain(&cause.what)),
            _ => String::new(),
        };
        format!("Deployed{what} to {}{}{but}.", self.place(), self.took())
    }

    fn target_in_words(&self) -> String {
        match (&self.target, &self.goal) {
            (Some(timestamp), _) => {
                let made = self.target_made_by.iter();
                let made = made.map(|made| format!(" ({})", plain(&made::in_words(made))));
                format!("the backup `{timestamp}`{}", made.collect::<String>())
            }
            (None, Some(Goal::Rollback { to, .. })) => format!("the backup `{to}`"),
            _ => "a backup".to_owned(),
        }
    }

    /// Says whether it was a deployment and nothing ran before: the backup knows, for a release may
    /// bring only services that are new beside others. Without one, the images are all that is known.
    #[must_use]
    pub fn is_the_first(&self) -> bool {
        let images_are_new =
            || !self.images.is_empty() && self.images.iter().all(|i| i.previous_image_id.is_none());
        let ran = self.backup.as_ref().and_then(|backup| backup.ran);
        matches!(self.goal, Some(Goal::Deploy { .. }))
            && ran.map_or_else(images_are_new, |ran| !ran)
    }

    fn before_in_words(&self) -> String {
        if self.is_the_first() {
            format!(
                "nothing ran on {} before, and nothing runs now",
                self.place()
            )
        } else {
            format!("{} runs what it ran before", self.place())
        }
    }

    fn stuck_in_words(&self) -> String {
        let undo = self.undo_failure.as_ref().map(|f| plain(&f.what));
        format!(
            "Rollback failed: {}; {} needs a person (it began with: {}).",
            undo.unwrap_or_else(|| "why was not recorded".to_owned()),
            self.place(),
            self.what()
        )
    }

    fn unknown_in_words(&self) -> String {
        let during = match self.steps.iter().rfind(|s| s.ended_at.is_none()) {
            Some(entry) => format!(" while `{}` was {}", entry.step, entry.result.words()),
            None => String::new(),
        };
        if self.failures.is_empty() {
            return format!("No end of {} is recorded{during}.", self.aim());
        }
        let last = self.failures.last();
        // These say that whoever should settle it has not, or cannot.
        let is_stuck =
            |f: &&Failure| matches!(f.kind, FailureKind::Interrupted | FailureKind::TimedOut);
        let tail = match last.filter(is_stuck) {
            Some(_) => "a person has to look at the server, beginning with `landfall status`",
            None => "the server settles by itself, and `landfall status` tells how",
        };
        let what = last.map(|f| plain(&f.what)).unwrap_or_default();
        format!("Unknown: {what}{during}; {tail}.")
    }

    fn unhealthy_in_words(&self) -> String {
        match self.failures.as_slice() {
            [first, more @ ..] if !more.is_empty() => {
                format!("{}, and {} more", plain(&first.what), more.len())
            }
            _ => self.what(),
        }
    }

    fn what(&self) -> String {
        match self.failures.as_slice() {
            [] => "why was not recorded".to_owned(),
            [one] => plain(&one.what),
            all => format!("the inputs have {} faults", all.len()),
        }
    }

    fn took(&self) -> String {
        match self.duration_ms {
            0 => String::new(),
            ms => format!(" in {}", span(ms)),
        }
    }

    /// Every failure with its causes, as one paragraph without line breaks.
    pub(super) fn reason_in_words(&self) -> String {
        let told: Vec<_> = match (self.failed_step, self.cause()) {
            (Some(step), Some(cause)) => vec![format!("`{step}` failed: {}", sentence(cause))],
            _ => self
                .failures
                .iter()
                .map(|f| capital(&sentence(f)))
                .collect(),
        };
        let mut reason = told.join(" ");
        if let Some(undo) = &self.undo_failure {
            reason = format!("{reason} Putting back failed too: {}", sentence(undo));
        }
        reason
    }
}

fn sentence(failure: &Failure) -> String {
    format!("{}.", plain(&failure.to_string()))
}

fn capital(sentence: &str) -> String {
    let mut letters = sentence.chars();
    let first = letters.next().map(char::to_uppercase);
    first.into_iter().flatten().chain(letters).collect()
}

/// One line: white space and control characters become single spaces, a full stop goes.
fn plain(text: &str) -> String {
    let spaced = text.replace(char::is_control, " ");
    let words: Vec<_> = spaced.split_whitespace().collect();
    words.join(" ").trim_end_matches('.').to_owned()
}

/// A reference with the digest that it meant: `ghcr.io/acme/app:2@sha256:0123456789ab…`.
fn pinned(image: &str, digest: Option<&str>) -> String {
    let Some(digest) = digest else {
        return image.to_owned();
    };
    let named = image.split('@').next().unwrap_or(image);
    let digest = digest.rsplit('@').next().unwrap_or(digest);
    let hex = digest.trim_start_matches("sha256:");
    let short: String = hex.chars().take(12).collect();
    format!("{named}@sha256:{short}…")
}

/// A span of milliseconds for people, in seconds whatever its length, as inputs have it: `0.85 s`,
/// `12.3 s`, `125 s`. What took any time took at least a hundredth.
#[must_use]
pub fn span(ms: u64) -> String {
    match ms {
        0 => "0 s".to_owned(),
        1..1_000 => format!("0.{:02} s", (ms / 10).max(1)),
        1_000..100_000 => format!("{}.{} s", ms / 1_000, ms % 1_000 / 100),
        _ => format!("{} s", ms / 1_000),
    }
}

/// A span of milliseconds for programs, in seconds: `12.345`.
#[must_use]
pub fn seconds(ms: u64) -> String {
    format!("{}.{:03}", ms / 1_000, ms % 1_000)
}
