//! Tries a way back again that had failed, once a person has removed the cause.
//!
//! The run is opened again and the ordinary loop takes all of it back from the top: undos may be
//! repeated. What a person has put in its place meanwhile is left alone. The file refuses to know
//! how a step is taken back.

use std::path::Path;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::files::rundir::{RunDir, name};
use crate::host::{Container, Host};
use crate::saga::facts::{Before, Seen};
use crate::saga::release::advice;
use crate::saga::run::Word;
use crate::saga::{journal, run, runs, settle};
use crate::words::Result;
use crate::words::backup::Description;
use crate::words::event::{Event, Failure, Outcome};
use crate::words::plan::{Plan, Site};

/// Settles every unfinished run of a deploy directory, and tries a way back again that had failed:
/// for a person who has removed the cause.
pub async fn by_hand<H: Host>(host: &H, state: &Path, site: &Site) -> Result<Vec<Outcome>> {
    let _lock = settle::stand(host, state, site).await?;
    let mut outcomes = settle::take_up(host, state, "", site, &|_| {}).await?;
    if !outcomes.iter().any(|o| matches!(o, Outcome::Stuck { .. })) {
        outcomes.extend(back(host, state, site, &|_| {}).await?);
    }
    Ok(outcomes)
}

/// Tries the way back of the stuck run again, if there is one; the lock is held. How it ended.
async fn back<H: Host>(
    host: &H,
    state: &Path,
    site: &Site,
    warn: &dyn Fn(String),
) -> Result<Option<Outcome>> {
    let Some(id) = runs::stuck(state, site) else {
        return Ok(None);
    };
    let dir = RunDir::of(state, &id).held();
    let Some(_claim) = dir.claim() else {
        return Ok(None);
    };
    let journal = settle::opened(&dir, &id, warn)?;
    let Some(plan) = journal.history().plan().cloned() else {
        return Ok(None);
    };
    let host = host.at(&plan.site);
    // Opened again it would end as it did, and what is told of it would be told anew.
    if let Some(failure) = run::astray(&host, &dir).await? {
        return Err(advice::by_hand(&plan, &dir, true, failure));
    }
    refuse_mended(&host, &plan, &dir).await?;
    let resumed = Box::pin(run::resume(&host, &dir, journal, Word::Persons));
    resumed.await.map(Some)
}

/// Settles every unfinished run of a deploy directory, and lets go of the one that could not be
/// taken back: a person keeps what runs. The runs that were settled, and the one that was let go of.
pub async fn keep<H: Host>(host: &H, state: &Path, site: &Site) -> Result<Kept> {
    let _lock = settle::stand(host, state, site).await?;
    let settled = settle::take_up(host, state, "", site, &|_| {}).await?;
    let mut kept = None;
    if let Some(id) = runs::stuck(state, site) {
        let dir = RunDir::of(state, &id).held();
        if let Some(_claim) = dir.claim() {
            let mut journal = settle::opened(&dir, &id, &|_| {})?;
            journal.append(Event::Kept)?;
            let ended = run::resume(host, &dir, journal, Word::Nobodys);
            Box::pin(ended).await?;
            kept = Some(id);
        }
    }
    Ok(Kept { settled, kept })
}

/// What came of a person's word that what runs is kept.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Kept {
    /// How runs ended that had to be settled first.
    pub settled: Vec<Outcome>,
    /// The run whose way back is not tried again; none where none was open.
    pub kept: Option<String>,
}

/// Refuses where containers were made since the way back failed: somebody has mended it by hand, or
/// is about to. Which those are, the run noted as it ended; only one of an older program is asked
/// for its clock.
async fn refuse_mended<H: Host>(host: &H, plan: &Plan, dir: &RunDir) -> Result<()> {
    let seen: Option<Seen> = dir.recall(name::STUCK)?;
    let ended = journal::last(&dir.journal()).map(|last| last.at);
    let before: Option<Before> = dir.recall(name::BEFORE)?;
    let Some(before) = before else {
        return Ok(());
    };
    let containers = host.containers(&before.release.project).await?;
    let Some(new) = made_since(&containers, seen.as_ref(), ended) else {
        return Ok(());
    };
    let backup: Option<Description> = dir.recall(name::BACKUP)?;
    let mut failure = Failure::new(format!(
        "the run {} could not be taken back, and `{}` was made since: it seems to be mended by hand",
        plan.id, new.name
    ))
    .hint("if all is well now, there is nothing to do: the next deployment starts from what runs");
    if let Some(backup) = backup {
        failure = failure.hint(format!(
            "to have the old release back all the same, after a backup of what is there now: `landfall rollback {}`",
            backup.timestamp
        ));
    }
    Err(failure)
}

/// A container that was not there when the way back had failed.
fn made_since<'c>(
    containers: &'c [Container],
    seen: Option<&Seen>,
    ended: Option<DateTime<Utc>>,
) -> Option<&'c Container> {
    let is_new = |c: &&Container| match seen {
        Some(seen) => !seen.containers.contains(&c.id),
        None => ended.is_some() && c.made_at > ended,
    };
    containers.iter().find(is_new)
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    #[test]
    fn whoever_mended_it_by_hand_is_seen_whatever_the_clock_said_and_nobody_else_is() {
        let ended = Utc::now();
        let made = |id: &str, minutes| Container {
            id: id.into(),
            made_at: Some(ended + TimeDelta::minutes(minutes)),
            ..Container::default()
        };
        let seen = Seen {
            containers: vec!["ours".into()],
            ..Seen::default()
        };
        let id = |containers: &[Container], seen| {
            made_since(containers, seen, Some(ended)).map(|c| c.id.clone())
        };
        // The clock was set back before somebody typed `up`, and forward before the way back ended.
        let containers = [made("ours", 30), made("theirs", -30)];
        assert_eq!(id(&containers, Some(&seen)).as_deref(), Some("theirs"));
        assert_eq!(id(&containers[..1], Some(&seen)), None);
        // A run of an older program noted nothing.
        assert_eq!(id(&containers, None).as_deref(), Some("ours"));
        assert_eq!(made_since(&containers, None, None).map(|c| &c.id), None);
    }
}
