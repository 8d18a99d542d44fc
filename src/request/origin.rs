//! Who asked for a run, and why: for messages alone, so nothing here can fail.
//!
//! It refuses to know what is done with it. Texts of others (a commit's title) are cut to one
//! line without control characters.

use std::path::Path;

use serde_json::Value;

use crate::words::plan::Origin;

/// The variable that says who typed it, where another user carries it out.
pub const ASKED_BY: &str = "LANDFALL_ASKED_BY";

/// The origin of a run that a workflow started, from its `GITHUB_…` variables and event file.
#[must_use]
pub fn of_workflow(var: impl Fn(&str) -> Option<String>) -> Origin {
    let var = |name: &str| var(name).filter(|value| !value.is_empty());
    let event = var("GITHUB_EVENT_PATH").map_or(Value::Null, |path| event(Path::new(&path)));
    let (title, author) = commit(&event);
    Origin {
        actor: var("GITHUB_ACTOR"),
        repository: var("GITHUB_REPOSITORY"),
        commit: text(&event, "/pull_request/head/sha").or_else(|| var("GITHUB_SHA")),
        commit_title: title,
        commit_author: author,
        run_url: run_url(&var),
        ..Origin::default()
    }
}

/// The origin of a run that a person started on a machine.
#[must_use]
pub fn of_operator(var: impl Fn(&str) -> Option<String>) -> Origin {
    let user = [ASKED_BY, "SUDO_USER", "USER", "LOGNAME"]
        .iter()
        .find_map(|name| var(name).filter(|user| !user.is_empty()))
        .unwrap_or_else(|| "somebody".to_owned());
    let uname = rustix::system::uname();
    let machine = uname.nodename().to_string_lossy();
    Origin {
        actor: Some(one_line(&format!("{user}@{machine}"))),
        ..Origin::default()
    }
}

fn event(path: &Path) -> Value {
    std::fs::read(path)
        .ok()
        .and_then(|bytes| serde_json::from_slice(&bytes).ok())
        .unwrap_or_default()
}

/// A push knows its commit; a pull request, a release and a finished workflow know theirs.
fn commit(event: &Value) -> (Option<String>, Option<String>) {
    let places = [
        ("/head_commit/message", "/head_commit/author/name"),
        (
            "/workflow_run/head_commit/message",
            "/workflow_run/head_commit/author/name",
        ),
        ("/pull_request/title", "/pull_request/user/login"),
        ("/release/name", "/release/author/login"),
        ("/release/tag_name", "/release/author/login"),
    ];
    places
        .into_iter()
        .find_map(|(title, author)| Some((Some(text(event, title)?), text(event, author))))
        .unwrap_or_default()
}

fn text(event: &Value, pointer: &str) -> Option<String> {
    let text = one_line(event.pointer(pointer)?.as_str()?);
    (!text.is_empty()).then_some(text)
}

fn one_line(text: &str) -> String {
    const LONGEST: usize = 200;
    let line = text.trim_start().lines().next().unwrap_or_default();
    line.chars()
        .filter(|c| !c.is_control())
        .take(LONGEST)
        .collect::<String>()
        .trim_end()
        .to_owned()
}

fn run_url(var: &impl Fn(&str) -> Option<String>) -> Option<String> {
    let (repository, run) = (var("GITHUB_REPOSITORY")?, var("GITHUB_RUN_ID")?);
    let server = var("GITHUB_SERVER_URL").unwrap_or_else(|| "https://github.com".to_owned());
    let attempt = var("GITHUB_RUN_ATTEMPT")
        .filter(|attempt| attempt != "1")
        .map_or_else(String::new, |attempt| format!("/attempts/{attempt}"));
    Some(format!("{server}/{repository}/actions/runs/{run}{attempt}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn origin(event: &str, vars: &[(&str, &str)]) -> Origin {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("event.json");
        std::fs::write(&path, event).unwrap();
        of_workflow(|name| match name {
            "GITHUB_EVENT_PATH" => Some(path.display().to_string()),
            _ => vars
                .iter()
                .find(|(known, _)| *known == name)
                .map(|(_, value)| (*value).to_owned()),
        })
    }

    const VARS: &[(&str, &str)] = &[
        ("GITHUB_ACTOR", "mona"),
        ("GITHUB_REPOSITORY", "acme/app"),
        ("GITHUB_SHA", "0123"),
        ("GITHUB_RUN_ID", "42"),
        ("GITHUB_RUN_ATTEMPT", "2"),
        ("GITHUB_SERVER_URL", "https://ghe.example"),
    ];

    #[test]
    fn a_push_tells_its_commit_in_one_line() {
        let event =
            r#"{"head_commit":{"message":"Land\u001b[0m it\n\nBody","author":{"name":"Mona"}}}"#;
        insta::assert_debug_snapshot!(origin(event, VARS), @r#"
        Origin {
            environment: "",
            url: None,
            actor: Some(
                "mona",
            ),
            repository: Some(
                "acme/app",
            ),
            commit: Some(
                "0123",
            ),
            commit_title: Some(
                "Land[0m it",
            ),
            commit_author: Some(
                "Mona",
            ),
            run_url: Some(
                "https://ghe.example/acme/app/actions/runs/42/attempts/2",
            ),
        }
        "#);
    }

    #[test]
    fn other_events_tell_what_they_know() {
        let told = |event| {
            let origin = origin(event, VARS);
            (origin.commit_title, origin.commit_author, origin.commit)
        };
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(
            told(
                r#"{"pull_request":{"title":"Fix","user":{"login":"hubot"},"head":{"sha":"ff"}}}"#
            ),
            (some("Fix"), some("hubot"), some("ff"))
        );
        assert_eq!(
            told(r#"{"release":{"name":"","tag_name":"v1","author":{"login":"mona"}}}"#),
            (some("v1"), some("mona"), some("0123"))
        );
        assert_eq!(
            told(r#"{"inputs":{"mode":"rollback"}}"#),
            (None, None, some("0123"))
        );
        assert_eq!(told("no JSON"), (None, None, some("0123")));
    }

    #[test]
    fn nothing_known_is_nothing_told() {
        assert_eq!(of_workflow(|_| None), Origin::default());
    }

    #[test]
    fn an_operator_is_somebody_at_a_machine() {
        let actor = of_operator(|name| (name == "USER").then(|| "ada".to_owned())).actor;
        assert!(actor.unwrap().starts_with("ada@"));
    }
}
