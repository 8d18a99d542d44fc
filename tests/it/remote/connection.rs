//! One connection: opened with any key, told when it is not, and gone without a trace.
//!
//! It refuses to know the agent, and which host keys are trusted.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use landfall::remote::ssh::Connection;
use landfall::remote::target::Target;
use landfall::remote::transport::{Ended, Transport};
use landfall::words::error::Error;
use landfall::words::event::{Failure, FailureKind};

use crate::sshd::{Sshd, free_port, keygen, user};

const SOON: Duration = Duration::from_secs(20);

async fn open(target: &Target) -> Connection {
    Connection::open(target).await.unwrap()
}

async fn refusal(target: &Target) -> Failure {
    match Connection::open(target).await {
        Err(error) => error.failures()[0].clone(),
        Ok(_) => panic!("it got in"),
    }
}

/// The private directory of a connection, read off its process's command line.
fn directory(master: u32) -> PathBuf {
    let line = fs::read(format!("/proc/{master}/cmdline")).unwrap();
    let words: Vec<_> = line
        .split(|b| *b == 0)
        .map(String::from_utf8_lossy)
        .collect();
    let at = words.iter().position(|word| word == "-S").unwrap();
    Path::new(&*words[at + 1]).parent().unwrap().to_owned()
}

/// What a private directory holds while its connection stands.
const WHILE_OPEN: [&str; 3] = ["control", "in-use", "log"];

fn names_in(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.collect();
    names.sort();
    names
}

/// The processes whose command line names a path.
fn processes_naming(path: &Path) -> Vec<String> {
    let path = path.to_string_lossy().into_owned();
    fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| fs::read(entry.ok()?.path().join("cmdline")).ok())
        .map(|line| String::from_utf8_lossy(&line).replace('\0', " "))
        .filter(|line| line.contains(&path))
        .collect()
}

#[track_caller]
fn nothing_is_left(dir: &Path) {
    assert_eq!(processes_naming(dir), Vec::<String>::new());
    assert!(!dir.exists(), "{}", dir.display());
}

#[tokio::test]
async fn nothing_is_left_after_close_and_after_drop() {
    let server = Sshd::start(&[]);
    for close in [true, false] {
        let connection = open(&server.pinned()).await;
        let dir = directory(connection.master().unwrap());
        assert_eq!(processes_naming(&dir).len(), 1);
        if close {
            connection.close();
        }
        drop(connection);
        nothing_is_left(&dir);
    }
}

#[tokio::test]
async fn nothing_is_left_after_a_connection_that_was_refused() {
    let server = Sshd::start(&[]);
    let key = keygen(
        &tempfile::tempdir().unwrap().keep().join("key"),
        "ed25519",
        &[],
    );
    refusal(&server.target_with(&key, None, &server.line("rsa"))).await;
    let mine = fs::read_dir("/dev/shm").unwrap().filter_map(|entry| {
        let text = fs::read_to_string(entry.ok()?.path().join("config")).ok()?;
        text.contains(&format!("Port {}\n", server.port))
            .then_some(text)
    });
    assert_eq!(mine.collect::<Vec<_>>(), Vec::<String>::new());
}

#[tokio::test]
async fn the_key_is_gone_as_soon_as_the_door_is_open() {
    let server = Sshd::start(&[]);
    let connection = open(&server.pinned()).await;
    let dir = directory(connection.master().unwrap());
    assert_eq!(names_in(&dir), WHILE_OPEN);
}

#[tokio::test]
async fn a_runner_that_is_killed_takes_its_ssh_with_it() {
    let server = Sshd::start(&[]);
    let pins = server.line("ed25519");
    let mut runner = Command::new(super::place::stand_in())
        .args(["hold", &server.port.to_string(), &user(), &pins])
        .env("KEY_FILE", crate::sshd::user_key())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let mut said = std::io::BufReader::new(runner.stdout.take().unwrap());
    std::io::BufRead::read_line(&mut said, &mut line).unwrap();
    let dir = directory(line.trim().parse().unwrap());
    runner.kill().unwrap();
    runner.wait().unwrap();
    let begun = Instant::now();
    while !processes_naming(&dir).is_empty() {
        assert!(begun.elapsed() < SOON, "{:?}", processes_naming(&dir));
        sleep(Duration::from_millis(20));
    }
    assert!(!dir.join("key").exists());
    drop(open(&server.pinned()).await);
    assert!(!dir.exists(), "the next connection sweeps up");
}

#[tokio::test]
async fn every_command_shares_one_login() {
    let server = Sshd::start(&[]);
    let there = Transport::there(server.pinned()).await.unwrap();
    for n in 0..5 {
        let output = there
            .run(&format!("cat; exit {n}"), b"fed", SOON)
            .await
            .unwrap();
        assert_eq!(
            (output.ended, output.stdout),
            (Ended::Exited(n), b"fed".to_vec())
        );
    }
    assert_eq!(server.logins(), 1);
}

#[tokio::test]
async fn the_first_command_runs_in_the_logins_own_session_which_stays() {
    let server = Sshd::start(&[]);
    let there = Transport::there(server.pinned()).await.unwrap();
    let first = there.run_first("cat; echo $$; echo no >&2; exit 3", SOON);
    let first = first.await.unwrap();
    assert_eq!(first.ended, Ended::Exited(3));
    let said = first.complaints();
    let [shell, "no"] = [&*said[0], &*said[1]] else {
        panic!("{said:?}");
    };
    let stays = format!("kill -0 {shell}");
    assert!(there.run(&stays, b"", SOON).await.unwrap().is_success());
    let second = there.run_first("echo $$", SOON).await.unwrap();
    assert_ne!(String::from_utf8(second.stdout).unwrap().trim(), shell);
    assert_eq!(server.logins(), 1);
}

#[tokio::test]
async fn a_first_command_is_heard_whatever_it_prints_and_given_up_when_it_takes_too_long() {
    let server = Sshd::start(&[]);
    let there = Transport::there(server.pinned()).await.unwrap();
    let odd = there
        .run_first("printf 'no end \\377'", SOON)
        .await
        .unwrap();
    assert_eq!(String::from_utf8(odd.stdout).unwrap(), "no end \u{fffd}");
    let there = Transport::there(server.pinned()).await.unwrap();
    let brief = Duration::from_millis(200);
    let slow = there.run_first("sleep 5", brief).await.unwrap_err();
    assert!(slow.to_string().contains("took more than"), "{slow}");
    let output = there.run_first("echo here", SOON).await.unwrap();
    assert_eq!(output.stdout, b"here\n");
    assert_eq!(server.logins(), 2);
}

#[tokio::test]
async fn a_status_of_255_is_the_commands_own_and_a_dropped_connection_has_none() {
    let server = Sshd::start(&[]);
    let there = Transport::there(server.pinned()).await.unwrap();
    let ended = async |script: &str| there.run(script, b"", SOON).await.map(|o| o.ended);
    assert_eq!(ended("exit 255").await.unwrap(), Ended::Exited(255));
    assert_eq!(ended("exit 127").await.unwrap(), Ended::Exited(127));
    assert_eq!(ended("kill -9 $$").await.unwrap(), Ended::Killed);
    let master = there.connection().await.unwrap().master().unwrap();
    let killed = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert!(
            Command::new("kill")
                .args(["-9", &master.to_string()])
                .status()
                .unwrap()
                .success()
        );
    };
    let (cut, ()) = tokio::join!(ended("sleep 60"), killed);
    let Err(Error::Connect(failure)) = cut else {
        panic!("{cut:?}")
    };
    assert!(
        failure.what.ends_with("ended in the middle of a command"),
        "{failure}"
    );
    assert_eq!(
        ended("exit 3").await.unwrap(),
        Ended::Exited(3),
        "it connects again"
    );
    assert_eq!(server.logins(), 2);
}

#[tokio::test]
async fn a_key_opens_the_door_in_every_format_and_with_its_passphrase() {
    let dir = tempfile::tempdir().unwrap();
    let make = |name: &str, kind, more: &[&str]| keygen(&dir.path().join(name), kind, more);
    let open_pem = make("pem", "rsa", &["-m", "PEM"]);
    let pem = make(
        "locked-pem",
        "rsa",
        &["-m", "PEM", "-N", "it's a \"secret\" $1"],
    );
    let pkcs8 = make(
        "pkcs8",
        "ecdsa",
        &["-m", "PKCS8", "-N", "it's a \"secret\" $1"],
    );
    let openssh = make("openssh", "ed25519", &["-N", "it's a \"secret\" $1"]);
    let server = Sshd::start(&[&open_pem, &pem, &pkcs8, &openssh]);
    let pins = server.line("ed25519");
    open(&server.target_with(&open_pem, None, &pins))
        .await
        .close();
    for key in [&pem, &pkcs8, &openssh] {
        let target = server.target_with(key, Some("it's a \"secret\" $1"), &pins);
        let connection = open(&target).await;
        assert_eq!(
            names_in(&directory(connection.master().unwrap())),
            WHILE_OPEN
        );
        connection.close();
        let wrong = server.target_with(key, Some("hunter2"), &pins);
        assert_eq!(
            refusal(&wrong).await.what,
            "`ssh_key_passphrase` does not open the private key"
        );
        let none = server.target_with(key, None, &pins);
        assert_eq!(
            refusal(&none).await.what,
            "the private key has a passphrase, and none is given"
        );
    }
    assert_eq!(server.logins(), 4);
}

#[tokio::test]
async fn a_key_that_is_not_accepted_is_named_with_the_line_that_lets_it_in() {
    let server = Sshd::start(&[]);
    let dir = tempfile::tempdir().unwrap();
    for more in [&[][..], &["-m", "PEM"]] {
        let key = keygen(&dir.path().join(more.concat() + "key"), "rsa", more);
        let failure = refusal(&server.target_with(&key, None, &server.line("ed25519"))).await;
        let port = server.port;
        let address = format!("{}@[127.0.0.1]:{port}", user());
        assert_eq!(failure.what, format!("`{address}` does not accept the key"));
        let public = fs::read_to_string(key.with_extension("pub")).unwrap();
        let line = public.strip_suffix(" test\n").unwrap();
        assert!(
            failure.hints.join("\n").contains(line),
            "{:?}",
            failure.hints
        );
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_told_from_one_that_does_not_answer() {
    let server = Sshd::start(&[]);
    let mut target = server.pinned();
    target.port = free_port();
    let what = format!("`127.0.0.1` port {} refuses connections", target.port);
    assert_eq!(refusal(&target).await.what, what);

    let silent = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    target.port = silent.local_addr().unwrap().port();
    target.connect_timeout = Duration::from_secs(1);
    let failure = refusal(&target).await;
    assert_eq!(
        failure.what,
        format!("`127.0.0.1` port {} did not answer within 1 s", target.port)
    );
    assert_eq!(failure.kind, FailureKind::TimedOut);

    target.host = "landfall.invalid".into();
    assert_eq!(
        refusal(&target).await.what,
        "the name `landfall.invalid` cannot be resolved"
    );
}

/// An ed25519 key of `ssh-keygen`'s as `openssl genpkey` would have written it: PKCS#8, RFC 8410.
fn as_pkcs8(key: &Path) -> String {
    let text = fs::read_to_string(key).unwrap();
    let body: String = text.lines().filter(|line| !line.starts_with('-')).collect();
    let blob = STANDARD.decode(body).unwrap();
    // The last field but the comment and the padding: 32 bytes of seed, and the public half again.
    let public = fs::read_to_string(key.with_extension("pub")).unwrap();
    let public = STANDARD.decode(public.split(' ').nth(1).unwrap()).unwrap();
    let public = &public[public.len() - 32..];
    let last = blob.windows(32).rposition(|at| at == public).unwrap();
    let mut der = vec![
        0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20,
    ];
    der.extend(&blob[last - 32..last]);
    let body = STANDARD.encode(der);
    format!("-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\n")
}

#[tokio::test]
async fn keys_open_the_door_that_openssh_here_or_pasting_would_have_spoiled() {
    let dir = tempfile::tempdir().unwrap();
    let own = keygen(&dir.path().join("own"), "ed25519", &[]);
    let ec = keygen(&dir.path().join("ec"), "ecdsa", &["-m", "PEM"]);
    let rsa = keygen(&dir.path().join("rsa"), "rsa", &["-m", "PKCS8"]);
    let server = Sshd::start(&[&own, &ec, &rsa]);
    let text = fs::read_to_string(&own).unwrap();
    let pem = fs::read_to_string(&ec).unwrap();
    let pasted = dir.path().join("pasted");
    for key in [
        as_pkcs8(&own),
        text.replace('\n', "\n    "),
        format!("{text}and a line behind it\n"),
        text.replace('\n', "\r\n"),
        STANDARD.encode(&text),
        pem.replace('\n', " "),
        format!(
            "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n{pem}"
        ),
        fs::read_to_string(&rsa).unwrap(),
    ] {
        fs::write(&pasted, &key).unwrap();
        let target = server.target_with(&pasted, None, &server.line("ed25519"));
        open(&target).await.close();
    }
    assert_eq!(server.logins(), 8);
}
