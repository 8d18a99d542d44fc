//! Versions that misbehave, under a moved tag and under one of their own: the server takes itself
//! back, with the registry out of reach.

use crate::harness::app::App;
use crate::harness::compose;
use crate::harness::done::Done;
use crate::harness::oracle::Release;

/// Which tag the bad version comes under.
#[derive(Clone, Copy)]
enum Tag {
    /// `:latest`, moved in the registry.
    Latest,
    /// The version's own, named by a shipped env file and compose file.
    Own,
}

/// Deploys a bad version over v1 with the registry away, and looks whether v1 is back.
#[track_caller]
fn is_taken_back(version: &str, tag: Tag, watch: &str) {
    let app = App::empty();
    app.furnish(&compose::web(&format!(
        "{}:${{TAG:-latest}}",
        compose::BEACON
    )));
    app.put("old.conf", "is to stay\n");
    app.by_hand("chmod 640 old.conf; ln -s old.conf link; mkdir empty; chmod 750 empty");
    app.ships("v1");
    let before = app.release();
    let done = deploy_with_the_registry_away(&app, version, tag, watch);
    done.ends("rolled_back", 1);
    assert!(["up", "verify"].contains(&done.output("failed_step")));
    assert!(!done.output("reason").is_empty());
    is_v1_again(&app, &before);
}

#[track_caller]
fn deploy_with_the_registry_away(app: &App, version: &str, tag: Tag, watch: &str) -> Done {
    let act = app
        .deploy()
        .input("watch", watch)
        .input("health_timeout", "7")
        .input("health_url", "http://localhost:8000/health");
    let act = match tag {
        Tag::Latest => {
            app.latest(version);
            act
        }
        Tag::Own => act
            .image(&compose::beacon(version))
            .input("env_file", &format!("TAG={version}\nGREETING=new\n"))
            .ship("config/beacon.conf", "lamp = broken\n")
            .ship("new/deep/file", "is to go\n"),
    };
    let run = act.start_held();
    app.slot.lab("registry", &["stop"]);
    assert!(!app.slot.reaches_registry());
    run.let_go();
    let done = run.wait();
    assert!(!app.slot.reaches_registry());
    done
}

#[track_caller]
fn is_v1_again(app: &App, before: &Release) {
    app.is_again(before);
    assert_eq!(app.version().as_deref(), Some("v1"));
    assert_eq!(app.config_seen().as_deref(), Some("lamp = white"));
    let leftovers = app.slot.sh("ls -A /srv");
    assert_eq!(leftovers, "app\napp-backups\n");
}

#[test]
fn a_version_that_exits_at_start_is_taken_back_under_latest() {
    is_taken_back("exits-at-start", Tag::Latest, "0");
}

#[test]
fn a_version_that_exits_at_start_is_taken_back_under_its_own_tag() {
    is_taken_back("exits-at-start", Tag::Own, "0");
}

#[test]
fn a_version_that_exits_after_5_s_is_taken_back_under_latest() {
    is_taken_back("exits-after-5s", Tag::Latest, "10");
}

#[test]
fn a_version_that_exits_after_5_s_is_taken_back_under_its_own_tag() {
    is_taken_back("exits-after-5s", Tag::Own, "10");
}

#[test]
fn a_version_whose_health_answers_500_is_taken_back_under_latest() {
    is_taken_back("health-500", Tag::Latest, "0");
}

#[test]
fn a_version_whose_health_answers_500_is_taken_back_under_its_own_tag() {
    is_taken_back("health-500", Tag::Own, "0");
}

#[test]
fn a_version_that_turns_unhealthy_while_it_is_watched_is_taken_back() {
    is_taken_back("health-500-after-5s", Tag::Latest, "10");
}

#[test]
fn a_version_that_never_binds_is_taken_back_under_latest() {
    is_taken_back("never-binds", Tag::Latest, "0");
}

#[test]
fn a_version_that_never_binds_is_taken_back_under_its_own_tag() {
    is_taken_back("never-binds", Tag::Own, "0");
}

#[test]
fn a_failing_migration_is_taken_back_before_the_new_version_served() {
    let app = App::empty();
    app.furnish(&compose::migrating(&compose::beacon("latest")));
    app.ships("v1");
    let before = app.release();
    let web = app.container("web").id;
    app.latest("migrate-fails");
    let client = crate::harness::snoop::Client::of(&app);
    let done = app.deploy().run();
    client.never_saw("migrate-fails");
    done.ends("rolled_back", 1).says(&["migrate"]);
    is_v1_again(&app, &before);
    let old = app.container("web");
    // Compose takes the old container away only when the migration has exited 0.
    assert!(old.id == web || old.image_id == before.services["web"][0][1]);
}

#[test]
fn a_failing_migration_under_its_own_tag_is_taken_back_with_the_registry_away() {
    let app = App::empty();
    app.furnish(&compose::migrating(&format!(
        "{}:${{TAG:-latest}}",
        compose::BEACON
    )));
    app.ships("v1");
    let before = app.release();
    let done = deploy_with_the_registry_away(&app, "migrate-fails", Tag::Own, "0");
    done.ends("rolled_back", 1);
    is_v1_again(&app, &before);
}

#[test]
fn a_first_deployment_that_fails_ends_with_nothing_running_and_the_directory_as_it_was() {
    let app = App::beacon();
    let before = app.release();
    assert!(app.containers().is_empty());
    app.latest("exits-at-start");
    let done = app
        .deploy()
        .input("env_file", "GREETING=first\n")
        .ship("config/beacon.conf", "lamp = broken\n")
        .run();
    done.ends("rolled_back", 1);
    app.is_again(&before);
}

#[test]
fn a_crash_at_start_is_noticed_long_before_the_deadline() {
    let app = App::running("v1");
    app.latest("exits-at-start");
    let done = app.deploy().input("health_timeout", "100").run();
    done.ends("rolled_back", 1);
    assert!(
        done.took.as_secs() < 30,
        "it took {} s",
        done.took.as_secs()
    );
}

#[test]
fn the_last_lines_of_what_failed_are_shown() {
    let app = App::running("v1");
    app.latest("exits-at-start");
    let done = app.deploy().run();
    done.ends("rolled_back", 1)
        .says(&["exits at start, as it was told to"]);
    assert!(
        done.summary.contains("exits at start, as it was told to"),
        "{}",
        done.summary
    );
    let annotations = done
        .log
        .lines()
        .filter(|l| l.starts_with("::error"))
        .count();
    assert_eq!(annotations, 1);
}
