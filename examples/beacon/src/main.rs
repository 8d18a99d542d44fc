//! A small application to be deployed: it says which version of it runs, and
//! misbehaves when told to. It refuses to know who deploys it, and how.

mod behaviour;
mod check;
mod data;
mod identity;
mod serve;

use std::io;
use std::process::ExitCode;

use behaviour::Behaviour;

fn main() -> ExitCode {
    match run(std::env::args().nth(1).as_deref()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("beacon: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(verb: Option<&str>) -> io::Result<()> {
    match verb {
        None => serve::serve(Behaviour::from_env()?),
        Some("check") => check::check(),
        Some("migrate") => migrate(Behaviour::from_env()?),
        Some(other) => Err(io::Error::other(format!(
            "there is no verb `{other}`; take `check`, `migrate` or none"
        ))),
    }
}

fn migrate(behaviour: Behaviour) -> io::Result<()> {
    if behaviour == Behaviour::MigrateFails {
        return Err(io::Error::other("the migration failed, as it was told to"));
    }
    eprintln!("beacon: migrated to {}", identity::version());
    Ok(())
}

/// The port on which the application listens and asks itself.
fn port() -> u16 {
    std::env::var("PORT")
        .ok()
        .and_then(|port| port.parse().ok())
        .unwrap_or(8000)
}
