//! Landfall: Docker Compose deploys that land, or turn back.
//!
//! Data flows one way: inputs → [`words::plan::Plan`] → [`words::event::Record`]s → outputs.
//! `face` asks, `saga` decides, `host` and `remote` act, `output` tells.
//!
//! Only the proof of crash safety is tested optimised, without debug assertions. Nobody calls there:
//! without `face`, and without tests on a real server, all of the saga is compiled for one server
//! instead of two.

#[macro_use]
pub mod fault;

pub mod clock;
#[cfg(any(not(test), debug_assertions))]
pub mod face;
pub mod files;
pub mod host;
pub mod output;
pub mod remote;
pub mod request;
#[cfg(test)]
mod rooms;
pub mod saga;
pub mod words;

/// Runs the binary: these arguments, the program's name first.
#[cfg(any(not(test), debug_assertions))]
pub fn run(args: impl IntoIterator<Item = std::ffi::OsString>) -> std::process::ExitCode {
    face::run(args, &face::agent::work::Shipped)
}
