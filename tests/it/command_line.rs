//! The operator's command line: flags are the inputs, faults are told at once, secrets stay out.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::process::{Command, Output, Stdio};

use landfall::request::{Group, INPUTS, Shape};

fn landfall(args: &[&str], vars: &[(&str, &str)]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_landfall"))
        .env_clear()
        .args(args)
        .envs(vars.iter().copied())
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

fn told(output: &Output) -> String {
    let all = [output.stdout.as_slice(), &output.stderr].concat();
    String::from_utf8(all).unwrap()
}

#[track_caller]
fn refused(args: &[&str], vars: &[(&str, &str)]) -> String {
    let output = landfall(args, vars);
    assert_eq!(output.status.code(), Some(2), "{}", told(&output));
    assert!(output.stdout.is_empty(), "{}", told(&output));
    told(&output)
}

fn help(command: &str) -> String {
    told(&landfall(&[command, "--help"], &[("COLUMNS", "500")]))
}

/// The beginning of a text that names something, without what may follow a name.
fn name(text: &str) -> &str {
    text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-' || c == '_'))
        .next()
        .unwrap()
}

/// The flags that a command's help explains, its own ones aside.
fn flags(command: &str) -> BTreeSet<String> {
    let help = help(command);
    let mut flags: BTreeSet<_> = help
        .lines()
        .map(str::trim_start)
        .map(|line| {
            line.split_once(", ")
                .filter(|(short, _)| short.len() == 2)
                .map_or(line, |(_, long)| long)
        })
        .filter_map(|line| line.strip_prefix("--"))
        .map(|flag| name(flag).to_owned())
        .collect();
    for own in ["json", "color", "workspace", "help"] {
        assert!(flags.remove(own), "{own}");
    }
    flags
}

/// The variables that a command's help names, as flags.
fn variables(command: &str) -> BTreeSet<String> {
    let help = help(command);
    help.split("LANDFALL_")
        .skip(1)
        .map(|variable| name(variable).to_lowercase().replace('_', "-"))
        .collect()
}

fn inputs_without(groups: &[Group]) -> BTreeSet<String> {
    INPUTS
        .iter()
        .filter(|input| !groups.contains(&input.group))
        .map(|input| input.name.replace('_', "-"))
        .collect()
}

#[test]
fn the_flags_are_the_inputs_with_dashes() {
    for (command, without) in [
        ("deploy", [Group::Mode, Group::Rollback]),
        ("plan", [Group::Mode, Group::Rollback]),
        ("rollback", [Group::Mode, Group::Release]),
    ] {
        assert_eq!(flags(command), inputs_without(&without), "{command}");
        assert_eq!(variables(command), inputs_without(&without), "{command}");
    }
}

#[test]
fn every_fault_of_a_command_line_is_told_at_once() {
    let faults = refused(
        &[
            "deploy", "--host", "a b", "--port", "0", "--image", "App", "--image", "b:",
        ],
        &[("LANDFALL_WATCH", "soon"), ("LANDFALL_DRY_RUN", "maybe")],
    );
    insta::assert_snapshot!(faults, @r"
    error: `--dry-run`: `maybe` is not a switch; use `true` or `false`, in lower case
    error: `--host`: `a b` is neither a host name nor an address; give a name or an address, such as `example.org` or `203.0.113.7`
    error: `--port`: `0` is not between 1 and 65535; give a whole number from 1 to 65535, in digits alone
    error: `--user` is required; pass `--user` or set `LANDFALL_USER`
    error: `--deploy-dir` is required; pass `--deploy-dir` or set `LANDFALL_DEPLOY_DIR`
    error: `--image`: `App` has an upper-case letter in its name; write the name in lower case
    error: `--image`: `b:` has a tag that is none; use up to 128 letters, digits, `_`, `.` and `-`; is a variable empty?
    error: `--watch`: `soon` is not a whole number; give a whole number from 0 to 31536000, in digits alone

    For more information, try '--help'.
    ");
}

#[test]
fn an_unknown_flag_is_refused_with_the_nearest_name() {
    let told = refused(&["deploy", "--deploydir", "/opt/mcp"], &[]);
    assert!(told.contains("--deploy-dir"), "{told}");
    assert!(refused(&["deplyo"], &[]).contains("deploy"));
    refused(&[], &[]);
}

#[test]
fn a_secret_given_as_a_flag_is_refused_and_never_shown() {
    let key = "-----BEGIN OPENSSH PRIVATE KEY-----\nhunter2\n-----END OPENSSH PRIVATE KEY-----";
    for input in INPUTS.iter().filter(|input| input.shape == Shape::Secret) {
        for secret in ["hunter2", key] {
            let flag = format!("--{}", input.name.replace('_', "-"));
            let told = refused(&["deploy", "--deploy-dir", "/opt/mcp", &flag, secret], &[]);
            assert!(told.contains("never the secret itself"), "{told}");
            assert!(!told.contains("hunter2"), "{told}");
        }
    }
}

#[test]
fn a_secret_comes_from_a_file_a_variable_or_standard_input() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("key");
    fs::write(&file, "ssh-ed25519 AAAA").unwrap();
    let server = [
        "status",
        "--deploy-dir",
        "/opt/mcp",
        "--host",
        "a",
        "--user",
        "b",
        "--ssh-key",
    ];
    let public = "error: `--ssh-key`: it is a public key";
    let from_file = [&server[..], &[file.to_str().unwrap()]].concat();
    assert!(refused(&from_file, &[]).starts_with(public));
    let key = [("LANDFALL_SSH_KEY", "ssh-ed25519 AAAA")];
    assert!(refused(&server[..7], &key).starts_with(public));
    let mut child = Command::new(env!("CARGO_BIN_EXE_landfall"))
        .args(server)
        .arg("-")
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(b"ssh-ed25519 AAAA")
        .unwrap();
    assert!(told(&child.wait_with_output().unwrap()).starts_with(public));
}

#[test]
fn standard_input_is_read_once() {
    let args = [
        "deploy",
        "--deploy-dir",
        "/opt/mcp",
        "--env-file",
        "-",
        "--slack-webhook-url",
        "-",
    ];
    let told = refused(&args, &[]);
    assert!(
        told.contains("`--slack-webhook-url` is the second to read standard input"),
        "{told}"
    );
}

#[test]
fn a_rollback_takes_its_backup_as_a_word() {
    let told = refused(&["rollback", "Latest", "--deploy-dir", "/opt/mcp"], &[]);
    assert!(
        told.contains("`--backup-timestamp`: `Latest` names no backup"),
        "{told}"
    );
}

#[test]
fn a_freeze_says_why() {
    refused(&["freeze", "--deploy-dir", "/opt/mcp"], &[]);
    let told = refused(&["freeze", " ", "--port", "x"], &[]);
    assert!(
        told.contains("the message") && told.contains("--deploy-dir"),
        "{told}"
    );
}

#[test]
fn colours_come_where_they_are_wanted_and_never_into_a_file_by_themselves() {
    // Nobody answers there, which is told in a line with a coloured word.
    let place = [
        "--host",
        "127.0.0.1",
        "--port",
        "1",
        "--user",
        "x",
        "--deploy-dir",
        "/opt/x",
    ];
    let path = std::env::var("PATH").unwrap();
    let told_with = |color: &[&str], vars: &[(&str, &str)]| {
        let args = [color, &["history"], &place].concat();
        refused(&args, &[vars, &[("PATH", path.as_str())]].concat())
    };
    assert!(!told_with(&[], &[]).contains('\u{1b}'));
    let always = told_with(&["--color", "always"], &[("NO_COLOR", "1")]);
    assert!(
        always.starts_with("\u{1b}[1;31merror:\u{1b}[0m "),
        "{always:?}"
    );
    assert!(!told_with(&["--color", "never"], &[]).contains('\u{1b}'));
    let actions = [("GITHUB_ACTIONS", "true")];
    assert!(told_with(&[], &actions).contains("\u{1b}[1;31m"));
    let quiet = [("GITHUB_ACTIONS", "true"), ("NO_COLOR", "1")];
    assert!(!told_with(&[], &quiet).contains('\u{1b}'));
}

#[test]
fn help_and_version_are_no_faults() {
    for args in [["--help"], ["--version"], ["help"]] {
        assert_eq!(landfall(&args, &[]).status.code(), Some(0));
    }
}

#[test]
fn the_version_is_told_in_words_and_as_json() {
    let plain = told(&landfall(&["--version"], &[]));
    assert_eq!(told(&landfall(&["version"], &[])), plain);
    let json = told(&landfall(&["version", "--json"], &[]));
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert!(plain.contains(json["version"].as_str().unwrap()), "{plain}");
}

#[test]
fn what_is_typed_most_has_a_letter_of_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let key = dir.path().join("key");
    fs::write(&key, "ssh-ed25519 AAAA").unwrap();
    let key = key.to_str().unwrap();
    let told = refused(
        &[
            "status", "-H", "a b", "-u", "c", "-p", "x", "-i", key, "-d", "opt",
        ],
        &[],
    );
    for flag in ["--host", "--port", "--ssh-key", "--deploy-dir"] {
        assert!(told.contains(&format!("`{flag}`: ")), "{flag}: {told}");
    }
    let help = help("logs");
    for letter in ["-f, --follow", "-H, --host", "-d, --deploy-dir"] {
        assert!(help.contains(letter), "{help}");
    }
}

#[test]
fn every_command_shows_an_example_of_itself() {
    let commands = [
        "deploy",
        "rollback",
        "plan",
        "status",
        "history",
        "backups",
        "verify",
        "freeze",
        "thaw",
        "recover",
        "doctor",
        "logs",
        "version",
        "completions",
    ];
    for command in commands {
        let help = help(command);
        let examples = help.split_once("\nExample").unwrap_or_default().1;
        assert!(examples.contains(&format!("landfall {command}")), "{help}");
    }
}

#[test]
fn a_shell_gets_its_completions() {
    for shell in ["bash", "zsh", "fish"] {
        let output = landfall(&["completions", shell], &[]);
        assert_eq!(output.status.code(), Some(0));
        assert!(told(&output).contains("deploy-dir"));
    }
}
