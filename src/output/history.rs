//! Past runs for whoever reads a terminal: each a line with what it was for and why it failed
//! below, all within 80 columns.
//!
//! It refuses to know how wide a terminal is; a program that wants more takes the JSON.

use super::paint::{Paint, Tone};
use crate::words::clean;
use crate::words::plan::Goal;
use crate::words::report::{Report, made, span};

/// The columns of a line.
const WIDTH: usize = 80;
/// Those before what a run was for.
const INDENT: usize = 4;

/// Past runs, in the order given.
#[must_use]
pub fn page(reports: &[Report], paint: Paint) -> String {
    if reports.is_empty() {
        return "no run is recorded\n".to_owned();
    }
    let head = format!("{:22}  {:15}  {:>8}  BY\n", "RUN (UTC)", "STATUS", "TOOK");
    reports
        .iter()
        .fold(head, |page, run| page + &entry(run, paint))
}

fn entry(report: &Report, paint: Paint) -> String {
    let word = paint.word(report.status.word(), Tone::of(report.status));
    let gap = " ".repeat(15_usize.saturating_sub(report.status.word().len()));
    let by = report.origin.actor.clone().unwrap_or_default();
    let first = format!(
        "{:22}  {word}{gap}  {:>8}  {}",
        clean::clip(&clean::one_line(&report.id), 22),
        span(report.duration_ms),
        clean::clip(&clean::one_line(&by), WIDTH - 51),
    );
    let below = [what(report), report.reason.clone()];
    let below = below.iter().filter(|line| !line.is_empty());
    below.fold(first.trim_end().to_owned() + "\n", |entry, line| {
        let line = clean::clip(&clean::one_line(line), WIDTH - INDENT);
        entry + &" ".repeat(INDENT) + &line + "\n"
    })
}

/// What a run was for, and the commit that asked for it.
fn what(report: &Report) -> String {
    let what = match &report.goal {
        Some(Goal::Rollback { to, .. }) => format!("rollback to {to}"),
        _ => report
            .asked_in_words()
            .unwrap_or_else(|| "deployment".to_owned()),
    };
    let all = std::iter::once(what).chain(made::commit(&report.origin));
    all.collect::<Vec<_>>().join("  ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::report::sample;

    #[test]
    fn a_history_fits_80_columns_and_says_why_a_run_failed() {
        let runs = [
            sample::deployed(),
            sample::rolled_back(),
            sample::restored(),
            sample::stuck(),
        ];
        let page = page(&runs.map(|run| Report::fold(&run)), Paint::Off);
        let widest = page.lines().map(|line| line.chars().count()).max();
        assert!(widest <= Some(WIDTH), "{page}");
        insta::assert_snapshot!(page, @r"
        RUN (UTC)               STATUS               TOOK  BY
        20251017_143025-0a1b2c  deployed            8.5 s  ada
            ghcr.io/acme/app:2 0123456 Serve the new page
        20251017_143025-0a1b2c  rolled_back         8.0 s  ada
            ghcr.io/acme/app:2 0123456 Serve the new page
            `verify` failed: service `web` exited with code 1 three seconds after the s…
        20251017_143025-0a1b2c  restored            4.0 s  ada
            rollback to latest 0123456 Serve the new page
        20251017_143025-0a1b2c  rollback_failed     7.2 s  ada
            ghcr.io/acme/app:2 0123456 Serve the new page
            `verify` failed: service `web` exited with code 1 three seconds after the s…
        ");
        insta::assert_snapshot!(super::page(&[], Paint::Off), @"no run is recorded");
    }

    #[test]
    fn colours_move_no_column_and_a_server_can_add_none() {
        let mut report = Report::fold(&sample::refused());
        report.origin.actor = Some("a\u{1b}[31m\nda".into());
        let plain = page(std::slice::from_ref(&report), Paint::Off);
        let painted = page(&[report], Paint::On);
        assert!(
            painted.contains("\u{1b}[1;31mrefused\u{1b}[0m        "),
            "{painted:?}"
        );
        assert_eq!(clean::lines(&painted), clean::lines(&plain));
    }
}
