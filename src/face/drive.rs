//! Carries a request out from this side: connect, place the agent, start the run, hear it to its
//! end, and give the runner's own word where it is wanted.
//!
//! Whatever happens ends in a [`Report`]. It refuses to know who asked, and who is told at the end.

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::error::Error;
use crate::event::{Event, Failure, Note, Record};
use crate::face::runner_checks;
use crate::face::target::target;
use crate::output::log::Log;
use crate::plan::{Plan, PlannedFile, Private};
use crate::remote::agent::Agent;
use crate::remote::binary::Binaries;
use crate::remote::probe;
use crate::remote::run::{Heard, Run};
use crate::remote::rundir::Word;
use crate::remote::transport::Transport;
use crate::report::Report;
use crate::request::{Place, Request, Sudo};

/// How long the end is waited for after a signal; the GitHub runner kills after 10 s.
const GRACE: Duration = Duration::from_secs(4);
/// How often a run whose agent died is taken up again.
const SETTLES: u32 = 3;

/// Carries a request out; an error has become part of the report.
pub async fn carry_out<W: Write>(
    request: &Request,
    plan: &Plan,
    private: &Private,
    log: &mut Log<W>,
) -> Report {
    let mut report = Report::of_plan(plan);
    match drive(request, plan, private, log, &mut report).await {
        Ok(()) => report,
        Err(Error::Lost(failure)) => report.lost(&failure),
        Err(error) => report.stopped(&error),
    }
}

async fn drive<W: Write>(
    request: &Request,
    plan: &Plan,
    private: &Private,
    log: &mut Log<W>,
    report: &mut Report,
) -> Result<(), Error> {
    let mut signals = Signals::listen()?;
    let agent = tokio::select! {
        agent = reach(request) => agent?,
        name = signals.next() => return Err(stopped_early(name)),
    };
    let files: Vec<(PlannedFile, PathBuf)> = request
        .files
        .iter()
        .map(|f| (f.planned.clone(), f.source.clone()))
        .collect();
    let run = agent.start(plan, private, files)?;
    let listener = Listener {
        agent: &agent,
        plan,
        run,
        next: 0,
        settles: 0,
        asked: None,
    };
    let heard = listener.listen(log, report, &mut signals).await;
    agent.transport().hang_up().await;
    heard
}

/// Connects to the server and sees to it that the agent is there.
pub async fn reach(request: &Request) -> Result<Agent, Error> {
    let binaries = Binaries::this().map_err(|e| {
        Error::Local(Failure::new("this program cannot find its own file").because(e))
    })?;
    // Digests are computed while the connection is made.
    let hashed = binaries.clone();
    tokio::task::spawn_blocking(move || hashed.all().len());
    let transport = match &request.place {
        Place::Here => Transport::Here,
        Place::Server(asked) => Transport::there(target(asked)?).await?,
    };
    let sudo = match request.sudo {
        Sudo::Auto => probe::Sudo::Auto,
        Sudo::Always => probe::Sudo::Always,
        Sudo::Never => probe::Sudo::Never,
    };
    Agent::install(Arc::new(transport), &request.site, sudo, &binaries).await
}

/// The signals that ask a run to stop.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn listen() -> Result<Self, Error> {
        let listen = |kind| {
            signal(kind).map_err(|e| {
                Error::Local(Failure::new("signals cannot be listened for").because(e))
            })
        };
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
        })
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.interrupt.recv() => "SIGINT",
            _ = self.terminate.recv() => "SIGTERM",
        }
    }
}

fn stopped_early(name: &str) -> Error {
    Error::Local(Failure::new(format!(
        "stopped by {name} before anything was started"
    )))
}

/// Hears one run to its end.
struct Listener<'a> {
    agent: &'a Agent,
    plan: &'a Plan,
    run: Run,
    next: u64,
    settles: u32,
    asked: Option<Instant>,
}

impl Listener<'_> {
    async fn listen<W: Write>(
        mut self,
        log: &mut Log<W>,
        report: &mut Report,
        signals: &mut Signals,
    ) -> Result<(), Error> {
        loop {
            let patience = self
                .asked
                .map(|since| GRACE.saturating_sub(since.elapsed()));
            let heard = tokio::select! {
                heard = self.run.next() => heard?,
                name = signals.next(), if self.asked.is_none() => {
                    self.take_back(name, log).await;
                    continue;
                }
                () = wait(patience) => return Err(left_alone(self.run.id())),
            };
            match heard {
                None => return Ok(()),
                Some(Heard::Record(record)) => self.record(&record, log, report).await?,
                Some(Heard::Dropped(failure)) => {
                    log.warn(&format!("contact was lost, trying again: {failure}"));
                }
                Some(Heard::Back) => log.say("contact is back"),
                Some(Heard::Gone(words)) => self.settle(&words, log).await?,
            }
        }
    }

    async fn record<W: Write>(
        &mut self,
        record: &Record,
        log: &mut Log<W>,
        report: &mut Report,
    ) -> Result<(), Error> {
        self.next = record.seq + 1;
        log.record(record);
        report.push(record);
        let Event::Note {
            note: Note::AwaitingRunner { until },
            ..
        } = &record.event
        else {
            return Ok(());
        };
        match runner_checks::make(&self.plan.checks, *until).await {
            Ok(passed) => {
                for line in &passed {
                    log.say(line);
                }
                self.run.say(Word::Confirm, "").await
            }
            Err(failure) => self.run.say(Word::Deny, &failure.to_string()).await,
        }
    }

    /// Asks the server to take itself back, and says so at once.
    async fn take_back<W: Write>(&mut self, name: &str, log: &mut Log<W>) {
        log.warn(&format!(
            "{name}: asking the server to take the run {} back",
            self.run.id()
        ));
        self.asked = Some(Instant::now());
        let reason = format!("the runner received {name}");
        let asked = self.run.cancel(&reason);
        match tokio::time::timeout(GRACE / 2, asked).await {
            Ok(Ok(())) => log.say("the server knows, and takes itself back"),
            Ok(Err(error)) => log.warn(&format!("the server could not be told: {error}")),
            Err(_) => log.warn("the server has not answered yet"),
        }
    }

    /// The agent died: whoever comes next takes the run up, and here that is us.
    async fn settle<W: Write>(&mut self, words: &[String], log: &mut Log<W>) -> Result<(), Error> {
        self.settles += 1;
        if self.settles > SETTLES {
            return Err(Error::Lost(words.iter().fold(
                Failure::new("the agent died again and again"),
                Failure::because,
            )));
        }
        log.warn("the agent died on the server; settling what it left");
        let site = serde_json::to_string(&self.plan.site).unwrap_or_default();
        self.agent.look("settle", &[&site]).await?;
        self.run = self.agent.attach(&self.plan.id, self.next);
        Ok(())
    }
}

/// Waits for a while, or for ever.
async fn wait(patience: Option<Duration>) {
    match patience {
        Some(patience) => tokio::time::sleep(patience).await,
        None => std::future::pending().await,
    }
}

fn left_alone(id: &str) -> Error {
    Error::Lost(
        Failure::new(format!(
            "this run was stopped while the server was at work on {id}"
        ))
        .because("the server goes on without it and takes itself back")
        .hint("ask how it ended: `landfall status`"),
    )
}
