//! Verify: judges every deployed service and makes the declared tests, until all pass at once.
//!
//! A service that cannot come up any more fails at once; everything else has until the deadline,
//! a restart or two included. What has neither a healthcheck nor a test must run for a while. Once
//! its checks have passed, they must go on passing, without a restart, for as long as `watch` says.
//! What is waited for is told now and then, and in the end each check with its last word.

mod asked;
mod closing;
mod declared;
mod docket;
pub(crate) mod ports;
mod vouch;

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use crate::host::judge::{STEADY, Verdict, Vouched, has_proved_itself, judge_beside, judge_steady};
use crate::host::{Container, Host, State};
use crate::saga::steps::Run;
use crate::words::Result;
use crate::words::event::{Check, Note};
use crate::words::plan::SmokeTest;
use asked::Asked;
use closing::End;
use docket::{Entry, Word, word};
use vouch::Due;

/// How often the checks are made while they must pass, and while they must go on passing.
const LOOK: Duration = Duration::from_millis(100);
const WATCH: Duration = Duration::from_millis(500);
/// How often it is told what is waited for.
const BEAT: Duration = Duration::from_secs(5);

/// Makes the checks.
pub async fn act<H: Host>(run: &Run<'_, H>) -> Result<()> {
    let court = Court::open(run)?;
    match court.sit().await {
        Ok(()) => Ok(()),
        Err(end) => Err(court.close(end).await),
    }
}

/// The checks of one run and what they have said so far.
struct Court<'a, H> {
    run: &'a Run<'a, H>,
    project: String,
    services: Vec<String>,
    tests: Vec<SmokeTest>,
    before: Vec<Container>,
    start: Instant,
    /// The last word of every service and then of every test.
    docket: RefCell<Vec<Entry>>,
    /// The verdicts that were told, in the same order.
    told: RefCell<Vec<Option<bool>>>,
    /// When it was last told what is waited for.
    beat: Cell<Instant>,
    vouched: RefCell<BTreeSet<String>>,
    /// What a healthcheck's command said by exec, by container.
    said: RefCell<BTreeMap<String, String>>,
    asked: Asked,
    /// The containers that publish a port which a test asks.
    at_asked_ports: RefCell<BTreeSet<String>>,
    due: RefCell<BTreeMap<String, Due>>,
    hanging: RefCell<BTreeSet<String>>,
    guilty: RefCell<BTreeSet<String>>,
    /// The containers whose checks have passed, and how often each had restarted by then.
    proved: RefCell<BTreeMap<String, i64>>,
}

/// What one round of checks says; the docket has the words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Round {
    Passed,
    Pending,
    Failed,
}

impl<'a, H: Host> Court<'a, H> {
    fn open(run: &'a Run<'a, H>) -> Result<Self> {
        let (services, tests) = (judged(run)?, declared::of(&run.plan.checks));
        let judged = services.iter().map(|s| Entry::new(s, "service", false));
        let declared = tests
            .iter()
            .map(|t| Entry::new(&t.name, declared::kind(&t.probe), true));
        let docket: Vec<Entry> = judged.chain(declared).collect();
        Ok(Self {
            run,
            project: run.project()?,
            before: run.before()?.containers,
            start: Instant::now(),
            told: RefCell::new(vec![None; docket.len()]),
            docket: RefCell::new(docket),
            beat: Cell::new(Instant::now() + BEAT),
            vouched: RefCell::default(),
            said: RefCell::default(),
            asked: Asked::by(&run.plan.checks),
            at_asked_ports: RefCell::default(),
            due: RefCell::default(),
            hanging: RefCell::default(),
            guilty: RefCell::default(),
            proved: RefCell::default(),
            services,
            tests,
        })
    }

    async fn sit(&self) -> std::result::Result<(), End> {
        let checks = &self.run.plan.checks;
        self.until_passed(Duration::from_secs(checks.health_timeout))
            .await?;
        self.while_watched(Duration::from_secs(checks.watch)).await
    }

    async fn until_passed(&self, patience: Duration) -> std::result::Result<(), End> {
        let waits = || {
            let docket = self.docket.borrow();
            format!("of {} s: {}", patience.as_secs(), docket::waiting(&docket))
        };
        loop {
            let left = patience.saturating_sub(self.start.elapsed()).max(LOOK);
            let round = self.beating("waiting", self.start, &waits, self.round());
            let Ok(round) = tokio::time::timeout(left, round).await else {
                return Err(End::Late(patience));
            };
            match round? {
                Round::Passed => return Ok(()),
                Round::Failed => return Err(End::Final),
                Round::Pending if self.start.elapsed() >= patience => {
                    return Err(End::Late(patience));
                }
                Round::Pending => tokio::time::sleep(LOOK).await,
            }
        }
    }

    async fn while_watched(&self, watch: Duration) -> std::result::Result<(), End> {
        let start = Instant::now();
        let passes = || format!("of {} s: every check goes on passing", watch.as_secs());
        while start.elapsed() < watch {
            tokio::time::sleep(WATCH.min(watch)).await;
            let round = self.beating("watching", start, &passes, self.round());
            match round.await? {
                Round::Passed => {}
                Round::Pending | Round::Failed => {
                    return Err(End::Fell(format!(
                        "it had passed, and stopped {:.1} s into the watch of {} s",
                        start.elapsed().as_secs_f64(),
                        watch.as_secs()
                    )));
                }
            }
        }
        Ok(())
    }

    /// Tells now and then what is waited for, while that is at work.
    async fn beating<T>(
        &self,
        doing: &str,
        since: Instant,
        what: &dyn Fn() -> String,
        work: impl Future<Output = T>,
    ) -> T {
        tokio::pin!(work);
        loop {
            let next = self.beat.get().saturating_duration_since(Instant::now());
            tokio::select! {
                biased;
                done = &mut work => return done,
                () = tokio::time::sleep(next) => {
                    let past = since.elapsed().as_secs();
                    self.run.say(format!("{doing}, {past} s {}", what()));
                    self.beat.set(Instant::now() + BEAT);
                }
            }
        }
    }

    /// One round: the services, and if none is beyond repair, the tests.
    async fn round(&self) -> Result<Round> {
        let containers = self.containers().await?;
        let services = self.judge_services(&containers).await;
        if services == Round::Failed {
            return Ok(services);
        }
        self.make_tests(&containers, None).await;
        let passes = |entry: &Entry| matches!(entry.word, Some(Word::Passed(_)));
        if !self.docket.borrow().iter().all(passes) {
            return Ok(Round::Pending);
        }
        self.proved_by(&containers, |_| true);
        Ok(Round::Passed)
    }

    /// The project's containers, each with the restarts since this run began, and with what its
    /// healthcheck said by exec while Docker has no word yet.
    async fn containers(&self) -> Result<Vec<Container>> {
        let containers = self.run.host.containers(&self.project).await?;
        let mut containers = self.run.since_before(containers)?;
        let said = self.said.borrow();
        for container in &mut containers {
            if let (Some(health), Some(said)) = (&mut container.health, said.get(&container.id))
                && health.last_output.trim().is_empty()
            {
                health.last_output.clone_from(said);
            }
        }
        Ok(containers)
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
        let mut worst = Round::Passed;
        for (at, service) in self.services.iter().enumerate() {
            let (verdict, container) = self.judge_service(service, containers);
            match &verdict {
                Verdict::Passed(_) => {}
                Verdict::Pending(_) if worst == Round::Failed => {}
                Verdict::Pending(_) => worst = Round::Pending,
                Verdict::Failed(_) => {
                    worst = Round::Failed;
                    self.guilty.borrow_mut().insert(service.clone());
                }
            }
            self.note(at, word(verdict, container));
        }
        worst
    }

    /// The worst verdict of a service's containers, and whose it is.
    fn judge_service<'c>(
        &self,
        service: &str,
        containers: &'c [Container],
    ) -> (Verdict, Option<&'c Container>) {
        let own: Vec<&Container> = containers.iter().filter(|c| c.service == service).collect();
        if own.is_empty() {
            return (Verdict::Pending("has no container".into()), None);
        }
        let mut worst = (Verdict::Passed(String::new()), None);
        for container in own {
            match (self.judge_container(container), &worst.0) {
                (failed @ Verdict::Failed(_), _) => return (failed, Some(container)),
                (_, Verdict::Pending(_)) => {}
                (verdict, _) => worst = (verdict, Some(container)),
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

    /// Notes a word, and tells that something passes when it is news.
    fn note(&self, at: usize, word: Word) {
        let passes = matches!(word, Word::Passed(_));
        if let Some(entry) = self.docket.borrow_mut().get_mut(at) {
            entry.word = Some(word);
        }
        if passes {
            self.tell(at, true);
        }
    }

    /// Tells the last word of a check when its verdict is news.
    fn tell(&self, at: usize, passed: bool) {
        let docket = self.docket.borrow();
        let (Some(entry), Some(told)) = (docket.get(at), self.told.borrow().get(at).copied())
        else {
            return;
        };
        if told == Some(passed) {
            return;
        }
        self.told.borrow_mut()[at] = Some(passed);
        (self.run.tell)(Note::Checked {
            check: Check {
                name: entry.name.clone(),
                kind: entry.kind.to_owned(),
                passed,
                detail: entry.seen(),
                ms: u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX),
            },
        });
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
