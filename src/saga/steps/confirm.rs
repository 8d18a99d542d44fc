//! Confirm: waits for the runner's word where its word is wanted. Silence is a no.
//!
//! The deadline is on disk before the runner hears of it, by a clock that nobody can set, and it is
//! asked before the word is: an agent that was stopped and wakes too late takes itself back.

use std::time::Duration;

use chrono::TimeDelta;

use crate::files::rundir::{RunDir, name};
use crate::host::Host;
use crate::saga::patience::Moment;
use crate::saga::steps::Run;
use crate::words::Result;
use crate::words::event::{Failure, FailureKind, Note};

/// How often the server looks for the word.
const LOOK: Duration = Duration::from_millis(50);

/// Waits until the runner confirms or denies, or until its time is up.
pub async fn act<H: Host>(run: &Run<'_, H>) -> Result<()> {
    if !run.plan.checks.await_the_runner() {
        return Ok(());
    }
    let patience = Duration::from_secs(run.plan.checks.health_timeout);
    let until = Moment::now().after(patience);
    run.dir.keep(name::DEADLINE, &until)?;
    let until = crate::clock::now() + TimeDelta::from_std(patience).unwrap_or_default();
    (run.tell)(Note::AwaitingRunner { until });
    word(run.dir, patience, Moment::now).await
}

/// The runner's word, as long as the deadline that is on disk has not passed on this clock.
async fn word(dir: &RunDir, patience: Duration, clock: impl Fn() -> Moment) -> Result<()> {
    loop {
        let until: Option<Moment> = dir.recall(name::DEADLINE)?;
        if until.is_none_or(|until| until.left(&clock()).is_none()) {
            return Err(too_late(dir, patience));
        }
        if let Some(reason) = dir.word("deny") {
            return Err(Failure::new("the runner's own checks failed").because(reason.trim()));
        }
        if dir.word("confirm").is_some() {
            return Ok(());
        }
        tokio::time::sleep(LOOK).await;
    }
}

fn too_late(dir: &RunDir, patience: Duration) -> Failure {
    let seconds = patience.as_secs();
    let what = match dir.word("confirm") {
        Some(_) => format!(
            "the server saw the runner's word only after the {seconds} s that it waits for it"
        ),
        None => {
            format!("the runner said nothing for {seconds} s after the server's checks had passed")
        }
    };
    Failure::new(what)
        .because("a release that waits for the runner's word is taken back without it")
        .hint("raise `health_timeout` if the runner's own checks take longer")
        .of(FailureKind::TimedOut)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::cell::Cell;
    use std::fs;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(30);

    fn scene() -> (tempfile::TempDir, RunDir) {
        let state = tempfile::tempdir().unwrap();
        let dir = RunDir::of(state.path(), "r");
        fs::create_dir_all(dir.path()).unwrap();
        let until = Moment::now().after(PATIENCE);
        dir.keep(name::DEADLINE, &until).unwrap();
        (state, dir)
    }

    fn say(dir: &RunDir, word: &str) {
        fs::write(dir.path().join(format!("word-{word}")), "why").unwrap();
    }

    #[tokio::test(flavor = "current_thread")]
    async fn silence_until_the_deadline_is_a_no() {
        let (_state, dir) = scene();
        let (begun, looks) = (Moment::now(), Cell::new(0));
        let clock = || {
            looks.set(looks.get() + 1);
            begun.after(Duration::from_secs(10 * looks.get()))
        };
        let failure = word(&dir, PATIENCE, clock).await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::TimedOut);
        assert!(failure.what.contains("said nothing for 30 s"), "{failure}");
        assert_eq!(looks.get(), 3, "it gave up before its time, or late");
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_word_in_time_is_heard() {
        let (_state, dir) = scene();
        say(&dir, "confirm");
        word(&dir, PATIENCE, Moment::now).await.unwrap();
        say(&dir, "deny");
        let failure = word(&dir, PATIENCE, Moment::now).await.unwrap_err();
        assert_eq!(failure.because, ["why"]);
    }

    #[tokio::test(flavor = "current_thread")]
    async fn an_agent_that_wakes_behind_the_deadline_takes_back_whatever_was_said_meanwhile() {
        let (_state, dir) = scene();
        say(&dir, "confirm");
        let woken = || Moment::now().after(PATIENCE);
        let failure = word(&dir, PATIENCE, woken).await.unwrap_err();
        assert!(failure.what.contains("only after the 30 s"), "{failure}");
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_deadline_that_is_gone_from_the_disk_is_over() {
        let (_state, dir) = scene();
        say(&dir, "confirm");
        dir.forget(name::DEADLINE);
        assert!(word(&dir, PATIENCE, Moment::now).await.is_err());
    }
}
