//! What always holds, sentence by sentence, in the order of the contract.

use crate::harness::app::App;
use crate::harness::compose;
use crate::harness::poll::{seconds, until};
use crate::harness::slack::{Mood, Slack};
use crate::harness::snoop::{Bystander, Client};

// 1

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

// 2

#[test]
fn that_holds_under_a_mutable_tag_with_the_registry_out_of_reach_and_after_the_image_was_pulled_again()
 {
    let app = App::running("v1");
    app.latest("exits-at-start");
    pull_by_hand(&app);
    let before = app.release();
    let v1 = app.container("web").image_id;
    assert_ne!(app.image(&compose::beacon("latest")).as_ref(), Some(&v1));
    let mut run = app.deploy().held().start();
    run.until_held();
    app.slot.lab("cut", &["reject"]);
    assert!(!app.slot.reaches_registry());
    run.let_go();
    run.wait().ends("rolled_back", 1);
    app.is_again(&before);
    assert_eq!(app.container("web").image_id, v1);
    assert_eq!(app.version().as_deref(), Some("v1"));
}

/// What an impatient operator does: `docker compose pull`, and no `up`.
#[track_caller]
fn pull_by_hand(app: &App) {
    let login = app.slot.file("REGISTRY_AUTHFILE");
    let login = login.replace(app.slot.fact("REGISTRY_ON_HOST"), "registry.lab:5000");
    let script = "export DOCKER_CONFIG=/tmp/login; mkdir -p $DOCKER_CONFIG
        cat > $DOCKER_CONFIG/config.json
        docker pull -q registry.lab:5000/beacon:latest; rm -r $DOCKER_CONFIG";
    app.slot.sh_as("root", script, login.as_bytes());
}

#[test]
fn a_manual_rollback_works_with_the_registry_out_of_reach() {
    let app = App::running("v1");
    let before = app.release();
    app.ships("v2");
    app.slot.lab("registry", &["stop"]);
    assert!(!app.slot.reaches_registry());
    app.rollback().run().ends("restored", 0);
    app.is_again(&before);
    assert_eq!(app.version().as_deref(), Some("v1"));
}

#[test]
fn an_old_image_that_was_pruned_is_pulled_again_by_its_digest() {
    let app = App::running("v1");
    let before = app.release();
    app.ships("v2");
    let v1 = &before.services["web"][0][1];
    app.slot.sh(&format!("docker rmi -f {v1}"));
    assert_eq!(app.image(v1), None);
    app.rollback().with_registry().run().ends("restored", 0);
    assert_eq!(app.version().as_deref(), Some("v1"));
    assert_eq!(app.release().services, before.services);
}

// 3

#[test]
fn after_deployed_docker_compose_up_typed_by_hand_changes_nothing() {
    let app = App::running("v1");
    app.ships("v2");
    let before = app.containers();
    app.by_hand("docker compose up -d");
    assert_eq!(before, app.containers());
    app.deploy()
        .image(&compose::beacon("v3"))
        .run()
        .ends("deployed", 0);
    let before = app.containers();
    app.by_hand("docker compose up -d");
    assert_eq!(before, app.containers());
}

// 4

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

// 5

#[test]
fn what_containers_write_is_never_rolled_back() {
    let app = App::running("v1");
    app.ships("writes-data");
    app.slot.sh("echo order > /srv/app/data/customer");
    app.latest("exits-at-start");
    app.deploy().run().ends("rolled_back", 1);
    assert_eq!(app.read("data/customer"), "order\n");
    app.rollback().run().ends("restored", 0);
    assert_eq!(app.version().as_deref(), Some("v1"));
    assert_eq!(app.read("data/customer"), "order\n");
    assert_eq!(app.read("data/schema"), "writes-data\n");
}

#[test]
fn unless_restore_data_says_so_and_then_it_is_backed_up_first_and_the_rollback_can_be_undone() {
    let app = App::running("v1");
    app.ships("writes-data");
    app.slot
        .sh("echo order > /srv/app/data/customer; echo changed > /srv/app/data/kept");
    let written = app.whole_tree();
    // What a container wrote as root, root alone can put back; and root runs no agent from a
    // directory of somebody else's.
    app.slot.sh(&format!("chown -R root: {}", app.backups()));
    let back = || {
        app.rollback()
            .input("user", "root")
            .input("restore_data", "true")
    };
    let done = back().run();
    done.ends("restored", 0)
        .says(&["stopped web: their data is replaced"]);
    assert_eq!(app.version().as_deref(), Some("v1"));
    assert_eq!(app.slot.sh("ls -A /srv/app/data"), "kept\n");
    assert_eq!(app.read("data/kept"), "by the application\n");
    let safety = done.output("backup_timestamp");
    let archive = format!("{}/app-backup-{safety}.tar.gz", app.backups());
    assert_eq!(
        app.slot.sh(&format!("tar -xzOf {archive} ./data/customer")),
        "order\n"
    );
    let undo = back().input("backup_timestamp", safety);
    undo.run().ends("restored", 0);
    assert_eq!(app.version().as_deref(), Some("writes-data"));
    assert_eq!(app.read("data/customer"), "order\n");
    let files = |tree: &std::collections::BTreeMap<String, String>| {
        tree.keys().cloned().collect::<Vec<_>>()
    };
    assert_eq!(files(&app.whole_tree()), files(&written));
}

#[test]
fn data_that_the_user_may_not_put_back_is_told_and_everything_stays_as_it_was() {
    let app = App::beacon();
    app.ships("writes-data");
    app.ships("v1");
    let before = app.release();
    app.slot.sh("rm /srv/app/data/journal");
    let act = app.rollback().input("restore_data", "true");
    act.run()
        .ends("rolled_back", 1)
        .says(&["/srv/app/data/journal", "sudo"]);
    app.is_again(&before);
    let data = app.slot.sh("ls -A /srv/app/data");
    assert_eq!(data, "kept\nschema\n");
}

#[test]
fn a_rollback_can_be_undone() {
    let app = App::running("v1");
    app.ships("v2");
    let before = app.release();
    let done = app.rollback().run();
    done.ends("restored", 0);
    let safety = done.output("backup_timestamp").to_owned();
    app.rollback()
        .input("backup_timestamp", &safety)
        .run()
        .ends("restored", 0);
    app.is_again(&before);
    assert_eq!(app.version().as_deref(), Some("v2"));
}

#[test]
fn a_rollback_whose_checks_fail_is_itself_taken_back() {
    let app = App::running("v1");
    app.ships("v2");
    let before = app.release();
    let act = app
        .rollback()
        .input("health_url", "http://localhost:8000/nothing-here")
        .input("health_timeout", "3");
    act.run().ends("rolled_back", 1);
    app.is_again(&before);
    assert_eq!(app.version().as_deref(), Some("v2"));
}

// 6

#[test]
fn latest_is_the_newest_good_backup_that_differs_from_what_runs_by_its_name_never_by_mtime() {
    let app = App::running("v1");
    let of_v1 = app.ships("v2");
    let of_v2 = app.ships("v3");
    let touch = |timestamp: &str, when: &str| {
        let files = format!("{}/app-backup-{timestamp}.*", app.backups());
        app.slot.sh(&format!("touch -d '{when}' {files}"));
    };
    touch(&of_v1, "2031-01-01");
    touch(&of_v2, "2001-01-01");
    let back = |version: &str| {
        let done = app.rollback().input("keep_backups", "9").run();
        done.ends("restored", 0);
        assert_eq!(app.version().as_deref(), Some(version));
    };
    back("v2");
    // The safety backup of v3 is the newest by now, and is never `latest`.
    back("v1");
}

#[test]
fn a_backup_of_what_runs_already_is_not_latest() {
    let app = App::running("v1");
    app.ships("v2");
    app.ships("v2");
    app.rollback().run().ends("restored", 0);
    assert_eq!(app.version().as_deref(), Some("v1"));
}

#[test]
fn the_backup_of_a_release_that_was_not_well_is_never_latest() {
    let app = App::running("v1");
    app.ships("v2");
    app.slot.sh("docker stop app-web-1");
    app.ships("v3");
    app.rollback().run().ends("restored", 0);
    assert_eq!(app.version().as_deref(), Some("v1"));
}

#[test]
fn the_newest_backups_are_kept_and_never_the_one_dropped_that_a_rollback_would_need() {
    let app = App::running("v1");
    app.ships("v2");
    let of_v2 = app.ships("v3");
    for _ in 0..3 {
        app.deploy()
            .input("keep_backups", "2")
            .run()
            .ends("deployed", 0);
    }
    let kept = app.backup_timestamps();
    assert!(kept.contains(&of_v2), "{of_v2} was dropped: {kept:?}");
    assert_eq!(kept.len(), 3, "{kept:?}");
    app.rollback().run().ends("restored", 0);
    assert_eq!(app.version().as_deref(), Some("v2"));
}

// 7

#[test]
fn images_are_pulled_and_the_backup_is_made_before_anything_is_stopped() {
    let app = App::running("v1");
    let old = app.container("web");
    app.latest("v2");
    let client = Client::of(&app);
    let mut run = app.deploy().held().start();
    run.until_held();
    client.never_waited();
    assert_eq!(app.container("web"), old);
    let v2 = format!(
        "registry.lab:5000/beacon@{}",
        app.slot.registry_digest("v2")
    );
    assert!(app.image(&v2).is_some(), "v2 is not on the server yet");
    assert_eq!(app.backup_timestamps().len(), 2);
    run.let_go();
    run.wait().ends("deployed", 0);
}

#[test]
fn a_pull_that_hangs_is_given_up_and_the_application_never_stops_answering() {
    let app = App::running("v1");
    app.latest("v2");
    let before = app.untouched();
    app.slot.lab("cut", &["drop"]);
    let client = Client::of(&app);
    let done = app.deploy().input("timeout", "12").run();
    client.never_waited();
    done.ends("refused", 2);
    app.is_untouched(&before);
}

// 8

#[test]
fn a_second_deployment_of_a_directory_waits_and_says_for_whom() {
    let app = App::running("v1");
    app.latest("v2");
    let mut first = app.deploy().held().start();
    first.until_held();
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
    app.latest("v2");
    let mut first = app.deploy().held().start();
    first.until_held();
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
    let mut first = app.deploy().held().start();
    first.until_held();
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

// 10

#[test]
fn no_secret_is_in_an_argument_list_a_log_a_notification_a_description_or_a_file_that_outlives_the_run()
 {
    let app = App::running("v1");
    let slack = Slack::that(Mood::Takes);
    let secrets = Secrets::made_up(&app, &slack);
    for (version, status, code) in [("v2", "deployed", 0), ("exits-at-start", "rolled_back", 1)] {
        app.latest(version);
        let bystander = Bystander::on(&app);
        let hook = format!("echo the hook says {}", secrets.env);
        let act = app
            .deploy()
            .input(
                "env_file",
                &format!("GREETING=hello\nDB_PASSWORD={}\n", secrets.env),
            )
            .input("slack_webhook_url", &slack.url(&secrets.slack))
            .input("pre_deploy", &hook);
        let done = act.run();
        done.ends(status, code);
        app.nothing_lingers();
        secrets.absent_from("the processes of the server", &bystander.saw(&app));
        secrets.absent_from("what was told", &unmasked(&done.everything_told()));
        secrets.absent_from("the messages", &bodies(&slack));
        secrets.absent_from("the files", &files(&app));
    }
    assert_eq!(slack.heard().len(), 2);
}

struct Secrets {
    env: String,
    slack: String,
    registry: String,
    key: String,
}

impl Secrets {
    fn made_up(app: &App, slack: &Slack) -> Self {
        let key = app.slot.file("SSH_KEY");
        Self {
            env: "env-secret-9f1c27".into(),
            slack: format!("hook-secret-{}", slack.heard().len() + 5521),
            registry: app.slot.fact("REGISTRY_PASSWORD").to_owned(),
            key: key.lines().nth(2).unwrap().to_owned(),
        }
    }

    #[track_caller]
    fn absent_from(&self, place: &str, text: &str) {
        assert!(text.len() > 100, "{place}: there is nothing to search");
        let all = [
            ("env", &self.env),
            ("slack", &self.slack),
            ("registry", &self.registry),
            ("key", &self.key),
        ];
        for (name, secret) in all {
            let found = text.lines().find(|line| line.contains(secret.as_str()));
            assert!(
                found.is_none(),
                "the {name} secret is in {place}: {found:?}"
            );
        }
    }
}

/// Masks are how the runner is told what to hide; it shows none of them.
fn unmasked(told: &str) -> String {
    let shown = told
        .lines()
        .filter(|line| !line.starts_with("::add-mask::"));
    shown.collect::<Vec<_>>().join("\n")
}

/// What Slack was told; the address itself is how it is reached.
fn bodies(slack: &Slack) -> String {
    let heard = slack.heard();
    let bodies = heard
        .iter()
        .filter_map(|request| request.split_once("\r\n\r\n"));
    bodies.map(|(_, body)| body).collect::<Vec<_>>().join("\n")
}

/// Every file that outlives a run, archives unpacked; the env file is the user's own.
#[track_caller]
fn files(app: &App) -> String {
    app.slot.sh(
        "cd /srv; find . -type f ! -name '*.tar.gz' ! -path ./app/.env ! -path '*/.landfall/bin/*' -exec cat {} +
        for archive in app-backups/*.tar.gz; do tar -xzOf $archive --exclude ./.env; done
        find /home /root /tmp /var/tmp /dev/shm /run -xdev -type f ! -name authorized_keys -size -1000k -exec cat {} + 2>/dev/null || true",
    )
}

// 11

#[test]
fn a_notification_that_cannot_be_sent_is_a_warning_and_never_changes_the_outcome() {
    let app = App::running("v1");
    for (mood, version, status, code) in [
        (Mood::Fails, "v2", "deployed", 0),
        (Mood::Hangs, "v3", "deployed", 0),
        (Mood::Fails, "exits-at-start", "rolled_back", 1),
    ] {
        app.latest(version);
        let slack = Slack::that(mood);
        let done = app
            .deploy()
            .input("slack_webhook_url", &slack.url("T/B/x"))
            .run();
        done.ends(status, code).says(&["::warning"]);
        assert!(done.took < seconds(60), "it took {} s", done.took.as_secs());
        assert!(!slack.heard().is_empty(), "nobody was told");
    }
}

#[test]
fn a_notification_tells_environment_result_commit_author_url_and_image() {
    let app = App::running("v1");
    let slack = Slack::that(Mood::Takes);
    app.latest("v2");
    let act = app
        .deploy()
        .input("environment", "staging")
        .input("url", "https://beacon.example")
        .input("slack_webhook_url", &slack.url("T/B/x"));
    act.run().ends("deployed", 0);
    let told = bodies(&slack);
    for part in [
        "staging",
        "Light the lamp",
        "Ana",
        "https://beacon.example",
        "beacon",
        "actions/runs/4711",
    ] {
        assert!(told.contains(part), "no {part:?} in {told}");
    }
}

#[test]
fn notify_says_when_to_tell() {
    let app = App::running("v1");
    let slack = Slack::that(Mood::Takes);
    let deploy = |notify: &str| {
        let act = app.deploy().input("slack_webhook_url", &slack.url("T/B/x"));
        act.input("notify", notify).run().outputs["status"].clone()
    };
    app.latest("v2");
    assert_eq!(deploy("failure"), "deployed");
    assert_eq!(slack.heard().len(), 0);
    app.latest("exits-at-start");
    assert_eq!(deploy("never"), "rolled_back");
    assert_eq!(slack.heard().len(), 0);
    assert_eq!(deploy("failure"), "rolled_back");
    assert_eq!(slack.heard().len(), 1);
}
