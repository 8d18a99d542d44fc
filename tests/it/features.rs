//! What real projects do with Compose: each is deployed, breaks, and is taken back.

use crate::harness::app::App;
use crate::harness::compose::{self, BEACON};
use crate::harness::slot::Slot;

/// Deploys a version that exits at start as `:latest`; everything must be as it was.
#[track_caller]
fn turns_back(app: &App) {
    turns_back_from(app, app.deploy());
}

#[track_caller]
fn turns_back_from(app: &App, act: crate::harness::act::Act<'_>) {
    let before = app.release();
    let version = app.version();
    app.latest("exits-at-start");
    act.run().ends("rolled_back", 1);
    app.is_again(&before);
    assert_eq!(app.version(), version);
}

fn greeting(app: &App) -> Option<String> {
    Some(app.identity(8000)?["greeting"].as_str()?.to_owned())
}

#[test]
fn several_compose_files_are_merged_in_their_order() {
    let app = App::empty();
    app.furnish(&compose::web(&compose::beacon("latest")));
    app.by_hand("mv compose.yaml base.yaml");
    app.put(
        "prod.yaml",
        "services:\n  web:\n    environment:\n      GREETING: from prod\n",
    );
    let files = "base.yaml\nprod.yaml\n";
    app.latest("v1");
    app.deploy()
        .input("compose_file", files)
        .run()
        .ends("deployed", 0);
    assert_eq!(greeting(&app).as_deref(), Some("from prod"));
    turns_back_from(&app, app.deploy().input("compose_file", files));
    assert_eq!(greeting(&app).as_deref(), Some("from prod"));
}

#[test]
fn a_service_may_extend_one_of_another_file() {
    let app = App::empty();
    app.furnish(&compose::web(&compose::beacon("latest")));
    app.by_hand("mv compose.yaml common.yaml");
    app.put(
        "compose.yaml",
        "services:\n  web:\n    extends:\n      file: common.yaml\n      service: web\n    environment:\n      GREETING: extended\n",
    );
    app.ships("v1");
    assert_eq!(greeting(&app).as_deref(), Some("extended"));
    turns_back(&app);
}

#[test]
fn a_file_that_the_compose_file_includes_is_shipped_and_taken_back() {
    let app = App::empty();
    app.furnish("include:\n  - parts/web.yaml\n");
    let web = compose::web(&compose::beacon("latest"))
        .replace("./config", "../config")
        .replace("./data", "../data");
    app.put("parts/web.yaml", &web);
    app.ships("v1");
    let before = app.release();
    let greeting_in = |text: &str| format!("{web}    environment:\n      GREETING: {text}\n");
    let ships = |text: &str| app.deploy().ship("parts/web.yaml", &greeting_in(text));
    ships("included").run().ends("deployed", 0);
    assert_eq!(greeting(&app).as_deref(), Some("included"));
    app.latest("exits-at-start");
    ships("broken").run().ends("rolled_back", 1);
    assert_eq!(greeting(&app).as_deref(), Some("included"));
    app.latest("v1");
    app.rollback().run().ends("restored", 0);
    app.is_again(&before);
}

#[test]
fn a_config_of_compose_that_the_deployment_changes_is_seen_and_restored() {
    let app = App::empty();
    let web =
        compose::web(&compose::beacon("latest")).replace("      - ./config:/etc/beacon:ro\n", "");
    let configs = "    configs:\n      - source: lamp\n        target: /etc/beacon/beacon.conf\n\
                   configs:\n  lamp:\n    file: ./config/beacon.conf\n";
    app.furnish(&format!("{web}{configs}"));
    app.ships("v1");
    let before = app.release();
    let changed = |lamp: &str| app.deploy().ship("config/beacon.conf", lamp);
    changed("lamp = red\n").run().ends("deployed", 0);
    assert_eq!(app.config_seen().as_deref(), Some("lamp = red"));
    app.rollback().run().ends("restored", 0);
    assert_eq!(app.config_seen().as_deref(), Some("lamp = white"));
    app.is_again(&before);
}

#[test]
fn a_deploy_directory_may_be_a_link() {
    let slot = Slot::lease();
    slot.sh("install -d -o deploy -g deploy /srv/releases/app; ln -s releases/app /srv/app");
    let app = App::at(slot, "deploy", "/srv/app");
    app.furnish(&compose::web(&compose::beacon("latest")));
    app.ships("v1");
    app.put("data/order", "1");
    turns_back(&app);
    app.ships("v2");
    app.rollback().run().ends("restored", 0);
    assert_eq!(app.version().as_deref(), Some("v1"));
    assert_eq!(
        app.by_hand("cat data/order; readlink /srv/app"),
        "1releases/app\n"
    );
}

#[test]
fn an_env_file_of_a_service_is_shipped_and_taken_back() {
    let app = App::empty();
    let compose = compose::web(&compose::beacon("latest"));
    app.furnish(&format!("{compose}    env_file: ./web.env\n"));
    app.put("web.env", "GREETING=old\n");
    app.ships("v1");
    assert_eq!(greeting(&app).as_deref(), Some("old"));
    turns_back_from(&app, app.deploy().ship("web.env", "GREETING=broken\n"));
    assert_eq!(greeting(&app).as_deref(), Some("old"));
    app.latest("v2");
    app.deploy()
        .ship("web.env", "GREETING=new\n")
        .run()
        .ends("deployed", 0);
    assert_eq!(greeting(&app).as_deref(), Some("new"));
    app.rollback().run().ends("restored", 0);
    assert_eq!(greeting(&app).as_deref(), Some("old"));
}

#[test]
fn services_of_inactive_profiles_stay_away_and_of_active_ones_are_deployed() {
    let app = App::empty();
    let extra = compose::service("extra", &compose::beacon("latest"), 8001);
    let web = compose::web(&compose::beacon("latest"));
    app.furnish(&format!("{web}{extra}    profiles: [extra]\n"));
    app.ships("v1");
    assert_eq!(app.version_on(8001), None);
    app.latest("v2");
    let with_extra = app.deploy().input("env_file", "COMPOSE_PROFILES=extra\n");
    with_extra.run().ends("deployed", 0);
    assert_eq!(app.version_on(8001).as_deref(), Some("v2"));
    turns_back(&app);
    assert_eq!(app.version_on(8001).as_deref(), Some("v2"));
}

#[test]
fn anchors_and_merge_keys_are_understood() {
    let app = App::empty();
    app.furnish(&format!(
        "x-beacon: &beacon\n  image: {BEACON}:latest\n  restart: unless-stopped\n\
         services:\n  web:\n    <<: *beacon\n    ports: [\"8000:8000\"]\n    volumes: [\"./config:/etc/beacon:ro\"]\n\
         \x20 worker:\n    <<: *beacon\n    ports: [\"8001:8000\"]\n"
    ));
    app.ships("v1");
    assert_eq!(app.version_on(8001).as_deref(), Some("v1"));
    turns_back(&app);
}

#[test]
fn a_service_may_wait_until_another_is_healthy() {
    let app = App::empty();
    let pair = compose::pair(&compose::beacon("latest"), &compose::beacon("latest"));
    app.furnish(&format!(
        "{pair}    depends_on:\n      web:\n        condition: service_healthy\n"
    ));
    app.ships("v1");
    assert_eq!(app.version_on(8001).as_deref(), Some("v1"));
    turns_back(&app);
}

#[test]
fn a_migration_that_runs_once_and_exits_0_passes_and_no_way_back_runs_an_old_one_again() {
    let app = App::empty();
    app.furnish(&compose::migrating(&compose::beacon("latest")));
    app.ships("v1");
    app.ships("v2");
    assert_eq!(app.container("migrate").state, "exited");
    turns_back(&app);
    // The release that was taken back to is as good as it was: the next way back leads to it.
    app.ships("v3");
    app.rollback().run().ends("restored", 0);
    assert_eq!(app.version().as_deref(), Some("v2"));
    app.ships("v3");
}

#[test]
fn what_lies_in_a_named_volume_survives_both_ways() {
    let app = App::empty();
    let web = compose::web(&compose::beacon("latest")).replace("./data:", "data:");
    app.furnish(&format!("{web}volumes:\n  data:\n"));
    app.ships("writes-data");
    let volume = "/var/lib/docker/volumes/app_data/_data";
    app.slot.sh(&format!("echo order > {volume}/customer"));
    turns_back(&app);
    app.ships("v2");
    app.rollback().run().ends("restored", 0);
    assert_eq!(app.slot.sh(&format!("cat {volume}/customer")), "order\n");
}

/// The same with one more directory for data, which Docker makes.
fn deeper(web: &str) -> String {
    let data = "      - ./data:/data\n";
    web.replace(data, &format!("{data}      - ./var/lib/beacon:/more\n"))
}

#[test]
fn a_data_directory_that_docker_makes_deep_down_goes_with_the_release_that_failed() {
    let app = App::empty();
    let web = compose::web(&compose::beacon("latest"));
    app.furnish(&web);
    app.ships("v1");
    let before = app.release();
    app.latest("exits-at-start");
    let deep = deeper(&web);
    let act = app.deploy().ship("compose.yaml", &deep);
    act.run().ends("rolled_back", 1);
    app.is_again(&before);
    assert_eq!(
        app.by_hand("ls -d var 2>&1 || true"),
        "ls: cannot access 'var': No such file or directory\n"
    );
}

#[test]
fn directories_that_root_makes_on_the_way_to_a_mount_belong_to_the_owner_of_the_deploy_directory() {
    let app = App::empty();
    let web = compose::web(&compose::beacon("latest"));
    app.furnish(&web);
    app.ships("v1");
    app.latest("v2");
    // Root runs no agent from a directory of somebody else's.
    app.slot.sh(&format!(
        "chown root: /srv; chown -R root: {}",
        app.backups()
    ));
    let deep = deeper(&web);
    let act = app.deploy().input("user", "root");
    act.ship("compose.yaml", &deep).run().ends("deployed", 0);
    let owners = app.slot.sh("stat -c %U /srv/app/var /srv/app/var/lib");
    assert_eq!(owners, "deploy\ndeploy\n");
}

#[test]
fn data_in_a_directory_of_roots_keeps_nobody_from_going_back() {
    let app = App::empty();
    let web = compose::web(&compose::beacon("latest"));
    app.furnish(&web);
    app.ships("v1");
    app.latest("v2");
    let deep = deeper(&web);
    let act = app.deploy().ship("compose.yaml", &deep);
    act.run().ends("deployed", 0);
    let order = "/srv/app/var/lib/beacon/order";
    app.slot
        .sh(&format!("chown -R root: /srv/app/var; echo 1 > {order}"));
    app.rollback().run().ends("restored", 0);
    assert_eq!(app.version().as_deref(), Some("v1"));
    assert_eq!(app.slot.sh(&format!("cat {order}")), "1\n");
}

#[test]
fn a_mounted_file_that_the_deployment_changes_is_seen_by_the_container_and_restored() {
    let app = App::empty();
    let web = compose::web(&compose::beacon("latest"));
    app.furnish(&web.replace(
        "./config:/etc/beacon:ro",
        "./config/beacon.conf:/etc/beacon/beacon.conf:ro",
    ));
    app.ships("v1");
    let before = app.release();
    let changed = |lamp: &str| app.deploy().ship("config/beacon.conf", lamp);
    // The same image: Compose by itself sees no reason to replace the container.
    changed("lamp = red\n").run().ends("deployed", 0);
    assert_eq!(app.config_seen().as_deref(), Some("lamp = red"));
    app.latest("exits-at-start");
    changed("lamp = broken\n").run().ends("rolled_back", 1);
    assert_eq!(app.config_seen().as_deref(), Some("lamp = red"));
    app.rollback().run().ends("restored", 0);
    assert_eq!(app.config_seen().as_deref(), Some("lamp = white"));
    app.is_again(&before);
}

#[test]
fn a_mounted_file_under_the_same_image_is_restored_when_a_check_fails() {
    let app = App::empty();
    let web = compose::web(&compose::beacon("latest"));
    app.furnish(&web.replace(
        "./config:/etc/beacon:ro",
        "./config/beacon.conf:/etc/beacon/beacon.conf:ro",
    ));
    app.ships("v1");
    let before = app.release();
    let act = app
        .deploy()
        .ship("config/beacon.conf", "lamp = broken\n")
        .input("health_timeout", "3")
        .input("health_url", "http://localhost:8000/nothing-here");
    act.run().ends("rolled_back", 1);
    assert_eq!(app.config_seen().as_deref(), Some("lamp = white"));
    app.is_again(&before);
}

#[test]
fn a_fixed_container_name_is_kept() {
    let app = App::empty();
    let web = compose::web(&compose::beacon("latest"));
    app.furnish(&format!("{web}    container_name: lighthouse\n"));
    app.ships("v1");
    app.ships("v2");
    assert_eq!(app.container("web").name, "/lighthouse");
    turns_back(&app);
    assert_eq!(app.container("web").name, "/lighthouse");
}

#[test]
fn an_external_network_is_used_and_left_alone() {
    let app = App::empty();
    let web = compose::web(&compose::beacon("latest"));
    app.furnish(&format!(
        "{web}    networks: [harbour]\nnetworks:\n  harbour:\n    external: true\n"
    ));
    app.slot.sh("docker network create harbour");
    app.ships("v1");
    turns_back(&app);
    app.ships("v2");
    app.rollback().run().ends("restored", 0);
    assert_eq!(app.version().as_deref(), Some("v1"));
    app.slot.sh("docker network inspect harbour");
}

#[test]
fn pull_policy_always_does_not_fetch_the_broken_image_again() {
    let app = App::empty();
    let web = compose::web(&compose::beacon("latest"));
    app.furnish(&format!("{web}    pull_policy: always\n"));
    app.ships("v1");
    turns_back(&app);
    app.ships("v2");
}

#[test]
fn a_reference_by_digest_is_upgraded_by_shipping_another_and_taken_back() {
    let app = App::empty();
    let by_digest = |version| format!("{BEACON}@{}", app.slot.registry_digest(version));
    app.furnish(&compose::web(&by_digest("v1")));
    app.deploy().image("").run().ends("deployed", 0);
    let ship = |version| {
        let compose = compose::web(&by_digest(version));
        app.deploy().image("").ship("compose.yaml", &compose)
    };
    ship("v2").run().ends("deployed", 0);
    assert_eq!(app.version().as_deref(), Some("v2"));
    turns_back_from(&app, ship("exits-at-start"));
    app.rollback().run().ends("restored", 0);
    assert_eq!(app.version().as_deref(), Some("v1"));
}

#[test]
fn a_reference_with_a_default_means_the_default() {
    let app = App::empty();
    app.furnish(&compose::web(&format!("{BEACON}:${{TAG:-latest}}")));
    app.ships("v1");
    app.ships("v2");
    turns_back(&app);
}

#[test]
fn an_image_asked_for_by_its_own_tag_runs_under_the_compose_files_reference() {
    let app = App::running("v1");
    app.deploy()
        .image(&compose::beacon("v3"))
        .run()
        .ends("deployed", 0);
    assert_eq!(app.version().as_deref(), Some("v3"));
    let means = app.image(&compose::beacon("latest"));
    assert_eq!(means.as_ref(), Some(&app.container("web").image_id));
}

#[test]
fn several_services_on_one_image_move_together() {
    let app = App::empty();
    app.furnish(&compose::pair(
        &compose::beacon("latest"),
        &compose::beacon("latest"),
    ));
    app.ships("v1");
    app.ships("v2");
    assert_eq!(app.version_on(8001).as_deref(), Some("v2"));
    turns_back(&app);
    assert_eq!(app.version_on(8001).as_deref(), Some("v2"));
}

#[test]
fn services_that_are_not_asked_for_are_left_alone() {
    let app = App::empty();
    app.furnish(&compose::pair(
        &compose::beacon("latest"),
        &compose::beacon("latest"),
    ));
    app.ships("v1");
    let worker = app.container("worker");
    app.latest("v2");
    app.deploy()
        .input("services", "web")
        .run()
        .ends("deployed", 0);
    assert_eq!(app.version().as_deref(), Some("v2"));
    assert_eq!(app.container("worker"), worker);
    turns_back_from(&app, app.deploy().input("services", "web"));
    assert_eq!(app.container("worker"), worker);
}

#[test]
fn a_service_that_is_built_on_the_server_is_built_again_and_taken_back() {
    let app = App::empty();
    let dockerfile = |version: &str, behaviour: &str| {
        format!(
            "FROM scratch\nCOPY beacon /beacon\nENV VERSION={version} BEHAVIOUR={behaviour}\nENTRYPOINT [\"/beacon\"]\n"
        )
    };
    let web = compose::web("local/beacon").replace("image: local/beacon", "build: .");
    app.furnish(&web);
    app.put("Dockerfile", &dockerfile("b1", "good"));
    app.put(".dockerignore", "data\nconfig\n");
    put_the_binary(&app);
    app.deploy().image("").run().ends("deployed", 0);
    assert_eq!(app.version().as_deref(), Some("b1"));
    let first = app.release();
    let ship = |version, behaviour| {
        app.deploy()
            .image("")
            .ship("Dockerfile", &dockerfile(version, behaviour))
    };
    ship("b2", "good").run().ends("deployed", 0);
    assert_eq!(app.version().as_deref(), Some("b2"));
    turns_back_from(&app, ship("b3", "exits-at-start"));
    app.rollback().run().ends("restored", 0);
    assert_eq!(app.version().as_deref(), Some("b1"));
    assert_eq!(app.release().services, first.services);
}

/// Beacon's binary, out of its image, so that the server needs no compiler.
#[track_caller]
fn put_the_binary(app: &App) {
    let password = app.slot.file("REGISTRY_AUTHFILE");
    let registry = app.slot.fact("REGISTRY_ON_HOST");
    let config = password.replace(registry, "registry.lab:5000");
    let script = format!(
        "export DOCKER_CONFIG=/tmp/login; mkdir -p $DOCKER_CONFIG; cat > $DOCKER_CONFIG/config.json
        id=$(docker create {BEACON}:v1); docker cp $id:/beacon {dir}/beacon; docker rm $id
        docker rmi {BEACON}:v1; rm -r $DOCKER_CONFIG; chown deploy:deploy {dir}/beacon",
        dir = app.dir
    );
    app.slot.sh_as("root", &script, config.as_bytes());
}

#[test]
fn a_project_name_of_ones_own_is_kept() {
    let app = App::empty();
    app.furnish(&compose::web(&compose::beacon("latest")));
    app.latest("v1");
    app.deploy()
        .input("project_name", "lighthouse")
        .run()
        .ends("deployed", 0);
    assert_eq!(app.container("web").name, "/lighthouse-web-1");
    turns_back_from(&app, app.deploy().input("project_name", "lighthouse"));
}
