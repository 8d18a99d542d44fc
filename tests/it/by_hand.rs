//! A deployment fails on a server where somebody did something by hand before, or where containers
//! hang together: everything is put back all the same.
//!
//! It refuses to know what a deployment alone does.

use crate::harness::app::App;
use crate::harness::compose;
use crate::harness::poll::{seconds, until};

/// A deployment of a version that exits at start, which must be taken back.
#[track_caller]
fn breaks(app: &App) -> crate::harness::done::Done {
    app.latest("exits-at-start");
    let done = app.deploy().run();
    done.ends("rolled_back", 1);
    done
}

fn greeting(app: &App) -> Option<String> {
    Some(app.identity(8000)?["greeting"].as_str()?.to_owned())
}

/// What each container of a service does.
fn states(app: &App, service: &str) -> Vec<String> {
    let seen = app.containers().remove(service).unwrap_or_default();
    seen.into_iter().map(|c| c.state).collect()
}

#[test]
fn an_env_file_that_was_edited_without_an_up_is_no_failed_way_back() {
    let app = App::beacon();
    let web = compose::web(&compose::beacon("latest"));
    app.put("compose.yaml", &format!("{web}    env_file: [web.env]\n"));
    app.put("web.env", "GREETING=first\n");
    app.ships("v1");
    app.put("web.env", "GREETING=by hand\n");
    let tree = app.tree();
    assert_eq!(greeting(&app).as_deref(), Some("first"));
    breaks(&app).says(&["ran with a configuration that its files no longer said"]);
    assert_eq!(app.version().as_deref(), Some("v1"));
    assert_eq!(greeting(&app).as_deref(), Some("by hand"));
    assert_eq!(app.tree(), tree);
}

/// The variables that choose a version.
fn of_shell(version: &str) -> String {
    format!("TAG={version}\nIMAGE={}\n", compose::beacon(version))
}

/// A release of v1 whose tag nobody can find in any file: it was a variable of somebody's shell.
#[track_caller]
fn named_by_a_shell(image: &str) -> App {
    let app = App::empty();
    app.furnish(&compose::web(image));
    let first = app.deploy().image("").input("env_file", &of_shell("v1"));
    first.run().ends("deployed", 0);
    let up = "docker compose up -d --force-recreate --pull never";
    app.by_hand(&format!("mv .env /tmp/env; set -a; . /tmp/env; {up}"));
    app.comes_to_answer("v1");
    app
}

#[test]
fn a_release_whose_tag_was_a_variable_of_somebodys_shell_comes_back_exactly() {
    for image in [
        compose::beacon("${TAG}"),
        compose::beacon("${TAG:-exits-at-start}"),
        "${IMAGE}".to_owned(),
    ] {
        let app = named_by_a_shell(&image);
        let before = app.release();
        let broken = app.deploy().image("");
        let broken = broken.input("env_file", &of_shell("exits-at-start")).run();
        broken.ends("rolled_back", 1);
        assert!(!broken.log.contains("no longer said"), "{}", broken.log);
        app.is_again(&before);
        assert_eq!(app.version().as_deref(), Some("v1"));
        app.nothing_lingers();
    }
}

#[test]
fn a_release_whose_tag_was_a_variable_of_somebodys_shell_can_be_gone_back_to() {
    let app = named_by_a_shell(&compose::beacon("${TAG}"));
    let before = app.release();
    let next = app.deploy().image("").input("env_file", &of_shell("v2"));
    next.run().ends("deployed", 0);
    app.rollback().run().ends("restored", 0);
    assert_eq!(app.version().as_deref(), Some("v1"));
    app.is_again(&before);
    // What the containers were made from names no file that has gone by now.
    let next = app.deploy().image("").input("env_file", &of_shell("v2"));
    next.run().ends("deployed", 0);
    assert_eq!(app.version().as_deref(), Some("v2"));
}

#[test]
fn a_sidecar_in_the_network_of_a_replaced_container_comes_back_with_it() {
    let app = App::beacon();
    let web = compose::web(&compose::beacon("latest"));
    let sidecar = format!(
        "{web}  sidecar:\n    image: {}\n    network_mode: \"service:web\"\n    environment:\n      PORT: \"8080\"\n",
        compose::beacon("v1")
    );
    app.put("compose.yaml", &sidecar);
    app.latest("v1");
    app.deploy().image("").run().ends("deployed", 0);
    app.latest("exits-at-start");
    let done = app.deploy().image("").run();
    done.ends("rolled_back", 1);
    assert!(!done.log.contains("no longer said"), "{}", done.log);
    assert_eq!(app.version().as_deref(), Some("v1"));
    assert_eq!(states(&app, "sidecar"), ["running"]);
    let network = "docker inspect --format '{{.HostConfig.NetworkMode}}' app-sidecar-1";
    let joined = app.slot.sh(network);
    let web = app.container("web").id;
    assert_eq!(joined.trim(), format!("container:{web}"));
}

#[test]
fn a_service_that_was_scaled_by_hand_comes_back_to_that_scale() {
    let app = App::beacon();
    let two = format!(
        "services:\n  web:\n    image: {}\n    deploy:\n      replicas: 2\n",
        compose::beacon("latest")
    );
    app.put("compose.yaml", &two);
    app.latest("v1");
    app.deploy().run().ends("deployed", 0);
    app.by_hand("docker compose up -d --scale web=1");
    let before = app.release();
    assert_eq!(before.services["web"].len(), 1);
    breaks(&app);
    app.is_again(&before);
}

#[test]
fn what_was_restarting_again_and_again_does_so_again() {
    let app = App::beacon();
    let latest = compose::beacon("latest");
    let both = compose::pair(&latest, &compose::beacon("v2"));
    app.furnish(&both);
    app.latest("v1");
    app.deploy().image("").run().ends("deployed", 0);
    let loops = format!("{both}    environment:\n      BEHAVIOUR: exits-at-start\n");
    app.put("compose.yaml", &loops);
    app.by_hand("docker compose up -d");
    // By then Docker waits a while before each start.
    let look = "docker inspect --format '{{.State.Status}} {{.RestartCount}}' app-worker-1";
    until("`worker` to wait for its next start", seconds(60), || {
        let seen = app.slot.sh(look);
        let (state, restarts) = seen.trim().split_once(' ')?;
        let often = restarts.parse::<u32>().is_ok_and(|n| n >= 7);
        (often && state == "restarting").then_some(())
    });
    // Something of `worker` changes, so it is made again on the way there and back.
    let other = loops.replace("8001:8000", "8002:8000");
    app.latest("exits-at-start");
    let act = app.deploy().image("").ship("compose.yaml", &other);
    act.run().ends("rolled_back", 1);
    assert_eq!(app.version().as_deref(), Some("v1"));
    let after = states(&app, "worker");
    assert!(is_up_and_down(&after), "{after:?}");
}

/// Says whether the one container runs or is about to.
fn is_up_and_down(states: &[String]) -> bool {
    ["restarting", "running"].iter().any(|s| states == [*s])
}

#[test]
fn what_was_stopped_by_hand_is_stopped_again() {
    let app = App::beacon();
    let pair = compose::pair(&compose::beacon("latest"), &compose::beacon("v2"));
    app.furnish(&pair);
    app.latest("v1");
    app.deploy().image("").run().ends("deployed", 0);
    app.by_hand("docker compose stop worker");
    app.latest("exits-at-start");
    app.deploy().image("").run().ends("rolled_back", 1);
    assert_eq!(app.version().as_deref(), Some("v1"));
    assert_eq!(states(&app, "worker"), ["exited"]);
}

#[test]
fn what_was_made_from_other_files_and_holds_the_port_is_named_as_the_cause() {
    let app = App::running("v1");
    let other = compose::service("lodger", &compose::beacon("latest"), 8001);
    app.put("other.yaml", &format!("services:\n{other}"));
    app.by_hand("docker compose -f other.yaml up -d 2>&1");
    let lodger = app.container("lodger");
    let pair = compose::pair(&compose::beacon("latest"), &compose::beacon("latest"));
    let done = app.deploy().ship("compose.yaml", &pair).run();
    done.ends("rolled_back", 1)
        .says(&["if that holds the port or the name, remove it: `docker rm -f app-lodger-1`"]);
    assert_eq!(app.version().as_deref(), Some("v1"));
    assert_eq!(app.container("lodger"), lodger);
}
