//! Whether what should run does, at this moment: the judgement of a deployment, made at any later
//! time. It changes nothing, and what a healthcheck says is asked as in a deployment.
//!
//! It refuses to know who asks, and what becomes of the answer.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::join_all;

use crate::host::judge::{STEADY, Verdict, Vouched, judge_later};
use crate::host::{Container, HealthStatus, Host, State};
use crate::saga::release::advice;
use crate::saga::release::deployed::{Deployed, Expected};
use crate::saga::release::record;
use crate::words::Result;
use crate::words::event::Failure;
use crate::words::plan::{Expect, Site};
use crate::words::report::standing::ServiceStanding;

/// How often it is looked again while something may still come up, and for how long.
const LOOK: Duration = Duration::from_millis(500);
const PATIENCE: Duration = STEADY.saturating_add(Duration::from_secs(2));
/// How long a healthcheck's command may take by exec.
const VOUCH_PATIENCE: Duration = Duration::from_secs(5);

/// Looks at the services of a project, and at those that were deployed and are not there.
pub async fn look<H: Host>(
    host: &H,
    project: &str,
    deployed: Option<&Deployed>,
) -> Result<Vec<ServiceStanding>> {
    let start = Instant::now();
    loop {
        let containers = host.containers(project).await?;
        let vouched = vouched(host, &containers).await;
        let judged = judge_all(&containers, deployed, &vouched);
        let is_open = judged.values().any(|v| matches!(v, Verdict::Pending(_)));
        if !is_open || start.elapsed() > PATIENCE {
            return standings(host, &containers, deployed, judged).await;
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Why a look says no, each with what to do.
#[must_use]
pub fn reasons(services: &[ServiceStanding], site: &Site, project: &str) -> Vec<Failure> {
    let ill = services.iter().filter(|s| !s.healthy);
    let dir = crate::words::shell::path(&site.deploy_dir);
    let compose = advice::typed(site, project);
    let told = ill.map(|s| {
        let name = crate::words::shell::word(&s.service);
        let failure = Failure::new(format!("service `{}` {}", s.service, s.detail));
        let failure = match s.replicas {
            0 => failure,
            _ => failure.hint(format!(
                "read what it printed last: `cd {dir} && {compose} logs --tail 50 {name}`"
            )),
        };
        match s.since {
            Some(_) => failure,
            None => failure.hint(format!("start it: `cd {dir} && {compose} up -d {name}`")),
        }
    });
    told.collect()
}

/// Asks the address that the deployment was judged by, if it was by one; why it does not pass.
pub async fn ask<H: Host>(host: &H, deployed: Option<&Deployed>) -> Option<Failure> {
    let url = deployed?.plan.checks.health_url.as_ref()?;
    let failure = host.http(url, &Expect::default()).await.err()?;
    Some(failure.because(format!("`health_url` is `{url}`")))
}

/// Since when all that runs does so as it does now.
#[must_use]
pub fn since(services: &[ServiceStanding]) -> Option<DateTime<Utc>> {
    services.iter().filter_map(|s| s.since).max()
}

/// The containers whose healthcheck's command passes though Docker has no word yet.
async fn vouched<H: Host>(host: &H, containers: &[Container]) -> BTreeSet<String> {
    let waits = containers.iter().filter_map(|c| {
        let health = c.health.as_ref()?;
        let starting = health.status == HealthStatus::Starting && !health.command.is_empty();
        (c.state == State::Running && starting).then_some((c, &health.command))
    });
    let asked = waits.map(|(container, command)| async {
        let asked = host.exec(&container.id, command);
        match tokio::time::timeout(VOUCH_PATIENCE, asked).await {
            Ok(Ok((0, _))) => Some(container.id.clone()),
            _ => None,
        }
    });
    join_all(asked).await.into_iter().flatten().collect()
}

type Verdicts = BTreeMap<String, Verdict>;

fn judge_all(
    containers: &[Container],
    deployed: Option<&Deployed>,
    vouched: &BTreeSet<String>,
) -> Verdicts {
    let there = containers.iter().map(|c| c.service.clone());
    let expected = deployed.iter().flat_map(|d| &d.services);
    let expected = expected.map(|e| e.image.service.clone());
    let names: BTreeSet<String> = there.chain(expected).collect();
    let judged = names.into_iter().map(|name| {
        let expected = deployed.and_then(|d| d.service(&name));
        let verdict = judge_service(&name, containers, expected, vouched);
        (name, verdict)
    });
    judged.collect()
}

/// The worst verdict of a service's containers.
fn judge_service(
    service: &str,
    containers: &[Container],
    expected: Option<&Expected>,
    vouched: &BTreeSet<String>,
) -> Verdict {
    let ended = expected.map(|e| e.ended);
    let own = containers.iter().filter(|c| c.service == service);
    let verdicts = own.map(|c| {
        let by = if vouched.contains(&c.id) {
            Vouched::ByExec
        } else {
            Vouched::No
        };
        judge_later(c, ended, by)
    });
    let weight = |verdict: &Verdict| match verdict {
        Verdict::Passed(_) => 0,
        Verdict::Pending(_) => 1,
        Verdict::Failed(_) => 2,
    };
    verdicts.max_by_key(weight).unwrap_or_else(|| {
        if ended == Some(true) {
            Verdict::Passed("ran once, and its container is gone".into())
        } else {
            Verdict::Failed("was deployed and has no container".into())
        }
    })
}

async fn standings<H: Host>(
    host: &H,
    containers: &[Container],
    deployed: Option<&Deployed>,
    judged: Verdicts,
) -> Result<Vec<ServiceStanding>> {
    let running = record::running(host, containers).await?;
    let now = crate::clock::now();
    let all = judged.into_iter().map(|(service, verdict)| {
        let own = || containers.iter().filter(|c| c.service == service);
        let (healthy, detail) = match verdict {
            Verdict::Passed(detail) => (true, detail),
            Verdict::Pending(detail) | Verdict::Failed(detail) => (false, detail),
        };
        let is = running.iter().find(|r| r.service == service);
        let deployed = deployed.and_then(|d| d.service(&service));
        let image = is.map(|r| &r.image).or(deployed.map(|d| &d.image.image));
        ServiceStanding {
            healthy,
            detail,
            since: own().filter_map(|c| begun(c, now)).max(),
            restarts: own().map(|c| c.restarts).sum(),
            replicas: is.map_or(0, |r| r.replicas),
            image: image.cloned().unwrap_or_default(),
            image_id: is.map(|r| r.image_id.clone()).unwrap_or_default(),
            digest: is.and_then(|r| bare(r.digest.as_deref()?)),
            service,
        }
    });
    Ok(all.collect())
}

/// When a container that is at work began its life.
fn begun(container: &Container, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let up = container.up_ms.filter(|_| container.state.is_at_work())?;
    now.checked_sub_signed(TimeDelta::milliseconds(i64::try_from(up).ok()?))
}

/// The digest alone of `repository@sha256:…`.
fn bare(digest: &str) -> Option<String> {
    digest.rsplit('@').next().map(ToOwned::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::Health;
    use crate::words::event::ServiceImage;

    fn container(service: &str, state: State) -> Container {
        Container {
            id: format!("{service}-1"),
            service: service.into(),
            state,
            up_ms: Some(60_000),
            ..Container::default()
        }
    }

    fn expected(service: &str, ended: bool) -> Expected {
        let image = ServiceImage {
            service: service.into(),
            ..ServiceImage::default()
        };
        Expected { image, ended }
    }

    fn word(containers: &[Container], expected: &Expected, vouched: &[&str]) -> String {
        let vouched = vouched.iter().map(|id| (*id).to_owned()).collect();
        let service = &expected.image.service;
        match judge_service(service, containers, Some(expected), &vouched) {
            Verdict::Passed(detail) => format!("passed: {detail}"),
            Verdict::Pending(detail) => format!("pending: {detail}"),
            Verdict::Failed(detail) => format!("failed: {detail}"),
        }
    }

    #[test]
    fn a_service_is_as_well_as_the_worst_of_its_containers() {
        let web = expected("web", false);
        let both = [
            container("web", State::Running),
            container("web", State::Exited),
        ];
        assert_eq!(word(&both[..1], &web, &[]), "passed: running");
        assert_eq!(word(&both, &web, &[]), "failed: is stopped (exit code 0)");
        let paused = [container("web", State::Paused)];
        assert_eq!(word(&paused, &web, &[]), "pending: is paused");
    }

    #[test]
    fn a_service_without_a_container_is_missing_unless_it_had_run_once() {
        assert_eq!(
            word(&[], &expected("web", false), &[]),
            "failed: was deployed and has no container"
        );
        assert_eq!(
            word(&[], &expected("job", true), &[]),
            "passed: ran once, and its container is gone"
        );
    }

    #[test]
    fn a_healthcheck_that_docker_has_not_run_yet_may_pass_by_its_own_command() {
        let health = Health {
            status: HealthStatus::Starting,
            command: vec!["true".into()],
            interval: 30,
            retries: 3,
            last_output: String::new(),
        };
        let web = [Container {
            health: Some(health),
            ..container("web", State::Running)
        }];
        let expected = expected("web", false);
        assert!(word(&web, &expected, &[]).starts_with("pending: is not healthy yet"));
        assert!(word(&web, &expected, &["web-1"]).starts_with("passed"));
    }

    #[test]
    fn what_is_stopped_or_missing_is_told_with_the_command_that_starts_it_and_what_runs_is_not() {
        let site = crate::words::plan::sample::deploy().site;
        let ill = |service: &str, replicas, since| ServiceStanding {
            service: service.into(),
            detail: "is odd".into(),
            replicas,
            since,
            ..ServiceStanding::default()
        };
        let all = [
            ill("web", 0, None),
            ill("db", 1, Some(crate::clock::now())),
            ServiceStanding {
                healthy: true,
                ..ServiceStanding::default()
            },
        ];
        let told = reasons(&all, &site, "mcp");
        let told: Vec<_> = told
            .iter()
            .map(|f| (f.what.as_str(), &f.hints[..]))
            .collect();
        let dir = site.deploy_dir.display();
        let compose = advice::typed(&site, "mcp");
        assert_eq!(
            told,
            [
                (
                    "service `web` is odd",
                    &[format!("start it: `cd {dir} && {compose} up -d web`")][..]
                ),
                (
                    "service `db` is odd",
                    &[format!(
                        "read what it printed last: `cd {dir} && {compose} logs --tail 50 db`"
                    )][..]
                ),
            ]
        );
    }
}
