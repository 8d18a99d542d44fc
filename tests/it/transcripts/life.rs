//! Mistakes that only show once the release runs: it is taken back. And what a look says of an
//! application that somebody stopped.
//!
//! It refuses to know what is refused before.

use super::scene::Scene;
use crate::harness::app::App;

pub const MISTAKES: &[&str] = &[
    "exits-at-once",
    "answers-500",
    "health-url-with-the-wrong-port",
    "listens-elsewhere",
    "hook-not-found",
    "hook-fails",
    "smoke-test-fails",
    "stopped-by-hand",
];

pub fn play(app: &App) -> Vec<String> {
    let scene = Scene::that_puts_back(app, MISTAKES);
    releases(app, &scene);
    app.latest("v2");
    scene.mistake(
        "hook-not-found",
        "A newcomer's hook is a script of the workspace that nobody ships.",
        app.deploy().input("pre_deploy", "./migrate.sh"),
    );
    scene.mistake(
        "hook-fails",
        "A migration fails before the switch.",
        app.deploy()
            .input("pre_deploy", "echo 'no such table: lamps' >&2; exit 3"),
    );
    scene.mistake(
        "smoke-test-fails",
        "A newcomer's smoke test expects another answer than the application gives.",
        app.deploy().input("health_timeout", "4").input(
            "smoke_tests",
            "- name: version\n  http: http://localhost:8000/version\n  expect: { body: \"v1.0\" }\n",
        ),
    );
    scene.meanwhile(|| app.by_hand("docker compose stop web 2>&1"));
    scene.mistake(
        "stopped-by-hand",
        "An operator has stopped a service and asks how the application is.",
        app.cli(&["status"]),
    );
    scene.ends()
}

fn releases(app: &App, scene: &Scene<'_>) {
    app.latest("exits-at-start");
    scene.mistake(
        "exits-at-once",
        "The new release exits as soon as it is started.",
        app.deploy(),
    );
    app.latest("health-500");
    scene.mistake(
        "answers-500",
        "The new release answers its health check with 500.",
        app.deploy()
            .input("health_timeout", "4")
            .input("health_url", "http://localhost:8000/health"),
    );
    app.latest("v2");
    scene.mistake(
        "health-url-with-the-wrong-port",
        "A newcomer's `health_url` has a port that no service publishes.",
        app.deploy()
            .input("health_timeout", "4")
            .input("health_url", "http://localhost:3000/health"),
    );
    app.latest("never-binds");
    scene.mistake(
        "listens-elsewhere",
        "The new release listens on no port that anybody can reach.",
        app.deploy()
            .input("health_timeout", "4")
            .input("health_url", "http://localhost:8000/health"),
    );
}
