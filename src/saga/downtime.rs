//! Measures, on the server, how long `health_url` did not answer around a switch.
//!
//! It judges nothing: the checks are `Verify`'s.

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::task::JoinHandle;

use crate::host::http;
use crate::plan::Expect;

/// How often the URL is asked.
const LOOK: Duration = Duration::from_millis(50);
/// An answer that takes longer than this was an interruption to whoever asked.
const SLOW: Duration = Duration::from_millis(200);

/// A task that asks a URL again and again and adds up the gaps between its answers.
pub struct Sampler {
    gaps: Rc<Cell<Duration>>,
    task: JoinHandle<()>,
}

impl Sampler {
    /// Begins to ask; `None` when nothing answers there now, so that nothing can be interrupted.
    pub async fn start(url: String) -> Option<Self> {
        let client = http::client().ok()?;
        http::ask(&client, &url, &Expect::default()).await.ok()?;
        let gaps = Rc::new(Cell::new(Duration::ZERO));
        let total = Rc::clone(&gaps);
        let task = tokio::task::spawn_local(async move {
            let mut last_answer = Instant::now();
            loop {
                let asked = Instant::now();
                let answer = http::ask_hedged(&client, &url, &Expect::default()).await;
                if answer.is_ok() {
                    let gap = last_answer.elapsed();
                    if gap > LOOK * 2 + SLOW || asked.elapsed() > SLOW {
                        total.set(total.get() + gap);
                    }
                    last_answer = Instant::now();
                }
                tokio::time::sleep(LOOK).await;
            }
        });
        Some(Self { gaps, task })
    }

    /// Ends the asking; milliseconds without an answer in all.
    #[must_use]
    pub fn stop(self) -> u64 {
        u64::try_from(self.gaps.get().as_millis()).unwrap_or(u64::MAX)
    }
}

impl Drop for Sampler {
    fn drop(&mut self) {
        self.task.abort();
    }
}
