//! How a deploy directory stands, as text: healthy or not and why, who deployed what and when, and
//! what is not as that run left it.
//!
//! It refuses to know how any of it was found out.

use chrono::{DateTime, Utc};

use super::table::{aligned, table};
use crate::words::clean;
use crate::words::event::{Failure, Status};
use crate::words::plan::Goal;
use crate::words::report::made;
use crate::words::report::standing::ServiceStanding;
use crate::words::report::{Report, Standing};

type Fact = (&'static str, String);

/// How a deploy directory stands.
#[must_use]
pub fn status(standing: &Standing) -> String {
    let project = standing.release.project.clone();
    let mut facts: Vec<Fact> = health(standing);
    facts.push(("directory", standing.deploy_dir.display().to_string()));
    facts.push(("project", project));
    let notes = [("frozen", &standing.frozen), ("at work", &standing.holder)];
    facts.extend(
        notes
            .into_iter()
            .filter_map(|(name, note)| Some((name, note.clone()?))),
    );
    facts.extend(
        standing
            .settled
            .iter()
            .map(|line| ("settled", line.clone())),
    );
    facts.extend(told("unsettled", standing.unsettled.as_slice()));
    facts.extend(deployed(standing));
    facts.extend(told("drift", &standing.drift));
    facts.extend(runs(standing));
    let latest = standing.rollback_target.clone();
    facts.push((
        "latest",
        latest.unwrap_or_else(|| "no older release to go back to".to_owned()),
    ));
    let facts = facts
        .into_iter()
        .map(|(name, value)| vec![name.to_owned(), value]);
    let facts: Vec<_> = facts.collect();
    format!("{}\n{}", aligned(&facts, usize::MAX), services(standing))
}

/// The verdict, and why it is none.
fn health(standing: &Standing) -> Vec<Fact> {
    let Some(status) = standing.status else {
        return Vec::new();
    };
    let verdict = ("status", status.to_string());
    std::iter::once(verdict)
        .chain(told("why", &standing.reasons))
        .collect()
}

/// Failures with what to do, each line of hints once.
fn told(name: &'static str, failures: &[Failure]) -> Vec<Fact> {
    let mut facts: Vec<Fact> = Vec::new();
    for failure in failures {
        facts.push((name, failure.to_string()));
        for hint in &failure.hints {
            let fact = ("to do", hint.clone());
            if !facts.contains(&fact) {
                facts.push(fact);
            }
        }
    }
    facts
}

/// Who deployed what, when, and since when it runs.
fn deployed(standing: &Standing) -> Vec<Fact> {
    let Some(run) = &standing.deployed else {
        return Vec::new();
    };
    let by = run.origin.actor.iter().map(|actor| format!(" by {actor}"));
    let at = run.ended_at.map(moment).unwrap_or_default();
    let mut facts = vec![
        (
            "deployed",
            format!("{at}{}, {}", by.collect::<String>(), run.id),
        ),
        ("", what(run)),
    ];
    facts.extend(commit(run).map(|commit| ("commit", commit)));
    facts.extend(
        standing
            .since
            .map(|since| ("running", format!("since {}", moment(since)))),
    );
    facts
}

fn what(run: &Report) -> String {
    match &run.goal {
        Some(Goal::Rollback { to, .. }) => {
            let target = run.target.as_ref().unwrap_or(to);
            let made = run.target_made_by.iter();
            let made = made.map(|made| format!(": {}", made::in_words(made)));
            format!(
                "a rollback to the backup {target}{}",
                made.collect::<String>()
            )
        }
        _ => run
            .images_in_words()
            .unwrap_or_else(|| "no images".to_owned()),
    }
}

/// The commit of what is in place: a rollback was asked for at another one.
fn commit(run: &Report) -> Option<String> {
    match (&run.goal, &run.target_made_by) {
        (_, Some(made)) => made::commit(&made.origin),
        (Some(Goal::Rollback { .. }), None) => None,
        _ => made::commit(&run.origin),
    }
}

fn moment(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// The latest run, if the release in place is another's, and the one that waits for a person.
fn runs(standing: &Standing) -> Vec<Fact> {
    let deployed = standing.deployed.as_ref().map(|run| &run.id);
    let mut facts = Vec::new();
    if let Some(last) = standing
        .last
        .as_ref()
        .filter(|last| Some(&last.id) != deployed)
    {
        facts.push(("last run", format!("{} {}", last.id, last.status)));
        facts.push(("", last.headline()));
        facts.extend(mending(last));
    }
    if let Some(stuck) = &standing.stuck {
        facts.push(("still", format!("{} {}", stuck.id, stuck.status)));
        facts.extend(mending(stuck));
    }
    facts
}

/// What a run that could not be taken back needs.
fn mending(run: &Report) -> Vec<Fact> {
    if run.status != Status::RollbackFailed {
        return Vec::new();
    }
    let hints = run.hints.iter().map(|hint| ("to do", hint.clone()));
    let why = ("why", run.reason.clone());
    std::iter::once(why).chain(hints).collect()
}

fn services(standing: &Standing) -> String {
    if standing.services.is_empty() {
        return "nothing runs\n".to_owned();
    }
    table(
        [
            "SERVICE",
            "HEALTHY",
            "SINCE (UTC)",
            "IMAGE",
            "IMAGE ID",
            "STATE",
        ],
        standing
            .services
            .iter()
            .map(|s| service(s, standing.called(s))),
    )
}

fn service(service: &ServiceStanding, called: &str) -> [String; 6] {
    let since = service.since.map(|at| at.format("%Y-%m-%d %H:%M:%S"));
    let state = match service.replicas {
        0 | 1 => service.detail.clone(),
        n => format!("{n} containers, {}", service.detail),
    };
    [
        service.service.clone(),
        if service.healthy { "yes" } else { "no" }.to_owned(),
        since.map(|at| at.to_string()).unwrap_or_default(),
        called.to_owned(),
        clean::short(&service.image_id),
        state,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::backup::Release;
    use crate::words::report::sample;

    fn web() -> ServiceStanding {
        ServiceStanding {
            service: "web".into(),
            healthy: true,
            detail: "running and healthy".into(),
            since: DateTime::from_timestamp(1_760_711_429, 0),
            replicas: 2,
            image: "ghcr.io/acme/app:2".into(),
            image_id: sample::NEW.into(),
            ..ServiceStanding::default()
        }
    }

    fn standing() -> Standing {
        let migrate = ServiceStanding {
            service: "migrate".into(),
            since: None,
            replicas: 1,
            detail: "ran once and exited with code 0".into(),
            ..web()
        };
        Standing {
            v: Standing::VERSION,
            deploy_dir: "/opt/mcp".into(),
            release: Release {
                project: "mcp".into(),
                ..Release::default()
            },
            status: Some(Status::Healthy),
            services: vec![migrate, web()],
            since: web().since,
            deployed: Some(Report::fold(&sample::deployed())),
            last: Some(Report::fold(&sample::deployed())),
            rollback_target: Some("20251016_101010".into()),
            ..Standing::default()
        }
    }

    #[test]
    fn a_status_tells_that_it_is_healthy_who_deployed_what_and_when_and_since_when_it_runs() {
        insta::assert_snapshot!(status(&standing()), @r"
        status     healthy
        directory  /opt/mcp
        project    mcp
        deployed   2025-10-17 14:30:33 UTC by ada, 20251017_143025-0a1b2c
                   ghcr.io/acme/app:2@sha256:abcdef012345…
        commit     0123456 Serve the new page
        running    since 2025-10-17 14:30:29 UTC
        latest     20251016_101010

        SERVICE  HEALTHY  SINCE (UTC)          IMAGE               IMAGE ID      STATE
        migrate  yes                           ghcr.io/acme/app:2  222222222222  ran once and exited with code 0
        web      yes      2025-10-17 14:30:29  ghcr.io/acme/app:2  222222222222  2 containers, running and healthy
        ");
    }

    #[test]
    fn a_status_tells_why_it_is_unhealthy_what_drifted_and_how_the_last_run_ended() {
        let reason = Failure::new("service `web` is stopped (exit code 0)")
            .hint("start it: `cd /opt/mcp && docker compose -p mcp up -d web`");
        let mut restored = Report::fold(&sample::restored());
        restored.id = "another".into();
        let drift = Failure::new("`a.conf` is not as the last deployment left it").hint("look");
        let standing = Standing {
            status: Some(Status::Unhealthy),
            reasons: vec![reason],
            drift: vec![drift],
            last: Some(Report::fold(&sample::rolled_back())),
            frozen: Some("until monday\n::error::x".into()),
            settled: vec!["the run 7 is settled: rolled_back".into()],
            deployed: Some(restored),
            ..standing()
        };
        insta::assert_snapshot!(status(&standing), @r"
        status     unhealthy
        why        service `web` is stopped (exit code 0)
        to do      start it: `cd /opt/mcp && docker compose -p mcp up -d web`
        directory  /opt/mcp
        project    mcp
        frozen     until monday ::error::x
        settled    the run 7 is settled: rolled_back
        deployed   2025-10-17 14:30:29 UTC by ada, another
                   a rollback to the backup 20251016_101010
        running    since 2025-10-17 14:30:29 UTC
        drift      `a.conf` is not as the last deployment left it
        to do      look
        last run   20251017_143025-0a1b2c rolled_back
                   Rolled back: service `web` exited with code 1 three seconds after the start; production runs what it ran before.
        latest     20251016_101010

        SERVICE  HEALTHY  SINCE (UTC)          IMAGE               IMAGE ID      STATE
        migrate  yes                           ghcr.io/acme/app:2  222222222222  ran once and exited with code 0
        web      yes      2025-10-17 14:30:29  ghcr.io/acme/app:2  222222222222  2 containers, running and healthy
        ");
        insta::assert_snapshot!(status(&Standing::default()), @r"
        directory
        project
        latest     no older release to go back to

        nothing runs
        ");
    }

    #[test]
    fn a_status_after_a_failed_rollback_tells_both_causes_and_the_commands_that_mend_it() {
        let standing = Standing {
            last: Some(Report::fold(&sample::stuck())),
            unsettled: Some(Failure::new("docker is away").hint("start it")),
            ..Standing::default()
        };
        insta::assert_snapshot!(status(&standing), @r"
        directory
        project
        unsettled  docker is away
        to do      start it
        last run   20251017_143025-0a1b2c rollback_failed
                   Rollback failed: `compose up` failed; production needs a person (it began with: service `web` exited with code 1 three seconds after the start).
        why        `verify` failed: service `web` exited with code 1 three seconds after the start: panic: no database. Putting back failed too: `compose up` failed: no space left on device.
        to do      read what `web` printed last
        to do      free some space, then run `landfall recover`
        latest     no older release to go back to

        nothing runs
        ");
    }
}
