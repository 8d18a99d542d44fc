//! The live log: records as lines, for the GitHub runner, for a file, for a terminal.
//!
//! Everything goes through `Log::put`, which takes [`Escaped`] and nothing else. It refuses to
//! fail: when nobody reads any more, the run goes on unheard.

use std::collections::HashMap;
use std::io::{self, IsTerminal, Write};

use chrono::{DateTime, Utc};

use super::escaped::{Command, Escaped};
use super::progress::{Bars, Moved, Pace};
use crate::clean;
use crate::event::{Check, Event, Failure, Note, Record, ServiceImage, Step};
use crate::masks::Masks;
use crate::plan::Plan;
use crate::report::{Report, made, span};

/// The longest line of a log, in bytes.
const LONGEST: usize = 16 * 1024;

/// Who reads the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// The GitHub runner: groups, annotations, masks.
    Github,
    /// A file, a pipe, another program's log.
    Plain,
    /// A person: bars for what moves.
    Terminal,
}

impl Style {
    /// Who seems to read the standard error of this process.
    #[must_use]
    pub fn detect() -> Self {
        if std::env::var_os("GITHUB_ACTIONS").is_some_and(|v| v == "true") {
            Self::Github
        } else if io::stderr().is_terminal() {
            Self::Terminal
        } else {
            Self::Plain
        }
    }
}

/// A live log on some stream.
#[derive(Debug)]
pub struct Log<W> {
    out: W,
    style: Style,
    masks: Masks,
    pace: Pace,
    bars: Bars,
    at_work: Option<(Step, DateTime<Utc>)>,
    group: Group,
    verdicts: HashMap<String, (bool, String)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Group {
    Open,
    Closed,
}

impl<W: Write> Log<W> {
    /// A log of which nothing is written yet.
    pub fn new(out: W, style: Style) -> Self {
        Self {
            out,
            style,
            masks: Masks::default(),
            pace: Pace::default(),
            bars: Bars::default(),
            at_work: None,
            group: Group::Closed,
            verdicts: HashMap::new(),
        }
    }

    /// Hides these secrets from here on, here and by the runner in whatever follows.
    pub fn mask(&mut self, masks: Masks) {
        if self.style == Style::Github {
            for secret in masks.lines() {
                self.put(&Escaped::command(Command::Mask(secret)));
            }
        }
        self.masks = masks;
    }

    /// A report without the secrets that this log hides.
    #[must_use]
    pub fn scrubbed(&self, report: &Report) -> Report {
        report.clone().scrubbed(|text| self.masks.scrub(text))
    }

    /// The stream, once all is told.
    pub fn into_inner(self) -> W {
        self.out
    }

    /// Tells a text of any number of lines.
    pub fn say(&mut self, text: &str) {
        for line in Escaped::lines(&self.told(text)) {
            match self.group {
                Group::Open => self.put(&line.indented()),
                Group::Closed => self.put(&line),
            }
        }
    }

    /// A text without secrets and without lines that nobody could read.
    fn told(&self, text: &str) -> String {
        let text = self.masks.scrub(text);
        let lines = text.split('\n').map(|line| clean::bounded(line, LONGEST));
        lines.collect::<Vec<_>>().join("\n")
    }

    /// Tells what is worth acting on though nothing failed.
    pub fn warn(&mut self, text: &str) {
        match self.style {
            Style::Github => {
                let text = self.told(text);
                self.put(&Escaped::command(Command::Warning(&text)));
            }
            Style::Plain | Style::Terminal => self.say(&format!("warning: {text}")),
        }
    }

    /// Tells one record.
    pub fn record(&mut self, record: &Record) {
        match &record.event {
            Event::Planned { plan } => self.say(&begins(plan)),
            Event::Started { step } => self.open(*step, record.at, step.word()),
            Event::UndoStarted { step } => {
                self.open(*step, record.at, &format!("take back {step}"));
            }
            Event::Succeeded { .. } => self.close(record.at, "done", None),
            Event::Undone { .. } => self.close(record.at, "taken back", None),
            Event::Failed { failure, .. } => self.close(record.at, "failed", Some(failure)),
            Event::UndoFailed { failure, .. } => {
                self.close(record.at, "could not be taken back", Some(failure));
            }
            Event::Overtaken { failure } => {
                self.close(record.at, "left as it is", Some(failure));
            }
            Event::Reopened => self.say("the way back had failed and is tried again"),
            Event::Kept => self.say("what runs is kept: the way back is not tried again"),
            Event::Note { note, .. } => self.note(note, record.at),
            Event::Finished { .. } => self.end_group(),
        }
    }

    /// Tells how it ended: what the failed services printed, the headline, and the one annotation.
    pub fn finish(&mut self, report: &Report) {
        self.end_group();
        self.say_preview(report);
        if !report.went_well() {
            self.say_logs(report);
        }
        self.say(&report.headline());
        if !report.failures.is_empty() {
            self.say_cause(report);
        }
    }

    fn say_preview(&mut self, report: &Report) {
        for line in &report.preview {
            self.say(line);
        }
    }

    fn say_logs(&mut self, report: &Report) {
        for log in &report.logs {
            self.begin_group(&format!("last lines of {}", log.service));
            for line in &log.lines {
                self.say(&format!("{} | {line}", log.service));
            }
            self.end_group();
        }
    }

    fn say_cause(&mut self, report: &Report) {
        let title = format!("Landfall: {}", report.status.word().replace('_', " "));
        let message = self.told(&cause(report));
        match (self.style, report.went_well()) {
            (Style::Github, false) => self.put(&Escaped::command(Command::Error {
                title: &title,
                message: &message,
            })),
            (Style::Github, true) => self.put(&Escaped::command(Command::Warning(&message))),
            (Style::Plain | Style::Terminal, false) => self.say(&format!("error: {message}")),
            (Style::Plain | Style::Terminal, true) => self.say(&format!("warning: {message}")),
        }
    }

    fn open(&mut self, step: Step, at: DateTime<Utc>, title: &str) {
        self.begin_group(title);
        self.at_work = Some((step, at));
    }

    fn close(&mut self, at: DateTime<Utc>, result: &str, failure: Option<&Failure>) {
        self.end_group();
        let Some((step, since)) = self.at_work.take() else {
            return;
        };
        let ms = u64::try_from((at - since).num_milliseconds()).unwrap_or(0);
        let why = failure.map(|f| format!(": {f}")).unwrap_or_default();
        self.say(&format!("{step}: {result} after {}{why}", span(ms)));
    }

    fn begin_group(&mut self, title: &str) {
        self.end_group();
        match self.style {
            Style::Github => self.put(&Escaped::command(Command::Group(title))),
            Style::Plain | Style::Terminal => self.say(title),
        }
        self.group = Group::Open;
    }

    fn end_group(&mut self) {
        self.bars.clear();
        if self.group == Group::Open && self.style == Style::Github {
            self.put(&Escaped::command(Command::EndGroup));
        }
        self.group = Group::Closed;
    }

    fn note(&mut self, note: &Note, at: DateTime<Utc>) {
        match note {
            Note::Warned { text } => self.warn(text),
            Note::Progress { what, done, total } => self.moved(
                Moved {
                    what,
                    done: *done,
                    total: *total,
                },
                at,
            ),
            Note::Checked { check } => self.checked(check),
            Note::Images { services } => {
                for service in services {
                    self.say(&image(service));
                }
            }
            // What services printed is told at the end, where it is not folded away.
            Note::Logs { .. } => {}
            other => self.say(&fact(other)),
        }
    }

    fn moved(&mut self, moved: Moved<'_>, at: DateTime<Utc>) {
        match self.style {
            Style::Terminal => self.bars.show(moved),
            Style::Github | Style::Plain => {
                if self.pace.is_due(moved, at) {
                    self.say(&moved.words());
                }
            }
        }
    }

    /// Tells a verdict when it is news; a check may be made every second.
    fn checked(&mut self, check: &Check) {
        let verdict = (check.passed, check.detail.clone());
        if self.verdicts.get(&check.name) == Some(&verdict) {
            return;
        }
        self.verdicts.insert(check.name.clone(), verdict);
        let word = if check.passed { "passed" } else { "not yet" };
        self.say(&format!(
            "{word}: {} ({}): {}",
            check.name, check.kind, check.detail
        ));
    }

    fn put(&mut self, line: &Escaped) {
        let Self { out, bars, .. } = self;
        // Nobody may be reading any more; that is no reason to stop a deployment.
        bars.aside(|| drop(writeln!(out, "{line}").and_then(|()| out.flush())));
    }
}

fn begins(plan: &Plan) -> String {
    let report = Report::of_plan(plan);
    let dir = plan.site.deploy_dir.display();
    format!("{}: {}, in {dir}", plan.id, report.aim())
}

fn fact(note: &Note) -> String {
    match note {
        Note::Said { text } => text.clone(),
        Note::Waiting { holder } => format!("waiting for another deployment: {holder}"),
        Note::Server {
            docker,
            compose,
            project,
        } => format!("Docker {docker}, Compose {compose}, project {project}"),
        Note::Backup {
            timestamp,
            file,
            bytes,
            ..
        } => format!("backup {timestamp}: {file}, {}", clean::size(*bytes)),
        Note::Target { timestamp, made_by } => {
            let made = made_by
                .iter()
                .map(|made| format!(": {}", made::in_words(made)));
            format!(
                "going back to the backup {timestamp}{}",
                made.collect::<String>()
            )
        }
        Note::Downtime { ms } => format!("health_url did not answer for {}", span(*ms)),
        Note::AwaitingRunner { until } => format!(
            "the server has passed its own checks and waits for the runner's until {}",
            until.format("%H:%M:%S UTC")
        ),
        _ => String::new(),
    }
}

fn image(service: &ServiceImage) -> String {
    let now = clean::short(&service.image_id);
    let before = service.previous_image_id.as_deref().map(clean::short);
    let change = match before {
        None => format!("{now}, nothing before"),
        Some(before) if before == now => format!("{now}, as before"),
        Some(before) => format!("{before} becomes {now}"),
    };
    format!("{}: {} ({change})", service.service, service.image)
}

/// The cause in full, one line a fault, and what to do about it.
fn cause(report: &Report) -> String {
    if report.failures.len() > 1 {
        let faults = report.failures.iter().map(fault);
        return faults.collect::<Vec<_>>().join("\n");
    }
    let hints = report.hints.iter().map(|hint| format!("\nhint: {hint}"));
    format!("{}{}", report.reason, hints.collect::<String>())
}

fn fault(failure: &Failure) -> String {
    let hints = failure.hints.iter().map(|hint| format!("; {hint}"));
    format!("{failure}{}", hints.collect::<String>())
}

#[cfg(test)]
mod tests;
