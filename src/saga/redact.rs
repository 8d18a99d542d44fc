//! Keeps the run's secrets out of every record, whoever printed them.
//!
//! It knows the values and nothing about where they come from; a hook's echo and a container's
//! stack trace are treated alike.

use std::collections::BTreeSet;

use crate::event::{Failure, Note};
use crate::plan::Private;
use crate::secret::REDACTED;

/// Shorter values are words, not secrets; masking them would make every log unreadable.
const SHORTEST: usize = 6;
/// What an env file's variable must be called for its value to be a secret.
const SECRET_NAMES: [&str; 10] = [
    "PASS", "SECRET", "TOKEN", "KEY", "CRED", "DSN", "_URL", "_URI", "AUTH", "PRIVATE",
];

/// The values that must not be told.
pub struct Redactor(Vec<String>);

impl Redactor {
    /// Collects the values of a run: the registry's password and the env file's secrets.
    #[must_use]
    pub fn of(private: &Private) -> Self {
        let mut values = BTreeSet::new();
        if let Some(password) = &private.registry_password {
            values.insert(password.expose().to_owned());
        }
        if let Some(env) = &private.env_file {
            values.extend(env.expose().lines().filter_map(secret_value));
        }
        values.retain(|v| v.len() >= SHORTEST);
        let mut values: Vec<String> = values.into_iter().collect();
        values.sort_by_key(|v| std::cmp::Reverse(v.len()));
        Self(values)
    }

    /// A text without the values.
    #[must_use]
    pub fn text(&self, text: String) -> String {
        let mask = |text: String, value: &String| text.replace(value.as_str(), REDACTED);
        self.0.iter().fold(text, mask)
    }

    /// A failure without the values.
    #[must_use]
    pub fn failure(&self, failure: Failure) -> Failure {
        let all = |texts: Vec<String>| texts.into_iter().map(|t| self.text(t)).collect();
        Failure {
            what: self.text(failure.what),
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
                text: self.text(text),
            },
            Note::Warned { text } => Note::Warned {
                text: self.text(text),
            },
            Note::Logs { service, lines } => Note::Logs {
                service,
                lines: lines.into_iter().map(|l| self.text(l)).collect(),
            },
            Note::Checked { mut check } => {
                check.detail = self.text(check.detail);
                Note::Checked { check }
            }
            other => other,
        }
    }
}

/// The value of `NAME=value` if the name says that it is a secret.
fn secret_value(line: &str) -> Option<String> {
    let line = line.trim().trim_start_matches("export ");
    let (name, value) = line.split_once('=')?;
    let name = name.trim().to_uppercase();
    let value = value.trim().trim_matches(['"', '\'']);
    let secret = SECRET_NAMES.iter().any(|part| name.contains(part));
    secret.then(|| value.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;

    #[test]
    fn what_a_container_prints_never_carries_a_secret_of_the_run() {
        let private = Private {
            env_file: Some(Secret::new(
                "PORT=8000\nDB_PASSWORD=\"open sesame\"\nMODE=production\nAPI_TOKEN=abc\n",
            )),
            registry_password: Some(Secret::new("ghp_0123456789")),
            ..Private::default()
        };
        let redactor = Redactor::of(&private);
        let text = "login open sesame ghp_0123456789 in production with abc".to_owned();
        assert_eq!(
            redactor.text(text),
            "login [redacted] [redacted] in production with abc"
        );
    }
}
