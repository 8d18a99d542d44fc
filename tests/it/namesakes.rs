//! Another application whose directory has the same name, so that Compose takes both for one: it is
//! never touched, and what would have touched it is refused.
//!
//! It refuses to know what such an application is.

use crate::harness::app::App;
use crate::harness::compose;
use crate::harness::slot::Slot;

/// What must stay as it is of a container: its identity, its name, and when it last started.
#[track_caller]
fn seen(app: &App, name: &str) -> String {
    let what = "{{.Id}} {{.Name}} {{.State.Status}} {{.State.StartedAt}}";
    app.slot
        .sh(&format!("docker inspect --format '{what}' {name}"))
}

/// One that answers on port 8000, in a directory of that name, and then an empty one beside it.
#[track_caller]
fn beside(first: &str, second: &str, file: &str) -> App {
    let slot = Slot::lease();
    slot.sh("install -d -o deploy -g deploy -m 755 /srv/alpha /srv/beta");
    let mut app = App::at(slot, "deploy", first);
    app.put(file, &compose::web(&compose::beacon("latest")));
    app.latest("v1");
    let act = app.deploy().input("compose_file", file);
    act.run().ends("deployed", 0);
    second.clone_into(&mut app.dir);
    app.slot
        .sh(&format!("install -d -o deploy -g deploy -m 755 {second}"));
    let other = compose::service("web", &compose::beacon("latest"), 8001);
    app.put(file, &format!("services:\n{other}"));
    app
}

#[test]
fn an_application_of_a_directory_of_the_same_name_is_left_alone_and_named() {
    let app = beside("/srv/alpha/app", "/srv/beta/app", "compose.yaml");
    let why = [
        "the project `app` belongs to another directory, `/srv/alpha/app`",
        "`project_name: beta-app`",
    ];
    let theirs = seen(&app, "app-web-1");
    let before = app.untouched();
    app.deploy().run().ends("refused", 2).says(&why);
    crate::harness::act::Act::action(&app, "plan")
        .run()
        .ends("refused", 2)
        .says(&why);
    app.is_untouched(&before);
    assert_eq!(seen(&app, "app-web-1"), theirs);
    // Where it is stopped, it is an application all the same.
    app.slot.sh("docker stop app-web-1");
    let theirs = seen(&app, "app-web-1");
    app.deploy().run().ends("refused", 2).says(&why);
    assert_eq!(seen(&app, "app-web-1"), theirs);
    app.slot.sh("docker start app-web-1");
    let theirs = seen(&app, "app-web-1");
    let named = |version: &str| {
        app.latest(version);
        app.deploy().input("project_name", "beta-app")
    };
    named("v2").run().ends("deployed", 0);
    named("exits-at-start").run().ends("rolled_back", 1);
    assert_eq!(app.version_on(8001).as_deref(), Some("v2"));
    assert_eq!(app.version().as_deref(), Some("v1"));
    assert_eq!(seen(&app, "app-web-1"), theirs);
}

#[test]
fn two_repositories_with_their_files_in_directories_of_one_name_are_two_applications() {
    let file = "docker/compose.yml";
    let app = beside("/srv/alpha", "/srv/beta", file);
    let theirs = seen(&app, "docker-web-1");
    let act = app.deploy().input("compose_file", file);
    act.run()
        .ends("refused", 2)
        .says(&["the project `docker` belongs to another directory, `/srv/alpha/docker`"]);
    // Before the first deployment there is no file on the server that could say the name.
    app.by_hand("rm -r docker");
    let shipped = compose::web(&compose::beacon("latest"));
    let plan = crate::harness::act::Act::action(&app, "plan");
    let plan = plan.input("compose_file", file).ship(file, &shipped);
    plan.run().ends("refused", 2).says(&["`/srv/alpha/docker`"]);
    assert_eq!(seen(&app, "docker-web-1"), theirs);
}

/// The directory of the same name, whose application somebody starts by hand.
fn started_by_hand(app: &App) -> String {
    let other = compose::service("web", &compose::beacon("latest"), 8002);
    app.slot.sh_as(
        "root",
        "install -d -o deploy -g deploy /srv/else/app; cat > /srv/else/app/compose.yaml",
        format!("services:\n{other}").as_bytes(),
    );
    // A hook's own Compose is told the run's project and files.
    "unset COMPOSE_FILE COMPOSE_PROJECT_NAME COMPOSE_PROFILES COMPOSE_ENV_FILES
    cd /srv/else/app && docker compose create --no-recreate --scale web=2 2>&1"
        .into()
}

#[test]
fn an_application_of_the_same_name_that_comes_in_mid_run_is_not_touched_either() {
    let app = App::running("v1");
    let before = app.container("web");
    let comes = started_by_hand(&app);
    app.latest("v2");
    let done = app.deploy().input("pre_deploy", &comes).run();
    done.ends("rolled_back", 1)
        .says(&["the project `app` belongs to another directory, `/srv/else/app`"]);
    assert_eq!(app.version().as_deref(), Some("v1"));
    let of_both = app.containers().remove("web").unwrap();
    assert!(of_both.contains(&before), "{of_both:#?}");
    assert_eq!(of_both.len(), 2, "{of_both:#?}");
    // A rollback would replace it as well.
    app.rollback().run().ends("refused", 2);
    assert_eq!(app.containers().remove("web").unwrap(), of_both);
}

#[test]
fn a_container_that_only_carries_the_projects_label_is_nobodys_service() {
    let app = App::running("v1");
    let image = app.container("web").image_id;
    let label = "--label com.docker.compose.project=app";
    app.slot
        .sh(&format!("docker run -d --name lodger {label} {image}"));
    let theirs = seen(&app, "lodger");
    app.latest("exits-at-start");
    app.deploy().run().ends("rolled_back", 1);
    app.ships("v2");
    app.rollback().run().ends("restored", 0);
    assert_eq!(seen(&app, "lodger"), theirs);
}

#[test]
fn a_directory_that_was_moved_has_its_containers_with_it() {
    let mut app = App::running("v1");
    app.slot
        .sh("install -d -o deploy -g deploy /srv/new; mv /srv/app /srv/app-backups /srv/new");
    app.lives_at("/srv/new/app");
    app.latest("exits-at-start");
    let done = app.deploy().run();
    done.ends("rolled_back", 1)
        .says(&["`app-web-1` was made from `/srv/app`, an earlier path of this directory"]);
    assert_eq!(app.version().as_deref(), Some("v1"));
    app.ships("v2");
    assert_eq!(app.containers().len(), 1);
    app.rollback().run().ends("restored", 0);
    assert_eq!(app.version().as_deref(), Some("v1"));
}
