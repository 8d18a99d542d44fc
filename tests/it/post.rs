//! The action's `post-entrypoint`: what it does after a main step of every kind.
//!
//! It refuses to know what the main step did in detail.

use crate::harness::app::App;
use crate::harness::poll::seconds;

#[test]
fn after_a_main_step_that_told_its_end_it_does_nothing() {
    let app = App::running("v1");
    app.latest("v2");
    let main = app.deploy().run();
    main.ends("deployed", 0);
    let post = app.deploy().after(&main).run();
    post.exits(0);
    assert_eq!(post.log, "");
    assert_eq!(post.summary, "");
    assert_eq!(app.version().as_deref(), Some("v2"));
}

#[test]
fn after_a_main_step_that_started_nothing_it_does_nothing() {
    let app = App::running("v1");
    let main = app.deploy().input("deploy_dir", "nowhere").run();
    main.ends("refused", 2);
    let post = app.deploy().after(&main).run();
    post.exits(0);
    assert_eq!(post.log, "");
}

#[test]
fn after_a_main_step_that_was_killed_the_server_is_taken_back_and_the_outcome_told() {
    let app = App::running("v1");
    let before = app.release();
    app.latest("v2");
    let mut run = app
        .deploy()
        .input("watch", "60")
        .input("timeout", "200")
        .start();
    run.until_it_says("verify …", seconds(60));
    run.signal("KILL");
    let main = run.wait();
    app.comes_to_answer("v2");
    let post = app.deploy().after(&main).run();
    post.exits(0).says(&["told no end", "Rolled back"]);
    assert!(post.summary.contains("Rolled back"), "{}", post.summary);
    assert!(post.outputs.is_empty());
    app.is_again(&before);
}

#[test]
fn after_runner_and_agent_were_killed_it_settles_what_they_left() {
    let (app, before, main) = App::left_by_the_dead();
    let post = app
        .deploy()
        .ship("config/beacon.conf", "gone")
        .after(&main)
        .run();
    post.exits(0)
        .says(&["settling what it left", "Rolled back"]);
    app.is_again(&before);
    app.nothing_to_settle();
}
