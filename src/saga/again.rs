//! Tries a way back again that had failed, once a person has removed the cause.
//!
//! The run is opened again and the ordinary loop takes all of it back from the top: undos may be
//! repeated. The file refuses to know how a step is taken back.

use std::path::Path;

use crate::event::{Event, Outcome, Record};
use crate::host::{Host, Result};
use crate::plan::Site;
use crate::saga::facts::RunDir;
use crate::saga::journal::{self, Journal};
use crate::saga::{disk, run};

/// The run whose way back may be tried again: the newest that was not refused, if it is stuck.
#[must_use]
pub fn stuck(state: &Path) -> Option<String> {
    let mut ids = disk::names(&state.join("runs"));
    ids.sort();
    let mut ends = ids.into_iter().rev().filter_map(|id| {
        let last = journal::last(&RunDir::of(state, &id).journal())?;
        Some((id, last))
    });
    let ended = |last: &Record| match &last.event {
        Event::Finished { outcome } => Some(outcome.clone()),
        _ => None,
    };
    let refused = |last: &Record| matches!(ended(last), Some(Outcome::Refused { .. }));
    let (id, last) = ends.find(|(_, last)| !refused(last))?;
    matches!(ended(&last), Some(Outcome::Stuck { .. })).then_some(id)
}

/// Tries the way back of the stuck run again, if there is one; the lock is held. How it ended.
pub async fn back<H: Host>(host: &H, state: &Path, site: &Site) -> Result<Option<Outcome>> {
    let Some(id) = stuck(state) else {
        return Ok(None);
    };
    let dir = RunDir::of(state, &id);
    let Some(_claim) = dir.claim() else {
        return Ok(None);
    };
    let mut journal = Journal::open(&dir.journal(), &id)?;
    let plan = journal.history().plan().cloned();
    let Some(plan) = plan.filter(|plan| plan.site.deploy_dir == site.deploy_dir) else {
        return Ok(None);
    };
    journal.append(Event::Reopened)?;
    let host = host.at(&plan.site);
    let resumed = Box::pin(run::resume(&host, &dir, journal));
    resumed.await.map(Some)
}
