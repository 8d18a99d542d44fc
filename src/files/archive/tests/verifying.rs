//! Finding damage.

use std::fs;

use super::*;
use crate::files::archive::verify::{description_path, verify};
use crate::files::tree::name;

/// A backup that something is then done to, and what `verify` says about it.
#[track_caller]
fn damaged(damage: impl FnOnce(&Path)) -> Failure {
    let scene = Scene::odd();
    let written = scene.back_up();
    verify(&written.archive).unwrap();
    damage(&written.archive);
    verify(&written.archive).unwrap_err()
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
    let error = damaged(|archive| {
        let path = description_path(archive).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        fs::write(path, text.replace("\"version\":2", "\"version\":99")).unwrap();
    });
    assert!(error.what.contains("has version 99"), "{error}");
    let error =
        damaged(|archive| fs::write(description_path(archive).unwrap(), "{\"v\":98}").unwrap());
    assert!(error.what.contains("has version 98"), "{error}");
    let error = damaged(|archive| fs::write(description_path(archive).unwrap(), "{").unwrap());
    assert!(error.what.contains("is damaged"), "{error}");
}

#[test]
fn each_mismatch_is_named() {
    let scene = Scene::odd();
    let mut written = scene.back_up();
    scene.rewrite(&mut written, |description, tree| {
        for entry in tree.iter_mut() {
            match entry.path.as_str() {
                ".env" => entry.mode = 0o644,
                "big" => entry.sha256 = Some("0".repeat(64)),
                "link" => entry.target = Some("elsewhere".to_owned()),
                _ => {}
            }
        }
        tree.retain(|e| e.path != "compose.yaml");
        let mut invented = tree[1].clone();
        invented.path = "invented".to_owned();
        tree.push(invented);
        tree.sort_by(|a, b| name::order(&a.path, &b.path));
        description.archive.entries = 1;
    });
    let error = verify(&written.archive).unwrap_err();
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
fn what_is_hidden_behind_the_end_of_the_tar_stream_is_refused_before_it_is_unpacked() {
    for hidden in [
        crate::files::tree::odd::noise(6_000_000),
        vec![0; 1_000_000_000],
    ] {
        let error = damaged(|archive| {
            let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            std::io::Write::write_all(&mut gzip, &hidden).unwrap();
            let more = gzip.finish().unwrap();
            let mut file = fs::OpenOptions::new().append(true).open(archive).unwrap();
            std::io::Write::write_all(&mut file, &more).unwrap();
        });
        assert!(
            error.to_string().contains("something follows its end"),
            "{error}"
        );
    }
}

/// A row of numbers that look like chance and are the same each time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % most as u64).unwrap()
    }
}

/// Damages a text or an archive: a bit, a cut, bytes that are gone, doubled, swapped or put in.
fn damage(bytes: &[u8], dice: &mut Dice) -> Vec<u8> {
    let mut bad = bytes.to_vec();
    let at = dice.below(bytes.len());
    let other = dice.below(bytes.len());
    match dice.below(7) {
        0 => bad[at] ^= 1 << dice.below(8),
        1 => bad.truncate(at),
        2 => drop(bad.remove(at)),
        3 => bad.insert(at, b"0\n ,\"a\xff"[dice.below(7)]),
        4 => bad.swap(at, other),
        5 => bad.push(b"\n 0}\0"[dice.below(5)]),
        _ => {
            let mut lines: Vec<&[u8]> = bytes.split_inclusive(|b| *b == b',').collect();
            let (one, two) = (dice.below(lines.len()), dice.below(lines.len()));
            lines.swap(one, two);
            bad = lines.concat();
        }
    }
    bad
}

#[test]
fn two_thousand_damages_of_a_description_are_all_found() {
    let scene = Scene::odd().keyed();
    let written = scene.back_up();
    let path = scene.listing(&written.description);
    let whole = fs::read(&path).unwrap();
    verify(&written.archive).unwrap();
    let mut dice = Dice(0x5eed);
    let mut done = 0;
    while done < 2000 {
        let bad = damage(&whole, &mut dice);
        if bad == whole {
            continue;
        }
        fs::write(&path, &bad).unwrap();
        assert!(
            manifest::expect_whole(&path).is_err(),
            "{}",
            String::from_utf8_lossy(&bad)
        );
        done += 1;
    }
    fs::write(&path, &whole).unwrap();
    verify(&written.archive).unwrap();
}

#[test]
fn many_damages_of_an_archive_are_all_found() {
    let scene = Scene::with(&[("compose.yaml", "services: {}"), (".env", "K=v")]);
    let written = scene.back_up();
    let whole = fs::read(&written.archive).unwrap();
    let mut dice = Dice(0xa2c4);
    for _ in 0..2000 {
        let bad = damage(&whole, &mut dice);
        if bad != whole {
            fs::write(&written.archive, &bad).unwrap();
            assert!(verify(&written.archive).is_err());
        }
    }
    fs::write(&written.archive, &whole).unwrap();
    verify(&written.archive).unwrap();
}

#[test]
fn the_head_of_a_description_is_read_without_its_tree_and_damage_in_it_is_found() {
    let scene = Scene::odd();
    let written = scene.back_up();
    let path = scene.listing(&written.description);
    let text = fs::read(&path).unwrap();
    assert!(
        serde_json::from_slice::<serde_json::Value>(&text).is_ok(),
        "all of it is JSON"
    );
    let end = text.iter().position(|b| *b == b'\n').unwrap() + 1;
    fs::write(&path, &text[..end]).unwrap();
    assert_eq!(manifest::head(&path).unwrap(), written.description);
    verify(&written.archive).unwrap_err();
    for at in 0..end {
        let mut bad = text.clone();
        bad[at] ^= 1;
        fs::write(&path, bad).unwrap();
        assert!(manifest::head(&path).is_err(), "byte {at}");
        assert!(manifest::expect_whole(&path).is_err(), "byte {at}");
    }
}
