//! The live log: records as lines, for the GitHub runner, for a file, for a terminal.
//!
//! Everything goes through [`Log::put`], which takes [`Escaped`] and nothing else. It refuses to
//! fail: when nobody reads any more, the run goes on unheard.

use std::collections::HashMap;
use std::io::{self, IsTerminal, Write};

use chrono::{DateTime, Utc};

use super::clean;
use super::escaped::{Command, Escaped};
use super::masks::Masks;
use super::progress::{Bars, Moved, Pace};
use crate::event::{Check, Event, Failure, Note, Record, ServiceImage, Step};
use crate::plan::Plan;
use crate::report::{Report, span};

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

    /// The stream, once all is told.
    pub fn into_inner(self) -> W {
        self.out
    }

    /// Tells a text of any number of lines.
    pub fn say(&mut self, text: &str) {
        for line in Escaped::lines(&self.masks.scrub(text)) {
            match self.group {
                Group::Open => self.put(&line.indented()),
                Group::Closed => self.put(&line),
            }
        }
    }

    /// Tells what is worth acting on though nothing failed.
    pub fn warn(&mut self, text: &str) {
        match self.style {
            Style::Github => {
                let text = self.masks.scrub(text);
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
        let message = self.masks.scrub(&cause(report));
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
        } => format!("backup {timestamp}: {file}, {}", clean::size(*bytes)),
        Note::Target { timestamp } => format!("the backup to restore is {timestamp}"),
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
mod tests {
    use super::*;
    use crate::error::Error;
    use crate::report::sample::{self, Story};
    use crate::secret::Secret;

    fn told(style: Style, records: &[Record]) -> String {
        told_of(style, records, Masks::default())
    }

    fn told_of(style: Style, records: &[Record], masks: Masks) -> String {
        let mut log = Log::new(Vec::new(), style);
        log.mask(masks);
        for record in records {
            log.record(record);
        }
        log.finish(&Report::fold(records));
        String::from_utf8_lossy(&log.into_inner()).into_owned()
    }

    #[test]
    fn a_deployment_folds_its_steps_into_groups() {
        insta::assert_snapshot!(told(Style::Github, &sample::deployed()), @r"
        20251017_143025-0a1b2c: a deployment to production, in /opt/mcp
        ::group::preflight
          Docker 28.5.1, Compose 2.40.3, project mcp
        ::endgroup::
        preflight: done after 120 ms
        ::group::stage
        ::endgroup::
        stage: done after 80 ms
        ::group::pull
          ghcr.io/acme/app:2: 10 % of 100.0 MB
          ghcr.io/acme/app:2: 60 % of 100.0 MB
          ghcr.io/acme/app:2: 100 % of 100.0 MB
          web: ghcr.io/acme/app:2 (111111111111 becomes 222222222222)
        ::endgroup::
        pull: done after 2.5 s
        ::group::backup
          backup 20251017_143025: /opt/mcp-backups/mcp-backup-20251017_143025.tar.gz, 2.0 kB
        ::endgroup::
        backup: done after 900 ms
        ::group::files
        ::endgroup::
        files: done after 5 ms
        ::group::up
        ::endgroup::
        up: done after 1.9 s
        ::group::verify
          passed: web (service): running
          passed: health_url (http): 200 OK
          health_url did not answer for 180 ms
        ::endgroup::
        verify: done after 3.0 s
        ::group::confirm
        ::endgroup::
        confirm: done after 20 ms
        ::group::commit
        ::endgroup::
        commit: done after 5 ms
        Deployed ghcr.io/acme/app@sha256:abcdef012345… to production in 8.5 s.
        ");
    }

    #[test]
    fn a_rollback_shows_what_the_service_printed_and_one_annotation() {
        insta::assert_snapshot!(told(Style::Github, &sample::rolled_back()), @r"
        20251017_143025-0a1b2c: a deployment to production, in /opt/mcp
        ::group::preflight
          Docker 28.5.1, Compose 2.40.3, project mcp
        ::endgroup::
        preflight: done after 120 ms
        ::group::stage
        ::endgroup::
        stage: done after 80 ms
        ::group::pull
          ghcr.io/acme/app:2: 10 % of 100.0 MB
          ghcr.io/acme/app:2: 60 % of 100.0 MB
          ghcr.io/acme/app:2: 100 % of 100.0 MB
          web: ghcr.io/acme/app:2 (111111111111 becomes 222222222222)
        ::endgroup::
        pull: done after 2.5 s
        ::group::backup
          backup 20251017_143025: /opt/mcp-backups/mcp-backup-20251017_143025.tar.gz, 2.0 kB
        ::endgroup::
        backup: done after 900 ms
        ::group::files
        ::endgroup::
        files: done after 5 ms
        ::group::up
        ::endgroup::
        up: done after 1.9 s
        ::group::verify
          not yet: web (service): exited (1)
        ::endgroup::
        verify: failed after 1.0 s: service `web` exited with code 1 three seconds after the start: panic: no database
        ::group::take back up
        ::endgroup::
        up: taken back after 1.2 s
        ::group::take back files
        ::endgroup::
        files: taken back after 10 ms
        ::group::take back backup
          passed: web (service): running
        ::endgroup::
        backup: taken back after 300 ms
        ::group::last lines of web
          web | booting
          web | panic: no database
        ::endgroup::
        Rolled back: service `web` exited with code 1 three seconds after the start; production runs what it ran before.
        ::error title=Landfall%3A rolled back::`verify` failed: service `web` exited with code 1 three seconds after the start: panic: no database.%0Ahint: read the log of `web` below
        ");
    }

    #[test]
    fn a_plain_log_has_no_command_in_it() {
        let log = told(Style::Plain, &sample::rolled_back());
        assert!(!log.contains("::"), "{log}");
        insta::assert_snapshot!(log, @r"
        20251017_143025-0a1b2c: a deployment to production, in /opt/mcp
        preflight
          Docker 28.5.1, Compose 2.40.3, project mcp
        preflight: done after 120 ms
        stage
        stage: done after 80 ms
        pull
          ghcr.io/acme/app:2: 10 % of 100.0 MB
          ghcr.io/acme/app:2: 60 % of 100.0 MB
          ghcr.io/acme/app:2: 100 % of 100.0 MB
          web: ghcr.io/acme/app:2 (111111111111 becomes 222222222222)
        pull: done after 2.5 s
        backup
          backup 20251017_143025: /opt/mcp-backups/mcp-backup-20251017_143025.tar.gz, 2.0 kB
        backup: done after 900 ms
        files
        files: done after 5 ms
        up
        up: done after 1.9 s
        verify
          not yet: web (service): exited (1)
        verify: failed after 1.0 s: service `web` exited with code 1 three seconds after the start: panic: no database
        take back up
        up: taken back after 1.2 s
        take back files
        files: taken back after 10 ms
        take back backup
          passed: web (service): running
        backup: taken back after 300 ms
        last lines of web
          web | booting
          web | panic: no database
        Rolled back: service `web` exited with code 1 three seconds after the start; production runs what it ran before.
        error: `verify` failed: service `web` exited with code 1 three seconds after the start: panic: no database.
        hint: read the log of `web` below
        ");
    }

    #[test]
    fn a_rollback_that_fails_tells_both_failures() {
        let log = told(Style::Github, &sample::stuck());
        let last = log.lines().last().unwrap_or_default();
        insta::assert_snapshot!(last, @"::error title=Landfall%3A rollback failed::`verify` failed: service `web` exited with code 1 three seconds after the start: panic: no database. Putting back failed too: `compose up` failed: no space left on device.%0Ahint: read the log of `web` below%0Ahint: free some space, then run `landfall recover --deploy-dir /opt/mcp`");
    }

    #[test]
    fn a_refusal_and_a_restored_backup_are_told() {
        insta::assert_snapshot!(told(Style::Plain, &sample::refused()), @r"
        20251017_143025-0a1b2c: a deployment to production, in /opt/mcp
        preflight
        preflight: failed after 90 ms: `compose.yml` does not parse: line 3: did not find expected key
        Refused: `compose.yml` does not parse; nothing was touched.
        error: `preflight` failed: `compose.yml` does not parse: line 3: did not find expected key.
        hint: run `docker compose config` in `/opt/mcp`
        ");
        let restored = told(Style::Plain, &sample::restored());
        insta::assert_snapshot!(restored.lines().last().unwrap_or_default(), @"Restored the backup `20251016_101010` on production in 4.0 s.");
    }

    #[test]
    fn all_faults_of_the_inputs_are_one_annotation_with_a_line_each() {
        let faults = vec![
            Failure::new("unknown input `deploydir`").hint("did you mean `deploy_dir`?"),
            Failure::new("`port` is not a number"),
        ];
        let report = Report::of_origin(sample::origin()).stopped(&Error::Input(faults));
        let mut log = Log::new(Vec::new(), Style::Github);
        log.finish(&report);
        insta::assert_snapshot!(String::from_utf8_lossy(&log.into_inner()), @r"
        Refused: the inputs have 2 faults; nothing was touched.
        ::error title=Landfall%3A refused::unknown input `deploydir`; did you mean `deploy_dir`?%0A`port` is not a number
        ");
    }

    #[test]
    fn exactly_one_error_annotation_tells_the_cause() {
        for records in [sample::rolled_back(), sample::stuck(), sample::refused()] {
            let log = told(Style::Github, &records);
            let errors = log.lines().filter(|l| l.starts_with("::error")).count();
            assert_eq!(errors, 1, "{log}");
        }
        assert!(!told(Style::Github, &sample::deployed()).contains("::error"));
    }

    #[test]
    fn groups_are_never_nested_and_always_ended() {
        for records in [sample::deployed(), sample::stuck(), sample::rolled_back()] {
            let mut open = 0;
            for line in told(Style::Github, &records).lines() {
                open += i32::from(line.starts_with("::group::"));
                open -= i32::from(line.starts_with("::endgroup::"));
                assert!((0..=1).contains(&open), "{line}");
            }
            assert_eq!(open, 0);
        }
    }

    #[test]
    fn nothing_that_a_server_prints_is_obeyed_by_the_runner() {
        let attack = "x\n::set-output name=status::deployed\r##[error]boom\n  ::add-mask::a";
        let failure = Failure::new(attack).because(attack).hint(attack);
        let lines = vec![attack.to_owned(), "::error::x".to_owned()];
        let service = "::error::web".to_owned();
        let records = Story::deploy()
            .said(Step::Up, attack)
            .start(Step::Verify)
            .note(Step::Verify, sample::check(attack, attack, false, attack))
            .note(Step::Verify, Note::Logs { service, lines })
            .note(
                Step::Verify,
                Note::Warned {
                    text: attack.into(),
                },
            )
            .fails(Step::Verify, 1, &failure)
            .ends(crate::event::Outcome::RolledBack {
                cause: failure,
                step: Step::Verify,
            });
        let ours = [
            "::group::",
            "::endgroup::",
            "::warning::",
            "::error title=Landfall%3A ",
        ];
        for line in told(Style::Github, &records).lines() {
            let command = line.trim_start().starts_with("::");
            let known = ours.iter().any(|prefix| line.starts_with(prefix));
            assert!(!line.contains("##[") && (!command || known), "{line}");
        }
    }

    #[test]
    fn secrets_are_masked_first_and_never_shown() {
        let mut masks = Masks::default();
        masks.add(&Secret::new("hunter2\n  line two  \nab\n"));
        let failure = Failure::new("login with hunter2 failed");
        let records = Story::deploy()
            .said(Step::Pull, "hunter2 line two")
            .start(Step::Pull)
            .fails(Step::Pull, 1, &failure)
            .ends(crate::event::Outcome::Refused {
                cause: failure,
                step: Step::Pull,
            });
        let log = told_of(Style::Github, &records, masks.clone());
        let rest = log
            .strip_prefix("::add-mask::line two\n::add-mask::hunter2\n")
            .unwrap_or_default();
        assert!(!rest.is_empty() && !rest.contains("hunter2"), "{log}");
        let plain = told_of(Style::Plain, &records, masks);
        assert!(
            !plain.contains("hunter2") && !plain.contains("add-mask"),
            "{plain}"
        );
    }

    #[test]
    fn a_check_that_is_made_every_second_is_told_once() {
        let check = || sample::check("web", "service", false, "starting");
        let records = Story::deploy()
            .start(Step::Verify)
            .note(Step::Verify, check())
            .note(Step::Verify, check())
            .stops();
        assert_eq!(told(Style::Plain, &records).matches("starting").count(), 1);
    }

    #[test]
    fn a_reader_that_went_away_stops_nothing() {
        struct Gone;
        impl Write for Gone {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Err(io::ErrorKind::BrokenPipe.into())
            }
        }
        let records = sample::deployed();
        let mut log = Log::new(Gone, Style::Github);
        records.iter().for_each(|record| log.record(record));
        log.finish(&Report::fold(&records));
    }

    #[test]
    fn a_terminal_shows_bars_in_place_of_lines() {
        let log = told(Style::Terminal, &sample::deployed());
        assert!(!log.contains('%') && log.contains("pull: done"), "{log}");
    }
}
