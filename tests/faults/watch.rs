//! Asks the application twenty times a second while a cell goes on.
//!
//! It refuses to know what happens meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::harness::app::App;
use super::harness::http;

/// A client that asks again and again.
pub struct Watch {
    stop: Arc<AtomicBool>,
    task: JoinHandle<Duration>,
}

impl Watch {
    /// Begins to ask on port 8000.
    pub fn of(app: &App) -> Self {
        let port = app.slot.fact("APP_PORT_8000").parse().unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let ends = Arc::clone(&stop);
        let task = thread::spawn(move || longest_gap(port, &ends));
        Self { stop, task }
    }

    /// The longest time without an answer.
    pub fn longest_gap(self) -> Duration {
        self.stop.store(true, Ordering::Relaxed);
        self.task.join().unwrap()
    }
}

fn longest_gap(port: u16, ends: &AtomicBool) -> Duration {
    let (mut last, mut longest) = (Instant::now(), Duration::ZERO);
    while !ends.load(Ordering::Relaxed) {
        if http::get(port, "/version").is_some_and(|(status, _)| status == 200) {
            longest = longest.max(last.elapsed());
            last = Instant::now();
        }
        thread::sleep(Duration::from_millis(50));
    }
    longest.max(last.elapsed())
}
