//! `landfall logs`: what the application's containers print, shown as it comes.
//!
//! The agent reads and hides what must not be told. The file refuses to know how.

use std::io::Write as _;

use serde::{Deserialize, Serialize};
use tokio::io::AsyncReadExt as _;

use crate::face::cli::Show;
use crate::face::drive;
use crate::host::lines;
use crate::output::escaped::Escaped;
use crate::remote::agent::Agent;
use crate::remote::transport::{Ended, Process};
use crate::request::Request;
use crate::words::error::{Error, exit};
use crate::words::event::Failure;

/// What is to be shown.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wanted {
    /// Of which service; none means all.
    pub service: Option<String>,
    /// How many of the lines that are there, of each container; none means all.
    pub tail: Option<u32>,
    /// Whether those that come are waited for.
    pub follow: bool,
}

/// One line between the two sides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Printed {
    /// What a container printed.
    Line {
        /// Its name.
        from: String,
        /// The line.
        line: String,
    },
    /// Why nothing is shown.
    Refused {
        /// The reason.
        refused: Failure,
    },
}

/// Shows it until it has all been shown, or until a signal: whoever follows has no other end.
pub async fn show(request: &Request, wanted: &Wanted, show: Show) -> Result<u8, Error> {
    let agent = drive::reach(request).await?;
    let site = serde_json::to_string(&request.site).unwrap_or_default();
    let wanted = serde_json::to_string(wanted).unwrap_or_default();
    let mut process = agent.logs(&site, &wanted).await?;
    let shown = tokio::select! {
        shown = copy(&mut process, show) => shown,
        _ = drive::stopped() => Ok(Shown::Enough),
    };
    let ended = end(process, &agent, shown?).await;
    agent.transport().hang_up().await;
    ended
}

/// How far it came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shown {
    /// To the end of what there is.
    All,
    /// Nobody reads any more, or wants to.
    Enough,
}

async fn end(process: Process, agent: &Agent, shown: Shown) -> Result<u8, Error> {
    if shown == Shown::Enough {
        return Ok(exit::OK);
    }
    match process.ended().await {
        Ended::Exited(0) => Ok(exit::OK),
        Ended::Dropped => Err(Error::Connect(Failure::new(format!(
            "the connection to {} ended",
            agent.transport().name()
        )))),
        _ => Err(Error::Agent(Failure::new(
            "the agent could not show what is printed",
        ))),
    }
}

async fn copy(process: &mut Process, show: Show) -> Result<Shown, Error> {
    let (mut line, mut bytes) = (lines::Line::default(), vec![0; 16 * 1024]);
    loop {
        let read = process.stdout.read(&mut bytes).await;
        let Ok(read @ 1..) = read else {
            return Ok(Shown::All);
        };
        let mut all = Vec::new();
        line.read(&bytes[..read], |text| all.push(text));
        for text in all {
            match serde_json::from_str(&text) {
                Ok(Printed::Refused { refused }) => return Err(Error::Agent(refused)),
                Ok(Printed::Line { from, line }) if !tell(&from, &line, show) => {
                    return Ok(Shown::Enough);
                }
                // A login shell may print anything in between.
                Ok(Printed::Line { .. }) | Err(_) => {}
            }
        }
    }
}

/// Shows a line; says whether anybody reads.
fn tell(from: &str, line: &str, show: Show) -> bool {
    let text = match show {
        Show::Json => serde_json::json!({ "container": from, "line": line }).to_string(),
        Show::Text => Escaped::line(&format!("{from} | {line}")).to_string(),
    };
    let mut out = std::io::stdout().lock();
    writeln!(out, "{text}").and_then(|()| out.flush()).is_ok()
}
