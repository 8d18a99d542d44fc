//! Which room takes from which: the allowed edges, and nothing else.
//!
//! Only what is built for users counts; a test may look anywhere. It refuses to know what a room does.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Each room, and the rooms that it may take from.
const EDGES: [(&str, &[&str]); 8] = [
    ("words", &[]),
    ("files", &["words", "clock", "fault"]),
    ("host", &["words", "files", "clock", "fault"]),
    ("saga", &["words", "files", "host", "clock", "fault"]),
    ("remote", &["words", "files"]),
    ("request", &["words", "files", "remote"]),
    ("output", &["words"]),
    (
        "face",
        &[
            "words", "files", "host", "saga", "remote", "request", "output", "clock",
        ],
    ),
];

/// The rooms that a source names by their whole path, its tests and comments aside.
fn named(source: &str) -> BTreeSet<String> {
    let built = source
        .split("#[cfg(test)]\nmod ")
        .next()
        .unwrap_or_default();
    let lines = built.lines().scan(false, |is_test, line| {
        let skipped = std::mem::replace(is_test, line.trim() == "#[cfg(test)]");
        Some(if skipped { "" } else { line })
    });
    let code = lines.map(|line| line.split("//").next().unwrap_or_default());
    let code: Vec<&str> = code.collect();
    let code = code.join("\n");
    let paths = code.match_indices("crate::").map(|(at, begins)| {
        let word = |c: &char| c.is_alphanumeric() || *c == '_';
        let rest = code[at + begins.len()..].chars();
        rest.take_while(word).collect()
    });
    paths.collect()
}

/// What a file of a room takes that its room may not.
fn wrong(room: &str, source: &str) -> Vec<String> {
    let (_, allowed) = EDGES.iter().find(|(name, _)| *name == room).unwrap();
    let is_wrong = |to: &String| to != room && !allowed.contains(&to.as_str());
    named(source).into_iter().filter(is_wrong).collect()
}

/// Every source below a directory, but for tests and the proof, which are files of their own.
fn sources(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        let is_test = ["tests", "proof", "odd", "sample", "kind"].contains(&name);
        if path.is_dir() && !is_test {
            found.extend(sources(&path));
        } else if !is_test && path.extension().is_some_and(|ext| ext == "rs") {
            found.push(path);
        }
    }
    found
}

#[test]
fn no_room_takes_from_one_that_it_may_not_know() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let (mut all, mut taken) = (Vec::new(), BTreeSet::new());
    for (room, _) in EDGES {
        for path in sources(&root.join(room)) {
            let source = fs::read_to_string(&path).unwrap();
            let wrong = wrong(room, &source);
            let told = wrong
                .iter()
                .map(|to| format!("{} takes from {to}", path.display()));
            all.extend(told);
            taken.extend(named(&source).into_iter().map(|to| (room, to)));
        }
    }
    assert!(all.is_empty(), "{}", all.join("\n"));
    let allowed = EDGES.iter();
    let allowed = allowed.flat_map(|(room, takes)| takes.iter().map(move |to| (*room, *to)));
    // What is called by a macro is named nowhere.
    for (room, to) in allowed.filter(|(_, to)| *to != "fault") {
        let is_taken = taken.contains(&(room, to.to_owned()));
        assert!(is_taken, "{room} takes nothing from {to} any more");
    }
}

#[test]
fn an_edge_that_is_not_allowed_is_found_wherever_it_stands() {
    let planted =
        "use crate::words::plan::Plan;\n/// [`crate::face`]\nfn f() { crate::saga::next(); }\n";
    assert_eq!(wrong("files", planted), ["saga"]);
    assert_eq!(wrong("saga", planted), [""; 0]);
    let of_a_test =
        "#[cfg(test)]\nuse crate::face::cli;\n#[cfg(test)]\nmod tests {\n    use crate::saga;\n}\n";
    assert_eq!(wrong("words", of_a_test), [""; 0]);
}

#[test]
fn the_allowed_edges_lead_down_and_never_round() {
    for (at, (_, takes)) in EDGES.iter().enumerate() {
        for taken in *takes {
            let place = EDGES.iter().position(|(room, _)| room == taken);
            assert!(place.is_none_or(|place| place < at), "{taken}");
        }
    }
}
