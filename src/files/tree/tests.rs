//! What reading and writing a tree promises.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fs;
use std::io::Cursor;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;

use super::odd::{self, chmod, inode, lay, mode};
use super::*;
use crate::words::backup::EntryKind;

fn put(root: &Path, rel: &str, text: &str, mode: u32) -> Result<Put, Failure> {
    put_file(&opened(root), rel, &mut Cursor::new(text), mode, None)
}

fn opened(root: &Path) -> Home {
    Home::open(root).unwrap()
}

fn whole() -> Scope {
    Scope::default()
}

#[test]
fn a_manifest_names_everything_and_follows_nothing() {
    let temp = tempfile::tempdir().unwrap();
    odd::plant(temp.path());
    let tree = Tree::read(&opened(temp.path()), &whole()).unwrap();
    assert!(tree.is_sorted_by(|a, b| name::order(&a.path, &b.path).is_lt()));
    let find = |path: &str| tree.iter().find(|e| e.path == path).unwrap();
    assert_eq!(find(".").kind, EntryKind::Dir);
    assert_eq!(find("outside").target.as_deref(), Some("/etc/hostname"));
    assert_eq!(find(r"not \xff utf-8").size, 3);
    assert_eq!(find(r"back\\slash").kind, EntryKind::File);
    assert_eq!(find("setuid").mode, 0o4711);
    assert_eq!(find("socket").kind, EntryKind::Other);
    assert_eq!(find("raw target").target.as_deref(), Some(r"raw \xfe"));
    let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    assert_eq!(find("empty").sha256.as_deref(), Some(empty));
    let owner = (find("config/app.conf").uid, find("config/app.conf").gid);
    let meta = fs::metadata(temp.path().join("config/app.conf")).unwrap();
    assert_eq!(owner, (meta.uid(), meta.gid()));
    assert_eq!(odd::is_root(), owner == (4321, 8765));
}

#[test]
fn data_is_not_listed_but_what_the_release_owns_in_it_is() {
    let temp = tempfile::tempdir().unwrap();
    lay(
        temp.path(),
        &[
            ("compose.yaml", ""),
            ("data/x/y", ""),
            ("data/x/z", ""),
            ("logs/a.log", ""),
            (".landfall/l", ""),
        ],
    );
    let scope = Scope::of(temp.path(), &temp.path().join("logs/b"))
        .unwrap()
        .with_data(["./data"])
        .with_own(["data/x/y"])
        .excluding(["*.log"])
        .unwrap();
    let paths = |scope| {
        let tree = Tree::read(&opened(temp.path()), scope).unwrap();
        tree.into_iter().map(|e| e.path).collect::<Vec<_>>()
    };
    assert_eq!(paths(&scope), [".", "compose.yaml", "data/x/y", "logs"]);
    let all_data = Scope::default().with_data(["."]).with_own(["compose.yaml"]);
    assert_eq!(paths(&all_data), ["compose.yaml"]);
}

#[test]
fn a_later_look_reads_only_what_moved() {
    let temp = tempfile::tempdir().unwrap();
    lay(temp.path(), &[("same", "1"), ("moved", "2"), ("gone", "3")]);
    let first = Snapshot::take(&opened(temp.path()), &whole()).unwrap();
    let sha = |snapshot: &Snapshot, path: &str| {
        let mut entries = snapshot.entries().map(Result::unwrap);
        entries.find(|e| e.path == path).map(|e| e.sha256.unwrap())
    };
    let mut text = Vec::new();
    first.write_to(&mut text).unwrap();
    let mut text = String::from_utf8(text).unwrap();
    for path in ["same", "moved", "gone"] {
        text = text.replace(&sha(&first, path).unwrap(), "remembered");
    }
    let read = |text: &str| {
        let mut file = tempfile::tempfile().unwrap();
        std::io::Write::write_all(&mut file, text.as_bytes()).unwrap();
        Snapshot::read_from(file).unwrap()
    };
    // As if taken a minute later, and with another digest, to see which are believed.
    let line = text.lines().next().unwrap();
    let later_ns = snapshot::now_ns() + 60_000_000_000;
    let aged = format!("{{\"v\":2,\"taken_ns\":{later_ns}}}");
    let aged = read(&text.replace(line, &aged));
    fs::write(temp.path().join("moved"), "4").unwrap();
    fs::remove_file(temp.path().join("gone")).unwrap();
    lay(temp.path(), &[("new", "5")]);

    let later = aged.retake(&opened(temp.path()), &whole()).unwrap();
    assert_eq!(sha(&later, "same").unwrap(), "remembered");
    assert_eq!(sha(&later, "moved").unwrap().len(), 64);
    assert_eq!(sha(&later, "new").unwrap().len(), 64);
    assert_eq!(sha(&later, "gone"), None);
    // A snapshot as young as the files themselves is not believed.
    let later = read(&text).retake(&opened(temp.path()), &whole()).unwrap();
    assert_eq!(sha(&later, "same").unwrap().len(), 64);
}

#[test]
fn a_file_is_put_in_place_with_its_directories_and_permissions() {
    let temp = tempfile::tempdir().unwrap();
    assert_eq!(
        put(temp.path(), "a/b/.env", "x", 0o600).unwrap(),
        Put::Created
    );
    assert_eq!(
        fs::read_to_string(temp.path().join("a/b/.env")).unwrap(),
        "x"
    );
    assert_eq!(mode(temp.path().join("a/b/.env")), 0o600);
    assert_eq!(mode(temp.path().join("a/b")), 0o755);
    assert_eq!(fs::read_dir(temp.path().join("a/b")).unwrap().count(), 1);
}

#[test]
fn a_file_that_is_there_already_is_not_touched() {
    let temp = tempfile::tempdir().unwrap();
    put(temp.path(), "f", "same", 0o640).unwrap();
    let before = fs::metadata(temp.path().join("f")).unwrap();
    let dir = fs::metadata(temp.path()).unwrap().mtime_nsec();
    assert_eq!(
        put(temp.path(), "f", "same", 0o640).unwrap(),
        Put::Untouched
    );
    let after = fs::metadata(temp.path().join("f")).unwrap();
    assert_eq!(
        (before.ino(), before.ctime_nsec()),
        (after.ino(), after.ctime_nsec())
    );
    assert_eq!(dir, fs::metadata(temp.path()).unwrap().mtime_nsec());
    assert_eq!(put(temp.path(), "f", "same", 0o600).unwrap(), Put::Adjusted);
    assert_eq!(inode(temp.path().join("f")), before.ino());
    assert_eq!(
        put(temp.path(), "f", "other", 0o600).unwrap(),
        Put::Replaced
    );
    assert_ne!(inode(temp.path().join("f")), before.ino());
}

#[test]
fn a_replaced_file_keeps_its_owner() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("f");
    fs::write(&path, "old").unwrap();
    if odd::is_root() {
        std::os::unix::fs::chown(&path, Some(1234), Some(5678)).unwrap();
    }
    let before = fs::metadata(&path).unwrap();
    put_file(
        &opened(temp.path()),
        "f",
        &mut Cursor::new("new"),
        0o600,
        Some((9, 9)),
    )
    .unwrap();
    let after = fs::metadata(&path).unwrap();
    assert_eq!((before.uid(), before.gid()), (after.uid(), after.gid()));
    assert_eq!(odd::is_root(), after.uid() == 1234);
}

#[test]
fn a_new_file_gets_the_owner_that_was_named() {
    let temp = tempfile::tempdir().unwrap();
    let done = put_file(
        &opened(temp.path()),
        "d/f",
        &mut Cursor::new("x"),
        0o600,
        Some((4321, 8765)),
    );
    if odd::is_root() {
        done.unwrap();
        for path in ["d", "d/f"] {
            assert_eq!(fs::metadata(temp.path().join(path)).unwrap().uid(), 4321);
        }
    } else {
        let error = done.unwrap_err();
        assert!(!error.hints.is_empty(), "{error}");
    }
}

#[test]
fn nothing_is_written_through_a_planted_link() {
    let temp = tempfile::tempdir().unwrap();
    let (root, outside) = (temp.path().join("root"), temp.path().join("outside"));
    lay(temp.path(), &[("root/x", ""), ("outside/f", "theirs")]);
    symlink(&outside, root.join("conf")).unwrap();
    let error = put(&root, "conf/f", "ours", 0o644).unwrap_err();
    assert!(error.what.contains("is a symbolic link"), "{error}");
    assert!(
        error.to_string().contains(&outside.display().to_string()),
        "{error}"
    );
    symlink(outside.join("f"), root.join("f")).unwrap();
    assert_eq!(put(&root, "f", "ours", 0o644).unwrap(), Put::Replaced);
    assert!(!root.join("f").is_symlink());
    assert_eq!(fs::read_to_string(outside.join("f")).unwrap(), "theirs");
    for path in [
        "../outside/f",
        "/etc/landfall",
        "a/../../outside/f",
        "",
        ".",
    ] {
        put(&root, path, "ours", 0o644).unwrap_err();
    }
    assert_eq!(fs::read_to_string(outside.join("f")).unwrap(), "theirs");
}

#[test]
fn a_directory_in_the_place_of_a_file_is_an_error_that_says_so() {
    let temp = tempfile::tempdir().unwrap();
    fs::create_dir(temp.path().join("f")).unwrap();
    let error = put(temp.path(), "f", "x", 0o644).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("there is a directory in its place"),
        "{error}"
    );
}

#[test]
fn a_put_that_dies_anywhere_leaves_the_old_file_or_the_new_one() {
    let temp = tempfile::tempdir().unwrap();
    let read = || fs::read_to_string(temp.path().join("f")).unwrap();
    for k in 0.. {
        fs::write(temp.path().join("f"), "old").unwrap();
        chmod(temp.path().join("f"), 0o600);
        dir::faults::after(Some(k));
        let done = put(temp.path(), "f", "new", 0o644);
        dir::faults::after(None);
        assert_eq!(read(), if done.is_ok() { "new" } else { "old" });
        put::sweep(&opened(temp.path()), Path::new("f")).unwrap();
        assert_eq!(fs::read_dir(temp.path()).unwrap().count(), 1);
        if done.is_ok() {
            assert!(k >= 3, "the seam does not count: {k}");
            return;
        }
    }
}

#[test]
fn a_mounted_file_is_not_replaced_and_the_error_says_what_to_do() {
    if !odd::is_root() {
        return;
    }
    let temp = tempfile::tempdir().unwrap();
    lay(temp.path(), &[("f", "old"), ("source", "mounted")]);
    let run = |args: &[&str]| {
        let status = std::process::Command::new(args[0])
            .args(&args[1..])
            .current_dir(&temp)
            .status();
        status.is_ok_and(|s| s.success())
    };
    // A container without the right to mount cannot show this.
    if !run(&["mount", "--bind", "source", "f"]) {
        return;
    }
    let done = put(temp.path(), "f", "new", 0o644);
    assert!(run(&["umount", "f"]));
    let error = done.unwrap_err();
    assert!(
        error.hints.iter().any(|h| h.contains("unmount")),
        "{error:?}"
    );
    assert_eq!(fs::read_to_string(temp.path().join("f")).unwrap(), "old");
}

#[test]
fn an_empty_directory_is_removed_but_never_one_behind_a_link() {
    let temp = tempfile::tempdir().unwrap();
    let (root, outside) = (temp.path().join("root"), temp.path().join("outside"));
    lay(temp.path(), &[("root/full/file", "")]);
    for dir in [&root.join("var/lib"), &outside.join("empty")] {
        fs::create_dir_all(dir).unwrap();
    }
    symlink(&outside, root.join("link")).unwrap();
    for path in [
        "var/lib",
        "var",
        "full",
        "link/empty",
        "link",
        "../outside/empty",
    ] {
        let _ = remove_empty(&opened(&root), Path::new(path));
    }
    assert!(!root.join("var").exists());
    assert!(root.join("full/file").exists() && root.join("link").is_symlink());
    assert!(outside.join("empty").exists());
}
