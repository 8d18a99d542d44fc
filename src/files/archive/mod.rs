//! Backups: a plain tar.gz of the deploy directory with its description beside it.
//!
//! It refuses to know Docker: what ran is told to it, and it writes it down.

pub mod catalogue;
pub mod choice;
mod frame;
mod gather;
pub mod lineage;
pub mod manifest;
pub mod naming;
mod pipe;
mod read;
pub mod restore;
pub mod retention;
mod sequence;
pub mod space;
mod squeeze;
#[cfg(test)]
mod tests;
pub mod verify;
pub mod write;
