//! Keeps the run's secrets out of every record, whoever printed them.
//!
//! It knows the values and nothing about where they come from; a hook's echo and a container's
//! stack trace are treated alike.

use std::path::Path;

use crate::clean;
use crate::event::{Failure, Note};
use crate::host::compose::env_files;
use crate::masks::Masks;
use crate::plan::{Plan, Private};
use crate::secret::Secret;

/// The longest line that is told, in bytes.
const LINE: usize = 4 * 1024;

/// What must not be told.
pub struct Redactor(Masks);

impl Redactor {
    /// Collects the secrets of a run.
    #[must_use]
    pub fn of(plan: &Plan, private: &Private) -> Self {
        Self(Masks::of(plan, private))
    }

    /// Learns the values that lie on the server: of the plan's env file, and of what the compose
    /// files name, those that serve and those that are staged.
    pub fn learn(&mut self, plan: &Plan, stage: &Path) {
        let real = &plan.site.deploy_dir;
        let staged = stage.join(real.strip_prefix("/").unwrap_or(real));
        for dir in [real.as_path(), &staged] {
            self.learn_in(plan, dir);
        }
    }

    fn learn_in(&mut self, plan: &Plan, dir: &Path) {
        let known = env_files::named(&plan.site, dir);
        let own = plan.env_file_path.iter().map(|path| dir.join(path));
        let read = |path: &Path| env_files::text(path).map(Secret::new);
        for text in own.chain(known.env_files).filter_map(|path| read(&path)) {
            self.0.add_env_file(&text);
        }
        for text in known.secret_files.iter().filter_map(|path| read(path)) {
            self.0.add_file(&text);
        }
        for (name, value) in &known.variables {
            self.0.add_value(name, value);
        }
    }

    /// A text as it may be told.
    fn told(&self, text: &str) -> String {
        bounded(self.0.scrub(text).split('\n')).join("\n")
    }

    /// Lines that one program printed, as they may be told.
    fn told_lines(&self, lines: &[String]) -> Vec<String> {
        bounded(self.0.scrub_lines(lines).iter().map(String::as_str))
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
    use crate::plan::sample;

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
        redactor.learn(&plan, Path::new("/nowhere"));
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
        redactor.learn(&plan, &dir.path().join("stage"));
        for secret in ["inline-1", "sesame-2", "file-3"] {
            let failure = Failure::new(format!("old-{secret} new-{secret}"));
            let told = redactor.failure(&failure).what;
            assert_eq!(told, "[redacted] [redacted]");
        }
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
