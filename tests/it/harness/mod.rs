//! What every scene stands on: a leased server, an application on it, ways to run Landfall, and an
//! oracle that looks for itself.
//!
//! Nothing in here calls Landfall's own code: a fault in it must not hide itself.

pub mod act;
pub mod app;
pub mod company;
pub mod compose;
pub mod done;
pub mod http;
pub mod inside;
pub mod neighbours;
pub mod oracle;
pub mod poll;
pub mod runner;
pub mod slack;
pub mod slot;
pub mod snoop;
pub mod whole;
