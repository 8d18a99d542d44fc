//! What the first screen of what is told has to hold, and which of its words promise something of the
//! server.
//!
//! It refuses to know the mistake.

use super::scene::Told;

/// The lines that a person sees without scrolling.
const SCREEN: usize = 25;

/// How a line begins that says what happened.
const HEADS: [&str; 8] = [
    "error: ",
    "## ",
    "Refused: ",
    "Rolled back: ",
    "Unhealthy: ",
    "status  ",
    "failed  ",
    "There is no ",
];

/// What follows these words, or the line itself, says what to do.
const STEPS: [&str; 4] = ["hint: ", "tip: ", "to do  ", "→ "];

/// How a sentence begins that says what to do, behind what happened and why.
const VERBS: &str = "add allow ask begin bring check choose compare correct create do find free fetch give install keep leave log \
    look make name pass pull put quote raise read remove replace run say see set ship start stop take thaw try use wait write";

/// Words that promise that nothing was touched.
const UNTOUCHED: [&str; 4] = [
    "othing was touched",
    "nothing was deployed",
    "was not touched",
    "othing would change",
];

/// Words that promise the old release, whatever was tried.
const PUT_BACK: [&str; 3] = [
    "runs what it ran before",
    "the server is as it was",
    "what ran before serves",
];

/// How the server is, held against what it was.
#[derive(Clone, Copy)]
pub struct Server {
    /// Byte for byte as before.
    pub is_as_before: bool,
    /// Other containers, of the same images and configuration, and the same files.
    pub is_the_release: bool,
}

/// Says what is missing in the first screen, and which promise was not kept.
pub fn faults(told: &Told, server: Server) -> Vec<String> {
    let shown = match &told.summary {
        Some(summary) => summary.clone(),
        None => format!("{}{}", told.stderr, told.stdout),
    };
    let screen: Vec<&str> = shown.lines().take(SCREEN).collect();
    let mut faults = Vec::new();
    let mut must = |is: bool, what: &str| {
        if !is {
            faults.push(what.to_owned());
        }
    };
    let headline = screen.iter().position(|line| is_headline(line));
    must(headline.is_some(), "no headline in the first screen");
    let rest = &screen[headline.unwrap_or_default()..];
    must(has_a_reason(rest), "no reason in the first screen");
    must(has_a_step(rest), "no next step in the first screen");
    if told.summary.is_some() {
        let annotated = told.stdout.lines().any(|line| line.starts_with("::error "));
        must(annotated, "no annotation");
    }
    let all = format!("{}{}{shown}", told.stdout, told.stderr);
    let says = |words: &[&str]| words.iter().any(|word| all.contains(word));
    must(
        server.is_as_before || !(says(&UNTOUCHED) || told.code == Some(2)),
        "it says that nothing was touched, and the server is not as before",
    );
    must(
        server.is_the_release || !says(&PUT_BACK),
        "it says that the release was put back, and it was not",
    );
    faults
}

fn is_headline(line: &str) -> bool {
    HEADS.iter().any(|head| line.starts_with(head))
}

/// More than one clause behind the headline's first word, or a line below that is no step.
fn has_a_reason(lines: &[&str]) -> bool {
    let Some(line) = lines.first() else {
        return false;
    };
    let bare = HEADS.iter().find_map(|head| line.strip_prefix(head));
    let bare = bare.unwrap_or(line);
    let below = lines.iter().skip(1).map(|line| line.trim());
    let tells = |line: &&str| !line.is_empty() && !is_a_step(line) && !is_fitting(line);
    bare.contains(": ") || bare.contains("; ") || below.filter(tells).count() > 0
}

/// What stands on every page, whatever happened.
fn is_fitting(line: &str) -> bool {
    let all = ["#", "[", "Deployment ", "For more ", "- Mend "];
    all.iter().any(|word| line.starts_with(word))
}

/// A line that says what to do; that one may try again is none.
fn has_a_step(lines: &[&str]) -> bool {
    let listed = lines.iter().position(|line| *line == "### What to do next");
    let steps = listed.map_or(&[][..], |at| &lines[at..]);
    let is_listed = |line: &&&str| line.starts_with("- ") && !line.starts_with("- Mend ");
    steps.iter().any(|line| is_listed(&line)) || lines.iter().any(|line| is_a_step(line.trim()))
}

fn is_a_step(line: &str) -> bool {
    let begins = |clause: &str| {
        let word = clause.split(' ').next().unwrap_or_default();
        VERBS.split_whitespace().any(|verb| verb == word)
    };
    STEPS.iter().any(|step| line.starts_with(step)) || line.split("; ").skip(1).any(begins)
}
