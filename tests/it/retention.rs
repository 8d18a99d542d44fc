//! What goes from the server with the backups that are not kept.
//!
//! It refuses to know how many backups anybody wants.

use crate::harness::app::App;
use crate::harness::compose;

/// Says whether the server has an image under a tag of its own.
fn has(app: &App, version: &str) -> bool {
    let ask = format!("docker image inspect {}", compose::beacon(version));
    let asked = app.slot.try_sh_as("root", &ask, b"");
    asked.status.success()
}

#[test]
fn the_image_of_a_commit_goes_with_the_last_backup_that_names_it() {
    let app = App::empty();
    app.furnish(&compose::web(&format!("{}:${{TAG}}", compose::BEACON)));
    let ships = |version: &str| {
        let done = app
            .deploy()
            .image(&compose::beacon(version))
            .input("env_file", &format!("TAG={version}\n"))
            .input("keep_backups", "1")
            .run();
        done.ends("deployed", 0);
        app.container("web").image_id
    };
    let first = ships("v1");
    ships("v2");
    assert!(has(&app, "v1"));
    ships("writes-data");
    assert!(!has(&app, "v1"));
    assert!(has(&app, "v2"));
    let images = app.slot.sh("docker images -aq --no-trunc");
    assert!(!images.contains(&first), "{images}");
    app.rollback().run().ends("restored", 0);
    assert_eq!(app.version().as_deref(), Some("v2"));
}
