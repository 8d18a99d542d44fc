//! The secrets of this run, so that nothing which is told shows them.
//!
//! It refuses to know which output asks. Only [`Masks::lines`] hands them out, for `::add-mask::`.

use crate::plan::Private;
use crate::secret::{REDACTED, Secret};

/// A shorter line hides nothing and would blot out every other word.
const SHORTEST: usize = 3;
/// A shorter value of an env file is more likely a word like `true` than a secret.
const SHORTEST_VALUE: usize = 6;
/// A value from this length on that mixes letters and digits is a secret whatever its name.
const RANDOM: usize = 12;
/// A shorter line of a hook is more likely a word like `make` than a secret.
const SHORTEST_HOOK: usize = 8;
/// What a value may be wrapped in.
const QUOTES: [char; 2] = ['"', '\''];
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

    /// Hides every line of an env file, and by itself every value that is likely a secret.
    ///
    /// A line that sets nothing is a piece of a value of several lines, and hidden whole.
    pub fn add_env_file(&mut self, text: &Secret) {
        let mut open = None;
        for line in text.expose().lines().map(str::trim) {
            if let Some(quote) = open {
                self.add_piece(line);
                open = (!line.ends_with(quote)).then_some(quote);
                continue;
            }
            if line.starts_with('#') {
                continue;
            }
            let set = line.strip_prefix("export ").unwrap_or(line);
            match set.split_once('=') {
                Some((name, value)) if is_name(name.trim()) => {
                    self.add_variable(line, name.trim(), value.trim());
                    open = open_quote(value.trim());
                }
                _ => self.add_piece(line),
            }
        }
    }

    fn add_variable(&mut self, line: &str, name: &str, value: &str) {
        if value.is_empty() {
            return;
        }
        self.insert(line);
        let value = value.trim_matches(QUOTES);
        if let Some(password) = password_of(value) {
            self.insert(password);
        }
        if value.chars().count() >= SHORTEST_VALUE && is_telling(name, value) {
            self.insert(value);
        }
    }

    fn add_piece(&mut self, line: &str) {
        let piece = line.trim_matches(QUOTES);
        if piece.chars().count() >= SHORTEST_VALUE {
            self.insert(piece);
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
    has_login || is_random(value) || TELLING.iter().any(|word| name.contains(word))
}

fn is_random(value: &str) -> bool {
    value.chars().count() >= RANDOM
        && value.chars().any(char::is_alphabetic)
        && value.chars().any(|c| c.is_ascii_digit())
}

fn is_name(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    !text.is_empty() && text.chars().all(plain)
}

/// The quote that a value opens and does not close.
fn open_quote(value: &str) -> Option<char> {
    let quote = value.chars().next().filter(|c| QUOTES.contains(c))?;
    let rest = &value[1..];
    (!rest.contains(quote)).then_some(quote)
}

/// The password of `scheme://user:password@host`.
fn password_of(url: &str) -> Option<&str> {
    let (_, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    // A password may hold `/` unescaped; then the authority has no `@`.
    let (login, _) = authority
        .rsplit_once('@')
        .or_else(|| rest.rsplit_once('@'))?;
    let (_, password) = login.split_once(':')?;
    (password.chars().count() >= SHORTEST).then_some(password)
}

/// A URL as it may be told: without its login and its query, either of which may hold a secret.
#[must_use]
pub fn tellable(url: &str) -> String {
    let url = url.split(['?', '#']).next().unwrap_or_default();
    match url.split_once("://") {
        Some((scheme, rest)) => {
            let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
            let host = authority.rsplit('@').next().unwrap_or_default();
            format!("{scheme}://{host}{path}")
        }
        None => url.to_owned(),
    }
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

    #[test]
    fn every_line_of_a_value_of_several_lines_is_hidden() {
        let masks = masks(
            "KEY=\"-----BEGIN-----\nb3BlbnNzaC1r=\nAAAAB3Nz\n-----END-----\"\nMODE=fast\nloose-piece\n",
            "x",
        );
        let told = "b3BlbnNzaC1r= AAAAB3Nz -----END----- loose-piece fast";
        let hidden = "[redacted] [redacted] [redacted] [redacted] fast";
        assert_eq!(masks.scrub(told), hidden);
    }

    #[test]
    fn a_random_value_is_hidden_whatever_its_name_and_a_password_by_itself() {
        let masks = masks(
            "export FOO=a1b2c3d4e5f6\nexport API_KEY=open-sesame\nDB=postgres://app:pa55@db/x\nNAME=production-blue\n",
            "x",
        );
        let told = "a1b2c3d4e5f6 open-sesame pa55 production-blue";
        let hidden = "[redacted] [redacted] [redacted] production-blue";
        assert_eq!(masks.scrub(told), hidden);
    }

    #[test]
    fn a_url_is_told_without_its_login_and_its_query() {
        let told = tellable("https://u:p@app.example.com:8080/health?token=s3cret#x");
        assert_eq!(told, "https://app.example.com:8080/health");
        assert_eq!(tellable("http://app?x=1"), "http://app");
    }
}
