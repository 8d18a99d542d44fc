//! Verify: judges every deployed service and makes the declared tests, until all pass at once.
//!
//! A service that cannot come up any more fails at once; everything else has until the deadline,
//! a restart or two included. What has neither a healthcheck nor a test must run for a while. Once its checks have passed, they must go on passing, without a
//! restart, for as long as `watch` says.

mod asked;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use futures_util::future::join_all;

use crate::event::{Check, Failure, FailureKind, Note};
use crate::host::judge::{STEADY, Verdict, Vouched, has_proved_itself, judge_beside, judge_steady};
use crate::host::{Container, Health, HealthStatus, Host, Result, State};
use crate::plan::{Expect, Probe, SmokeTest};
use crate::saga::release::witness;
use crate::saga::steps::Run;
use asked::Asked;

/// How often the checks are made while they must pass, and while they must go on passing.
const LOOK: Duration = Duration::from_millis(100);
const WATCH: Duration = Duration::from_millis(500);
/// The pause before a healthcheck's command that failed is run by exec again, while Docker has no
/// word yet: an application most often needs little more than the first, and some need long.
const VOUCH: Duration = Duration::from_millis(100);
const VOUCH_AT_MOST: Duration = Duration::from_secs(1);
/// How long a healthcheck's command may take by exec before only Docker's word counts, and how
/// long the command of a declared test may take.
const VOUCH_PATIENCE: Duration = Duration::from_secs(5);
const EXEC_PATIENCE: Duration = Duration::from_secs(30);

/// Makes the checks.
pub async fn act<H: Host>(run: &Run<'_, H>) -> Result<()> {
    let court = Court::open(run)?;
    let result = court.sit().await;
    if let Err(failure) = &result {
        court.tell_logs(failure).await;
    }
    result
}

/// The checks of one run and what they have said so far.
struct Court<'a, H> {
    run: &'a Run<'a, H>,
    project: String,
    services: Vec<String>,
    before: Vec<Container>,
    start: Instant,
    told: RefCell<BTreeMap<String, bool>>,
    vouched: RefCell<BTreeSet<String>>,
    asked: Asked,
    /// The containers that publish a port which a test asks.
    at_asked_ports: RefCell<BTreeSet<String>>,
    due: RefCell<BTreeMap<String, Due>>,
    hanging: RefCell<BTreeSet<String>>,
    guilty: RefCell<BTreeSet<String>>,
    /// The containers whose checks have passed, and how often each had restarted by then.
    proved: RefCell<BTreeMap<String, i64>>,
}

/// When a healthcheck's command is to be run by exec again, and the pause after that.
struct Due {
    at: Instant,
    pause: Duration,
}

impl Due {
    /// After one more failure.
    fn again(last: Option<&Self>) -> Self {
        let pause = last.map_or(VOUCH, |due| due.pause);
        Self {
            at: Instant::now() + pause,
            pause: (2 * pause).min(VOUCH_AT_MOST),
        }
    }
}

/// What one round of checks says.
enum Round {
    Passed,
    Pending(String),
    Failed(Failure),
}

impl<'a, H: Host> Court<'a, H> {
    fn open(run: &'a Run<'a, H>) -> Result<Self> {
        Ok(Self {
            run,
            project: run.project()?,
            services: judged(run)?,
            before: run.before()?.containers,
            start: Instant::now(),
            told: RefCell::default(),
            vouched: RefCell::default(),
            asked: Asked::by(&run.plan.checks),
            at_asked_ports: RefCell::default(),
            due: RefCell::default(),
            hanging: RefCell::default(),
            guilty: RefCell::default(),
            proved: RefCell::default(),
        })
    }

    async fn sit(&self) -> Result<()> {
        let checks = &self.run.plan.checks;
        self.until_passed(Duration::from_secs(checks.health_timeout))
            .await?;
        self.while_watched(Duration::from_secs(checks.watch)).await
    }

    async fn until_passed(&self, patience: Duration) -> Result<()> {
        let mut seen = "the checks have not come to an end".to_owned();
        loop {
            let left = patience.saturating_sub(self.start.elapsed()).max(LOOK);
            let Ok(round) = tokio::time::timeout(left, self.round()).await else {
                return Err(too_late(&seen, patience));
            };
            match round? {
                Round::Passed => return Ok(()),
                Round::Failed(failure) => return Err(failure),
                Round::Pending(what) if self.start.elapsed() >= patience => {
                    return Err(too_late(&what, patience));
                }
                Round::Pending(what) => seen = what,
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    async fn while_watched(&self, watch: Duration) -> Result<()> {
        let start = Instant::now();
        while start.elapsed() < watch {
            tokio::time::sleep(WATCH.min(watch)).await;
            let fell = match self.round().await? {
                Round::Passed => continue,
                Round::Failed(failure) => failure,
                Round::Pending(what) => Failure::new(what),
            };
            return Err(fell.because(format!(
                "it had passed, and stopped {:.1} s into the watch of {} s",
                start.elapsed().as_secs_f64(),
                watch.as_secs()
            )));
        }
        Ok(())
    }

    /// One round: the services, and if none is beyond repair, the tests.
    async fn round(&self) -> Result<Round> {
        let containers = self.containers().await?;
        let services = self.judge_services(&containers).await;
        if let Round::Failed(_) = services {
            return Ok(services);
        }
        let tests = self.tests(&containers).await;
        Ok(match (services, tests) {
            (Round::Passed, None) => {
                self.proved_by(&containers, |_| true);
                Round::Passed
            }
            (Round::Pending(what), _) | (_, Some(what)) => Round::Pending(what),
            (failed @ Round::Failed(_), None) => failed,
        })
    }

    /// The project's containers, each with the restarts since this run began.
    async fn containers(&self) -> Result<Vec<Container>> {
        let containers = self.run.host.containers(&self.project).await?;
        self.run.since_before(containers)
    }

    /// Notes those of whom it is true as proved, unless they were before.
    fn proved_by(&self, containers: &[Container], is_true: impl Fn(&Container) -> bool) {
        let mut proved = self.proved.borrow_mut();
        for container in containers.iter().filter(|c| is_true(c)) {
            proved
                .entry(container.id.clone())
                .or_insert(container.restarts);
        }
    }

    async fn judge_services(&self, containers: &[Container]) -> Round {
        self.ask_healthchecks(containers).await;
        self.look_at_ports(containers).await;
        self.proved_by(containers, |c| has_proved_itself(c, self.vouched(c)));
        let mut pending = None;
        for service in &self.services {
            match self.judge_service(service, containers) {
                Verdict::Passed(detail) => self.tell(service, "service", true, &detail),
                Verdict::Pending(why) => {
                    pending.get_or_insert(format!("service `{service}` {why}"));
                }
                Verdict::Failed(why) => {
                    self.tell(service, "service", false, &why);
                    self.guilty.borrow_mut().insert(service.clone());
                    return Round::Failed(Failure::new(format!("service `{service}` {why}")));
                }
            }
        }
        pending.map_or(Round::Passed, Round::Pending)
    }

    /// The worst verdict of a service's containers.
    fn judge_service(&self, service: &str, containers: &[Container]) -> Verdict {
        let own: Vec<&Container> = containers.iter().filter(|c| c.service == service).collect();
        if own.is_empty() {
            return Verdict::Pending("has no container".into());
        }
        let mut worst = Verdict::Passed(String::new());
        for container in own {
            match (self.judge_container(container), &worst) {
                (failed @ Verdict::Failed(_), _) => return failed,
                (_, Verdict::Pending(_)) => {}
                (verdict, _) => worst = verdict,
            }
        }
        worst
    }

    fn judge_container(&self, container: &Container) -> Verdict {
        let proved = self.proved.borrow().get(&container.id).copied();
        let fell = proved.and_then(|passed_at| judge_steady(container, passed_at));
        let before = self.before.iter().find(|b| b.id == container.id);
        fell.unwrap_or_else(|| judge_beside(container, before, self.vouched(container)))
    }

    fn vouched(&self, container: &Container) -> Vouched {
        let is_asked = || {
            self.asked.by_service(container) || self.at_asked_ports.borrow().contains(&container.id)
        };
        if self.vouched.borrow().contains(&container.id) {
            Vouched::ByExec
        } else if is_asked() {
            Vouched::ByTest
        } else {
            Vouched::No
        }
    }

    /// Finds out who publishes a port that a test asks, as long as that makes a difference.
    async fn look_at_ports(&self, containers: &[Container]) {
        let young = |c: &Container| {
            let up = Duration::from_millis(c.up_ms.unwrap_or(0));
            c.state == State::Running && c.health.is_none() && up < STEADY
        };
        let is_open = |c: &Container| young(c) && self.vouched(c) == Vouched::No;
        if !self.asked.has_ports() || !containers.iter().any(is_open) {
            return;
        }
        // Without an answer everybody has to run for the longer while.
        let occupants = self.run.host.occupants().await.unwrap_or_default();
        let asked = occupants.iter().filter(|o| self.asked.at_a_port(o));
        let mut known = self.at_asked_ports.borrow_mut();
        known.extend(asked.map(|o| o.id.clone()));
    }

    /// Docker runs a healthcheck an interval late; its own command may be asked at once.
    async fn ask_healthchecks(&self, containers: &[Container]) {
        let starting = |h: &&Health| h.status == HealthStatus::Starting && !h.command.is_empty();
        let running = containers.iter().filter(|c| c.state == State::Running);
        let due = running
            .filter_map(|c| Some((c, c.health.as_ref().filter(starting)?)))
            .filter(|(c, _)| self.is_due(c));
        join_all(due.map(|(c, health)| self.ask_healthcheck(c, health))).await;
    }

    /// A command that hangs goes on in its container, so it is not asked a second time.
    async fn ask_healthcheck(&self, container: &Container, health: &Health) {
        let asked = self.run.host.exec(&container.id, &health.command);
        match tokio::time::timeout(VOUCH_PATIENCE, asked).await {
            Ok(Ok((0, _))) => {
                self.vouched.borrow_mut().insert(container.id.clone());
            }
            Ok(_) => {
                let mut due = self.due.borrow_mut();
                let again = Due::again(due.get(&container.id));
                due.insert(container.id.clone(), again);
            }
            Err(_) => {
                self.hanging.borrow_mut().insert(life(container));
            }
        }
    }

    fn is_due(&self, container: &Container) -> bool {
        let is_settled = self.vouched.borrow().contains(&container.id);
        if is_settled || self.hanging.borrow().contains(&life(container)) {
            return false;
        }
        let due = self.due.borrow();
        due.get(&container.id)
            .is_none_or(|due| due.at <= Instant::now())
    }

    /// Makes `health_url` and the declared tests; the first that does not pass yet.
    async fn tests(&self, containers: &[Container]) -> Option<String> {
        let checks = &self.run.plan.checks;
        let health = checks.health_url.as_ref().map(|url| SmokeTest {
            name: "health_url".into(),
            probe: Probe::Http {
                url: url.clone(),
                expect: Expect::default(),
            },
            from: crate::plan::Vantage::Server,
        });
        let tests: Vec<&SmokeTest> = health.iter().chain(checks.from_server()).collect();
        let asked = join_all(tests.iter().map(|t| self.ask(t, containers))).await;
        let mut pending = None;
        for (test, answer) in tests.iter().zip(asked) {
            match answer {
                Ok(detail) => self.tell(&test.name, kind(&test.probe), true, &detail),
                Err(failure) => {
                    pending.get_or_insert(format!("check `{}`: {failure}", test.name));
                }
            }
        }
        pending
    }

    async fn ask(&self, test: &SmokeTest, containers: &[Container]) -> Result<String> {
        match &test.probe {
            Probe::Http { url, expect } => self.run.host.http(url, expect).await,
            Probe::Tcp { address } => self.run.host.tcp(address).await,
            Probe::Service { service } => match self.judge_service(service, containers) {
                Verdict::Passed(detail) => Ok(detail),
                Verdict::Pending(why) | Verdict::Failed(why) => {
                    Err(Failure::new(format!("`{service}` {why}")))
                }
            },
            Probe::Exec { service, command } => self.exec(service, command, containers).await,
        }
    }

    async fn exec(
        &self,
        service: &str,
        command: &[String],
        containers: &[Container],
    ) -> Result<String> {
        let runs = |c: &&Container| c.service == service && c.state == State::Running;
        let Some(container) = containers.iter().find(runs) else {
            return Err(Failure::new(format!("no container of `{service}` runs")));
        };
        let asked = self.run.host.exec(&container.id, command);
        match tokio::time::timeout(EXEC_PATIENCE, asked).await {
            Ok(answer) => answer.and_then(|(code, text)| exited(service, code, &text)),
            Err(_) => Err(Failure::new(format!(
                "`exec` in `{service}` did not end within {} s",
                EXEC_PATIENCE.as_secs()
            ))),
        }
    }

    /// Tells a verdict when it is news.
    fn tell(&self, name: &str, kind: &str, passed: bool, detail: &str) {
        let known = self.told.borrow_mut().insert(name.to_owned(), passed);
        if known == Some(passed) {
            return;
        }
        (self.run.tell)(Note::Checked {
            check: Check {
                name: name.to_owned(),
                kind: kind.to_owned(),
                passed,
                detail: detail.to_owned(),
                ms: u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX),
            },
        });
    }

    /// Tells what the guilty services printed last; without a culprit, those that restarted, and
    /// if none did, what all of them printed.
    async fn tell_logs(&self, failure: &Failure) {
        self.tell_missing(failure);
        let guilty = self.guilty.borrow().clone();
        let guilty = if guilty.is_empty() {
            self.restarted().await
        } else {
            guilty
        };
        let told = |c: &Container| {
            if guilty.is_empty() {
                self.services.contains(&c.service)
            } else {
                guilty.contains(&c.service)
            }
        };
        witness::tell_logs(self.run, &self.project, told).await;
    }

    /// The services that died at least once and were given time.
    async fn restarted(&self) -> BTreeSet<String> {
        let containers = self.containers().await.unwrap_or_default().into_iter();
        let own = containers.filter(|c| self.services.contains(&c.service));
        own.filter(|c| c.restarts > 0).map(|c| c.service).collect()
    }

    /// Every check that never passed is told as failed, with what was last seen.
    fn tell_missing(&self, failure: &Failure) {
        let checks = &self.run.plan.checks;
        let mut all: Vec<(String, &str)> = self
            .services
            .iter()
            .map(|s| (s.clone(), "service"))
            .collect();
        all.extend(
            checks
                .health_url
                .iter()
                .map(|_| ("health_url".to_owned(), "http")),
        );
        all.extend(
            checks
                .from_server()
                .map(|t| (t.name.clone(), kind(&t.probe))),
        );
        for (name, kind) in all {
            let named = failure.to_string().contains(&format!("`{name}`"));
            if named || !self.told.borrow().contains_key(&name) {
                let detail = if named {
                    failure.what.clone()
                } else {
                    "did not pass".into()
                };
                self.tell(&name, kind, false, &detail);
            }
        }
    }
}

/// The services that are judged: those deployed, unless none of their containers are wanted.
pub fn judged<H: Host>(run: &Run<'_, H>) -> Result<Vec<String>> {
    if run.is_rollback() {
        let services = run.target()?.release.services;
        // What had run once is not run again, so there is nothing to judge.
        let well = services.into_iter().filter(|s| s.well && s.running);
        return Ok(well.map(|s| s.service).collect());
    }
    let wanted = run.wanted()?;
    let asked = |name: &String| wanted.services.is_empty() || wanted.services.contains(name);
    let services = wanted.config.services.into_iter();
    Ok(services
        .filter(|s| s.replicas != Some(0))
        .map(|s| s.name)
        .filter(asked)
        .collect())
}

/// A container between two restarts: what hung in it ended with it.
fn life(container: &Container) -> String {
    format!("{} {}", container.id, container.restarts)
}

/// What an exec test says; its command may hold a secret, so it is not told.
fn exited(service: &str, code: i64, text: &str) -> Result<String> {
    let what = format!("`exec` in `{service}` exited with code {code}");
    let last = text.trim().lines().last().unwrap_or_default();
    match (code, last) {
        (0, _) => Ok(what),
        (_, "") => Err(Failure::new(what)),
        (_, last) => Err(Failure::new(what).because(last)),
    }
}

fn kind(probe: &Probe) -> &'static str {
    match probe {
        Probe::Http { .. } => "http",
        Probe::Tcp { .. } => "tcp",
        Probe::Service { .. } => "service",
        Probe::Exec { .. } => "exec",
    }
}

fn too_late(what: &str, patience: Duration) -> Failure {
    Failure::new(what)
        .because(format!("it did not pass within {} s", patience.as_secs()))
        .hint("look at the log lines of the services below")
        .hint("if the application only starts slowly, raise `health_timeout`")
        .of(FailureKind::TimedOut)
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
