//! Finding damage.

use std::fs;

use super::*;
use crate::archive::verify::{description_path, verify};

/// A backup that something is then done to, and what `verify` says about it.
#[track_caller]
fn damaged(damage: impl FnOnce(&Path)) -> Failure {
    let scene = Scene::odd();
    let written = scene.back_up();
    verify(&written.archive).unwrap();
    damage(&written.archive);
    verify(&written.archive).unwrap_err()
}

fn change_description(archive: &Path, change: impl FnOnce(&mut serde_json::Value)) {
    let path = description_path(archive).unwrap();
    let mut value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    change(&mut value);
    fs::write(path, serde_json::to_vec(&value).unwrap()).unwrap();
}

#[test]
fn a_truncated_archive_is_found() {
    for cut in [1, 9, 5000, 1_000_000] {
        let error = damaged(|archive| {
            let file = fs::OpenOptions::new().write(true).open(archive).unwrap();
            let length = file.metadata().unwrap().len();
            file.set_len(length - cut).unwrap();
        });
        assert!(error.what.contains("is damaged"), "{error}");
    }
}

#[test]
fn a_flipped_byte_is_found_wherever_it_is() {
    let scene = Scene::odd();
    let written = scene.back_up();
    let whole = fs::read(&written.archive).unwrap();
    for at in [
        0,
        4,
        9,
        100,
        whole.len() / 2,
        whole.len() - 6,
        whole.len() - 1,
    ] {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x10;
        fs::write(&written.archive, &bytes).unwrap();
        verify(&written.archive).unwrap_err();
    }
    fs::write(&written.archive, [&whole[..], b"tail"].concat()).unwrap();
    verify(&written.archive).unwrap_err();
    fs::write(&written.archive, &whole).unwrap();
    verify(&written.archive).unwrap();
}

#[test]
fn a_missing_description_is_found() {
    let error = damaged(|archive| fs::remove_file(description_path(archive).unwrap()).unwrap());
    assert!(
        error
            .to_string()
            .contains("mcp-backup-20251017_143025.json"),
        "{error}"
    );
}

#[test]
fn a_description_of_an_unknown_version_is_not_guessed_at() {
    let error = damaged(|archive| change_description(archive, |d| d["v"] = 99.into()));
    assert!(error.what.contains("has version 99"), "{error}");
    let error = damaged(|archive| fs::write(description_path(archive).unwrap(), "{").unwrap());
    assert!(error.what.contains("is damaged"), "{error}");
}

#[test]
fn each_mismatch_is_named() {
    let error = damaged(|archive| {
        change_description(archive, |description| {
            let tree = description["tree"].as_array_mut().unwrap();
            for entry in tree.iter_mut() {
                match entry["path"].as_str().unwrap() {
                    ".env" => entry["mode"] = 0o644.into(),
                    "big" => entry["sha256"] = "0".repeat(64).into(),
                    "link" => entry["target"] = "elsewhere".into(),
                    _ => {}
                }
            }
            tree.retain(|e| e["path"] != "compose.yaml");
            let mut invented = tree[1].clone();
            invented["path"] = "invented".into();
            tree.push(invented);
            description["archive"]["entries"] = 1.into();
        });
    });
    for named in [
        "changed: .env (mode 0644 → 0600)",
        "changed: big (content)",
        "changed: link (target elsewhere → compose.yaml)",
        "extra: compose.yaml",
        "missing: invented",
    ] {
        assert!(error.because.iter().any(|b| b == named), "{named}: {error}");
    }
    assert!(
        error
            .because
            .iter()
            .any(|b| b.contains("number of entries")),
        "{error}"
    );
}

#[test]
fn what_is_hidden_behind_the_end_of_the_tar_stream_is_found() {
    let error = damaged(|archive| {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        std::io::Write::write_all(&mut gzip, &crate::host::tree::odd::noise(6_000_000)).unwrap();
        let more = gzip.finish().unwrap();
        let mut file = fs::OpenOptions::new().append(true).open(archive).unwrap();
        std::io::Write::write_all(&mut file, &more).unwrap();
    });
    assert!(
        error.because.iter().any(|b| b.contains("size is")),
        "{error}"
    );
}
