//! What lies in a deploy directory and belongs to somebody else: it stays whose it is, and keeps no
//! release from going or from coming back.

use crate::harness::app::App;
use crate::harness::compose;
use crate::harness::done::Done;
use crate::harness::oracle::Release;
use crate::harness::poll::{seconds, until};

/// Has root append a line every tenth of a second to a file of root's, as a cron job would:
/// opened anew for each line.
#[track_caller]
fn root_appends(app: &App, path: &str, mode: &str) {
    let script = format!(
        "install -m {mode} /dev/null {0}/{path}
        n=1; echo 1 >> {0}/{path}
        (while :; do n=$((n + 1)); echo $n >> {0}/{path}; sleep 0.1; done) </dev/null >/dev/null 2>&1 &",
        app.dir
    );
    app.slot.sh(&script);
}

/// Every line that was ever appended must be there, in its order, across the files named.
#[track_caller]
fn lacks_no_line(app: &App, paths: &[&str]) {
    let files: Vec<String> = paths.iter().map(|p| format!("{}/{p}", app.dir)).collect();
    let text = app.slot.sh(&format!("cat {}", files.join(" ")));
    let lines: Vec<usize> = text.lines().map(|line| line.parse().unwrap()).collect();
    let whole: Vec<usize> = (1..=lines.len()).collect();
    assert_eq!(lines, whole, "lines are gone");
    assert!(lines.len() > 10, "nobody wrote");
}

/// The release, without what is root's.
fn but(mut release: Release, paths: &[&str]) -> Release {
    for path in paths {
        release.tree.remove(&format!("./{path}"));
    }
    release
}

#[track_caller]
fn is_again_but(app: &App, before: &Release, paths: &[&str]) {
    let now = but(app.release(), paths);
    assert_eq!(now, but(before.clone(), paths));
    app.nothing_lingers();
}

/// A compose file that the next release ships: the same service with one more variable.
fn next_compose() -> String {
    let web = compose::web(&compose::beacon("latest"));
    format!("{web}    environment:\n      GREETING: next\n")
}

/// Deploys what exits at once, with the next compose file; it must be taken back.
#[track_caller]
fn breaks(app: &App) -> Done {
    app.latest("exits-at-start");
    let act = app.deploy().ship("compose.yaml", &next_compose());
    let done = act.run();
    done.ends("rolled_back", 1);
    done
}

#[test]
fn a_log_that_root_appends_to_is_left_alone_and_the_old_release_comes_back() {
    let app = App::running("v1");
    root_appends(&app, "cron.log", "644");
    let before = app.release();
    breaks(&app).says(&["left alone", "`cron.log`"]);
    assert_eq!(app.version().as_deref(), Some("v1"));
    is_again_but(&app, &before, &["cron.log"]);
    lacks_no_line(&app, &["cron.log"]);
    // Both ways by hand.
    app.latest("v2");
    let next = app.deploy().ship("compose.yaml", &next_compose());
    next.run().ends("deployed", 0);
    app.rollback().run().ends("restored", 0);
    assert_eq!(app.version().as_deref(), Some("v1"));
    is_again_but(&app, &before, &["cron.log"]);
    lacks_no_line(&app, &["cron.log"]);
}

#[test]
fn a_log_that_only_root_can_read_is_told_to_be_missing_from_the_backup_and_left_alone() {
    let app = App::running("v1");
    root_appends(&app, "cron.log", "600");
    let before = app.release();
    breaks(&app).says(&["`cron.log` cannot be read, so the backup lacks it"]);
    is_again_but(&app, &before, &["cron.log"]);
    app.ships("v2");
    app.rollback().run().ends("restored", 0);
    assert_eq!(app.version().as_deref(), Some("v1"));
    lacks_no_line(&app, &["cron.log"]);
}

#[test]
fn a_log_that_root_rotates_while_a_release_fails_keeps_both_its_halves() {
    let app = App::running("v1");
    root_appends(&app, "cron.log", "644");
    app.slot.sh(&format!(
        "install -d -m 700 {0}/secret-logs; touch {0}/secret-logs/x",
        app.dir
    ));
    let before = app.release();
    app.latest("exits-at-start");
    let act = app.deploy().ship("compose.yaml", &next_compose());
    let run = act.start_held();
    app.slot
        .sh(&format!("cd {}; mv cron.log cron.log.1", app.dir));
    until("a new log", seconds(5), || {
        let there = format!("test -s {}/cron.log", app.dir);
        let seen = app.slot.try_sh_as("root", &there, b"");
        seen.status.success().then_some(())
    });
    run.let_go();
    run.wait().ends("rolled_back", 1);
    is_again_but(
        &app,
        &before,
        &["cron.log", "cron.log.1", "secret-logs", "secret-logs/x"],
    );
    lacks_no_line(&app, &["cron.log.1", "cron.log"]);
    app.slot.sh(&format!("test -e {}/secret-logs/x", app.dir));
}

#[test]
fn a_file_of_roots_that_the_release_brings_is_refused_before_anything_changes() {
    let app = App::running("v1");
    app.slot.sh("chown root:root /srv/app/compose.yaml");
    app.latest("v2");
    let before = app.untouched();
    let act = app.deploy().ship("compose.yaml", &next_compose());
    act.run()
        .ends("refused", 2)
        .says(&["`/srv/app/compose.yaml`", "root", "chown"]);
    app.is_untouched(&before);
    // What would not change needs nobody's right.
    let same = compose::web(&compose::beacon("latest"));
    let act = app.deploy().ship("compose.yaml", &same);
    act.run().ends("deployed", 0);
}

/// What nobody could clear away, root included, goes with the scene, however that ends.
struct Fixed<'a>(&'a App);

impl Drop for Fixed<'_> {
    fn drop(&mut self) {
        let script =
            "cd /srv/app; chattr -i fixed || true; umount ro || true; rm -rf roots ro fixed";
        self.0.slot.try_sh_as("root", script, b"");
    }
}

#[test]
fn what_cannot_be_replaced_where_it_lies_is_refused_before_anything_changes() {
    let app = App::running("v1");
    let _fixed = Fixed(&app);
    app.slot.sh(
        "cd /srv/app; mkdir roots ro; echo a > roots/a; echo b > ro/b; echo c > fixed
        chown deploy: roots/a fixed ro/b; mount --bind ro ro; mount -o remount,ro,bind ro",
    );
    let fixed = app.slot.try_sh_as("root", "chattr +i /srv/app/fixed", b"");
    app.latest("v2");
    let before = app.untouched();
    let act = app.deploy().ship("roots/a", "new\n").ship("ro/b", "new\n");
    let act = act.ship("fixed", "new\n");
    let done = act.run();
    done.ends("refused", 2)
        .says(&["`/srv/app/roots/a`", "`/srv/app/ro/b`"]);
    if fixed.status.success() {
        done.says(&["`/srv/app/fixed`"]);
    }
    app.is_untouched(&before);
}

#[test]
fn a_log_that_a_program_holds_open_is_not_replaced_under_its_writer() {
    let app = App::running("v1");
    app.slot.sh_as(
        "deploy",
        "cd /srv/app
        (n=0; while :; do n=$((n + 1)); echo $n; sleep 0.1; done) </dev/null >> app.log 2>/dev/null &",
        b"",
    );
    let inode = || app.slot.sh("stat -c %i /srv/app/app.log");
    let was = inode();
    let before = app.release();
    breaks(&app).says(&["`app.log`", "holds it open"]);
    is_again_but(&app, &before, &["app.log"]);
    assert_eq!(inode(), was);
    lacks_no_line(&app, &["app.log"]);
}
