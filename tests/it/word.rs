//! The runner's word: the server waits for it, and takes itself back without it.
//!
//! And what a runner that goes away leaves behind, at every step. It refuses to know why it goes.

use std::time::Instant;

use crate::harness::act::Act;
use crate::harness::app::App;
use crate::harness::compose;
use crate::harness::poll::seconds;
use crate::harness::slack::{Mood, Slack};

/// A test that only this machine can make, on a port where nobody listens.
const NOWHERE: &str = "- name: outside\n  http: http://127.0.0.1:9/\n  from: runner\n";

#[test]
fn a_release_that_the_runner_confirms_is_deployed() {
    let app = App::running("v1");
    app.latest("v2");
    let act = app.deploy().input("confirm", "runner");
    act.run()
        .ends("deployed", 0)
        .says(&["waits for the runner's"]);
    assert_eq!(app.version().as_deref(), Some("v2"));
}

#[test]
fn a_runner_that_is_killed_before_its_word_makes_the_server_take_itself_back_in_time() {
    let app = App::running("v1");
    let before = app.release();
    app.latest("v2");
    let mut run = app
        .deploy()
        .input("smoke_tests", NOWHERE)
        .input("health_timeout", "8")
        .start();
    run.until_it_says("waits for the runner's", seconds(60));
    run.signal("KILL");
    let killed = Instant::now();
    assert_eq!(app.version().as_deref(), Some("v2"));
    let ended = app.end_of_the_run(seconds(30));
    assert!(ended.contains("rolled_back"), "{ended}");
    assert!(ended.contains("said nothing for 8 s"), "{ended}");
    assert!(killed.elapsed() < seconds(25), "{:?}", killed.elapsed());
    app.is_again(&before);
    assert_eq!(app.version().as_deref(), Some("v1"));
    // The next run sweeps up what a killed one had to leave on the runner.
    app.deploy().input("mode", "plan").run().ends("planned", 0);
}

#[test]
fn a_word_that_comes_while_the_agent_is_stopped_beyond_the_deadline_comes_too_late() {
    let app = App::running("v1");
    let before = app.release();
    app.latest("v2");
    let slow = format!("{NOWHERE}  expect: {{ status: 200 }}\n");
    let mut run = app
        .deploy()
        .input("smoke_tests", &slow)
        .input("health_timeout", "6")
        .start();
    run.until_it_says("waits for the runner's", seconds(60));
    app.signal_the_agent("STOP");
    let said = "touch /srv/app-backups/.landfall/runs/\"$(ls /srv/app-backups/.landfall/runs | sort | tail -n 1)\"/word-confirm";
    app.slot.sh(said);
    std::thread::sleep(seconds(8));
    app.signal_the_agent("CONT");
    let done = run.wait();
    done.ends("rolled_back", 1).says(&["only after the 6 s"]);
    app.is_again(&before);
}

/// Stops the runner once its log has these words; it must be gone within 5 s, and the server old.
#[track_caller]
fn cancelled_at(act: Act<'_>, app: &App, step: &str, words: &str) {
    let before = app.release();
    let mut run = act.start();
    run.until_it_says(words, seconds(60));
    let sent = Instant::now();
    run.signal("INT");
    let done = run.wait();
    assert!(sent.elapsed() < seconds(5), "it took {:?}", sent.elapsed());
    let told = done.output("status").to_owned();
    let ended = app.end_of_the_run(seconds(60));
    let (status, code) = match &ended {
        e if e.contains("rolled_back") => ("rolled_back", 1),
        e if e.contains("\"refused\"") => ("refused", 2),
        e => panic!("after a cancellation at {words:?}: {e}"),
    };
    assert!(ended.contains("cancelled"), "{ended}");
    assert!(ended.contains(&format!("\"step\":\"{step}\"")), "{ended}");
    if told == "unknown" {
        done.ends("unknown", 4);
    } else {
        done.ends(status, code);
    }
    app.slot.lab("mend", &[]);
    let now = app.release();
    assert_eq!((now.services, now.tree), (before.services, before.tree));
    app.nothing_lingers();
    assert_eq!(app.version().as_deref(), Some("v1"));
}

#[test]
fn a_runner_that_is_stopped_during_the_pull_leaves_the_old_release() {
    let app = App::running("v1");
    app.latest("v2");
    app.slot.lab("cut", &["drop"]);
    cancelled_at(app.deploy(), &app, "pull", "pull …");
}

#[test]
fn a_runner_that_is_stopped_during_the_backup_leaves_the_old_release() {
    let app = App::running("v1");
    app.latest("v2");
    app.by_hand("head -c 400000000 /dev/urandom > ballast");
    cancelled_at(app.deploy(), &app, "backup", "backup …");
}

#[test]
fn a_runner_that_is_stopped_while_containers_are_replaced_leaves_the_old_release() {
    let app = App::running("v1");
    app.latest("binds-after-5s");
    // What waits for another service keeps Compose at work for seconds.
    let gate = compose::service("gate", &compose::beacon("latest"), 8001);
    let web = compose::web(&compose::beacon("latest"));
    let waits = "    depends_on:\n      gate: { condition: service_healthy }\n";
    let all = format!("{web}{waits}{}", gate.replace("retries: 2", "retries: 30"));
    let act = app.deploy().ship("compose.yaml", &all);
    cancelled_at(act, &app, "up", "Container app-gate-1");
}

#[test]
fn a_runner_that_is_stopped_while_checks_are_made_leaves_the_old_release() {
    let app = App::running("v1");
    app.latest("v2");
    let act = app.deploy().input("watch", "60").input("timeout", "200");
    cancelled_at(act, &app, "verify", "verify …");
}

#[test]
fn a_stopped_runner_does_not_wait_for_a_channel_that_never_answers() {
    let app = App::running("v1");
    app.latest("v2");
    let slack = Slack::that(Mood::Hangs);
    let act = app
        .deploy()
        .input("watch", "60")
        .input("timeout", "200")
        .input("slack_webhook_url", &slack.url("T/B/x"));
    cancelled_at(act, &app, "verify", "verify …");
}

#[test]
fn a_runner_that_is_stopped_before_its_word_leaves_the_old_release() {
    let app = App::running("v1");
    app.latest("v2");
    let act = app.deploy().input("smoke_tests", NOWHERE);
    cancelled_at(act, &app, "confirm", "waits for the runner's");
}

#[test]
fn a_runner_that_is_stopped_behind_the_commit_tells_deployed_and_the_server_finishes() {
    let app = App::running("v1");
    app.latest("v2");
    let mut run = app
        .deploy()
        .input("post_deploy", "sleep 8; touch /tmp/hooked")
        .start();
    run.until_it_says("post_deploy …", seconds(60));
    let sent = Instant::now();
    run.signal("TERM");
    let done = run.wait();
    assert!(sent.elapsed() < seconds(5), "it took {:?}", sent.elapsed());
    done.ends("deployed", 0).says(&["the server finishes"]);
    let ended = app.end_of_the_run(seconds(30));
    assert!(ended.contains("\"deployed\""), "{ended}");
    app.slot.sh("test -e /tmp/hooked");
    assert_eq!(app.version().as_deref(), Some("v2"));
    app.nothing_lingers();
}
