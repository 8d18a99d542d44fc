//! How long Landfall waits for what cannot come up, and whom it names for it.
//!
//! It refuses to know why a version misbehaves.

use crate::harness::app::App;
use crate::harness::compose;
use crate::harness::poll::seconds;

/// A healthcheck's command that never ends.
fn hanging_check(name: &str) -> String {
    let service = compose::service(name, &compose::beacon("latest"), 8000);
    service
        .replace(
            "[\"CMD\", \"/beacon\", \"check\"]",
            "[\"CMD\", \"/beacon\", \"serve\"]",
        )
        .replace("interval: 1s", "interval: 60s")
        .replace("timeout: 2s", "timeout: 300s")
}

#[test]
fn a_healthcheck_that_hangs_holds_no_run_beyond_health_timeout() {
    let app = App::running("v1");
    let before = app.release();
    let done = app
        .deploy()
        .ship(
            "compose.yaml",
            &format!("services:\n{}", hanging_check("web")),
        )
        .input("health_timeout", "8")
        .input("timeout", "200")
        .run();
    done.ends("rolled_back", 1);
    assert_eq!(done.output("failed_step"), "verify");
    assert!(done.took.as_secs() < 40, "it took {:?}", done.took);
    app.is_again(&before);
}

#[test]
fn a_dependency_that_crashes_ends_composes_wait_for_its_health() {
    let app = App::running("v1");
    let before = app.release();
    let db = compose::service("db", &compose::beacon("exits-at-start"), 8001);
    let web = compose::service("web", &compose::beacon("latest"), 8000);
    let text = format!(
        "services:\n{db}    environment: {{ WHO: db }}\n{web}    \
         environment: {{ WHO: web }}\n    depends_on:\n      db:\n        condition: service_healthy\n"
    );
    let done = app
        .deploy()
        .image("")
        .ship(
            "compose.yaml",
            &text.replace("interval: 1s", "interval: 60s"),
        )
        .input("health_timeout", "60")
        .input("timeout", "200")
        .run();
    done.ends("rolled_back", 1);
    assert_eq!(done.output("failed_step"), "up");
    assert!(done.output("reason").contains("service `db`"));
    done.says(&["exits at start, as it was told to"]);
    assert!(done.took.as_secs() < 40, "it took {:?}", done.took);
    app.is_again(&before);
}

#[test]
fn a_migration_that_fails_is_named_with_its_exit_code_and_its_last_lines() {
    let app = App::empty();
    app.furnish(&compose::migrating(&compose::beacon("latest")));
    app.ships("v1");
    app.latest("migrate-fails");
    let done = app.deploy().run();
    done.ends("rolled_back", 1);
    let reason = done.output("reason");
    assert!(
        reason.contains("service `migrate` exited with code 1"),
        "{reason}"
    );
    assert!(!reason.contains("Recreate"), "{reason}");
    done.says(&["the migration failed, as it was told to"]);
}

#[test]
fn a_run_whose_agent_was_stopped_ends_unknown_behind_its_timeout_and_goes_back_once_it_goes_on() {
    let app = App::running("v1");
    let before = app.release();
    app.latest("v2");
    let act = app.deploy().input("timeout", "8");
    let mut run = act.input("health_timeout", "6").held().start();
    run.until_it_says("preflight", seconds(60));
    app.signal_the_agent("STOP");
    let done = run.wait();
    done.ends("unknown", 4).says(&[
        "has no end, and its `timeout` of 8 s is over",
        "it last told something",
        "it hangs, was stopped",
        "/alive 2>/dev/null",
        "kill -CONT PID",
    ]);
    assert!(
        !done.log.contains("settles by itself"),
        "who is stopped does not"
    );
    // As long again for a way back, a minute to be as it was, and what comes to rest.
    let patience = 8 + 8 + 60 + 130;
    let took = done.took.as_secs();
    assert!(
        (patience..patience + 25).contains(&took),
        "it took {took} s"
    );
    app.signal_the_agent("CONT");
    let ended = app.end_of_the_run(seconds(90));
    let is_back = ended.contains("rolled_back") || ended.contains("\"refused\"");
    assert!(is_back, "{ended}");
    app.is_again(&before);
    app.nothing_to_settle();
}
