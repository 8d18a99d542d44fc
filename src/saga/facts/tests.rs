//! What facts on disk promise.

#![allow(clippy::unwrap_used)]

use std::fs;

use super::*;
use crate::files::rundir::{RunDir, name};
use crate::host::{Health, HealthStatus};

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
