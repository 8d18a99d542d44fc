//! Keeps the run's secrets out of every record, whoever printed them.
//!
//! It knows the values and nothing about where they come from; a hook's echo and a container's
//! stack trace are treated alike.

use crate::event::{Failure, Note};
use crate::masks::Masks;
use crate::plan::Private;

/// What must not be told.
pub struct Redactor(Masks);

impl Redactor {
    /// Collects the secrets of a run.
    #[must_use]
    pub fn of(private: &Private) -> Self {
        Self(Masks::of(private))
    }

    /// A failure without the values.
    #[must_use]
    pub fn failure(&self, failure: Failure) -> Failure {
        let all = |texts: Vec<String>| texts.into_iter().map(|t| self.0.scrub(&t)).collect();
        Failure {
            what: self.0.scrub(&failure.what),
            because: all(failure.because),
            hints: all(failure.hints),
            kind: failure.kind,
        }
    }

    /// A note without the values, where a server's text can be in it.
    #[must_use]
    pub fn note(&self, note: Note) -> Note {
        match note {
            Note::Said { text } => Note::Said {
                text: self.0.scrub(&text),
            },
            Note::Warned { text } => Note::Warned {
                text: self.0.scrub(&text),
            },
            Note::Logs { service, lines } => Note::Logs {
                service,
                lines: lines.into_iter().map(|l| self.0.scrub(&l)).collect(),
            },
            Note::Checked { mut check } => {
                check.detail = self.0.scrub(&check.detail);
                Note::Checked { check }
            }
            other => other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;

    #[test]
    fn what_a_container_prints_never_carries_a_secret_of_the_run() {
        let private = Private {
            env_file: Some(Secret::new("DB_PASSWORD=\"open sesame\"\n")),
            registry_password: Some(Secret::new("ghp_0123456789")),
            ..Private::default()
        };
        let note = Redactor::of(&private).note(Note::Logs {
            service: "web".into(),
            lines: vec!["login open sesame ghp_0123456789".into()],
        });
        let Note::Logs { lines, .. } = note else {
            panic!("another note");
        };
        assert_eq!(lines, ["login [redacted] [redacted]"]);
    }
}
