//! How a deploy directory stands: whether what was deployed runs, who deployed it and when, and what
//! is not as that run left it. What a dead agent left is settled first.
//!
//! It gathers, and refuses to know how a service is judged and how the answer is shown.

use std::path::Path;

use super::look::{history, of_project};
use crate::files::archive::catalogue::Listed;
use crate::files::rundir::RunDir;
use crate::host::Host;
use crate::host::real::Server;
use crate::saga::lock;
use crate::saga::redact::Redactor;
use crate::saga::release::deployed::{self, Deployed};
use crate::saga::release::{deviations, health, project, record};
use crate::saga::{runs, settle};
use crate::words::backup::Release;
use crate::words::event::{Failure, Status};
use crate::words::plan::Site;
use crate::words::report::Report;
use crate::words::report::standing::Standing;

/// How it stands.
pub async fn standing(state: &Path, site: &Site) -> Result<Standing, Failure> {
    let host = Server::new(site)?;
    let (settled, unsettled) = match Box::pin(settle::on_contact(&host, state, site)).await {
        Ok(lines) => (lines, None),
        Err(failure) => (Vec::new(), Some(failure)),
    };
    let mut runs = history(state);
    runs.retain(|run| run.deploy_dir.as_ref() == Some(&site.deploy_dir));
    let listed = host.backups().await?;
    let deployed = deployed::last(state, site);
    let site = &Site {
        project_name: meant(&host, site, &runs, &listed).await,
        ..site.clone()
    };
    let deployed = deployed
        .filter(|d| site.project_name.is_none() || d.project() == site.project_name.as_deref());
    let mut standing = Standing {
        v: Standing::VERSION,
        deploy_dir: site.deploy_dir.clone(),
        frozen: lock::frozen(state)?.map(|f| format!("{} (by {})", f.message, f.by)),
        deployed: deployed.as_ref().map(|d| d.report.clone()),
        settled,
        unsettled,
        ..Standing::default()
    };
    told_of_runs(&mut standing, state, site, of_project(runs, site));
    look(&mut standing, &host, site, deployed.as_ref(), &listed).await;
    let standings = host.standings(&listed, &standing.release).await;
    let target = standings.and_then(|s| s.latest()).ok();
    standing.rollback_target = target.map(|l| l.timestamp.clone());
    Ok(redacted(standing, &host, site, deployed.as_ref()))
}

/// The latest run, the one that waits for a person, and who is at work.
fn told_of_runs(standing: &mut Standing, state: &Path, site: &Site, runs: Vec<Report>) {
    let unfinished = runs::unfinished(state, "");
    let at_work = unfinished.iter().any(|id| RunDir::of(state, id).is_alive());
    standing.holder = at_work.then(|| runs::holder(state, ""));
    let stuck = runs::stuck(state, site);
    let mut earlier = runs.iter().skip(1);
    standing.stuck = earlier.find(|run| stuck.as_ref() == Some(&run.id)).cloned();
    standing.last = runs.into_iter().next();
}

/// Looks at what runs. An engine that is away is no reason to keep quiet about the rest, and no
/// application of it runs.
async fn look(
    standing: &mut Standing,
    host: &Server,
    site: &Site,
    deployed: Option<&Deployed>,
    listed: &[Listed],
) {
    // The compose files are named as the deployment named them.
    let known = deployed.map_or(&site.compose_files, |d| &d.plan.site.compose_files);
    let site = &Site {
        compose_files: if site.compose_files.is_empty() {
            known.clone()
        } else {
            site.compose_files.clone()
        },
        ..site.clone()
    };
    let host = &host.at(site);
    let was_here = deployed.is_some() || standing.last.is_some() || !listed.is_empty();
    match look_at_engine(standing, host, site, deployed, listed).await {
        Err(failure) if was_here => standing.reasons.insert(0, failure),
        Err(failure) => standing.reasons.push(nothing(site, None).because(failure)),
        Ok(()) if standing.services.is_empty() && standing.reasons.is_empty() => {
            standing.reasons.push(nothing(site, deployed));
        }
        Ok(()) => {}
    }
    standing.status = Some(if standing.reasons.is_empty() {
        Status::Healthy
    } else {
        Status::Unhealthy
    });
}

async fn look_at_engine(
    standing: &mut Standing,
    host: &Server,
    site: &Site,
    deployed: Option<&Deployed>,
    listed: &[Listed],
) -> Result<(), Failure> {
    let project = project::of_site(host, site).await?;
    standing.release.project.clone_from(&project);
    standing.release = running(host, &project).await?;
    standing.services = health::look(host, &project, deployed).await?;
    standing.since = health::since(&standing.services);
    standing.reasons = health::reasons(&standing.services, site, &project);
    standing.reasons.extend(health::ask(host, deployed).await);
    if let Some(deployed) = deployed {
        standing.drift = deviations::of(host, deployed, &project, &standing.services, listed).await;
    }
    Ok(())
}

/// Why there is nothing to be healthy.
fn nothing(site: &Site, deployed: Option<&Deployed>) -> Failure {
    let dir = site.deploy_dir.display();
    match deployed {
        Some(_) => Failure::new(format!("nothing of `{dir}` is deployed by now"))
            .because("the last run went back to where nothing ran"),
        None => Standing::nothing_at(&site.deploy_dir),
    }
}

/// The project that is meant: the site's by name, or as Compose says if there was a run or a backup
/// of that; otherwise the one that the last run was of, or the last backup.
pub(super) async fn meant(
    host: &Server,
    site: &Site,
    runs: &[Report],
    listed: &[Listed],
) -> Option<String> {
    let asked = project::of_site(host, site).await.ok();
    let ran = runs.iter().filter_map(|run| run.server.as_ref());
    let ran = ran.map(|server| server.project.clone());
    let described = listed.iter().filter_map(|l| l.description.as_ref().ok());
    let described = described.map(|d| d.release.project.clone());
    let known: Vec<String> = ran.chain(described).collect();
    let is_known = |asked: &String| site.project_name.is_some() || known.contains(asked);
    match asked {
        Some(asked) if known.is_empty() || is_known(&asked) => Some(asked),
        _ => known.into_iter().next(),
    }
}

/// What runs of a project.
pub(super) async fn running(host: &Server, project: &str) -> Result<Release, Failure> {
    Ok(record::of(host, project, Vec::new()).await?.release)
}

/// The same without what must not be told: a healthcheck may print anything.
fn redacted(
    mut standing: Standing,
    host: &Server,
    site: &Site,
    deployed: Option<&Deployed>,
) -> Standing {
    let redactor = Redactor::of_site(site, deployed.map(|d| &d.plan), &host.here(site));
    let failures = standing.reasons.iter_mut().chain(&mut standing.drift);
    for failure in failures {
        *failure = redactor.failure(failure);
    }
    for service in &mut standing.services {
        service.detail = redactor.text(&service.detail);
    }
    standing
}
