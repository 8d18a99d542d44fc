//! What belongs to somebody else, or is being written by somebody else, stays as it is; all that is
//! ours comes back all the same.
//!
//! Only root can lay such trees, so others see nothing shown here.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::chown;
use std::process::{Child, Command, Stdio};

use super::*;
use crate::files::archive::restore::Why;
use crate::files::tree::Us;

const US: u32 = 1000;

/// A directory of ours with a log of root's in it, as we see it; none where nobody may give files
/// away.
fn ours_with_roots_log() -> Option<Scene> {
    let mut scene = Scene::with(&[
        ("compose.yaml", "old"),
        ("cron.log", "one\n"),
        ("logs/x", "x"),
    ]);
    let us = Us::User {
        uid: US,
        groups: vec![US],
    };
    scene.scope = scene.scope.seen_by(us);
    for path in ["", "compose.yaml"] {
        chown(scene.at(path), Some(US), Some(US)).ok()?;
    }
    odd::is_root().then_some(scene)
}

fn append(scene: &Scene, path: &str, text: &str) {
    let mut options = OpenOptions::new();
    let mut file = options.append(true).create(true).open(scene.at(path));
    file.as_mut().unwrap().write_all(text.as_bytes()).unwrap();
}

fn left(report: &Report) -> Vec<&str> {
    report.left.iter().map(|(path, _)| path.as_str()).collect()
}

#[test]
fn a_log_of_roots_keeps_what_was_written_since_and_the_release_comes_back() {
    let Some(scene) = ours_with_roots_log() else {
        return;
    };
    let written = scene.back_up();
    fs::write(scene.at("compose.yaml"), "new").unwrap();
    append(&scene, "cron.log", "two\n");
    let log = inode(scene.at("cron.log"));
    let report = scene.restore(&written, Data::LeaveAlone);
    assert_eq!(report.replaced, ["compose.yaml"]);
    assert_eq!(report.left, [("cron.log".to_owned(), Why::Theirs(0))]);
    assert_eq!(scene.read("compose.yaml"), "old");
    assert_eq!(scene.read("cron.log"), "one\ntwo\n");
    assert_eq!(inode(scene.at("cron.log")), log);
}

#[test]
fn what_root_rotates_or_takes_away_stays_so_and_what_a_run_brought_goes() {
    let Some(mut scene) = ours_with_roots_log() else {
        return;
    };
    scene.scope = scene.scope.with_shipped(["brought"]);
    let written = scene.back_up();
    fs::rename(scene.at("cron.log"), scene.at("cron.log.1")).unwrap();
    fs::remove_dir_all(scene.at("logs")).unwrap();
    fs::create_dir(scene.at("made-empty")).unwrap();
    append(&scene, "brought", "by the run, and given to root since\n");
    let report = scene.restore(&written, Data::LeaveAlone);
    assert_eq!(left(&report), ["cron.log", "cron.log.1", "logs", "logs/x"]);
    assert_eq!(report.removed, ["brought", "made-empty"]);
    assert_eq!(scene.read("cron.log.1"), "one\n");
}

#[test]
fn what_root_appends_to_meanwhile_keeps_no_backup_from_being_made() {
    let Some(scene) = ours_with_roots_log() else {
        return;
    };
    let more = |_: u64| append(&scene, "cron.log", "more\n");
    let written = scene.try_back_up(&more).unwrap();
    assert_eq!(written.torn, ["cron.log"]);
}

#[test]
fn what_a_run_ships_is_put_back_whoever_it_belongs_to() {
    let Some(mut scene) = ours_with_roots_log() else {
        return;
    };
    scene.scope = scene.scope.with_shipped(["cron.log"]);
    let written = scene.back_up();
    append(&scene, "cron.log", "two\n");
    let report = scene.restore(&written, Data::LeaveAlone);
    assert_eq!(report.left, []);
    assert_eq!(scene.read("cron.log"), "one\n");
}

#[test]
fn a_growing_log_of_roots_makes_no_release_another_one() {
    let Some(scene) = ours_with_roots_log() else {
        return;
    };
    let written = scene.back_up();
    append(&scene, "cron.log", "two\n");
    let options = Options {
        data: Data::LeaveAlone,
        scope: &scene.scope,
        snapshot: None,
    };
    let is_same = || {
        let from = Source {
            archive: &written.archive,
            listing: &scene.listing(&written.description),
            description: &written.description,
            others: &[],
        };
        let same = crate::files::archive::restore::is_same(from, &scene.opened(), &options);
        same.unwrap().0
    };
    assert!(is_same());
    append(&scene, "compose.yaml", "more");
    assert!(!is_same());
}

#[test]
fn root_cuts_nothing_off_a_file_of_another_user_than_the_directorys_that_has_grown() {
    let Some(mut scene) = ours_with_roots_log() else {
        return;
    };
    scene.scope = scene.scope.seen_by(Us::Root);
    lay(&scene.deploy(), &[("conf", "a"), ("own.log", "1\n")]);
    chown(scene.at("own.log"), Some(US), Some(US)).unwrap();
    let written = scene.back_up();
    append(&scene, "cron.log", "two\n");
    append(&scene, "own.log", "2\n");
    fs::write(scene.at("conf"), "changed, and longer").unwrap();
    let report = scene.restore(&written, Data::LeaveAlone);
    assert_eq!(report.left, [("cron.log".to_owned(), Why::Grown(0))]);
    assert_eq!(report.replaced, ["conf", "own.log"]);
}

/// A program that holds a file open for writing.
fn holding(path: &Path) -> Child {
    let script = "exec 3>>\"$1\"; echo held; read -r _";
    let mut holder = Command::new("sh")
        .args(["-c", script, "sh"])
        .arg(path)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = [0; 5];
    std::io::Read::read_exact(holder.stdout.as_mut().unwrap(), &mut said).unwrap();
    holder
}

#[test]
fn a_file_that_a_program_holds_open_is_not_replaced_under_its_writer() {
    let scene = Scene::with(&[("compose.yaml", "old"), ("app.log", "one\n")]);
    let written = scene.back_up();
    fs::write(scene.at("compose.yaml"), "new").unwrap();
    append(&scene, "app.log", "two\n");
    let mut holder = holding(&scene.at("app.log"));
    let report = scene.restore(&written, Data::LeaveAlone);
    assert_eq!(report.left, [("app.log".to_owned(), Why::Held)]);
    assert_eq!(scene.read("compose.yaml"), "old");
    drop(holder.stdin.take());
    holder.wait().unwrap();
    let report = scene.restore(&written, Data::LeaveAlone);
    assert_eq!(report.replaced, ["app.log"]);
}

#[test]
fn a_path_that_cannot_be_put_back_keeps_no_other_from_it() {
    let scene = Scene::with(&[("a", "old"), ("compose.yaml", "old"), ("z", "old")]);
    let scene = scene.excluding(&["*.keep"]);
    let written = scene.back_up();
    for path in ["a", "z"] {
        fs::remove_file(scene.at(path)).unwrap();
        lay(&scene.deploy(), &[(&format!("{path}/x.keep"), "theirs")]);
    }
    fs::write(scene.at("compose.yaml"), "new").unwrap();
    let failed = scene.try_restore(&written.archive, &written.description, Data::LeaveAlone);
    let failure = failed.unwrap_err();
    assert_eq!(scene.read("compose.yaml"), "old");
    assert!(failure.what.contains("cannot become"), "{failure}");
    let also = failure.because.iter().filter(|b| b.starts_with("also: "));
    assert!(also.count() >= 1, "{failure}");
    assert_eq!(scene.read("a/x.keep"), "theirs");
    assert!(!scene.at(".landfall-tmp-restore").exists());
}
