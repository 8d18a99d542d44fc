//! The step summary: one page of Markdown on how the run went and what to do next.
//!
//! It refuses to know how long a log may be: the page stays below GitHub's limit by dropping what
//! matters least.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::Path;

use super::markdown::{code, fenced, link, list, paragraph, prose, table, text, web_address};
use super::timeline;
use crate::words::clean;
use crate::words::event::{Check, ServiceImage, Status};
use crate::words::plan::Goal;
use crate::words::report::{Report, made, span};

/// GitHub drops a summary above this size, in bytes.
const LIMIT: usize = 1024 * 1024;
/// Lines of a service's log, and those of them that stand right below what happened.
const LOG_LINES: usize = 50;
const LAST_LINES: usize = 10;
/// The services whose last lines stand there; the rest is further down.
const FIRST_LOGS: usize = 2;
/// Where the ways back are described.
const ROLLBACK_GUIDE: &str = concat!(env!("CARGO_PKG_REPOSITORY"), "#rollback");

/// Appends the page to the runner's file.
///
/// # Errors
/// When the file cannot be written, or when others have filled it already.
pub fn write(path: &Path, report: &Report) -> io::Result<()> {
    let mut file = OpenOptions::new().append(true).create(true).open(path)?;
    let taken = usize::try_from(file.metadata()?.len()).unwrap_or(LIMIT);
    let room = LIMIT.saturating_sub(taken);
    if room < 4_096 {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            "the summary is full",
        ));
    }
    file.write_all(page_within(report, room).as_bytes())
}

/// The page, at most a mebibyte of it.
#[must_use]
pub fn page(report: &Report) -> String {
    page_within(report, LIMIT)
}

/// A part of the page.
struct Section {
    text: String,
    keep: Keep,
}

/// How long a part is kept when the page is too long; the first goes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Keep {
    Logs,
    Preview,
    Timeline,
    Tables,
    LastLines,
    Always,
}

fn page_within(report: &Report, room: usize) -> String {
    let mut sections = sections(report, LOG_LINES);
    for lines in [20, 5] {
        if length(&sections) > room {
            sections = self::sections(report, lines);
        }
    }
    let mut dropped = false;
    while length(&sections) + NOTE.len() > room {
        let Some(least) = sections.iter().map(|s| s.keep).min() else {
            break;
        };
        dropped = true;
        sections.retain(|s| s.keep > least);
    }
    let mut page: String = sections.into_iter().map(|s| s.text).collect();
    if dropped {
        page.push_str(NOTE);
    }
    page
}

const NOTE: &str =
    "_The page was too long; parts of it were left out. The job's log has them._\n\n";

fn length(sections: &[Section]) -> usize {
    sections.iter().map(|s| s.text.len()).sum()
}

fn sections(report: &Report, log_lines: usize) -> Vec<Section> {
    let section = |keep, text| Section { text, keep };
    let mut all = vec![
        section(Keep::Always, outcome(report)),
        section(Keep::Always, who(report)),
        section(Keep::LastLines, last_lines(report)),
        section(Keep::Always, next_steps(report)),
        section(Keep::Preview, preview(report)),
        section(Keep::Tables, services(report)),
        section(Keep::Tables, checks("Checks", &report.checks)),
        section(
            Keep::Tables,
            checks(
                "Checks of the release that was put back",
                &report.checks_after_rollback,
            ),
        ),
        section(Keep::Tables, warnings(&report.warnings)),
        section(Keep::Timeline, timeline(report)),
        section(Keep::Logs, logs(report, log_lines)),
        section(Keep::Always, facts(report)),
    ];
    all.retain(|s| !s.text.is_empty());
    all
}

fn outcome(report: &Report) -> String {
    let sign = match report.status {
        Status::Deployed | Status::Restored | Status::Healthy => "✅",
        Status::Planned => "📝",
        Status::RolledBack => "↩️",
        Status::Refused => "🚫",
        Status::RollbackFailed | Status::Unhealthy => "🚨",
        Status::Unknown => "❔",
    };
    let faults = report.failures.iter().map(|f| prose(&f.to_string()));
    let why = match (report.failures.len(), report.reason.as_str()) {
        (2.., _) => list(&faults.collect::<Vec<_>>()) + "\n",
        (_, "") => String::new(),
        (_, reason) => prose(reason) + "\n\n",
    };
    format!("## {sign} {}\n\n{why}", prose(&report.headline()))
}

/// Whose commit it was, and which run of the workflow.
fn who(report: &Report) -> String {
    let origin = &report.origin;
    let commit = origin.commit.as_ref().map(|hash| {
        let short = made::short(hash);
        match origin.commit_address().and_then(|a| web_address(&a)) {
            Some(address) => format!("[{}]({address})", code(&short)),
            None => code(&short),
        }
    });
    let title = origin.commit_title.as_deref().map(text);
    let author = origin.commit_author.as_ref().or(origin.actor.as_ref());
    let by = author.map(|author| format!("by {}", text(author)));
    let started = origin.actor.as_ref().filter(|actor| author != Some(actor));
    let started = started.map(|actor| format!("started by {}", text(actor)));
    let told = [commit, title, by, started];
    let told: Vec<_> = told.into_iter().flatten().collect();
    match told.as_slice() {
        [] => String::new(),
        told => format!("{}\n\n", told.join(" · ")),
    }
}

/// What the failed services printed last, right below what happened.
fn last_lines(report: &Report) -> String {
    if report.went_well() {
        return String::new();
    }
    let logs = report.logs.iter().take(FIRST_LOGS);
    let told = logs.map(|log| {
        let from = log.lines.len().saturating_sub(LAST_LINES);
        let lines = &log.lines[from..];
        format!(
            "{} printed last:\n\n{}\n\n",
            code(&log.service),
            fenced(lines)
        )
    });
    told.collect()
}

fn next_steps(report: &Report) -> String {
    let mut steps: Vec<_> = report.hints.iter().map(|h| paragraph(h)).collect();
    let command_given = report.hints.iter().any(|h| report.reader.is_given_one(h));
    steps.extend(way_on(report).filter(|_| !command_given));
    if steps.is_empty() {
        return String::new();
    }
    format!("### What to do next\n\n{}\n", list(&steps))
}

/// The way back from here, or on, with the commands' words filled in.
fn way_on(report: &Report) -> Option<String> {
    if report.deploy_dir.is_none() {
        return (report.status == Status::Refused)
            .then(|| "Mend that and run it again: nothing was touched.".to_owned());
    }
    let typed = |words: &str| code(&report.reader.command(words));
    match report.status {
        Status::Deployed if report.is_the_first() => {
            Some(format!(
                "Nothing ran before, so there is no release to go back to; to remove the application again: {} on the server ({}).",
                typed("rollback --to-nothing"),
                link("how", ROLLBACK_GUIDE)
            ))
        }
        Status::Deployed | Status::Restored => {
            let backup = report.backup.as_ref()?;
            let timestamp = &backup.timestamp;
            Some(format!(
                "To put back what ran before: `mode: rollback` with {}, or {} on the server ({}).",
                code(&format!("backup_timestamp: {timestamp}")),
                typed(&format!("rollback {timestamp}")),
                link("how", ROLLBACK_GUIDE)
            ))
        }
        Status::RollbackFailed => Some(format!(
            "A person is needed: mend the cause, then run {} on the server.",
            typed("recover")
        )),
        Status::Unknown => Some(format!(
            "Ask the server how it ended: {}.",
            typed("status")
        )),
        Status::RolledBack if report.is_the_first() => Some(
            "Mend the cause and deploy again; the server is as it was, and nothing has to be done there.".to_owned(),
        ),
        Status::RolledBack => Some(
            "Mend the cause and deploy again; what ran before serves meanwhile, and nothing has to be done on the server.".to_owned(),
        ),
        Status::Refused => Some("Mend that and run it again: nothing was touched.".to_owned()),
        Status::Planned => report.goal.is_some().then(|| {
            format!(
                "To have this happen, run it without {}, or with another {}.",
                code("dry_run"),
                code("mode")
            )
        }),
        Status::Healthy => None,
        Status::Unhealthy => Some(format!(
            "Look at what the services print: {} on the server.",
            typed("logs")
        )),
    }
}

fn services(report: &Report) -> String {
    if report.images.is_empty() {
        return String::new();
    }
    let rows: Vec<_> = report
        .images
        .iter()
        .map(|image| service(image, report.asked()))
        .collect();
    let after = match report.status {
        Status::Healthy | Status::Unhealthy => "Now",
        _ if report.went_well() => "After",
        _ => "Tried",
    };
    let head = ["Service", "Image", "Before", after];
    format!("### Services\n\n{}\n", table(&head, &rows))
}

fn service(image: &ServiceImage, asked: &[String]) -> Vec<String> {
    let before = image
        .previous_digest
        .as_ref()
        .or(image.previous_image_id.as_ref());
    let after = image.digest.as_ref().unwrap_or(&image.image_id);
    vec![
        code(&image.service),
        code(made::asked_for(&image.image, asked)),
        before.map_or_else(|| "–".to_owned(), |b| code(&clean::short(b))),
        code(&clean::short(after)),
    ]
}

fn timeline(report: &Report) -> String {
    match timeline::chart(report) {
        Some(chart) => format!("### Timeline\n\n{chart}\n"),
        None => String::new(),
    }
}

fn checks(title: &str, checks: &[Check]) -> String {
    if checks.is_empty() {
        return String::new();
    }
    let row = |check: &Check| {
        vec![
            if check.passed { "✅" } else { "❌" }.to_owned(),
            code(&check.name),
            text(&check.kind),
            text(&check.detail),
            span(check.ms),
        ]
    };
    let rows: Vec<_> = checks.iter().map(row).collect();
    let head = ["", "Check", "Kind", "Seen", "Took"];
    format!("### {title}\n\n{}\n", table(&head, &rows))
}

fn warnings(warnings: &[String]) -> String {
    if warnings.is_empty() {
        return String::new();
    }
    let told: Vec<_> = warnings.iter().map(|w| prose(w)).collect();
    format!("### Warnings\n\n{}\n", list(&told))
}

/// What a look found, or what a plan foresees.
fn preview(report: &Report) -> String {
    let lines = &report.preview;
    if lines.is_empty() {
        return String::new();
    }
    let heading = match report.status {
        Status::Healthy | Status::Unhealthy => "How it stands",
        _ => "What would happen",
    };
    format!("### {heading}\n\n{}\n\n", fenced(lines))
}

/// More lines of the failed services than those that stand above.
fn logs(report: &Report, most: usize) -> String {
    if report.went_well() {
        return String::new();
    }
    let is_above = |at: usize, lines: usize| at < FIRST_LOGS && lines <= LAST_LINES;
    let more = report.logs.iter().enumerate();
    let more = more.filter(|(at, log)| !is_above(*at, log.lines.len()));
    let told = more.map(|(_, log)| {
        let from = log.lines.len().saturating_sub(most);
        let lines = &log.lines[from..];
        format!(
            "### Last {} lines of {}\n\n{}\n\n",
            lines.len(),
            code(&log.service),
            fenced(lines)
        )
    });
    told.collect()
}

fn facts(report: &Report) -> String {
    let mut facts = Vec::new();
    if !report.id.is_empty() {
        facts.push(format!("Deployment {}", code(&report.id)));
    }
    if let Some(Goal::Rollback { to, .. }) = &report.goal {
        facts.push(format!("Rollback to {}", code(to)));
    }
    if let Some(backup) = &report.backup {
        facts.push(format!("Backup {}", code(&backup.file)));
    }
    if let Some(ms) = report.downtime_ms {
        facts.push(format!("Downtime {}", span(ms)));
    }
    if let Some(server) = &report.server {
        let versions = format!("Docker {}, Compose {}", server.docker, server.compose);
        facts.push(text(&versions));
    }
    if let Some(url) = &report.origin.url {
        facts.push(link("Open the application", url));
    }
    if let Some(url) = &report.origin.run_url {
        facts.push(link("This run", url));
    }
    match facts.as_slice() {
        [] => String::new(),
        facts => format!("{}\n\n", facts.join(" · ")),
    }
}

#[cfg(test)]
mod tests;
