//! Measures, on the server, how long `health_url` did not answer around a switch.
//!
//! It judges nothing: the checks are `Verify`'s.

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;

use crate::host::http;
use crate::plan::Expect;

/// How often the URL is asked.
const LOOK: Duration = Duration::from_millis(50);
/// An answer that takes longer than this was an interruption to whoever asked.
const SLOW: Duration = Duration::from_millis(200);
/// A first answer that is older than this is asked for again before anything is measured.
const OLD: Duration = Duration::from_secs(1);
/// The longest silence after a question that nobody answered.
const SILENCE: Duration = Duration::from_secs(3);

/// A task that asks a URL again and again and adds up the gaps between its answers.
///
/// Once nothing answers it is silent until [`Sampler::switched`]: a question to a container whose
/// network is only coming up makes the kernel wait a second before it looks for it again, so
/// asking would lengthen what is measured.
pub struct Sampler {
    gaps: Rc<Cell<Gaps>>,
    switched: Rc<Notify>,
    wanted: Rc<Notify>,
    first: Option<oneshot::Receiver<bool>>,
    task: JoinHandle<()>,
}

/// The gaps so far, and the one that may be open.
#[derive(Debug, Clone, Copy)]
struct Gaps {
    closed: Duration,
    last_answer: Instant,
    missed: bool,
}

impl Gaps {
    fn new(now: Instant) -> Self {
        Self {
            closed: Duration::ZERO,
            last_answer: now,
            missed: false,
        }
    }

    /// Takes in what became of one question.
    fn asked(&mut self, at: Instant, now: Instant, answered: bool) {
        if !answered {
            self.missed = true;
            return;
        }
        if now - at > SLOW {
            self.missed = true;
        }
        self.closed += self.open(now);
        self.last_answer = now;
        self.missed = false;
    }

    /// How long nothing has answered, if that is an interruption.
    fn open(&self, now: Instant) -> Duration {
        let gap = now - self.last_answer;
        if self.missed || gap > LOOK * 2 + SLOW {
            gap
        } else {
            Duration::ZERO
        }
    }
}

impl Sampler {
    /// Asks a first time, and no more before [`Sampler::is_answered`].
    #[must_use]
    pub fn start(url: String) -> Self {
        let gaps = Rc::new(Cell::new(Gaps::new(Instant::now())));
        let (switched, wanted) = (Rc::new(Notify::new()), Rc::new(Notify::new()));
        let (answered, first) = oneshot::channel();
        let sampling = Sampling {
            url,
            gaps: Rc::clone(&gaps),
            switched: Rc::clone(&switched),
            wanted: Rc::clone(&wanted),
        };
        Self {
            gaps,
            switched,
            wanted,
            first: Some(first),
            task: tokio::task::spawn_local(sampling.run(answered)),
        }
    }

    /// Begins to measure, after a first answer that is not old; `false` when there is none, so
    /// that nothing can be interrupted.
    pub async fn is_answered(&mut self) -> bool {
        self.wanted.notify_one();
        match self.first.take() {
            Some(first) => first.await.unwrap_or(false),
            None => true,
        }
    }

    /// Says that the containers have been replaced.
    pub fn switched(&self) {
        self.switched.notify_one();
    }

    /// Ends the asking; milliseconds without an answer in all, a gap that is still open included,
    /// or none where the first answer was never waited for: nothing was going to interrupt it.
    #[must_use]
    pub fn stop(self) -> Option<u64> {
        if self.first.is_some() {
            return None;
        }
        let gaps = self.gaps.get();
        let total = gaps.closed + gaps.open(Instant::now());
        Some(u64::try_from(total.as_millis()).unwrap_or(u64::MAX))
    }
}

impl Drop for Sampler {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What the task has of its sampler.
struct Sampling {
    url: String,
    gaps: Rc<Cell<Gaps>>,
    switched: Rc<Notify>,
    wanted: Rc<Notify>,
}

impl Sampling {
    async fn run(self, answered: oneshot::Sender<bool>) {
        let Ok(client) = http::client() else { return };
        let expect = Expect::default();
        let mut first = http::ask(&client, &self.url, &expect).await;
        let at = Instant::now();
        self.wanted.notified().await;
        if first.is_err() || at.elapsed() > OLD {
            first = http::ask(&client, &self.url, &expect).await;
        }
        self.gaps.set(Gaps::new(Instant::now()));
        let _ = answered.send(first.is_ok());
        loop {
            let at = Instant::now();
            let answer = http::ask_hedged(&client, &self.url, &expect).await;
            let mut gaps = self.gaps.get();
            gaps.asked(at, Instant::now(), answer.is_ok());
            self.gaps.set(gaps);
            if answer.is_err() {
                let _ = tokio::time::timeout(SILENCE, self.switched.notified()).await;
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    /// Questions as (asked, answered or given up) in milliseconds, and whether there was an answer.
    fn gaps(start: Instant, questions: &[(u64, u64, bool)]) -> Gaps {
        let mut gaps = Gaps::new(start);
        for &(at, now, answered) in questions {
            gaps.asked(start + ms(at), start + ms(now), answered);
        }
        gaps
    }

    #[tokio::test(flavor = "current_thread")]
    async fn nothing_is_told_of_what_did_not_answer_or_was_not_going_to_be_interrupted() {
        let local = tokio::task::LocalSet::new();
        let silent = "http://127.0.0.1:1/".to_owned();
        local
            .run_until(async {
                let sampler = Sampler::start(silent.clone());
                assert_eq!(sampler.stop(), None, "nobody waited for an answer");
                let mut sampler = Sampler::start(silent);
                assert!(!sampler.is_answered().await, "nothing listens there");
            })
            .await;
    }

    #[test]
    fn answers_at_their_pace_are_no_interruption() {
        let start = Instant::now();
        let gaps = gaps(start, &[(50, 55, true), (105, 250, true), (300, 310, true)]);
        assert_eq!(gaps.closed + gaps.open(start + ms(360)), Duration::ZERO);
    }

    #[test]
    fn a_refused_question_makes_even_a_short_gap_count() {
        let start = Instant::now();
        let gaps = gaps(
            start,
            &[(50, 50, true), (100, 101, false), (150, 152, true)],
        );
        assert_eq!(gaps.closed, ms(102));
    }

    #[test]
    fn a_slow_answer_counts_from_the_answer_before_it() {
        let start = Instant::now();
        assert_eq!(gaps(start, &[(50, 300, true)]).closed, ms(300));
    }

    #[test]
    fn a_gap_that_is_open_when_the_run_ends_counts() {
        let start = Instant::now();
        let gaps = gaps(start, &[(50, 50, true), (100, 101, false)]);
        assert_eq!(gaps.open(start + ms(1050)), ms(1000));
    }
}
