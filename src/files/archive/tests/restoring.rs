//! Putting a tree back: exactly, once, and after any death.
//!
//! It refuses to know what is special about data, archives of others and odd entries; each of them
//! has a module of its own.

mod data;
mod drift;
mod hostile;
mod marks;
mod theirs;

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};

use super::*;
use crate::files::tree::diff;
use crate::files::tree::dir::faults;
use crate::files::tree::odd::{chmod, inode};

/// Does to an odd tree whatever a failed deployment might have done.
fn ravage(scene: &Scene) {
    fs::write(scene.at("compose.yaml"), "services: {broken: {}}\n").unwrap();
    fs::write(scene.at("new.conf"), "new").unwrap();
    lay(
        &scene.deploy(),
        &[
            ("new/dir/file", "new"),
            ("data/pg/base", "newer rows"),
            ("data/added", "row"),
        ],
    );
    fs::remove_file(scene.at("big")).unwrap();
    fs::remove_dir_all(scene.at("grüße")).unwrap();
    chmod(scene.at("setuid"), 0o644);
    chmod(scene.at("empty dir"), 0o755);
    fs::remove_dir_all(scene.at("config")).unwrap();
    fs::write(scene.at("config"), "now a file").unwrap();
    fs::remove_file(scene.at("empty")).unwrap();
    lay(&scene.deploy(), &[("empty/is/a/directory", "now")]);
    fs::remove_file(scene.at("link")).unwrap();
    symlink("elsewhere", scene.at("link")).unwrap();
    fs::remove_file(scene.at("dangling")).unwrap();
    fs::write(scene.at("dangling"), "now a file").unwrap();
    fs::remove_file(scene.at("outside")).unwrap();
    fs::create_dir(scene.at("outside")).unwrap();
    fs::remove_file(scene.at(r"back\slash")).unwrap();
    symlink("/etc/passwd", scene.at(r"back\slash")).unwrap();
    symlink("/etc", scene.at("planted")).unwrap();
}

#[test]
fn a_ravaged_tree_comes_back_exactly_and_data_stays() {
    let scene = Scene::odd();
    let written = scene.back_up();
    let before = scene.tree();
    let untouched = inode(scene.at(".env"));
    ravage(&scene);
    let report = scene.restore(&written, Data::LeaveAlone);
    assert_eq!(diff(&before, &scene.tree()), []);
    assert_eq!(inode(scene.at(".env")), untouched);
    assert_eq!(scene.read("data/pg/base"), "newer rows");
    assert_eq!(scene.read("data/added"), "row");
    for gone in ["new.conf", "new/dir/file", "new", "planted"] {
        assert!(
            report.removed.iter().any(|p| p == gone),
            "{gone}: {report:?}"
        );
    }
    assert!(
        report.replaced.iter().any(|p| p == "compose.yaml"),
        "{report:?}"
    );
    assert!(fs::metadata("/etc/passwd").is_ok());
}

#[test]
fn a_second_restore_does_nothing() {
    let scene = Scene::odd();
    let written = scene.back_up();
    ravage(&scene);
    scene.restore(&written, Data::Restore);
    let marks = |scene: &Scene| {
        let paths = scene.everything().into_iter().map(|e| e.path);
        let mark = |p: String| {
            let path = scene
                .deploy()
                .join(crate::files::tree::name::to_path(&p).unwrap());
            let meta = fs::symlink_metadata(path).unwrap();
            (p, meta.ino(), meta.ctime(), meta.ctime_nsec())
        };
        paths.map(mark).collect::<Vec<_>>()
    };
    let before = marks(&scene);
    faults::after(Some(0));
    let options = Options {
        data: Data::LeaveAlone,
        scope: &scene.scope,
        snapshot: Some(&written.snapshot),
    };
    let changed = scene.restore_with(&written.archive, &written.description, &options);
    faults::after(None);
    changed.expect("a restore of what is there already changes nothing at all");
    let report = scene.restore(&written, Data::LeaveAlone);
    assert_eq!((report.replaced, report.removed), (vec![], vec![]));
    let report = scene.restore(&written, Data::Restore);
    assert_eq!((report.replaced, report.removed), (vec![], vec![]));
    assert_eq!(marks(&scene), before);
}

#[test]
fn a_restore_that_dies_after_any_change_is_finished_by_the_next() {
    for data in [Data::LeaveAlone, Data::Restore] {
        let scene = Scene::odd();
        fs::remove_file(scene.at("big")).unwrap();
        fs::write(scene.at("big"), "not so big, for this is done many times").unwrap();
        let written = scene.back_up();
        let (tree, everything) = (scene.tree(), scene.everything());
        let mut deaths = 0;
        loop {
            ravage(&scene);
            faults::after(Some(deaths));
            let died = scene.try_restore(&written.archive, &written.description, data);
            faults::after(None);
            let done = died.is_ok();
            scene.restore(&written, data);
            assert_eq!(diff(&tree, &scene.tree()), [], "after {deaths} changes");
            if data == Data::Restore {
                assert_eq!(
                    diff(&everything, &scene.everything()),
                    [],
                    "after {deaths} changes"
                );
            }
            if done {
                break;
            }
            deaths += 1;
        }
        assert!(deaths > 40, "the seam does not count: {deaths}");
    }
}

#[test]
fn a_file_is_the_old_one_or_the_new_one_at_every_moment_of_a_restore() {
    let scene = Scene::with(&[("compose.yaml", "old"), ("a", "1"), ("z", "2")]);
    let written = scene.back_up();
    for k in 0..40 {
        lay(
            &scene.deploy(),
            &[("compose.yaml", "new"), ("a", "3"), ("z", "4")],
        );
        faults::after(Some(k));
        let _ = scene.try_restore(&written.archive, &written.description, Data::LeaveAlone);
        faults::after(None);
        for (path, either) in [
            ("compose.yaml", ["old", "new"]),
            ("a", ["1", "3"]),
            ("z", ["2", "4"]),
        ] {
            let is = scene.read(path);
            assert!(either.contains(&is.as_str()), "{path}: {is}");
        }
    }
}

#[test]
fn nothing_is_read_of_an_archive_that_is_not_needed() {
    let scene = Scene::with(&[("compose.yaml", "a"), ("x", "")]);
    let written = scene.back_up();
    fs::remove_file(&written.archive).unwrap();
    fs::write(scene.at("extra"), "").unwrap();
    chmod(scene.at("x"), 0o600);
    scene.restore(&written, Data::LeaveAlone);
    assert_eq!(diff(&scene.listed(&written), &scene.tree()), []);
}

#[test]
fn a_restore_reads_the_release_and_not_the_data_behind_it() {
    let scene = Scene::with(&[("compose.yaml", "a")]).data(&["data"]);
    lay(&scene.deploy(), &[("data/x", "")]);
    fs::write(
        scene.at("data/x"),
        crate::files::tree::odd::noise(8_000_000),
    )
    .unwrap();
    let written = scene.back_up();
    let file = fs::OpenOptions::new()
        .write(true)
        .open(&written.archive)
        .unwrap();
    file.set_len(7_000_000).unwrap();
    fs::write(scene.at("compose.yaml"), "b").unwrap();
    scene.restore(&written, Data::LeaveAlone);
    assert_eq!(scene.read("compose.yaml"), "a");
}
