//! Faults, all of them at once: each is one line that names the input, what is wrong, and a hint.
//!
//! It refuses to know any grammar. What it shows is cut short, free of control characters, and
//! never holds the value of a secret input.

use crate::words::event::Failure;

use super::Target;
use super::inputs::{Given, Raw, Shape};
use super::raw::nearest;

/// Who hands the inputs over; it decides what they are called and which are required.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caller {
    /// A workflow: `deploy_dir`.
    Action,
    /// An operator's command line: `--deploy-dir`.
    Operator,
}

impl Caller {
    /// What the caller knows an input as.
    #[must_use]
    pub fn label(self, name: &str) -> String {
        match self {
            Self::Action => format!("`{name}`"),
            Self::Operator => format!("`--{}`", name.replace('_', "-")),
        }
    }

    fn how_to_set(self, name: &str) -> String {
        match self {
            Self::Action => format!(
                "add `{name}` under `with:`; a secret or variable that does not exist arrives empty"
            ),
            Self::Operator => format!(
                "pass {} or set `LANDFALL_{}`",
                self.label(name),
                name.to_uppercase()
            ),
        }
    }
}

/// Everything that is wrong with a set of inputs.
#[derive(Debug, Clone)]
pub struct Faults {
    /// One failure each.
    pub all: Vec<Failure>,
    /// The server, when a missing `host_key` is the only fault: its keys may be looked at.
    pub only_host_key_missing: Option<Box<Target>>,
}

impl From<Vec<Failure>> for Faults {
    fn from(all: Vec<Failure>) -> Self {
        Self {
            all,
            only_host_key_missing: None,
        }
    }
}

impl From<Faults> for crate::words::error::Error {
    fn from(faults: Faults) -> Self {
        Self::Input(faults.all)
    }
}

/// A failure and its hints in one line.
#[must_use]
pub fn one_line(failure: &Failure) -> String {
    let mut line = failure.to_string();
    for hint in &failure.hints {
        line.push_str("; ");
        line.push_str(hint);
    }
    line
}

/// What somebody typed, in backticks: cut short, without control characters or key material.
#[must_use]
pub fn shown(text: &str) -> String {
    const LONGEST: usize = 80;
    if text.contains("PRIVATE KEY") {
        return format!("`{}`", crate::words::secret::REDACTED);
    }
    let mut out = String::from("`");
    for (i, c) in text.chars().enumerate() {
        match c {
            _ if i == LONGEST => {
                out.push('…');
                break;
            }
            '`' => out.push('\''),
            c if c.is_control() => out.extend(c.escape_default()),
            c => out.push(c),
        }
    }
    out + "`"
}

/// The faults found so far.
pub(super) struct Found {
    caller: Caller,
    all: Vec<Failure>,
}

impl Found {
    pub(super) fn new(caller: Caller, all: Vec<Failure>) -> Self {
        Self { caller, all }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// What the caller knows an input as.
    pub(super) fn label(&self, given: Given<'_>) -> String {
        self.caller.label(given.input.name)
    }

    /// Adds a fault that names its inputs by itself.
    pub(super) fn add(&mut self, failure: Failure) {
        self.all.push(failure);
    }

    /// Keeps the value, or adds the fault under the input's name.
    pub(super) fn keep<T>(&mut self, given: Given<'_>, read: Result<T, Failure>) -> Option<T> {
        read.map_err(|mut failure| {
            failure.what = format!("{}: {}", self.label(given), failure.what);
            self.all.push(failure);
        })
        .ok()
    }

    /// Says whether an input was given by a file that cannot be read, which is told by then.
    pub(super) fn is_unreadable(&self, given: Given<'_>) -> bool {
        let told = format!("the file that {} names ", self.label(given));
        self.all.iter().any(|fault| fault.what.starts_with(&told))
    }

    /// Adds the fault of an input that is needed and missing.
    pub(super) fn missing(&mut self, given: Given<'_>) {
        if self.is_unreadable(given) {
            return;
        }
        let hint = self.caller.how_to_set(given.input.name);
        self.add(Failure::new(format!("{} is required", self.label(given))).hint(hint));
    }

    /// Adds the fault of a missing host key, which no switch makes up for.
    pub(super) fn missing_host_key(&mut self, given: Given<'_>) {
        let what = format!("{} is required", self.label(given));
        self.add(Failure::new(what).hint(
            "add the server's `known_hosts` lines or `SHA256:…` fingerprints; \
             `ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub` shows one on the server",
        ));
    }

    /// The faults for good, with every secret's text struck out wherever it slipped in.
    pub(super) fn into_faults(mut self, raw: &Raw) -> Vec<Failure> {
        let secrets = secret_texts(raw);
        for failure in &mut self.all {
            let texts = [&mut failure.what].into_iter();
            for text in texts.chain(&mut failure.because).chain(&mut failure.hints) {
                for secret in &secrets {
                    if text.contains(secret) {
                        *text = text.replace(secret, crate::words::secret::REDACTED);
                    }
                }
            }
        }
        self.all
    }
}

/// The lines of secret inputs that are long enough to be told from ordinary words.
fn secret_texts(raw: &Raw) -> Vec<&str> {
    const SHORTEST: usize = 6;
    raw.all()
        .filter(|given| given.input.shape == Shape::Secret)
        .flat_map(Given::lines)
        .filter(|line| line.len() >= SHORTEST)
        .collect()
}

/// The fault of a word that none of the known ones is, with the nearest of them.
pub(super) fn unknown_word(what: &str, typed: &str, known: &[&str]) -> Failure {
    let failure = Failure::new(format!("{what} {}", shown(typed)));
    match nearest(typed, known.iter().copied()) {
        Some(word) => failure.hint(format!("did you mean `{word}`?")),
        None => failure.hint(format!("use {}", listed(known))),
    }
}

/// Words in backticks, as a list that reads aloud.
pub(super) fn listed(words: &[&str]) -> String {
    match words {
        [] => String::new(),
        [only] => format!("`{only}`"),
        [most @ .., last] => {
            let most: Vec<_> = most.iter().map(|word| format!("`{word}`")).collect();
            format!("{} or `{last}`", most.join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_is_short_and_free_of_control_characters() {
        assert_eq!(shown("a\nb`c\u{1b}[0m"), r"`a\nb'c\u{1b}[0m`");
        assert_eq!(shown(&"x".repeat(100)).chars().count(), 83);
        assert_eq!(shown("-----BEGIN PRIVATE KEY-----"), "`[redacted]`");
    }
}
