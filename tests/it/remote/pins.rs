//! A server is known by its pinned host keys and by nothing else.
//!
//! It refuses to know who logs in there, and with which key.

use std::fs;
use std::process::Command;

use landfall::remote::ssh::Connection;
use landfall::remote::target::{HostKeys, Jump, Target};
use landfall::words::error::Error;
use landfall::words::event::Failure;

use crate::sshd::{Sshd, keygen, user};

async fn enters(target: &Target) {
    let connection = Connection::open(target).await.unwrap();
    assert!(connection.stands());
    connection.close();
}

async fn refusal(target: &Target) -> Failure {
    match Connection::open(target).await {
        Err(Error::Connect(failure)) => failure,
        other => panic!("{other:?}"),
    }
}

/// A key that belongs to nobody, as a `known_hosts` line.
fn strangers_line(kind: &str) -> String {
    let dir = tempfile::tempdir().unwrap();
    let key = keygen(&dir.path().join("key"), kind, &[]);
    let line = fs::read_to_string(key.with_extension("pub")).unwrap();
    format!("127.0.0.1 {line}")
}

#[tokio::test]
async fn a_server_is_known_by_a_line_of_any_type_a_hashed_line_or_a_fingerprint() {
    let server = Sshd::start(&[]);
    for kind in ["ed25519", "ecdsa", "rsa"] {
        enters(&server.target(&server.line(kind))).await;
        enters(&server.target(&Sshd::fingerprint(kind))).await;
    }
    enters(&server.target(&hashed(&server.line("rsa")))).await;
    let mixed = strangers_line("ed25519") + &Sshd::fingerprint("ecdsa");
    enters(&server.target(&mixed)).await;
}

fn hashed(line: &str) -> String {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("known_hosts");
    fs::write(&file, line).unwrap();
    let mut keygen = Command::new("ssh-keygen");
    assert!(
        keygen
            .args(["-q", "-H", "-f"])
            .arg(&file)
            .output()
            .unwrap()
            .status
            .success()
    );
    let hashed = fs::read_to_string(file).unwrap();
    assert!(hashed.starts_with("|1|"), "{hashed}");
    hashed
}

#[tokio::test]
async fn a_refused_host_key_shows_the_keys_that_were_presented_and_the_pinned_ones() {
    let server = Sshd::start(&[]);
    let stranger = "SHA256:+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU";
    for pins in [
        strangers_line("ed25519"),
        stranger.to_owned(),
        strangers_line("rsa") + stranger,
    ] {
        let failure = refusal(&server.target(&pins)).await;
        let port = server.port;
        assert_eq!(
            failure.what,
            format!("`[127.0.0.1]:{port}` presents none of the pinned host keys")
        );
        let told = failure.because.join("\n");
        for (kind, label) in [("ed25519", "ED25519"), ("ecdsa", "ECDSA"), ("rsa", "RSA")] {
            let line = format!("{label} {}", Sshd::fingerprint(kind));
            assert!(told.contains(&line), "{line}\n{told}");
        }
        assert!(
            told.contains("presented: ") && told.contains("pinned: "),
            "{told}"
        );
        let hints = failure.hints.join("\n");
        assert!(
            hints.contains("put these in the place of the old"),
            "{hints}"
        );
    }
    assert_eq!(server.logins(), 0);
}

#[tokio::test]
async fn a_revoked_key_is_refused_though_a_fingerprint_pins_it() {
    let server = Sshd::start(&[]);
    let revoked =
        ["ed25519", "ecdsa", "rsa"].map(|kind| format!("@revoked * {}\n", Sshd::host_key(kind)));
    let pins = revoked.concat() + &Sshd::fingerprint("ed25519");
    refusal(&server.target(&pins)).await;
    assert_eq!(server.logins(), 0);
}

#[tokio::test]
async fn without_a_pin_the_keys_are_shown_as_the_input_that_would_pin_them() {
    let server = Sshd::start(&[]);
    let failure = refusal(&server.target("")).await;
    assert_eq!(
        failure.what,
        "`host_key` is missing, so nothing proves who the server is"
    );
    let hints = failure.hints.join("\n");
    let yaml = format!("host_key: |\n  {}", server.line("ed25519"));
    assert!(hints.contains(&yaml), "{yaml}\n{hints}");
    assert!(
        hints.contains("ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub"),
        "{hints}"
    );
    assert_eq!(server.logins(), 0);
}

#[tokio::test]
async fn a_server_that_this_machine_does_not_know_is_refused_without_pins_too() {
    let server = Sshd::start(&[]);
    let mut target = server.target("");
    target.host_keys = HostKeys::Own;
    let failure = refusal(&target).await;
    let port = server.port;
    assert_eq!(
        failure.what,
        format!("`[127.0.0.1]:{port}` is not known to this machine by the key it presents")
    );
    let hints = failure.hints.join("\n");
    assert!(hints.contains(&server.line("ed25519")), "{hints}");
    assert_eq!(server.logins(), 0);
}

fn through(gate: &Sshd, server: &Sshd, pins: &str) -> Target {
    let mut target = server.target(pins);
    target.jump = Some(Jump {
        user: user(),
        host: "127.0.0.1".into(),
        port: gate.port,
    });
    target
}

#[tokio::test]
async fn a_jump_host_is_gone_through_once_both_servers_are_known() {
    let (gate, server) = (Sshd::start(&[]), Sshd::start(&[]));
    for pins in [server.line("ed25519"), Sshd::fingerprint("rsa")] {
        enters(&through(&gate, &server, &pins)).await;
    }
    assert!(gate.logins() >= 2);
    assert_eq!(server.logins(), 2);
}

#[tokio::test]
async fn a_jump_host_that_is_not_known_is_named_and_nothing_behind_it_is_asked() {
    let (gate, server) = (Sshd::start(&[]), Sshd::start(&[]));
    let failure = refusal(&through(&gate, &server, &strangers_line("ed25519"))).await;
    let port = gate.port;
    assert_eq!(
        failure.what,
        format!("`[127.0.0.1]:{port}` presents none of the pinned host keys")
    );
    assert_eq!((gate.logins(), server.logins()), (0, 0));
}
