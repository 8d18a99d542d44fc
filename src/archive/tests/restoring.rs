//! Putting a tree back.

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};

use super::*;
use crate::archive::EntryKind;
use crate::archive::frame::Frames;
use crate::host::tree::diff;
use crate::host::tree::dir::{Mark, faults};
use crate::host::tree::odd::{chmod, inode, is_root, mode};

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
                .join(crate::host::tree::name::to_path(&p).unwrap());
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
    let changed = restore(
        &written.archive,
        &written.description,
        &scene.deploy(),
        &options,
    );
    faults::after(None);
    changed.expect("a restore of what is there already changes nothing at all");
    let report = scene.restore(&written, Data::LeaveAlone);
    assert_eq!((report.replaced, report.removed), (vec![], vec![]));
    let report = scene.restore(&written, Data::Restore);
    assert_eq!((report.replaced, report.removed), (vec![], vec![]));
    assert_eq!(marks(&scene), before);
}

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
        crate::host::tree::odd::noise(300_000),
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
    restore(
        &written.archive,
        &written.description,
        &scene.deploy(),
        &options,
    )
    .unwrap();
    assert_eq!(scene.read("b/mcp-backup-x"), "mine");
    assert_eq!(scene.read(".landfall/journal"), "mine");
    assert!(!scene.at("extra").exists());
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
fn a_damaged_archive_is_refused_before_anything_is_touched() {
    let scene = Scene::odd();
    let written = scene.back_up();
    ravage(&scene);
    let before = scene.everything();
    let mut bytes = fs::read(&written.archive).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&written.archive, bytes).unwrap();
    for data in [Data::LeaveAlone, Data::Restore] {
        let error = scene
            .try_restore(&written.archive, &written.description, data)
            .unwrap_err();
        assert!(error.what.contains("is damaged"), "{error}");
        assert_eq!(diff(&before, &scene.everything()), []);
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
    assert_eq!(diff(&written.description.tree, &scene.tree()), []);
}

#[test]
fn a_restore_reads_the_release_and_not_the_data_behind_it() {
    let scene = Scene::with(&[("compose.yaml", "a")]).data(&["data"]);
    lay(&scene.deploy(), &[("data/x", "")]);
    fs::write(scene.at("data/x"), crate::host::tree::odd::noise(8_000_000)).unwrap();
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

/// An archive of one file under a name that a header would not take by itself.
fn forged(scene: &Scene, name: &[u8], content: &[u8], size: u64) -> PathBuf {
    let probe = tempfile::NamedTempFile::new().unwrap();
    let mut mark = Mark::of_file(probe.as_file()).unwrap();
    mark.size = size;
    let mut frames = Frames::new(Vec::new());
    frames.file(name, &mark, &mut &content[..]).unwrap();
    let mut bytes = frames.finish().unwrap();
    // The writer spells every name from `./` on; an attacker need not.
    if name.starts_with(b"/") {
        bytes.copy_within(2..100, 0);
        let mut header = tar::Header::from_byte_slice(&bytes[..512]).clone();
        header.set_cksum();
        bytes[..512].copy_from_slice(header.as_bytes());
    }
    let path = scene.backups().join("forged.tar.gz");
    let mut gzip = flate2::write::GzEncoder::new(
        fs::File::create(&path).unwrap(),
        flate2::Compression::fast(),
    );
    std::io::Write::write_all(&mut gzip, &bytes).unwrap();
    gzip.finish().unwrap();
    path
}

#[test]
fn an_archive_that_leads_out_of_the_tree_is_refused() {
    let scene = Scene::with(&[("compose.yaml", "a")]);
    let written = scene.back_up();
    fs::write(scene.at("compose.yaml"), "b").unwrap();
    let target = scene.home.path().join("stolen");
    let absolute = target.to_str().unwrap().as_bytes().to_vec();
    for name in [b"../stolen".to_vec(), b"x/../../stolen".to_vec(), absolute] {
        let archive = forged(&scene, &name, b"evil", 4);
        let error = scene
            .try_restore(&archive, &written.description, Data::LeaveAlone)
            .unwrap_err();
        assert!(
            error.to_string().contains("lies outside of the tree"),
            "{error}"
        );
        assert!(!target.exists());
        assert_eq!(scene.read("compose.yaml"), "b");
    }
}

#[test]
fn an_archive_that_unpacks_to_more_than_described_is_refused() {
    let scene = Scene::with(&[("compose.yaml", "a")]);
    let written = scene.back_up();
    fs::write(scene.at("compose.yaml"), "b").unwrap();
    let bomb = forged(&scene, b"compose.yaml", &vec![0; 20_000_000], 20_000_000);
    let error = scene
        .try_restore(&bomb, &written.description, Data::LeaveAlone)
        .unwrap_err();
    assert!(
        error
            .to_string()
            .contains("not the file that the description lists"),
        "{error}"
    );
    assert_eq!(scene.read("compose.yaml"), "b");
    let swapped = forged(&scene, b"compose.yaml", b"x", 1);
    let error = scene
        .try_restore(&swapped, &written.description, Data::LeaveAlone)
        .unwrap_err();
    assert!(
        error
            .to_string()
            .contains("is not what the description says"),
        "{error}"
    );
    assert_eq!(scene.read("compose.yaml"), "b");
}

#[test]
fn an_endless_name_and_a_hard_link_are_refused() {
    let scene = Scene::with(&[("compose.yaml", "a")]);
    let written = scene.back_up();
    fs::write(scene.at("compose.yaml"), "b").unwrap();
    let long = forged(&scene, &vec![b'n'; 200_000], b"", 0);
    let error = scene
        .try_restore(&long, &written.description, Data::LeaveAlone)
        .unwrap_err();
    assert!(
        error
            .to_string()
            .contains("longer than any file system takes"),
        "{error}"
    );

    let mut header = tar::Header::new_gnu();
    header.set_path("compose.yaml").unwrap();
    header.set_entry_type(tar::EntryType::Link);
    header.set_link_name("/etc/shadow").unwrap();
    header.set_size(0);
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_cksum();
    let mut builder = tar::Builder::new(flate2::write::GzEncoder::new(
        Vec::new(),
        flate2::Compression::fast(),
    ));
    builder.append(&header, std::io::empty()).unwrap();
    let path = scene.backups().join("hard.tar.gz");
    fs::write(&path, builder.into_inner().unwrap().finish().unwrap()).unwrap();
    let error = scene
        .try_restore(&path, &written.description, Data::LeaveAlone)
        .unwrap_err();
    assert!(
        error.to_string().contains("is no file, directory or link"),
        "{error}"
    );
}

#[test]
fn a_directory_swapped_for_a_link_does_not_lead_a_restore_outside() {
    let scene = Scene::with(&[("conf/a", "old"), ("conf/b", "old")]);
    let written = scene.back_up();
    let outside = scene.home.path().join("outside");
    lay(&outside, &[("a", "theirs"), ("c", "theirs")]);
    fs::remove_dir_all(scene.at("conf")).unwrap();
    symlink(&outside, scene.at("conf")).unwrap();
    scene.restore(&written, Data::LeaveAlone);
    assert_eq!(scene.read("conf/a"), "old");
    assert!(!scene.at("conf").is_symlink());
    assert_eq!(fs::read_to_string(outside.join("a")).unwrap(), "theirs");
    assert_eq!(fs::read_to_string(outside.join("c")).unwrap(), "theirs");
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
fn owners_come_back_or_the_failure_says_why_they_cannot() {
    let scene = Scene::with(&[("f", "x"), ("d/g", "y")]);
    let mut written = scene.back_up();
    for entry in &mut written.description.tree {
        (entry.uid, entry.gid) = (4321, 8765);
    }
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
    assert!(
        written
            .description
            .tree
            .iter()
            .any(|e| e.kind == EntryKind::Other)
    );
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
fn damage_among_the_data_is_found_before_any_data_is_touched() {
    let scene = Scene::with(&[("compose.yaml", "a")]).data(&["data"]);
    lay(&scene.deploy(), &[("data/a", "1"), ("data/z", "")]);
    fs::write(scene.at("data/z"), crate::host::tree::odd::noise(3_000_000)).unwrap();
    let written = scene.back_up();
    fs::write(scene.at("data/a"), "2").unwrap();
    let mut bytes = fs::read(&written.archive).unwrap();
    let late = bytes.len() - 1000;
    bytes[late] ^= 1;
    fs::write(&written.archive, bytes).unwrap();
    let error = scene
        .try_restore(&written.archive, &written.description, Data::Restore)
        .unwrap_err();
    assert!(error.what.contains("is damaged"), "{error}");
    assert_eq!(scene.read("data/a"), "2");
}
