//! What facts on disk promise.

#![allow(clippy::unwrap_used)]

use std::fs;

use super::*;
use crate::host::{Health, HealthStatus};

#[test]
fn a_run_that_is_held_keeps_its_facts_wherever_its_path_comes_to_lead() {
    let state = tempfile::tempdir().unwrap();
    let dir = RunDir::of(state.path(), "r");
    fs::create_dir_all(dir.path()).unwrap();
    let dir = dir.held();
    dir.keep(name::CHANGED, &["mine"]).unwrap();
    let away = state.path().join("away");
    fs::rename(dir.path(), &away).unwrap();
    let theirs = dir.path().join("theirs");
    fs::create_dir(dir.path()).unwrap();
    fs::write(&theirs, "").unwrap();
    fs::write(dir.fact(name::BACKUP), "\"theirs\"").unwrap();
    assert_eq!(
        dir.recall(name::CHANGED).unwrap(),
        Some(vec!["mine".to_owned()])
    );
    assert_eq!(dir.recall::<String>(name::BACKUP).unwrap(), None);
    dir.keep(name::BACKUP, &"mine").unwrap();
    fs::write(away.join("word-cancel"), "why").unwrap();
    assert_eq!(dir.word("cancel").as_deref(), Some("why"));
    let failure = dir.confirm().unwrap_err();
    assert!(failure.what.contains("leads elsewhere"), "{failure}");
    assert!(!failure.is_astray(), "what ran can come back");
    dir.names().iter().for_each(|name| dir.remove(name));
    assert_eq!(fs::read_dir(&away).unwrap().count(), 0);
    assert!(theirs.exists() && dir.fact(name::BACKUP).exists());
}

#[test]
fn every_pull_policy_of_compose_is_understood() {
    let of = |text| Policy::of(Some(text));
    assert_eq!(Policy::of(None), Policy::Always);
    assert_eq!((of("always"), of("never")), (Policy::Always, Policy::Never));
    assert_eq!(of("missing"), of("if_not_present"));
    assert_eq!(
        (of("daily"), of("weekly")),
        (Policy::Every(86_400), Policy::Every(604_800))
    );
    assert_eq!(of("every_1w2d"), Policy::Every(9 * 86_400));
    assert_eq!(of("every_36h"), Policy::Every(36 * 3600));
    assert_eq!(of("every_x"), Policy::Always);
}

#[test]
fn ballast_is_room_on_the_disk_until_it_is_dropped() {
    use std::os::unix::fs::MetadataExt;
    let state = tempfile::tempdir().unwrap();
    let dir = RunDir::of(state.path(), "r");
    fs::create_dir_all(dir.path()).unwrap();
    dir.take_on_ballast().unwrap();
    let blocks = fs::metadata(dir.ballast()).unwrap().blocks();
    assert!(blocks * 512 >= BALLAST, "{blocks} blocks");
    dir.drop_ballast();
    assert!(!dir.ballast().exists());
}

#[test]
fn a_healthchecks_command_is_on_no_disk() {
    let state = tempfile::tempdir().unwrap();
    let dir = RunDir::of(state.path(), "r");
    fs::create_dir_all(dir.path()).unwrap();
    let container = Container {
        health: Some(Health {
            status: HealthStatus::Healthy,
            command: vec!["ping".into(), "s3cret".into()],
            interval: 1,
            retries: 1,
            last_output: String::new(),
        }),
        ..Container::default()
    };
    let before = Before {
        containers: vec![container],
        ..Before::default()
    };
    dir.keep(name::BEFORE, &before).unwrap();
    let text = fs::read_to_string(dir.path().join("before.json")).unwrap();
    assert!(!text.contains("s3cret"), "{text}");
    assert!(dir.recall::<Before>(name::BEFORE).unwrap().is_some());
}
