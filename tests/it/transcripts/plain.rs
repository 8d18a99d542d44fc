//! What has to vary from run to run becomes a word: times, ids, ports, digests.
//!
//! It refuses to know what was told; what is the same in every run stays as it is.

use regex_lite::Regex;

use crate::harness::act::landfall;
use crate::harness::app::App;

/// What is recognised by its form, in this order.
const FORMS: &[(&str, &str)] = &[
    // The runner obeys these and shows neither; the key has other lines in every laboratory.
    (r"(?m)^::add-mask::.*\n", ""),
    ("\u{1b}\\[[0-9;]*m", ""),
    // Only the page of the summary has one, and pictures of it are kept elsewhere.
    (r"(?s)```mermaid\n.*?```", "(a chart)"),
    (r"(?s)-----BEGIN.*?-----END[A-Z ]*-----", "<a private key>"),
    // Whose words these are depends on how this machine resolves names.
    (
        r"(Could not resolve hostname [^ :]+): [A-Za-z ]+",
        "$1: <reason>",
    ),
    // What is told while a step takes long depends on how long it takes.
    (r"(?m)^::(endgroup::|group::\w+ …)\n", ""),
    (r"(?m)^::group::", ""),
    (r"(?m)^([a-z_ ]+ …|  waiting, .*)\n", ""),
    // Whether it runs or has just ended depends on the moment, and so does how often it spoke.
    (r"(restarted \d+ times), last exit code \d+", "$1"),
    // Cron's own files, which a run meets or does not.
    (r"(?m)^.*`log/(cron|private)\.log`.*\n", ""),
    (r"/tmp/it-[A-Za-z0-9]+", "<runner>"),
    (r"\b\d{8}\\?_\d{6}-[0-9a-f]{6}\b", "<run>"),
    (
        r"\bana@(<!-- -->)?[A-Za-z0-9.-]+ since",
        "ana@<machine> since",
    ),
    (r"\b\d{8}\\?_\d{6}\b", "<timestamp>"),
    (
        r"\b20\d\d-\d\d-\d\d[T ]\d\d:\d\d(:\d\d)?(\.\d+)?(Z| UTC)?",
        "<time>",
    ),
    (r"\b\d\d:\d\d:\d\d\b", "<time>"),
    (r"sha256:[0-9a-f]{7,64}(…)?", "<digest>"),
    (r"SHA256:[A-Za-z0-9+/]{43}", "<fingerprint>"),
    (r"AAAA[A-Za-z0-9+/]{30,}=*", "<key>"),
    (r"\blandfall-[0-9a-f]{8,64}\b", "landfall-<digest>"),
    (r"\b([0-9a-f]{64}|[0-9a-f]{12})\b", "<id>"),
    (r"<timestamp>-[0-9a-f]{8}-<id>", "<timestamp>-<id>"),
    (r"\b\d+ MB free\b", "<size> free"),
    (
        r"\b(Docker|Compose|docker +|compose +)( ?)\d+\.\d+\.\d+[-+.a-z0-9]*",
        "$1$2<version>",
    ),
    (r"\b(\d+\.\d+|0) s\b", "<duration>"),
    // A column as wide as what stood there.
    (r"<duration> {2,}", "<duration>  "),
    (r"\b(\d+ (s|min|h) ago|just now)\b", "<age>"),
    (r"\b\d+(\.\d+)? ([kKMGT]i?)?B\b", "<size>"),
    (r"\b172\.\d+\.\d+\.\d+\b", "<address>"),
    (r"\b(pid|process) \d+\b", "$1 <pid>"),
];

/// Makes texts of one server comparable.
pub struct Plain {
    literal: Vec<(String, &'static str)>,
    forms: Vec<(Regex, &'static str)>,
}

impl Plain {
    /// For runs against this server.
    pub fn of(app: &App) -> Self {
        let slot = &app.slot;
        let literal = vec![
            (slot.fact("SSH_PORT").to_owned(), "<port>"),
            (slot.fact("REGISTRY_PASSWORD").to_owned(), "<password>"),
            (landfall().display().to_string(), "landfall"),
        ];
        let form = |(form, word): &(&str, &'static str)| (Regex::new(form).unwrap(), *word);
        Self {
            literal,
            forms: FORMS.iter().map(form).collect(),
        }
    }

    /// A text without what has to vary.
    pub fn text(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (literal, word) in &self.literal {
            text = text.replace(literal, word);
        }
        for (form, word) in &self.forms {
            text = form.replace_all(&text, *word).into_owned();
        }
        said_once(&without_details(&text))
    }
}

/// A transcript in which nothing says the same line twice on end, as what dies again and again does.
fn said_once(text: &str) -> String {
    let mut lines: Vec<&str> = text.split('\n').collect();
    lines.dedup_by(|line, before| line == before && !line.is_empty());
    lines.join("\n")
}

/// A transcript without what a run tells below its steps: above a step's line where the step was slow,
/// and below it where it was not.
fn without_details(text: &str) -> String {
    let mut is_a_run = false;
    let mut kept = String::new();
    for line in text.lines() {
        is_a_run = line.starts_with("<run>: a ") || (is_a_run && !line.starts_with("===="));
        if !(is_a_run && line.starts_with("  ")) {
            kept += line;
            kept.push('\n');
        }
    }
    kept
}
