//! Carries out what an operator asked for on a command line, and shows the answer.
//!
//! The log goes to standard error, the answer to standard output, so that both can be used. It
//! refuses to know how a command line is read.

use std::io::Write;

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::clock;
use crate::face::cli::{Command, Invocation, Show};
use crate::face::errand::Errand;
use crate::face::{doctor, drive, logs, preview, recover};
use crate::output::escaped::Escaped;
use crate::output::log::{Log, Style};
use crate::output::paint::{Paint, When};
use crate::output::webhook::Webhook;
use crate::output::{self, Sink, history, json, status, table};
use crate::remote::agent::Agent;
use crate::request::{self, Request};
use crate::words::error::{Error, exit, exit_code};
use crate::words::event::{Failure, Status};
use crate::words::masks::Masks;
use crate::words::reader::Reader;
use crate::words::report::Report;
use crate::words::report::kept::Kept;

/// Carries a command out; the exit code of the contract.
pub async fn carry_out(invocation: Invocation) -> u8 {
    let (show, color) = (invocation.show, invocation.color);
    let reader = invocation.command.reader();
    match invocation.command {
        Command::Deploy(request) | Command::Rollback(request) | Command::Plan(request) => {
            run(&request, show, color).await
        }
        other => match answer(other, show, color).await {
            Ok(code) => code,
            Err(error) => told(&error.for_reader(&reader), color),
        },
    }
}

/// A run, or the preview of one.
async fn run(request: &Request, show: Show, color: When) -> u8 {
    let answers = request.only_shows() && show == Show::Text;
    let (out, paint): (Box<dyn Write>, _) = if answers {
        let out = std::io::stdout();
        let paint = Paint::of(color, &out);
        (Box::new(out), paint)
    } else {
        let out = std::io::stderr();
        let paint = Paint::of(color, &out);
        (Box::new(out), paint)
    };
    let mut log = Log::new(out, Style::detect()).painted(paint);
    let origin = request::of_operator(|name| std::env::var(name).ok());
    let (plan, private) = request.plan(request::deployment_id(clock::now()), origin);
    log.mask(Masks::of(&plan, &private));
    log.reads(request.reader());
    request
        .warnings
        .iter()
        .for_each(|warning| log.warn(warning));
    let report = if request.only_shows() {
        preview::show(request, &plan, &private).await
    } else {
        drive::carry_out(request, &plan, &private, &mut log).await
    };
    tell(&report, request, show, &mut log).await;
    exit_code(report.status)
}

async fn tell<W: Write>(report: &Report, request: &Request, show: Show, log: &mut Log<W>) {
    let webhook = request.slack_webhook_url.clone().map(Webhook::new);
    let sinks: Vec<Sink> = webhook
        .map(|w| Sink::Slack(w, request.notify))
        .into_iter()
        .collect();
    output::tell(report, &sinks, log).await;
    if show == Show::Json {
        print(&json::pretty(&log.scrubbed(report)).unwrap_or_default());
    }
}

/// A question to the server, answered as a table or as JSON.
async fn answer(command: Command, show: Show, color: When) -> Result<u8, Error> {
    let paint = Paint::of(color, &std::io::stdout());
    let reader = command.reader();
    let shown = Shown {
        show,
        reader: &reader,
    };
    match command {
        Command::Status(request) => {
            let value = ask(&request, Errand::Status, &[]).await?;
            let healthy = value["status"] == Status::Healthy.word();
            shown.tell(value, status::status)?;
            Ok(if healthy { exit::OK } else { exit::UNHEALTHY })
        }
        Command::History(request) => {
            let value = ask(&request, Errand::History, &[]).await?;
            shown.tell(value, |runs: &Vec<Report>| history::page(runs, paint))
        }
        Command::Backups(request) => {
            let value = ask(&request, Errand::Backups, &[]).await?;
            shown.tell(value, |all: &Vec<Kept>| {
                table::backups(all, clock::now(), &request.site)
            })
        }
        Command::Verify { request, backup } => {
            verified(ask(&request, Errand::Verify, &[&backup]).await?, shown)
        }
        Command::Freeze { request, message } => {
            let value = ask(&request, Errand::Freeze, &[&message, &who()]).await?;
            shown.tell(value, |_: &Value| {
                "Frozen: no deployment goes until `landfall thaw`.".into()
            })
        }
        Command::Thaw(request) => {
            let value = ask(&request, Errand::Thaw, &[]).await?;
            shown.tell(value, |was: &Value| {
                if was.is_null() {
                    "Nothing was frozen.".into()
                } else {
                    "Thawed: deployments go again.".into()
                }
            })
        }
        Command::Recover { request, when } => recover::settle(&request, when, shown).await,
        Command::Logs { request, wanted } => logs::show(&request, &wanted, show).await,
        Command::Doctor { request, install } => {
            doctor::examine(&request, install, show, paint).await
        }
        _ => Ok(exit::OK),
    }
}

/// Sends the agent on the server for something.
pub async fn ask(request: &Request, errand: Errand, args: &[&str]) -> Result<Value, Error> {
    let agent: Agent = drive::reach(request).await?;
    let site = serde_json::to_string(&request.site).unwrap_or_default();
    let mut all = vec![site.as_str()];
    all.extend(args);
    let answer = agent.look(errand.word(), &all, errand.patience()).await;
    agent.transport().hang_up().await;
    answer.map_err(|error| {
        if errand.settles() {
            at_work(error)
        } else {
            error
        }
    })
}

/// A server that was reached, and then not any more, may be at work on what it settles.
fn at_work(error: Error) -> Error {
    match error {
        Error::Connect(failure) => Error::Lost(
            failure.hint("the server goes on by itself; ask it how it ended: `landfall status`"),
        ),
        other => other,
    }
}

/// How answers are shown, and to whom.
#[derive(Debug, Clone, Copy)]
pub struct Shown<'a> {
    show: Show,
    reader: &'a Reader,
}

impl Shown<'_> {
    /// Shows an answer as JSON, or as the text that is made of it.
    pub fn tell<T: DeserializeOwned>(
        self,
        mut value: Value,
        text: impl FnOnce(&T) -> String,
    ) -> Result<u8, Error> {
        if self.show == Show::Json {
            self.reader.complete(&mut value);
            print(&json::pretty(&value).unwrap_or_default());
            return Ok(exit::OK);
        }
        let read = serde_json::from_value(value).map_err(|e| {
            Error::Agent(Failure::new("the agent's answer cannot be read").because(e))
        })?;
        print(&self.reader.completed(&text(&read)));
        Ok(exit::OK)
    }
}

/// Every backup's verdict; one that is not whole makes the exit code 1.
fn verified(value: Value, shown: Shown<'_>) -> Result<u8, Error> {
    let all = value.as_array().cloned().unwrap_or_default();
    let whole = all.iter().all(|v| v["whole"] == true);
    shown.tell(value, |all: &Vec<Value>| verdicts(all))?;
    Ok(if whole && !all.is_empty() {
        exit::OK
    } else {
        exit::ROLLED_BACK
    })
}

fn verdicts(all: &[Value]) -> String {
    let lines = all.iter().map(|v| {
        let timestamp = v["timestamp"].as_str().unwrap_or_default();
        let verdict = v["fault"].as_str().unwrap_or("whole");
        Escaped::line(&format!("{timestamp}: {verdict}")).to_string()
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn who() -> String {
    let origin = request::of_operator(|name| std::env::var(name).ok());
    origin.actor.unwrap_or_else(|| "somebody".into())
}

/// Tells every failure of an error, and what to do about each.
#[must_use]
pub fn told(error: &Error, color: When) -> u8 {
    let mut log = Log::to(std::io::stderr(), Style::detect(), color);
    for failure in error.failures() {
        log.error(&failure.to_string());
        failure
            .hints
            .iter()
            .for_each(|hint| log.say(&format!("hint: {hint}")));
    }
    exit_code(error.status())
}

/// The answer itself; nobody is left to tell when the reader is gone.
pub fn print(text: &str) {
    let _ = writeln!(std::io::stdout(), "{}", text.trim_end());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contact_that_is_lost_while_a_server_settles_is_unknown_and_not_refused() {
        let lost = at_work(Error::Connect(Failure::new("too slow")));
        assert_eq!(exit_code(lost.status()), exit::UNKNOWN);
        let refused = at_work(Error::Agent(Failure::new("no")));
        assert_eq!(exit_code(refused.status()), exit::REFUSED);
    }

    #[test]
    fn a_verdict_from_a_server_can_colour_and_command_nothing() {
        let text = verdicts(&[
            serde_json::json!({ "timestamp": "::error::x", "fault": "\u{1b}[31mred\n::warning::y" }),
            serde_json::json!({ "timestamp": "20251017_143025", "fault": null }),
        ]);
        assert_eq!(
            text,
            "| ::error::x: red ::warning::y\n20251017_143025: whole"
        );
    }
}
