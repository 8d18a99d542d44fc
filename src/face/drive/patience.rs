//! How long this side waits for the end of a run beyond its `timeout`.
//!
//! `timeout` ends every act; the way back that follows has no deadline, so that nothing cuts it off.
//! This side has one all the same, from what is known to bound an honest way back. It refuses to
//! know what is told once it is over.

use std::time::Duration;

use crate::saga::release::compare;
use crate::words::plan::Plan;

/// A command that is cut off is ended, Compose and the engine come to rest, and an engine that
/// restarts is waited for: 20 s, 20 s and 90 s, none of them more often than once in a run that
/// comes to a good end.
const TO_REST: Duration = Duration::from_secs(130);

/// What a way back may take: it puts back what the way forth has replaced within `timeout`, and
/// what ran gets as long to be as it was as any release does.
pub fn way_back(plan: &Plan) -> Duration {
    let putting_back = Duration::from_secs(plan.timeout);
    putting_back + TO_REST + compare::patience(&plan.checks)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::plan::sample;

    #[test]
    fn a_way_back_may_take_as_long_as_the_way_forth_and_what_brings_the_old_release_to_rest() {
        let mut plan = sample::deploy();
        (plan.timeout, plan.checks.health_timeout) = (1800, 120);
        assert_eq!(way_back(&plan).as_secs(), 1800 + 130 + 120);
        (plan.timeout, plan.checks.health_timeout) = (20, 5);
        assert_eq!(way_back(&plan).as_secs(), 20 + 130 + 60);
    }
}
