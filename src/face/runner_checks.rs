//! The smoke tests that only the runner can make, from outside.
//!
//! It refuses to know what becomes of the verdict.

use std::time::Duration;

use tokio::task::JoinHandle;

use crate::host::http;
use crate::remote::agent::Agent;
use crate::words::error::Error;
use crate::words::event::Failure;
use crate::words::plan::{Checks, Probe, SmokeTest};
use crate::words::wire::Word;

/// How often a test that does not pass yet is made again.
const LOOK: Duration = Duration::from_millis(250);
/// What is kept back of the server's patience, for the word to arrive.
const MARGIN: Duration = Duration::from_secs(2);

/// What became of the tests, and whether the server has been told.
pub type Told = (Result<Vec<String>, Failure>, Result<(), Error>);

/// Makes the tests and gives the server the runner's word, beside whatever else goes on.
#[must_use]
pub fn begin(agent: &Agent, id: &str, checks: &Checks, patience: Duration) -> JoinHandle<Told> {
    let (agent, id, checks) = (agent.clone(), id.to_owned(), checks.clone());
    tokio::spawn(async move {
        let made = make(&checks, patience).await;
        let told = match &made {
            Ok(_) => agent.ask(&id, Word::Confirm, "").await,
            Err(failure) => agent.ask(&id, Word::Deny, &failure.to_string()).await,
        };
        (made, told)
    })
}

/// Makes the tests until each has passed once, or until the server's patience is nearly over.
async fn make(checks: &Checks, patience: Duration) -> Result<Vec<String>, Failure> {
    let client = http::client()?;
    let mut passed = Vec::new();
    let end = tokio::time::Instant::now() + patience.saturating_sub(MARGIN);
    for test in checks.from_runner() {
        passed.push(make_one(&client, test, end).await?);
    }
    Ok(passed)
}

async fn make_one(
    client: &reqwest::Client,
    test: &SmokeTest,
    end: tokio::time::Instant,
) -> Result<String, Failure> {
    loop {
        let answer = match &test.probe {
            Probe::Http { url, expect } => http::ask(client, url, expect).await,
            Probe::Tcp { address } => http::connect(address).await,
            Probe::Service { .. } | Probe::Exec { .. } => {
                Err(Failure::new("only the server can make this test"))
            }
        };
        match answer {
            Ok(seen) => return Ok(format!("check `{}` from the runner: {seen}", test.name)),
            Err(failure) if tokio::time::Instant::now() >= end => {
                return Err(Failure::new(format!("check `{}`: {failure}", test.name)));
            }
            Err(_) => tokio::time::sleep(LOOK).await,
        }
    }
}
