//! Somebody makes a release on a server after a run's agent died there: whoever settles leaves it.
//!
//! It refuses to know how the agent died, and how a step is taken back.

use crate::harness::act::Act;
use crate::harness::app::App;
use crate::harness::compose;
use crate::harness::oracle::Release;

/// Another machine's backup directory.
const ELSEWHERE: &str = "/srv/elsewhere-backups";

/// What is told of a run that somebody has overtaken.
const TOLD: [&str; 4] = [
    "somebody made a release since the run",
    "recover --keep --",
    "to have it all taken back to before that run",
    "rollback_failed",
];

/// Makes an image on the server that no registry has and that is nobody's child; its reference.
fn made_here(app: &App, tag: &str) -> String {
    let (from, image) = (compose::beacon("latest"), compose::beacon(tag));
    app.by_hand(&format!(
        "made=$(docker create {from})
        docker export $made | docker import --change 'ENTRYPOINT [\"/beacon\"]' - {image}
        docker rm $made"
    ));
    image
}

/// Deploys v3 with a file of its own through another backup directory; a run of v2 died before that.
#[track_caller]
fn overtaken_by_another_backup_directory() -> (App, Release) {
    let (app, before, _) = App::left_by_the_dead();
    let v3 = compose::web(&compose::beacon("v3"));
    let next = app.deploy().image("").ship("compose.yaml", &v3);
    let next = next.ship("config/v3.conf", "lamp = blue\n");
    let next = next.input("backup_dir", ELSEWHERE);
    app.slot.sh(&format!(
        "install -d -o deploy -g deploy -m 700 {ELSEWHERE}"
    ));
    next.run().ends("deployed", 0);
    assert_eq!(app.version().as_deref(), Some("v3"));
    (app, before)
}

#[test]
fn a_release_that_was_deployed_since_through_another_backup_directory_is_left_as_it_is() {
    let (app, before) = overtaken_by_another_backup_directory();
    let theirs = app.untouched();
    let look = Act::action(&app, "status").run();
    look.ends("healthy", 0).says(&TOLD[..3]);
    app.is_untouched(&theirs);
    let boot = app.cli(&["recover", "--boot"]).run();
    boot.exits(0).says(&["Nothing was left to settle"]);
    app.cli(&["status"]).run().exits(0).says(&TOLD);
    app.is_untouched(&theirs);
    // A person's word takes all of it back.
    app.cli(&["recover"]).run().exits(1).says(&["rolled_back"]);
    let now = app.release();
    assert_eq!(now.services, before.services);
    assert_eq!(now.tree, before.tree);
    app.nothing_to_settle();
}

#[test]
fn what_runs_is_kept_upon_a_persons_word_and_the_next_deployment_starts_from_it() {
    let (app, _) = overtaken_by_another_backup_directory();
    let boot = app.cli(&["recover", "--boot"]).run();
    boot.exits(3)
        .says(&["somebody made a release since the run"]);
    let theirs = app.untouched();
    let kept = app.cli(&["recover", "--keep"]).run();
    kept.exits(0).says(&["What runs is kept: the run"]);
    let again = app.cli(&["recover"]).run();
    again.exits(0).says(&["Nothing was left to settle"]);
    app.is_untouched(&theirs);
    app.latest("exits-at-start");
    let theirs = app.release();
    let latest = compose::web(&compose::beacon("latest"));
    let act = app.deploy().image("").ship("compose.yaml", &latest);
    act.run().ends("rolled_back", 1);
    app.is_again(&theirs);
}

#[test]
fn a_release_that_was_made_by_hand_since_is_told_by_the_next_deployment_which_goes_on() {
    let (app, _, _) = App::left_by_the_dead();
    let theirs = made_here(&app, "by-hand");
    app.put("compose.yaml", &compose::web(&theirs));
    app.by_hand("docker compose up -d 2>&1");
    let by_hand = app.container("web");
    app.latest("v2");
    let latest = compose::web(&compose::beacon("latest"));
    let act = app.deploy().ship("compose.yaml", &latest);
    let done = act.run();
    done.ends("deployed", 0).says(&[
        "somebody made a release since the run",
        "container `app-web-1` of `registry.lab:5000/beacon:by-hand` was not made by this run",
        "`compose.yaml` holds neither what it held before nor what this run put there",
    ]);
    assert_eq!(app.version().as_deref(), Some("v2"));
    app.rollback().run().ends("restored", 0);
    assert_eq!(app.container("web").image_id, by_hand.image_id);
}

#[test]
fn a_file_that_was_put_there_since_is_left_as_it_is() {
    // The run that died had shipped that file, and its hook was at work.
    let (app, before, _) = App::left_by_the_dead();
    app.put("config/beacon.conf", "lamp = by hand\n");
    let theirs = app.untouched();
    app.cli(&["status"]).run().exits(0).says(&TOLD);
    app.is_untouched(&theirs);
    app.cli(&["recover"]).run().exits(1).says(&["rolled_back"]);
    let now = app.release();
    assert_eq!(now.services, before.services);
    assert_eq!(now.tree, before.tree);
}

#[test]
fn a_tag_that_was_moved_since_keeps_its_image_and_the_release_comes_back() {
    let (app, before, _) = App::left_by_the_dead();
    let latest = made_here(&app, "latest");
    let theirs = app.image(&latest);
    let look = app.cli(&["status"]).run();
    look.exits(0).says(&["is settled: rolled_back"]);
    assert_eq!(app.image(&latest), theirs);
    assert_eq!(app.version().as_deref(), Some("v1"));
    assert_eq!(app.tree(), before.tree);
    assert_eq!(app.release().services, before.services);
}
