//! Compares what runs with what was recorded, so that "put back" is verified and not assumed.
//!
//! It changes nothing.

use std::time::{Duration, Instant};

use crate::host::judge::{Verdict, Vouched, judge};
use crate::host::{Container, Host};
use crate::saga::release::drift::Drifted;
use crate::saga::release::{leftovers, record};
use crate::saga::steps::Run;
use crate::words::Result;
use crate::words::backup::{Release, Running};
use crate::words::event::{Failure, FailureKind};
use crate::words::plan::Checks;

/// How often the comparison looks again, and for how long at least.
const LOOK: Duration = Duration::from_millis(100);
const PATIENCE: Duration = Duration::from_mins(1);

/// How much must be the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exactness<'a> {
    /// Images and configuration, those aside that had drifted, and what ran well runs well.
    Configuration(&'a [Drifted]),
    /// The images; health is somebody else's question.
    Images,
}

/// How long what was brought back may take to be as it was.
#[must_use]
pub fn patience(checks: &Checks) -> Duration {
    PATIENCE.max(Duration::from_secs(checks.health_timeout))
}

/// Compares what runs with what was recorded, until it is the same or patience ends.
pub async fn same_again<H: Host>(
    run: &Run<'_, H>,
    host: &H,
    release: &Release,
    exactness: Exactness<'_>,
) -> Result<()> {
    let patience = patience(&run.plan.checks);
    let start = Instant::now();
    loop {
        match compare(run, host, release, exactness).await? {
            Compared::Same => return Ok(()),
            Compared::Differs(what) => return Err(differs(release, &what)),
            Compared::NotYet(what) if start.elapsed() > patience => {
                return Err(differs(release, &what).of(FailureKind::TimedOut));
            }
            Compared::NotYet(_) => tokio::time::sleep(LOOK).await,
        }
    }
}

enum Compared {
    Same,
    NotYet(String),
    Differs(String),
}

async fn compare<H: Host>(
    run: &Run<'_, H>,
    host: &H,
    release: &Release,
    exactness: Exactness<'_>,
) -> Result<Compared> {
    let containers = host.containers(&release.project).await?;
    let containers = run.since_before(containers)?;
    let before = run.before()?.containers;
    if let Some(leftover) = left_over(release, &containers, &before) {
        return Ok(Compared::Differs(format!("`{leftover}` is left over")));
    }
    let now = record::running(host, &containers).await?;
    for was in &release.services {
        let Some(is) = now.iter().find(|s| s.service == was.service) else {
            return Ok(Compared::Differs(format!(
                "service `{}` has no container",
                was.service
            )));
        };
        if let Some(what) = difference(was, is) {
            return Ok(Compared::Differs(what));
        }
        if let Exactness::Configuration(drifted) = exactness
            && was.config_hash != is.config_hash
            && !drifted.iter().any(|d| d.is(is))
        {
            return Ok(Compared::Differs(format!(
                "service `{}` runs with another configuration than before",
                is.service
            )));
        }
    }
    Ok(match exactness {
        Exactness::Images => Compared::Same,
        Exactness::Configuration(_) => {
            waiting_for(release, &containers).map_or(Compared::Same, Compared::NotYet)
        }
    })
}

/// Something of an interrupted `up`, or of a service that the release does not have. What was there
/// before the run is neither, whatever it is called by now: its name may be another's.
fn left_over<'c>(
    release: &Release,
    containers: &'c [Container],
    before: &[Container],
) -> Option<&'c str> {
    let was_there = |c: &Container| before.iter().any(|b| b.id == c.id);
    let is_known = |c: &Container| release.services.iter().any(|s| s.service == c.service);
    let is_odd = |c: &&Container| {
        let half_made = leftovers::proper_name(&c.name).is_some();
        !was_there(c) && (half_made || !is_known(c))
    };
    containers.iter().find(is_odd).map(|c| c.name.as_str())
}

fn difference(was: &Running, is: &Running) -> Option<String> {
    let service = &was.service;
    if was.image_id != is.image_id {
        let (is, was) = (&is.image_id, &was.image_id);
        return Some(format!("service `{service}` runs {is} instead of {was}"));
    }
    (was.replicas != is.replicas).then(|| {
        format!(
            "service `{service}` has {} containers instead of {}",
            is.replicas, was.replicas
        )
    })
}

/// What ran well must do so again. A restart on the way is no verdict: an application may only
/// wait for its database like that.
fn waiting_for(release: &Release, containers: &[Container]) -> Option<String> {
    let ran = |c: &&Container| {
        let mut services = release.services.iter();
        services.any(|s| s.service == c.service && s.running && s.well)
    };
    containers.iter().filter(ran).find_map(|container| {
        let calm = Container {
            restarts: 0,
            ..container.clone()
        };
        match judge(&calm, Vouched::ByExec) {
            Verdict::Passed(_) => None,
            Verdict::Pending(why) | Verdict::Failed(why) => {
                Some(format!("`{}` {why}", container.service))
            }
        }
    })
}

fn differs(release: &Release, what: &str) -> Failure {
    Failure::new(format!("what runs is not what was recorded: {what}")).hint(format!(
        "look at it with `docker compose -p {} ps -a`, then choose a backup: `landfall backups`",
        release.project
    ))
}
