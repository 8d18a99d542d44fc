//! A release that fails is taken back whole: every file, every service, and nothing besides.
//!
//! It refuses to know what containers wrote; that is `data`'s.

use crate::harness::app::App;
use crate::harness::compose;

#[test]
fn after_rolled_back_every_service_and_every_file_is_as_before_and_no_other_file_is_there() {
    let app = App::running("v1");
    app.by_hand(
        "mkdir -p certs empty 'odd names'
        echo secret > certs/key; chmod 600 certs/key; chmod 700 certs
        printf 'a\\nb' > 'odd names/blank and ümlaut'; echo x > run.sh; chmod 755 run.sh
        ln -s certs/key link; ln -s /nowhere dangling; ln run.sh hard; chmod 1777 empty",
    );
    app.slot.sh("cd /srv/app && echo root > roots; chmod 640 roots; chown 1234:4321 roots || true; chgrp deploy roots; chmod 644 roots");
    let before = app.release();
    let inode = app.slot.sh("stat -c %i /srv/app/certs/key");
    app.latest("exits-at-start");
    let done = app
        .deploy()
        .ship("certs/key", "another\n")
        .ship("new/deep/file", "new\n")
        .ship("run.sh", "other\n")
        .input("env_file", "GREETING=x\n")
        .run();
    done.ends("rolled_back", 1);
    app.is_again(&before);
    assert_eq!(app.version().as_deref(), Some("v1"));
    app.nothing_lingers();
    // Content that was never changed keeps its inode; `certs/key` was.
    assert_ne!(app.slot.sh("stat -c %i /srv/app/certs/key"), inode);
}

#[test]
fn what_a_hook_makes_of_the_directory_is_taken_back_too() {
    let app = App::running("v1");
    app.put("kept", "as it is\n");
    let before = app.release();
    let inode = app.slot.sh("stat -c %i /srv/app/kept");
    app.latest("exits-at-start");
    let hook = "rm -r config; echo hooked > compose.yaml.bak; mkdir -p made/by/hook; chmod 777 compose.yaml";
    app.deploy()
        .input("pre_deploy", hook)
        .run()
        .ends("rolled_back", 1);
    app.is_again(&before);
    assert_eq!(app.slot.sh("stat -c %i /srv/app/kept"), inode);
    assert_eq!(app.config_seen().as_deref(), Some("lamp = white"));
}

#[test]
fn a_hook_that_fails_takes_everything_back() {
    let app = App::running("v1");
    let before = app.release();
    app.latest("v2");
    let act = app
        .deploy()
        .input("pre_deploy", "touch trace; echo lantern is out; exit 7");
    act.run()
        .ends("rolled_back", 1)
        .says(&["lantern is out", "7"]);
    app.is_again(&before);
}

#[test]
fn one_failing_service_takes_back_all_services() {
    let app = App::empty();
    app.furnish(&compose::pair(
        &compose::beacon("v1"),
        &compose::beacon("v1"),
    ));
    app.deploy().image("").run().ends("deployed", 0);
    let before = app.release();
    let broken = compose::pair(&compose::beacon("v2"), &compose::beacon("exits-at-start"));
    let act = app.deploy().image("").ship("compose.yaml", &broken);
    act.run().ends("rolled_back", 1).says(&["worker"]);
    app.is_again(&before);
    assert_eq!(app.version().as_deref(), Some("v1"));
    assert_eq!(app.version_on(8001).as_deref(), Some("v1"));
}

#[test]
fn a_service_that_only_the_broken_release_has_is_gone_afterwards() {
    let app = App::running("v1");
    let before = app.release();
    let broken = compose::pair(&compose::beacon("v2"), &compose::beacon("exits-at-start"));
    let broken = format!("{broken}    networks: [fresh]\nnetworks:\n  fresh: {{}}\n");
    let act = app.deploy().image("").ship("compose.yaml", &broken);
    act.run().ends("rolled_back", 1);
    let mut now = app.release();
    // Images that were fetched for it may stay for the next attempt; what runs and lies there may not.
    now.tags.clone_from(&before.tags);
    assert_eq!(now, before);
}
