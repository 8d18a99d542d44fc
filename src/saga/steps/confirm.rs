//! Confirm: waits for the runner's word where only the runner can see. Silence is a no.

use std::time::Duration;

use chrono::{TimeDelta, Utc};

use crate::event::{Failure, FailureKind, Note};
use crate::host::{Host, Result};
use crate::saga::steps::Run;

/// How often the server looks for the word.
const LOOK: Duration = Duration::from_millis(50);

/// Waits until the runner confirms or denies, or until its time is up.
pub async fn act<H: Host>(run: &Run<'_, H>) -> Result<()> {
    if run.plan.checks.from_runner().next().is_none() {
        return Ok(());
    }
    let patience = Duration::from_secs(run.plan.checks.health_timeout);
    let until = Utc::now() + TimeDelta::from_std(patience).unwrap_or_default();
    (run.tell)(Note::AwaitingRunner { until });
    tokio::time::timeout(patience, word(run))
        .await
        .unwrap_or_else(|_| Err(silence(patience)))
}

async fn word<H: Host>(run: &Run<'_, H>) -> Result<()> {
    loop {
        if let Some(reason) = run.dir.word("deny") {
            return Err(Failure::new("the runner's own checks failed").because(reason.trim()));
        }
        if run.dir.word("confirm").is_some() {
            return Ok(());
        }
        tokio::time::sleep(LOOK).await;
    }
}

fn silence(patience: Duration) -> Failure {
    Failure::new(format!(
        "the runner said nothing for {} s after the server's checks had passed",
        patience.as_secs()
    ))
    .because("a release that only the runner can confirm is taken back without its word")
    .of(FailureKind::TimedOut)
}
