//! Keeps the run's secrets out of every record, whoever printed them.
//!
//! It knows the values and nothing about where they come from; a hook's echo and a container's
//! stack trace are treated alike.

use std::path::Path;

use crate::host::compose::env_files;
use crate::words::clean;
use crate::words::event::{Failure, Note, Step};
use crate::words::masks::Masks;
use crate::words::plan::{Plan, Private, Site};
use crate::words::secret::Secret;

/// The longest line that is told, in bytes.
const LINE: usize = 4 * 1024;

/// How many lines wait for the next at most.
const HELD: usize = 64;

/// What must not be told, and the lines of a program that are not told yet: a secret may go on in the
/// next one.
pub struct Redactor {
    masks: Masks,
    /// The last line that was told, as it was printed.
    before: Option<String>,
    held: Vec<String>,
    /// Whose lines they are.
    step: Step,
}

impl Redactor {
    /// Collects the secrets of a run.
    #[must_use]
    pub fn of(plan: &Plan, private: &Private) -> Self {
        Self {
            masks: Masks::of(plan, private),
            before: None,
            held: Vec::new(),
            step: Step::Preflight,
        }
    }

    /// Collects the secrets that lie in a site's directory, read at `here`, for whoever only looks; by
    /// the plan of the release in place, where there is one.
    #[must_use]
    pub fn of_site(site: &Site, plan: Option<&Plan>, here: &Path) -> Self {
        let masks = plan.map(|plan| Masks::of(plan, &Private::default()));
        let mut redactor = Self {
            masks: masks.unwrap_or_default(),
            before: None,
            held: Vec::new(),
            step: Step::Preflight,
        };
        let env_file = plan.and_then(|plan| plan.env_file_path.as_deref());
        redactor.learn_in(site, env_file, here);
        redactor
    }

    /// Takes a line that was printed; those that can be told by now. One that ends as a secret begins
    /// waits for the next, and none is seen without the one before it.
    pub fn hear(&mut self, step: Step, text: &str) -> Vec<(Step, String)> {
        let mut told = if step == self.step {
            Vec::new()
        } else {
            self.rest()
        };
        self.step = step;
        self.held.push(text.to_owned());
        let lines = self.before.iter().chain(&self.held);
        let text = lines.map(String::as_str).collect::<Vec<_>>().join("\n");
        if self.held.len() >= HELD || !self.masks.may_go_on(&text) {
            let last = self.held.last().cloned();
            told.extend(self.let_go(&text));
            self.before = last;
        }
        told
    }

    /// The lines that waited, once no other follows.
    pub fn rest(&mut self) -> Vec<(Step, String)> {
        let lines = self.before.iter().chain(&self.held);
        let text = lines.map(String::as_str).collect::<Vec<_>>().join("\n");
        let told = self.let_go(&text);
        self.before = None;
        told
    }

    fn let_go(&mut self, text: &str) -> Vec<(Step, String)> {
        let held = std::mem::take(&mut self.held);
        let count = held.iter().map(|line| line.split('\n').count()).sum();
        let mut told = bounded(self.masks.scrub(&format!("{text}\n\n")).split('\n'));
        if told.len() < count {
            // Cleaning took lines away, so it is not known where the one before ends.
            told = held
                .iter()
                .flat_map(|line| bounded(self.masks.scrub(line).split('\n')))
                .collect();
        }
        let told = told.split_off(told.len().saturating_sub(count));
        told.into_iter().map(|line| (self.step, line)).collect()
    }

    /// Learns the values that lie on the server: of the plan's env file, and of what the compose
    /// files name, those that serve and those that are staged. The deploy directory is read at `here`.
    pub fn learn(&mut self, plan: &Plan, here: &Path, stage: &Path) {
        let real = &plan.site.deploy_dir;
        let staged = stage.join(real.strip_prefix("/").unwrap_or(real));
        for dir in [here, &staged] {
            self.learn_in(&plan.site, plan.env_file_path.as_deref(), dir);
        }
    }

    fn learn_in(&mut self, site: &Site, env_file: Option<&str>, dir: &Path) {
        let known = env_files::named(site, dir);
        let own = env_file.iter().map(|path| dir.join(path));
        let read = |path: &Path| env_files::text(path).map(Secret::new);
        for text in own.chain(known.env_files).filter_map(|path| read(&path)) {
            self.masks.add_env_file(&text);
        }
        for text in known.secret_files.iter().filter_map(|path| read(path)) {
            self.masks.add_file(&text);
        }
        for (name, value) in &known.variables {
            self.masks.add_value(name, value);
        }
    }

    /// A text as it may be told.
    #[must_use]
    pub fn text(&self, text: &str) -> String {
        self.told(text)
    }

    fn told(&self, text: &str) -> String {
        bounded(self.masks.scrub(text).split('\n')).join("\n")
    }

    /// Lines that one program printed, as they may be told.
    fn told_lines(&self, lines: &[String]) -> Vec<String> {
        bounded(self.masks.scrub_lines(lines).iter().map(String::as_str))
    }

    /// A failure without the values.
    #[must_use]
    pub fn failure(&self, failure: &Failure) -> Failure {
        Failure {
            what: self.told(&failure.what),
            because: self.told_lines(&failure.because),
            hints: failure.hints.iter().map(|hint| self.told(hint)).collect(),
            kind: failure.kind,
        }
    }

    /// A note without the values, where a server's text can be in it.
    #[must_use]
    pub fn note(&self, note: Note) -> Note {
        match note {
            Note::Said { text } => Note::Said {
                text: self.told(&text),
            },
            Note::Warned { text } => Note::Warned {
                text: self.told(&text),
            },
            Note::Logs { service, lines } => Note::Logs {
                service,
                lines: self.told_lines(&lines),
            },
            Note::Checked { mut check } => {
                check.detail = self.told(&check.detail);
                Note::Checked { check }
            }
            Note::Waiting { holder } => Note::Waiting {
                holder: self.told(&holder),
            },
            other => other,
        }
    }
}

fn bounded<'t>(lines: impl Iterator<Item = &'t str>) -> Vec<String> {
    lines.map(|line| clean::bounded(line, LINE)).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::words::plan::sample;

    #[test]
    fn what_a_container_prints_never_carries_a_secret_of_the_run() {
        let private = Private {
            env_file: Some(Secret::new("DB_PASSWORD=\"open sesame\"\n")),
            registry_password: Some(Secret::new("ghp_0123456789")),
            ..Private::default()
        };
        let note = Redactor::of(&sample::deploy(), &private).note(Note::Logs {
            service: "web".into(),
            lines: vec!["login open sesame ghp_0123456789".into()],
        });
        let Note::Logs { lines, .. } = note else {
            panic!("another note");
        };
        assert_eq!(lines, ["login [redacted] [redacted]"]);
    }

    #[test]
    fn values_that_lie_on_the_server_are_hidden_in_a_run_that_brings_none() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("conf")).unwrap();
        std::fs::write(dir.path().join(".env"), "DB_PASSWORD=open sesame\n").unwrap();
        std::fs::write(dir.path().join("conf/app.env"), "API_TOKEN=t0ps3cr3t\n").unwrap();
        let mut plan = sample::deploy();
        plan.site.deploy_dir = dir.path().to_owned();
        plan.env_file_path = Some("conf/app.env".into());
        let mut redactor = Redactor::of(&plan, &Private::default());
        redactor.learn(&plan, dir.path(), Path::new("/nowhere"));
        let failure = redactor.failure(&Failure::new("open sesame and t0ps3cr3t"));
        assert_eq!(failure.what, "[redacted] and [redacted]");
    }

    #[test]
    fn what_compose_files_name_is_hidden_too_where_it_serves_and_where_it_is_staged() {
        let dir = tempfile::tempdir().unwrap();
        let mut plan = sample::deploy();
        plan.site.deploy_dir = dir.path().join("app");
        let staged = dir
            .path()
            .join("stage")
            .join(plan.site.deploy_dir.strip_prefix("/").unwrap());
        for (at, secret) in [(&plan.site.deploy_dir, "old"), (&staged, "new")] {
            std::fs::create_dir_all(at).unwrap();
            let compose = format!(
                "services: {{web: {{env_file: [app.env], environment: {{A: {secret}-inline-1}}}}}}\nsecrets: {{s: {{file: s.txt}}}}\n"
            );
            std::fs::write(at.join("compose.yaml"), compose).unwrap();
            std::fs::write(at.join("app.env"), format!("B={secret}-sesame-2\n")).unwrap();
            std::fs::write(at.join("s.txt"), format!("{secret}-file-3\n")).unwrap();
        }
        let mut redactor = Redactor::of(&plan, &Private::default());
        redactor.learn(&plan, &plan.site.deploy_dir, &dir.path().join("stage"));
        for secret in ["inline-1", "sesame-2", "file-3"] {
            let failure = Failure::new(format!("old-{secret} new-{secret}"));
            let told = redactor.failure(&failure).what;
            assert_eq!(told, "[redacted] [redacted]");
        }
    }

    /// One that hides a registry's password.
    fn hiding(secret: &str) -> Redactor {
        let private = Private {
            registry_password: Some(Secret::new(secret)),
            ..Private::default()
        };
        Redactor::of(&sample::deploy(), &private)
    }

    /// What is told of these lines, and how many of them had to wait.
    fn told_of(redactor: &mut Redactor, lines: &[&str]) -> (Vec<String>, usize) {
        let (mut told, mut waited) = (Vec::new(), 0);
        for line in lines {
            let now = redactor.hear(Step::PreDeploy, line);
            waited += usize::from(now.is_empty());
            told.extend(now);
        }
        told.extend(redactor.rest());
        (told.into_iter().map(|(_, line)| line).collect(), waited)
    }

    #[test]
    fn a_secret_that_a_hook_wraps_over_lines_is_hidden_in_each_of_them() {
        let mut redactor = hiding("made-up-secret-99");
        for cut in 1..16 {
            let (one, two) = "made-up-secret-99".split_at(cut);
            let (first, second) = (format!("token {one}"), format!("  {two} end"));
            let (told, _) = told_of(&mut redactor, &["before", &first, &second, "after"]);
            assert_eq!(told.len(), 4, "{told:?}");
            assert_eq!((told[0].as_str(), told[3].as_str()), ("before", "after"));
            assert!(told[2].ends_with("[redacted] end"), "{told:?}");
            assert!(!told[1].contains("made"), "{told:?}");
        }
        let three = ["x made-", "up-sec", "ret-99 y", ""];
        let (told, waited) = told_of(&mut redactor, &three);
        assert_eq!(told, ["x [redacted]", "[redacted]", "[redacted] y", ""]);
        assert_eq!(waited, 2);
        let same = redactor.hear(Step::Up, "x made-up-");
        let other = redactor.hear(Step::Verify, "secret-99 y");
        assert_eq!(
            (same, other.len()),
            (Vec::new(), 2),
            "another step's line is no next line"
        );
    }

    #[test]
    fn a_line_that_no_secret_goes_on_from_is_told_at_once_and_as_it_is() {
        let mut redactor = hiding("made-up-secret-99");
        let lines = ["migrating", "", "two\nlines", "  indented", "done"];
        let (told, waited) = told_of(&mut redactor, &lines);
        assert_eq!((told.join("\n"), waited), (lines.join("\n"), 0));
    }

    #[test]
    fn a_line_that_nobody_could_read_is_cut_once_it_is_masked() {
        let private = Private {
            registry_password: Some(Secret::new("made-up-secret-99")),
            ..Private::default()
        };
        let redactor = Redactor::of(&sample::deploy(), &private);
        let long = format!(
            "{}made-up-secret-99{}",
            "x".repeat(LINE - 5),
            "y".repeat(785_000)
        );
        let note = redactor.note(Note::Said { text: long.clone() });
        let Note::Said { text } = note else {
            panic!("another note");
        };
        assert!(
            text.len() < LINE + 40 && text.ends_with(" more bytes)"),
            "{}",
            text.len()
        );
        assert!(!text.contains("made-"), "{}", &text[LINE - 20..]);
        let failure = redactor.failure(&Failure::new("x").because(&long).hint(&long));
        assert!(failure.because[0].len() < LINE + 40 && failure.hints[0].len() < LINE + 40);
    }
}
