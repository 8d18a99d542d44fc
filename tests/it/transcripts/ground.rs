//! Mistakes on a server that is not prepared, or where nothing was deployed yet.
//!
//! It refuses to know what a release is.

use super::scene::Scene;
use crate::harness::app::App;
use crate::harness::compose;

pub const MISTAKES: &[&str] = &[
    "deploy-dir-missing",
    "compose-file-missing",
    "status-before-the-first",
    "backups-before-the-first",
    "rollback-before-the-first",
    "docker-not-permitted",
    "deploy-dir-not-writable",
    "doctor-without-docker",
    "deploy-dir-forgotten-on-the-server",
    "root-before-the-first",
];

pub fn play(app: &App) -> Vec<String> {
    let scene = Scene::of(app, MISTAKES);
    scene.mistake(
        "deploy-dir-missing",
        "A newcomer has not made the directory.",
        app.deploy().input("deploy_dir", "/srv/shop"),
    );
    scene.mistake(
        "compose-file-missing",
        "A newcomer ships no compose file, and none is on the server.",
        app.deploy(),
    );
    looks(app, &scene);
    rights(app, &scene);
    by_hand(app, &scene);
    scene.ends()
}

fn looks(app: &App, scene: &Scene<'_>) {
    scene.mistake(
        "status-before-the-first",
        "An operator asks how it is where nothing was deployed.",
        app.cli(&["status"]),
    );
    scene.mistake(
        "backups-before-the-first",
        "An operator asks for backups where nothing was deployed.",
        app.cli(&["backups"]),
    );
    scene.mistake(
        "rollback-before-the-first",
        "An operator rolls back where nothing was deployed.",
        app.cli(&["rollback"]),
    );
}

fn rights(app: &App, scene: &Scene<'_>) {
    scene.meanwhile(|| {
        app.furnish(&compose::web(&compose::beacon("latest")));
        app.slot.sh(
            "install -d -o stranger -g stranger /srv/strangers /srv/strangers/app
            cp /srv/app/compose.yaml /srv/strangers/app/",
        )
    });
    let stranger = || {
        app.deploy()
            .input("user", "stranger")
            .input("deploy_dir", "/srv/strangers/app")
    };
    scene.mistake(
        "docker-not-permitted",
        "A newcomer's user may not use Docker.",
        stranger(),
    );
    scene.mistake(
        "deploy-dir-not-writable",
        "A newcomer's user may write neither the directory nor beside it.",
        stranger().input("deploy_dir", "/srv/app"),
    );
    scene.mistake(
        "doctor-without-docker",
        "A newcomer asks what is missing for that user.",
        app.cli(&[
            "doctor",
            "--user",
            "stranger",
            "--deploy-dir",
            "/srv/strangers/app",
        ]),
    );
}

fn by_hand(app: &App, scene: &Scene<'_>) {
    let binary = std::fs::read(crate::harness::act::landfall()).unwrap();
    app.slot.sh_as(
        "root",
        "cat > /usr/local/bin/landfall; chmod 755 /usr/local/bin/landfall",
        &binary,
    );
    scene.on_the_server(
        "deploy-dir-forgotten-on-the-server",
        "An operator on the server does not say of which application.",
        "deploy",
        "cd /srv/app && landfall status",
    );
    scene.on_the_server(
        "root-before-the-first",
        "Root looks at a directory where nothing was deployed.",
        "root",
        "cd /root && landfall status --deploy-dir /srv/app",
    );
    app.slot.sh("rm /usr/local/bin/landfall");
}
