//! Every command of this program that a text of the source names is one that its reader can be given
//! whole: short, in backticks, and without a place. Or it is known why not.

#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};

use super::{NAME, VERBS, is_short};

/// Texts that name a command and are not completed: a file, the text behind the program's name, why.
const AS_THEY_ARE: [(&str, &str, &str); 2] = [
    (
        "face/cli.rs",
        "",
        "help is about no place; its examples say one, and are run by a test",
    ),
    (
        "host/boot.rs",
        "doctor --install`.\n",
        "a comment in a unit's file",
    ),
];

/// A command in a text: the file, and what stands around it.
struct Named {
    file: String,
    is_quoted: bool,
    rest: String,
}

impl Named {
    fn is_completed(&self) -> bool {
        let words = self.rest.split_once('`');
        self.is_quoted && words.is_some_and(|(words, _)| is_short(words))
    }

    fn is_known(&self) -> bool {
        let mut known = AS_THEY_ARE.iter();
        known.any(|(file, rest, _)| self.file == *file && self.rest.starts_with(rest))
    }
}

/// The commands that a file's texts name, its tests and its comments aside.
fn named(file: &str, source: &str) -> Vec<Named> {
    let code = source
        .split("#[cfg(test)]\nmod ")
        .next()
        .unwrap_or_default();
    let is_code = |line: &&str| !line.trim_start().starts_with("//");
    let code: Vec<&str> = code.lines().filter(is_code).collect();
    let code = code.join("\n") + "\n";
    let begins = format!("{NAME} ");
    let found = code.match_indices(&begins).filter_map(|(at, _)| {
        let rest = &code[at + begins.len()..];
        let verb: String = rest.chars().take_while(char::is_ascii_lowercase).collect();
        // `landfall has been here` is a sentence.
        let is_one = VERBS.contains(&verb.as_str()) || rest.starts_with('{');
        is_one.then(|| Named {
            file: file.to_owned(),
            is_quoted: code[..at].ends_with('`'),
            rest: rest.to_owned(),
        })
    });
    found.collect()
}

fn sources(dir: &Path, all: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() && name != "tests" {
            sources(&path, all);
        } else if path.extension().is_some_and(|e| e == "rs")
            && name != "tests.rs"
            && name != "kind.rs"
        {
            all.push(path);
        }
    }
}

#[test]
fn no_text_names_a_command_that_its_reader_cannot_be_given_whole() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&top, &mut files);
    let mut all = Vec::new();
    for path in files {
        let file = path
            .strip_prefix(&top)
            .unwrap()
            .to_string_lossy()
            .into_owned();
        all.extend(named(&file, &std::fs::read_to_string(&path).unwrap()));
    }
    assert!(all.len() > 20, "there are more than {}", all.len());
    let bare = all.iter().filter(|n| !n.is_completed() && !n.is_known());
    let bare: Vec<String> = bare
        .map(|n| {
            format!(
                "{}: {NAME} {}",
                n.file,
                n.rest.lines().next().unwrap_or_default()
            )
        })
        .collect();
    assert!(
        bare.is_empty(),
        "write them as `{NAME} VERB` in backticks, without a place: {bare:#?}"
    );
    for (file, rest, _) in AS_THEY_ARE {
        let is_meant = |n: &Named| n.file == file && n.rest.starts_with(rest);
        assert!(
            all.iter().any(is_meant),
            "{file} does not say {rest} by now"
        );
    }
}

#[test]
fn a_bare_command_is_seen() {
    for (text, is_bare) in [
        ("hint(\"run `landfall thaw`\")", false),
        ("hint(\"choose: `landfall rollback {}`\")", false),
        ("hint(\"run landfall thaw\")", true),
        ("hint(\"run `landfall thaw --deploy-dir {dir}`\")", true),
        ("format!(\"landfall rollback --deploy-dir {dir}\")", true),
        ("format!(\"landfall {words}\")", true),
        ("\"landfall deploys to Linux alone\"", false),
        ("// landfall thaw", false),
        ("#[cfg(test)]\nmod tests { landfall thaw }", false),
    ] {
        let found = named("a.rs", text);
        assert_eq!(found.iter().any(|n| !n.is_completed()), is_bare, "{text}");
    }
}

#[test]
fn every_command_that_is_about_a_place_is_completed() {
    let cli = include_str!("../../face/cli.rs");
    let (_, verbs) = cli.split_once("enum Verb {").unwrap();
    let (verbs, _) = verbs.split_once("\n}").unwrap();
    let names = verbs.lines().filter_map(|line| line.strip_prefix("    "));
    let names = names.filter(|line| line.starts_with(char::is_uppercase));
    let names = names.map(|line| line.split(|c: char| !c.is_alphabetic()).next().unwrap());
    let mut names: Vec<String> = names.map(str::to_lowercase).collect();
    names.retain(|name| name != "version" && name != "completions");
    let mut known: Vec<&str> = VERBS.to_vec();
    known.sort_unstable();
    names.sort_unstable();
    assert_eq!(names, known);
}
