//! Healthchecks asked by exec: Docker runs one an interval after the start at the earliest, and its
//! own command can be asked as soon as the container runs.
//!
//! It refuses to know what becomes of the word.

use std::time::{Duration, Instant};

use futures_util::future::join_all;

use super::Court;
use crate::host::{Container, Health, HealthStatus, Host, State};

/// The pause before a command that failed is run again, while Docker has no word yet: an application
/// most often needs little more than the first, and some need long.
const VOUCH: Duration = Duration::from_millis(100);
const VOUCH_AT_MOST: Duration = Duration::from_secs(1);
/// How long a command may take before only Docker's word counts.
const VOUCH_PATIENCE: Duration = Duration::from_secs(5);

/// When a healthcheck's command is to be run by exec again, and the pause after that.
pub(super) struct Due {
    at: Instant,
    pause: Duration,
}

impl Due {
    /// After one more failure.
    fn again(last: Option<&Self>) -> Self {
        let pause = last.map_or(VOUCH, |due| due.pause);
        Self {
            at: Instant::now() + pause,
            pause: (2 * pause).min(VOUCH_AT_MOST),
        }
    }
}

impl<H: Host> Court<'_, H> {
    /// Docker runs a healthcheck an interval late; its own command may be asked at once.
    pub(super) async fn ask_healthchecks(&self, containers: &[Container]) {
        let starting = |h: &&Health| h.status == HealthStatus::Starting && !h.command.is_empty();
        let running = containers.iter().filter(|c| c.state == State::Running);
        let due = running
            .filter_map(|c| Some((c, c.health.as_ref().filter(starting)?)))
            .filter(|(c, _)| self.is_due(c));
        join_all(due.map(|(c, health)| self.ask_healthcheck(c, health))).await;
    }

    /// A command that hangs goes on in its container, so it is not asked a second time.
    async fn ask_healthcheck(&self, container: &Container, health: &Health) {
        let asked = self.run.host.exec(&container.id, &health.command);
        match tokio::time::timeout(VOUCH_PATIENCE, asked).await {
            Ok(Ok((0, _))) => {
                self.vouched.borrow_mut().insert(container.id.clone());
            }
            Ok(failed) => {
                let said = failed.map_or_else(|failure| failure.to_string(), |(_, text)| text);
                self.said.borrow_mut().insert(container.id.clone(), said);
                let mut due = self.due.borrow_mut();
                let again = Due::again(due.get(&container.id));
                due.insert(container.id.clone(), again);
            }
            Err(_) => {
                self.hanging.borrow_mut().insert(life(container));
            }
        }
    }

    fn is_due(&self, container: &Container) -> bool {
        let is_settled = self.vouched.borrow().contains(&container.id);
        if is_settled || self.hanging.borrow().contains(&life(container)) {
            return false;
        }
        let due = self.due.borrow();
        due.get(&container.id)
            .is_none_or(|due| due.at <= Instant::now())
    }
}

/// A container between two restarts: what hung in it ended with it.
fn life(container: &Container) -> String {
    format!("{} {}", container.id, container.restarts)
}
