//! An application that somebody started by hand is taken over with its data, as the page about the
//! server says; what would leave the data behind is refused, and says what to do.
//!
//! It refuses to know how data is backed up.

use crate::harness::act::Act;
use crate::harness::app::App;
use crate::harness::compose;

/// What the application has written into its volume.
const IN_THE_VOLUME: &str = "/var/lib/docker/volumes/app_state/_data/kept";

/// One service with data in a directory and in a volume.
fn with_data(data: &str, volume: &str) -> String {
    let mounts = format!("- {data}:/data\n      - {volume}:/state");
    let web = compose::web(&compose::beacon("latest")).replace("- ./data:/data", &mounts);
    format!("{web}volumes:\n  {volume}: {{}}\n")
}

/// `beacon:v1`, started by hand, that has written into both.
fn started_by_hand() -> App {
    let app = App::beacon();
    app.latest("v1");
    app.put("compose.yaml", &with_data("./data", "state"));
    // Whoever starts it has logged in somewhere else, and leaves no login here.
    let registry = app.slot.fact("REGISTRY_USER").to_owned();
    let up = format!(
        "export DOCKER_CONFIG=$(mktemp -d)
        docker login -u {registry} --password-stdin registry.lab:5000 2>&1
        docker compose pull -q 2>&1; rm -r $DOCKER_CONFIG; unset DOCKER_CONFIG
        cd /srv/app && docker compose up -d 2>&1"
    );
    let password = app.slot.fact("REGISTRY_PASSWORD").to_owned();
    let script = format!("cd /srv/app\n{up}");
    app.slot.sh_as(&app.user, &script, password.as_bytes());
    app.comes_to_answer("v1");
    app.slot.sh(&format!("echo precious > {IN_THE_VOLUME}"));
    app
}

/// Must have everything that the application wrote before anybody deployed.
#[track_caller]
fn has_its_data(app: &App) {
    assert_eq!(app.read("data/kept"), "by the application\n");
    assert_eq!(app.slot.sh(&format!("cat {IN_THE_VOLUME}")), "precious\n");
    let mounted =
        "docker inspect --format '{{range .Mounts}}{{.Destination}}={{.Source}} {{end}}' app-web-1";
    let mounted = app.slot.sh(mounted);
    assert!(mounted.contains("/data=/srv/app/data "), "{mounted}");
    assert!(
        mounted.contains("/state=/var/lib/docker/volumes/app_state/_data "),
        "{mounted}"
    );
}

/// Must be refused before anything is touched, by a plan as by a deployment.
#[track_caller]
fn is_refused<'a>(app: &'a App, act: Act<'a>, words: &[&str]) {
    let before = app.untouched();
    act.planned().run().ends("refused", 2).says(words);
    act.run().ends("refused", 2).says(words);
    app.is_untouched(&before);
}

#[test]
fn an_application_that_was_started_by_hand_is_taken_over_with_its_data_and_rolls_back() {
    let app = started_by_hand();
    app.latest("v2");
    app.deploy().run().ends("deployed", 0);
    assert_eq!(app.version().as_deref(), Some("v2"));
    has_its_data(&app);
    app.rollback().run().ends("restored", 0);
    assert_eq!(app.version().as_deref(), Some("v1"));
    has_its_data(&app);
}

#[test]
fn what_would_leave_the_data_of_a_running_application_behind_is_refused_and_says_what_to_do() {
    let mut app = started_by_hand();
    app.latest("v2");
    // In the directory of the application, under another name.
    let renamed = app.deploy().input("project_name", "shop");
    is_refused(
        &app,
        renamed,
        &[
            "service `web` would begin without its data",
            "the same compose file runs in this directory as the project `app`",
            "`project_name: app`",
            "`docker volume create shop_state`",
        ],
    );
    // With another directory, and with another volume.
    let moved = app
        .deploy()
        .ship("compose.yaml", &with_data("./storage", "state"));
    is_refused(
        &app,
        moved,
        &[
            "`app-web-1` has `/srv/app/data` at `/data`",
            "`sudo cp -aT /srv/app/data /srv/app/storage`",
        ],
    );
    let other = app
        .deploy()
        .ship("compose.yaml", &with_data("./data", "fresh"));
    is_refused(
        &app,
        other,
        &["has the volume `app_state` at `/state`", "name: app_state"],
    );
    // In another directory, under its name, as somebody may who reads of `project_name` alone.
    app.slot
        .sh("install -d -o deploy -g deploy -m 755 /srv/other");
    "/srv/other".clone_into(&mut app.dir);
    app.put("compose.yaml", &with_data("./data", "state"));
    let elsewhere = app.deploy().input("project_name", "app");
    is_refused(
        &app,
        elsewhere,
        &[
            "the project `app` belongs to another directory, `/srv/app`",
            "`deploy_dir: /srv/app`; its data is there",
        ],
    );
    // What the hint says is enough.
    "/srv/app".clone_into(&mut app.dir);
    app.slot.sh("cp -aT /srv/app/data /srv/app/storage");
    let moved = app
        .deploy()
        .ship("compose.yaml", &with_data("./storage", "state"));
    moved.run().ends("deployed", 0);
    assert_eq!(app.read("storage/kept"), "by the application\n");
}
