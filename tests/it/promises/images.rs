//! A release runs the images it ran, whatever its tags have come to mean and whoever can be reached.
//!
//! It refuses to know why a release has to come back.

use crate::harness::app::App;
use crate::harness::compose;

#[test]
fn that_holds_under_a_mutable_tag_with_the_registry_out_of_reach_and_after_the_image_was_pulled_again()
 {
    let app = App::running("v1");
    app.latest("exits-at-start");
    pull_by_hand(&app);
    let before = app.release();
    let v1 = app.container("web").image_id;
    assert_ne!(app.image(&compose::beacon("latest")).as_ref(), Some(&v1));
    let run = app.deploy().start_held();
    app.slot.lab("cut", &["reject"]);
    assert!(!app.slot.reaches_registry());
    run.let_go();
    run.wait().ends("rolled_back", 1);
    app.is_again(&before);
    assert_eq!(app.container("web").image_id, v1);
    assert_eq!(app.version().as_deref(), Some("v1"));
}

/// What an impatient operator does: `docker compose pull`, and no `up`.
#[track_caller]
fn pull_by_hand(app: &App) {
    let login = app.slot.file("REGISTRY_AUTHFILE");
    let login = login.replace(app.slot.fact("REGISTRY_ON_HOST"), "registry.lab:5000");
    let script = "export DOCKER_CONFIG=/tmp/login; mkdir -p $DOCKER_CONFIG
        cat > $DOCKER_CONFIG/config.json
        docker pull -q registry.lab:5000/beacon:latest; rm -r $DOCKER_CONFIG";
    app.slot.sh_as("root", script, login.as_bytes());
}

#[test]
fn a_manual_rollback_works_with_the_registry_out_of_reach() {
    let app = App::running("v1");
    let before = app.release();
    app.ships("v2");
    app.slot.lab("registry", &["stop"]);
    assert!(!app.slot.reaches_registry());
    app.rollback().run().ends("restored", 0);
    app.is_again(&before);
    assert_eq!(app.version().as_deref(), Some("v1"));
}

#[test]
fn an_old_image_that_was_pruned_is_pulled_again_by_its_digest() {
    let app = App::running("v1");
    let before = app.release();
    app.ships("v2");
    let v1 = &before.services["web"][0][1];
    app.slot.sh(&format!("docker rmi -f {v1}"));
    assert_eq!(app.image(v1), None);
    app.rollback().with_registry().run().ends("restored", 0);
    assert_eq!(app.version().as_deref(), Some("v1"));
    assert_eq!(app.release().services, before.services);
}

#[test]
fn after_deployed_docker_compose_up_typed_by_hand_changes_nothing() {
    let app = App::running("v1");
    app.ships("v2");
    let before = app.containers();
    app.by_hand("docker compose up -d");
    assert_eq!(before, app.containers());
    app.deploy()
        .image(&compose::beacon("v3"))
        .run()
        .ends("deployed", 0);
    let before = app.containers();
    app.by_hand("docker compose up -d");
    assert_eq!(before, app.containers());
}
