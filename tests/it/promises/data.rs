//! What containers write is theirs: it comes back only for who asks, and is backed up first.
//!
//! It refuses to know which backup is the right one; that is `rollback`'s.

use crate::harness::app::App;
use crate::harness::compose;

#[test]
fn what_containers_write_is_never_rolled_back() {
    let app = App::running("v1");
    app.ships("writes-data");
    // What is another user's stays anyway.
    app.slot
        .sh("echo order > /srv/app/data/customer; chown deploy: /srv/app/data/customer");
    app.latest("exits-at-start");
    app.deploy().run().ends("rolled_back", 1);
    assert_eq!(app.read("data/customer"), "order\n");
    app.rollback().run().ends("restored", 0);
    assert_eq!(app.version().as_deref(), Some("v1"));
    assert_eq!(app.read("data/customer"), "order\n");
    assert_eq!(app.read("data/schema"), "writes-data\n");
}

#[test]
fn unless_restore_data_says_so_and_then_it_is_backed_up_first_and_the_rollback_can_be_undone() {
    let app = App::running("v1");
    app.ships("writes-data");
    app.slot
        .sh("echo order > /srv/app/data/customer; echo changed > /srv/app/data/kept");
    let written = app.whole_tree();
    // What a container wrote as root, root alone can put back; and root runs no agent from a
    // directory of somebody else's.
    app.slot.sh(&format!(
        "chown root: /srv; chown -R root: {}",
        app.backups()
    ));
    let back = || {
        app.rollback()
            .input("user", "root")
            .input("restore_data", "true")
    };
    let done = back().run();
    done.ends("restored", 0)
        .says(&["stopped web: their data is replaced"]);
    assert_eq!(app.version().as_deref(), Some("v1"));
    assert_eq!(app.slot.sh("ls -A /srv/app/data"), "kept\n");
    assert_eq!(app.read("data/kept"), "by the application\n");
    let safety = done.output("backup_timestamp");
    let archive = format!("{}/app-backup-{safety}.tar.gz", app.backups());
    assert_eq!(
        app.slot.sh(&format!("tar -xzOf {archive} ./data/customer")),
        "order\n"
    );
    let undo = back().input("backup_timestamp", safety);
    undo.run().ends("restored", 0);
    assert_eq!(app.version().as_deref(), Some("writes-data"));
    assert_eq!(app.read("data/customer"), "order\n");
    let files = |tree: &std::collections::BTreeMap<String, String>| {
        tree.keys().cloned().collect::<Vec<_>>()
    };
    assert_eq!(files(&app.whole_tree()), files(&written));
}

/// What somebody wrote to `order` after the deployment of v2 stays where it is, whether the next
/// one fails or a person goes back to v1; so does what was written while the next one was at work.
#[track_caller]
fn orders_stay(app: &App, order: &str) {
    app.ships("v2");
    app.slot.sh(&format!("echo taken > {order}"));
    app.latest("exits-at-start");
    app.deploy()
        .input("pre_deploy", &format!("echo served > {order}-2"))
        .run()
        .ends("rolled_back", 1);
    let orders = || app.slot.sh(&format!("cat {order} {order}-2"));
    assert_eq!(orders(), "taken\nserved\n");
    app.rollback().run().ends("restored", 0);
    assert_eq!(app.version().as_deref(), Some("v1"));
    assert_eq!(orders(), "taken\nserved\n");
}

#[test]
fn so_is_what_lies_behind_a_named_volume_that_is_a_directory_of_the_application() {
    let app = App::empty();
    let web = compose::web(&compose::beacon("latest")).replace("./data:", "data:");
    let bound = "{type: none, o: bind, device: \"${PWD}/data\"}";
    app.furnish(&format!(
        "{web}volumes:\n  data:\n    driver_opts: {bound}\n"
    ));
    app.ships("v1");
    orders_stay(&app, "/srv/app/data/order");
}

#[test]
fn so_is_what_a_container_of_somebody_else_writes() {
    let app = App::running("v1");
    app.by_hand("mkdir exports");
    let writes = "-v /srv/app/exports:/data registry.lab:5000/beacon:latest";
    app.slot
        .sh(&format!("docker run -d --name exporter {writes}"));
    orders_stay(&app, "/srv/app/exports/order");
    // It would not be started again, so it is not stopped where data does go back.
    app.ships("v2");
    app.rollback()
        .input("restore_data", "true")
        .run()
        .ends("restored", 0)
        .says(&["container `exporter` may write"]);
}

/// The application with a service that only `docker compose run` starts, by cron for one.
fn with_report() -> String {
    let report = compose::service("report", &compose::beacon("latest"), 8001);
    let report = report.replace("./data:", "./reports:");
    let web = compose::web(&compose::beacon("latest"));
    format!("{web}{report}    profiles: [cron]\n")
}

#[test]
fn so_is_what_a_service_of_an_inactive_profile_writes() {
    let app = App::empty();
    app.furnish(&with_report());
    app.ships("v1");
    app.by_hand("mkdir reports");
    orders_stay(&app, "/srv/app/reports/order");
}

#[test]
fn so_is_what_a_service_of_an_inactive_profile_will_write_by_the_files_that_come() {
    let app = App::running("v1");
    app.by_hand("mkdir reports; echo old > reports/order");
    app.latest("exits-at-start");
    app.deploy()
        .ship("compose.yaml", &with_report())
        .input("pre_deploy", "echo new > reports/order")
        .run()
        .ends("rolled_back", 1);
    assert_eq!(app.read("reports/order"), "new\n");
}

#[test]
fn so_is_what_lies_behind_a_link_that_a_container_mounts() {
    let app = App::empty();
    let web = compose::web(&compose::beacon("latest"));
    app.furnish(&web.replace("./data:", "./storage:"));
    app.by_hand("mkdir -p shared/storage; ln -s shared/storage storage");
    app.ships("v1");
    orders_stay(&app, "/srv/app/shared/storage/order");
}

#[test]
fn data_that_the_user_may_not_put_back_is_told_and_everything_stays_as_it_was() {
    let app = App::beacon();
    app.ships("writes-data");
    app.ships("v1");
    let before = app.release();
    app.slot.sh("rm /srv/app/data/journal");
    let act = app.rollback().input("restore_data", "true");
    act.run()
        .ends("rolled_back", 1)
        .says(&["/srv/app/data/journal", "sudo"]);
    app.is_again(&before);
    let data = app.slot.sh("ls -A /srv/app/data");
    assert_eq!(data, "kept\nschema\n");
}
