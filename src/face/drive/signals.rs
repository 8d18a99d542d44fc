//! The signals that ask this program to stop.
//!
//! It refuses to know what is stopped, and what is done about it.

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::words::error::Error;
use crate::words::event::Failure;

/// Waits until a signal asks this program to stop.
pub async fn stopped() -> Error {
    match Signals::listen() {
        Ok(mut signals) => stopped_early(signals.next().await),
        Err(error) => error,
    }
}

/// The signals that ask a run to stop.
pub struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    /// Listens from here on.
    pub fn listen() -> Result<Self, Error> {
        let listen = |kind| {
            signal(kind).map_err(|e| {
                Error::Local(Failure::new("signals cannot be listened for").because(e))
            })
        };
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
        })
    }

    /// The name of the next one.
    pub async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.interrupt.recv() => "SIGINT",
            _ = self.terminate.recv() => "SIGTERM",
        }
    }
}

/// What a signal is to a run that has not begun.
pub fn stopped_early(name: &str) -> Error {
    Error::Local(Failure::new(format!(
        "stopped by {name} before anything was started"
    )))
}
