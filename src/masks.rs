//! The secrets of this run, so that nothing which is told shows them.
//!
//! It refuses to know which output asks. Only [`Masks::lines`] hands them out, for `::add-mask::`.

use crate::plan::Private;
use crate::secret::{REDACTED, Secret};

/// A shorter line hides nothing and would blot out every other word.
const SHORTEST: usize = 3;
/// A shorter value of an env file is more likely a word like `true` than a secret.
const SHORTEST_VALUE: usize = 6;
/// A shorter line of a hook is more likely a word like `make` than a secret.
const SHORTEST_HOOK: usize = 8;
/// Names of variables whose values are secrets.
const TELLING: [&str; 11] = [
    "PASS",
    "PWD",
    "SECRET",
    "TOKEN",
    "KEY",
    "CREDENTIAL",
    "AUTH",
    "DSN",
    "PRIVATE",
    "SALT",
    "CERT",
];

/// Lines that are not shown, longest first.
#[derive(Debug, Clone, Default)]
pub struct Masks(Vec<Secret>);

impl Masks {
    /// The secrets that travel beside a plan.
    #[must_use]
    pub fn of(private: &Private) -> Self {
        let mut masks = Self::default();
        private.registry_password.iter().for_each(|s| masks.add(s));
        private.env_file.iter().for_each(|s| masks.add_env_file(s));
        for hook in private.pre_deploy.iter().chain(&private.post_deploy) {
            masks.add_lines(hook, SHORTEST_HOOK);
        }
        masks
    }

    /// Hides every line of a secret that is long enough to hide.
    pub fn add(&mut self, secret: &Secret) {
        self.add_lines(secret, SHORTEST);
    }

    /// Hides every line of an env file, and by itself every value that its name calls a secret.
    pub fn add_env_file(&mut self, text: &Secret) {
        for line in text.expose().lines().map(str::trim) {
            let Some((name, value)) = line.split_once('=') else {
                continue;
            };
            if name.starts_with('#') || value.is_empty() {
                continue;
            }
            self.insert(line);
            let value = value.trim().trim_matches(['"', '\'']);
            if value.chars().count() >= SHORTEST_VALUE && is_telling(name, value) {
                self.insert(value);
            }
        }
    }

    /// The lines themselves, for the one place that tells the runner to hide them.
    pub fn lines(&self) -> impl Iterator<Item = &Secret> {
        self.0.iter()
    }

    /// The text with `[redacted]` in place of every secret.
    #[must_use]
    pub fn scrub(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for secret in &self.0 {
            if text.contains(secret.expose()) {
                text = text.replace(secret.expose(), REDACTED);
            }
        }
        text
    }

    fn add_lines(&mut self, secret: &Secret, shortest: usize) {
        let lines = secret.expose().lines().map(str::trim);
        for line in lines.filter(|l| l.chars().count() >= shortest) {
            self.insert(line);
        }
    }

    fn insert(&mut self, line: &str) {
        self.insert_once(line);
        let quoted = serde_json::Value::from(line).to_string();
        self.insert_once(quoted.trim_matches('"'));
    }

    fn insert_once(&mut self, line: &str) {
        if self.0.iter().any(|known| known.expose() == line) {
            return;
        }
        let longer = |known: &Secret| known.expose().len() >= line.len();
        let place = self.0.partition_point(longer);
        self.0.insert(place, Secret::new(line));
    }
}

fn is_telling(name: &str, value: &str) -> bool {
    let name = name.to_ascii_uppercase();
    let has_login = value.contains("://") && value.contains('@');
    has_login || TELLING.iter().any(|word| name.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masks(env_file: &str, password: &str) -> Masks {
        Masks::of(&Private {
            env_file: Some(Secret::new(env_file)),
            registry_password: Some(Secret::new(password)),
            ..Private::default()
        })
    }

    #[test]
    fn no_secret_survives_scrubbing() {
        let masks = masks(
            "API_TOKEN=\"t0ps3cr3t\"\nDB=postgres://a:b@c/d\n",
            " hunter2 \n",
        );
        let told =
            masks.scrub("login hunter2 API_TOKEN=\"t0ps3cr3t\" t0ps3cr3t postgres://a:b@c/d");
        assert_eq!(told, "login [redacted] [redacted] [redacted] [redacted]");
    }

    #[test]
    fn words_that_are_no_secrets_stay() {
        let masks = masks(
            "# production\nDEBUG=true\nAPP_ENV=production\nEMPTY=\n",
            "x",
        );
        let text = "production is true # production EMPTY= x";
        assert_eq!(masks.scrub(text), text);
        assert_eq!(masks.scrub("APP_ENV=production"), "[redacted]");
    }

    #[test]
    fn a_secret_inside_a_longer_one_leaves_no_rest() {
        let mut masks = Masks::default();
        masks.add(&Secret::new("abc"));
        masks.add(&Secret::new("abcdef"));
        assert_eq!(masks.scrub("abcdef abc"), "[redacted] [redacted]");
    }

    #[test]
    fn each_line_of_a_key_is_hidden_and_short_ones_are_not() {
        let mut masks = Masks::default();
        masks.add(&Secret::new("-----BEGIN-----\n  b3BlbnNzaC1\n\n==\n"));
        let lines: Vec<_> = masks.lines().map(Secret::expose).collect();
        assert_eq!(lines, ["-----BEGIN-----", "b3BlbnNzaC1"]);
    }

    #[test]
    fn a_secret_quoted_as_json_is_hidden_too() {
        let mut masks = Masks::default();
        masks.add(&Secret::new(r#"pa"ss\word"#));
        assert_eq!(
            masks.scrub(r#"{"p":"pa\"ss\\word"}"#),
            r#"{"p":"[redacted]"}"#
        );
    }
}
