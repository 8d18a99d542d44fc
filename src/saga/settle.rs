//! Settles what an earlier run left: one whose agent died before it could finish.
//!
//! There is no second way back: the run's own journal is taken up, gets its one recovery event,
//! and the ordinary loop carries it to its end.

use std::cell::RefCell;
use std::path::Path;
use std::time::Duration;

use crate::files::rundir::{RunDir, name};
use crate::files::tree::home;
use crate::host::{Host, cmd};
use crate::saga::journal::{self, Journal};
use crate::saga::lock::{self, Lock};
use crate::saga::run::Word;
use crate::saga::steps::Run;
use crate::saga::{run, runs, tidy};
use crate::words::Result;
use crate::words::event::Outcome;
use crate::words::plan::{Plan, Site};

/// How long somebody who only looks waits for a deployment at work.
pub(super) const LOCK: Duration = Duration::from_secs(10);

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
    let _lock = stand(host, state, site).await?;
    take_up(host, state, "", site, &|_| {}).await
}

/// Settles what an earlier run left, if one did, and tells so in lines; on any contact.
pub async fn on_contact<H: Host>(host: &H, state: &Path, site: &Site) -> Result<Vec<String>> {
    if !has_dead(state) {
        return Ok(Vec::new());
    }
    let _lock = stand(host, state, site).await?;
    let lines: RefCell<Vec<String>> = RefCell::default();
    let tell = |text| lines.borrow_mut().push(text);
    take_up(host, state, "", site, &tell).await?;
    Ok(lines.take())
}

/// Takes the lock of a deploy directory, and lets the server stand on it. Where there is no directory
/// any more there is nothing to lock, and nothing to stand on either.
pub(super) async fn stand<H: Host>(host: &H, state: &Path, site: &Site) -> Result<Option<Lock>> {
    let holder = || runs::holder(state, "");
    let taken = lock::take(&site.deploy_dir, LOCK, holder, |_| {}).await;
    match taken {
        Ok(lock) => {
            host.stand_on(lock.home());
            Ok(Some(lock))
        }
        Err(_) if home::is_gone(&site.deploy_dir) => Ok(None),
        Err(failure) => Err(failure),
    }
}

/// Says whether a run has no end and nobody at work on it.
pub(super) fn has_dead(state: &Path) -> bool {
    let runs = runs::unfinished(state, "").into_iter();
    let mut dirs = runs.map(|id| RunDir::of(state, &id));
    dirs.any(|dir| runs::has_begun(&dir) && !dir.is_alive())
}

/// Settles every dead run of a deploy directory; the lock is held. How each ended.
pub(super) async fn take_up<H: Host>(
    host: &H,
    state: &Path,
    own: &str,
    site: &Site,
    warn: &dyn Fn(String),
) -> Result<Vec<Outcome>> {
    let mut outcomes = Vec::new();
    let mut dead = Vec::new();
    tidy::finished(state);
    for id in runs::unfinished(state, own) {
        let dir = RunDir::of(state, &id).held();
        tidy::unbegun(&dir);
        if runs::has_begun(&dir)
            && !dir.is_alive()
            && let Some((plan, journal)) = read_dead(&dir, &id, warn)?
            && plan.site.deploy_dir == site.deploy_dir
        {
            dead.push((id, dir, plan, journal));
        }
    }
    fault!("settle.groups.before");
    // What dead agents left at work may belong to any of their runs.
    for (_, dir, ..) in &dead {
        cmd::end_noted(dir.path()).await?;
    }
    for (id, dir, plan, journal) in dead {
        let Some(_claim) = dir.claim() else { continue };
        warn(format!("the run {id} was interrupted; settling it first"));
        fault!("settle.resume.before");
        let outcome = Box::pin(run::resume(
            &host.at(&plan.site),
            &dir,
            journal,
            Word::Nobodys,
        ))
        .await?;
        fault!("settle.resume.after");
        warn(format!("the run {id} is settled: {}", told(&outcome)));
        outcomes.push(outcome);
    }
    Ok(outcomes)
}

/// The journal of a dead run that is to be settled, with its plan.
fn read_dead(dir: &RunDir, id: &str, warn: &dyn Fn(String)) -> Result<Option<(Plan, Journal)>> {
    let journal = opened(dir, id, warn)?;
    let plan = journal.history().plan().cloned();
    let settled = journal.history().outcome().is_some();
    Ok(plan.filter(|_| !settled).map(|plan| (plan, journal)))
}

/// The journal of a dead run; a damaged one is mended first.
pub(super) fn opened(dir: &RunDir, id: &str, warn: &dyn Fn(String)) -> Result<Journal> {
    let path = dir.journal();
    let opened = Journal::open(&path, id);
    if opened.is_ok() {
        return opened;
    }
    let plan = || dir.recall(name::PLAN).ok().flatten();
    if let Some(fault) = journal::mend(&path, id, plan)? {
        warn(format!("{fault} ({})", fault.hints.join("; ")));
    }
    Journal::open(&path, id)
}

fn told(outcome: &Outcome) -> String {
    let told = in_short(outcome);
    match outcome {
        Outcome::Stuck { undo, .. } => format!("{told}: {undo} ({})", undo.hints.join("; ")),
        _ => told,
    }
}

fn in_short(outcome: &Outcome) -> String {
    match outcome.cause() {
        None => outcome.status().to_string(),
        Some((_, cause)) => format!("{} ({cause})", outcome.status()),
    }
}

// Of a real server: see lib.rs.
#[cfg(all(test, debug_assertions))]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::fs;

    use super::*;
    use crate::host::real::Server;
    use crate::saga::runs::sample::{begun, made};
    use crate::words::event::{Event, Step};
    use crate::words::plan::sample;

    /// A state directory with one dead run that has only begun.
    fn scene(dir: &Path) -> (Server, Site, RunDir) {
        let mut plan = sample::deploy();
        plan.site.deploy_dir = dir.join("app");
        dir.clone_into(&mut plan.site.backup_dir);
        fs::create_dir(&plan.site.deploy_dir).unwrap();
        let site = plan.site.clone();
        let mut journal = begun(dir, "20251017_143025-c0ffee", plan);
        let step = Step::Preflight;
        journal.append(Event::Started { step }).unwrap();
        let run = RunDir::of(dir, "20251017_143025-c0ffee");
        (Server::new(&site).unwrap(), site, run)
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_damaged_journal_is_set_aside_and_its_run_is_settled_all_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let (host, site, run) = scene(dir.path());
        let mut bytes = fs::read(run.journal()).unwrap();
        bytes.extend(b"half {\"v\":1 and\nmore\n");
        fs::write(run.journal(), bytes).unwrap();
        let outcomes = all(&host, dir.path(), &site).await.unwrap();
        assert_eq!(outcomes[0].status().word(), "refused");
        assert!(run.path().join("journal.damaged").exists());
        assert_eq!(runs::unfinished(dir.path(), ""), Vec::<String>::new());
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_run_that_worked_with_another_engine_is_not_taken_back_through_this_one() {
        let dir = tempfile::tempdir().unwrap();
        let (host, site, run) = scene(dir.path());
        let _lock = stand(&host, dir.path(), &site).await.unwrap();
        assert_eq!(run::astray(&host, &run).await.unwrap(), None);
        let own = host.socket().unwrap();
        run.keep(name::ENGINE, &own).unwrap();
        assert_eq!(run::astray(&host, &run).await.unwrap(), None);
        run.keep(name::ENGINE, &"/run/another/docker.sock").unwrap();
        let failure = run::astray(&host, &run).await.unwrap().unwrap();
        assert!(
            failure.what.contains("/run/another/docker.sock"),
            "{failure}"
        );
    }

    #[tokio::test(flavor = "current_thread")]
    async fn any_contact_settles_what_a_dead_agent_left_and_tells_so() {
        let dir = tempfile::tempdir().unwrap();
        let (host, site, run) = scene(dir.path());
        let claim = run.claim().unwrap();
        let none: [String; 0] = [];
        assert_eq!(on_contact(&host, dir.path(), &site).await.unwrap(), none);
        drop(claim);
        let lines = on_contact(&host, dir.path(), &site).await.unwrap();
        assert!(lines[0].contains("was interrupted"), "{lines:?}");
        assert!(lines[1].contains("is settled: refused"), "{lines:?}");
        assert_eq!(on_contact(&host, dir.path(), &site).await.unwrap(), none);
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_directory_without_a_journal_gets_none_and_a_live_run_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let (host, site, run) = scene(dir.path());
        let starting = made(dir.path(), "20251017_143026-c0ffee");
        let claim = run.claim().unwrap();
        assert_eq!(all(&host, dir.path(), &site).await.unwrap(), []);
        assert!(!starting.journal().exists());
        drop(claim);
        assert_eq!(all(&host, dir.path(), &site).await.unwrap().len(), 1);
        assert!(!starting.journal().exists());
    }
}
