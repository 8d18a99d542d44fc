//! Mistakes in what is new, which only the server, its engine or a registry can see. Nothing is touched.
//!
//! It refuses to know how a release is judged.

use super::scene::Scene;
use crate::harness::app::App;
use crate::harness::compose;

pub const MISTAKES: &[&str] = &[
    "tag-not-pushed",
    "login-missing",
    "password-wrong",
    "image-of-no-service",
    "service-mistyped",
    "compose-file-broken",
    "compose-file-mistyped",
    "env-file-of-a-service-missing",
    "variable-not-set",
    "env-file-with-a-dollar",
    "port-taken",
    "name-taken",
    "project-of-another-directory",
    "project-renamed",
    "rollback-of-the-first",
    "rollback-to-an-unknown-time",
    "rollback-to-an-unknown-commit",
    "rollback-by-a-commit-of-several",
    "frozen",
    "locked",
    "logs-of-an-unknown-service",
    "verify-an-unknown-backup",
];

pub fn play(app: &App) -> Vec<String> {
    let scene = Scene::of(app, MISTAKES);
    images(app, &scene);
    files(app, &scene);
    taken(app, &scene);
    back(app, &scene);
    held(app, &scene);
    scene.mistake(
        "logs-of-an-unknown-service",
        "An operator mistypes a service's name.",
        app.cli(&["logs", "wbe"]),
    );
    scene.mistake(
        "verify-an-unknown-backup",
        "An operator asks for a backup that is gone.",
        app.cli(&["verify", "20010203_040506"]),
    );
    scene.ends()
}

fn images(app: &App, scene: &Scene<'_>) {
    scene.mistake(
        "tag-not-pushed",
        "A workflow deploys a tag that it has not pushed.",
        app.deploy().image(&compose::beacon("v99")),
    );
    scene.mistake(
        "login-missing",
        "A newcomer's image is private, and the workflow logs in nowhere.",
        ["registry", "registry_username", "registry_password"]
            .into_iter()
            .fold(app.deploy().image(&compose::beacon("v2")), |act, name| {
                act.input(name, "")
            }),
    );
    scene.mistake(
        "password-wrong",
        "A workflow's registry password has expired.",
        app.deploy()
            .image(&compose::beacon("v2"))
            .input("registry_password", "expired-made-up"),
    );
    scene.mistake(
        "image-of-no-service",
        "A newcomer mistypes the image's repository.",
        app.deploy().image("registry.lab:5000/becon:v2"),
    );
    scene.mistake(
        "service-mistyped",
        "A newcomer mistypes a service's name.",
        app.deploy().input("services", "wbe"),
    );
}

fn files(app: &App, scene: &Scene<'_>) {
    let web = compose::web(&compose::beacon("latest"));
    scene.mistake(
        "compose-file-broken",
        "A newcomer ships a compose file with a tab in it.",
        app.deploy()
            .ship("compose.yaml", &web.replace("    volumes:", "\tvolumes:")),
    );
    scene.mistake(
        "compose-file-mistyped",
        "A newcomer names a compose file that is not on the server.",
        app.deploy()
            .input("compose_file", "docker-compose.production.yml"),
    );
    scene.mistake(
        "env-file-of-a-service-missing",
        "The compose file names an env file that nobody ships.",
        app.deploy()
            .ship("compose.yaml", &format!("{web}    env_file: web.env\n")),
    );
    scene.mistake(
        "variable-not-set",
        "The compose file wants a variable that no env file sets.",
        app.deploy().ship(
            "compose.yaml",
            &compose::web("registry.lab:5000/beacon:${TAG}"),
        ),
    );
    scene.mistake(
        "env-file-with-a-dollar",
        "A newcomer's env file has a password with a `$` in it.",
        app.deploy().input("env_file", "DB_PASSWORD=made$up-word\n"),
    );
}

fn taken(app: &App, scene: &Scene<'_>) {
    let image = app.container("web").image_id;
    let lodger = format!("docker run -d --name cache -p 8002:8000 {image}");
    scene.meanwhile(|| app.slot.sh(&lodger));
    let web = compose::web(&compose::beacon("latest"));
    scene.mistake(
        "port-taken",
        "A service is to publish a port that another container has.",
        app.deploy()
            .ship("compose.yaml", &web.replace("8000:8000", "8002:8000")),
    );
    scene.mistake(
        "name-taken",
        "A service is to have a name that another container has.",
        app.deploy()
            .ship("compose.yaml", &format!("{web}    container_name: cache\n")),
    );
    scene.meanwhile(|| app.slot.sh("docker rm -f cache"));
    scene.mistake(
        "project-of-another-directory",
        "A newcomer takes a project's name that another directory has.",
        app.deploy().input("project_name", "neighbour"),
    );
    scene.mistake(
        "project-renamed",
        "A newcomer gives the application that runs another project's name.",
        app.deploy().input("project_name", "shop"),
    );
}

fn back(app: &App, scene: &Scene<'_>) {
    scene.mistake(
        "rollback-of-the-first",
        "A newcomer rolls back the first deployment.",
        app.rollback(),
    );
    scene.meanwhile(|| ["v2", "v3"].map(|version| app.ships(version)));
    scene.mistake(
        "rollback-to-an-unknown-time",
        "An operator goes back to a backup that is not there.",
        app.cli(&["rollback", "20010203_040506"]),
    );
    scene.mistake(
        "rollback-to-an-unknown-commit",
        "An operator goes back to a commit that was never deployed.",
        app.cli(&["rollback", "deadbeef"]),
    );
    scene.mistake(
        "rollback-by-a-commit-of-several",
        "An operator goes back to a commit that two releases were made of.",
        app.cli(&["rollback", "0123456"]),
    );
}

fn held(app: &App, scene: &Scene<'_>) {
    let freeze = app.cli(&["freeze", "stock-taking until Monday"]);
    scene.meanwhile(|| freeze.run()).exits(0);
    scene.mistake(
        "frozen",
        "A colleague has frozen the directory.",
        app.deploy(),
    );
    let mut run = scene.meanwhile(|| {
        app.cli(&["thaw"]).run().exits(0);
        app.latest("v1");
        app.deploy().start_held()
    });
    scene.mistake(
        "locked",
        "Somebody else's deployment is at work.",
        app.deploy().input("lock_timeout", "1"),
    );
    assert!(!run.is_over());
    scene.meanwhile(|| {
        run.let_go();
        run.wait().ends("deployed", 0);
    });
}
