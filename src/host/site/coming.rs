//! The files that a plan brings beside those that are there: which differ, and how.
//!
//! Of files that hold variables or keys it tells names alone; of any other file it hides what is known
//! to be secret and what is called so. It changes nothing.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read};
use std::path::Path;

use similar::{ChangeTag, TextDiff};

use super::contents;
use crate::files::foreign;
use crate::files::rundir::RunDir;
use crate::files::tree::{Home, put};
use crate::host::ground::Ground;
use crate::words::Result;
use crate::words::env_file::EnvFile;
use crate::words::masks::Masks;
use crate::words::plan::{Plan, Private};
use crate::words::report::foreseen::FileForeseen;
use crate::words::secret::Secret;

/// How much of a file is compared line by line, in bytes.
const MOST: u64 = 256 * 1024;
/// How many lines of a difference are told.
const TOLD: usize = 40;

/// The files of a plan that differ from what is there.
pub fn coming(
    ground: &Ground,
    plan: &Plan,
    private: &Private,
    run: &RunDir,
) -> Result<Vec<FileForeseen>> {
    let home = ground.deploy();
    let masks = masks(home, plan, private);
    let mut coming = Vec::new();
    for file in &mut contents(plan, private, run)? {
        if put::holds(home, &file.path, file.bytes.as_mut(), file.mode) {
            continue;
        }
        let was = foreign::text(&home.path().join(&file.path), MOST);
        let is_new = matches!(&was, Err(e) if e.kind() == ErrorKind::NotFound);
        let will = text(file.bytes.as_mut());
        let is_env = plan.env_file_path.as_ref() == Some(&file.path) || is_env(&file.path);
        coming.push(FileForeseen {
            path: file.path.clone(),
            change: if is_new { "added" } else { "changed" }.to_owned(),
            lines: match (was, will) {
                (Ok(was), Some(will)) if is_env => names(&was, &will),
                (Err(_), Some(will)) if is_new && is_env => names("", &will),
                (Ok(was), Some(will)) => differing(&was, &will, &masks),
                _ => Vec::new(),
            },
        });
    }
    Ok(coming)
}

/// What must not be told: the secrets that come, and those that are there.
fn masks(home: &Home, plan: &Plan, private: &Private) -> Masks {
    let mut masks = Masks::of(plan, private);
    let own = plan.env_file_path.as_deref().unwrap_or(".env");
    for path in [own, ".env"] {
        if let Ok(text) = foreign::text(&home.path().join(path), MOST) {
            masks.add_env_file(&Secret::new(text));
        }
    }
    masks
}

/// All of a short text; none of anything else.
fn text(content: &mut dyn put::Content) -> Option<String> {
    content.rewind().ok()?;
    let mut bytes = Vec::new();
    content.take(MOST + 1).read_to_end(&mut bytes).ok()?;
    let is_short = bytes.len() as u64 <= MOST;
    is_short.then(|| String::from_utf8(bytes).ok()).flatten()
}

/// Says whether a file is called as files of variables are.
fn is_env(path: &str) -> bool {
    let name = Path::new(path).file_name().unwrap_or_default();
    let name = name.to_string_lossy();
    name == ".env" || name.starts_with(".env.") || name.ends_with(".env")
}

/// The variables that come, go and change, by name.
fn names(was: &str, will: &str) -> Vec<String> {
    let read = |text: &str| -> BTreeMap<String, String> {
        let file = EnvFile::read(text);
        let variables = file.variables.iter();
        variables
            .map(|v| (v.name.clone(), v.meant().expose().to_owned()))
            .collect()
    };
    let (was, will) = (read(was), read(will));
    let mut lines = Vec::new();
    for (name, value) in &will {
        match was.get(name) {
            None => lines.push(format!("+ {name}")),
            Some(old) if old != value => lines.push(format!("~ {name}")),
            Some(_) => {}
        }
    }
    lines.extend(
        was.keys()
            .filter(|n| !will.contains_key(*n))
            .map(|n| format!("- {n}")),
    );
    if lines.is_empty() {
        lines.push("no variable changes".to_owned());
    }
    lines
}

/// The lines that go and come.
fn differing(was: &str, will: &str, masks: &Masks) -> Vec<String> {
    if [was, will].iter().any(|text| text.contains("PRIVATE KEY")) {
        return vec!["it holds a key, so its lines are not told".to_owned()];
    }
    if was == will {
        return vec!["its permissions change".to_owned()];
    }
    let diff = TextDiff::from_lines(was, will);
    let changed = diff.iter_all_changes().filter_map(|change| {
        let sign = match change.tag() {
            ChangeTag::Equal => return None,
            ChangeTag::Delete => "-",
            ChangeTag::Insert => "+",
        };
        Some((sign, change.value().trim_end().to_owned()))
    });
    let changed: Vec<(&str, String)> = changed.collect();
    let mut lines: Vec<String> = changed
        .iter()
        .take(TOLD)
        .map(|(sign, line)| format!("{sign} {}", masks.told_line(line)))
        .collect();
    if changed.len() > TOLD {
        lines.push(format!("and {} more lines", changed.len() - TOLD));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_variables_only_the_names_are_told() {
        let was = "A=1\nSECRET=made-up-one\nGONE=x\n";
        let will = "A=1\nSECRET=made-up-two\nNEW=y\n";
        assert_eq!(names(was, will), ["+ NEW", "~ SECRET", "- GONE"]);
        assert_eq!(
            names(was, "GONE=x\nSECRET='made-up-one'\nA=1\n"),
            ["no variable changes"]
        );
        for path in [".env", "prod.env", "conf/.env.local"] {
            assert!(is_env(path), "{path}");
        }
        assert!(!is_env("environment.yml"));
    }

    #[test]
    fn of_other_files_the_lines_are_told_without_what_is_secret_or_called_so() {
        let mut masks = Masks::default();
        masks.add(&Secret::new("made-up-value"));
        let was = "image: a:1\ncommand: run made-up-value\nports: []\n";
        let will = "image: a:2\ncommand: run x\nDB_PASSWORD: hunter22\n\"apiKey\": \"zzzz99\",\nurl: redis://u:p4ss5word@db/0\nports: []\n";
        assert_eq!(
            differing(was, will, &masks),
            [
                "- image: a:1",
                "- command: run [redacted]",
                "+ image: a:2",
                "+ command: run x",
                "+ DB_PASSWORD: [redacted]",
                "+ \"apiKey\": [redacted]",
                "+ url: redis://db/0",
            ]
        );
        let key = "-----BEGIN PRIVATE KEY-----\nabc\n";
        assert!(!differing("", key, &masks).concat().contains("abc"));
        let long = "x\n".repeat(99);
        assert_eq!(differing("", &long, &masks).len(), TOLD + 1);
        assert_eq!(differing("x\n", "x\n", &masks), ["its permissions change"]);
    }
}
