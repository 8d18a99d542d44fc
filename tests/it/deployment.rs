//! The main job when all goes well: a first deployment, an upgrade, a way back, a dry run.

use serde_json::Value;

use crate::harness::app::App;
use crate::harness::compose;

#[test]
fn a_first_deployment_ends_with_the_application_answering() {
    let app = App::beacon();
    app.latest("v1");
    let done = app.deploy().run();
    done.ends("deployed", 0);
    assert_eq!(app.version().as_deref(), Some("v1"));
    let web = app.container("web");
    assert_eq!(
        (web.state.as_str(), web.name.as_str()),
        ("running", "/app-web-1")
    );
}

#[test]
fn an_upgrade_under_a_moved_tag_replaces_the_container() {
    let app = App::running("v1");
    let before = app.container("web");
    app.ships("v2");
    let after = app.container("web");
    assert_ne!(before.image_id, after.image_id);
    assert_ne!(before.id, after.id);
}

#[test]
fn the_outputs_say_what_was_pulled_and_what_ran_before() {
    let app = App::running("v1");
    let (first, second) = (
        app.slot.registry_digest("v1"),
        app.slot.registry_digest("v2"),
    );
    let before = app.container("web").image_id;
    app.latest("v2");
    let done = app
        .deploy()
        .input("health_url", "http://localhost:8000/health")
        .run();
    done.ends("deployed", 0);
    assert_eq!(done.output("image_digest"), second);
    assert_eq!(done.output("previous_image_digest"), first);
    let images: Value = serde_json::from_str(done.output("images")).unwrap();
    let web = &images.as_array().unwrap()[0];
    assert_eq!(web["service"], "web");
    assert_eq!(web["image"], compose::beacon("latest"));
    assert_eq!(web["image_id"], app.container("web").image_id);
    assert_eq!(web["digest"], second);
    assert_eq!(web["previous_image_id"], before);
    assert_eq!(web["previous_digest"], first);
    assert_eq!(
        (done.output("failed_step"), done.output("reason")),
        ("", "")
    );
    assert!(done.output("duration_seconds").parse::<f64>().unwrap() > 0.0);
    assert!(done.output("downtime_seconds").parse::<f64>().unwrap() < 15.0);
}

#[test]
fn the_outputs_name_the_run_its_backup_and_every_step() {
    let app = App::running("v1");
    app.latest("v2");
    let done = app.deploy().run();
    let timestamp = done.output("backup_timestamp");
    assert_eq!(
        app.backup_timestamps().last().map(String::as_str),
        Some(timestamp)
    );
    let file = format!("{}/app-backup-{timestamp}.tar.gz", app.backups());
    assert_eq!(done.output("backup_file"), file);
    assert!(done.output("deployment_id").starts_with("20"));
    let report: Value = serde_json::from_str(done.output("report")).unwrap();
    let steps = report["steps"].as_array().unwrap();
    let names: Vec<_> = steps.iter().map(|s| s["step"].as_str().unwrap()).collect();
    assert_eq!(names.first(), Some(&"preflight"));
    assert!(
        names.contains(&"verify") && names.contains(&"commit"),
        "{names:?}"
    );
    assert_eq!(done.output("downtime_seconds"), "");
}

#[test]
fn the_summary_tells_the_outcome_the_images_and_the_timeline() {
    let app = App::running("v1");
    app.latest("v2");
    let done = app.deploy().run();
    for part in ["```mermaid", "gantt", "| `web` |", "production"] {
        assert!(
            done.summary.contains(part),
            "no {part:?} in:\n{}",
            done.summary
        );
    }
}

#[test]
fn a_manual_rollback_to_latest_brings_the_previous_release_back() {
    let app = App::running("v1");
    let before = app.release();
    app.ships("v2");
    let done = app.rollback().run();
    done.ends("restored", 0);
    assert_eq!(app.version().as_deref(), Some("v1"));
    app.is_again(&before);
}

#[test]
fn the_operators_command_line_rolls_back_to_latest() {
    let app = App::running("v1");
    let before = app.release();
    app.ships("v2");
    app.cli(&["rollback", "latest"]).run().exits(0);
    app.is_again(&before);
}

#[test]
fn a_dry_run_touches_nothing_and_says_what_it_would_do() {
    let app = App::running("v1");
    let (before, backups) = (app.untouched(), app.backup_files());
    app.latest("v2");
    let done = app.deploy().input("dry_run", "true").run();
    done.ends("planned", 0)
        .says(&["web", "registry.lab:5000/beacon:latest"]);
    app.is_untouched(&before);
    assert_eq!(app.backup_files(), backups);
}

#[test]
fn a_plan_on_a_server_that_never_saw_landfall_leaves_no_trace() {
    let app = App::beacon();
    app.latest("v1");
    let before = app.untouched();
    app.deploy().input("mode", "plan").run().ends("planned", 0);
    app.is_untouched(&before);
    assert_eq!(app.slot.sh("ls -A /srv"), "app\n");
}

#[test]
fn files_of_the_workspace_and_the_env_file_arrive_as_they_are() {
    let app = App::running("v1");
    app.latest("v2");
    let done = app
        .deploy()
        .ship("config/beacon.conf", "lamp = red\n")
        .ship("extra/a b.txt", "blank in the name\n")
        .input("env_file", "GREETING=ahoy\nTOKEN='a$b\"c'\n")
        .run();
    done.ends("deployed", 0);
    assert_eq!(app.read("config/beacon.conf"), "lamp = red\n");
    assert_eq!(
        app.slot.sh("cat '/srv/app/extra/a b.txt'"),
        "blank in the name\n"
    );
    assert_eq!(app.read(".env"), "GREETING=ahoy\nTOKEN='a$b\"c'\n");
    assert_eq!(app.slot.sh("stat -c '%a %U' /srv/app/.env"), "600 deploy\n");
    assert_eq!(app.config_seen().as_deref(), Some("lamp = red"));
}

#[test]
fn a_slow_good_version_passes() {
    let app = App::running("v1");
    app.ships("binds-after-5s");
}

#[test]
fn a_version_that_ignores_sigterm_passes() {
    let app = App::running("v1");
    app.ships("ignores-sigterm");
    app.ships("v2");
}
