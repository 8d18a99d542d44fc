//! The directory that was opened and locked is the run's, wherever its path leads later.
//!
//! It refuses to know who moves a directory, and why.

use crate::harness::act::Act;
use crate::harness::app::App;
use crate::harness::compose;
use crate::harness::oracle::Release;
use crate::harness::poll::{seconds, until};

/// Everything below a directory, with kind, mode, owner and content.
fn all_below(app: &App, dir: &str) -> String {
    app.slot.sh(&format!(
        "cd {dir} && find . -printf '%p %y %m %u %s %T@ %l\\n' | sort && find . -type f -exec sha256sum {{}} + | sort"
    ))
}

/// A person puts the directory back, and has the way back tried again.
#[track_caller]
fn is_mended(app: &App, before: &Release) {
    app.slot.sh("rm -rf /srv/app && mv /srv/app.real /srv/app");
    let recovery = app.cli(&["recover"]).run();
    recovery
        .exits(1)
        .says(&["Settled an earlier run: rolled_back"]);
    app.is_again(before);
    app.nothing_lingers();
}

#[test]
fn a_hook_that_puts_a_link_in_the_directorys_place_has_nothing_behind_it_touched() {
    let app = App::running("v1");
    app.put("../victim/precious", "of somebody else\n");
    app.put("../victim/config/beacon.conf", "lamp = theirs\n");
    let (before, web) = (app.release(), app.container("web"));
    let victim = all_below(&app, "/srv/victim");
    app.latest("v2");
    let act = app
        .deploy()
        .input("env_file", "GREETING=new\n")
        .ship("config/beacon.conf", "lamp = red\n");
    let hook = "cd ..; mv app app.real; ln -s victim app; exit 1";
    let done = act.input("pre_deploy", hook).run();
    done.ends("rollback_failed", 3).says(&[
        "`/srv/app` leads elsewhere than when this run began",
        "is a link to `victim`",
        "is now `/srv/app.real`",
        "the hook `pre_deploy` failed",
        " recover --deploy-dir /srv/app",
        "deploy again",
    ]);
    assert_eq!(all_below(&app, "/srv/victim"), victim);
    let real = app.slot.sh("cat /srv/app.real/config/beacon.conf");
    assert_eq!(real, "lamp = white\n");
    assert_eq!(
        app.slot.sh("ls -A /srv/app.real"),
        "compose.yaml\nconfig\ndata\nlog\n"
    );
    assert_eq!(app.container("web"), web, "what ran was touched");
    let still = app.cli(&["recover"]).run();
    still
        .exits(2)
        .says(&["is not the directory that the run worked in"]);
    assert_eq!(all_below(&app, "/srv/victim"), victim);
    is_mended(&app, &before);
}

#[test]
fn a_directory_that_is_renamed_and_copied_back_has_its_first_run_end_without_touching_the_copy() {
    let app = App::running("v1");
    let first = app.held_upgrade();
    app.slot
        .sh("mv /srv/app /srv/app.real && cp -a /srv/app.real /srv/app");
    let second = Act::action(&app, "deploy")
        .image("registry.lab:5000/beacon:v3")
        .ship("compose.yaml", &compose::web(&compose::beacon("v3")))
        .input("backup_dir", "/srv/other-backups")
        .run();
    second.ends("deployed", 0);
    app.comes_to_answer("v3");
    let (copy, web) = (app.whole_tree(), app.container("web"));
    first.let_go();
    first.wait().ends("rollback_failed", 3).says(&[
        "`/srv/app` leads elsewhere",
        "is another directory",
        "is now `/srv/app.real`",
    ]);
    assert_eq!(app.whole_tree(), copy);
    assert_eq!(app.container("web"), web);
    assert_eq!(
        app.slot.sh("cat /srv/app.real/config/beacon.conf"),
        "lamp = white\n"
    );
    // Everybody else is still where they were.
    app.slot.sh("rm -rf /srv/app && mv /srv/app.real /srv/app");
}

#[test]
fn what_a_dead_run_left_is_not_taken_back_in_another_directory_and_a_person_is_asked() {
    let (app, before, _) = App::left_by_the_dead();
    app.slot
        .sh("mv /srv/app /srv/app.real && cp -a /srv/app.real /srv/app");
    let (there, web) = (all_below(&app, "/srv/app"), app.container("web"));
    let status = app.cli(&["status"]).run();
    status.exits(0).says(&[
        "was interrupted; settling it first",
        "is settled: rollback_failed",
        "is not the directory that the run worked in",
    ]);
    assert_eq!(all_below(&app, "/srv/app"), there);
    assert_eq!(app.container("web"), web);
    is_mended(&app, &before);
}

#[test]
fn a_run_whose_directory_is_gone_ends_and_says_what_to_do() {
    let app = App::running("v1").alone();
    let run = app.held_upgrade();
    app.slot.sh("rm -rf /srv/app");
    run.let_go();
    run.wait().ends("rollback_failed", 3).says(&[
        "`/srv/app` is gone",
        "was removed",
        "sudo install -d -o deploy /srv/app",
        " rollback 20",
    ]);
    app.slot.sh("install -d -o deploy -g deploy /srv/app");
    let stamp = app.backup_timestamps().pop().unwrap();
    let back = app.cli(&["rollback", &stamp]).run();
    back.exits(0);
    app.comes_to_answer("v1");
    assert_eq!(app.read("config/beacon.conf"), "lamp = white\n");
}

#[test]
fn a_dead_run_whose_directory_is_gone_is_told_as_it_is_and_not_left_to_settle_by_itself() {
    let app = App::running("v1").alone();
    let run = app.held_upgrade();
    app.slot.sh("rm -rf /srv/app");
    app.signal_the_agent("KILL");
    run.wait()
        .ends("rollback_failed", 3)
        .says(&["`/srv/app` is gone", " rollback 20"]);
}

#[test]
fn what_is_mounted_over_the_directory_is_not_touched_and_neither_is_another_backup_directory() {
    let app = App::running("v1");
    let before = app.release();
    let run = app.held_upgrade();
    app.slot.sh(
        "mkdir /srv/victim && echo theirs > /srv/victim/precious && mount --bind /srv/victim /srv/app",
    );
    let victim = all_below(&app, "/srv/victim");
    run.let_go();
    let done = run.wait();
    assert_eq!(all_below(&app, "/srv/victim"), victim);
    app.slot.sh("umount /srv/app");
    done.ends("rollback_failed", 3)
        .says(&["out of sight", "findmnt -T /srv/app"]);
    assert_eq!(app.read("config/beacon.conf"), "lamp = white\n");
    app.cli(&["recover"]).run().exits(1);
    app.is_again(&before);
    let run = app.held_upgrade();
    app.slot
        .sh("mv /srv/app-backups /srv/backups.real && cp -a /srv/backups.real /srv/app-backups");
    let copy = all_below(&app, "/srv/app-backups");
    run.let_go();
    // The runner reads the copy's journal, in which nobody goes on, and gives up before the agent does.
    let done = run.wait();
    assert_ne!(done.code, Some(0));
    until("the files are put back", seconds(30), || {
        (app.read("config/beacon.conf") == "lamp = white\n").then_some(())
    });
    let archives = |all: &str| {
        all.lines()
            .filter(|l| l.contains(".tar.gz"))
            .map(ToOwned::to_owned)
            .collect::<Vec<_>>()
    };
    // Whoever settles the copied run later may drop what it has twice; nothing of the run's comes there.
    let (copied, there) = (archives(&copy), all_below(&app, "/srv/app-backups"));
    let strange = |archive: &String| !copied.contains(archive);
    assert_eq!(archives(&there).into_iter().find(strange), None, "{there}");
}

#[test]
fn a_run_whose_own_directory_is_moved_takes_itself_back_from_the_facts_in_it() {
    let app = App::running("v1");
    let before = app.release();
    app.latest("v2");
    let hook = "cd /srv/app-backups/.landfall/runs
        mv $LANDFALL_DEPLOYMENT_ID ../moved; mkdir $LANDFALL_DEPLOYMENT_ID
        for fact in before wanted backup parts; do echo '\"theirs\"' > $LANDFALL_DEPLOYMENT_ID/$fact.json; done
        exit 1";
    let act = app.deploy().ship("config/beacon.conf", "lamp = red\n");
    let done = act.input("pre_deploy", hook).run();
    // Whoever follows a run finds it by its path.
    done.ends("unknown", 4);
    let journal = "cat /srv/app-backups/.landfall/moved/journal";
    until("the run to end on the server", seconds(60), || {
        let journal = app.slot.sh(journal);
        let last = journal.lines().last()?.to_owned();
        last.contains("\"event\":\"finished\"").then_some(last)
    });
    let last = app.slot.sh(&format!("{journal} | tail -n 1"));
    assert!(last.contains("rolled_back"), "{last}");
    assert_eq!(app.tree(), before.tree);
    app.is_again(&before);
    let theirs = "cd /srv/app-backups/.landfall/runs; cat */before.json */wanted.json */backup.json */parts.json";
    assert_eq!(app.slot.sh(theirs), "\"theirs\"\n".repeat(4));
}
