//! Values as JSON for programs: the `--json` of the command line, the `report` output.
//!
//! It refuses to know what the values are.

use serde::Serialize;

use crate::words::report::Report;

/// A value as indented JSON with a last newline, for a stream.
///
/// # Errors
/// None for the types of this crate; a map with keys that are no strings would fail.
pub fn pretty(value: &impl Serialize) -> serde_json::Result<String> {
    Ok(inert(&serde_json::to_string_pretty(value)?) + "\n")
}

/// A value as JSON in one line, for an output.
///
/// # Errors
/// As [`pretty`].
pub fn compact(value: &impl Serialize) -> serde_json::Result<String> {
    Ok(inert(&serde_json::to_string(value)?))
}

/// A report as JSON in one line of at most `limit` bytes. Its logs are shortened first, from
/// their beginning, then every other text that was written by somebody else; steps, images and
/// verdicts are kept even if they alone are longer.
///
/// # Errors
/// As [`pretty`].
pub fn bounded(report: &Report, limit: usize) -> serde_json::Result<String> {
    let mut report = report.clone();
    let mut json = compact(&report)?;
    while json.len() > limit && shorten(&mut report) {
        json = compact(&report)?;
    }
    Ok(json)
}

/// Halves the longest list that may be halved; false when nothing is left to shorten.
fn shorten(report: &mut Report) -> bool {
    if let Some(log) = report.logs.iter_mut().max_by_key(|l| l.lines.len())
        && !log.lines.is_empty()
    {
        let half = log.lines.len().div_ceil(2);
        log.lines.drain(..half);
        return true;
    }
    for list in [&mut report.preview, &mut report.warnings] {
        if !list.is_empty() {
            list.truncate(list.len() / 2);
            return true;
        }
    }
    clip_texts(report)
}

fn clip_texts(report: &mut Report) -> bool {
    let before = report.clone();
    *report = before
        .clone()
        .scrubbed(|text| crate::words::clean::clip(text, 500));
    *report != before
}

/// JSON whose strings hold no `##[`, which the GitHub runner would obey when it is printed.
fn inert(json: &str) -> String {
    json.replace("##[", "##\\u005b")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::report::sample;

    #[test]
    fn what_is_printed_is_never_obeyed_and_reads_back_the_same() {
        let mut report = Report::fold(&sample::rolled_back());
        report.reason = "##[error]\u{1b}[0m\n::error::x".into();
        let written = pretty(&report).unwrap_or_default();
        let commands = written.lines().filter(|l| l.trim_start().starts_with("::"));
        assert_eq!(commands.count(), 0);
        assert!(!written.contains("##["), "{written}");
        let read: serde_json::Value = serde_json::from_str(&written).unwrap_or_default();
        assert_eq!(read["reason"], report.reason);
    }

    #[test]
    fn a_report_that_is_too_long_loses_its_oldest_log_lines_first() {
        let mut report = Report::fold(&sample::rolled_back());
        report.logs[0].lines = (0..1_000)
            .map(|n| format!("line {n} {}", "x".repeat(100)))
            .collect();
        let written = bounded(&report, 50_000).unwrap_or_default();
        assert!(written.len() <= 50_000, "{}", written.len());
        assert!(written.contains("line 999 ") && !written.contains("line 0 "));
    }

    #[test]
    fn a_report_with_one_endless_text_is_bounded_too() {
        let mut report = Report::fold(&sample::stuck());
        report.failures[0].because.push("y".repeat(1_000_000));
        report.warnings = vec!["z".repeat(200_000)];
        assert!(bounded(&report, 50_000).unwrap_or_default().len() <= 50_000);
    }
}
