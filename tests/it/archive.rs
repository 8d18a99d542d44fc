//! A backup is a plain tar.gz: any tar opens it, and a person can go back without Landfall.

use std::process::{Command, Stdio};

use serde_json::Value;

use crate::harness::app::App;

/// The bytes of a backup's archive, fetched past Landfall.
#[track_caller]
fn fetch(app: &App, timestamp: &str) -> tempfile::NamedTempFile {
    let file = tempfile::Builder::new()
        .suffix(".tar.gz")
        .tempfile()
        .unwrap();
    let path = format!("{}/app-backup-{timestamp}.tar.gz", app.backups());
    let mut command = app.slot.command("root", &["cat", &path]);
    let status = command.stdout(file.reopen().unwrap()).status().unwrap();
    assert!(status.success());
    file
}

/// v1 with odd files, upgraded to v2; the backup of v1.
#[track_caller]
fn upgraded() -> (App, String) {
    let app = App::beacon().alone();
    let long = "a-directory-with-a-long-name/".repeat(6);
    app.by_hand(&format!(
        "mkdir -p '{long}'; echo deep > '{long}file-whose-path-is-longer-than-a-ustar-header-allows'
        echo x > 'ümlaut and blank'; ln -s config/beacon.conf link; chmod 600 config/beacon.conf"
    ));
    app.ships("v1");
    let timestamp = app.ships("v2");
    (app, timestamp)
}

#[test]
fn gnu_tar_lists_and_compares_a_backup() {
    let (app, timestamp) = upgraded();
    let archive = format!("{}/app-backup-{timestamp}.tar.gz", app.backups());
    let listed = app.slot.sh(&format!("tar -tzf {archive}"));
    assert!(
        listed.lines().all(|line| line.starts_with("./")),
        "{listed}"
    );
    assert!(listed.contains("./compose.yaml\n"));
    app.slot
        .sh(&format!("tar --compare -zf {archive} -C {}", app.dir));
}

#[test]
fn pythons_tarfile_reads_every_member_of_a_backup() {
    let (app, timestamp) = upgraded();
    let file = fetch(&app, &timestamp);
    let script = "import sys, tarfile
with tarfile.open(sys.argv[1], 'r:gz', errorlevel=2) as archive:
    for member in archive:
        content = archive.extractfile(member) if member.isfile() else None
        print(member.name, member.mode, member.uid, len(content.read()) if content else '-')";
    let mut python = Command::new("python3");
    python
        .args(["-c", script])
        .arg(file.path())
        .stderr(Stdio::inherit());
    let output = python.output().unwrap();
    assert!(output.status.success());
    let listed = String::from_utf8(output.stdout).unwrap();
    let uid = app.slot.sh("id -u deploy");
    assert!(
        listed.contains(&format!("./config/beacon.conf 384 {} 13\n", uid.trim())),
        "{listed}"
    );
    assert!(
        listed.contains("file-whose-path-is-longer-than-a-ustar-header-allows"),
        "{listed}"
    );
}

#[test]
fn a_rollback_made_by_hand_with_tar_works() {
    let (app, timestamp) = upgraded();
    let archive = format!("{}/app-backup-{timestamp}.tar.gz", app.backups());
    let description = app
        .slot
        .sh(&format!("cat {}", archive.replace(".tar.gz", ".json")));
    let description: Value = serde_json::from_str(&description).unwrap();
    let v1 = description["release"]["services"][0]["image_id"]
        .as_str()
        .unwrap();
    app.put("config/beacon.conf", "lamp = broken\n");
    app.by_hand(&format!("tar xzf {archive} -C {}", app.dir));
    app.by_hand(&format!(
        "docker tag {v1} registry.lab:5000/beacon:latest; docker compose up -d --force-recreate"
    ));
    app.comes_to_answer("v1");
    assert_eq!(app.config_seen().as_deref(), Some("lamp = white"));
}

#[test]
fn backups_are_readable_by_their_owner_alone() {
    let (app, _) = upgraded();
    let open = app.slot.sh(&format!(
        "find {} -perm /077 ! -type l -printf '%p %m\\n'",
        app.backups()
    ));
    assert_eq!(open, "");
}

#[test]
fn a_description_says_what_ran_and_who_asked_and_why() {
    let (app, timestamp) = upgraded();
    let path = format!("{}/app-backup-{timestamp}.json", app.backups());
    let description: Value = serde_json::from_str(&app.slot.sh(&format!("cat {path}"))).unwrap();
    let web = &description["release"]["services"][0];
    assert_eq!(web["service"], "web");
    let digest = format!(
        "registry.lab:5000/beacon@{}",
        app.slot.registry_digest("v1")
    );
    assert_eq!(web["digest"], digest);
    assert_eq!(description["origin"]["actor"], "ana");
    assert_eq!(description["origin"]["commit_title"], "Light the lamp");
    let sum = app.slot.sh(&format!(
        "sha256sum {} | cut -d' ' -f1",
        path.replace(".json", ".tar.gz")
    ));
    assert_eq!(description["archive"]["sha256"], sum.trim());
}

#[test]
fn what_backup_exclude_names_is_neither_archived_nor_touched_by_a_rollback() {
    let app = App::beacon();
    app.put("cache/big", "1\n");
    app.ships("v1");
    app.latest("v2");
    let done = app.deploy().input("backup_exclude", "cache/**").run();
    done.ends("deployed", 0);
    let listed = app
        .slot
        .sh(&format!("tar -tzf {}", done.output("backup_file")));
    assert!(!listed.contains("big"), "{listed}");
    app.put("cache/big", "2\n");
    app.rollback().run().ends("restored", 0);
    assert_eq!(app.read("cache/big"), "2\n");
}

#[test]
fn a_damaged_backup_is_told_from_a_whole_one_and_never_restored() {
    let (app, timestamp) = upgraded();
    app.cli(&["verify", &timestamp]).run().exits(0);
    let archive = format!("{}/app-backup-{timestamp}.tar.gz", app.backups());
    app.slot.sh(&format!(
        "printf x | dd of={archive} bs=1 seek=200 conv=notrunc 2>/dev/null"
    ));
    let verdict = app.cli(&["verify", &timestamp]).run();
    assert_ne!(verdict.code, Some(0));
    app.put("config/beacon.conf", "lamp = red\n");
    let (before, web) = (app.release(), app.container("web"));
    let act = app.rollback().input("backup_timestamp", &timestamp);
    act.run().ends("refused", 2).says(&[&timestamp]);
    app.is_again(&before);
    assert_eq!(app.container("web"), web);
}

#[test]
fn pipes_sockets_and_links_under_the_names_of_backups_hold_neither_a_deployment_nor_a_look() {
    let app = App::running("v1");
    app.latest("v2");
    let at = format!("{}/app-backup-", app.backups());
    app.slot.sh_as(
        "deploy",
        &format!(
            "mkfifo {at}20990101_000000.json {at}20200101_000000.json {at}20200101_000000.tar.gz
            ln -s /dev/zero {at}20200102_000000.json
            truncate -s 3G {at}20200103_000000.json
            mkdir {at}20200104_000000.json"
        ),
        b"",
    );
    app.deploy().run().ends("deployed", 0);
    app.cli(&["backups"]).run().exits(0);
    app.cli(&["verify", "all"]).run();
    app.rollback().run().ends("restored", 0);
    assert_eq!(app.version().as_deref(), Some("v1"));
}
