//! The release that runs: recorded, compared, brought back, and who in it spoiled a step.
//!
//! What several steps share lies here. It refuses to know which step asks, and decides nothing
//! about the run.

pub mod advice;
pub mod aside;
pub mod causes;
pub mod compare;
pub mod data;
pub mod deployed;
pub mod deviations;
pub mod drift;
pub mod endless;
pub mod generation;
pub mod health;
pub mod held;
pub mod hooks;
pub mod joined;
pub mod left_behind;
pub mod leftovers;
pub mod maker;
pub mod mounts;
pub mod named;
pub mod names;
pub mod networks;
pub mod nothing;
pub mod orphans;
pub mod others;
pub mod pathless;
pub mod predecessors;
pub mod project;
pub mod reassert;
pub mod record;
pub mod strangers;
pub mod unpublished;
pub mod witness;
