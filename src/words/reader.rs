//! Who reads a message, so far as commands go: what this program is called where its reader types, and
//! the flags that lead from there to the place which the message is about.
//!
//! Whoever writes a message names a command in the short form that people say, in backticks:
//! `landfall status`. Whoever tells it has the reader complete it, so that it works as it is printed. It
//! refuses to know what a command does. A key that was given by a file is not told: whoever typed its
//! name once can do so again.

use std::fmt::Write as _;

use serde_json::Value;

use crate::words::plan::Site;
use crate::words::shell::{path, word};

/// The name that messages call this program by.
pub const NAME: &str = "landfall";
/// What of it is about one place, and needs to be told which.
const VERBS: [&str; 12] = [
    "deploy", "rollback", "plan", "status", "history", "backups", "verify", "freeze", "thaw",
    "recover", "doctor", "logs",
];

/// Whoever reads; of the default nothing is known, and commands stay as short as they are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reader {
    program: String,
    flags: String,
    is_guess: bool,
}

impl Reader {
    /// Somebody who types on the server, where the program is called that.
    #[must_use]
    pub fn on_server(program: String, site: &Site) -> Self {
        Self {
            program,
            flags: place(site),
            is_guess: false,
        }
    }

    /// Somebody who reads a workflow's log, and types on the server: nobody may have put the program on
    /// the path there, and the newest one that a run has left there is as good as any.
    #[must_use]
    pub fn of_workflow(site: &Site) -> Self {
        let left = path(&site.backup_dir.join(".landfall/bin"));
        Self {
            program: format!("\"$(ls -t {left}/landfall-* | head -n 1)\""),
            flags: place(site),
            is_guess: true,
        }
    }

    /// Somebody who types on another machine, with the flags that lead to the server.
    #[must_use]
    pub fn elsewhere(program: String, server: &str, site: &Site) -> Self {
        Self {
            program,
            flags: format!("{server}{}", place(site)),
            is_guess: false,
        }
    }

    /// The agent was reached, so what its program is called on the server is known.
    pub fn learn(&mut self, program: String) {
        if self.is_guess {
            self.program = program;
            self.is_guess = false;
        }
    }

    /// `landfall WORDS` as this reader types it.
    #[must_use]
    pub fn command(&self, words: &str) -> String {
        let program = match self.program.as_str() {
            "" => NAME,
            program => program,
        };
        format!("{program} {words}{}", self.flags)
    }

    /// Says whether a text gives a command of this program.
    #[must_use]
    pub fn is_given_one(&self, text: &str) -> bool {
        let begins = format!("`{}", self.command(""));
        let begins = begins.trim_end_matches(&self.flags);
        text.contains(begins) || text.contains(&format!("`{NAME} "))
    }

    /// A text in which every short command in backticks is as this reader types it.
    #[must_use]
    pub fn completed(&self, text: &str) -> String {
        if self.flags.is_empty() {
            return text.to_owned();
        }
        let (mut all, mut rest) = (String::new(), text);
        let begins = format!("`{NAME} ");
        while let Some((before, after)) = rest.split_once(&begins) {
            all.push_str(before);
            match after.split_once('`') {
                Some((words, after)) if is_short(words) => {
                    let _ = write!(all, "`{}`", self.command(words));
                    rest = after;
                }
                _ => {
                    all.push_str(&begins);
                    rest = after;
                }
            }
        }
        all + rest
    }

    /// The same in every text of a value.
    pub fn complete(&self, value: &mut Value) {
        match value {
            Value::String(text) => *text = self.completed(text),
            Value::Array(all) => all.iter_mut().for_each(|each| self.complete(each)),
            Value::Object(all) => all.values_mut().for_each(|each| self.complete(each)),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
}

/// A command about a place that it does not say.
fn is_short(words: &str) -> bool {
    let verb = words.split(' ').next().unwrap_or_default();
    VERBS.contains(&verb) && !words.contains("--deploy-dir") && !words.contains('\n')
}

/// The flags that name a place on its server.
fn place(site: &Site) -> String {
    let mut flags = format!(" --deploy-dir {}", path(&site.deploy_dir));
    if site.backup_dir != Site::usual_backup_dir(&site.deploy_dir) {
        let _ = write!(flags, " --backup-dir {}", path(&site.backup_dir));
    }
    if let Some(name) = &site.project_name {
        let _ = write!(flags, " --project-name {}", word(name));
    }
    for file in &site.compose_files {
        let _ = write!(flags, " --compose-file {}", word(file));
    }
    flags
}

#[cfg(test)]
mod kind;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::json;

    use super::*;
    use crate::words::plan::sample;

    fn site() -> Site {
        Site {
            deploy_dir: "/opt/my app".into(),
            backup_dir: "/mnt/backups".into(),
            project_name: Some("shop".into()),
            compose_files: vec!["docker/compose.yml".into()],
            ..sample::deploy().site
        }
    }

    const PLACE: &str = "--deploy-dir '/opt/my app' --backup-dir /mnt/backups --project-name shop --compose-file docker/compose.yml";

    #[test]
    fn each_short_command_of_a_text_is_completed_and_nothing_else() {
        let reader = Reader::on_server("landfall".into(), &site());
        let told = reader.completed(
            "`a` then `landfall recover --keep` or `landfall thaw`; `landfall status --deploy-dir /x`, \
             `landfall agent run`, landfall status, `landfall ",
        );
        assert_eq!(
            told,
            format!(
                "`a` then `landfall recover --keep {PLACE}` or `landfall thaw {PLACE}`; \
                 `landfall status --deploy-dir /x`, `landfall agent run`, landfall status, `landfall "
            )
        );
        assert_eq!(reader.completed(&told), told, "once is enough");
        let unknown = Reader::default();
        assert_eq!(unknown.completed("`landfall thaw`"), "`landfall thaw`");
        assert_eq!(unknown.command("thaw"), "landfall thaw");
    }

    #[test]
    fn a_reader_of_a_workflow_is_given_the_program_that_lies_on_the_server() {
        let mut reader = Reader::of_workflow(&site());
        let newest = "\"$(ls -t /mnt/backups/.landfall/bin/landfall-* | head -n 1)\"";
        assert_eq!(reader.command("thaw"), format!("{newest} thaw {PLACE}"));
        assert!(reader.is_given_one(&reader.completed("run `landfall thaw`")));
        reader.learn("/mnt/backups/.landfall/bin/landfall-0".into());
        reader.learn("another".into());
        let known = "/mnt/backups/.landfall/bin/landfall-0";
        assert_eq!(reader.command("thaw"), format!("{known} thaw {PLACE}"));
        assert!(reader.is_given_one(&reader.completed("run `landfall thaw`")));
        assert!(!reader.is_given_one("run `docker ps`"));
    }

    #[test]
    fn values_are_completed_wherever_a_text_is() {
        let reader = Reader::elsewhere("landfall".into(), " --host example.org", &site());
        let mut value = json!({ "hints": ["`landfall thaw`"], "n": 1, "in": { "a": "no" } });
        reader.complete(&mut value);
        let thaw = format!("`landfall thaw --host example.org {PLACE}`");
        assert_eq!(
            value,
            json!({ "hints": [thaw], "n": 1, "in": { "a": "no" } })
        );
    }
}
