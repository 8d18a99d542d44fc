//! The oracle of who lives on a server besides: it sees five trespasses that are committed by hand,
//! and nothing where there is none.
//!
//! It refuses to know Landfall.

use crate::harness::app::App;
use crate::harness::poll::{seconds, until};
use crate::harness::slot::Slot;

/// Commits a trespass, which must be seen under each of some words.
#[track_caller]
fn is_seen(slot: &Slot, trespass: &str, words: &[&str]) {
    slot.meet_the_neighbours();
    slot.sh(trespass);
    let seen = slot.trespasses().join("\n");
    for word in words {
        assert!(seen.contains(word), "after `{trespass}`: {seen:?}");
    }
    slot.meet_the_neighbours();
}

#[test]
fn the_oracle_sees_five_trespasses_and_none_where_there_is_none() {
    let slot = Slot::lease();
    assert_eq!(slot.trespasses(), Vec::<String>::new());
    let again = ["started again", "/app:"];
    is_seen(&slot, "docker restart -t 0 app", &again);
    let other = "cd /opt/app && docker compose up -d --force-recreate 2>&1";
    is_seen(&slot, other, &["container /neighbour-web-1"]);
    let byte = "printf x | dd of=/opt/app/data/order conv=notrunc bs=1 2>&1";
    is_seen(&slot, byte, &["file /opt/app/data/order"]);
    let moved = "docker tag neighbours.lab/app:1 registry.lab:5000/beacon:staging";
    is_seen(
        &slot,
        moved,
        &["reference registry.lab:5000/beacon:staging"],
    );
    let plumbing = "cd /opt/staging/app && docker compose down -v 2>&1";
    is_seen(&slot, plumbing, &["network staging", "volume staging"]);
}

#[test]
fn an_engine_that_starts_again_with_everybody_is_no_trespass_and_one_more_gone_is() {
    let slot = Slot::lease();
    slot.lab("dockerd", &["kill"]);
    slot.lab("dockerd", &["start"]);
    assert_eq!(slot.trespasses(), Vec::<String>::new());
    is_seen(&slot, "docker rm -f app", &["container /app: nothing was"]);
}

#[test]
fn the_oracle_sees_what_is_done_to_cron_and_to_pipes_below_the_deploy_directory() {
    let app = App::empty().alone();
    for (company, trespass) in [
        ("cron", "cp -p cron.log x; mv x cron.log"),
        ("cron", "sed -i 1d cron.log"),
        ("cron", "chmod 640 private.log"),
        ("pipes", "rm a-pipe; mkfifo a-pipe"),
    ] {
        app.invite(company);
        assert_eq!(app.trespasses_on_company(), Vec::<String>::new());
        app.slot.sh(&format!("cd {}/log; {trespass}", app.dir));
        assert_ne!(
            app.trespasses_on_company(),
            Vec::<String>::new(),
            "{trespass}"
        );
        app.company_is_forgotten();
    }
}

#[test]
fn the_oracle_sees_that_somebody_else_moved_the_tag_that_a_neighbour_moves() {
    let app = App::empty().alone();
    app.invite("staging");
    until("the tag to be missed", seconds(20), || {
        let tag = "docker tag neighbours.lab/app:1 registry.lab:5000/beacon:staging";
        app.slot.sh(tag);
        (!app.trespasses_on_company().is_empty()).then_some(())
    });
    app.company_is_forgotten();
    until("the tag to be a neighbour's again", seconds(20), || {
        app.slot.trespasses().is_empty().then_some(())
    });
}

#[test]
fn deployments_and_ways_back_leave_to_others_what_they_have_in_the_same_directories() {
    let app = App::beacon();
    app.ships("v1");
    app.ships("v2");
    let before = app.release();
    app.latest("exits-at-start");
    app.deploy().run().ends("rolled_back", 1);
    app.is_again(&before);
    app.rollback().run().ends("restored", 0);
    assert_eq!(app.version().as_deref(), Some("v1"));
    assert_eq!(app.trespasses_on_company(), Vec::<String>::new());
}

#[test]
fn neighbours_stay_through_a_reset_and_come_back_where_one_is_gone() {
    let slot = Slot::lease();
    let ids = "docker ps -q --no-trunc | sort";
    let before = slot.sh(ids);
    slot.lab("reset", &[]);
    assert_eq!(slot.sh(ids), before);
    slot.sh("docker rm -f app");
    slot.lab("reset", &[]);
    assert_eq!(slot.sh(ids).lines().count(), before.lines().count());
    slot.meet_the_neighbours();
}
