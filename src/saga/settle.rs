//! Settles what an earlier run left: one whose agent died before it could finish.
//!
//! There is no second way back: the run's own journal is taken up, gets its one recovery event,
//! and the ordinary loop carries it to its end.

use std::fs;
use std::path::Path;
use std::time::Duration;

use crate::event::{Event, Note, Outcome};
use crate::host::{Host, Result};
use crate::plan::{Plan, Site};
use crate::saga::facts::RunDir;
use crate::saga::journal::{self, Journal};
use crate::saga::steps::Run;
use crate::saga::{lock, run};

/// Settles every earlier unfinished run of this run's deploy directory; the lock is held.
pub async fn earlier<H: Host>(own: &Run<'_, H>) -> Result<()> {
    let warn = |text: String| own.warn(text);
    take_up(
        own.host,
        own.dir.state(),
        &own.plan.id,
        &own.plan.site,
        &warn,
    )
    .await?;
    Ok(())
}

/// Settles every unfinished run of a deploy directory, under the lock.
pub async fn all<H: Host>(host: &H, state: &Path, site: &Site) -> Result<Vec<Outcome>> {
    let patience = Duration::from_secs(10);
    let holder = || holder(state, "");
    let _lock = lock::take(&site.deploy_dir, patience, holder, |_| {}).await?;
    take_up(host, state, "", site, &|_| {}).await
}

async fn take_up<H: Host>(
    host: &H,
    state: &Path,
    own: &str,
    site: &Site,
    warn: &dyn Fn(String),
) -> Result<Vec<Outcome>> {
    let mut outcomes = Vec::new();
    for id in unfinished(state, own) {
        let dir = RunDir::of(state, &id);
        if dir.is_alive() {
            continue;
        }
        let journal = Journal::open(&dir.journal(), &id)?;
        let Some(plan) = journal.history().plan().cloned() else {
            continue;
        };
        if plan.site.deploy_dir != site.deploy_dir {
            continue;
        }
        warn(format!("the run {id} was interrupted; settling it first"));
        let outcome = Box::pin(run::resume(&host.at(&plan.site), &dir, journal)).await?;
        warn(format!("the run {id} is settled: {}", told(&outcome)));
        outcomes.push(outcome);
    }
    Ok(outcomes)
}

fn told(outcome: &Outcome) -> String {
    match outcome.cause() {
        None => outcome.status().to_string(),
        Some((_, cause)) => format!("{} ({cause})", outcome.status()),
    }
}

/// The ids of runs without an end, oldest first, the caller's own aside.
#[must_use]
pub fn unfinished(state: &Path, own: &str) -> Vec<String> {
    let Ok(entries) = fs::read_dir(state.join("runs")) else {
        return Vec::new();
    };
    let mut ids: Vec<String> = entries
        .flatten()
        .filter_map(|e| e.file_name().into_string().ok())
        .filter(|id| id != own && !is_finished(state, id))
        .collect();
    ids.sort();
    ids
}

fn is_finished(state: &Path, id: &str) -> bool {
    let records = journal::read(&RunDir::of(state, id).journal()).unwrap_or_default();
    records
        .last()
        .is_some_and(|r| matches!(r.event, Event::Finished { .. }))
}

/// Says who holds the directory, as far as the journals tell.
#[must_use]
pub fn holder(state: &Path, own: &str) -> String {
    let alive = |id: &String| RunDir::of(state, id).is_alive();
    let mut plans = unfinished(state, own)
        .into_iter()
        .filter(alive)
        .filter_map(|id| {
            let journal = journal::read(&RunDir::of(state, &id).journal()).ok()?;
            let waits = |e: &Event| {
                matches!(
                    e,
                    Event::Note {
                        note: Note::Waiting { .. },
                        ..
                    }
                )
            };
            if journal.last().is_some_and(|r| waits(&r.event)) {
                return None;
            }
            journal.into_iter().find_map(|r| match r.event {
                Event::Planned { plan } => Some((*plan, r.at)),
                _ => None,
            })
        });
    plans.next().map_or_else(
        || "somebody whose journal lies in another backup directory".into(),
        |(plan, since)| {
            let since = since.format("%Y-%m-%d %H:%M:%S UTC");
            format!("{}, since {since}", who(&plan))
        },
    )
}

fn who(plan: &Plan) -> String {
    let actor = plan.origin.actor.iter().map(|actor| format!(" by {actor}"));
    let url = plan.origin.run_url.iter().map(|url| format!(" ({url})"));
    let details: String = actor.chain(url).collect();
    format!("run {}{details}", plan.id)
}
