//! Carries a request out from this side: connect, place the agent, start the run, hear it to its
//! end, and give the runner's own word where it is wanted.
//!
//! Whatever happens ends in a [`Report`]. It refuses to know who asked, and who is told at the end.

mod listen;
mod patience;
mod signals;

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::face::target;
use crate::output::log::Log;
use crate::remote::agent::Agent;
use crate::remote::binary::Binaries;
use crate::request::Request;
use crate::words::error::Error;
use crate::words::event::Failure;
use crate::words::plan::{Plan, PlannedFile, Private};
use crate::words::report::Report;
use crate::words::wire::Word;
use listen::{Listener, unknown};
pub use signals::stopped;
use signals::{Signals, stopped_early};

/// How long a run that has ended may take to say so.
const FIRST_WORDS: Duration = Duration::from_secs(2);

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
    let (mut signals, agent) = reached(request).await?;
    log.learn_program(agent.program());
    let files: Vec<(PlannedFile, PathBuf)> = request
        .files
        .iter()
        .map(|f| (f.planned.clone(), f.source.clone()))
        .collect();
    let run = agent.start(plan, private, files)?;
    let mut listener = Listener::new(&agent, plan, run);
    let heard = listener.listen(log, report, &mut signals).await;
    agent.transport().hang_up().await;
    heard
}

/// Hears a run to its end that somebody else started and left. As long as it is not committed, it
/// is taken back: whoever started it never told that it was deployed.
pub async fn take_up<W: Write>(request: &Request, plan: &Plan, log: &mut Log<W>) -> Report {
    let mut report = Report::of_plan(plan);
    match hear_out(request, plan, log, &mut report).await {
        Ok(()) => report,
        Err(error) => {
            let error = unknown(&plan.id, &error);
            report.lost(&error.failures()[0])
        }
    }
}

async fn hear_out<W: Write>(
    request: &Request,
    plan: &Plan,
    log: &mut Log<W>,
    report: &mut Report,
) -> Result<(), Error> {
    let (mut signals, agent) = reached(request).await?;
    log.learn_program(agent.program());
    let mut listener = Listener::new(&agent, plan, agent.attach(&plan.id, 0));
    let ask = async {
        // A run that has ended tells so at once and needs no word.
        tokio::time::sleep(FIRST_WORDS).await;
        let reason = "the step that started it ended without it";
        let _ = agent.ask(&plan.id, Word::Cancel, reason).await;
        std::future::pending::<()>().await;
    };
    let heard = tokio::select! {
        heard = listener.listen(log, report, &mut signals) => heard,
        () = ask => Ok(()),
    };
    agent.transport().hang_up().await;
    match heard {
        // The server has never heard of it: the step was stopped before it started anything.
        Err(error @ Error::Agent(_)) if !listener.has_heard() => {
            *report = std::mem::take(report).stopped(&error);
            Ok(())
        }
        heard => heard,
    }
}

/// The agent, unless a signal comes first; and the signals to listen for from here on.
async fn reached(request: &Request) -> Result<(Signals, Agent), Error> {
    let mut signals = Signals::listen()?;
    tokio::select! {
        agent = reach(request) => Ok((signals, agent?)),
        name = signals.next() => Err(stopped_early(name)),
    }
}

/// Connects to the server and sees to it that the agent is there.
pub async fn reach(request: &Request) -> Result<Agent, Error> {
    let binaries = Binaries::this().map_err(|e| {
        Error::Local(Failure::new("this program cannot find its own file").because(e))
    })?;
    // Digests are computed while the connection is made.
    let hashed = binaries.clone();
    tokio::task::spawn_blocking(move || hashed.all().len());
    let transport = target::transport(request).await?;
    Agent::install(Arc::new(transport), &request.site, request.sudo, &binaries).await
}
