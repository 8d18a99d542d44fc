//! Archives that are damaged or forged, and trees that lead elsewhere: nothing is changed by the
//! former, and nothing outside by the latter.
//!
//! It refuses to know how a tree is put back when nobody means harm.

use std::fs;
use std::os::unix::fs::symlink;

use super::*;
use crate::files::archive::frame::Frames;
use crate::files::tree::dir::Mark;

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
fn damage_among_the_data_is_found_before_any_data_is_touched() {
    let scene = Scene::with(&[("compose.yaml", "a")]).data(&["data"]);
    lay(&scene.deploy(), &[("data/a", "1"), ("data/z", "")]);
    fs::write(
        scene.at("data/z"),
        crate::files::tree::odd::noise(3_000_000),
    )
    .unwrap();
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
