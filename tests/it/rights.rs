//! Users with less than all rights: what they may do is enough, or is done through sudo.

use crate::harness::app::App;
use crate::harness::compose;
use crate::harness::slot::Slot;

/// `/srv/app` belongs to a user, `/srv` to root, and backups have a place of their own.
#[track_caller]
fn owned_by(user: &str) -> App {
    let slot = Slot::lease();
    slot.sh(&format!(
        "chown root:root /srv; install -d -o {user} -g {user} -m 700 /srv/keep"
    ));
    let app = App::at(slot, user, "/srv/app");
    app.furnish(&compose::web(&compose::beacon("latest")));
    app
}

#[test]
fn a_rollback_works_where_the_user_may_write_the_directory_and_not_its_parent() {
    let app = owned_by("deploy");
    let denied = app.slot.try_sh_as("deploy", "touch /srv/x", b"");
    assert!(!denied.status.success());
    let deploy = || app.deploy().input("backup_dir", "/srv/keep");
    app.latest("v1");
    deploy().run().ends("deployed", 0);
    let before = app.release();
    app.latest("exits-at-start");
    let broken = deploy()
        .ship("config/beacon.conf", "lamp = broken\n")
        .ship("new/file", "x\n");
    broken.run().ends("rolled_back", 1);
    app.is_again(&before);
    app.latest("v2");
    deploy()
        .ship("config/beacon.conf", "lamp = red\n")
        .run()
        .ends("deployed", 0);
    app.rollback()
        .input("backup_dir", "/srv/keep")
        .run()
        .ends("restored", 0);
    app.is_again(&before);
    assert_eq!(app.version().as_deref(), Some("v1"));
}

#[test]
fn a_parent_that_may_not_be_written_and_no_backup_dir_is_refused_with_what_to_do() {
    let app = owned_by("deploy");
    app.latest("v1");
    let before = app.untouched();
    app.deploy()
        .run()
        .ends("refused", 2)
        .says(&["/srv/app-backups", "backup_dir"]);
    app.is_untouched(&before);
}

#[test]
fn root_runs_and_makes_nothing_below_a_directory_that_a_stranger_rules_over() {
    let app = App::at(Slot::lease(), "sudoer", "/srv/app");
    app.furnish(&compose::web(&compose::beacon("latest")));
    app.latest("v1");
    let owner = app.slot.sh("stat -c %U /srv");
    assert_eq!(owner, "deploy\n", "a stranger to `sudoer`");
    let done = app.deploy().run();
    done.ends("refused", 2).says(&[
        "`/srv` is not safe to run anything from: it belongs to `deploy`, neither to root nor to `sudoer`",
        "could have root run anything",
    ]);
    // A link of root's is no way around it.
    app.slot
        .sh("mkdir /srv/roots && ln -s /srv/roots /mnt/link");
    let around = app.deploy().input("backup_dir", "/mnt/link/backups");
    around
        .run()
        .ends("refused", 2)
        .says(&["`/srv` is not safe"]);
    let made = app
        .slot
        .sh("ls -d /srv/app-backups /srv/roots/* 2>/dev/null || true");
    assert_eq!(made, "");
    app.slot.sh("chown root: /srv");
    app.deploy().run().ends("deployed", 0);
}

#[test]
fn a_user_with_sudo_alone_deploys_and_files_stay_the_users_own() {
    let app = App::at(Slot::lease(), "sudoer", "/srv/app");
    // Root works only below directories that nobody else rules over.
    app.slot.sh("chown root: /srv");
    app.furnish(&compose::web(&compose::beacon("latest")));
    let no_docker = app.slot.try_sh_as("sudoer", "docker ps", b"");
    assert!(!no_docker.status.success());
    app.ships("v1");
    let before = app.release();
    app.latest("exits-at-start");
    let broken = app.deploy().ship("config/beacon.conf", "lamp = broken\n");
    broken.run().ends("rolled_back", 1);
    app.is_again(&before);
    app.ships("v2");
    app.rollback().run().ends("restored", 0);
    app.is_again(&before);
    app.nothing_lingers();
}

#[test]
fn sudo_never_refuses_a_user_who_needs_it() {
    let app = App::at(Slot::lease(), "sudoer", "/srv/app");
    app.slot
        .sh("install -d -o sudoer -g sudoer -m 700 /srv/app-backups");
    app.furnish(&compose::web(&compose::beacon("latest")));
    app.latest("v1");
    let before = app.untouched();
    let act = app.deploy().input("sudo", "never");
    act.run().ends("refused", 2).says(&["sudo", "docker"]);
    app.is_untouched(&before);
}

#[test]
fn root_deploys_a_directory_of_another_user_and_its_files_keep_their_owner() {
    let app = App::running("v1");
    // Root works only below directories that nobody else rules over.
    app.slot.sh("chown root: /srv");
    let before = app.release();
    app.latest("exits-at-start");
    let broken = app
        .deploy()
        .input("user", "root")
        // Root runs no agent from a directory of somebody else's.
        .input("backup_dir", "/srv/roots-backups")
        .ship("config/beacon.conf", "lamp = broken\n");
    broken.run().ends("rolled_back", 1);
    app.is_again(&before);
}

#[test]
fn a_user_with_sudo_alone_is_shown_what_runs_and_that_it_is_frozen() {
    let app = App::at(Slot::lease(), "sudoer", "/srv/app");
    // Root works only below directories that nobody else rules over.
    app.slot.sh("chown root: /srv");
    app.cli(&["doctor"])
        .run()
        .exits(0)
        .says(&["none yet; `files` brings it", "user sudoer, with sudo"]);
    app.furnish(&compose::web(&compose::beacon("latest")));
    app.ships("v1");
    app.cli(&["freeze", "the lamp is being changed"])
        .run()
        .exits(0);
    app.deploy()
        .input("mode", "plan")
        .run()
        .ends("refused", 2)
        .says(&["deployments are frozen by ana"]);
    app.deploy()
        .input("mode", "status")
        .input("dry_run", "true")
        .run()
        .ends("planned", 0)
        .says(&[
            "user sudoer, with sudo",
            "app-web-1",
            "Deployments are frozen.",
        ]);
    app.cli(&["doctor"])
        .run()
        .exits(2)
        .says(&["valid", "a person froze deployments"]);
    app.cli(&["thaw"]).run().exits(0);
    app.cli(&["doctor"]).run().exits(0);
    let never = app.cli(&["doctor"]).input("sudo", "never").run();
    never.exits(2).says(&["failed  docker"]);
}

#[test]
fn what_a_hook_makes_is_as_readable_for_others_as_if_it_was_made_by_hand() {
    let app = App::beacon();
    let make = |name: &str| {
        format!("mkdir {name}\necho x > {name}/file\nstat -c %a {name} {name}/file > {name}.modes")
    };
    app.latest("v1");
    let act = app.deploy().input("pre_deploy", &make("made"));
    act.run().ends("deployed", 0);
    app.by_hand(&make("typed"));
    assert_eq!(app.read("made.modes"), "755\n644\n");
    assert_eq!(app.read("made.modes"), app.read("typed.modes"));
    let open = app
        .slot
        .sh("find /srv/app-backups ! -type l -perm /077 2>&1");
    assert_eq!(open, "");
}
