//! Telling: records and reports to people and programs.

pub mod clean;
pub mod escaped;
pub mod json;
pub mod log;
pub mod markdown;
pub mod masks;
pub mod outputs;
pub mod progress;
pub mod slack;
pub mod summary;
pub mod timeline;
pub mod webhook;
