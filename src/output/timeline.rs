//! The steps of a run as a Mermaid chart.
//!
//! It refuses to know anything but the steps: their names are this program's own words, and the
//! title is stripped to letters, digits and a few signs, so nothing can break out of the chart.

use crate::words::clean;
use crate::words::report::{Report, StepReport, StepResult, span};

/// The section of what takes steps back.
const BACK: &str = "Way back";

/// The chart as a fenced block; none when no step began.
pub fn chart(report: &Report) -> Option<String> {
    let last = report.ended_at?;
    if report.steps.is_empty() {
        return None;
    }
    let title = format!("{} in {}", report.place(), span(report.duration_ms));
    let mut lines = vec![
        "```mermaid\ngantt".to_owned(),
        format!("    title {}", name(&title)),
        "    dateFormat x\n    axisFormat %H:%M:%S".to_owned(),
    ];
    let (mut section, mut changed) = ("", false);
    for step in &report.steps {
        changed |= step.step.changes_the_release();
        if step.result == StepResult::Undone && !step.step.has_an_undo() {
            continue;
        }
        if section != section_of(step.result) {
            section = section_of(step.result);
            lines.push(format!("    section {section}"));
        }
        let until = step.ended_at.unwrap_or(last);
        lines.push(bar(step, changed, until.timestamp_millis()));
    }
    lines.push("```\n".to_owned());
    Some(lines.join("\n"))
}

/// Text that Mermaid takes for a name whatever was in it.
pub fn name(untrusted: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || matches!(c, ' ' | '.' | '-' | '_' | '/');
    let kept: String = clean::one_line(untrusted)
        .chars()
        .map(|c| if plain(c) { c } else { ' ' })
        .collect();
    let words: Vec<_> = kept.split_whitespace().collect();
    clean::clip(&words.join(" "), 80)
}

fn section_of(result: StepResult) -> &'static str {
    match result {
        StepResult::Acting | StepResult::Acted | StepResult::Failed => "Forward",
        StepResult::Undoing | StepResult::Undone | StepResult::UndoFailed => BACK,
    }
}

fn bar(step: &StepReport, changed: bool, until: i64) -> String {
    let tag = match step.result {
        StepResult::Acted | StepResult::Undone => "done",
        StepResult::Failed | StepResult::UndoFailed => "crit",
        StepResult::Acting | StepResult::Undoing => "active",
    };
    let from = step.started_at.timestamp_millis();
    // A bar without length is not drawn.
    let until = until.max(from + 1);
    let what = match section_of(step.result) {
        BACK => step.step.way_back(changed),
        _ => step.step.word(),
    };
    let label = name(&format!("{what} {}", span(step.duration_ms)));
    format!("    {label} :{tag}, {from}, {until}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::report::sample;

    #[test]
    fn steps_and_their_undo_are_bars_with_readable_durations() {
        let chart = chart(&Report::fold(&sample::rolled_back()));
        insta::assert_snapshot!(chart.unwrap_or_default(), @r"
        ```mermaid
        gantt
            title production in 8.0 s
            dateFormat x
            axisFormat %H:%M:%S
            section Forward
            preflight 0.12 s :done, 1760711425000, 1760711425120
            stage 0.08 s :done, 1760711425120, 1760711425200
            pull 2.5 s :done, 1760711425200, 1760711427700
            backup 0.90 s :done, 1760711427700, 1760711428600
            files 0.01 s :done, 1760711428600, 1760711428605
            up 1.9 s :done, 1760711428605, 1760711430505
            verify 1.0 s :crit, 1760711430505, 1760711431505
            section Way back
            stop the new containers 1.2 s :done, 1760711431505, 1760711432705
            put the files back 0.01 s :done, 1760711432705, 1760711432715
            start the old release 0.30 s :done, 1760711432715, 1760711433015
        ```
        ");
    }

    #[test]
    fn a_name_cannot_leave_the_chart() {
        assert_eq!(
            name("a:b;c\n```\nclick x call #x%%"),
            "a b c click x call x"
        );
    }

    #[test]
    fn a_run_without_steps_has_no_chart() {
        assert_eq!(chart(&Report::of_origin(sample::origin())), None);
    }
}
