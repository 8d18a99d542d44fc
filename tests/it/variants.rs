//! The main job on other servers: Compose 1 with Docker 20.10, and the newest of both.

use crate::harness::app::App;
use crate::harness::compose;
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
        .ship("config/beacon.conf", "lamp = broken\n");
    let run = act.start_held();
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

/// One service `web` of `beacon:latest` with more at the compose file's end, in version v1.
#[track_caller]
fn newest(web: &str) -> App {
    let app = App::at(Slot::lease_variant("newest"), "deploy", "/srv/app");
    app.furnish(web);
    app.ships("v1");
    app
}

/// From 2.37.3 on, Compose gives these to a container only when it starts it.
#[test]
fn what_compose_gives_a_container_when_it_starts_is_there_again_after_either_way_back() {
    let web =
        compose::web(&compose::beacon("latest")).replace("      - ./config:/etc/beacon:ro\n", "");
    let lit = |lamp: &str| {
        format!(
            "{web}    configs:\n      - source: lamp\n        target: /etc/beacon/beacon.conf\n\
             configs:\n  lamp:\n    content: \"lamp = {lamp}\"\n"
        )
    };
    let app = newest(&lit("white"));
    let before = app.release();
    assert_eq!(app.config_seen().as_deref(), Some("lamp = white"));
    app.latest("exits-at-start");
    let act = app.deploy().ship("compose.yaml", &lit("broken"));
    act.run().ends("rolled_back", 1);
    assert_eq!(app.config_seen().as_deref(), Some("lamp = white"));
    app.is_again(&before);
    app.latest("v2");
    let act = app.deploy().ship("compose.yaml", &lit("red"));
    act.run().ends("deployed", 0);
    assert_eq!(app.config_seen().as_deref(), Some("lamp = red"));
    app.rollback().run().ends("restored", 0);
    assert_eq!(app.config_seen().as_deref(), Some("lamp = white"));
    app.is_again(&before);
}

/// From 2.31 on, Compose stops everything to make a network anew that is defined otherwise.
#[test]
fn a_network_that_cannot_be_changed_takes_nothing_down_with_it() {
    let web = compose::web(&compose::beacon("latest"));
    let app = newest(&web);
    let before = app.release();
    app.slot
        .sh("docker network create --subnet 10.99.0.0/24 taken");
    let subnet =
        "networks:\n  default:\n    ipam:\n      config:\n        - subnet: 10.99.0.0/24\n";
    app.latest("v2");
    let act = app.deploy().ship("compose.yaml", &format!("{web}{subnet}"));
    act.run().ends("rolled_back", 1);
    app.slot.sh("docker network rm taken");
    app.is_again(&before);
    assert_eq!(app.version().as_deref(), Some("v1"));
}

/// Nothing but the network differs: each container is as Compose would make it.
#[test]
fn a_network_that_a_failed_release_changed_is_what_it_was() {
    let web = compose::web(&compose::beacon("latest"));
    let app = newest(&web);
    let subnets = || {
        let format = "{{range .IPAM.Config}}{{.Subnet}}{{end}}";
        app.slot.sh(&format!(
            "docker network inspect app_default --format '{format}'"
        ))
    };
    let before = app.release();
    let subnet =
        "networks:\n  default:\n    ipam:\n      config:\n        - subnet: 10.98.0.0/24\n";
    let act = app
        .deploy()
        .ship("compose.yaml", &format!("{web}{subnet}"))
        .input("health_timeout", "3")
        .input("health_url", "http://localhost:8000/nothing-here");
    act.run().ends("rolled_back", 1);
    app.is_again(&before);
    assert_eq!(app.version().as_deref(), Some("v1"));
    assert_ne!(subnets(), "10.98.0.0/24\n");
}
