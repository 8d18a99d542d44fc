//! Hooks that call `docker compose`: they get the new release's images, this project, and the login.

use crate::harness::app::App;
use crate::harness::compose;

/// What is left of a login in the directories of runs.
fn logins_left(app: &App) -> String {
    let script =
        "find /srv/app-backups/.landfall/runs -name docker-config -o -name '*hook-images*'";
    app.slot.sh(script)
}

#[test]
fn a_migration_before_the_switch_is_the_new_releases_though_the_tag_still_means_the_old_one() {
    let app = App::running("v1");
    let old = app.image(&compose::beacon("latest")).unwrap();
    app.latest("v2");
    let hook = "docker compose run --rm web migrate
        docker run --rm $LANDFALL_IMAGE_WEB migrate; test $LANDFALL_IMAGE = $LANDFALL_IMAGE_WEB
        docker image inspect -f 'now {{.Id}}' registry.lab:5000/beacon:latest
        stat -c '%a' $DOCKER_CONFIG $DOCKER_CONFIG/config.json | xargs echo modes";
    let done = app.deploy().input("pre_deploy", hook).run();
    done.ends("deployed", 0);
    done.says(&["migrated to v2", &format!("now {old}"), "modes 700 600"]);
    assert!(!done.log.contains("migrated to v1"), "the old image ran");
    assert_eq!(app.version().as_deref(), Some("v2"));
    assert_eq!(logins_left(&app), "");
    let before = app.release();
    app.latest("v3");
    let fails = app.deploy();
    let fails = fails.input("pre_deploy", "docker compose run --rm web migrate; exit 7");
    fails.run().ends("rolled_back", 1).says(&["migrated to v3"]);
    app.is_again(&before);
    assert_eq!(logins_left(&app), "");
}

#[test]
fn a_new_tag_in_the_shipped_file_is_there_for_the_hook_and_so_is_the_login() {
    let app = App::running("v1");
    let before = app.release();
    let next = compose::web(&compose::beacon("v2"));
    let migrates = "docker compose run --rm web migrate";
    let act = app.deploy().image("").ship("compose.yaml", &next);
    let act = act.input("pre_deploy", &format!("{migrates}; exit 7"));
    act.run().ends("rolled_back", 1).says(&["migrated to v2"]);
    app.is_again(&before);
    let act = app.deploy().image("").ship("compose.yaml", &next);
    let act = act.input("pre_deploy", migrates);
    let login = format!("{migrates}\ndocker pull -q registry.lab:5000/beacon:v3");
    let done = act.input("post_deploy", &login).run();
    done.ends("deployed", 0)
        .says(&["migrated to v2", "registry.lab:5000/beacon:v3"]);
    assert!(
        !done.log.contains("run it by hand"),
        "the second hook failed"
    );
    assert_eq!(logins_left(&app), "");
}

#[test]
fn a_hook_of_files_in_a_subdirectory_and_a_project_of_its_own_name_starts_no_second_application() {
    let app = App::empty();
    let web = compose::web(&compose::beacon("latest"));
    app.furnish(&web);
    let below = web
        .replace("./config", "../config")
        .replace("./data", "../data");
    app.put("docker/compose.yml", &below);
    app.by_hand("rm compose.yaml; echo COMPOSE_PROJECT_NAME=elsewhere > .env");
    app.latest("v1");
    let deploy = || {
        let act = app.deploy().input("compose_file", "docker/compose.yml");
        let act = act.input("project_name", "shop");
        act.input(
            "post_deploy",
            "docker compose up -d; docker compose ps -q | wc -l",
        )
    };
    deploy().run().ends("deployed", 0).says(&[
        "typed by hand in `/srv/app`",
        "docker compose -p shop -f docker/compose.yml",
    ]);
    let first = app.container("web");
    assert_eq!(first.name, "/shop-web-1");
    app.latest("v2");
    let migrates = "docker compose exec -T web /beacon check; docker compose run --rm web migrate";
    let act = deploy().input("pre_deploy", migrates);
    act.input("env_file_path", ".env.production")
        .input("env_file", "GREETING=x\n")
        .run()
        .ends("deployed", 0)
        .says(&["migrated to v2"]);
    assert_eq!(app.container("web").name, "/shop-web-1");
    assert_eq!(app.version().as_deref(), Some("v2"));
}

/// The files that hold the registry's password, as it is or as a client's configuration has it.
fn files_with_the_password(app: &App) -> String {
    let (user, password) = (
        app.slot.fact("REGISTRY_USER"),
        app.slot.fact("REGISTRY_PASSWORD"),
    );
    app.slot.sh(&format!(
        "auth=$(printf %s '{user}:{password}' | base64 -w 0)
        grep -rlF -e '{password}' -e \"$auth\" /srv/app /srv/app-backups /home/deploy /tmp /var/tmp || true"
    ))
}

#[test]
fn a_login_that_a_hook_was_given_goes_with_an_agent_that_is_killed_inside_the_hook() {
    let (app, before, _) = App::left_by_the_dead();
    assert!(
        logins_left(&app).contains("docker-config"),
        "the hook had no login"
    );
    assert_ne!(files_with_the_password(&app), "");
    let look = app.cli(&["status"]).run();
    look.exits(0).says(&["is settled: rolled_back"]);
    app.is_again(&before);
    assert_eq!(logins_left(&app), "");
    assert_eq!(files_with_the_password(&app), "");
    app.nothing_lingers();
}

#[test]
fn a_secret_that_a_hook_wraps_over_two_lines_is_in_no_record() {
    let app = App::running("v1");
    app.latest("v2");
    let env = "GREETING=opensesame42\nNAME=beacon\n";
    let hook = "echo 'it is opense'; echo '   same42, in two lines'; sleep 1; echo 'no more of it'";
    let act = app.deploy().input("env_file", env);
    let done = act.input("pre_deploy", hook).run();
    done.ends("deployed", 0);
    done.says(&[
        "it is [redacted]",
        "[redacted], in two lines",
        "no more of it",
    ]);
    for piece in ["opense", "same42"] {
        assert!(!app.journal().contains(piece), "{piece}");
    }
}
