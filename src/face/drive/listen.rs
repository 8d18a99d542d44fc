//! Hears one run to its end, whatever becomes of the connection, the agent and this program.
//!
//! It refuses to know how the run was started, and who is told at the end.

use std::io::Write;
use std::time::{Duration, Instant};

use tokio::task::JoinHandle;

use super::patience;
use super::signals::Signals;
use crate::face::errand::Errand;
use crate::face::runner_checks::{self, Told};
use crate::output::log::Log;
use crate::remote::agent::{self, Agent};
use crate::remote::run::{Heard, Run};
use crate::saga;
use crate::words::error::Error;
use crate::words::event::{Event, Failure, FailureKind, Note, Record, Step};
use crate::words::plan::Plan;
use crate::words::report::Report;
use crate::words::shell;

/// How long the end is waited for after a signal: telling it takes its time too, and all of it is
/// to be over within 5 s. The GitHub runner kills after 10 s.
const GRACE: Duration = Duration::from_millis(3500);
/// How often a run whose agent died is taken up again: once more than an undo may die.
const SETTLES: u32 = saga::ATTEMPTS + 1;
/// How long somebody else may hold the directory while our run has no end: they settle it.
const LOCKED: Duration = agent::LONG_LOOK;
/// How long nothing is heard until the step at work is shown: most are over before.
const QUIET: Duration = Duration::from_secs(1);
/// The pause before a run that could not be settled is followed again.
const PAUSE: Duration = Duration::from_secs(5);

/// Hears one run to its end.
pub struct Listener<'a> {
    agent: &'a Agent,
    plan: &'a Plan,
    run: Run,
    next: u64,
    settles: u32,
    locked: Option<Instant>,
    pause: Duration,
    /// When the run's `timeout` is over, by this side's clock, which the first record starts.
    due: Instant,
    /// What the way back may take behind that, whatever is told meanwhile.
    margin: Duration,
    /// When it last told something.
    told: Instant,
    /// Whether its agent died, and what it left is being settled.
    died: bool,
    asked: Option<Instant>,
    checking: Option<JoinHandle<Told>>,
    committed: bool,
}

impl Drop for Listener<'_> {
    fn drop(&mut self) {
        if let Some(checking) = &self.checking {
            checking.abort();
        }
    }
}

impl<'a> Listener<'a> {
    /// Begins at the run's first record.
    pub fn new(agent: &'a Agent, plan: &'a Plan, run: Run) -> Self {
        Self {
            agent,
            plan,
            run,
            next: 0,
            settles: 0,
            locked: None,
            pause: PAUSE,
            due: Instant::now() + Duration::from_secs(plan.timeout),
            margin: patience::way_back(plan),
            told: Instant::now(),
            died: false,
            asked: None,
            checking: None,
            committed: false,
        }
    }

    /// Hears the run to its end. Once it has been heard of, no error says that nothing was touched.
    pub async fn listen<W: Write>(
        &mut self,
        log: &mut Log<W>,
        report: &mut Report,
        signals: &mut Signals,
    ) -> Result<(), Error> {
        let heard = self.hear(log, report, signals).await;
        heard.map_err(|error| match error {
            error if !self.has_heard() => error,
            error => unknown(self.run.id(), &error),
        })
    }

    /// Says whether any record has been heard.
    pub fn has_heard(&self) -> bool {
        self.next > 0
    }

    async fn hear<W: Write>(
        &mut self,
        log: &mut Log<W>,
        report: &mut Report,
        signals: &mut Signals,
    ) -> Result<(), Error> {
        loop {
            let patience = self
                .asked
                .map(|since| GRACE.saturating_sub(since.elapsed()));
            let left = self.left();
            let heard = tokio::select! {
                heard = self.run.next() => heard?,
                told = checked(&mut self.checking) => {
                    self.checking = None;
                    tell_checked(&told, log);
                    continue;
                }
                name = signals.next(), if self.asked.is_none() => {
                    self.take_back(name, log).await;
                    continue;
                }
                () = wait(patience) => return Err(self.left_alone()),
                () = tokio::time::sleep(QUIET), if log.hides_a_step() => {
                    log.show();
                    continue;
                }
                () = tokio::time::sleep(left) => return Err(self.overdue().await),
            };
            self.died |= matches!(heard, Some(Heard::Gone(_)));
            match heard {
                None => return Ok(()),
                Some(Heard::Record(record)) => self.record(&record, log, report),
                Some(Heard::Dropped(failure)) => {
                    log.warn(&format!("contact was lost, trying again: {failure}"));
                }
                Some(Heard::Back) => log.say("contact is back"),
                Some(Heard::Gone(words)) => tokio::select! {
                    settled = self.settle(&words, log) => settled?,
                    _ = signals.next() => return Err(self.left_alone()),
                    () = tokio::time::sleep(left) => return Err(self.overdue().await),
                },
            }
        }
    }

    fn record<W: Write>(&mut self, record: &Record, log: &mut Log<W>, report: &mut Report) {
        self.told = Instant::now();
        if !self.has_heard() {
            // Sending the plan has taken no time from the run.
            self.due = self.told + Duration::from_secs(self.plan.timeout);
        }
        self.next = record.seq + 1;
        log.record(record);
        report.push(record);
        match &record.event {
            Event::Succeeded { step } if *step == Step::Commit => self.committed = true,
            Event::Note {
                note: Note::AwaitingRunner { until },
                ..
            } => {
                // Both times are the server's: its clock and ours need not agree.
                let patience = (*until - record.at).to_std().unwrap_or_default();
                let (agent, id) = (self.agent, self.run.id());
                let checks = &self.plan.checks;
                self.checking = Some(runner_checks::begin(agent, id, checks, patience));
            }
            _ => {}
        }
    }

    /// This side goes away while the server is still at work.
    fn left_alone(&self) -> Error {
        let id = self.run.id();
        let failure = Failure::new(format!(
            "this run was stopped while the server was at work on {id}"
        ));
        let failure = failure.because(if self.committed {
            "the release is final, and the server finishes without it"
        } else {
            "the server goes on without it and takes itself back"
        });
        let failure = failure.of(FailureKind::Cancelled);
        Error::Lost(failure.hint("ask on the server how it ended: `landfall status`"))
    }

    /// How long the run's end is still waited for: no record makes that longer, for an agent that is
    /// in trouble may tell of it for ever.
    fn left(&self) -> Duration {
        (self.due + self.margin).saturating_duration_since(Instant::now())
    }

    /// The agent hangs, somebody has stopped it, or its way back takes longer than any should: if it
    /// goes on, it is to take itself back.
    async fn overdue(&self) -> Error {
        let asked = self.run.cancel("the run is long overdue");
        let _ = tokio::time::timeout(GRACE, asked).await;
        let (id, site) = (self.run.id(), &self.plan.site);
        let alive = site.backup_dir.join(".landfall/runs").join(id);
        let alive = shell::path(&alive.join("alive"));
        let failure = Failure::new(format!(
            "the run {id} has no end, and its `timeout` of {} s is over, with {} s for a way back",
            self.plan.timeout,
            self.margin.as_secs()
        ))
        .because(format!(
            "it last told something {} s ago",
            self.told.elapsed().as_secs()
        ));
        let failure = failure.because(if self.died {
            "its agent died on the server, and what it left is not settled"
        } else {
            "its agent lives on the server: it hangs, was stopped, or is at work still"
        });
        Error::Lost(failure.of(FailureKind::TimedOut)
            .hint(format!(
                "look on the server whether that process is at work, or stopped (`T` in `ps`): `ps -o pid,stat,etime,args -p \"$(fuser {alive} 2>/dev/null)\"`"
            ))
            .hint("let one that was stopped go on, `kill -CONT PID`, or end it; then see how the run ended, or have it settled: `landfall status`"))
    }

    /// Asks the server to take itself back, and says so at once.
    async fn take_back<W: Write>(&mut self, name: &str, log: &mut Log<W>) {
        let id = self.run.id();
        if self.committed {
            log.warn(&format!(
                "{name}: the run {id} is committed, and the server finishes it"
            ));
            self.asked = Some(Instant::now());
            return;
        }
        log.warn(&format!(
            "{name}: asking the server to take the run {id} back"
        ));
        self.asked = Some(Instant::now());
        let reason = format!("the runner received {name}");
        let asked = self.run.cancel(&reason);
        match tokio::time::timeout(GRACE / 2, asked).await {
            Ok(Ok(())) => log.say("the server knows, and takes itself back"),
            Ok(Err(error)) => log.warn(&format!("the server could not be told: {error}")),
            Err(_) => log.warn("the server has not answered yet"),
        }
    }

    /// The agent died: whoever comes next takes the run up, and here that is us.
    async fn settle<W: Write>(&mut self, words: &[String], log: &mut Log<W>) -> Result<(), Error> {
        if self.settles == SETTLES {
            let dies = Failure::new("the agent died again and again");
            return Err(unsettled(words.iter().fold(dies, Failure::because)));
        }
        if self.locked.is_none() {
            log.warn("the agent died on the server; settling what it left");
        }
        let site = serde_json::to_string(&self.plan.site).unwrap_or_default();
        let (what, patience) = (Errand::Settle.word(), Errand::Settle.patience());
        let settled = self.agent.look(what, &[&site], patience).await;
        match settled {
            Ok(_) => self.settles += 1,
            Err(error) => self.unsettled(&error, log).await?,
        }
        self.run = self.agent.attach(&self.plan.id, self.next);
        Ok(())
    }

    /// Waits a while where the run may yet come to its end: whoever holds the lock settles it.
    async fn unsettled<W: Write>(&mut self, error: &Error, log: &mut Log<W>) -> Result<(), Error> {
        let locked = error
            .failures()
            .iter()
            .any(|f| f.kind == FailureKind::Locked);
        if locked {
            let since = *self.locked.get_or_insert_with(|| {
                log.warn(&format!("waiting for whoever settles it: {error}"));
                Instant::now()
            });
            if since.elapsed() > LOCKED {
                return Err(unknown(self.run.id(), error));
            }
        } else {
            self.settles += 1;
            log.warn(&format!("it could not be settled: {error}"));
            if self.settles == SETTLES {
                return Err(unsettled(causes(self.run.id(), error)));
            }
        }
        tokio::time::sleep(self.pause).await;
        Ok(())
    }
}

/// What the runner's own tests came to, or nothing for ever while there are none.
async fn checked(checking: &mut Option<JoinHandle<Told>>) -> Told {
    match checking {
        Some(task) => task.await.unwrap_or_else(|error| {
            let failure = Failure::new("the runner's own checks ended early").because(error);
            (Err(failure.clone()), Err(Error::Local(failure)))
        }),
        None => std::future::pending().await,
    }
}

/// A word that did not arrive is silence to the server: it takes itself back and says so.
fn tell_checked<W: Write>((made, told): &Told, log: &mut Log<W>) {
    match made {
        Ok(passed) => passed.iter().for_each(|line| log.say(line)),
        Err(failure) => log.say(&failure.to_string()),
    }
    if let Err(error) = told {
        log.warn(&format!(
            "the server could not be given this runner's word: {error}"
        ));
    }
}

/// Waits for a while, or for ever.
async fn wait(patience: Option<Duration>) {
    match patience {
        Some(patience) => tokio::time::sleep(patience).await,
        None => std::future::pending().await,
    }
}

/// What went wrong after the server had begun: nobody here knows how it ends there.
pub fn unknown(id: &str, error: &Error) -> Error {
    match error {
        Error::Lost(failure) => Error::Lost(failure.clone()),
        // The server answers, and has no record of the run that it could go by.
        Error::Agent(_) => Error::Lost(
            causes(id, error)
                .hint("look at what runs: `landfall status`; the next deployment starts from that")
                .of(FailureKind::Interrupted),
        ),
        other => Error::Lost(
            causes(id, other)
                .hint("the server settles by itself, or with the next run: ask `landfall status`"),
        ),
    }
}

fn causes(id: &str, error: &Error) -> Failure {
    let lost = Failure::new(format!("nobody here knows how the run {id} ends"));
    error.failures().iter().fold(lost, Failure::because)
}

/// What was tried often enough is not going to come right by itself.
fn unsettled(failure: Failure) -> Error {
    let failure = failure.hint("remove the cause, then have it settled: `landfall recover`");
    Error::Lost(failure.of(FailureKind::Interrupted))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;
    use std::sync::Arc;

    use super::*;
    use crate::output::log::Style;
    use crate::remote::binary::Binaries;
    use crate::remote::transport::Transport;
    use crate::words::choices::Sudo;
    use crate::words::event::{RECORD_VERSION, Status};
    use crate::words::plan::{Site, sample};
    use crate::words::wire::Line;

    fn plan(dir: &Path) -> Plan {
        let mut plan = sample::deploy();
        plan.id = "r".into();
        plan.site = Site {
            deploy_dir: dir.join("app"),
            backup_dir: dir.join("backups"),
            ..plan.site
        };
        plan
    }

    fn line(seq: u64, event: Event) -> String {
        let (v, at, run) = (RECORD_VERSION, chrono::Utc::now(), "r".to_owned());
        let record = Record {
            v,
            seq,
            at,
            run,
            event,
        };
        serde_json::to_string(&Line::Record(Box::new(record))).unwrap()
    }

    /// More records than anybody waits for at five a second.
    fn minutes_of_talk() -> String {
        let said = |seq| {
            let text = format!("line {seq}");
            let (step, note) = (Step::Pull, Note::Said { text });
            line(seq, Event::Note { step, note }) + "\n"
        };
        (1..=300).map(said).collect()
    }

    /// Hears a run whose agent is a shell script with these answers to `follow` and `look`.
    async fn heard(follow: &str, look: &str) -> (Result<(), Error>, Report) {
        heard_within(1800, follow, look).await
    }

    async fn heard_within(timeout: u64, follow: &str, look: &str) -> (Result<(), Error>, Report) {
        let dir = tempfile::tempdir().unwrap();
        let said = Note::Said {
            text: "begun".into(),
        };
        let first = line(
            0,
            Event::Note {
                step: Step::Pull,
                note: said,
            },
        );
        let outcome = crate::words::event::Outcome::Deployed;
        let last = line(1, Event::Finished { outcome });
        std::fs::write(dir.path().join("first"), first + "\n").unwrap();
        std::fs::write(dir.path().join("last"), last + "\n").unwrap();
        std::fs::write(dir.path().join("more"), minutes_of_talk()).unwrap();
        let at = dir.path().display();
        let script = format!(
            "#!/bin/sh\ncd {at}\ncase $2 in follow) {follow} ;; look) {look} ;; *) exit 2 ;; esac\n"
        );
        let program = dir.path().join("landfall");
        std::fs::write(&program, script).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        let mut plan = plan(dir.path());
        plan.timeout = timeout;
        std::fs::create_dir_all(&plan.site.deploy_dir).unwrap();
        let (here, never) = (Arc::new(Transport::Here), Sudo::Never);
        let agent = Agent::install(here, &plan.site, never, &Binaries::of(program))
            .await
            .unwrap();
        let mut listener = Listener::new(&agent, &plan, agent.attach("r", 0));
        listener.pause = Duration::from_millis(10);
        listener.margin = Duration::from_secs(1);
        let mut log = Log::new(Vec::new(), Style::Plain);
        let mut report = Report::of_plan(&plan);
        let mut signals = Signals::listen().unwrap();
        let heard = listener.listen(&mut log, &mut report, &mut signals).await;
        (heard, report)
    }

    const DIES: &str = r#"cat first; echo '{"gone":["killed"]}'"#;

    #[tokio::test]
    async fn no_error_after_the_first_record_says_that_nothing_was_touched() {
        let refused = r#"cat first; echo '{"refused":{"what":"no"}}'"#;
        let faults = r#"echo '{"what":"the disk is full"}'; exit 2"#;
        for (follow, look) in [(DIES, faults), (DIES, "exit 1"), (refused, "exit 1")] {
            let (heard, _) = heard(follow, look).await;
            let error = heard.unwrap_err();
            assert_eq!(error.status(), Status::Unknown, "{follow} {look}: {error}");
        }
    }

    /// Hears a run with a `timeout` of 0 s whose agent answers so, to the end that this side gives it.
    async fn given_up(follow: &str, look: &str) {
        let begun = Instant::now();
        let (heard, report) = heard_within(0, follow, look).await;
        let took = begun.elapsed();
        assert!(took < Duration::from_secs(20), "{follow}: {took:?}");
        let error = heard.unwrap_err();
        let failure = &error.failures()[0];
        assert!(failure.what.contains("has no end"), "{failure}");
        assert!(failure.because[0].contains("last told"), "{failure}");
        assert!(failure.hints[0].contains("/runs/r/alive"), "{failure:?}");
        let told = report.lost(failure).headline();
        assert!(told.starts_with("Unknown: "), "{told}");
        assert!(!told.contains("settles by itself"), "{told}");
    }

    #[tokio::test]
    async fn a_run_whose_agent_was_stopped_is_given_up_behind_its_timeout_and_told_truly() {
        let stopped = r#"cat first; while sleep 0.2; do echo '{"beat":1}' || exit 0; done"#;
        given_up(stopped, "exit 1").await;
    }

    #[tokio::test]
    async fn a_run_that_tells_something_for_ever_is_given_up_behind_its_timeout_too() {
        let talks =
            "cat first; while read -r line; do echo \"$line\" || exit 0; sleep 0.2; done < more";
        given_up(talks, "exit 1").await;
    }

    #[tokio::test]
    async fn a_run_that_nobody_comes_to_settle_is_given_up_behind_its_timeout_too() {
        let locked = r#"echo '{"what":"held","kind":"locked"}'; exit 2"#;
        given_up(DIES, locked).await;
        given_up(DIES, "sleep 300").await;
    }

    #[tokio::test]
    async fn nobody_is_told_that_a_server_settles_by_itself_which_cannot() {
        let gone = r#"cat first; echo '{"refused":{"what":"there is no run `r` on this server"}}'"#;
        let faults = r#"echo '{"what":"the disk is full"}'; exit 2"#;
        for (follow, look) in [(gone, "echo '[]'"), (DIES, faults), (DIES, "echo '[]'")] {
            let (heard, report) = heard(follow, look).await;
            let error = heard.unwrap_err();
            let failure = &error.failures()[0];
            let told = format!("{} {:?}", report.lost(failure).headline(), failure.hints);
            assert!(told.starts_with("Unknown: "), "{told}");
            assert!(
                !told.contains("settles by itself"),
                "{follow} {look}: {told}"
            );
            assert!(told.contains("landfall "), "{told}");
        }
    }

    #[tokio::test]
    async fn a_run_that_another_deployment_settles_is_followed_to_its_end() {
        let follow = format!("if [ -e ended ]; then cat last; else {DIES}; fi");
        let locked = r#"n=$(cat tries 2>/dev/null); n=${n}x; echo $n > tries; [ $n != xxxxx ] || touch ended; echo '{"what":"held","kind":"locked"}'; exit 2"#;
        let (heard, report) = heard(&follow, locked).await;
        heard.unwrap();
        assert_eq!(report.status, Status::Deployed);
    }
}
