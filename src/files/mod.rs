//! Files: trees, their backups, and what others may have put in their place.
//!
//! It refuses to know Docker: what ran is told to it, and it writes it down.

pub mod archive;
pub mod disk;
pub mod foreign;
pub mod generation;
pub mod rundir;
pub mod tail;
pub mod tree;
