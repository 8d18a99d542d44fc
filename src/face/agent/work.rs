//! What an agent does on its server: the saga for a plan, a look for a question.
//!
//! Here and in `look` the face meets the saga; it refuses to know connections.

use std::path::Path;
use std::process::ExitCode;

use serde_json::Value;
use tokio::task::LocalSet;

use crate::face::agent::{Work, logs, look};
use crate::files::rundir::RunDir;
use crate::host::boot;
use crate::host::real::Server;
use crate::remote::rundir;
use crate::saga::run;
use crate::words::error::{exit, exit_code};
use crate::words::event::Failure;
use crate::words::plan::{Plan, Private};

/// The work of the shipped binary.
pub struct Shipped;

impl Work for Shipped {
    async fn run(&self, plan: Plan, private: Private, dir: rundir::RunDir) -> ExitCode {
        let dir = RunDir::of(dir.state(), dir.id()).held();
        // A boot that runs an older program is no reason not to deploy.
        let _ = boot::refresh(dir.state(), boot::Wanted::IfInstalled);
        let work = async {
            let host = Server::new(&plan.site)?;
            Box::pin(run::begin(plan, private, &host, &dir)).await
        };
        match Box::pin(LocalSet::new().run_until(work)).await {
            Ok(outcome) => ExitCode::from(exit_code(outcome.status())),
            Err(failure) => last_words(&failure),
        }
    }

    async fn look(&self, state: &Path, what: &str, args: &[String]) -> Result<Value, Failure> {
        LocalSet::new()
            .run_until(Box::pin(look::look(state, what, args)))
            .await
    }

    async fn logs(&self, state: &Path, args: &[String]) -> Result<(), Failure> {
        let unread = |e| Failure::new("what is wanted cannot be read").because(e);
        let text = |at: usize| args.get(at).map_or("", String::as_str);
        let site = serde_json::from_str(text(0)).map_err(unread)?;
        let wanted = serde_json::from_str(text(1)).map_err(unread)?;
        logs::print(state, &site, &wanted).await
    }
}

/// Goes to the agent's log, which a follower reads when the journal has no end.
#[allow(clippy::print_stderr, reason = "the agent's standard error is its log")]
fn last_words(failure: &Failure) -> ExitCode {
    eprintln!("{failure}");
    ExitCode::from(exit::UNKNOWN)
}
