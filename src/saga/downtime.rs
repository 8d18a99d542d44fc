//! Measures, on the server, how long `health_url` did not answer around a switch.
//!
//! It judges nothing: the checks are `Verify`'s.

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use reqwest::Client;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use crate::host::http;
use crate::words::plan::Expect;

/// How often the URL is asked.
const LOOK: Duration = Duration::from_millis(50);
/// An answer that takes this much longer than three usual ones was an interruption to whoever asked.
const SLOW: Duration = Duration::from_millis(200);
/// How long a first answer is waited for: a URL that takes longer measures nothing, and a release
/// that hangs is not to keep its successor waiting.
const PROMPT: Duration = Duration::from_secs(2);
/// An answer that is older than this does not say that the URL answers now.
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
    task: JoinHandle<()>,
}

/// The gaps so far, and the one that may be open.
#[derive(Debug, Clone, Copy)]
struct Gaps {
    closed: Duration,
    last_answer: Instant,
    missed: bool,
    /// What an application needs for its answers: the shortest time since they got slower last.
    usual: Duration,
}

impl Gaps {
    fn new(now: Instant, usual: Duration) -> Self {
        Self {
            closed: Duration::ZERO,
            last_answer: now,
            missed: false,
            usual,
        }
    }

    /// Takes in what became of one question.
    fn asked(&mut self, at: Instant, now: Instant, answered: bool) {
        if !answered {
            self.missed = true;
            return;
        }
        let took = now - at;
        let slow = took > self.slow();
        self.missed |= slow;
        // Once is an interruption; from then on it is how this application answers.
        self.usual = if slow { took } else { self.usual.min(took) };
        self.closed += self.open(now);
        self.last_answer = now;
        self.missed = false;
    }

    /// How long nothing has answered, if that is an interruption.
    fn open(&self, now: Instant) -> Duration {
        let gap = now - self.last_answer;
        if self.missed || gap > LOOK * 2 + self.slow() {
            gap
        } else {
            Duration::ZERO
        }
    }

    fn slow(&self) -> Duration {
        SLOW + 3 * self.usual
    }
}

impl Sampler {
    /// Begins to ask; `None` when nothing answers there now, so that nothing can be interrupted.
    pub async fn start(url: String, early: Option<Early>) -> Option<Self> {
        let first = tokio::time::timeout(PROMPT, first(&url, early)).await;
        let first = first.ok().flatten()?;
        let gaps = Rc::new(Cell::new(Gaps::new(Instant::now(), first.took)));
        let switched = Rc::new(Notify::new());
        let sampling = sample(first.client, url, Rc::clone(&gaps), Rc::clone(&switched));
        let task = tokio::task::spawn_local(sampling);
        Some(Self {
            gaps,
            switched,
            task,
        })
    }

    /// Says that the containers have been replaced.
    pub fn switched(&self) {
        self.switched.notify_one();
    }

    /// Ends the asking; milliseconds without an answer in all, a gap that is still open included.
    #[must_use]
    pub fn stop(self) -> u64 {
        let gaps = self.gaps.get();
        let total = gaps.closed + gaps.open(Instant::now());
        u64::try_from(total.as_millis()).unwrap_or(u64::MAX)
    }
}

impl Drop for Sampler {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// One question that is asked while there is other work, for [`Sampler::start`] to build on.
#[derive(Debug)]
pub struct Early(JoinHandle<Option<Answered>>);

impl Early {
    /// Asks once.
    #[must_use]
    pub fn ask(url: String) -> Self {
        Self(tokio::task::spawn_local(
            async move { Answered::by(&url).await },
        ))
    }
}

/// The early answer if it is fresh, or another.
async fn first(url: &str, early: Option<Early>) -> Option<Answered> {
    if let Some(Early(asking)) = early
        && let Ok(Some(early)) = asking.await
        && early.at.elapsed() < OLD
    {
        return Some(early);
    }
    Answered::by(url).await
}

/// A question that was answered.
#[derive(Debug)]
struct Answered {
    client: Client,
    at: Instant,
    took: Duration,
}

impl Answered {
    /// Asks; `None` without a good answer.
    async fn by(url: &str) -> Option<Self> {
        let client = http::client().ok()?;
        let begun = Instant::now();
        http::ask(&client, url, &Expect::default()).await.ok()?;
        Some(Self {
            client,
            at: Instant::now(),
            took: begun.elapsed(),
        })
    }
}

async fn sample(client: Client, url: String, total: Rc<Cell<Gaps>>, switched: Rc<Notify>) {
    loop {
        let at = Instant::now();
        let answer = http::ask_hedged(&client, &url, &Expect::default()).await;
        let mut gaps = total.get();
        gaps.asked(at, Instant::now(), answer.is_ok());
        total.set(gaps);
        if answer.is_err() {
            let _ = tokio::time::timeout(SILENCE, switched.notified()).await;
        }
        tokio::time::sleep(LOOK).await;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    const fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    /// Questions as (asked, answered or given up) in milliseconds, and whether there was an answer.
    fn gaps(start: Instant, questions: &[(u64, u64, bool)]) -> Gaps {
        paced(start, Duration::ZERO, questions)
    }

    /// The same where an answer usually takes its time.
    fn paced(start: Instant, usual: Duration, questions: &[(u64, u64, bool)]) -> Gaps {
        let mut gaps = Gaps::new(start, usual);
        for &(at, now, answered) in questions {
            gaps.asked(start + ms(at), start + ms(now), answered);
        }
        gaps
    }

    /// Answers so many questions, and refuses every other.
    async fn answers(questions: usize) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        tokio::task::spawn_local(async move {
            for _ in 0..questions {
                let (mut stream, _) = listener.accept().await.unwrap();
                let _ = stream.read(&mut [0; 1024]).await;
                let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
                stream.write_all(answer).await.unwrap();
            }
        });
        url
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_fresh_early_answer_is_enough_and_a_missing_one_is_asked_for_again() {
        let measured =
            async |url: String, early: Option<Early>| Sampler::start(url, early).await.is_some();
        let cases = async {
            let url = answers(1).await;
            let early = Early::ask(url.clone());
            assert!(
                measured(url.clone(), Some(early)).await,
                "its one answer counts"
            );
            assert!(!measured(url, None).await, "there is no other");
            let (silent, url) = (answers(0).await, answers(1).await);
            let early = Early::ask(silent);
            assert!(measured(url, Some(early)).await, "it answers by now");
        };
        tokio::task::LocalSet::new().run_until(cases).await;
    }

    #[test]
    fn answers_at_their_pace_are_no_interruption() {
        let start = Instant::now();
        let gaps = gaps(start, &[(50, 55, true), (105, 250, true), (300, 310, true)]);
        assert_eq!(gaps.closed + gaps.open(start + ms(360)), Duration::ZERO);
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_release_that_hangs_is_not_waited_for_and_measures_nothing() {
        let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", silent.local_addr().unwrap());
        let hangs = async {
            let start = Sampler::start(url.clone(), Some(Early::ask(url)));
            let started = tokio::time::timeout(PROMPT * 3 / 2, start).await;
            assert!(started.unwrap().is_none(), "given up in time");
        };
        tokio::task::LocalSet::new().run_until(hangs).await;
    }

    #[tokio::test(flavor = "current_thread")]
    async fn an_early_answer_that_is_old_is_asked_for_again() {
        let case = async {
            let url = answers(1).await;
            let mut answered = Answered::by(&url).await.unwrap();
            answered.at -= OLD;
            let early = Early(tokio::task::spawn_local(async { Some(answered) }));
            assert!(Sampler::start(url, Some(early)).await.is_none());
        };
        tokio::task::LocalSet::new().run_until(case).await;
    }

    #[test]
    fn a_release_that_answers_slower_than_the_one_before_it_is_down_once_and_not_for_good() {
        let start = Instant::now();
        let slower = [
            (50, 55, true),
            (105, 505, true),
            (555, 955, true),
            (1005, 1405, true),
        ];
        assert_eq!(paced(start, ms(5), &slower).closed, ms(450));
    }

    #[test]
    fn an_application_that_is_always_slow_is_not_down_and_one_that_gets_slow_is() {
        let start = Instant::now();
        let slow = [(50, 450, true), (500, 900, true)];
        assert_eq!(paced(start, ms(400), &slow).closed, Duration::ZERO);
        let slower = [(50, 450, true), (500, 2000, true)];
        assert_eq!(paced(start, ms(400), &slower).closed, ms(1550));
        let quick_by_now = [(50, 55, true), (105, 400, true)];
        assert_eq!(paced(start, ms(400), &quick_by_now).closed, ms(345));
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
