//! Images that are only on the server: where Compose by hand would start them, so does Landfall.

use crate::harness::app::App;
use crate::harness::compose;

/// Makes a name mean beacon v1 on the server, as a build or a load would, and nothing else mean it.
#[track_caller]
fn has_only_here(app: &App, name: &str) {
    let log_in = format!(
        "docker login -u {} --password-stdin registry.lab:5000 2>&1
        docker pull -q registry.lab:5000/beacon:v1; docker tag registry.lab:5000/beacon:v1 {name}
        docker logout registry.lab:5000; rm -rf /home/deploy/.docker
        docker rmi registry.lab:5000/beacon:v1",
        app.slot.fact("REGISTRY_USER")
    );
    let password = app.slot.fact("REGISTRY_PASSWORD");
    app.slot.sh_as("deploy", &log_in, password.as_bytes());
}

#[test]
fn an_image_that_only_the_server_has_is_deployed_and_told() {
    let app = App::empty();
    has_only_here(&app, "local.invalid/lamp:1");
    app.furnish(&compose::web("local.invalid/lamp:1"));
    let deploy = || app.deploy().image("");
    deploy()
        .run()
        .ends("deployed", 0)
        .says(&["runs the server's own `local.invalid/lamp:1`"]);
    assert_eq!(app.version().as_deref(), Some("v1"));
    let before = app.release();
    let act = deploy().input("health_url", "http://localhost:8000/nothing-here");
    let broken = act.input("health_timeout", "3").input("env_file", "X=y\n");
    broken.run().ends("rolled_back", 1);
    app.is_again(&before);
    // What the input names is always asked for.
    app.deploy()
        .image("local.invalid/lamp:1")
        .run()
        .ends("refused", 2)
        .says(&["cannot pull `local.invalid/lamp:1`"]);
}

#[test]
fn a_service_that_must_not_be_pulled_is_not_and_one_that_is_missing_then_is_refused() {
    let app = App::empty();
    has_only_here(&app, "registry.lab:5000/beacon:latest");
    app.latest("v2");
    let web = compose::web(&compose::beacon("latest"));
    app.furnish(&format!("{web}    pull_policy: never\n"));
    app.deploy().image("").run().ends("deployed", 0);
    assert_eq!(app.version().as_deref(), Some("v1"), "it was pulled");
    let before = app.untouched();
    let other = compose::web(&compose::beacon("v3"));
    let act = app.deploy().image("");
    let act = act.ship("compose.yaml", &format!("{other}    pull_policy: never\n"));
    act.run()
        .ends("refused", 2)
        .says(&["is not on the server", "`pull_policy: never`"]);
    app.is_untouched(&before);
    let act = app.deploy().image("");
    let missing = act.ship("compose.yaml", &format!("{web}    pull_policy: missing\n"));
    missing.run().ends("deployed", 0);
    assert_eq!(app.version().as_deref(), Some("v1"), "it was pulled");
}
