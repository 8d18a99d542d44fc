//! The action's `post-entrypoint`: after a main step that told no end, it settles and tells.
//!
//! It runs in a container of its own with the same inputs; what the main step left comes as
//! `STATE_…`. Outputs can no longer be set, so it writes to the log and the summary. It refuses to
//! know how a run is settled.

use std::ffi::OsString;
use std::path::Path;

use crate::face::{action, drive};
use crate::output::log::{Log, Style};
use crate::output::outputs::save_state;
use crate::output::paint::When;
use crate::output::{self, Sink};
use crate::request;
use crate::words::error::{exit, exit_code};
use crate::words::event::Status;
use crate::words::reader::Reader;
use crate::words::report::Report;

/// The name under which the binary is this face.
pub const NAME: &str = "landfall-post";

/// The state that names the run.
const RUN: &str = "run";
/// The state that says how it ended.
const END: &str = "end";
/// Inputs that name files of the workspace, which may be gone by now; settling needs none.
const OF_THE_WORKSPACE: [&str; 2] = ["INPUT_FILES", "INPUT_SMOKE_TESTS"];

/// Keeps for later which run the main step begins.
pub fn begins<W: std::io::Write>(id: &str, log: &mut Log<W>) {
    keep(RUN, id, log);
}

/// Keeps for later how it ended; an end that nobody knows is none.
pub fn ends<W: std::io::Write>(status: Status, log: &mut Log<W>) {
    if status != Status::Unknown {
        keep(END, status.word(), log);
    }
}

fn keep<W: std::io::Write>(name: &str, value: &str, log: &mut Log<W>) {
    let Some(file) = action::variable("GITHUB_STATE").filter(|file| !file.is_empty()) else {
        return;
    };
    if let Err(error) = save_state(Path::new(&file), &[(name, value.to_owned())]) {
        log.warn(&format!("`GITHUB_STATE` cannot be written: {error}"));
    }
}

/// Settles and tells what the main step could not.
pub async fn run() -> u8 {
    let Some(id) = untold(action::variable) else {
        return exit::OK;
    };
    let mut log = Log::to(std::io::stdout(), Style::Github, When::Auto);
    let vars = std::env::vars_os().filter(|(name, _)| is_needed(name));
    let origin = request::of_workflow(action::variable);
    let Ok(request) = request::from_environment(vars, &action::workspace()) else {
        log.warn(&format!(
            "the inputs cannot be read, so nobody asks how the run {id} ended"
        ));
        return exit::UNKNOWN;
    };
    let (plan, private) = request.plan(id, origin);
    log.mask(action::masks(&request, &plan, &private));
    log.reads(Reader::of_workflow(&request.site));
    log.say(&format!(
        "the main step told no end of the run {}; asking the server",
        plan.id
    ));
    let report = drive::take_up(&request, &plan, &mut log).await;
    let sinks = Sink::of_actions(action::variable).into_iter();
    let summary: Vec<Sink> = sinks.filter(|s| matches!(s, Sink::Summary(_))).collect();
    output::tell(&report, &summary, &mut log).await;
    code(&report)
}

/// The run that began and has no end.
fn untold(var: impl Fn(&str) -> Option<String>) -> Option<String> {
    let state = |name: &str| var(&format!("STATE_{name}")).filter(|value| !value.is_empty());
    state(RUN).filter(|_| state(END).is_none())
}

fn is_needed(name: &OsString) -> bool {
    !OF_THE_WORKSPACE.iter().any(|other| name == other)
}

/// The main step has failed the job already; what needs a person fails this step as well.
fn code(report: &Report) -> u8 {
    match report.status {
        Status::RollbackFailed | Status::Unknown => exit_code(report.status),
        _ => exit::OK,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_run_that_began_and_told_no_end_is_taken_up() {
        let told = |state: &[(&str, &str)]| {
            untold(|name| {
                let mut found = state.iter().filter(|(known, _)| *known == name);
                found.next().map(|(_, value)| (*value).to_owned())
            })
        };
        assert_eq!(told(&[]), None);
        assert_eq!(told(&[("STATE_run", "7")]).as_deref(), Some("7"));
        assert_eq!(told(&[("STATE_run", "7"), ("STATE_end", "deployed")]), None);
        assert_eq!(told(&[("STATE_run", "")]), None);
    }
}
