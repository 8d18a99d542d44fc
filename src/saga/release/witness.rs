//! Names the service that spoiled a step, and lets it say its last lines.
//!
//! It refuses to know how long anybody has patience, and what becomes of the run.

use std::time::Duration;

use crate::host::judge::{Verdict, Vouched, judge};
use crate::host::{Container, HealthStatus, Host, State, ailment};
use crate::saga::steps::Run;
use crate::words::Result;
use crate::words::event::{Failure, FailureKind, Note};

/// How many lines of a container are told, and of how many containers.
const LINES: u32 = 50;
const LOGS: usize = 4;
/// How often somebody is looked at who is about to be started again.
const BETWEEN_LIVES: Duration = Duration::from_millis(200);

/// The words with which Compose ends a line about its progress.
const PROGRESS: [&str; 18] = [
    "Building",
    "Built",
    "Creating",
    "Created",
    "Exited",
    "Healthy",
    "Killed",
    "Killing",
    "Recreate",
    "Recreated",
    "Removed",
    "Removing",
    "Running",
    "Started",
    "Starting",
    "Stopped",
    "Stopping",
    "Waiting",
];
/// The words with which Compose 1 begins one.
const PROGRESS_OF_ONE: [&str; 5] = [
    "Creating ",
    "Recreating ",
    "Removing ",
    "Starting ",
    "Stopping ",
];

/// Tells what some of a project's containers printed last, and gives it.
pub async fn tell_logs<H: Host>(
    run: &Run<'_, H>,
    project: &str,
    told: impl Fn(&Container) -> bool,
) -> Vec<String> {
    let mut all = Vec::new();
    let Ok(containers) = run.host.containers(project).await else {
        return all;
    };
    for container in containers.iter().filter(|c| told(c)).take(LOGS) {
        if let Ok(lines) = run.host.logs(&container.id, LINES).await {
            let service = container.service.clone();
            all.extend(lines.iter().cloned());
            (run.tell)(Note::Logs { service, lines });
        }
    }
    all
}

/// The first container that this run started and that is beyond repair, as a failure.
pub async fn doomed<H: Host>(
    run: &Run<'_, H>,
    project: &str,
    services: &[String],
) -> Option<Failure> {
    let containers = strangers(run, project).await.ok()?;
    containers
        .iter()
        .filter(|c| services.contains(&c.service))
        .find_map(|c| match judge(c, Vouched::No) {
            Verdict::Failed(why) => Some(Failure::new(blame(c, &why))),
            _ => None,
        })
}

/// How often what this run started was started again by the engine, once all of it runs; never,
/// where something is beyond repair.
pub async fn restarts<H: Host>(run: &Run<'_, H>, project: &str) -> i64 {
    loop {
        let containers = strangers(run, project).await.unwrap_or_default();
        let is_failed = |c: &Container| matches!(judge(c, Vouched::No), Verdict::Failed(_));
        if containers.iter().any(is_failed) {
            return 0;
        }
        if !containers.iter().any(|c| c.state == State::Restarting) {
            return containers.iter().map(|c| c.restarts).sum();
        }
        tokio::time::sleep(BETWEEN_LIVES).await;
    }
}

/// A failed `up` with its culprit in front, whose last lines are told.
pub async fn accuse<H: Host>(run: &Run<'_, H>, project: &str, failure: Failure) -> Failure {
    let failure = without_progress(failure);
    let containers = strangers(run, project).await.unwrap_or_default();
    let culprits = culprits(&containers, failure.kind);
    let Some((_, what)) = culprits.first() else {
        return failure;
    };
    let ids: Vec<&str> = culprits.iter().map(|(c, _)| c.id.as_str()).collect();
    let lines = tell_logs(run, project, |c| ids.contains(&c.id.as_str())).await;
    let hints = ailment::hints(culprits[0].0);
    let failure = hints.into_iter().fold(led_by(failure, what), Failure::hint);
    ailment::explained(failure, &lines)
}

/// The containers that were not there before this run.
async fn strangers<H: Host>(run: &Run<'_, H>, project: &str) -> Result<Vec<Container>> {
    let before = run.before()?.containers;
    let mut containers = run.host.containers(project).await?;
    containers.retain(|c| !before.iter().any(|b| b.id == c.id));
    Ok(containers)
}

/// Who spoiled it: those beyond repair, or else those that say themselves that they are not well.
fn culprits(containers: &[Container], kind: FailureKind) -> Vec<(&Container, String)> {
    let judged = containers.iter().map(|c| (c, judge(c, Vouched::No)));
    let (mut failed, mut ailing) = (Vec::new(), Vec::new());
    for (container, verdict) in judged {
        match verdict {
            Verdict::Failed(why) => failed.push((container, blame(container, &why))),
            Verdict::Pending(why) if is_ailing(container, kind) => {
                ailing.push((container, blame(container, &why)));
            }
            _ => {}
        }
    }
    if failed.is_empty() { ailing } else { failed }
}

/// A healthcheck that has no word yet is to blame only when there was no more time; what had to
/// restart did not serve whoever waited for it.
fn is_ailing(container: &Container, kind: FailureKind) -> bool {
    if container.restarts > 0 {
        return true;
    }
    container.health.as_ref().is_some_and(|h| match h.status {
        HealthStatus::Unhealthy => true,
        HealthStatus::Starting => kind == FailureKind::TimedOut,
        HealthStatus::Healthy => false,
    })
}

fn blame(container: &Container, why: &str) -> String {
    format!("service `{}` {why}", container.service)
}

/// The culprit first, then what was said without it.
fn led_by(mut failure: Failure, what: &str) -> Failure {
    if failure.what == what {
        return failure;
    }
    let said = std::mem::replace(&mut failure.what, what.to_owned());
    failure.because.insert(0, said);
    failure
}

/// The failure without Compose's lines about its progress.
fn without_progress(mut failure: Failure) -> Failure {
    failure.because.retain(|line| !is_progress(line));
    failure
}

fn is_progress(line: &str) -> bool {
    let line = line.trim();
    let last = line.split_whitespace().last().unwrap_or_default();
    let kinds = ["Container ", "Network ", "Volume ", "Image ", "Service "];
    let of_two = kinds.iter().any(|k| line.starts_with(k)) && PROGRESS.contains(&last);
    let of_one = PROGRESS_OF_ONE.iter().any(|w| line.starts_with(w)) && line.contains(" ...");
    of_two || (of_one && !line.ends_with("error"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::Health;

    fn exited(service: &str, code: i64) -> Container {
        Container {
            service: service.into(),
            state: State::Exited,
            exit_code: code,
            ..Container::default()
        }
    }

    fn with_health(service: &str, status: HealthStatus) -> Container {
        Container {
            service: service.into(),
            state: State::Running,
            health: Some(Health {
                status,
                command: Vec::new(),
                interval: 1,
                retries: 1,
                last_output: String::new(),
            }),
            ..Container::default()
        }
    }

    fn named(containers: &[Container], kind: FailureKind) -> Vec<String> {
        let found = culprits(containers, kind).into_iter();
        found.map(|(c, _)| c.service.clone()).collect()
    }

    #[test]
    fn a_failed_up_names_its_culprit_before_composes_own_words_and_drops_its_progress() {
        let failure = Failure::new("`docker compose up -d` failed (exit status: 1)")
            .because("Container mcp-db-1  Running")
            .because("Network mcp_default  Created")
            .because("Container mcp-migrate-1  Waiting")
            .because("Recreating mcp_web_1 ... done")
            .because("service \"migrate\" didn't complete successfully: exit 3");
        let containers = [exited("migrate", 3)];
        let (_, what) = culprits(&containers, failure.kind).remove(0);
        let failure = led_by(without_progress(failure), &what);
        assert_eq!(failure.what, "service `migrate` exited with code 3");
        assert_eq!(
            failure.because,
            [
                "`docker compose up -d` failed (exit status: 1)",
                "service \"migrate\" didn't complete successfully: exit 3"
            ]
        );
    }

    #[test]
    fn what_compose_says_of_an_error_is_no_progress() {
        assert!(!is_progress("Container mcp-db-1  Error"));
        assert!(!is_progress("Creating mcp_web_1 ... error"));
        assert!(!is_progress(
            "Bind for 0.0.0.0:8000 failed: port is already allocated"
        ));
        assert!(!is_progress("Cannot connect: the server is not Running"));
    }

    #[test]
    fn a_container_beyond_repair_is_blamed_before_one_that_is_only_unwell() {
        let all = [
            exited("once", 0),
            with_health("db", HealthStatus::Unhealthy),
            exited("migrate", 3),
        ];
        assert_eq!(named(&all, FailureKind::Failed), ["migrate"]);
        assert_eq!(named(&all[..2], FailureKind::Failed), ["db"]);
    }

    #[test]
    fn a_container_that_had_to_restart_is_blamed_for_an_up_that_failed() {
        let restarting = Container {
            service: "db".into(),
            state: State::Restarting,
            restarts: 1,
            exit_code: 1,
            ..Container::default()
        };
        let all = [restarting];
        assert_eq!(
            culprits(&all, FailureKind::Failed)[0].1,
            "service `db` is restarting (restarted once, last exit code 1)"
        );
    }

    #[test]
    fn a_healthcheck_without_a_word_is_blamed_only_when_time_ran_out() {
        let all = [with_health("db", HealthStatus::Starting)];
        assert!(named(&all, FailureKind::Failed).is_empty());
        assert_eq!(named(&all, FailureKind::TimedOut), ["db"]);
    }
}
