//! A way back that failed: given up, told with what mends it, and tried again for a person.
//!
//! It refuses to know how a step is taken back.

use crate::harness::app::App;
use crate::harness::compose;
use crate::harness::done::Done;
use crate::harness::oracle::Release;
use crate::harness::poll::{seconds, until};

/// How often the undo of `files` was begun.
fn undos_begun(app: &App) -> usize {
    let script = "cat /srv/app-backups/.landfall/runs/*/journal";
    let journal = app.slot.sh(script);
    let begun = "\"event\":\"undo_started\",\"step\":\"files\"";
    journal.matches(begun).count()
}

/// Kills whoever settles a run on the server.
fn kill_who_settles(app: &App) {
    app.slot
        .sh("pkill -KILL -f 'landfall-[0-9a-f]* agent look' || true");
}

/// A check that only this machine can make, and that fails once the server waits for its word.
const NOWHERE: &str = "- name: outside\n  http: http://127.0.0.1:9/\n  from: runner\n";

/// Deploys what fails once the server waits for the runner's word, while the old image of `web` goes from
/// the server, and the registry cannot be reached.
#[track_caller]
pub fn goes_back_without_an_image(app: &App, new: &str) -> Done {
    let old = app.container("web").image_id;
    let act = app.deploy().image("").ship("compose.yaml", new);
    let act = act.input("smoke_tests", NOWHERE);
    let mut run = act.input("health_timeout", "12").start();
    run.until_it_says("waits for the runner's", seconds(60));
    app.slot.sh(&format!("docker rmi -f {old}"));
    app.slot.lab("registry", &["stop"]);
    let done = run.wait();
    done.ends("rollback_failed", 3);
    done
}

/// Deploys v2 over `web` v1 and `worker` v3, and takes the old image of `web` away from the server
/// and the registry before the deployment fails; how it was.
#[track_caller]
fn stuck_without_an_image(app: &App) -> Release {
    app.furnish(&compose::pair(
        &compose::beacon("v1"),
        &compose::beacon("v3"),
    ));
    app.deploy().image("").run().ends("deployed", 0);
    let before = app.release();
    let v1 = app.container("web").image_id;
    let new = compose::pair(&compose::beacon("v2"), &compose::beacon("v2"));
    let done = goes_back_without_an_image(app, &new);
    done.says(&[
        "check `outside`",
        "service `web` cannot have its old image back",
        " -xzpf /srv/app-backups/app-backup-",
        &format!("docker tag {v1} registry.lab:5000/beacon:v1"),
        "docker pull registry.lab:5000/beacon@sha256:",
        "docker compose -p app -f /srv/app/compose.yaml up -d",
        " recover --deploy-dir /srv/app",
    ]);
    before
}

#[test]
fn an_old_image_that_is_gone_everywhere_is_told_with_what_mends_it_and_what_can_serve_serves() {
    let app = App::empty();
    let before = stuck_without_an_image(&app);
    assert_eq!(app.tree(), before.tree);
    let worker = app.version_on(8001);
    assert_eq!(worker.as_deref(), Some("v3"), "the worker is not back");
    let web = app.version();
    assert_eq!(web.as_deref(), Some("v2"), "nothing answers for `web`");
    let status = app.cli(&["status"]).run();
    status
        .exits(0)
        .says(&["rollback_failed", "check `outside`", "to do", "docker tag"]);
    let still = app.cli(&["recover"]).run();
    still.exits(3).says(&["rollback_failed", "check `outside`"]);
    have_the_image_again(&app);
    is_taken_back_by_a_person(&app, &before);
}

/// Has the way back tried again, which comes to exactly the old release.
#[track_caller]
fn is_taken_back_by_a_person(app: &App, before: &Release) {
    let recovery = app.cli(&["recover"]).run();
    recovery
        .exits(1)
        .says(&["Settled an earlier run: rolled_back"]);
    app.is_again(before);
    app.nothing_lingers();
}

/// Removes the cause as a person would: the registry answers again, and the image is pulled.
#[track_caller]
fn have_the_image_again(app: &App) {
    app.slot.lab("registry", &["start"]);
    let log_in = format!(
        "docker login -u {} --password-stdin registry.lab:5000 2>&1
        docker pull registry.lab:5000/beacon:v1; docker logout registry.lab:5000; rm -rf /home/deploy/.docker",
        app.slot.fact("REGISTRY_USER")
    );
    let password = app.slot.fact("REGISTRY_PASSWORD");
    app.slot.sh_as("deploy", &log_in, password.as_bytes());
}

#[test]
fn an_undo_in_which_every_agent_dies_is_given_up_and_a_person_has_it_tried_again() {
    let (app, before, _) = App::left_by_the_dead();
    // An engine that answers nobody holds every undo until its agent is killed.
    app.slot.sh("pkill -STOP -x dockerd");
    for nth in 1..=3 {
        let recovery = app.cli(&["recover"]).start();
        until("the undo to begin", seconds(30), || {
            (undos_begun(&app) == nth).then_some(())
        });
        kill_who_settles(&app);
        assert_ne!(recovery.wait().code, Some(0));
    }
    app.slot.sh("pkill -CONT -x dockerd");
    app.cli(&["recover", "--boot"]).run().exits(3).says(&[
        "could not be taken back: rollback_failed",
        "was begun 3 times",
        "to do: once the cause is gone",
    ]);
    assert_eq!(undos_begun(&app), 3);
    let status = app.cli(&["status"]).run();
    status.exits(0).says(&[
        "the agent died during `pre_deploy`",
        "taking back `files` was begun 3 times",
        " recover --host ",
    ]);
    // A refusal in between takes nothing of that away, and what was mended by hand is left alone.
    app.cli(&["freeze", "hands off"]).run().exits(0);
    app.deploy().run().ends("refused", 2);
    app.cli(&["thaw"]).run().exits(0);
    app.cli(&["status"])
        .run()
        .exits(0)
        .says(&["still", "rollback_failed"]);
    app.by_hand("docker compose up -d --force-recreate 2>&1");
    let mended = app.container("web");
    app.cli(&["recover"]).run().exits(2).says(&[
        "it seems to be mended by hand",
        " rollback 20",
        " --deploy-dir /srv/app",
    ]);
    assert_eq!(app.container("web"), mended);
    app.by_hand("docker compose rm -sf 2>&1");
    is_taken_back_by_a_person(&app, &before);
}
