//! A deadline that outlives its process: kept on disk as a boot and a moment of the boot-time clock.
//!
//! That clock runs on while the machine sleeps and a process is stopped, and nobody can set it. The
//! file refuses to know what is waited for.

use std::fs;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

/// A moment that is comparable within one boot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moment {
    /// Which boot, from `/proc/sys/kernel/random/boot_id`.
    boot: String,
    /// Milliseconds of `CLOCK_BOOTTIME`.
    ms: u64,
}

impl Moment {
    /// Now, on this machine.
    #[must_use]
    pub fn now() -> Self {
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        let clock = clock_gettime(ClockId::Boottime);
        let whole = u64::try_from(clock.tv_sec).unwrap_or_default() * 1000;
        let rest = u64::try_from(clock.tv_nsec).unwrap_or_default() / 1_000_000;
        Self {
            boot: boot.trim().to_owned(),
            ms: whole + rest,
        }
    }

    /// This much later in the same boot.
    #[must_use]
    pub fn after(&self, patience: Duration) -> Self {
        let more = u64::try_from(patience.as_millis()).unwrap_or(u64::MAX);
        Self {
            boot: self.boot.clone(),
            ms: self.ms.saturating_add(more),
        }
    }

    /// What is left until this moment; none once it is over, as it is after any other boot.
    #[must_use]
    pub fn left(&self, now: &Self) -> Option<Duration> {
        let same_boot = self.boot == now.boot;
        (same_boot && now.ms < self.ms).then(|| Duration::from_millis(self.ms - now.ms))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(boot: &str, ms: u64) -> Moment {
        let boot = boot.to_owned();
        Moment { boot, ms }
    }

    #[test]
    fn patience_ends_with_its_time_and_with_its_boot() {
        let until = at("a", 1_000).after(Duration::from_secs(2));
        assert_eq!(until.left(&at("a", 1_000)), Some(Duration::from_secs(2)));
        assert_eq!(until.left(&at("a", 2_999)), Some(Duration::from_millis(1)));
        assert_eq!(until.left(&at("a", 3_000)), None);
        assert_eq!(until.left(&at("b", 5)), None, "another boot");
    }

    #[test]
    fn the_machines_own_clock_runs_forward() {
        let then = Moment::now();
        assert!(!then.boot.is_empty());
        std::thread::sleep(Duration::from_millis(5));
        let now = Moment::now();
        assert_eq!(then.boot, now.boot);
        assert!(now.ms > then.ms);
    }
}
