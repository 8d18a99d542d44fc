//! Waits that look again and again until a deadline, and say in the end what they waited for.
//!
//! It refuses to know what is looked at.

use std::fmt::Display;
use std::thread;
use std::time::{Duration, Instant};

/// How often a wait looks.
const LOOK: Duration = Duration::from_millis(50);

/// Looks until there is something to see; panics at the deadline.
#[track_caller]
pub fn until<T>(what: impl Display, within: Duration, mut look: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(
            start.elapsed() < within,
            "waited {} s in vain for {what}",
            within.as_secs()
        );
        thread::sleep(LOOK);
    }
}

/// Whole seconds.
pub const fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}
