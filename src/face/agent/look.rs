//! What an operator asks of a server: history, status, backups, a freeze. Answers are JSON.
//!
//! It runs on the server, with the rights of the agent. A release changes only where an errand
//! settles: it takes up what a dead agent left, and for a person tries a failed way back again. It
//! refuses to know how an answer is shown.

use std::path::Path;

use serde_json::{Value, json};

use super::standing::{meant, running, standing};
use crate::face::agent::foresee;
use crate::face::errand::Errand;
use crate::files::archive::catalogue::{self, Listed};
use crate::files::archive::choice;
use crate::files::archive::verify;
use crate::files::rundir::RunDir;
use crate::host::Host;
use crate::host::boot;
use crate::host::real::Server;
use crate::saga::lock::{self, Freeze};
use crate::saga::{again, journal, runs, settle};
use crate::words::event::Failure;
use crate::words::plan::Site;
use crate::words::report::Report;
use crate::words::report::kept::Kept;

/// Answers one question; the first argument is the site as JSON.
pub async fn look(state: &Path, what: &str, args: &[String]) -> Result<Value, Failure> {
    let site = site(args)?;
    let word = args.get(1).map_or("", String::as_str);
    let by = args.get(2).map_or("somebody", String::as_str);
    let errand = Errand::of(what).ok_or_else(|| {
        Failure::new(format!("the agent cannot look at `{what}`"))
            .hint("use the same version of Landfall on both sides")
    })?;
    match errand {
        Errand::History => told(&of_project(history(state), &site)),
        Errand::Status => told(&standing(state, &site).await?),
        Errand::Backups => told(&kept(state, &site).await?),
        Errand::Foresee => told(&foresee::answer(state, &site, word).await?),
        Errand::Verify => verify_backups(&site, word).await,
        Errand::Freeze => freeze(state, word, by),
        Errand::Thaw => told(&lock::thaw(state)?),
        Errand::Engine => told(&Server::new(&site)?.engine().await?.docker),
        Errand::Install => told(&boot::install(&site, state).await?),
        Errand::Settle => told(&settle::all(&Server::new(&site)?, state, &site).await?),
        Errand::Keep => told(&again::keep(&Server::new(&site)?, state, &site).await?),
        Errand::SettleByHand => told(&again::by_hand(&Server::new(&site)?, state, &site).await?),
    }
}

fn site(args: &[String]) -> Result<Site, Failure> {
    let text = args.first().map_or("", String::as_str);
    serde_json::from_str(text).map_err(|e| Failure::new("the site cannot be read").because(e))
}

fn told(value: &impl serde::Serialize) -> Result<Value, Failure> {
    serde_json::to_value(value).map_err(|e| Failure::new("the answer cannot be told").because(e))
}

/// Every run that this server knows, newest first.
pub(super) fn history(state: &Path) -> Vec<Report> {
    let ids = runs::ids(state);
    let journals = ids.iter().rev().filter_map(|id| {
        let records = journal::read(&RunDir::of(state, id).journal()).ok()?;
        (!records.is_empty()).then(|| Report::fold(&records))
    });
    journals.collect()
}

/// The runs of the project that a site names, with those that came to none; all where it names none.
pub(super) fn of_project(mut runs: Vec<Report>, site: &Site) -> Vec<Report> {
    if let Some(name) = &site.project_name {
        runs.retain(|run| run.server.as_ref().is_none_or(|s| s.project == *name));
    }
    runs
}

/// The backups of the project that a site names; all where it names none.
async fn backups(site: &Site) -> Result<Vec<Listed>, Failure> {
    let mut listed = Server::new(site)?.backups().await?;
    if let Some(name) = &site.project_name {
        listed.retain(|l| catalogue::is_of(l, name));
    }
    Ok(listed)
}

/// The backups that can be read, and how each stands to what runs.
async fn kept(state: &Path, site: &Site) -> Result<Vec<Kept>, Failure> {
    let host = Server::new(site)?;
    let listed = backups(site).await?;
    let mut runs = history(state);
    runs.retain(|run| run.deploy_dir.as_ref() == Some(&site.deploy_dir));
    // Where nobody can say what runs, the backups are there all the same.
    let running = match meant(&host, site, &runs, &listed).await {
        Some(project) => running(&host, &project).await.ok(),
        None => None,
    };
    let standings = match &running {
        Some(release) => host.standings(&listed, release).await.ok(),
        None => None,
    };
    let is = |among: &[&Listed], timestamp: &str| among.iter().any(|l| l.timestamp == timestamp);
    let described = listed.iter().filter_map(|l| l.description.as_ref().ok());
    let kept = described.map(|description| {
        let timestamp = &description.timestamp;
        let standings = standings.as_ref();
        Kept {
            runs_now: standings.is_some_and(|s| is(&s.running, timestamp)),
            is_latest: standings
                .is_some_and(|s| is(s.older.get(..1).unwrap_or_default(), timestamp)),
            description: description.clone(),
        }
    });
    Ok(kept.collect())
}

/// Verifies one backup, or all of them.
async fn verify_backups(site: &Site, timestamp: &str) -> Result<Value, Failure> {
    let listed = backups(site).await?;
    let chosen: Vec<_> = match timestamp {
        "" | "all" => listed.iter().collect(),
        "latest" => listed.iter().take(1).collect(),
        other => {
            let projects = catalogue::projects(&listed);
            let known = site.project_name.as_ref().or(projects.first());
            vec![choice::named(
                &listed,
                known.map_or("", String::as_str),
                other,
            )?]
        }
    };
    let verdicts = chosen.into_iter().map(|backup| {
        let verdict = verify::verify(&backup.archive);
        json!({
            "timestamp": backup.timestamp,
            "whole": verdict.is_ok(),
            "fault": verdict.err().map(|f| f.to_string()),
        })
    });
    Ok(verdicts.collect())
}

fn freeze(state: &Path, message: &str, by: &str) -> Result<Value, Failure> {
    let freeze = Freeze {
        message: message.to_owned(),
        by: by.to_owned(),
        since: crate::clock::now(),
    };
    lock::freeze(state, &freeze)?;
    told(&freeze)
}
