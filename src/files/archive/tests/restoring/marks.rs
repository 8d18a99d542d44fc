//! What an entry is besides its content: its owner, its mode, its kind.
//!
//! It refuses to know whether an entry is data.

use std::fs;
use std::os::unix::fs::MetadataExt;

use super::*;
use crate::files::archive::verify::verify;
use crate::files::tree::odd::{chmod, inode, is_root, mode};
use crate::words::backup::EntryKind;

#[test]
fn owners_come_back_or_the_failure_says_why_they_cannot() {
    let scene = Scene::with(&[("f", "x"), ("d/g", "y")]);
    let mut written = scene.back_up();
    scene.rewrite(&mut written, |_, tree| {
        for entry in tree {
            (entry.uid, entry.gid) = (4321, 8765);
        }
    });
    let done = scene.try_restore(&written.archive, &written.description, Data::LeaveAlone);
    if is_root() {
        done.unwrap();
        let meta = fs::metadata(scene.at("d/g")).unwrap();
        assert_eq!((meta.uid(), meta.gid()), (4321, 8765));
    } else {
        let error = done.unwrap_err();
        assert!(error.hints[0].contains("sudo"), "{error:?}");
    }
}

#[test]
fn a_socket_that_is_gone_is_not_missed_and_a_new_one_is_removed() {
    let scene = Scene::odd();
    let written = scene.back_up();
    let listed = scene.listed(&written);
    assert!(listed.iter().any(|e| e.kind == EntryKind::Other));
    fs::remove_file(scene.at("socket")).unwrap();
    let _late = std::os::unix::net::UnixListener::bind(scene.at("late")).unwrap();
    scene.restore(&written, Data::LeaveAlone);
    assert!(!scene.at("late").exists());
}

#[test]
fn a_read_only_directory_is_changed_and_read_only_again() {
    let scene = Scene::with(&[("ro/f", "old"), ("ro/g", "old")]);
    chmod(scene.at("ro"), 0o555);
    let written = scene.back_up();
    chmod(scene.at("ro"), 0o755);
    fs::write(scene.at("ro/f"), "new").unwrap();
    fs::remove_file(scene.at("ro/g")).unwrap();
    chmod(scene.at("ro"), 0o555);
    scene.restore(&written, Data::LeaveAlone);
    assert_eq!(mode(scene.at("ro")), 0o555);
    assert_eq!(
        (scene.read("ro/f"), scene.read("ro/g")),
        ("old".to_owned(), "old".to_owned())
    );
}

#[test]
fn setuid_survives_when_only_the_owner_comes_back() {
    if !is_root() {
        return;
    }
    let scene = Scene::with(&[("tool", "x")]);
    chmod(scene.at("tool"), 0o4755);
    let written = scene.back_up();
    std::os::unix::fs::chown(scene.at("tool"), Some(4321), None).unwrap();
    chmod(scene.at("tool"), 0o4755);
    scene.restore(&written, Data::LeaveAlone);
    assert_eq!(mode(scene.at("tool")), 0o4755);
}

#[test]
fn an_env_file_is_described_by_a_keyed_checksum_alone_and_comes_back_with_the_key_and_without() {
    let scene = Scene::with(&[
        (".env", "PIN=1234"),
        ("conf/app.env", "A=1"),
        ("token", "t"),
        ("public", "p"),
    ])
    .keyed();
    chmod(scene.at("token"), 0o600);
    let written = scene.back_up();
    assert_eq!(written.description.needs, ["keyed-checksums"]);
    for entry in scene.listed(&written) {
        let guarded = [".env", "conf/app.env", "token"].contains(&entry.path.as_str());
        assert_eq!(entry.hmac.is_some(), guarded, "{entry:?}");
        let plain = entry.path == "public";
        assert_eq!(entry.sha256.is_some(), plain, "{entry:?}");
    }
    verify(&written.archive).unwrap();
    let untouched = inode(scene.at("token"));
    fs::write(scene.at(".env"), "PIN=4321").unwrap();
    let report = scene.restore(&written, Data::LeaveAlone);
    assert_eq!(report.replaced, [".env"]);
    fs::write(scene.at(".env"), "PIN=4321").unwrap();
    let scene = scene.without_key();
    verify(&written.archive).unwrap();
    let report = scene.restore(&written, Data::LeaveAlone);
    assert_eq!(report.replaced, [".env"]);
    assert_eq!(scene.read(".env"), "PIN=1234");
    assert_eq!(inode(scene.at("token")), untouched);
}
