//! Two projects share one deploy directory: what is done to one leaves the other alone.
//!
//! It refuses to know what a deployment alone does.

use crate::harness::act::Act;
use crate::harness::app::App;
use crate::harness::compose;

/// A deployment, or with the mode a rollback, of the project `blog`.
fn of_blog(act: Act<'_>) -> Act<'_> {
    let act = act.image("").input("compose_file", "blog.yml");
    act.input("project_name", "blog")
}

/// The compose file of `blog`, in a version.
fn blog(version: &str) -> String {
    let service = compose::service("page", &compose::beacon(version), 8001);
    let service = service
        .replace("./config", "./blog")
        .replace("./data", "./pages");
    format!("services:\n{service}")
}

/// Deploys `app` v1 and v2, and then `blog` v1 and v3, with its own files.
fn both() -> App {
    let app = App::running("v1");
    app.ships("v2");
    app.slot
        .sh_as("deploy", "mkdir -p /srv/app/blog /srv/app/pages", b"");
    for (version, colour) in [("v1", "white"), ("v3", "blue")] {
        let act = of_blog(app.deploy()).ship("blog.yml", &blog(version));
        let act = act.ship("blog/beacon.conf", &format!("lamp = {colour}\n"));
        act.run().ends("deployed", 0);
        assert_eq!(app.version_on(8001).as_deref(), Some(version));
    }
    app
}

#[test]
fn a_rollback_is_of_the_project_that_it_is_asked_for_and_leaves_the_other_ones_release() {
    let app = both();
    let page = app.container("page");
    app.rollback().run().ends("restored", 0);
    assert_eq!(app.version().as_deref(), Some("v1"));
    assert_eq!(app.container("page"), page);
    assert_eq!(app.read("blog.yml"), blog("v3"));
    assert_eq!(app.read("blog/beacon.conf"), "lamp = blue\n");
    let web = app.container("web");
    of_blog(app.rollback()).run().ends("restored", 0);
    assert_eq!(app.version_on(8001).as_deref(), Some("v1"));
    assert_eq!(app.read("blog/beacon.conf"), "lamp = white\n");
    assert_eq!(app.container("web"), web);
}

#[test]
fn a_backup_of_the_other_project_is_refused_by_name_and_keeps_its_place() {
    let app = both();
    let blogs = "docker image ls --format '{{.Repository}}:{{.Tag}}' landfall.backup/blog | wc -l";
    let (kept, before) = (app.slot.sh(blogs), app.backup_timestamps());
    let of_blog = before.last().unwrap().clone();
    let act = app.rollback().input("backup_timestamp", &of_blog);
    let done = act.run();
    done.ends("refused", 2).says(&[
        "is of the project `blog`, and this rollback is of `app`",
        "project_name: blog",
    ]);
    // One place is enough for each project: neither takes the other's.
    app.latest("v3");
    app.deploy()
        .input("keep_backups", "1")
        .run()
        .ends("deployed", 0);
    assert!(app.backup_timestamps().contains(&of_blog));
    assert_eq!(app.slot.sh(blogs), kept);
    let listed = app.cli(&["backups", "--project-name", "blog"]).run();
    listed.exits(0).says(&[&of_blog]);
    let status = app.cli(&["status"]).run();
    status.exits(0).says(&["web"]);
    let history = app
        .cli(&["history", "--project-name", "blog", "--json"])
        .run();
    assert!(
        !history.log.contains("\"project\": \"app\""),
        "{}",
        history.log
    );
}
