//! What whoever carries a run out promises.

#![allow(clippy::unwrap_used)]

use super::*;
use crate::words::plan::sample;

#[test]
fn whoever_takes_a_run_up_tells_the_server_and_its_user_as_the_run_did() {
    let state = tempfile::tempdir().unwrap();
    let dir = RunDir::of(state.path(), "r");
    fs::create_dir_all(dir.path()).unwrap();
    let mut plan = sample::deploy();
    plan.site.deploy_dir = state.path().to_owned();
    let env = "SERVER_NAME=srv.example.org\nOWNER=deployer\nROBOT=ci-robot\nGREETING=open-sesame\n";
    fs::write(state.path().join(".env"), env).unwrap();
    let told = |private: &Private| {
        let mut redactor = Redactor::of(&plan, private);
        redactor.learn(&plan, state.path(), state.path());
        let text = "deployer and ci-robot at srv.example.org: open-sesame";
        redactor.failure(&Failure::new(text)).what
    };
    let private = Private {
        public_values: vec!["srv.example.org".into(), "deployer".into()],
        registry_username: Some("ci-robot".into()),
        ..Private::default()
    };
    dir.keep(name::PUBLIC, &public(&private)).unwrap();
    let as_in_the_run = "deployer and ci-robot at srv.example.org: [redacted]";
    assert_eq!(told(&private), as_in_the_run);
    assert_eq!(told(&left_of_private(&dir).unwrap()), as_in_the_run);
}

#[test]
fn another_engine_than_the_runs_is_told_with_what_leads_to_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name).display().to_string();
    fs::write(at("docker.sock"), "").unwrap();
    std::os::unix::fs::symlink(at("docker.sock"), at("alias.sock")).unwrap();
    assert_eq!(other_engine(&at("docker.sock"), &at("alias.sock")), None);
    let failure = other_engine("/run/user/1000/docker.sock", &at("docker.sock")).unwrap();
    assert!(
        failure.what.contains("`/run/user/1000/docker.sock`"),
        "{failure}"
    );
    let hint = "`DOCKER_HOST=unix:///run/user/1000/docker.sock`";
    assert!(failure.hints[0].contains(hint), "{failure:?}");
    assert!(!failure.is_astray(), "the directory is where it was");
}
