//! Which backup a rollback takes, which ones are kept for it, and that it can be taken back itself.
//!
//! It refuses to know what containers write.

use crate::harness::app::App;
use crate::harness::compose;

#[test]
fn a_rollback_can_be_undone() {
    let app = App::running("v1");
    app.ships("v2");
    let before = app.release();
    let done = app.rollback().run();
    done.ends("restored", 0);
    let safety = done.output("backup_timestamp").to_owned();
    app.rollback()
        .input("backup_timestamp", &safety)
        .run()
        .ends("restored", 0);
    app.is_again(&before);
    assert_eq!(app.version().as_deref(), Some("v2"));
}

#[test]
fn a_rollback_whose_checks_fail_is_itself_taken_back() {
    let app = App::running("v1");
    app.ships("v2");
    let before = app.release();
    let act = app
        .rollback()
        .input("health_url", "http://localhost:8000/nothing-here")
        .input("health_timeout", "3");
    act.run().ends("rolled_back", 1);
    app.is_again(&before);
    assert_eq!(app.version().as_deref(), Some("v2"));
}

#[test]
fn latest_is_the_newest_good_backup_that_differs_from_what_runs_by_its_name_never_by_mtime() {
    let app = App::running("v1");
    let of_v1 = app.ships("v2");
    let of_v2 = app.ships("v3");
    let touch = |timestamp: &str, when: &str| {
        let files = format!("{}/app-backup-{timestamp}.*", app.backups());
        app.slot.sh(&format!("touch -d '{when}' {files}"));
    };
    touch(&of_v1, "2031-01-01");
    touch(&of_v2, "2001-01-01");
    let back = |version: &str| {
        let done = app.rollback().input("keep_backups", "9").run();
        done.ends("restored", 0);
        assert_eq!(app.version().as_deref(), Some(version));
    };
    back("v2");
    // The safety backup of v3 is the newest by now, and is never `latest`.
    back("v1");
}

#[test]
fn a_backup_of_what_runs_already_is_not_latest() {
    let app = App::running("v1");
    app.ships("v2");
    app.ships("v2");
    app.rollback().run().ends("restored", 0);
    assert_eq!(app.version().as_deref(), Some("v1"));
}

#[test]
fn what_a_backup_leaves_out_does_not_make_it_differ_and_need_not_be_readable() {
    let app = App::running("v1");
    app.slot
        .sh("install -d -m 700 /srv/app/node_modules; touch /srv/app/node_modules/lamp");
    let ships = |version: &str| {
        app.latest(version);
        let act = app.deploy().input("backup_exclude", "node_modules");
        let done = act.input("keep_backups", "1").run();
        done.ends("deployed", 0);
        done.output("backup_timestamp").to_owned()
    };
    let of_v1 = ships("v2");
    ships("v2");
    let of_v2 = ships("v2");
    assert_eq!(app.backup_timestamps(), [of_v1, of_v2]);
    let back = app.rollback().input("backup_exclude", "node_modules");
    back.run().ends("restored", 0);
    assert_eq!(app.version().as_deref(), Some("v1"));
}

#[test]
fn a_file_that_is_shipped_to_where_containers_write_does_not_make_a_backup_differ() {
    let app = App::running("v1");
    let ships = |version: &str| {
        app.latest(version);
        let act = app.deploy().ship("data/schema.sql", "create table lamps\n");
        let done = act.input("keep_backups", "1").run();
        done.ends("deployed", 0);
        done.output("backup_timestamp").to_owned()
    };
    ships("v1");
    let of_v1 = ships("v2");
    ships("v2");
    let of_v2 = ships("v2");
    assert_eq!(app.backup_timestamps(), [of_v1, of_v2]);
    app.rollback().run().ends("restored", 0);
    assert_eq!(app.version().as_deref(), Some("v1"));
}

#[test]
fn a_file_that_a_release_brought_to_where_containers_write_goes_and_comes_with_it() {
    let app = App::empty();
    let web = compose::web(&compose::beacon("latest"));
    app.furnish(&web.replace("/etc/beacon:ro", "/etc/beacon"));
    app.ships("v1");
    let of_v1 = app.release();
    app.latest("v2");
    let act = app.deploy().ship("config/new.conf", "lamp = red\n");
    act.run().ends("deployed", 0);
    // By now the newest backup belongs to a run that brought nothing.
    app.ships("v2");
    let of_v2 = app.release();
    let back = |to: &str| {
        let done = app.rollback().input("backup_timestamp", to).run();
        done.ends("restored", 0);
        done.output("backup_timestamp").to_owned()
    };
    let safety = back("latest");
    app.is_again(&of_v1);
    let safety = back(&safety);
    app.is_again(&of_v2);
    back(&safety);
    app.is_again(&of_v1);
}

#[test]
fn the_backup_of_a_release_that_was_not_well_is_never_latest() {
    let app = App::running("v1");
    app.ships("v2");
    app.slot.sh("docker stop app-web-1");
    app.ships("v3");
    app.rollback().run().ends("restored", 0);
    assert_eq!(app.version().as_deref(), Some("v1"));
}

#[test]
fn the_newest_backups_are_kept_and_never_the_one_dropped_that_a_rollback_would_need() {
    let app = App::running("v1");
    app.ships("v2");
    let of_v2 = app.ships("v3");
    for _ in 0..3 {
        app.deploy()
            .input("keep_backups", "2")
            .run()
            .ends("deployed", 0);
    }
    let kept = app.backup_timestamps();
    assert!(kept.contains(&of_v2), "{of_v2} was dropped: {kept:?}");
    assert_eq!(kept.len(), 2, "{kept:?}");
    app.rollback().run().ends("restored", 0);
    assert_eq!(app.version().as_deref(), Some("v2"));
}

#[test]
fn a_rollback_that_fails_brings_back_what_was_in_an_anonymous_volume() {
    let app = App::running("v1");
    let web = compose::web(&compose::beacon("latest"));
    let store = format!(
        "{web}  store:\n    image: {}\n    volumes: [\"/data\"]\n",
        compose::beacon("v2")
    );
    let act = app.deploy().ship("compose.yaml", &store);
    act.run().ends("deployed", 0);
    let kept = || {
        let source = "docker inspect --format '{{range .Mounts}}{{.Source}}{{end}}' app-store-1";
        format!("$({source})/kept")
    };
    app.slot.sh(&format!("echo by store > {}", kept()));
    let before = app.release();
    let act = app
        .rollback()
        .input("health_url", "http://localhost:8000/nothing-here")
        .input("health_timeout", "3");
    act.run().ends("rolled_back", 1);
    app.is_again(&before);
    assert_eq!(app.slot.sh(&format!("cat {}", kept())), "by store\n");

    app.rollback().run().ends("restored", 0);
    assert!(!app.containers().contains_key("store"));
    // The data of what was there before the run is a person's to remove.
    let anonymous = "docker volume ls -q | grep -xE '[0-9a-f]{64}'";
    let volumes = format!("docker volume inspect --format '{{{{.Mountpoint}}}}' $({anonymous})");
    let found = app.slot.sh(&format!("cat $({volumes})/kept"));
    assert_eq!(found, "by store\n");
}

#[test]
fn a_rollback_over_a_service_that_was_renamed_may_have_its_container_name_again() {
    let app = App::beacon();
    let named = |service: &str| {
        let text = compose::service(service, &compose::beacon("latest"), 8000);
        format!("services:\n{text}    container_name: lamp\n")
    };
    app.put("compose.yaml", &named("web"));
    app.ships("v1");
    let of_v1 = app.ships("v2");
    // Compose itself cannot give the name to another service.
    app.slot.sh("docker rm -f lamp");
    app.latest("v3");
    let act = app.deploy().ship("compose.yaml", &named("app"));
    act.run().ends("deployed", 0);
    let before = app.release();
    let act = app
        .rollback()
        .input("backup_timestamp", &of_v1)
        .input("health_url", "http://localhost:8000/nothing-here")
        .input("health_timeout", "3");
    act.run().ends("rolled_back", 1);
    app.is_again(&before);
    let act = app.rollback().input("backup_timestamp", &of_v1);
    act.run().ends("restored", 0);
    assert_eq!(app.version().as_deref(), Some("v1"));
    assert_eq!(app.container("web").name, "/lamp");
}
