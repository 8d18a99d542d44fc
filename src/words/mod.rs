//! The vocabulary: what will happen, what happened, what it amounts to, and what it may say.
//!
//! It does no input or output, and refuses to know who asks, who acts and who tells.

pub mod backup;
pub mod choices;
pub mod clean;
pub mod env_file;
pub mod error;
pub mod event;
pub mod line;
pub mod masks;
pub mod plan;
pub mod reader;
pub mod reference;
pub mod registry;
pub mod report;
pub mod secret;
pub mod shell;
pub mod wire;

/// What every act and look comes back with.
pub type Result<T> = std::result::Result<T, event::Failure>;

/// Hears what a command prints, a line at a time.
pub type Lines<'a> = &'a dyn Fn(&str);
