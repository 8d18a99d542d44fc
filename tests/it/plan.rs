//! A plan tells what a deployment or a rollback would change, truly, and leaves no trace of having
//! looked. What would be refused, `refusal` has planned too.
//!
//! It refuses to know how a plan is laid out beyond the words that count.

use crate::harness::act::Act;
use crate::harness::app::App;
use crate::harness::compose;

/// Everything beside what runs and lies in the deploy directory that a look may leave: Landfall's own
/// files, and those for a while; the engine has some of its own at any moment.
#[track_caller]
fn traces(app: &App) -> String {
    app.slot.sh(
        "find /srv/app-backups -mindepth 1 ! -path '*20200101*' -printf '%p %y %m %u %s %T@ %C@\\n' | sort
        ls -A /dev/shm /var/tmp /home/deploy /tmp | grep -vE '^(it-|runc-process)' || true",
    )
}

/// Plans, and must have left everything as it was.
#[track_caller]
fn planned<'a>(app: &'a App, act: &Act<'a>, words: &[&str]) -> String {
    let (before, traces_before) = (app.untouched(), traces(app));
    let done = act.planned().run();
    done.ends("planned", 0).says(words);
    app.is_untouched(&before);
    assert_eq!(traces(app), traces_before, "the plan left a trace");
    app.nothing_lingers();
    done.everything_told()
}

/// How a digest is shown.
fn short(digest: &str) -> String {
    digest.chars().take("sha256:".len() + 12).collect()
}

#[test]
fn a_plan_tells_what_a_deployment_then_does_and_what_a_rollback_would_and_leaves_no_trace() {
    let app = App::running("v1");
    let (old, new) = (
        app.slot.registry_digest("v1"),
        app.slot.registry_digest("v2"),
    );
    app.latest("v2");
    let pair = compose::pair(&compose::beacon("latest"), &compose::beacon("latest"));
    let act = || {
        app.deploy()
            .ship("compose.yaml", &pair)
            .ship("config/beacon.conf", "lamp = red\npassword = made-up-77\n")
            .input("env_file", "LAMP=made-up-secret\n")
    };
    let told = planned(
        &app,
        &act(),
        &[
            &format!("{} → {}", short(&old), short(&new)),
            "web        recreated: image, a mounted file changes",
            "worker     started: it has no container yet",
            "changed    compose.yaml",
            "changed    config/beacon.conf",
            "- lamp = white",
            "+ lamp = red",
            "+ password =[redacted]",
            "added      .env",
            "+ LAMP",
            "this application's own: port 8000, `app-web-1`",
            "free: port 8001, `app-worker-1`",
            "afterwards, a rollback goes to what runs now, commit `0123456` (Light the lamp)",
        ],
    );
    let hidden = |line: &&str| !line.starts_with("::add-mask::");
    let shown = told.lines().filter(hidden).collect::<Vec<_>>().join("\n");
    assert!(!shown.contains("made-up"), "{shown}");
    act().run().ends("deployed", 0);
    let told = planned(
        &app,
        &act(),
        &["Nothing would change.", "until then, to the backup `"],
    );
    assert!(told.contains(&format!("{}, as now", short(&new))), "{told}");
    // A drift that no file says.
    app.by_hand("docker stop app-worker-1");
    planned(
        &app,
        &act(),
        &[
            "worker     started: it does not run",
            "web        left alone",
        ],
    );
    app.by_hand("docker start app-worker-1");
    planned(
        &app,
        &app.rollback(),
        &[
            &format!("{} → {}", short(&new), short(&old)),
            "web        recreated: image",
            "worker     removed: the backup does not have it",
            "put back   config/beacon.conf",
            "removed    .env",
            "this goes to the backup `",
        ],
    );
}

#[test]
fn a_plan_says_who_holds_the_directory_and_does_not_wait_for_them() {
    let app = App::running("v1");
    app.latest("v2");
    let mut run = app.held_upgrade();
    let plan = app.deploy().planned().run();
    plan.ends("refused", 2)
        .says(&["another deployment holds `/srv/app`: ", "ana", ", since 20"]);
    assert!(!run.is_over());
    run.let_go();
    run.wait().ends("deployed", 0);
}
