//! Telling: records and reports to people and programs.
//!
//! A sink that fails warns; none can fail a deployment. It refuses to know how a run is decided,
//! and nothing here shows a secret: [`tell`] scrubs a report before any sink sees it.

pub mod escaped;
pub mod foreseen;
pub mod history;
pub mod json;
pub mod log;
mod markdown;
pub mod named;
pub mod outputs;
pub mod paint;
mod progress;
pub mod slack;
pub mod status;
pub mod summary;
pub mod table;
mod timeline;
pub mod webhook;

use std::io::Write;
use std::path::PathBuf;

use crate::words::choices::Notify;
use crate::words::event::Failure;
use crate::words::report::Report;
use log::Log;
use webhook::Webhook;

/// Where the end of a run is told.
#[derive(Debug, Clone)]
pub enum Sink {
    /// The runner's file for outputs.
    Outputs(PathBuf),
    /// The runner's file for the step summary.
    Summary(PathBuf),
    /// A Slack channel.
    Slack(Webhook, Notify),
    /// A file that the runner did not name in this variable.
    Unnamed(&'static str),
}

impl Sink {
    /// The files of the GitHub runner, as its environment names them. Ask only inside Actions:
    /// a variable that is missing there is worth a warning.
    pub fn of_actions(env: impl Fn(&str) -> Option<String>) -> Vec<Self> {
        let file = |name: &'static str, sink: fn(PathBuf) -> Self| match env(name) {
            Some(path) if !path.is_empty() => sink(path.into()),
            _ => Self::Unnamed(name),
        };
        vec![
            file("GITHUB_OUTPUT", Self::Outputs),
            file("GITHUB_STEP_SUMMARY", Self::Summary),
        ]
    }

    async fn tell(&self, report: &Report) -> Result<(), Failure> {
        match self {
            Self::Outputs(path) => outputs::write(path, report)
                .map_err(|e| Failure::new("the outputs cannot be written").because(e)),
            Self::Summary(path) => summary::write(path, report)
                .map_err(|e| Failure::new("the summary cannot be written").because(e)),
            Self::Slack(webhook, notify) if notify.wants(report.status) => webhook
                .post(&slack::message(report))
                .await
                .map_err(|e| Failure::new("Slack was not told").because(e)),
            Self::Slack(..) => Ok(()),
            Self::Unnamed(name) => Err(Failure::new(format!("`{name}` is not set"))),
        }
    }
}

/// Tells how a run ended: the log first, then every sink in order. What fails is a warning.
pub async fn tell<W: Write>(report: &Report, sinks: &[Sink], log: &mut Log<W>) {
    log.finish(report);
    let report = log.scrubbed(report);
    for sink in sinks {
        if let Err(failure) = sink.tell(&report).await {
            log.warn(&failure.to_string());
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::*;
    use crate::words::event::{Note, Step};
    use crate::words::masks::Masks;
    use crate::words::report::sample::{self, Story};
    use crate::words::secret::Secret;
    use log::Style;

    async fn told(report: &Report, sinks: &[Sink], masks: Masks) -> String {
        let mut log = Log::new(Vec::new(), Style::Plain);
        log.mask(masks);
        tell(report, sinks, &mut log).await;
        String::from_utf8(log.into_inner()).unwrap()
    }

    #[tokio::test]
    async fn a_sink_that_fails_is_a_warning_and_the_others_are_told() {
        let dir = tempfile::tempdir().unwrap();
        let dead = Webhook::new(Secret::new("http://127.0.0.1:1/services/XyZ"));
        let sinks = [
            Sink::Outputs(dir.path().join("no/outputs")),
            Sink::Slack(dead, Notify::Always),
            Sink::Unnamed("GITHUB_STATE"),
            Sink::Summary(dir.path().join("summary")),
        ];
        let report = Report::fold(&sample::deployed());
        let log = told(&report, &sinks, Masks::default()).await;
        assert_eq!(log.matches("warning: ").count(), 3, "{log}");
        assert!(log.contains("warning: Slack was not told: the message cannot be sent"));
        assert!(!log.contains("XyZ"), "{log}");
        assert!(dir.path().join("summary").exists());
    }

    #[tokio::test]
    async fn no_secret_is_in_anything_that_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let (outputs, summary) = (dir.path().join("o"), dir.path().join("s"));
        let sinks = [
            Sink::Outputs(outputs.clone()),
            Sink::Summary(summary.clone()),
        ];
        let private = crate::words::plan::Private {
            env_file: Some(Secret::new("DB_PASSWORD=hunter2\n")),
            registry_password: Some(Secret::new("t0k3n")),
            ..Default::default()
        };
        let leak = "login t0k3n: DB_PASSWORD=hunter2 hunter2";
        let failure = Failure::new(leak).because(leak).hint(leak);
        let logs = Note::Logs {
            service: "web".into(),
            lines: vec![leak.into()],
        };
        let records = Story::deploy()
            .start(Step::Verify)
            .note(Step::Verify, sample::check("web", "service", false, leak))
            .note(Step::Verify, logs)
            .fails(Step::Verify, 1, &failure)
            .ends(crate::words::event::Outcome::RolledBack {
                cause: failure,
                step: Step::Verify,
            });
        let report = Report::fold(&records);
        let masks = Masks::of(&crate::words::plan::sample::deploy(), &private);
        let mut all = told(&report, &sinks, masks.clone()).await;
        all += &std::fs::read_to_string(outputs).unwrap();
        all += &std::fs::read_to_string(summary).unwrap();
        let scrubbed = report.scrubbed(|text| masks.scrub(text));
        all += &slack::message(&scrubbed).to_string();
        all += &history::page(&[scrubbed], paint::Paint::Off);
        assert!(!all.contains("hunter2") && !all.contains("t0k3n"), "{all}");
        assert!(all.contains("[redacted]"));
    }

    #[test]
    fn a_file_that_the_runner_does_not_name_is_told() {
        let sinks = Sink::of_actions(|name| (name == "GITHUB_OUTPUT").then(|| "/x".to_owned()));
        assert!(matches!(&sinks[0], Sink::Outputs(path) if path.as_os_str() == "/x"));
        assert!(matches!(sinks[1], Sink::Unnamed("GITHUB_STEP_SUMMARY")));
    }
}
