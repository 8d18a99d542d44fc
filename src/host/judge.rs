//! Judges a container: passed, not yet, or failed for good. Pure.
//!
//! It refuses to know how often anybody looks, and until when.

use std::time::Duration;

use crate::host::{Container, Health, HealthStatus, State};

/// How long a container without a healthcheck must have run before it counts as up.
pub const SETTLED: Duration = Duration::from_millis(1500);

/// What one look at a container says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is as it should be.
    Passed(String),
    /// It may still become so.
    Pending(String),
    /// It will not.
    Failed(String),
}

/// Judges a container that this run may have left alone: it need not settle again, and whoever had
/// paused it may go on with that.
#[must_use]
pub fn judge_beside(
    container: &Container,
    before: Option<&Container>,
    vouched: Vouched,
) -> Verdict {
    let kept = before.is_some_and(|was| is_untouched(container, was));
    match (kept, container.state) {
        (true, State::Paused) => Verdict::Passed("paused, as it was before".into()),
        (true, State::Running) if container.health.is_none() => {
            Verdict::Passed("running, as it was before".into())
        }
        _ => judge(container, vouched),
    }
}

/// The same container, which has neither stopped nor restarted since.
fn is_untouched(container: &Container, was: &Container) -> bool {
    container.id == was.id
        && container.state == was.state
        && container.restarts == 0
        && container.up_ms >= was.up_ms
}

/// Judges a container; `vouched` says that its healthcheck's own command has passed by exec.
#[must_use]
pub fn judge(container: &Container, vouched: Vouched) -> Verdict {
    if container.restarts > 0 || container.state == State::Restarting {
        return Verdict::Failed(format!(
            "restarts again and again ({}, last exit code {})",
            times(container.restarts),
            container.exit_code
        ));
    }
    match container.state {
        State::Running => judge_running(container, vouched),
        State::Exited => judge_exited(container),
        State::Created => Verdict::Pending("has not started yet".into()),
        State::Paused => Verdict::Pending("is paused".into()),
        State::Restarting | State::Dead => Verdict::Failed("is beyond repair".into()),
    }
}

/// Whether a healthcheck's command has been seen to pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Vouched {
    /// Its own command passed when it was run by exec.
    ByExec,
    /// Only Docker's word counts.
    No,
}

fn judge_running(container: &Container, vouched: Vouched) -> Verdict {
    match &container.health {
        None => judge_uptime(container),
        Some(health) if health.status == HealthStatus::Healthy => {
            Verdict::Passed("running and healthy".into())
        }
        Some(health) if health.status == HealthStatus::Starting && vouched == Vouched::ByExec => {
            Verdict::Passed("running, and its healthcheck's command passes".into())
        }
        Some(health) => Verdict::Pending(timing(health)),
    }
}

fn judge_uptime(container: &Container) -> Verdict {
    let up = Duration::from_millis(container.up_ms.unwrap_or(0));
    if up >= SETTLED {
        Verdict::Passed("running".into())
    } else {
        Verdict::Pending(format!("has run for {} ms only", up.as_millis()))
    }
}

fn judge_exited(container: &Container) -> Verdict {
    match container.exit_code {
        0 if container.always_restarts => Verdict::Pending("exited and is to restart".into()),
        0 => Verdict::Passed("ran once and exited with code 0".into()),
        code => Verdict::Failed(format!("exited with code {code}{}", meaning(code))),
    }
}

/// What a person knows about an exit code.
fn meaning(code: i64) -> &'static str {
    match code {
        126 => " (its command cannot be executed)",
        127 => " (its command was not found)",
        137 => " (killed: out of memory, or stopped after its grace period)",
        139 => " (segmentation fault)",
        _ => "",
    }
}

/// Says what the healthcheck says, and how long its own timing makes it wait.
fn timing(health: &Health) -> String {
    let word = match health.status {
        HealthStatus::Unhealthy => "is unhealthy",
        _ => "is not healthy yet",
    };
    let said = health.last_output.trim();
    let said: String = said.chars().take(200).collect();
    let said = if said.is_empty() {
        String::new()
    } else {
        format!("; it last said: {said}")
    };
    format!(
        "{word} (its healthcheck runs every {} s and gives up after {} failures{said})",
        health.interval, health.retries
    )
}

fn times(n: i64) -> String {
    match n {
        1 => "restarted once".into(),
        n => format!("restarted {n} times"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn running() -> Container {
        Container {
            state: State::Running,
            up_ms: Some(5_000),
            ..Container::default()
        }
    }

    fn exited(code: i64) -> Container {
        Container {
            state: State::Exited,
            exit_code: code,
            ..Container::default()
        }
    }

    fn with_health(status: HealthStatus) -> Container {
        Container {
            health: Some(Health {
                status,
                command: Vec::new(),
                interval: 30,
                retries: 3,
                last_output: String::new(),
            }),
            ..running()
        }
    }

    fn word(container: &Container, vouched: Vouched) -> &'static str {
        match judge(container, vouched) {
            Verdict::Passed(_) => "passed",
            Verdict::Pending(_) => "pending",
            Verdict::Failed(_) => "failed",
        }
    }

    #[test]
    fn a_one_shot_passes_by_exit_code_and_fails_at_once() {
        assert_eq!(word(&exited(0), Vouched::No), "passed");
        assert_eq!(word(&exited(1), Vouched::No), "failed");
        let restarted = Container {
            restarts: 1,
            ..running()
        };
        assert_eq!(word(&restarted, Vouched::No), "failed");
    }

    #[test]
    fn a_one_shot_that_needed_a_restart_has_failed_even_if_it_ended_well() {
        let retried = Container {
            restarts: 2,
            ..exited(0)
        };
        assert_eq!(word(&retried, Vouched::No), "failed");
    }

    fn word_beside(container: &Container, was: &Container) -> &'static str {
        match judge_beside(container, Some(was), Vouched::No) {
            Verdict::Passed(_) => "passed",
            Verdict::Pending(_) => "pending",
            Verdict::Failed(_) => "failed",
        }
    }

    #[test]
    fn a_container_that_was_left_alone_need_not_settle() {
        let fresh = |up_ms| Container {
            up_ms: Some(up_ms),
            ..running()
        };
        assert_eq!(word_beside(&fresh(900), &fresh(200)), "passed");
        assert_eq!(word_beside(&fresh(100), &fresh(200)), "pending");
        let other = Container {
            id: "other".into(),
            ..fresh(900)
        };
        assert_eq!(word_beside(&other, &fresh(200)), "pending");
        let restarted = Container {
            restarts: 1,
            ..fresh(900)
        };
        assert_eq!(word_beside(&restarted, &fresh(200)), "failed");
    }

    #[test]
    fn a_container_that_somebody_had_paused_is_no_failure_of_this_run() {
        let paused = Container {
            state: State::Paused,
            ..running()
        };
        assert_eq!(word_beside(&paused, &paused), "passed");
        assert_eq!(word_beside(&paused, &running()), "pending");
    }

    #[test]
    fn an_exit_that_docker_answers_with_a_restart_is_not_a_pass() {
        let container = Container {
            always_restarts: true,
            ..exited(0)
        };
        assert_eq!(word(&container, Vouched::No), "pending");
    }

    #[test]
    fn unhealthy_may_recover_and_exec_vouches_only_while_docker_has_no_word() {
        assert_eq!(
            word(&with_health(HealthStatus::Healthy), Vouched::No),
            "passed"
        );
        assert_eq!(
            word(&with_health(HealthStatus::Starting), Vouched::No),
            "pending"
        );
        assert_eq!(
            word(&with_health(HealthStatus::Starting), Vouched::ByExec),
            "passed"
        );
        assert_eq!(
            word(&with_health(HealthStatus::Unhealthy), Vouched::ByExec),
            "pending"
        );
    }

    #[test]
    fn a_container_without_a_healthcheck_must_have_run_a_while() {
        let fresh = Container {
            up_ms: Some(200),
            ..running()
        };
        assert_eq!(word(&fresh, Vouched::No), "pending");
        assert_eq!(word(&running(), Vouched::No), "passed");
    }
}
