//! Slack hears what was asked for, and whether it can be told changes nothing.
//!
//! It refuses to know how a message looks.

use crate::harness::app::App;
use crate::harness::poll::seconds;
use crate::harness::slack::{Mood, Slack};

#[test]
fn a_notification_that_cannot_be_sent_is_a_warning_and_never_changes_the_outcome() {
    let app = App::running("v1");
    for (mood, version, status, code) in [
        (Mood::Fails, "v2", "deployed", 0),
        (Mood::Hangs, "v3", "deployed", 0),
        (Mood::Fails, "exits-at-start", "rolled_back", 1),
    ] {
        app.latest(version);
        let slack = Slack::that(mood);
        let done = app
            .deploy()
            .input("slack_webhook_url", &slack.url("T/B/x"))
            .run();
        done.ends(status, code).says(&["::warning"]);
        assert!(done.took < seconds(60), "it took {} s", done.took.as_secs());
        assert!(!slack.heard().is_empty(), "nobody was told");
    }
}

#[test]
fn a_notification_tells_environment_result_commit_author_url_and_image() {
    let app = App::running("v1");
    let slack = Slack::that(Mood::Takes);
    app.latest("v2");
    let act = app
        .deploy()
        .input("environment", "staging")
        .input("url", "https://beacon.example")
        .input("slack_webhook_url", &slack.url("T/B/x"));
    act.run().ends("deployed", 0);
    let told = bodies(&slack);
    for part in [
        "staging",
        "Light the lamp",
        "Ana",
        "https://beacon.example",
        "beacon",
        "actions/runs/4711",
    ] {
        assert!(told.contains(part), "no {part:?} in {told}");
    }
}

#[test]
fn notify_says_when_to_tell() {
    let app = App::running("v1");
    let slack = Slack::that(Mood::Takes);
    let deploy = |notify: &str| {
        let act = app.deploy().input("slack_webhook_url", &slack.url("T/B/x"));
        act.input("notify", notify).run().outputs["status"].clone()
    };
    app.latest("v2");
    assert_eq!(deploy("failure"), "deployed");
    assert_eq!(slack.heard().len(), 0);
    app.latest("exits-at-start");
    assert_eq!(deploy("never"), "rolled_back");
    assert_eq!(slack.heard().len(), 0);
    assert_eq!(deploy("failure"), "rolled_back");
    assert_eq!(slack.heard().len(), 1);
}

/// What Slack was told; the address itself is how it is reached.
pub fn bodies(slack: &Slack) -> String {
    let heard = slack.heard();
    let bodies = heard
        .iter()
        .filter_map(|request| request.split_once("\r\n\r\n"));
    bodies.map(|(_, body)| body).collect::<Vec<_>>().join("\n")
}
