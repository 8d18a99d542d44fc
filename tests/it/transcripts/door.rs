//! Mistakes at the door: who logs in where, with which key, to which server.
//!
//! It refuses to know what lies behind it.

use std::process::Command;

use super::scene::Scene;
use crate::harness::app::App;
use crate::harness::compose;

pub const MISTAKES: &[&str] = &[
    "host-key-missing",
    "host-key-wrong",
    "host-mistyped",
    "host-with-its-user",
    "key-as-a-path",
    "key-public",
    "key-with-a-passphrase",
    "port-closed",
    "user-unknown",
];

const PUBLIC: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl ana@laptop\n";

/// A private key with a passphrase.
fn locked_key() -> String {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("key");
    let made = Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "made-up-on-the-spot", "-f"])
        .arg(&path)
        .status();
    assert!(made.unwrap().success());
    std::fs::read_to_string(path).unwrap()
}

pub fn play(app: &App) -> Vec<String> {
    let scene = Scene::of(app, MISTAKES);
    scene.mistake(
        "host-key-missing",
        "A newcomer's workflow says no `host_key`.",
        app.deploy().input("host_key", ""),
    );
    scene.mistake(
        "host-key-wrong",
        "A workflow pins the key of the server that was there before.",
        app.deploy()
            .input("host_key", &format!("SHA256:{}", "A".repeat(43))),
    );
    scene.mistake(
        "host-mistyped",
        "An operator mistypes the server's name.",
        app.cli(&["status", "--host", "exmaple.invalid"]),
    );
    scene.mistake(
        "host-with-its-user",
        "A newcomer gives the server as it is given to `ssh`.",
        app.deploy().input("host", "deploy@example.org"),
    );
    scene.mistake(
        "key-as-a-path",
        "A newcomer's workflow gives the key's path instead of the key.",
        app.deploy().input("ssh_key", "~/.ssh/id_ed25519"),
    );
    scene.mistake(
        "key-public",
        "A newcomer gives the public half of the key.",
        app.cli(&["deploy", "--image", &compose::beacon("v2")])
            .input("ssh_key", PUBLIC),
    );
    scene.mistake(
        "key-with-a-passphrase",
        "A newcomer's key has a passphrase, and the workflow gives none.",
        app.deploy().input("ssh_key", &locked_key()),
    );
    scene.mistake(
        "port-closed",
        "An operator names a port where nothing listens.",
        app.cli(&["status", "--port", "1"]),
    );
    scene.mistake(
        "user-unknown",
        "A newcomer names a user whom the server does not have.",
        app.deploy().input("user", "ubuntu"),
    );
    scene.ends()
}
