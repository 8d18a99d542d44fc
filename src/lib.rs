//! Landfall: Docker Compose deploys that land, or turn back.
//!
//! Data flows one way: inputs → [`plan::Plan`] → [`event::Record`]s → outputs.
//! `face` asks, `saga` decides, `host` and `remote` act, `output` tells.
//!
//! Only the proof of crash safety is tested optimised, without debug assertions. Nobody calls there:
//! without `face`, and without tests on a real server, all of the saga is compiled for one server
//! instead of two.

#[macro_use]
pub mod fault;

pub mod archive;
pub mod clean;
pub mod clock;
pub mod env_file;
pub mod error;
pub mod event;
#[cfg(any(not(test), debug_assertions))]
pub mod face;
pub mod host;
pub mod masks;
pub mod output;
pub mod plan;
pub mod reader;
pub mod registry;
pub mod remote;
pub mod report;
pub mod request;
pub mod saga;
pub mod secret;
pub mod shell;

/// Runs the binary: these arguments, the program's name first.
#[cfg(any(not(test), debug_assertions))]
pub fn run(args: impl IntoIterator<Item = std::ffi::OsString>) -> std::process::ExitCode {
    face::run(args, &face::agent::work::Shipped)
}
