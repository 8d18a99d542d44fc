//! Writing a backup.

use std::cell::Cell;
use std::fs;
use std::io::Write as _;
use std::process::Command;

use super::*;
use crate::files::archive::space;
use crate::files::archive::verify::verify;
use crate::files::tree::diff;
use crate::files::tree::dir::faults;
use crate::files::tree::odd::{chmod, is_root, mode, noise};
use crate::words::backup::EntryKind;

#[track_caller]
fn run(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{error}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn a_backup_of_an_odd_tree_is_whole_and_describes_itself() {
    let scene = Scene::odd();
    let written = scene.back_up();
    verify(&written.archive).unwrap();
    assert_eq!(scene.listed(&written), scene.tree());
    assert!(written.torn.is_empty() && written.unread.is_empty());
    assert_eq!(
        scene.kept(),
        [
            "mcp-backup-20251017_143025.json",
            "mcp-backup-20251017_143025.tar.gz"
        ]
    );
    for name in scene.kept() {
        assert_eq!(mode(scene.backups().join(name)), 0o600);
    }
    assert_eq!(mode(scene.backups()), 0o700);
}

#[test]
fn gnu_tar_unpacks_a_backup_to_the_same_tree() {
    let scene = Scene::odd();
    let written = scene.back_up();
    let names = run(Command::new("tar").arg("tzf").arg(&written.archive));
    assert!(names.lines().all(|n| n.starts_with("./")), "{names}");
    assert_eq!(names.lines().next(), Some("./"));
    assert_eq!(
        names.lines().count() as u64,
        written.description.archive.entries
    );

    let before = scene.everything();
    let by_hand = scene.home.path().join("by-hand");
    fs::create_dir(&by_hand).unwrap();
    run(Command::new("tar")
        .arg("xpzf")
        .arg(&written.archive)
        .arg("-C")
        .arg(&by_hand));
    let unpacked = Tree::read(&Home::open(&by_hand).unwrap(), &Scope::default()).unwrap();
    assert_eq!(diff(&before, &unpacked), []);
    let time = |path: PathBuf| fs::metadata(path).unwrap().modified().unwrap();
    let seconds = |path: PathBuf| {
        time(path)
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap()
            .as_secs()
    };
    assert_eq!(
        seconds(by_hand.join("compose.yaml")),
        seconds(scene.at("compose.yaml"))
    );
}

#[test]
fn pythons_tarfile_reads_every_entry_of_a_backup() {
    let scene = Scene::odd();
    let written = scene.back_up();
    let program = r"
import sys, tarfile, hashlib
with tarfile.open(sys.argv[1], 'r:gz') as archive:
    for member in archive:
        body = archive.extractfile(member).read() if member.isreg() else b''
        name = member.name.encode('utf-8', 'surrogateescape')
        print(hashlib.sha256(name).hexdigest(), hashlib.sha256(body).hexdigest(), member.mode, member.uid, member.gid)
";
    let lines = run(Command::new("python3")
        .args(["-c", program])
        .arg(&written.archive));
    let seen: std::collections::HashSet<&str> = lines.lines().collect();
    assert_eq!(seen.len() as u64, written.description.archive.entries);
    let sha = |bytes: &[u8]| crate::files::tree::digest(bytes).unwrap().1;
    for entry in scene
        .everything()
        .iter()
        .filter(|e| e.kind != EntryKind::Other)
    {
        let raw = crate::files::tree::name::unescape(&entry.path).unwrap();
        let name = if entry.path == "." {
            b".".to_vec()
        } else {
            [b"./", &raw[..]].concat()
        };
        let body = entry.sha256.clone().unwrap_or_else(|| sha(b""));
        let line = format!(
            "{} {body} {} {} {}",
            sha(&name),
            entry.mode,
            entry.uid,
            entry.gid
        );
        assert!(seen.contains(line.as_str()), "{}: {line}", entry.path);
    }
}

#[test]
fn data_comes_after_the_release_in_the_archive() {
    let scene =
        Scene::with(&[("a/data/x", ""), ("compose.yaml", ""), ("z/f", "")]).data(&["a/data"]);
    let written = scene.back_up();
    let names = run(Command::new("tar").arg("tzf").arg(&written.archive));
    let names: Vec<&str> = names.lines().collect();
    assert_eq!(
        names,
        [
            "./",
            "./a/",
            "./compose.yaml",
            "./z/",
            "./z/f",
            "./a/data/",
            "./a/data/x"
        ]
    );
}

#[test]
fn what_is_excluded_and_what_landfall_keeps_inside_is_not_archived() {
    let scene = Scene::with(&[
        ("compose.yaml", ""),
        ("x.log", ""),
        ("cache/y", ""),
        (".landfall/lock", ""),
        (".env", "K=v"),
    ]);
    let inside = scene.at("backups");
    let scope = Scope::of(&scene.deploy(), &inside)
        .unwrap()
        .excluding(["*.log", "cache", ".env"])
        .unwrap()
        .with_own([".env"]);
    let request = Request {
        deploy_dir: &scene.opened(),
        backup_dir: &inside,
        scope: &scope,
        deployment_id: "id",
        purpose: Purpose::Safety,
        release: &Release::default(),
        origin: &Origin::default(),
        made_by: None,
        made_of: &[],
        at: moment(1),
        progress: &|_| (),
    };
    let listed = |w: &Written| manifest::tree(&listing_of(&w.archive).unwrap()).unwrap();
    let paths =
        |w: &Written| -> Vec<String> { listed(w).into_iter().map(|entry| entry.path).collect() };
    let first = write(&request).unwrap();
    assert_eq!(paths(&first), [".", ".env", "compose.yaml"]);
    let second = write(&request).unwrap();
    assert_eq!(listed(&second), listed(&first));
    assert_eq!(second.description.exclude, ["*.log", "cache", ".env"]);
    verify(&second.archive).unwrap();
}

#[test]
fn a_timestamp_that_is_taken_gives_way_to_the_next_second() {
    let scene = Scene::with(&[("compose.yaml", "")]);
    let stamps: Vec<String> = (0..3)
        .map(|_| scene.back_up().description.timestamp)
        .collect();
    assert_eq!(
        stamps,
        ["20251017_143025", "20251017_143026", "20251017_143027"]
    );
    assert_eq!(scene.kept().len(), 6);
}

#[test]
fn names_that_do_not_reach_the_disk_leave_neither_archive_nor_description() {
    for good in 0..2 {
        let scene = Scene::with(&[("compose.yaml", "")]);
        faults::fail_sync_after(good);
        scene.try_back_up(&|_| ()).unwrap_err();
        assert_eq!(scene.kept(), [""; 0], "after {good} good ones");
        scene.back_up();
    }
}

/// A file that grows (or is cut) each time the writer tells how far it is.
fn restless(scene: &Scene, path: &str, cut: bool) -> Result<Written, Failure> {
    let path = scene.at(path);
    let times = Cell::new(0);
    scene.try_back_up(&|_| {
        times.set(times.get() + 1);
        let mut file = fs::OpenOptions::new().append(true).open(&path).unwrap();
        if cut {
            file.set_len(10).unwrap();
        } else {
            file.write_all(b"more").unwrap();
        }
    })
}

#[test]
fn data_that_grows_or_shrinks_under_the_writer_does_not_break_the_archive() {
    for cut in [false, true] {
        let scene =
            Scene::with(&[("compose.yaml", "services: {}"), ("data/db", "")]).data(&["data"]);
        fs::write(scene.at("data/db"), noise(4_000_000)).unwrap();
        let written = restless(&scene, "data/db", cut).unwrap();
        assert_eq!(written.torn, ["data/db"]);
        verify(&written.archive).unwrap();
        run(Command::new("tar").arg("tzf").arg(&written.archive));
    }
}

#[test]
fn a_file_of_the_release_that_never_rests_is_an_error_and_leaves_nothing_behind() {
    let scene = Scene::with(&[("compose.yaml", "services: {}"), ("app.log", "")]);
    fs::write(scene.at("app.log"), noise(1_000_000)).unwrap();
    let error = restless(&scene, "app.log", false).unwrap_err();
    assert!(error.what.contains("`app.log` changes while"), "{error}");
    assert!(error.hints[0].contains("backup_exclude"), "{error:?}");
    assert_eq!(scene.kept(), [""; 0]);
}

#[test]
fn a_file_of_the_release_that_moves_once_is_read_again() {
    let scene = Scene::with(&[("compose.yaml", "services: {}")]);
    let once = Cell::new(true);
    let written = scene
        .try_back_up(&|_| {
            if once.take() {
                fs::write(scene.at("compose.yaml"), "services: {a: {}}").unwrap();
            }
        })
        .unwrap();
    assert_eq!(scene.listed(&written), scene.tree());
}

#[test]
fn a_file_shorter_than_its_header_is_filled_up_with_zeros() {
    use crate::files::archive::frame::Frames;
    use crate::files::tree::dir::Mark;
    let temp = tempfile::NamedTempFile::new().unwrap();
    let mut mark = Mark::of_file(temp.as_file()).unwrap();
    mark.size = 1000;
    let mut frames = Frames::new(Vec::new());
    assert!(
        frames
            .file(b"short", &mark, &mut &b"abc"[..])
            .unwrap()
            .short
    );
    assert!(
        !frames
            .file(b"long", &mark, &mut &[7; 5000][..])
            .unwrap()
            .short
    );
    let bytes = frames.finish().unwrap();
    let mut archive = tar::Archive::new(&bytes[..]);
    let sizes: Vec<u64> = archive
        .entries()
        .unwrap()
        .map(|e| e.unwrap().size())
        .collect();
    assert_eq!(sizes, [1000, 1000]);
}

#[test]
fn a_second_run_over_a_tree_that_rests_makes_the_same_manifest_from_the_snapshot() {
    let scene = Scene::odd();
    let written = scene.back_up();
    let again = written
        .snapshot
        .retake(&scene.opened(), &scene.scope)
        .unwrap();
    let again: Vec<Entry> = again.entries().map(Result::unwrap).collect();
    assert_eq!(again, scene.listed(&written));
}

#[test]
fn data_that_cannot_be_read_is_noted_and_the_release_is_not_forgiven() {
    let scene =
        Scene::with(&[("compose.yaml", ""), ("data/pg/x", ""), ("data/ok", "")]).data(&["data"]);
    chmod(scene.at("data/pg"), 0o000);
    let written = scene.back_up();
    if is_root() {
        assert!(written.unread.is_empty());
    } else {
        assert_eq!(written.unread, ["data/pg"]);
        assert_eq!(written.description.exclude, ["/data/pg"]);
    }
    verify(&written.archive).unwrap();
    chmod(scene.at("data/pg"), 0o700);
    chmod(scene.at("compose.yaml"), 0o000);
    let done = scene.try_back_up(&|_| ());
    if !is_root() {
        let error = done.unwrap_err();
        assert!(error.what.contains("compose.yaml"), "{error}");
        assert!(error.hints[0].contains("sudo"), "{error:?}");
    }
}

#[test]
fn a_full_disk_is_told_with_what_is_needed_and_leaves_nothing_behind() {
    let scene = Scene::with(&[("compose.yaml", "")]);
    fs::write(scene.at("big"), noise(3_000_000)).unwrap();
    fs::create_dir(scene.backups()).unwrap();
    let mount = |args: &[&str]| {
        let mut command = Command::new(args[0]);
        command.args(&args[1..]).arg(scene.backups());
        command.status().is_ok_and(|s| s.success())
    };
    // Only root may mount; without it the estimate alone is shown.
    if !is_root() || !mount(&["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs"]) {
        assert!(space::estimate(&scene.opened(), &scene.scope).unwrap() > 3_000_000);
        return;
    }
    let done = scene.try_back_up(&|_| ());
    let kept = scene.kept();
    let free = space::free_space(&scene.backups()).unwrap();
    assert!(mount(&["umount"]));
    let error = done.unwrap_err();
    assert!(
        error.what.contains("there is no room for the backup in"),
        "{error}"
    );
    assert!(
        error.because[0].contains("it needs up to 3.0 MB and 1.0 MB are free"),
        "{error}"
    );
    assert!(!error.hints.is_empty());
    assert_eq!(kept, [""; 0]);
    assert!(free.bytes > 1_000_000);
}

#[test]
fn the_estimate_is_enough() {
    let scene = Scene::odd();
    let estimate = space::estimate(&scene.opened(), &scene.scope).unwrap();
    let bytes = scene.back_up().description.archive.bytes;
    assert!(bytes <= estimate, "{bytes} {estimate}");
    assert!(estimate < bytes * 2, "{bytes} {estimate}");
}

#[test]
fn numbers_too_big_for_octal_survive() {
    if !is_root() {
        return;
    }
    let scene = Scene::with(&[("compose.yaml", "")]);
    std::os::unix::fs::chown(
        scene.at("compose.yaml"),
        Some(3_000_000_000),
        Some(2_097_152),
    )
    .unwrap();
    let written = scene.back_up();
    verify(&written.archive).unwrap();
    let listed = run(Command::new("tar")
        .args(["--numeric-owner", "-tvzf"])
        .arg(&written.archive));
    assert!(listed.contains("3000000000/2097152"), "{listed}");
}
