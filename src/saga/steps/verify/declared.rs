//! The declared tests, `health_url` among them: each is made, and its answer weighed.
//!
//! It refuses to know how often they are made, and until when.

use std::time::Duration;

use futures_util::future::join_all;

use super::Court;
use super::docket::{Weight, Word, word};
use crate::host::{Container, Host, State, ailment, http};
use crate::words::Result;
use crate::words::event::Failure;
use crate::words::plan::{Checks, Expect, Probe, SmokeTest, Vantage};

/// How long the command of a test may take.
const EXEC_PATIENCE: Duration = Duration::from_secs(30);

/// What a test saw, or why it does not pass and how much that tells.
type Answer = std::result::Result<String, (Failure, Weight)>;

/// `health_url` and the declared tests that the server makes.
pub(super) fn of(checks: &Checks) -> Vec<SmokeTest> {
    let health = checks.health_url.as_ref().map(|url| SmokeTest {
        name: "health_url".into(),
        probe: Probe::Http {
            url: url.clone(),
            expect: Expect::default(),
        },
        from: Vantage::Server,
    });
    health
        .into_iter()
        .chain(checks.from_server().cloned())
        .collect()
}

impl<H: Host> Court<'_, H> {
    /// Makes `health_url` and the declared tests; where there is little patience, one without an
    /// answer keeps its last word.
    pub(super) async fn make_tests(&self, containers: &[Container], patience: Option<Duration>) {
        let asked = join_all(self.tests.iter().map(|test| async move {
            let asked = self.ask(test, containers);
            match patience {
                None => Some(asked.await),
                Some(patience) => tokio::time::timeout(patience, asked).await.ok(),
            }
        }));
        for (at, answer) in asked.await.into_iter().enumerate() {
            match answer {
                Some(Ok(seen)) => self.note(self.services.len() + at, Word::Passed(seen)),
                Some(Err((failure, weight))) => {
                    self.note(self.services.len() + at, Word::Not(failure, weight));
                }
                None => {}
            }
        }
    }

    async fn ask(&self, test: &SmokeTest, containers: &[Container]) -> Answer {
        let weighed = |failure: Failure| {
            if http::is_an_answer(&failure) {
                (failure, Weight::Answered)
            } else {
                (failure, Weight::Silent)
            }
        };
        match &test.probe {
            Probe::Http { url, expect } => self.run.host.http(url, expect).await.map_err(weighed),
            Probe::Tcp { address } => self.run.host.tcp(address).await.map_err(weighed),
            Probe::Service { service } => {
                let (verdict, container) = self.judge_service(service, containers);
                match word(verdict, container) {
                    Word::Passed(seen) => Ok(seen),
                    Word::Not(mut failure, weight) => {
                        failure.what = format!("`{service}` {}", failure.what);
                        Err((failure, weight))
                    }
                }
            }
            Probe::Exec { service, command } => self.exec(service, command, containers).await,
        }
    }

    async fn exec(&self, service: &str, command: &[String], containers: &[Container]) -> Answer {
        let runs = |c: &&Container| c.service == service && c.state == State::Running;
        let Some(container) = containers.iter().find(runs) else {
            let failure = Failure::new(format!("no container of `{service}` runs"));
            return Err((failure, Weight::Waiting));
        };
        let asked = self.run.host.exec(&container.id, command);
        let Ok(answer) = tokio::time::timeout(EXEC_PATIENCE, asked).await else {
            let failure = Failure::new(format!(
                "`exec` in `{service}` did not end within {} s",
                EXEC_PATIENCE.as_secs()
            ));
            return Err((failure, Weight::Silent));
        };
        answer
            .and_then(|(code, text)| exited(service, code, &text))
            .map_err(|failure| (failure, Weight::Answered))
    }
}

/// What an exec test says; its command may hold a secret, so it is not told.
fn exited(service: &str, code: i64, text: &str) -> Result<String> {
    let what = format!("`exec` in `{service}` exited with code {code}");
    let last = text.trim().lines().last().unwrap_or_default();
    let missing = ailment::missing_command(text).map(|_| {
        format!("name a command that is in the image of `{service}`; for shell words say `[\"sh\", \"-c\", …]`")
    });
    match (code, last) {
        (0, _) => Ok(what),
        (_, "") => Err(Failure::new(what)),
        (_, last) => {
            let failure = Failure::new(what).because(last);
            Err(missing.into_iter().fold(failure, Failure::hint))
        }
    }
}

pub(super) fn kind(probe: &Probe) -> &'static str {
    match probe {
        Probe::Http { .. } => "http",
        Probe::Tcp { .. } => "tcp",
        Probe::Service { .. } => "service",
        Probe::Exec { .. } => "exec",
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn an_exec_test_tells_its_service_and_code_and_never_its_command() {
        assert_eq!(
            exited("api", 0, "fine").unwrap(),
            "`exec` in `api` exited with code 0"
        );
        assert_eq!(
            exited("api", 2, "one\ntwo\n").unwrap_err().to_string(),
            "`exec` in `api` exited with code 2: two"
        );
    }
}
