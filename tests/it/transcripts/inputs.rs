//! Mistakes in what is written down: inputs, flags, files of the workspace. Nobody is contacted.
//!
//! It refuses to know what is on the server.

use super::scene::Scene;
use crate::harness::app::App;
use crate::harness::compose;

pub const MISTAKES: &[&str] = &[
    "secrets-not-set",
    "input-mistyped",
    "mode-mistyped",
    "command-mistyped",
    "flag-mistyped",
    "secret-on-the-command-line",
    "deploy-dir-relative",
    "deploy-dir-root",
    "backup-dir-is-deploy-dir",
    "image-in-upper-case",
    "password-without-registry",
    "env-file-empty",
    "env-file-broken",
    "env-file-lacks-a-name",
    "smoke-tests-broken",
    "smoke-tests-not-checked-out",
    "files-match-nothing",
    "files-outside-the-workspace",
    "timeout-too-short",
    "timeout-in-words",
    "backup-mistyped",
    "freeze-without-a-word",
];

pub fn play(app: &App) -> Vec<String> {
    let scene = Scene::of(app, MISTAKES);
    let beacon = compose::beacon("v2");
    workflow(app, &scene);
    scene.mistake(
        "command-mistyped",
        "An operator mistypes a command.",
        app.cli(&["rolback"]),
    );
    scene.mistake(
        "flag-mistyped",
        "An operator mistypes a flag.",
        app.cli(&["deploy", "--deploydir", "/srv/app", "--image", &beacon]),
    );
    scene.mistake(
        "secret-on-the-command-line",
        "An operator types a secret where everybody on the machine can read it.",
        app.cli(&[
            "deploy",
            "--registry-username",
            "ana",
            "--registry-password",
            "made-up-word",
        ]),
    );
    directories(app, &scene);
    release(app, &scene);
    scene.mistake(
        "smoke-tests-broken",
        "A newcomer's smoke tests are no YAML.",
        app.deploy().input(
            "smoke_tests",
            "- name: health\n   http: http://localhost:8000/health\n",
        ),
    );
    scene.mistake(
        "smoke-tests-not-checked-out",
        "A workflow names a file of smoke tests, and checks nothing out.",
        app.deploy().input("smoke_tests", "tests/smoke.yml"),
    );
    scene.mistake(
        "files-match-nothing",
        "A workflow ships files that no build has made.",
        app.deploy().input("files", "dist/**\ncompose.yaml"),
    );
    scene.mistake(
        "files-outside-the-workspace",
        "A newcomer ships a file of another directory.",
        app.deploy()
            .input("files", "../shared/compose.yaml\n/etc/app.conf"),
    );
    run(app, &scene);
    scene.ends()
}

fn workflow(app: &App, scene: &Scene<'_>) {
    scene.mistake(
        "secrets-not-set",
        "A newcomer has copied the workflow and set none of its secrets.",
        ["host", "user", "ssh_key", "host_key"]
            .into_iter()
            .fold(app.deploy(), |act, name| act.input(name, "")),
    );
    scene.mistake(
        "input-mistyped",
        "A newcomer mistypes an input's name.",
        app.deploy()
            .variable("INPUT_HEALTHURL", "http://localhost:8000/health"),
    );
    scene.mistake(
        "mode-mistyped",
        "A newcomer mistypes the mode.",
        app.deploy().input("mode", "rolback"),
    );
}

fn directories(app: &App, scene: &Scene<'_>) {
    scene.mistake(
        "deploy-dir-relative",
        "A newcomer names the directory as seen from the login.",
        app.deploy().input("deploy_dir", "~/app"),
    );
    scene.mistake(
        "deploy-dir-root",
        "An operator deploys to the whole server.",
        app.cli(&["deploy", "--deploy-dir", "/"]),
    );
    scene.mistake(
        "backup-dir-is-deploy-dir",
        "An operator keeps the backups in the directory that they are of.",
        app.cli(&["backups", "--backup-dir", "/srv/app"]),
    );
}

fn release(app: &App, scene: &Scene<'_>) {
    scene.mistake(
        "image-in-upper-case",
        "A workflow names the image after the repository, as GitHub spells it.",
        app.deploy().input("image", "ghcr.io/Acme/Beacon:v2"),
    );
    scene.mistake(
        "password-without-registry",
        "A workflow has a registry's password, and no image that says which registry.",
        app.deploy().input("image", "").input("registry", ""),
    );
    scene.mistake(
        "env-file-empty",
        "A workflow takes the env file from a secret that is not set.",
        app.deploy().input("env_file", ""),
    );
    scene.mistake(
        "env-file-broken",
        "A newcomer's env file has a name with a blank, and a quote that is never closed.",
        app.deploy()
            .input("env_file", "SECRET KEY=made-up\nTOKEN=\"made-up\n"),
    );
    scene.mistake(
        "env-file-lacks-a-name",
        "A workflow asks for variables that the env file does not set.",
        app.deploy()
            .input("env_file", "DB_HOST=db\nDB_PASSWORD=\n")
            .input("require_env", "DB_HOST\nDB_PASSWORD\nSECRET_KEY"),
    );
}

fn run(app: &App, scene: &Scene<'_>) {
    scene.mistake(
        "timeout-too-short",
        "A workflow gives the run less time than its checks.",
        app.deploy()
            .input("timeout", "60")
            .input("health_timeout", "120"),
    );
    scene.mistake(
        "timeout-in-words",
        "An operator gives a time with its unit.",
        app.cli(&["deploy", "--timeout", "20m", "--health-timeout", "2m"]),
    );
    scene.mistake(
        "backup-mistyped",
        "An operator names a backup by its file.",
        app.cli(&["rollback", "app-backup-20251017_143025.tar.gz"]),
    );
    scene.mistake(
        "freeze-without-a-word",
        "An operator freezes a directory and does not say why.",
        app.cli(&["freeze"]),
    );
}
