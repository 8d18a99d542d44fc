//! Applications that die on their way up: what is hope, and what is a loop.
//!
//! Their containers borrow the server's own shell, since beacon's image has none. It refuses to
//! know what a version that never comes up is made of.

use crate::harness::act::Act;
use crate::harness::app::App;
use crate::harness::compose;
use crate::harness::done::Done;

/// A service of beacon's image whose entrypoint is a line of shell; it has no healthcheck.
fn shell(name: &str, port: u16, restart: &str, line: &str) -> String {
    format!(
        "  {name}:
    image: {}
    entrypoint: [\"/bin/sh\", \"-ec\", {line:?}]
    ports:
      - \"{port}:8000\"
    volumes:
      - ./data:/data
      - /bin:/bin:ro
      - /usr:/usr:ro
      - /lib:/lib:ro
      - /lib64:/lib64:ro
    restart: \"{restart}\"
",
        compose::beacon("latest")
    )
}

/// Dies so many times, each after a while, and serves after that.
fn dies(times: u32, after: &str) -> String {
    format!(
        "echo life >> /data/lives; \
         if [ $$(wc -l < /data/lives) -le {times} ]; then sleep {after}; \
         echo the database is away; exit 1; fi; exec /beacon"
    )
}

/// A deployment of these services over a running v1, not yet started.
#[track_caller]
fn of<'a>(app: &'a App, services: &str) -> Act<'a> {
    app.latest("v2");
    let services = format!("services:\n{services}");
    app.deploy().ship("compose.yaml", &services)
}

/// Ships these services over a running v1.
#[track_caller]
fn shipped(app: &App, services: &str) -> Done {
    of(app, services)
        .input("health_url", "http://localhost:8000/health")
        .input("health_timeout", "60")
        .input("watch", "2")
        .run()
}

#[test]
fn an_application_that_dies_once_while_its_database_starts_is_deployed() {
    let app = App::running("v1");
    let web = shell("web", 8000, "always", &dies(1, "2.5"));
    let done = shipped(&app, &web);
    done.ends("deployed", 0);
    assert_eq!(app.version().as_deref(), Some("v2"));
    assert_eq!(app.by_hand("wc -l < data/lives"), "2\n");
}

/// Ships `web`, which Compose starts once `db` is healthy; `db` dies once, so long after its start.
#[track_caller]
fn comes_up_behind_a_death(app: &App, after: &str) {
    app.slot.sh("rm -f /srv/app/data/lives");
    let db = shell("db", 8001, "always", &dies(1, after));
    let check = "    healthcheck:\n      test: [\"CMD\", \"/beacon\", \"check\"]\n      interval: 2s\n      retries: 20\n";
    let web = compose::service("web", &compose::beacon("latest"), 8000);
    let waits = "    depends_on:\n      db:\n        condition: service_healthy\n";
    shipped(app, &format!("{db}{check}{web}{waits}")).ends("deployed", 0);
    assert_eq!(app.version().as_deref(), Some("v2"));
    assert_eq!(app.by_hand("wc -l < data/lives"), "2\n");
}

#[test]
fn a_dependency_that_dies_once_does_not_end_composes_wait_for_it() {
    comes_up_behind_a_death(&App::running("v1"), "0.5");
}

/// It looks twice a second, and the engine calls a container unhealthy between two lives.
#[test]
fn a_dependency_that_is_dead_when_compose_looks_does_not_end_the_deployment() {
    for after in ["0.7", "0.85"] {
        comes_up_behind_a_death(&App::running("v1"), after);
    }
}

#[test]
fn a_one_shot_that_succeeds_at_its_second_try_has_passed() {
    let app = App::running("v1");
    let line = dies(1, "0.5").replace("exec /beacon", "exec /beacon migrate");
    let migrate = shell("migrate", 8001, "on-failure", &line);
    let web = compose::service("web", &compose::beacon("latest"), 8000);
    let done = shipped(&app, &format!("{migrate}{web}"));
    done.ends("deployed", 0).says(&["after it restarted once"]);
}

#[test]
fn three_restarts_are_a_loop_long_before_the_deadline() {
    let app = App::running("v1");
    let before = app.release();
    let done = shipped(&app, &shell("web", 8000, "always", &dies(99, "0.1")));
    done.ends("rolled_back", 1).says(&[
        "service `web` restarts again and again",
        "the database is away",
    ]);
    assert!(done.took.as_secs() < 40, "it took {:?}", done.took);
    app.is_again(&before);
}

#[test]
fn a_restart_behind_its_passed_checks_is_taken_back() {
    let app = App::running("v1");
    let before = app.release();
    let line = "/beacon & sleep 3; echo it fell; exit 1";
    let done = shipped(&app, &shell("web", 8000, "always", line));
    done.ends("rolled_back", 1)
        .says(&["restarted after its checks had passed", "it fell"]);
    app.is_again(&before);
}

#[test]
fn what_dies_behind_its_first_good_answer_is_taken_back_when_nothing_was_said_of_it() {
    let app = App::running("v1");
    let before = app.release();
    let line = "/beacon & sleep 8; echo it fell; exit 1";
    let web = shell("web", 8000, "unless-stopped", line);
    let done = of(&app, &web)
        .input("health_url", "http://localhost:8000/health")
        .by_default("watch")
        .run();
    done.ends("rolled_back", 1)
        .says(&["into the watch of 10 s", "it fell"]);
    app.is_again(&before);
}

#[test]
fn what_nothing_asks_must_have_run_for_a_while_even_unwatched() {
    let app = App::running("v1");
    let before = app.release();
    let web = compose::service("web", &compose::beacon("latest"), 8000);
    let worker = shell("worker", 8001, "no", "sleep 3; echo it fell; exit 1");
    let services = format!("{web}{worker}");
    let done = of(&app, &services).run();
    done.ends("rolled_back", 1)
        .says(&["service `worker` exited with code 1", "it fell"]);
    app.is_again(&before);
    // Whoever asks for its state has a test of it, and is believed to know.
    let asked = "- {name: worker, service: worker}";
    let done = of(&app, &services).input("smoke_tests", asked).run();
    done.ends("deployed", 0);
}

#[test]
fn what_nothing_starts_again_has_failed_at_once() {
    let app = App::running("v1");
    let before = app.release();
    let done = shipped(&app, &shell("web", 8000, "no", &dies(1, "0.5")));
    done.ends("rolled_back", 1)
        .says(&["service `web` exited with code 1"]);
    assert!(done.took.as_secs() < 40, "it took {:?}", done.took);
    app.is_again(&before);
}

#[test]
fn a_log_driver_that_keeps_nothing_is_named_where_the_last_lines_would_be() {
    let app = App::running("v1");
    let web = shell("web", 8000, "no", "echo it fell; exit 1");
    let done = shipped(&app, &format!("{web}    logging: {{ driver: none }}\n"));
    done.ends("rolled_back", 1).says(&[
        "its log driver `none` keeps nothing that could be shown",
        "logging: { driver: local }",
    ]);
    let quiet = shell("web", 8000, "no", "exit 1");
    let done = shipped(&app, &quiet);
    done.ends("rolled_back", 1).says(&["(it printed nothing)"]);
}
