//! The last word of every check, and what they come to in a person's terms.
//!
//! It refuses to know how a check is made, and whether a word is final.

use std::time::Duration;

use crate::host::judge::Verdict;
use crate::host::{Container, HealthStatus, ailment};
use crate::words::clean;
use crate::words::event::{Failure, FailureKind};

/// The longest line that tells what is waited for, in characters.
const LINE: usize = 400;

/// Where the cause stands more often than anywhere else.
pub const LAST_LINES: &str = "look at what the services printed last";

/// How much a word tells; the headline goes to the one that tells the most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// Nothing but that it is not time yet.
    Waiting,
    /// Nobody answered.
    Silent,
    /// Somebody answered, and not as expected.
    Answered,
    /// It will not pass any more.
    Final,
}

/// The last word of a check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Word {
    /// It passes, and what was seen.
    Passed(String),
    /// It does not.
    Not(Failure, Weight),
}

/// A check of this run.
#[derive(Debug, Clone)]
pub struct Entry {
    /// A service, `health_url` or a test's name.
    pub name: String,
    /// `service`, `http`, `tcp`, `exec`.
    pub kind: &'static str,
    /// Whether it is a declared test, and no judgement of a deployed service.
    pub is_test: bool,
    /// What it said last; none while it was never made.
    pub word: Option<Word>,
}

impl Entry {
    /// A check that was not made yet.
    pub fn new(name: &str, kind: &'static str, is_test: bool) -> Self {
        Self {
            name: name.to_owned(),
            kind,
            is_test,
            word: None,
        }
    }

    /// Its failure in a person's terms, if it does not pass.
    fn failure(&self) -> Option<(Failure, Weight)> {
        let Some(Word::Not(failure, weight)) = &self.word else {
            return None;
        };
        let mut failure = failure.clone();
        failure.what = if self.is_test {
            format!("check `{}`: {}", self.name, failure.what)
        } else {
            format!("service `{}` {}", self.name, failure.what)
        };
        Some((failure, *weight))
    }

    /// What the table of checks says of one that does not pass.
    pub fn seen(&self) -> String {
        match &self.word {
            Some(Word::Passed(seen)) => seen.clone(),
            Some(Word::Not(failure, _)) => failure.to_string(),
            None => "was not asked, for the run ended before".into(),
        }
    }
}

/// What does not pass: the one that tells the most, and the others, in order.
pub fn lead(entries: &[Entry]) -> Option<(Failure, Weight, Vec<Failure>)> {
    let not = entries.iter().filter_map(Entry::failure);
    let mut not: Vec<_> = not.collect();
    let most = not.iter().map(|(_, weight)| *weight).max()?;
    let at = not.iter().position(|(_, weight)| *weight == most)?;
    let (failure, weight) = not.remove(at);
    Some((failure, weight, not.into_iter().map(|(f, _)| f).collect()))
}

/// What is waited for, in one line.
pub fn waiting(entries: &[Entry]) -> String {
    let not = entries.iter().filter_map(Entry::failure);
    let not: Vec<_> = not.map(|(failure, _)| failure.what).collect();
    match not.as_slice() {
        [] => "the checks have not come to an end".into(),
        all => clean::beginning(&all.join("; "), LINE),
    }
}

/// The failure of checks that did not all pass in time.
pub fn too_late(entries: &[Entry], patience: Duration) -> Failure {
    let patience = patience.as_secs();
    let failure = match lead(entries) {
        None => Failure::new("the checks have not come to an end")
            .because(format!("they did not pass within {patience} s")),
        Some((failure, weight, others)) => {
            let failure = failure.because(format!("it did not pass within {patience} s"));
            let failure = with_others(failure, &others);
            advised(failure, weight)
        }
    };
    failure.of(FailureKind::TimedOut)
}

/// A failure that names what else did not pass: mending the first is not the end then.
pub fn with_others(failure: Failure, others: &[Failure]) -> Failure {
    others.iter().fold(failure, |failure, other| {
        failure.because(format!("nor does this pass: {}", other.what))
    })
}

/// More time helps only where nobody has said no.
fn advised(failure: Failure, weight: Weight) -> Failure {
    let knows_better = !failure.hints.is_empty();
    let failure = failure.hint(LAST_LINES);
    if knows_better || weight >= Weight::Answered {
        return failure;
    }
    failure.hint("if the application only starts slowly, raise `health_timeout`")
}

/// A verdict in the docket's terms.
pub fn word(verdict: Verdict, container: Option<&Container>) -> Word {
    let because_of = |why: String| {
        let hints = container.map(ailment::hints).unwrap_or_default();
        hints.into_iter().fold(Failure::new(why), Failure::hint)
    };
    match verdict {
        Verdict::Passed(seen) => Word::Passed(seen),
        Verdict::Failed(why) => Word::Not(because_of(why), Weight::Final),
        Verdict::Pending(why) => {
            Word::Not(because_of(why), container.map_or(Weight::Waiting, weight))
        }
    }
}

/// How much it tells that a container is not as it should be yet. Whoever asks the application
/// itself knows more than a healthcheck that has had no time.
fn weight(container: &Container) -> Weight {
    let Some(health) = &container.health else {
        return if container.restarts > 0 {
            Weight::Answered
        } else {
            Weight::Waiting
        };
    };
    let cannot_pass = ailment::missing_command(&health.last_output).is_some();
    let is_unhealthy = health.status == HealthStatus::Unhealthy;
    if cannot_pass || is_unhealthy || container.restarts > 0 {
        Weight::Answered
    } else if health.last_output.trim().is_empty() {
        Weight::Waiting
    } else {
        Weight::Silent
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn not(name: &str, is_test: bool, failure: Failure, weight: Weight) -> Entry {
        Entry {
            word: Some(Word::Not(failure, weight)),
            ..Entry::new(name, "x", is_test)
        }
    }

    fn pending() -> Entry {
        let failure = Failure::new("is not healthy yet (its healthcheck runs every 30 s)");
        not("web", false, failure, Weight::Waiting)
    }

    #[test]
    fn what_answers_leads_before_a_healthcheck_that_has_no_word_yet() {
        let boom = Failure::new("answered 500").because("it said: boom");
        let silent = Failure::new("nothing listens at `localhost:6379` (connection refused)");
        let entries = [
            pending(),
            not("health_url", true, boom, Weight::Answered),
            not("redis", true, silent, Weight::Silent),
        ];
        let failure = too_late(&entries, Duration::from_secs(20));
        insta::assert_snapshot!(failure, @"check `health_url`: answered 500: it said: boom: it did not pass within 20 s: nor does this pass: service `web` is not healthy yet (its healthcheck runs every 30 s): nor does this pass: check `redis`: nothing listens at `localhost:6379` (connection refused)");
        assert_eq!(failure.hints, ["look at what the services printed last"]);
        insta::assert_snapshot!(waiting(&entries), @"service `web` is not healthy yet (its healthcheck runs every 30 s); check `health_url`: answered 500; check `redis`: nothing listens at `localhost:6379` (connection refused)");
    }

    #[test]
    fn more_time_is_advised_only_where_nobody_has_said_no() {
        let hints = too_late(&[pending()], Duration::from_secs(7)).hints;
        assert!(hints[1].contains("`health_timeout`"), "{hints:?}");
        let known = Failure::new("the name `web` has no address").hint("ask `localhost`");
        let entries = [not("health_url", true, known, Weight::Silent)];
        let hints = too_late(&entries, Duration::from_secs(7)).hints;
        assert_eq!(hints[0], "ask `localhost`");
        assert!(!hints.concat().contains("health_timeout"), "{hints:?}");
    }

    #[test]
    fn what_is_beyond_repair_leads_whatever_else_was_said() {
        let boom = Failure::new("answered 500");
        let dead = word(Verdict::Failed("exited with code 3".into()), None);
        let entries = [
            not("health_url", true, boom, Weight::Answered),
            Entry {
                word: Some(dead),
                ..Entry::new("worker", "service", false)
            },
        ];
        let led = lead(&entries).map(|(failure, _, others)| (failure.what, others.len()));
        assert_eq!(led, Some(("service `worker` exited with code 3".into(), 1)));
        assert_eq!(
            lead(&[Entry::new("web", "service", false)]).map(|l| l.1),
            None
        );
        assert_eq!(
            Entry::new("a", "tcp", true).seen(),
            "was not asked, for the run ended before"
        );
    }
}
