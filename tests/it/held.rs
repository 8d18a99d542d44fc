//! A name or a port that somebody else's container holds: seen before anything is touched, or no
//! reason to keep the old release down.
//!
//! It refuses to know how containers are brought back.

use crate::harness::app::App;
use crate::harness::compose;
use crate::harness::poll::seconds;

/// Somebody's container of that name, which answers nowhere unless a port is given.
fn lodger(app: &App, name: &str, port: &str) -> String {
    let image = app.container("web").image_id;
    format!("docker run -d --name {name} {port} {image}")
}

/// A process of root's that listens on port 8003, once it does.
const LISTENS: &str = "perl -MIO::Socket::INET -e '
        $s = IO::Socket::INET->new(LocalAddr => \"127.0.0.1\", LocalPort => 8003, Listen => 1) or die;
        open $f, \">\", \"/tmp/listens\"; close $f; sleep 600' >/dev/null 2>&1 </dev/null &
    until [ -e /tmp/listens ]; do sleep 0.05; done";

#[track_caller]
fn seen(app: &App, name: &str) -> String {
    let what = "{{.Id}} {{.Name}} {{.State.Status}} {{.State.StartedAt}}";
    app.slot
        .sh(&format!("docker inspect --format '{what}' {name}"))
}

fn named(name: &str) -> String {
    let web = compose::web(&compose::beacon("latest"));
    format!("{web}    container_name: {name}\n")
}

#[test]
fn a_name_or_a_port_that_somebody_else_has_is_refused_before_anything_is_touched() {
    let app = App::running("v1");
    app.slot.sh(&lodger(&app, "taken", "-p 8002:8000"));
    let before = app.untouched();
    let act = app.deploy().ship("compose.yaml", &named("taken"));
    act.run().ends("refused", 2).says(&[
        "the name `taken`, which service `web` is to have, is taken by the container `taken`",
    ]);
    let more = compose::pair(&compose::beacon("latest"), &compose::beacon("latest"));
    let more = more.replace("8001:8000", "127.0.0.1:8002:8000");
    let act = app.deploy().ship("compose.yaml", &more);
    act.run()
        .ends("refused", 2)
        .says(&["port 8002, which service `worker` publishes, is taken by the container `taken`"]);
    // A process of the server itself, which is of another user and so is known by that alone.
    app.slot.sh(LISTENS);
    let on_8003 = more.replace("127.0.0.1:8002:8000", "8003:8000");
    let act = app.deploy().ship("compose.yaml", &on_8003);
    act.run().ends("refused", 2).says(&[
        "port 8003, which service `worker` publishes, is taken by a process of `root`",
        "`sudo ss -lptun 'sport = :8003'`",
    ]);
    app.is_untouched(&before);
    let act = app.deploy().ship("compose.yaml", &more);
    let act = act.input("pre_deploy", "docker stop taken");
    act.run().ends("deployed", 0);
    assert_eq!(app.version_on(8000).as_deref(), Some("v1"));
}

#[test]
fn a_name_that_is_taken_in_mid_run_keeps_nobody_down() {
    let app = App::running("v1");
    let before = app.release();
    let image = app.container("web").image_id;
    let comes = format!("docker run -d --name taken {image}");
    app.latest("v2");
    let act = app.deploy().ship("compose.yaml", &named("taken"));
    act.input("pre_deploy", &comes).run().ends("rolled_back", 1);
    assert_eq!(app.version().as_deref(), Some("v1"));
    let theirs = seen(&app, "taken");
    assert!(theirs.contains("running"), "{theirs}");
    // The same push again is refused, and takes nothing from anybody.
    let act = app.deploy().ship("compose.yaml", &named("taken"));
    act.run().ends("refused", 2);
    assert_eq!(seen(&app, "taken"), theirs);
    app.slot.sh("docker rm -f taken");
    app.is_again(&before);
}

#[test]
fn an_old_release_whose_own_name_was_taken_meanwhile_serves_under_another() {
    let app = App::beacon();
    app.put("compose.yaml", &named("lighthouse"));
    app.ships("v1");
    let comes = lodger(&app, "lighthouse", "");
    let nowhere = "- name: outside\n  http: http://127.0.0.1:9/\n  from: runner\n";
    app.latest("v2");
    let act = app.deploy().ship("compose.yaml", &named("beacon"));
    let act = act
        .input("smoke_tests", nowhere)
        .input("health_timeout", "12");
    let mut run = act.start();
    run.until_it_says("waits for the runner's", seconds(60));
    app.slot.sh(&comes);
    let theirs = seen(&app, "lighthouse");
    let done = run.wait();
    done.ends("rolled_back", 1)
        .says(&["service `web` serves as `lighthouse-kept`"]);
    assert_eq!(app.version().as_deref(), Some("v1"));
    assert_eq!(app.container("web").name, "/lighthouse-kept");
    assert_eq!(seen(&app, "lighthouse"), theirs);
    // Once the name is free, what the hint says gives it back.
    app.slot.sh("docker rm -f lighthouse");
    app.by_hand("docker compose up -d 2>&1");
    assert_eq!(app.container("web").name, "/lighthouse");
}
