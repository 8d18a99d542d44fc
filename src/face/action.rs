//! The GitHub Action: inputs from the environment, the log to standard output, results to the
//! runner's files.
//!
//! It refuses to know how a run is carried out.

use std::ffi::OsString;
use std::io::Stdout;
use std::path::PathBuf;
use std::time::Duration;

use crate::clock;
use crate::face::target::target;
use crate::face::{drive, post, preview};
use crate::output::log::{Log, Style};
use crate::output::paint::When;
use crate::output::webhook::Webhook;
use crate::output::{self, Sink};
use crate::remote::ssh::Connection;
use crate::request::{self, Faults, Mode, Request};
use crate::words::choices::Notify;
use crate::words::error::{Error, exit_code};
use crate::words::event::{Failure, FailureKind};
use crate::words::masks::Masks;
use crate::words::reader::Reader;
use crate::words::report::Report;

/// How long a channel may take to be told of a cancelled run.
const HURRY: Duration = Duration::from_secs(1);

/// Runs the action; the exit code of the contract.
pub async fn run() -> u8 {
    let mut log = Log::to(std::io::stdout(), Style::Github, When::Auto);
    let vars: Vec<(OsString, OsString)> = std::env::vars_os().collect();
    let mut sinks = Sink::of_actions(variable);
    let origin = request::of_workflow(variable);
    let report = match request::from_environment(vars, &workspace()) {
        Ok(request) => {
            sinks.extend(slack(&request));
            carry_out(&request, origin, &mut log).await
        }
        Err(faults) => {
            let error = refused(faults).await;
            tell_faults(&error, &mut log);
            Report::of_origin(origin).stopped(&error)
        }
    };
    if was_cancelled(&report) {
        sinks.iter_mut().for_each(hurry);
    }
    output::tell(&report, &sinks, &mut log).await;
    exit_code(report.status)
}

fn was_cancelled(report: &Report) -> bool {
    let mut failures = report.failures.iter();
    failures.any(|failure| failure.kind == FailureKind::Cancelled)
}

/// A step that was cancelled has no time to wait for somebody who does not answer.
fn hurry(sink: &mut Sink) {
    if let Sink::Slack(webhook, _) = sink {
        webhook.deadline = HURRY;
    }
}

async fn carry_out(
    request: &Request,
    origin: crate::words::plan::Origin,
    log: &mut Log<Stdout>,
) -> Report {
    let (plan, private) = request.plan(request::deployment_id(clock::now()), origin);
    log.mask(masks(request, &plan, &private));
    log.reads(Reader::of_workflow(&request.site));
    request
        .warnings
        .iter()
        .for_each(|warning| log.warn(warning));
    if request.only_shows() {
        // The first process of a container is stopped by no signal that it does not listen for.
        return tokio::select! {
            report = preview::show(request, &plan, &private) => report,
            error = drive::stopped() => Report::of_plan(&plan).stopped(&error),
        };
    }
    post::begins(&plan.id, log);
    let report = drive::carry_out(request, &plan, &private, log).await;
    post::ends(report.status, log);
    report
}

/// Every fault; where only the host key is missing, the keys that the server shows.
async fn refused(faults: Faults) -> Error {
    match faults.only_host_key_missing {
        Some(asked) => match shown_keys(&asked).await {
            Ok(shown) => Error::Input(vec![shown]),
            // Whatever keeps the keys from being shown does not make up for the pin.
            Err(error) => Error::Input([&faults.all, error.failures()].concat()),
        },
        None => Error::Input(faults.all),
    }
}

/// Every fault in a line of its own: the annotation is one block.
fn tell_faults(error: &Error, log: &mut Log<Stdout>) {
    log.say(&format!("{}:", error.heading()));
    for failure in error.failures() {
        log.say(&format!("  {}", request::one_line(failure)));
    }
}

/// Connecting without a pin fails with the keys that the server shows.
async fn shown_keys(asked: &request::Target) -> Result<Failure, Error> {
    match Connection::open(&target(asked)?).await {
        Ok(_) => Ok(Failure::new("`host_key` is missing")),
        Err(Error::Connect(shown)) if shown.kind == FailureKind::Unpinned => Ok(shown),
        Err(error) => Err(error),
    }
}

/// Everything that the log may not show.
#[must_use]
pub fn masks(
    request: &Request,
    plan: &crate::words::plan::Plan,
    private: &crate::words::plan::Private,
) -> Masks {
    let mut masks = Masks::of(plan, private);
    if let Some(request::Identity::Key { text, passphrase }) = request.target().map(|t| &t.identity)
    {
        masks.add(text);
        if let Some(passphrase) = passphrase {
            masks.add(passphrase);
        }
    }
    request.slack_webhook_url.iter().for_each(|s| masks.add(s));
    masks
}

fn slack(request: &Request) -> Option<Sink> {
    let webhook = Webhook::new(request.slack_webhook_url.clone()?);
    let quiet = request.only_shows() && request.mode == Mode::Status;
    let notify = if quiet { Notify::Never } else { request.notify };
    Some(Sink::Slack(webhook, notify))
}

/// A variable of this process.
#[must_use]
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// The checked-out repository.
#[must_use]
pub fn workspace() -> PathBuf {
    variable("GITHUB_WORKSPACE").map_or_else(|| PathBuf::from("."), PathBuf::from)
}
