//! Where a rollback would go, now and after a deployment: which release that is, and how old.
//!
//! What a release was made from is what the run says that deployed it. The file refuses to know how
//! anything is put back.

use std::path::Path;

use chrono::{DateTime, Utc};

use crate::files::rundir::RunDir;
use crate::host::Host;
use crate::saga::facts::Before;
use crate::saga::steps::Run;
use crate::saga::{journal, runs};
use crate::words::Result;
use crate::words::backup::Description;
use crate::words::event::{Event, Outcome};
use crate::words::plan::Plan;
use crate::words::report::made;

/// How much of a commit tells one from another.
const SHORT: usize = 7;

/// Where rollbacks go from a deployment that has not been made.
pub async fn of_deployment<H: Host>(
    run: &Run<'_, H>,
    state: &Path,
    before: &Before,
) -> Result<Vec<String>> {
    if before.release.services.is_empty() {
        return Ok(vec![
            "nothing runs now: there is nothing that a rollback could bring back".to_owned(),
        ]);
    }
    let dir = &run.plan.site.deploy_dir;
    let now = runs_now(state, dir).map_or_else(String::new, |(plan, at)| {
        format!(", {}", release(&plan, at))
    });
    let mut ways = vec![format!("afterwards, a rollback goes to what runs now{now}")];
    let listed = run.host.backups().await?;
    if let Ok(standings) = run.host.standings(&listed, &before.release).await
        && let Ok(latest) = standings.latest()
        && let Ok(description) = &latest.description
    {
        ways.push(format!(
            "until then, to {}",
            described(state, dir, description)
        ));
    }
    Ok(ways)
}

/// A backup, for a person: when it was made, and what it holds.
#[must_use]
pub fn described(state: &Path, dir: &Path, backup: &Description) -> String {
    let at = format!(
        "the backup `{}`, made {}",
        backup.timestamp,
        ago(backup.created_at)
    );
    if let Some(made) = &backup.made_by {
        return format!("{at}: {}", made::in_words(made));
    }
    let before = |id: &str| id < backup.deployment_id.as_str();
    match deployed(state, dir, before) {
        Some((plan, at_that_time)) => format!("{at}: {}", release(&plan, at_that_time)),
        None => at,
    }
}

/// The run whose release runs, as far as runs say: none after a rollback.
fn runs_now(state: &Path, dir: &Path) -> Option<(Plan, DateTime<Utc>)> {
    let newest_first = runs::ids(state).into_iter().rev();
    let mut ends = newest_first.filter_map(|id| {
        let end = runs::end_of(&RunDir::of(state, &id))?;
        matches!(end, Outcome::Deployed | Outcome::Restored).then_some((id, end))
    });
    match ends.next() {
        Some((id, Outcome::Deployed)) => deployed(state, dir, |other| other == id),
        _ => None,
    }
}

/// The newest run that deployed to a directory, of those that are asked for.
fn deployed(
    state: &Path,
    dir: &Path,
    is_asked: impl Fn(&str) -> bool,
) -> Option<(Plan, DateTime<Utc>)> {
    let newest_first = runs::ids(state).into_iter().rev();
    newest_first.filter(|id| is_asked(id)).find_map(|id| {
        let run = RunDir::of(state, &id);
        if !matches!(runs::end_of(&run)?, Outcome::Deployed) {
            return None;
        }
        let planned = journal::read(&run.journal()).ok()?.into_iter().next()?;
        match planned.event {
            Event::Planned { plan } if plan.site.deploy_dir == dir => Some((*plan, planned.at)),
            _ => None,
        }
    })
}

/// What a run deployed, and when.
fn release(plan: &Plan, at: DateTime<Utc>) -> String {
    let origin = &plan.origin;
    let title = origin.commit_title.as_ref();
    let title = title.map(|title| format!(" ({title})")).unwrap_or_default();
    let when = ago(at);
    match &origin.commit {
        Some(commit) => {
            let short = commit.get(..SHORT).unwrap_or(commit);
            format!("commit `{short}`{title}, deployed {when}")
        }
        None => format!("deployed {when}"),
    }
}

fn ago(at: DateTime<Utc>) -> String {
    let minutes = (crate::clock::now() - at).num_minutes();
    match minutes {
        ..1 => "just now".to_owned(),
        1..120 => format!("{minutes} min ago"),
        120..2880 => format!("{} h ago", minutes / 60),
        _ => format!("{} days ago", minutes / 1440),
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;
    use crate::words::plan::sample;

    #[test]
    fn an_age_is_told_in_one_unit() {
        let told = |minutes| ago(crate::clock::now() - TimeDelta::minutes(minutes));
        assert_eq!(told(0), "just now");
        assert_eq!(told(90), "90 min ago");
        assert_eq!(told(181), "3 h ago");
        assert_eq!(told(3 * 1440), "3 days ago");
    }

    #[test]
    fn a_release_is_told_by_its_commit() {
        let mut plan = sample::deploy();
        let now = crate::clock::now();
        assert_eq!(release(&plan, now), "deployed just now");
        plan.origin.commit = Some("0123456789abcdef".into());
        plan.origin.commit_title = Some("Light the lamp".into());
        assert_eq!(
            release(&plan, now),
            "commit `0123456` (Light the lamp), deployed just now"
        );
    }
}
