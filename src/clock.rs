//! The clock on the wall, as the agent asks it: in one place.
//!
//! Somebody may set it back at any moment, so nothing is ordered or waited by it: deadlines use
//! monotonic clocks, and what came after what is counted. It refuses to know what it is asked for.

use chrono::{DateTime, Utc};

/// What the clock says. A build for fault tests adds what a test says it was set by.
#[must_use]
pub fn now() -> DateTime<Utc> {
    #[cfg(feature = "faults")]
    return Utc::now() + crate::fault::clock_set_by();
    #[cfg(not(feature = "faults"))]
    Utc::now()
}
