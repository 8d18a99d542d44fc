//! Judges a container: passed, not yet, or failed for good. Pure.
//!
//! It refuses to know how often anybody looks, and until when.

use std::time::Duration;

use crate::host::ailment::{meaning, missing_command};
use crate::host::{Container, Health, HealthStatus, State};
use crate::words::clean;

/// How long a container without a healthcheck must have run without a restart before it counts as
/// up, if nothing asks the application itself: most that dies of its settings has died by then.
pub const STEADY: Duration = Duration::from_secs(5);
/// The same where a declared test asks it, as long as it has never restarted.
const SETTLED: Duration = Duration::from_millis(1500);

/// From here on what restarted has not done so for a while.
const CALM: Duration = Duration::from_mins(10);

/// From this restart on it is a loop, whatever may still pass.
const LOOP: i64 = 3;

/// How the detail of a container is told that ended, and ended well.
const ENDED: &str = "exited with code 0";

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

/// Judges a container, and what vouches for it.
///
/// A restart or two are no verdict: an application may only wait for its database like that.
#[must_use]
pub fn judge(container: &Container, vouched: Vouched) -> Verdict {
    if container.restarts >= LOOP {
        return Verdict::Failed(format!("restarts again and again ({})", lives(container)));
    }
    match container.state {
        State::Running => judge_running(container, vouched),
        State::Exited => judge_exited(container),
        State::Created => Verdict::Pending("has not started yet".into()),
        State::Paused => Verdict::Pending("is paused".into()),
        State::Restarting => Verdict::Pending(format!("is restarting ({})", lives(container))),
        State::Dead => Verdict::Failed("is beyond repair".into()),
    }
}

/// Judges a container at any later moment, by whether it had ended when its release was judged; none
/// where that is not known. Restarts that lie long behind are no loop, and what ran then has no
/// reason to have ended.
#[must_use]
pub fn judge_later(container: &Container, ended: Option<bool>, vouched: Vouched) -> Verdict {
    let up = Duration::from_millis(container.up_ms.unwrap_or(0));
    if container.state == State::Running && up >= CALM {
        let calm = Container {
            restarts: 0,
            ..container.clone()
        };
        return judge(&calm, vouched);
    }
    if container.state == State::Exited && (container.always_restarts || ended == Some(false)) {
        let code = container.exit_code;
        return Verdict::Failed(format!(
            "is stopped (exit code {code}{})",
            meaning(container)
        ));
    }
    judge(container, vouched)
}

/// Says whether the detail of a check that passed is of a container that had ended.
#[must_use]
pub fn tells_an_end(detail: &str) -> bool {
    detail.contains(ENDED)
}

/// Judges a container whose own checks had passed, at so many restarts: another one is a failure.
#[must_use]
pub fn judge_steady(container: &Container, passed_at: i64) -> Option<Verdict> {
    (container.restarts > passed_at).then(|| {
        Verdict::Failed(format!(
            "restarted after its checks had passed ({})",
            lives(container)
        ))
    })
}

/// Says whether a healthcheck of its own has passed, which a mere while of running is not.
#[must_use]
pub fn has_proved_itself(container: &Container, vouched: Vouched) -> bool {
    container.health.is_some()
        && container.state == State::Running
        && matches!(judge_running(container, vouched), Verdict::Passed(_))
}

/// What vouches for a container besides Docker's word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Vouched {
    /// Its healthcheck's own command passed when it was run by exec.
    ByExec,
    /// A declared test asks it, and must pass as well.
    ByTest,
    /// Nothing.
    No,
}

fn judge_running(container: &Container, vouched: Vouched) -> Verdict {
    match &container.health {
        None => judge_uptime(container, vouched),
        Some(health) if health.status == HealthStatus::Healthy => {
            Verdict::Passed("running and healthy".into())
        }
        Some(health) if health.status == HealthStatus::Starting && vouched == Vouched::ByExec => {
            Verdict::Passed("running, and its healthcheck's command passes".into())
        }
        Some(health) => Verdict::Pending(format!("{}{}", timing(health), after(container))),
    }
}

fn judge_uptime(container: &Container, vouched: Vouched) -> Verdict {
    let up = Duration::from_millis(container.up_ms.unwrap_or(0));
    let needed = match vouched {
        Vouched::ByTest | Vouched::ByExec if container.restarts == 0 => SETTLED,
        _ => STEADY,
    };
    if up >= needed {
        Verdict::Passed(format!("running{}", after(container)))
    } else {
        let (up, needed) = (up.as_secs_f64(), needed.as_secs_f64());
        Verdict::Pending(format!(
            "has run for {up:.1} s only, of {needed} s{}",
            after(container)
        ))
    }
}

fn judge_exited(container: &Container) -> Verdict {
    match (container.exit_code, container.restarts) {
        (0, _) if container.always_restarts => Verdict::Pending("exited and is to restart".into()),
        (0, 0) => Verdict::Passed(format!("ran once and {ENDED}")),
        (0, n) => Verdict::Passed(format!("{ENDED} after it {}", times(n))),
        (code, 0) => Verdict::Failed(format!("exited with code {code}{}", meaning(container))),
        (code, n) => Verdict::Failed(format!(
            "exited with code {code}{} after it {}",
            meaning(container),
            times(n)
        )),
    }
}

/// What a container that restarted has behind it, for the end of a sentence.
fn after(container: &Container) -> String {
    match container.restarts {
        0 => String::new(),
        _ => format!(", after it {}", lives(container)),
    }
}

fn lives(container: &Container) -> String {
    let code = container.exit_code;
    let meaning = meaning(container);
    match container.state {
        // A container that runs has no exit code: Docker shows 0.
        State::Running => times(container.restarts),
        _ => format!(
            "{}, last exit code {code}{meaning}",
            times(container.restarts)
        ),
    }
}

/// Says what the healthcheck says, and how long its own timing makes it wait.
fn timing(health: &Health) -> String {
    let word = match health.status {
        HealthStatus::Unhealthy => "is unhealthy",
        _ => "is not healthy yet",
    };
    if let Some(command) = missing_command(&health.last_output) {
        let command = clean::beginning(command, 80);
        return format!("{word}: its healthcheck calls `{command}`, which is not in the image");
    }
    let said = clean::beginning(health.last_output.trim(), 200);
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
        2 => "restarted twice".into(),
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
    }

    fn restarted(restarts: i64, container: Container) -> Container {
        Container {
            restarts,
            ..container
        }
    }

    #[test]
    fn a_one_shot_that_succeeded_at_its_second_try_has_passed() {
        assert_eq!(word(&restarted(1, exited(0)), Vouched::No), "passed");
        assert_eq!(word(&restarted(2, exited(0)), Vouched::No), "passed");
        assert_eq!(word(&restarted(3, exited(0)), Vouched::No), "failed");
        assert_eq!(
            judge(&restarted(2, exited(4)), Vouched::No),
            Verdict::Failed("exited with code 4 after it restarted twice".into())
        );
    }

    #[test]
    fn a_restart_or_two_are_hope_and_three_are_a_loop() {
        let waits = |restarts| Container {
            state: State::Restarting,
            exit_code: 1,
            ..restarted(restarts, Container::default())
        };
        assert_eq!(
            judge(&waits(1), Vouched::No),
            Verdict::Pending("is restarting (restarted once, last exit code 1)".into())
        );
        assert_eq!(
            judge(&waits(3), Vouched::No),
            Verdict::Failed(
                "restarts again and again (restarted 3 times, last exit code 1)".into()
            )
        );
        assert_eq!(word(&restarted(1, running()), Vouched::No), "passed");
        assert_eq!(word(&restarted(3, running()), Vouched::No), "failed");
    }

    #[test]
    fn what_has_restarted_must_run_longer_before_it_counts_as_up() {
        let up = |restarts, up_ms| Container {
            up_ms: Some(up_ms),
            ..restarted(restarts, running())
        };
        assert_eq!(word(&up(0, 2_000), Vouched::ByTest), "passed");
        assert_eq!(word(&up(1, 2_000), Vouched::ByTest), "pending");
        assert_eq!(word(&up(1, 5_000), Vouched::ByTest), "passed");
    }

    #[test]
    fn what_ran_when_it_was_deployed_and_is_stopped_is_no_one_shot_that_has_passed() {
        let word = |container: &Container, ended| match judge_later(container, ended, Vouched::No) {
            Verdict::Passed(detail) => {
                assert!(tells_an_end(&detail), "{detail}");
                "passed"
            }
            Verdict::Pending(_) => "pending",
            Verdict::Failed(_) => "failed",
        };
        assert_eq!(word(&exited(0), Some(true)), "passed");
        assert_eq!(word(&restarted(1, exited(0)), Some(true)), "passed");
        assert_eq!(word(&exited(0), None), "passed");
        assert_eq!(word(&exited(0), Some(false)), "failed");
        assert_eq!(word(&exited(1), Some(true)), "failed");
        let stopped = Container {
            always_restarts: true,
            ..exited(0)
        };
        assert_eq!(word(&stopped, None), "failed");
    }

    #[test]
    fn restarts_that_lie_long_behind_are_no_loop() {
        let later = |up_ms| {
            let container = Container {
                up_ms: Some(up_ms),
                ..restarted(7, running())
            };
            judge_later(&container, Some(false), Vouched::No)
        };
        assert!(matches!(later(60_000), Verdict::Failed(_)));
        assert_eq!(later(3_600_000), Verdict::Passed("running".into()));
    }

    #[test]
    fn a_restart_behind_its_passed_checks_is_a_failure() {
        assert_eq!(judge_steady(&restarted(1, running()), 1), None);
        assert!(matches!(
            judge_steady(&restarted(2, running()), 1),
            Some(Verdict::Failed(_))
        ));
    }

    #[test]
    fn only_a_healthcheck_proves_a_container_before_all_checks_pass() {
        let healthy = with_health(HealthStatus::Healthy);
        assert!(has_proved_itself(&healthy, Vouched::No));
        let starting = with_health(HealthStatus::Starting);
        assert!(has_proved_itself(&starting, Vouched::ByExec));
        assert!(!has_proved_itself(&starting, Vouched::No));
        assert!(!has_proved_itself(&running(), Vouched::No));
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
        let restarted = |n| restarted(n, fresh(900));
        assert_eq!(word_beside(&restarted(1), &fresh(200)), "pending");
        assert_eq!(word_beside(&restarted(3), &fresh(200)), "failed");
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
    fn a_healthcheck_whose_command_is_missing_is_said_so_in_place_of_its_timing() {
        let mut container = with_health(HealthStatus::Unhealthy);
        if let Some(health) = &mut container.health {
            health.last_output = "/bin/sh: 1: curl: not found".into();
        }
        assert_eq!(
            judge(&container, Vouched::No),
            Verdict::Pending(
                "is unhealthy: its healthcheck calls `curl`, which is not in the image".into()
            )
        );
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
    fn a_container_that_nothing_asks_must_have_run_a_while() {
        let up = |up_ms| Container {
            up_ms: Some(up_ms),
            ..running()
        };
        assert_eq!(
            judge(&up(4_900), Vouched::No),
            Verdict::Pending("has run for 4.9 s only, of 5 s".into())
        );
        assert_eq!(word(&up(5_000), Vouched::No), "passed");
        assert_eq!(word(&up(200), Vouched::ByTest), "pending");
        assert_eq!(word(&up(1_500), Vouched::ByTest), "passed");
    }
}
