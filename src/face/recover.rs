//! `landfall recover`: settles what an interrupted run left, asked by a person or by the boot.
//!
//! The exit code is the contract's, of the worst outcome among the settled runs. It refuses to know
//! how a run is settled.

use std::time::{Duration, Instant};

use crate::face::errand::Errand;
use crate::face::operator::{Shown, ask};
use crate::output::escaped::Escaped;
use crate::request::Request;
use crate::saga::again::Kept;
use crate::words::error::{Error, exit, exit_code};
use crate::words::event::{Outcome, Status};

/// How long a booting machine's engine may take to answer.
const BOOT: Duration = Duration::from_mins(5);
/// The pause between two questions to it.
const PAUSE: Duration = Duration::from_secs(2);

/// Who wants it settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// A person, now.
    Now,
    /// A person who keeps what runs.
    ToKeep,
    /// The machine, as soon as its engine answers after a boot.
    AtBoot,
}

/// Settles every run that has no end and nobody at work on it; for a person also the last run, if
/// its way back had failed.
pub async fn settle(request: &Request, when: When, shown: Shown<'_>) -> Result<u8, Error> {
    let errand = match when {
        When::ToKeep => return keep(request, shown).await,
        When::Now => Errand::SettleByHand,
        When::AtBoot => {
            await_engine(request).await?;
            Errand::Settle
        }
    };
    let value = ask(request, errand, &[]).await?;
    let outcomes: Vec<Outcome> = serde_json::from_value(value.clone()).unwrap_or_default();
    shown.tell(value, |all: &Vec<Outcome>| told(all))?;
    Ok(code(&outcomes))
}

/// Lets go of the run that could not be taken back, if there is one.
async fn keep(request: &Request, shown: Shown<'_>) -> Result<u8, Error> {
    let value = ask(request, Errand::Keep, &[]).await?;
    shown.tell(value, kept)
}

fn kept(kept: &Kept) -> String {
    let mut lines: Vec<String> = kept.settled.iter().flat_map(one).collect();
    lines.push(match &kept.kept {
        Some(id) => format!(
            "What runs is kept: the run {id} is not taken back any more, and the next deployment starts from what runs."
        ),
        None => "No run waits for a person, so there was nothing to keep.".into(),
    });
    let lines = lines.iter().map(|line| Escaped::line(line).to_string());
    lines.collect::<Vec<_>>().join("\n")
}

/// Waits until the engine answers, or has had its time.
async fn await_engine(request: &Request) -> Result<(), Error> {
    let begun = Instant::now();
    loop {
        match ask(request, Errand::Engine, &[]).await {
            Ok(_) => return Ok(()),
            Err(error) if begun.elapsed() > BOOT => return Err(error),
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}

fn told(outcomes: &[Outcome]) -> String {
    if outcomes.is_empty() {
        return "Nothing was left to settle.".into();
    }
    let lines = outcomes.iter().flat_map(one);
    let mut lines: Vec<String> = lines.map(|line| Escaped::line(&line).to_string()).collect();
    lines.push("`landfall history` tells how.".into());
    lines.join("\n")
}

/// How a run ended; where it could not be taken back, why not, and what to do.
fn one(outcome: &Outcome) -> Vec<String> {
    let cause = outcome.cause().map(|(_, cause)| format!(" ({cause})"));
    let (status, cause) = (outcome.status(), cause.unwrap_or_default());
    let Outcome::Stuck { undo, .. } = outcome else {
        return vec![format!("Settled an earlier run: {status}{cause}.")];
    };
    let first = format!("An earlier run could not be taken back: {status}{cause}.");
    let why = format!("Taking it back failed: {undo}");
    let hints = undo.hints.iter().map(|hint| format!("  to do: {hint}"));
    [first, why].into_iter().chain(hints).collect()
}

/// A run that had touched nothing leaves nothing to tell by a code.
fn code(outcomes: &[Outcome]) -> u8 {
    let codes = outcomes.iter().map(|outcome| match outcome.status() {
        Status::Refused => exit::OK,
        status => exit_code(status),
    });
    codes.max().unwrap_or(exit::OK)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::event::{Failure, Step};

    #[test]
    fn the_exit_code_is_that_of_the_worst_outcome() {
        let (cause, step) = (Failure::new("no"), Step::Up);
        let refused = Outcome::Refused {
            cause: cause.clone(),
            step,
        };
        let back = Outcome::RolledBack {
            cause: cause.clone(),
            step,
        };
        let undo = cause.clone();
        let stuck = Outcome::Stuck { cause, step, undo };
        assert_eq!(code(&[]), 0);
        assert_eq!(code(&[refused, Outcome::Deployed]), 0);
        assert_eq!(code(&[back.clone(), Outcome::Deployed]), 1);
        assert_eq!(code(&[stuck, back]), 3);
    }

    #[test]
    fn a_way_back_that_failed_is_told_with_its_reason_and_what_to_do() {
        let (cause, step) = (Failure::new("it answers 500"), Step::Up);
        let undo = Failure::new("no space left").hint("free some");
        let text = told(&[Outcome::Stuck { cause, step, undo }]);
        for part in ["it answers 500", "no space left", "to do: free some"] {
            assert!(text.contains(part), "{text}");
        }
    }

    #[test]
    fn a_containers_last_words_can_colour_and_command_nothing() {
        let cause = Failure::new("\u{1b}[31mred\n::warning::y");
        let step = Step::Up;
        let text = told(&[Outcome::RolledBack { cause, step }]);
        assert!(
            !text.contains('\u{1b}') && !text.contains("\n::warning"),
            "{text}"
        );
    }
}
