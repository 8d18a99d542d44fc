//! What cannot succeed is refused: exit code 2, the server untouched byte for byte, and a message
//! that says what is wrong and how to mend it.

use std::net::TcpListener;

use crate::harness::act::{Act, landfall};
use crate::harness::app::App;
use crate::harness::compose;
use crate::harness::slot::Slot;
use crate::harness::snoop::Client;

/// Runs it over v1, which must go on as if nothing had been; the message must hold these words, and a
/// plan must have said the very same before.
#[track_caller]
fn is_refused<'a>(app: &'a App, act: Act<'a>, words: &[&str]) {
    let foretold = refused(app, act.planned(), words);
    let told = refused(app, act, words);
    assert_eq!(
        sentence(&foretold),
        sentence(&told),
        "a plan said another thing"
    );
}

/// A reason without the step that found it, and without how much is free at a moment.
fn sentence(reason: &str) -> String {
    let bare = match reason.split_once("` failed: ") {
        Some((step, rest)) if step.starts_with('`') => rest,
        _ => reason,
    };
    let bare = bare.split(": it needs up to").next().unwrap();
    bare.to_lowercase()
}

/// Why a run was refused that touched nothing.
#[track_caller]
fn refused<'a>(app: &'a App, act: Act<'a>, words: &[&str]) -> String {
    let before = app.untouched();
    let backups = app.backup_files();
    let client = Client::of(app);
    let done = act.run();
    client.never_waited();
    done.ends("refused", 2).says(words);
    assert!(!done.output("reason").is_empty());
    app.is_untouched(&before);
    assert_eq!(app.backup_files(), backups);
    done.output("reason").to_owned()
}

#[test]
fn a_wrong_registry_password_is_refused() {
    let app = App::running("v1");
    app.latest("v2");
    let act = app.deploy().input("registry_password", "mistyped-password");
    is_refused(&app, act, &["registry.lab:5000", "registry_password"]);
}

#[test]
fn an_unknown_tag_is_refused() {
    let app = App::running("v1");
    let act = app.deploy().image(&compose::beacon("v99"));
    is_refused(
        &app,
        act,
        &["registry.lab:5000/beacon:v99", "check the name and the tag"],
    );
}

#[test]
fn a_registry_that_is_down_is_refused() {
    let app = App::running("v1");
    app.latest("v2");
    app.slot.lab("registry", &["stop"]);
    assert!(!app.slot.reaches_registry());
    is_refused(
        &app,
        app.deploy(),
        &["registry.lab:5000", "connection refused"],
    );
}

#[test]
fn a_backup_disk_without_room_for_the_backup_is_refused() {
    let app = App::beacon();
    let room = std::fs::metadata(landfall()).unwrap().len() / 1024 + 12 * 1024;
    app.slot
        .lab("small", &["/srv/app-backups", &format!("{room}k")]);
    app.ships("v1");
    app.by_hand("head -c 20M /dev/urandom > big");
    app.latest("v2");
    is_refused(&app, app.deploy(), &["/srv/app-backups", "room"]);
}

#[test]
fn a_backup_disk_that_is_full_is_refused() {
    let app = App::beacon();
    let room = std::fs::metadata(landfall()).unwrap().len() / 1024 + 12 * 1024;
    app.slot
        .lab("small", &["/srv/app-backups", &format!("{room}k")]);
    app.ships("v1");
    app.slot.lab("fill", &["/srv/app-backups"]);
    app.latest("v2");
    refused(&app, app.deploy(), &["/srv/app-backups", "room"]);
    refused(&app, app.deploy().planned(), &["/srv/app-backups", "room"]);
}

#[test]
fn a_backup_disk_without_room_for_the_agent_is_refused() {
    let app = App::running("v1");
    app.slot.sh("rm -rf /srv/app-backups");
    app.slot.lab("small", &["/srv/app-backups", "1m"]);
    app.slot.lab("fill", &["/srv/app-backups"]);
    app.latest("v2");
    refused(&app, app.deploy(), &["/srv/app-backups", "space"]);
    // A plan's agent has its place elsewhere, and sees what a deployment would come to next.
    let plan = app.deploy().planned();
    refused(&app, plan, &["/srv/app-backups", "no room for the backup"]);
}

#[test]
fn a_compose_file_with_a_syntax_error_is_refused() {
    let app = App::running("v1");
    let broken = format!("{}  oops: [\n", compose::web(&compose::beacon("v2")));
    let act = app.deploy().ship("compose.yaml", &broken);
    is_refused(
        &app,
        act,
        &[
            "Compose refuses `compose.yaml` in",
            "yaml: line",
            "docker compose config",
        ],
    );
}

#[test]
fn an_unset_variable_is_refused() {
    let app = App::running("v1");
    let act = app.deploy().ship(
        "compose.yaml",
        &compose::web("registry.lab:5000/beacon:${VERZION}"),
    );
    is_refused(&app, act, &["`VERZION`", "env_file"]);
}

#[test]
fn a_deploy_dir_that_is_missing_is_refused() {
    let app = App::running("v1");
    let act = app.deploy().input("deploy_dir", "/srv/elsewhere");
    is_refused(&app, act, &["/srv/elsewhere", "sudo install -d -o deploy"]);
    assert_eq!(app.slot.sh("ls /srv"), "app\napp-backups\n");
}

#[test]
fn a_directory_without_a_compose_file_is_refused() {
    let app = App::empty();
    app.put("README", "nothing to see\n");
    let before = app.untouched();
    let done = app.deploy().run();
    done.ends("refused", 2).says(&["compose"]);
    app.is_untouched(&before);
}

#[test]
fn a_docker_that_is_stopped_is_refused() {
    let app = App::running("v1");
    app.latest("v2");
    let (tree, web) = (app.whole_tree(), app.container("web").id);
    app.slot.lab("dockerd", &["stop"]);
    let done = app.deploy().run();
    done.ends("refused", 2)
        .says(&["Docker", "systemctl start docker"]);
    app.slot.lab("dockerd", &["start"]);
    assert_eq!(app.whole_tree(), tree);
    assert_eq!(app.container("web").id, web);
}

#[test]
fn a_user_without_rights_is_refused() {
    let app = App::running("v1");
    app.latest("v2");
    let act = app.deploy().input("user", "stranger");
    let act = act.ship("config/beacon.conf", "lamp = red\n");
    // What a deployment would tell one after the other, a plan tells at once.
    let all = [
        "user `stranger` cannot use the backup directory `/srv/app-backups`",
        "`/srv/app` cannot be written",
        "usermod -aG docker",
        "the run cannot bring `/srv/app/config/beacon.conf`",
    ];
    refused(&app, act.planned(), &all);
    refused(&app, act, &["stranger", "install -d -o stranger", "sudo"]);
}

#[test]
fn a_user_who_may_not_use_docker_is_refused() {
    let app = App::at(Slot::lease(), "stranger", "/srv/app");
    app.furnish(&compose::web(&compose::beacon("latest")));
    app.slot
        .sh("install -d -o stranger -g stranger -m 700 /srv/app-backups");
    app.latest("v1");
    let before = app.untouched();
    let done = app.deploy().run();
    done.ends("refused", 2).says(&[
        "user `stranger` may not use Docker",
        "usermod -aG docker stranger",
    ]);
    app.is_untouched(&before);
}

#[test]
fn a_user_whom_the_server_does_not_know_is_refused() {
    let app = App::running("v1");
    let act = app.deploy().input("user", "nobody-here");
    is_refused(&app, act, &["nobody-here", "authorized_keys"]);
}

#[test]
fn a_wrong_host_key_is_refused_and_the_presented_keys_are_shown() {
    let app = App::running("v1");
    let act = app
        .deploy()
        .input("host_key", &format!("SHA256:{}", "A".repeat(43)));
    let fingerprints = app.slot.file("FINGERPRINTS");
    let presented = fingerprints
        .split_whitespace()
        .find(|w| w.starts_with("SHA256:"))
        .unwrap();
    is_refused(
        &app,
        act,
        &["presents none of the pinned host keys", presented],
    );
}

#[test]
fn a_missing_host_key_is_refused_and_the_presented_keys_are_shown() {
    let app = App::running("v1");
    let fingerprints = app.slot.file("FINGERPRINTS");
    let presented: Vec<&str> = fingerprints
        .split_whitespace()
        .filter(|w| w.starts_with("SHA256:"))
        .collect();
    assert!(!presented.is_empty());
    is_refused(&app, app.deploy().input("host_key", ""), &presented);
}

#[test]
fn a_frozen_directory_is_refused_with_the_persons_message_until_it_is_thawed() {
    let app = App::running("v1");
    app.latest("v2");
    app.cli(&["freeze", "stock-taking until Monday"])
        .run()
        .exits(0);
    is_refused(
        &app,
        app.deploy(),
        &[
            "stock-taking until Monday",
            "ana",
            " thaw --deploy-dir /srv/app`",
        ],
    );
    app.cli(&["thaw"]).run().exits(0);
    app.deploy().run().ends("deployed", 0);
}

#[test]
fn an_image_that_no_service_runs_is_refused() {
    let app = App::running("v1");
    let act = app.deploy().image("registry.lab:5000/lantern:v1");
    is_refused(
        &app,
        act,
        &[
            "registry.lab:5000/lantern:v1",
            "registry.lab:5000/beacon:latest",
        ],
    );
}

#[test]
fn an_unknown_service_is_refused() {
    let app = App::running("v1");
    is_refused(
        &app,
        app.deploy().input("services", "wep"),
        &["`wep`", "web"],
    );
}

#[test]
fn a_backup_timestamp_that_does_not_exist_is_refused_with_those_that_do() {
    let app = App::running("v1");
    let backup = app.ships("v2");
    let act = app.rollback().input("backup_timestamp", "20010203_040506");
    is_refused(&app, act, &["20010203_040506", &backup]);
}

#[test]
fn faults_in_the_inputs_are_reported_in_one_go_and_nothing_is_contacted() {
    let app = App::running("v1");
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    server.set_nonblocking(true).unwrap();
    let port = server.local_addr().unwrap().port().to_string();
    let act = app
        .deploy()
        .input("port", &port)
        .input("deploy_dir", "srv/app")
        .input("keep_backups", "0")
        .input("health_url", "ftp://localhost")
        .input("sudo", "perhaps")
        .variable("INPUT_DEPLOYDIR", "/srv/app");
    let words = [
        "`deploy_dir`",
        "`keep_backups`",
        "`health_url`",
        "`sudo`",
        "did you mean",
    ];
    is_refused(&app, act, &words);
    assert!(server.accept().is_err(), "the server was contacted");
}
