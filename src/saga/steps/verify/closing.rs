//! How the judging ends: each check is told with its last word, and the failure names the cause.
//!
//! It refuses to know how long anybody had patience, and what becomes of the run.

use std::collections::BTreeSet;
use std::time::Duration;

use super::docket::{self, Word};
use super::{Court, ports};
use crate::host::http::silence;
use crate::host::{Container, Host, ailment};
use crate::saga::release::witness;
use crate::words::event::Failure;

/// How long a test may take that is made once more after a service has failed for good: every
/// second of it is one more until the old release serves again.
const LAST: Duration = Duration::from_secs(1);

/// Why the judging ended without a pass.
pub enum End {
    /// Not all passed within this time.
    Late(Duration),
    /// Something is beyond repair.
    Final,
    /// All had passed, and something stopped to; when.
    Fell(String),
    /// The checks could not be made.
    Broke(Failure),
}

impl From<Failure> for End {
    fn from(failure: Failure) -> Self {
        Self::Broke(failure)
    }
}

impl<H: Host> Court<'_, H> {
    /// Tells each check that does not pass with its last word, and what the guilty printed; the
    /// failure that all of it comes to.
    pub(super) async fn close(&self, end: End) -> Failure {
        let containers = self.containers().await.unwrap_or_default();
        if matches!(end, End::Final) {
            // Whoever mends the service wants to know what else would not pass.
            self.make_tests(&containers, Some(LAST)).await;
        }
        self.explain_ports(&containers).await;
        let failure = self.failure(end);
        let docket = self.docket.borrow().clone();
        for (at, entry) in docket.iter().enumerate() {
            if !matches!(entry.word, Some(Word::Passed(_))) {
                self.tell(at, false);
            }
        }
        let lines = self.tell_logs(&containers).await;
        ailment::explained(failure, &lines)
    }

    fn failure(&self, end: End) -> Failure {
        let docket = self.docket.borrow();
        let led = || docket::lead(&docket);
        match end {
            End::Broke(failure) => failure,
            End::Late(patience) => docket::too_late(&docket, patience),
            End::Fell(when) => led().map_or_else(
                || Failure::new("a check stopped to pass").because(&when),
                |(failure, _, others)| {
                    docket::with_others(failure.because(&when), &others).hint(docket::LAST_LINES)
                },
            ),
            End::Final => led().map_or_else(
                || Failure::new("a service is beyond repair"),
                |(failure, _, _)| failure.hint(docket::LAST_LINES),
            ),
        }
    }

    /// Lists the ports that are published where a test asks one at which nobody listens.
    async fn explain_ports(&self, containers: &[Container]) {
        let is_refused = |word: &Option<Word>| match word {
            Some(Word::Not(failure, _)) => silence::is_refused(failure),
            _ => false,
        };
        if !self.docket.borrow().iter().any(|e| is_refused(&e.word)) {
            return;
        }
        let Ok(occupants) = self.run.host.occupants().await else {
            return;
        };
        let published = ports::published(containers, &occupants);
        let mut docket = self.docket.borrow_mut();
        let declared = docket.iter_mut().skip(self.services.len());
        for (entry, test) in declared.zip(&self.tests) {
            if let (true, Some(port)) = (is_refused(&entry.word), ports::asked(&test.probe))
                && let Some(Word::Not(failure, _)) = &mut entry.word
            {
                *failure = ports::advised(failure.clone(), port, &published);
            }
        }
    }

    /// Tells what the guilty services printed last; without a culprit, those that restarted, and
    /// if none did, what all of them printed. The lines.
    async fn tell_logs(&self, containers: &[Container]) -> Vec<String> {
        let restarted = containers.iter().filter(|c| c.restarts > 0);
        let restarted = restarted.map(|c| c.service.clone());
        let own = |service: &String| self.services.contains(service);
        let mut guilty = self.guilty.borrow().clone();
        if guilty.is_empty() {
            guilty = restarted.filter(own).collect::<BTreeSet<_>>();
        }
        let told = |c: &Container| {
            if guilty.is_empty() {
                own(&c.service)
            } else {
                guilty.contains(&c.service)
            }
        };
        witness::tell_logs(self.run, &self.project, told).await
    }
}
