//! The live log: records as lines, for the GitHub runner, for a file, for a terminal.
//!
//! A step is one line, `ok` or `failed`, with its details below: folded in Actions, indented
//! elsewhere.
//!
//! Everything goes through `Log::put`, which takes [`Escaped`] and nothing else. It refuses to
//! fail: when nobody reads any more, the run goes on unheard.

mod at_work;
mod words;

use std::collections::HashMap;
use std::io::{self, IsTerminal, Write};

use chrono::{DateTime, Utc};

use super::escaped::{Command, Escaped};
use super::paint::{Paint, Tone, When};
use super::progress::{Bars, Moved, Pace};
use crate::words::clean;
use crate::words::event::{Check, Event, Failure, Note, Record};
use crate::words::masks::Masks;
use crate::words::reader::Reader;
use crate::words::report::Report;
use at_work::{AtWork, Shown};

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

impl<W: Write + IsTerminal> Log<W> {
    /// A log for whoever reads a stream of this process.
    pub fn to(out: W, style: Style, when: When) -> Self {
        let paint = Paint::of(when, &out);
        Self::new(out, style).painted(paint)
    }
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
    paint: Paint,
    masks: Masks,
    reader: Reader,
    pace: Pace,
    bars: Bars,
    at_work: Option<AtWork>,
    /// Whether the release was touched, which its way back depends on.
    changed: bool,
    group: Group,
    verdicts: HashMap<(String, String), (bool, String)>,
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
            paint: Paint::Off,
            masks: Masks::default(),
            reader: Reader::default(),
            pace: Pace::default(),
            bars: Bars::default(),
            at_work: None,
            changed: false,
            group: Group::Closed,
            verdicts: HashMap::new(),
        }
    }

    /// The same, coloured or not.
    #[must_use]
    pub fn painted(mut self, paint: Paint) -> Self {
        self.paint = paint;
        self
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

    /// Tells whoever this is from here on.
    pub fn reads(&mut self, reader: Reader) {
        self.reader = reader;
    }

    /// The agent was reached, and its program on the server is called that.
    pub fn learn_program(&mut self, program: String) {
        self.reader.learn(program);
    }

    /// A report without the secrets that this log hides, for whoever reads the log.
    #[must_use]
    pub fn scrubbed(&self, report: &Report) -> Report {
        let told = |text: &str| self.reader.completed(&self.masks.scrub(text));
        let report = report.clone().scrubbed(told);
        report.read_by(self.reader.clone())
    }

    /// The stream, once all is told.
    pub fn into_inner(self) -> W {
        self.out
    }

    /// Tells a text of any number of lines, at once.
    pub fn say(&mut self, text: &str) {
        self.show();
        for line in Escaped::lines(&self.told(text)) {
            self.put_in_place(&line);
        }
    }

    /// Tells what stopped a command that is no run.
    pub fn error(&mut self, text: &str) {
        self.lead("error:", Tone::Bad, text);
    }

    fn lead(&mut self, word: &'static str, tone: Tone, text: &str) {
        self.show();
        let mut lines = Escaped::lines(&self.told(text));
        if let Some(first) = lines.first_mut() {
            *first = first.led_by(word, self.paint, tone);
        }
        for line in &lines {
            self.put_in_place(line);
        }
    }

    /// Tells what belongs to the step at work: at once if it is slow, else at its end.
    fn detail(&mut self, at: DateTime<Utc>, word: Option<(&'static str, Tone)>, text: &str) {
        let mut lines = Escaped::lines(&self.told(text));
        if let (Some((word, tone)), Some(first)) = (word, lines.first_mut()) {
            *first = first.led_by(word, self.paint, tone);
        }
        match &mut self.at_work {
            Some(step) if step.shown != Shown::Open && !step.is_slow(at) => {
                step.held.extend(lines);
            }
            _ => {
                self.show();
                self.unfold();
                for line in &lines {
                    self.put_in_place(line);
                }
            }
        }
    }

    /// Says whether a step is at work that nobody has read of yet.
    #[must_use]
    pub fn hides_a_step(&self) -> bool {
        let is_hidden = |step: &AtWork| step.shown == Shown::No || !step.held.is_empty();
        self.at_work.as_ref().is_some_and(is_hidden)
    }

    /// Shows the step that is at work, and what it has told so far: it takes its time.
    pub fn show(&mut self) {
        let Some(step) = &mut self.at_work else {
            return;
        };
        if !step.held.is_empty() {
            self.unfold();
        } else if step.shown == Shown::No {
            step.shown = Shown::Named;
            let title = step.title();
            self.put(&Escaped::line(&title));
        }
    }

    /// Opens the fold of the step at work, and puts into it what it has told.
    fn unfold(&mut self) {
        let Some(step) = &mut self.at_work else {
            return;
        };
        let (shown, title) = (step.shown, step.title());
        step.shown = Shown::Open;
        let held = std::mem::take(&mut step.held);
        match (shown, self.style) {
            (Shown::Open, _) | (Shown::Named, Style::Plain | Style::Terminal) => {
                self.group = Group::Open;
            }
            _ => self.begin_group(&title),
        }
        for line in &held {
            self.put_in_place(line);
        }
    }

    fn put_in_place(&mut self, line: &Escaped) {
        match self.group {
            Group::Open => self.put(&line.indented()),
            Group::Closed => self.put(line),
        }
    }

    /// A text without secrets and without lines that nobody could read.
    fn told(&self, text: &str) -> String {
        let text = self.reader.completed(&self.masks.scrub(text));
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
            Style::Plain | Style::Terminal => self.lead("warning:", Tone::Caution, text),
        }
    }

    /// Tells one record.
    pub fn record(&mut self, record: &Record) {
        match &record.event {
            Event::Planned { plan } => self.say(&words::begins(plan)),
            Event::Started { step } => {
                self.changed |= step.changes_the_release();
                self.begin(step.word(), record.at);
            }
            // What has nothing to take back would read as if it had succeeded after all.
            Event::UndoStarted { step } | Event::Undone { step } if !step.has_an_undo() => {}
            Event::UndoStarted { step } => self.begin(step.way_back(self.changed), record.at),
            Event::Succeeded { .. } | Event::Undone { .. } => {
                self.close(record.at, ("ok", Tone::Good), None);
            }
            Event::Failed { failure, .. } | Event::UndoFailed { failure, .. } => {
                self.close(record.at, ("failed", Tone::Bad), Some(failure));
            }
            Event::Overtaken { failure } => {
                self.close(record.at, ("left", Tone::Bad), Some(failure));
            }
            Event::Reopened => self.say("the way back had failed and is tried again"),
            Event::Kept => self.say("what runs is kept: the way back is not tried again"),
            Event::Note { note, .. } => self.note(note, record.at),
            Event::Finished { .. } => self.close_fold(),
        }
    }

    /// Tells how it ended: what the failed services printed, the headline, and the one annotation.
    pub fn finish(&mut self, report: &Report) {
        self.close_fold();
        self.say_preview(report);
        if !report.went_well() {
            self.say_logs(report);
        }
        let headline = self.told(&report.headline());
        for line in Escaped::lines(&headline) {
            self.put(&line.toned(self.paint, Tone::of(report.status)));
        }
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
        let message = self.told(&words::cause(report));
        match (self.style, report.went_well()) {
            (Style::Github, false) => self.put(&Escaped::command(Command::Error {
                title: &title,
                message: &message,
            })),
            (Style::Github, true) => self.put(&Escaped::command(Command::Warning(&message))),
            (Style::Plain | Style::Terminal, false) => self.lead("error:", Tone::Bad, &message),
            (Style::Plain | Style::Terminal, true) => {
                self.lead("warning:", Tone::Caution, &message);
            }
        }
    }

    fn begin(&mut self, step: &'static str, at: DateTime<Utc>) {
        self.close_fold();
        self.at_work = Some(AtWork::begin(step, at));
    }

    /// Ends the step at work with its line, and folds below it what was held back.
    fn close(
        &mut self,
        at: DateTime<Utc>,
        (word, tone): (&'static str, Tone),
        failure: Option<&Failure>,
    ) {
        self.end_group();
        let Some(step) = self.at_work.take() else {
            return;
        };
        let why = failure.map_or("", |failure| &failure.what);
        let line = step.line(at, &self.told(why));
        if step.held.is_empty() || self.style != Style::Github {
            self.put(&line.led_by(word, self.paint, tone));
            for held in &step.held {
                self.put(&held.indented());
            }
            return;
        }
        self.put(&Escaped::command(Command::Group(&format!(
            "{word:<8}{line}"
        ))));
        for held in &step.held {
            self.put(&held.indented());
        }
        self.put(&Escaped::command(Command::EndGroup));
    }

    /// Ends the fold of a step whose end nobody heard of.
    fn close_fold(&mut self) {
        self.show();
        self.at_work = None;
        self.end_group();
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
            Note::Warned { text } if self.style != Style::Github => {
                self.detail(at, Some(("warning:", Tone::Caution)), text);
            }
            Note::Warned { text } => self.warn(text),
            Note::Progress { what, done, total } => self.moved(
                Moved {
                    what,
                    done: *done,
                    total: *total,
                },
                at,
            ),
            Note::Checked { check } => self.checked(check, at),
            Note::Images { services } => {
                for service in services {
                    self.detail(at, None, &words::image(service));
                }
            }
            // What services printed is told at the end, where it is not folded away.
            Note::Logs { .. } => {}
            other => self.detail(at, None, &words::fact(other)),
        }
    }

    fn moved(&mut self, moved: Moved<'_>, at: DateTime<Utc>) {
        match self.style {
            Style::Terminal => self.bars.show(moved),
            Style::Github | Style::Plain => {
                if self.pace.is_due(moved, at) {
                    self.detail(at, None, &moved.words());
                }
            }
        }
    }

    /// Tells a verdict when it is news; a check may be made every second.
    fn checked(&mut self, check: &Check, at: DateTime<Utc>) {
        let verdict = (check.passed, check.detail.clone());
        let named = (check.name.clone(), check.kind.clone());
        if self.verdicts.get(&named) == Some(&verdict) {
            return;
        }
        self.verdicts.insert(named, verdict);
        let word = if check.passed {
            ("ok", Tone::Good)
        } else {
            ("failed", Tone::Bad)
        };
        let text = format!("{} ({}): {}", check.name, check.kind, check.detail);
        self.detail(at, Some(word), &text);
    }

    fn put(&mut self, line: &Escaped) {
        let Self { out, bars, .. } = self;
        // Nobody may be reading any more; that is no reason to stop a deployment.
        bars.aside(|| drop(writeln!(out, "{line}").and_then(|()| out.flush())));
    }
}

#[cfg(test)]
mod tests;
