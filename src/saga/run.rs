//! Carries out what the saga decides: act, write down, go on, until the run has ended.
//!
//! It refuses to know what any step does. A deadline and the runner's wish to cancel end an act;
//! nothing ends an undo but itself.

use std::cell::{Cell, RefCell};
use std::fs;
use std::time::{Duration, Instant};

use crate::files::rundir::{RunDir, name};
use crate::files::tree::home::Identity;
use crate::host::{Host, cmd};
use crate::saga::downtime::{Early, Sampler};
use crate::saga::journal::Journal;
use crate::saga::lock::Lock;
use crate::saga::redact::Redactor;
use crate::saga::release::advice;
use crate::saga::steps::Run;
use crate::saga::{Next, next, runs, since, tidy};
use crate::words::Result;
use crate::words::event::{Event, Failure, FailureKind, Note, Outcome, Step};
use crate::words::plan::{Plan, Private};
use crate::words::shell;

/// How often the wish to cancel is looked for.
const LOOK: Duration = Duration::from_millis(100);

/// How often an undo is tried before a person is asked for: an engine that restarts is away for
/// some seconds, and nothing else is to keep the old release down.
const UNDO_TRIES: u32 = 3;

/// Upon whose word a run is taken up again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Word {
    /// Nobody's: whoever came next found it.
    Nobodys,
    /// A person's, who has seen what is there: a way back that ended is opened again.
    Persons,
}

/// One run at work.
pub struct Saga<'a, H> {
    host: &'a H,
    dir: &'a RunDir,
    plan: Plan,
    private: Private,
    journal: RefCell<Journal>,
    redactor: RefCell<Redactor>,
    deadline: Instant,
    lock: RefCell<Option<Lock>>,
    /// Whether somebody may have made a release since this run's agent died.
    unseen: Cell<bool>,
    early: RefCell<Option<Early>>,
    sampler: RefCell<Option<Sampler>>,
    /// Why nothing may be touched: this is not the directory that the run worked in.
    astray: Option<Failure>,
}

/// Begins a run and carries it to its end.
pub async fn begin<H: Host>(
    plan: Plan,
    private: Private,
    host: &H,
    dir: &RunDir,
) -> Result<Outcome> {
    let mut journal = Journal::open(&dir.journal(), &plan.id)?;
    if journal.history().plan().is_none() {
        runs::number(dir).await?;
        dir.keep(name::PUBLIC, &public(&private))?;
        dir.keep(name::PLAN, &plan)?;
        journal.append(Event::Planned {
            plan: Box::new(plan.clone()),
        })?;
    }
    Saga::new(plan, private, host, dir, journal, None)
        .drive()
        .await
}

/// Takes up a run whose agent died, under a lock that is already held.
///
/// Where its path leads to another directory than the one that it worked in, nothing is touched: no
/// step is taken back, and it ends needing a person.
pub async fn resume<H: Host>(
    host: &H,
    dir: &RunDir,
    mut journal: Journal,
    word: Word,
) -> Result<Outcome> {
    let Some(plan) = journal.history().plan().cloned() else {
        return match next(journal.history()) {
            Next::Finish(outcome) | Next::Stop(outcome) => Ok(outcome),
            Next::Act(_) | Next::Undo(_) => Err(Failure::new("a run without a plan wants to act")),
        };
    };
    if word == Word::Persons {
        if journal.history().has_changed_the_release() {
            seen_by_a_person(&plan, host, dir).await?;
        }
        journal.append(Event::Reopened)?;
    }
    let committed = journal.history().is_committed();
    let cut = journal.history().interruption().map(|event| match event {
        Event::UndoFailed { step, failure } => Event::UndoFailed {
            step,
            failure: advice::by_hand(
                &plan,
                dir,
                journal.history().has_changed_the_release(),
                failure,
            ),
        },
        other => other,
    });
    if let Some(event) = &cut {
        journal.insist(event.clone())?;
    }
    let astray = astray(host, dir).await?;
    let mut saga = Saga::new(plan, left_of_private(dir)?, host, dir, journal, None);
    saga.unseen.set(word == Word::Nobodys);
    saga.astray = astray;
    if committed && let Some(Event::Failed { step, failure }) = cut {
        let text = format!("`{step}` did not run to its end: {failure}; run it by hand");
        saga.tell(step, Note::Warned { text });
    }
    saga.drive().await
}

/// What the run tells though an env file may hold it too.
fn public(private: &Private) -> Vec<String> {
    let values = private.public_values.iter();
    values.chain(&private.registry_username).cloned().collect()
}

/// What a run that is taken up still knows of what its runner gave it.
fn left_of_private(dir: &RunDir) -> Result<Private> {
    Ok(Private {
        public_values: dir.recall(name::PUBLIC)?.unwrap_or_default(),
        ..Private::default()
    })
}

/// What is there when a person has it taken back is that person's to decide upon, and no news to
/// whoever settles it later.
async fn seen_by_a_person<H: Host>(plan: &Plan, host: &H, dir: &RunDir) -> Result<()> {
    let run = Run {
        plan,
        private: &Private::default(),
        host,
        dir,
        lock: &RefCell::default(),
        tell: &|_| {},
        changed: true,
    };
    since::note_for_a_person(&run).await
}

/// Why a dead run cannot be taken back here: this is not its directory, or not its engine. One that
/// never came so far that it had either, or whose agent was older than these facts, can.
pub(super) async fn astray<H: Host>(host: &H, dir: &RunDir) -> Result<Option<Failure>> {
    let was: Option<Identity> = dir.recall(name::GROUND)?;
    if let Some(was) = was
        && let Err(failure) = host.confirm_is(&was).await
    {
        return Ok(Some(failure));
    }
    let engine: Option<String> = dir.recall(name::ENGINE)?;
    Ok(engine
        .zip(host.socket())
        .and_then(|(was, now)| other_engine(&was, &now)))
}

/// Why nothing is taken back through one engine that was done through another.
fn other_engine(was: &str, now: &str) -> Option<Failure> {
    let real = |path: &str| fs::canonicalize(path).unwrap_or_else(|_| path.into());
    (real(was) != real(now)).then(|| {
        Failure::new(format!(
            "the run worked with the engine at `{was}`, and whoever settles it is given the one at `{now}`"
        ))
        .because("`DOCKER_HOST` or the docker context is another here; neither engine was touched")
        .hint(format!(
            "have it settled with the run's own engine: put `DOCKER_HOST={}` before the command",
            shell::word(&format!("unix://{was}"))
        ))
    })
}

impl<'a, H: Host> Saga<'a, H> {
    fn new(
        plan: Plan,
        private: Private,
        host: &'a H,
        dir: &'a RunDir,
        journal: Journal,
        lock: Option<Lock>,
    ) -> Self {
        cmd::note_in(dir.path());
        let mut redactor = Redactor::of(&plan, &private);
        redactor.learn(&plan, &host.here(&plan.site), &dir.stage());
        Self {
            host,
            dir,
            redactor: RefCell::new(redactor),
            deadline: Instant::now() + Duration::from_secs(plan.timeout),
            plan,
            private,
            journal: RefCell::new(journal),
            lock: RefCell::new(lock),
            unseen: Cell::new(false),
            early: RefCell::default(),
            sampler: RefCell::default(),
            astray: None,
        }
    }

    async fn drive(self) -> Result<Outcome> {
        loop {
            let wanted = next(self.journal.borrow().history());
            match wanted {
                Next::Act(step) => self.act(step).await?,
                Next::Undo(step) => self.undo(step).await?,
                Next::Finish(outcome) => self.finish(outcome).await?,
                Next::Stop(outcome) => return self.ended(outcome),
            }
        }
    }

    /// An end that is not in the journal is nobody's to rely on: the next run settles this one.
    fn ended(&self, outcome: Outcome) -> Result<Outcome> {
        if !self.journal.borrow().is_behind() {
            return Ok(outcome);
        }
        let mut failure = Failure::new(format!(
            "the run ended `{}`, and its journal could not be written to its end",
            outcome.status()
        ));
        if let Some((step, cause)) = outcome.cause() {
            failure = failure.because(format!("`{step}` failed: {cause}"));
        }
        Err(failure.hint("free disk space on the server, then run `landfall recover`"))
    }

    async fn act(&self, step: Step) -> Result<()> {
        if let Err(failure) = self.append(Event::Started { step }) {
            self.insist(Event::Started { step })?;
            return self.insist(Event::Failed { step, failure });
        }
        self.watch_downtime(step).await;
        fault!(here "act.before", step.word());
        let tell = |note| self.tell(step, note);
        let run = self.run(&tell);
        let act = async {
            if step != Step::Preflight {
                self.host.confirm().await?;
            }
            self.dir.confirm()?;
            run.act(step).await
        };
        let acted = self.within(act, step).await;
        // What has come may hold secrets that nobody has seen yet.
        if step == Step::Stage || step.changes_the_release() {
            self.learn();
        }
        fault!(here "act.after", step.word());
        self.tell_sampler(step, Step::Up);
        match acted.and_then(|()| self.append(Event::Succeeded { step })) {
            Ok(()) => Ok(()),
            Err(failure) => {
                let failure = self.redactor.borrow().failure(&failure);
                self.insist(Event::Failed { step, failure })
            }
        }
    }

    async fn undo(&self, step: Step) -> Result<()> {
        self.dir.drop_ballast();
        let so_far = since::SoFar::of(self.journal.borrow().history());
        self.insist(Event::UndoStarted { step })?;
        let tell = |note| self.tell(step, note);
        match self.overtaken(step, &so_far, &tell).await {
            Ok(None) => {}
            Ok(Some(failure)) => {
                let failure = self.redactor.borrow().failure(&failure);
                return self.insist(Event::Overtaken { failure });
            }
            Err(failure) => return self.could_not_undo(step, &failure),
        }
        fault!(here "undo.before", step.word());
        let undone = self.take_back(step, &tell).await;
        fault!(here "undo.after", step.word());
        self.tell_sampler(step, Step::Backup);
        // What has been put back may hold other values than what was there.
        self.learn();
        let verdict = match undone {
            Ok(()) => Event::Undone { step },
            Err(failure) => return self.could_not_undo(step, &failure),
        };
        self.insist(verdict)
    }

    fn could_not_undo(&self, step: Step, failure: &Failure) -> Result<()> {
        let failure = self.redactor.borrow().failure(failure);
        let changed = self.journal.borrow().history().has_changed_the_release();
        let failure = advice::by_hand(&self.plan, self.dir, changed, failure);
        self.insist(Event::UndoFailed { step, failure })
    }

    /// What somebody made since this run's agent died, if that is not known yet. Where it cannot be
    /// seen, nothing is taken back.
    async fn overtaken(
        &self,
        step: Step,
        so_far: &since::SoFar,
        tell: &dyn Fn(Note),
    ) -> Result<Option<Failure>> {
        let nobody_looks = self.astray.is_some() || !self.unseen.get();
        if nobody_looks || !so_far.changed || !step.has_an_undo() {
            return Ok(None);
        }
        let mut seen = since::overtaken(&self.run(tell), so_far).await;
        for _ in 1..UNDO_TRIES {
            let Err(failure) = &seen else { break };
            if !may_pass(failure) || !self.host.is_back().await {
                break;
            }
            seen = since::overtaken(&self.run(tell), so_far).await;
        }
        self.unseen.set(seen.is_err());
        seen.map_err(|failure| {
            Failure::new("it cannot be seen whether somebody made a release since").because(failure)
        })
    }

    /// Takes a step back, more than once where that may help.
    async fn take_back(&self, step: Step, tell: &dyn Fn(Note)) -> Result<()> {
        if let Some(failure) = &self.astray
            && step != Step::Preflight
        {
            return Err(failure.clone());
        }
        let mut undone = self.run(tell).undo(step).await;
        for _ in 1..UNDO_TRIES {
            let Err(failure) = &undone else { break };
            if !may_pass(failure) || !self.host.is_back().await {
                break;
            }
            let text = format!("trying again: {failure}");
            tell(Note::Warned { text });
            undone = self.run(tell).undo(step).await;
        }
        undone
    }

    async fn finish(&self, outcome: Outcome) -> Result<()> {
        let last = self.plan.steps().last().copied().unwrap_or(Step::Commit);
        if let Some(sampler) = self.sampler.take() {
            self.tell(last, Note::Downtime { ms: sampler.stop() });
        }
        let tell = |note| self.tell(last, note);
        fault!(here "tidy.before");
        let run = self.run(&tell);
        tidy::leavings(&run).await;
        match self.astray.clone().map_or(self.host.confirm().await, Err) {
            Ok(()) => tidy::up(&run, &outcome).await,
            Err(failure) => run.warn(format!("old backups were not looked at: {failure}")),
        }
        let then = tidy::Then::of(&outcome);
        if then == tidy::Then::Again {
            since::note_when_stuck(&run).await;
        }
        self.insist(Event::Finished { outcome })?;
        fault!(here "tidy.finished");
        if !self.journal.borrow().is_behind() {
            tidy::facts(self.dir, then);
        }
        fault!(here "tidy.after");
        self.lock.replace(None);
        Ok(())
    }

    /// An act within the run's deadline, unless the runner wants it back.
    async fn within(&self, act: impl Future<Output = Result<()>>, step: Step) -> Result<()> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        tokio::select! {
            biased;
            reason = self.cancelled(), if !step.follows_commit() => Err(reason),
            () = tokio::time::sleep(left) => Err(self.too_late()),
            result = act => result,
        }
    }

    async fn cancelled(&self) -> Failure {
        loop {
            if let Some(reason) = self.dir.word("cancel") {
                let reason = reason.trim();
                let reason = if reason.is_empty() {
                    "the runner was stopped"
                } else {
                    reason
                };
                return Failure::new("the run was cancelled")
                    .because(reason)
                    .of(FailureKind::Cancelled);
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    fn too_late(&self) -> Failure {
        Failure::new(format!(
            "the run did not end within {} s",
            self.plan.timeout
        ))
        .hint("raise `timeout`, or find out which step took so long in the timeline")
        .of(FailureKind::TimedOut)
    }

    /// From the first step that can interrupt the service, `health_url` is sampled; whether it
    /// answers at all is asked while the backup is made.
    async fn watch_downtime(&self, step: Step) {
        let Some(url) = &self.plan.checks.health_url else {
            return;
        };
        if step == Step::Backup {
            self.early.replace(Some(Early::ask(url.clone())));
        }
        if matches!(step, Step::Files | Step::Restore) && self.sampler.borrow().is_none() {
            let early = self.early.take();
            let sampler = Sampler::start(url.clone(), early).await;
            self.sampler.replace(sampler);
        }
    }

    /// The containers are in place again when this step is done.
    fn tell_sampler(&self, done: Step, switch: Step) {
        if done == switch
            && let Some(sampler) = &*self.sampler.borrow()
        {
            sampler.switched();
        }
    }

    fn run<'r>(&'r self, tell: &'r dyn Fn(Note)) -> Run<'r, H> {
        Run {
            plan: &self.plan,
            private: &self.private,
            host: self.host,
            dir: self.dir,
            lock: &self.lock,
            tell,
            changed: self.journal.borrow().history().has_changed_the_release(),
        }
    }

    /// Looks again for what must not be told.
    fn learn(&self) {
        let (here, stage) = (self.host.here(&self.plan.site), self.dir.stage());
        self.redactor.borrow_mut().learn(&self.plan, &here, &stage);
    }

    /// A note that cannot be written fails nothing: it is not what the run is for.
    fn tell(&self, step: Step, note: Note) {
        if let Note::Said { text } = note {
            let told = self.redactor.borrow_mut().hear(step, &text);
            return self.tell_said(told);
        }
        let note = self.redactor.borrow().note(note);
        let _ = self.append(Event::Note { step, note });
    }

    /// Tells lines that waited for the next, which is not to come any more.
    fn tell_rest(&self) {
        let told = self.redactor.borrow_mut().rest();
        self.tell_said(told);
    }

    fn tell_said(&self, told: Vec<(Step, String)>) {
        for (step, text) in told {
            let note = Note::Said { text };
            let _ = self.journal.borrow_mut().append(Event::Note { step, note });
        }
    }

    fn append(&self, event: Event) -> Result<()> {
        self.tell_rest();
        self.journal.borrow_mut().append(event)
    }

    /// On the way back, a full disk is no reason to stop.
    fn insist(&self, event: Event) -> Result<()> {
        self.tell_rest();
        self.journal.borrow_mut().insist(event)
    }
}

/// Says whether a failed undo may succeed when it is tried again: what has taken all its time has
/// been tried for long enough.
fn may_pass(failure: &Failure) -> bool {
    failure.kind == FailureKind::Failed
}

#[cfg(test)]
mod tests;
