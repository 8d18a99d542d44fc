//! One deployment at a time: who comes second waits, and who died holds nothing.
//!
//! It refuses to know what the two deploy.

use crate::harness::app::App;
use crate::harness::poll::{seconds, until};

#[test]
fn a_second_deployment_of_a_directory_waits_and_says_for_whom() {
    let app = App::running("v1");
    app.latest("v2");
    let first = app.deploy().start_held();
    let mut second = app.deploy().start();
    second.until_it_says("waiting", seconds(30));
    assert!(second.log().contains("ana"), "{}", second.log());
    assert_eq!(app.version().as_deref(), Some("v1"));
    first.let_go();
    first.wait().ends("deployed", 0);
    second.wait().ends("deployed", 0);
}

#[test]
fn so_does_one_with_another_backup_dir_and_another_user() {
    let app = App::running("v1");
    // Root works only below directories that nobody else rules over.
    app.slot.sh("chown root: /srv");
    app.latest("v2");
    let first = app.deploy().start_held();
    let other = || {
        app.deploy()
            .input("user", "root")
            .input("backup_dir", "/srv/elsewhere")
    };
    let mut second = other().start();
    second.until_it_says("waiting", seconds(30));
    let before = app.release();
    let third = other().input("lock_timeout", "1").run();
    third
        .ends("refused", 2)
        .says(&["another deployment holds `/srv/app`", "lock_timeout"]);
    assert_eq!(app.release(), before);
    first.let_go();
    first.wait().ends("deployed", 0);
    second.wait().ends("deployed", 0);
}

#[test]
fn a_holder_that_died_holds_nothing() {
    let app = App::running("v1");
    app.latest("v2");
    let first = app.deploy().start_held();
    kill_the_agent(&app);
    let second = app.deploy().input("lock_timeout", "5").run();
    second.ends("deployed", 0);
    assert_eq!(app.version().as_deref(), Some("v2"));
    app.slot.sh("touch /tmp/go");
    let first = first.wait();
    assert_ne!(
        first.outputs.get("status").map(String::as_str),
        Some("deployed")
    );
}

/// Ends the agent's processes on the server with no chance to say anything.
#[track_caller]
fn kill_the_agent(app: &App) {
    let script = "for p in /proc/[0-9]*; do
            tr '\\0' ' ' < $p/cmdline 2>/dev/null | grep -q 'landfall-[0-9a-f]* agent' || continue
            kill -KILL ${p#/proc/} && echo killed
        done; true";
    let killed = until("an agent to be killed", seconds(10), || {
        let killed = app.slot.sh(script);
        (!killed.is_empty()).then_some(killed)
    });
    assert!(killed.contains("killed"));
}
