//! What a real systemd does for a run, a unit of its own and recovery at boot without any contact;
//! and what is told where there is none.
//!
//! It refuses to know how the units are written.

use crate::harness::act::Act;
use crate::harness::app::App;
use crate::harness::compose;
use crate::harness::poll::seconds;
use crate::harness::slot::Slot;

/// The variant whose first process is systemd, with an application of a user's own.
#[track_caller]
fn app_of(user: &str) -> App {
    let mut app = App::at(Slot::lease_variant("systemd"), user, "/srv/app");
    if user == "root" {
        // What root's cron writes is then the deploying user's own, and goes back with the rest once
        // a power cut has ended its writer.
        app = app.alone();
    }
    app.slot.sh(&format!(
        "install -d -o {user} -g {user} -m 700 /srv/app-backups"
    ));
    if user == "root" {
        app.slot.sh("chown root: /srv");
    }
    app.furnish(&compose::web(&compose::beacon("latest")));
    app.ships("v1");
    app
}

#[track_caller]
fn installs<'a>(app: &'a App, user: &str) -> Act<'a> {
    app.cli(&["doctor", "--install"]).input("user", user)
}

#[test]
fn root_runs_as_a_unit_of_systemd_and_another_user_says_that_it_does_not() {
    let app = app_of("root");
    app.latest("v2");
    let run = app.deploy().start_held();
    let units = app
        .slot
        .sh("systemctl list-units --no-legend --plain 'landfall-2*'");
    assert!(units.contains("running"), "{units:?}");
    run.let_go();
    let done = run.wait();
    done.ends("deployed", 0).says(&["it is a systemd unit"]);
    app.nothing_lingers();
    let units = app
        .slot
        .sh("systemctl list-units --all --no-legend --plain 'landfall-2*'");
    assert_eq!(units, "");
}

#[test]
fn a_power_cut_is_settled_by_the_boot_alone() {
    for user in ["deploy", "root"] {
        let app = app_of(user);
        let before = app.release();
        if user == "deploy" {
            app.slot
                .sh("echo 'deploy ALL=(ALL) NOPASSWD: ALL' > /etc/sudoers.d/deploy");
        } else {
            app.slot.sh("chmod 1777 /srv");
            let foreign = installs(&app, user).run();
            foreign.says(&["others than root can replace: `/srv`"]);
            app.slot.sh("chmod 755 /srv");
        }
        let installed = installs(&app, user).run();
        installed.says(&["enabled it", "settled at boot"]);
        installs(&app, user).run().says(&["is installed already"]);
        app.slot.sh("rm -f /etc/sudoers.d/deploy; systemd-analyze verify /etc/systemd/system/landfall-recover-srv-app.service");
        app.latest("v2");
        let mut run = app
            .deploy()
            .ship("config/beacon.conf", "lamp = red\n")
            .input("watch", "100")
            .input("timeout", "220")
            .start();
        run.until_it_says("verify …", seconds(60));
        assert!(run.log().contains("after a reboot, settled at boot"));
        run.signal("KILL");
        app.slot.lab("server", &["kill"]);
        app.slot.lab("server", &["start"]);
        app.end_of_the_run(seconds(90));
        app.is_again(&before);
        app.comes_to_answer("v1");
        app.nothing_to_settle();
        app.deploy().input("mode", "plan").run().ends("planned", 0);
    }
}

#[test]
fn a_server_without_systemd_says_that_recovery_waits_for_the_next_contact() {
    let app = App::running("v1");
    let done = app.cli(&["doctor", "--install"]).run();
    done.says(&["there is no systemd on this server", "at the next contact"]);
    app.latest("v2");
    let done = app.deploy().run();
    done.ends("deployed", 0)
        .says(&["a session of its own; after a reboot, settled at the next contact"]);
}
