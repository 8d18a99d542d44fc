//! The main job on other servers: Compose 1 with Docker 20.10, and the newest of both.

use crate::harness::app::App;
use crate::harness::slot::Slot;

#[track_caller]
fn lives_on(variant: &str, compose: &str) {
    let app = App::beacon_on(Slot::lease_variant(variant));
    app.ships("v1");
    let first = app.release();
    app.ships("v2");
    let containers = app.containers();
    app.by_hand(&format!("{compose} up -d"));
    assert_eq!(app.containers(), containers);
    is_taken_back(&app, "exits-at-start");
    is_taken_back(&app, "health-500");
    app.rollback().run().ends("restored", 0);
    assert_eq!(app.version().as_deref(), Some("v1"));
    app.is_again(&first);
}

#[track_caller]
fn is_taken_back(app: &App, version: &str) {
    let before = app.release();
    app.latest(version);
    let act = app
        .deploy()
        .input("health_timeout", "6")
        .ship("config/beacon.conf", "lamp = broken\n")
        .held();
    let mut run = act.start();
    run.until_held();
    app.slot.lab("cut", &["reject"]);
    assert!(!app.slot.reaches_registry());
    run.let_go();
    run.wait().ends("rolled_back", 1);
    app.slot.lab("mend", &[]);
    app.is_again(&before);
    assert_eq!(app.version().as_deref(), Some("v2"));
    assert_eq!(app.config_seen().as_deref(), Some("lamp = white"));
}

#[test]
fn deploy_upgrade_broken_upgrade_and_rollback_work_with_compose_1_29() {
    lives_on("compose1", "docker-compose");
}

#[test]
fn deploy_upgrade_broken_upgrade_and_rollback_work_with_the_newest_docker_and_compose() {
    lives_on("newest", "docker compose");
}
