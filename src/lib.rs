//! Landfall: Docker Compose deploys that land, or turn back.
//!
//! Data flows one way: inputs → [`plan::Plan`] → [`event::Record`]s → outputs.
//! `face` asks, `saga` decides, `host` and `remote` act, `output` tells.

pub mod archive;
pub mod error;
pub mod event;
pub mod face;
pub mod plan;
pub mod remote;
pub mod secret;

/// Runs the binary: these arguments, the program's name first.
pub fn run(args: impl IntoIterator<Item = std::ffi::OsString>) -> std::process::ExitCode {
    face::run(args, &NoWork)
}

/// The work of an agent until there is any: it refuses.
struct NoWork;

impl face::agent::Work for NoWork {
    async fn run(
        &self,
        _: plan::Plan,
        _: plan::Private,
        _: remote::rundir::RunDir,
    ) -> std::process::ExitCode {
        std::process::ExitCode::from(error::exit::REFUSED)
    }

    async fn look(
        &self,
        _: &std::path::Path,
        what: &str,
        _: &[String],
    ) -> Result<serde_json::Value, event::Failure> {
        Err(event::Failure::new(format!(
            "the agent cannot look at `{what}`"
        )))
    }
}
