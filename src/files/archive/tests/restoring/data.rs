//! What a restore does with data, and with what the release owns among it.
//!
//! It refuses to know what else a tree is made of.

use std::fs;
use std::os::unix::fs::symlink;

use super::*;
use crate::files::tree::dir::Dir;
use crate::files::tree::odd::{chmod, inode};

#[test]
fn data_becomes_exactly_what_the_backup_holds_when_that_is_asked_for() {
    let scene = Scene::odd().excluding(&["*.sock"]);
    lay(
        &scene.deploy(),
        &[
            ("data/same", "same"),
            ("data/longer", "0123456789"),
            ("data/dir/x", "x"),
            ("data/live.sock", ""),
        ],
    );
    fs::write(
        scene.at("data/large"),
        crate::files::tree::odd::noise(300_000),
    )
    .unwrap();
    symlink("same", scene.at("data/link")).unwrap();
    chmod(scene.at("data/dir"), 0o700);
    let written = scene.back_up();
    let before = scene.everything();
    let same = inode(scene.at("data/same"));
    ravage(&scene);
    fs::write(scene.at("data/longer"), "01234x6789").unwrap();
    let mut large = fs::read(scene.at("data/large")).unwrap();
    large[200_000] ^= 1;
    fs::write(scene.at("data/large"), &large).unwrap();
    fs::remove_file(scene.at("data/link")).unwrap();
    lay(&scene.deploy(), &[("data/link/is/now", "a directory")]);
    fs::remove_dir_all(scene.at("data/dir")).unwrap();
    symlink("/etc", scene.at("data/dir")).unwrap();
    let report = scene.restore(&written, Data::Restore);
    assert_eq!(diff(&before, &scene.everything()), []);
    assert_eq!(inode(scene.at("data/same")), same);
    assert!(
        report.removed.iter().any(|p| p == "data/added"),
        "{report:?}"
    );
    assert!(
        !report.replaced.iter().any(|p| p == "data/same"),
        "{report:?}"
    );
    assert!(fs::metadata("/etc/passwd").is_ok());
}

#[test]
fn what_the_release_owns_within_data_is_restored_and_what_it_brought_there_is_removed() {
    let files = [
        ("compose.yaml", "a"),
        ("config/app.conf", "old"),
        ("config/state", "1"),
    ];
    let scene = Scene::with(&files)
        .data(&["config"])
        .own(&["config/app.conf", "config/new/x.conf"]);
    let written = scene.back_up();
    lay(
        &scene.deploy(),
        &[
            ("config/app.conf", "new"),
            ("config/state", "2"),
            ("config/new/x.conf", "new"),
        ],
    );
    scene.restore(&written, Data::LeaveAlone);
    assert_eq!(scene.read("config/app.conf"), "old");
    assert_eq!(scene.read("config/state"), "2");
    assert!(!scene.at("config/new/x.conf").exists());
}

#[test]
fn data_that_only_the_new_release_has_is_left_alone_with_the_directories_around_it() {
    let scene = Scene::with(&[("compose.yaml", "a")]);
    let written = scene.back_up();
    lay(
        &scene.deploy(),
        &[
            ("var/lib/db/rows", "1"),
            ("var/conf", "2"),
            ("compose.yaml", "b"),
        ],
    );
    let scene = scene.data(&["var/lib/db"]);
    for _ in 0..2 {
        let report = scene.restore(&written, Data::LeaveAlone);
        assert_eq!(report.kept, ["var", "var/lib"]);
    }
    assert_eq!(scene.read("var/lib/db/rows"), "1");
    assert_eq!(scene.read("compose.yaml"), "a");
    assert!(!scene.at("var/conf").exists());
}

#[test]
fn files_that_the_old_release_owned_are_restored_though_the_new_one_calls_them_data() {
    let scene = Scene::with(&[("compose.yaml", "a"), ("config/app.conf", "old")]);
    let written = scene.back_up();
    lay(
        &scene.deploy(),
        &[
            ("config/app.conf", "new"),
            ("config/state", "made by a container"),
        ],
    );
    let scene = scene.data(&["config"]);
    scene.restore(&written, Data::LeaveAlone);
    assert_eq!(scene.read("config/app.conf"), "old");
    assert_eq!(scene.read("config/state"), "made by a container");
}

#[test]
fn a_directory_that_is_all_data_still_gets_its_own_files_back() {
    let scene = Scene::with(&[("compose.yaml", "a"), ("rows", "1")])
        .data(&["."])
        .own(&["compose.yaml"]);
    let written = scene.back_up();
    lay(
        &scene.deploy(),
        &[("compose.yaml", "b"), ("rows", "2"), ("more", "3")],
    );
    scene.restore(&written, Data::LeaveAlone);
    assert_eq!(
        (scene.read("compose.yaml"), scene.read("rows")),
        ("a".to_owned(), "2".to_owned())
    );
    scene.restore(&written, Data::Restore);
    assert_eq!(scene.read("rows"), "1");
    assert!(!scene.at("more").exists());
}

#[test]
fn a_backup_directory_inside_is_never_removed() {
    let scene = Scene::with(&[("compose.yaml", "a")]);
    let written = scene.back_up();
    lay(
        &scene.deploy(),
        &[
            ("b/mcp-backup-x", "mine"),
            (".landfall/journal", "mine"),
            ("extra", ""),
        ],
    );
    let scope = Scope::of(&scene.deploy(), &scene.at("b")).unwrap();
    let options = Options {
        data: Data::LeaveAlone,
        scope: &scope,
        snapshot: None,
    };
    scene
        .restore_with(&written.archive, &written.description, &options)
        .unwrap();
    assert_eq!(scene.read("b/mcp-backup-x"), "mine");
    assert_eq!(scene.read(".landfall/journal"), "mine");
    assert!(!scene.at("extra").exists());
}

#[test]
fn a_directory_that_must_become_a_file_but_holds_data_is_told() {
    let scene = Scene::with(&[("x", "a file")]);
    let written = scene.back_up();
    fs::remove_file(scene.at("x")).unwrap();
    lay(&scene.deploy(), &[("x/data/rows", "1")]);
    let scene = scene.data(&["x/data"]);
    let error = scene
        .try_restore(&written.archive, &written.description, Data::LeaveAlone)
        .unwrap_err();
    assert!(error.what.contains("cannot become what it was"), "{error}");
    assert_eq!(scene.read("x/data/rows"), "1");
}

#[test]
fn directories_deeper_than_a_process_may_have_files_open_are_archived_and_put_back() {
    let scene = Scene::with(&[("compose.yaml", "")]).data(&["data"]);
    let deep = format!("data{}", "/d".repeat(1_200));
    dig(&scene.deploy(), &deep);
    let written = scene.back_up();
    assert_eq!(written.unread, [""; 0]);
    crate::files::archive::verify::verify(&written.archive).unwrap();
    let home = scene.opened();
    home.dir().remove_all("data".as_ref()).unwrap();
    scene.restore(&written, Data::Restore);
    assert_eq!(reached(&scene.deploy(), &deep), 1_200);
    scene.restore(&written, Data::Restore);
    home.dir().remove_all("data".as_ref()).unwrap();
}

#[test]
fn what_lies_deeper_than_is_archived_is_told_and_keeps_nobody_from_deploying() {
    let scene = Scene::with(&[("compose.yaml", "")]).data(&["data"]);
    let deep = format!("data{}", "/d".repeat(2_500));
    dig(&scene.deploy(), &deep);
    let written = scene.back_up();
    assert_eq!(written.unread.len(), 1);
    crate::files::archive::verify::verify(&written.archive).unwrap();
    scene.opened().dir().remove_all("data".as_ref()).unwrap();
    dig(&scene.deploy(), &deep.replace("data", "release"));
    let failure = scene.try_back_up(&|_| ()).unwrap_err();
    assert!(
        failure.to_string().contains("directories"),
        "{}",
        failure.because[0]
    );
    scene.opened().dir().remove_all("release".as_ref()).unwrap();
}

/// Makes directories below one another, deeper than any path may be long.
fn dig(root: &Path, path: &str) {
    let mut at = Dir::open(root).unwrap();
    for each in path.split('/') {
        at.make_dir(each.as_ref(), 0o755).unwrap();
        at = at.enter(each.as_ref()).unwrap();
    }
}

/// How many of them are there, the first one aside.
fn reached(root: &Path, path: &str) -> usize {
    let mut at = Dir::open(root).unwrap();
    let mut reached = 0;
    for each in path.split('/') {
        at = at.enter(each.as_ref()).unwrap();
        reached += 1;
    }
    reached - 1
}
