//! The secrets of this run, so that nothing which is told shows them: the one place that hides text.
//!
//! A text is cleaned, searched in every notation, and cleaned again. It refuses to know which output
//! asks. Only [`Masks::lines`] hands secrets out, for `::add-mask::`.

mod forms;
mod hook;
mod public;
mod search;
mod view;

use std::sync::{Arc, OnceLock};

use crate::words::clean;
use crate::words::env_file::{EnvFile, Variable};
use crate::words::plan::{Goal, Plan, Private, Probe};
use crate::words::secret::Secret;
use public::{Public, is_telling};
use search::Search;

/// A shorter line hides nothing and would blot out every other word.
const SHORTEST: usize = 3;
/// A shorter value of an env file is more likely a word like `true` than a secret.
const SHORTEST_VALUE: usize = 6;

/// A shorter piece of a value that a `$` has cut up is in too many words.
const SHORTEST_PIECE: usize = 4;

/// What is not shown.
#[derive(Debug, Clone, Default)]
pub struct Masks {
    /// Lines, longest first.
    lines: Vec<Secret>,
    /// Secrets of several lines, for the notations of bytes.
    wholes: Vec<Secret>,
    public: Public,
    search: OnceLock<Arc<Search>>,
}

impl Masks {
    /// The secrets that travel beside a plan.
    #[must_use]
    pub fn of(plan: &Plan, private: &Private) -> Self {
        let mut masks = Self::default();
        masks.public.name_all(plan.public_env.iter().cloned());
        masks.public.value_all(told_anyhow(plan));
        masks
            .public
            .value_all(private.public_values.iter().cloned());
        masks.public.value_all(private.registry_username.clone());
        private.registry_password.iter().for_each(|s| masks.add(s));
        private.env_file.iter().for_each(|s| masks.add_env_file(s));
        for hook in private.pre_deploy.iter().chain(&private.post_deploy) {
            masks.add_hook(hook);
        }
        asked(plan).for_each(|url| masks.add_login_of(url));
        masks
    }

    /// Hides every line of a secret that is long enough to hide.
    pub fn add(&mut self, secret: &Secret) {
        self.insert(secret.expose(), SHORTEST);
    }

    /// Hides the lines of a file that holds one secret; it may hold no more than a user's name.
    pub fn add_file(&mut self, text: &Secret) {
        if !self.public.is_public_value(text.expose()) {
            self.insert(text.expose(), SHORTEST_VALUE);
        }
    }

    /// Hides the values of an env file, those that are known to be public aside.
    pub fn add_env_file(&mut self, text: &Secret) {
        let file = EnvFile::read(text.expose());
        for variable in &file.variables {
            self.add_variable(variable);
        }
        for line in &file.loose {
            self.insert(line.expose(), SHORTEST_VALUE);
        }
    }

    /// Hides the value of a variable, unless it is known to be public.
    pub fn add_value(&mut self, name: &str, value: &str) {
        if let Some(password) = password_of(value) {
            self.insert(password, SHORTEST);
        }
        if self.public.holds(name, value) {
            return;
        }
        self.insert(value, SHORTEST_VALUE);
        let length = value.chars().count();
        if is_telling(name) && (1..SHORTEST_VALUE).contains(&length) {
            self.insert(&format!("{name}={value}"), SHORTEST);
        }
    }

    fn add_variable(&mut self, variable: &Variable) {
        let written = variable.written.expose();
        self.add_value(&variable.name, written);
        self.add_value(&variable.name, variable.meant().expose());
        if self.public.holds(&variable.name, written) {
            return;
        }
        // Compose takes what stands behind a `$` for a name, and tells it.
        for piece in variable.pieces().skip(1).filter(|p| !is_reference(p)) {
            self.insert(piece.trim_matches(['{', '}']), SHORTEST_PIECE);
        }
    }

    fn add_hook(&mut self, script: &Secret) {
        let script = script.expose();
        for word in hook::secrets(script) {
            if !self.public.is_public_value(word) {
                self.insert(word, SHORTEST_VALUE);
            }
        }
        for word in script.split_whitespace() {
            if let Some(password) = password_of(word).filter(|p| !p.starts_with('$')) {
                self.insert(password, SHORTEST);
            }
        }
    }

    /// Hides the login of a URL that is asked: its password, or its name where that is all there is.
    fn add_login_of(&mut self, url: &str) {
        let Some(login) = login_of(url) else { return };
        match login.split_once(':') {
            Some((_, password)) => self.insert(password, SHORTEST),
            None => self.insert(login, SHORTEST_VALUE),
        }
    }

    /// The lines themselves, for the one place that tells the runner to hide them.
    pub fn lines(&self) -> impl Iterator<Item = &Secret> {
        self.lines.iter()
    }

    /// The text fit to be shown, with `[redacted]` in place of every secret.
    #[must_use]
    pub fn scrub(&self, text: &str) -> String {
        let clean = clean::lines(text).join("\n");
        let hidden = self.search().redact(&clean);
        clean::lines(&hidden).join("\n")
    }

    /// The same for lines that one program printed: a secret may go on in the next.
    #[must_use]
    pub fn scrub_lines(&self, lines: &[String]) -> Vec<String> {
        if lines.is_empty() {
            return Vec::new();
        }
        let text = lines.join("\n");
        let text = self.scrub(&format!("{text}\n"));
        text.split('\n').map(ToOwned::to_owned).collect()
    }

    /// A line of a file as it may be told: without secrets, and without the value of what is called
    /// as secrets are.
    #[must_use]
    pub fn told_line(&self, line: &str) -> String {
        let words = line.split_inclusive(char::is_whitespace);
        let told = words.map(|word| match password_of(word) {
            Some(_) => tellable(word),
            None => word.to_owned(),
        });
        let line = self.scrub(&told.collect::<String>());
        match named_secret(&line) {
            Some((name, gap)) => format!("{name}{gap}[redacted]"),
            None => line,
        }
    }

    /// Says whether a text ends as some secret begins, so that what is printed next decides.
    #[must_use]
    pub fn may_go_on(&self, text: &str) -> bool {
        self.search().may_go_on(&clean::lines(text).join("\n"))
    }

    fn search(&self) -> &Search {
        let make = || Arc::new(Search::of(&self.lines, &self.wholes));
        self.search.get_or_init(make)
    }

    fn insert(&mut self, text: &str, shortest: usize) {
        let lines = clean::lines(text);
        if lines.len() > 1 {
            self.wholes.push(Secret::new(text));
        }
        for line in lines.iter().map(|line| line.trim()) {
            if line.chars().count() >= shortest {
                self.insert_line(line);
            }
        }
    }

    fn insert_line(&mut self, line: &str) {
        if self.lines.iter().any(|known| known.expose() == line) {
            return;
        }
        let longer = |known: &Secret| known.expose().len() >= line.len();
        let place = self.lines.partition_point(longer);
        self.lines.insert(place, Secret::new(line));
        self.search = OnceLock::new();
    }
}

/// Says whether what stands behind a `$` looks like the name of a variable, as in `$HOME/data`.
fn is_reference(piece: &str) -> bool {
    let other = |c: char| !(c.is_ascii_alphanumeric() || c == '_');
    let name = piece.trim_start_matches('{').split(other).next();
    let is_name = |name: &str| name.chars().all(|c| c.is_ascii_uppercase() || c == '_');
    name.is_some_and(|name| !name.is_empty() && is_name(name))
}

/// What of a plan is told in every log.
fn told_anyhow(plan: &Plan) -> Vec<String> {
    let site = &plan.site;
    let mut told = vec![
        site.deploy_dir.display().to_string(),
        site.backup_dir.display().to_string(),
        plan.origin.environment.clone(),
    ];
    told.extend(site.project_name.clone());
    told.extend(site.services.iter().cloned());
    told.extend(plan.origin.url.clone());
    told.extend(plan.origin.url.as_deref().and_then(host_of));
    told.extend(asked(plan).filter_map(host_of));
    if let Goal::Deploy { images } = &plan.goal {
        told.extend(images.iter().cloned());
    }
    told
}

/// The URLs that a plan's checks ask.
fn asked(plan: &Plan) -> impl Iterator<Item = &str> {
    let smoke = plan.checks.smoke.iter();
    let smoke = smoke.filter_map(|test| match &test.probe {
        Probe::Http { url, .. } => Some(url.as_str()),
        _ => None,
    });
    plan.checks.health_url.as_deref().into_iter().chain(smoke)
}

/// The host of a URL, without login, port and path.
fn host_of(url: &str) -> Option<String> {
    let (_, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let host = authority.rsplit('@').next()?;
    Some(host.split(':').next().unwrap_or(host).to_owned())
}

/// The login of `scheme://login@host`.
fn login_of(url: &str) -> Option<&str> {
    let (_, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    // A password may hold `/` unescaped; then the authority has no `@`.
    let found = authority.rsplit_once('@').or_else(|| rest.rsplit_once('@'));
    found.map(|(login, _)| login)
}

/// The password of `scheme://user:password@host`.
fn password_of(url: &str) -> Option<&str> {
    let (user, password) = login_of(url)?.split_once(':')?;
    // `postgres:postgres@` is what examples say; hidden, it would take half of a log with it.
    (password.chars().count() >= SHORTEST && password != user).then_some(password)
}

/// What stands before a value whose name says that it is a secret, as YAML, JSON and env files have it.
fn named_secret(line: &str) -> Option<(&str, &str)> {
    line.char_indices().find_map(|(at, sign)| {
        let (before, after) = (&line[..at], &line[at + 1..]);
        let gap = match sign {
            '=' => "",
            ':' if after.starts_with(' ') || before.ends_with('"') => " ",
            _ => return None,
        };
        let word = before.trim_end_matches(['"', '\'', ' ']);
        let other = |c: char| !(c.is_alphanumeric() || matches!(c, '_' | '-'));
        let name = word.rsplit(other).next()?;
        let is_secret = is_telling(name) && !after.trim().is_empty();
        is_secret.then_some((&line[..=at], gap))
    })
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
mod tests;
