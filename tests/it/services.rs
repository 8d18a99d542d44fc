//! `services` names what is deployed: the others are left alone, whatever the files say of them.

use crate::harness::app::App;
use crate::harness::compose;

/// `web` depends on `db`, which has a greeting; each of a version of its own.
fn leaning(web: &str, db: &str, greeting: &str) -> String {
    let db = compose::service("db", &compose::beacon(db), 8001);
    let web = compose::service("web", &compose::beacon(web), 8000);
    format!(
        "services:\n{db}    environment:\n      GREETING: {greeting}\n{web}    depends_on: [db]\n"
    )
}

#[track_caller]
fn running() -> App {
    let app = App::empty();
    app.furnish(&leaning("latest", "v1", "old"));
    app.latest("v1");
    let all = app.deploy().image("").run();
    all.ends("deployed", 0);
    app
}

fn deploys_web<'a>(app: &'a App, compose: &str) -> crate::harness::act::Act<'a> {
    let act = app.deploy().image("registry.lab:5000/beacon:latest");
    act.input("services", "web").ship("compose.yaml", compose)
}

#[test]
fn a_database_whose_tag_and_settings_changed_in_the_file_is_left_alone_both_ways_and_told() {
    let app = running();
    let db = app.container("db");
    app.latest("v2");
    let next = leaning("latest", "v3", "new");
    let done = deploys_web(&app, &next).run();
    done.ends("deployed", 0)
        .says(&["`db` is not what the files say, and is left as it is"]);
    assert_eq!(app.version().as_deref(), Some("v2"));
    assert_eq!(app.container("db"), db, "the database was touched");
    let before = app.release();
    app.latest("exits-at-start");
    deploys_web(&app, &next).run().ends("rolled_back", 1);
    app.is_again(&before);
    assert_eq!(app.container("db"), db, "the way back touched the database");
    app.rollback().run().ends("restored", 0);
    assert_eq!(app.version().as_deref(), Some("v1"));
    assert_eq!(app.container("db"), db, "the rollback touched the database");
}

#[test]
fn where_the_others_are_what_the_files_say_nothing_is_left_for_an_up_by_hand() {
    let app = running();
    app.latest("v2");
    let act = deploys_web(&app, &leaning("latest", "v1", "old"));
    act.run().ends("deployed", 0);
    let deployed = app.containers();
    app.by_hand("docker compose up -d");
    assert_eq!(app.containers(), deployed);
}

#[test]
fn a_dependency_that_somebody_stopped_stays_stopped_and_is_told() {
    let app = running();
    app.by_hand("docker compose stop -t 0 db");
    let db = app.container("db");
    app.latest("v2");
    let act = deploys_web(&app, &leaning("latest", "v1", "old"));
    act.run()
        .ends("deployed", 0)
        .says(&["`db` does not run", "`services` does not name it"]);
    assert_eq!(app.container("db"), db);
}
