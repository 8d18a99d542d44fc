//! The pages for users are typed as they stand there: what the README and `docs` show is run, or is
//! held against what reads it, or it is said why it cannot be.
//!
//! Names differ from the pages' where the laboratory has others: the server's address and port, the
//! registry and its login, `/opt/app` and the user `deploy`, who live there already. It refuses to know
//! what a page is about.

mod blocks;
mod newcomer;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;

use serde_json::Value;

use crate::harness::runner;
use blocks::Block;

/// Who sees to a block.
#[derive(Clone, Copy, PartialEq, Eq)]
enum By {
    /// A test here.
    Test,
    /// Nobody, and why not.
    Nobody(&'static str),
}

/// Every block, by its page and how it begins.
const BLOCKS: [(&str, &str, By); 13] = [
    ("README.md", "$ ssh-keygen ", By::Test),
    ("README.md", "$ sudo adduser ", By::Test),
    ("README.md", "$ gh secret set ", By::Test),
    ("README.md", "on:", By::Test),
    (
        "README.md",
        "$ make demo",
        By::Nobody(
            "`make test` is what runs this, and the story of `make demo` has a test of its own",
        ),
    ),
    ("README.md", "- name: api", By::Test),
    ("docs/command-line.md", "$ sudo sh -c 'install ", By::Test),
    ("docs/command-line.md", "$ docker create ", By::Test),
    (
        "docs/command-line.md",
        "$ RUSTFLAGS=",
        By::Nobody("it fetches the released source from GitHub"),
    ),
    ("docs/release.md", "          pre_deploy: ", By::Test),
    ("docs/server.md", "{ \"log-driver\"", By::Test),
    ("docs/server.md", "$ ssh-keygen ", By::Test),
    ("docs/server.md", "$ gh secret set ", By::Test),
];

/// Commands in the text of pages; those of this program are told short, and are looked up in its help.
const INLINE: [(&str, By); 17] = [
    (TAR, By::Test),
    ("docker compose ls", By::Test),
    ("sudo chown deploy /opt/app", By::Test),
    ("sudo usermod -aG docker deploy", By::Test),
    ("sudo usermod -p '*' deploy", By::Test),
    ("sudo sshd -T | grep -i usepam", By::Test),
    (
        "sudo install -d -o deploy -m 750 /opt/app-backups",
        By::Test,
    ),
    ("sudo ss -lntp", By::Test),
    (
        "docker compose up -d",
        By::Nobody("scenes type it wherever a promise is about it"),
    ),
    ("docker compose", By::Nobody(NAME)),
    ("docker compose run", By::Nobody(NAME)),
    ("docker compose exec", By::Nobody(NAME)),
    ("docker run", By::Nobody(NAME)),
    ("docker context use", By::Nobody(NAME)),
    (
        "docker buildx build --platform linux/amd64",
        By::Nobody("`buildx` is for the machine that builds"),
    ),
    ("make demo", By::Nobody("its story has a test of its own")),
    ("make test", By::Nobody("it is what runs this")),
];
/// What puts the files of a backup back.
const TAR: &str = "tar xzf /opt/app-backups/app-backup-20251017_143025.tar.gz -C /opt/app";
const NAME: &str = "the name of a command, which takes more words";
/// What begins a command in a text.
const PROGRAMS: [&str; 6] = ["landfall", "docker", "sudo", "tar", "gh", "make"];

#[test]
fn every_command_in_the_text_of_a_page_is_seen_to_or_it_is_said_why_not() {
    for page in blocks::pages() {
        for command in blocks::inline(&page) {
            let (program, words) = command.split_once(' ').unwrap();
            let is_listed = INLINE.iter().any(|(known, _)| command == *known);
            match program {
                "landfall" => is_in_the_help(&page, words),
                program if PROGRAMS.contains(&program) => {
                    assert!(is_listed, "{page}: nobody sees to `{command}`");
                }
                _ => {}
            }
        }
    }
}

/// The words that are no blanks to fill in are in the help of that command.
#[track_caller]
fn is_in_the_help(page: &str, words: &str) {
    let (verb, more) = words.split_once(' ').unwrap_or((words, ""));
    let asked = if verb == "COMMAND" { "status" } else { verb };
    let done = std::process::Command::new(crate::harness::act::landfall())
        .args([asked, "--help"])
        .output()
        .unwrap();
    assert!(
        done.status.success(),
        "{page}: there is no `landfall {words}`"
    );
    let help = String::from_utf8_lossy(&done.stdout).into_owned();
    let flags = more
        .split([' ', '[', ']'])
        .filter(|word| word.starts_with('-'));
    for flag in flags {
        assert!(help.contains(flag), "{page}: `landfall {words}`: {help}");
    }
}

fn is_meant(block: &Block, page: &str, begins: &str) -> bool {
    block.page == page && block.first_line().starts_with(begins)
}

#[test]
fn every_block_is_seen_to_or_it_is_said_why_not() {
    let all = blocks::all();
    for block in &all {
        let known = BLOCKS
            .iter()
            .filter(|(page, begins, _)| is_meant(block, page, begins));
        assert_eq!(
            known.count(),
            1,
            "nobody sees to this, or two do: {block:#?}"
        );
    }
    for (page, begins, by) in BLOCKS {
        let found = all.iter().filter(|block| is_meant(block, page, begins));
        assert_eq!(
            found.count(),
            1,
            "{page} has no one block that begins with {begins:?}"
        );
        if let By::Nobody(why) = by {
            assert!(!why.is_empty());
        }
    }
}

/// What the action makes of inputs, without a server.
#[track_caller]
fn request(inputs: &[(&str, &str)]) -> landfall::request::Request {
    let mut all: BTreeMap<&str, &str> = BTreeMap::from([
        ("mode", "deploy"),
        ("host", "example.org"),
        ("user", "deploy"),
        (
            "host_key",
            "SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        ),
        ("deploy_dir", "/opt/app"),
        ("image", "ghcr.io/owner/app:1"),
    ]);
    all.extend(inputs.iter().copied());
    let vars = all.iter();
    let vars = vars.map(|(name, value)| {
        (
            OsString::from(runner::variable(name)),
            OsString::from(value),
        )
    });
    let read = landfall::request::from_environment(vars, Path::new("/nowhere"));
    read.unwrap_or_else(|faults| panic!("{:#?}", faults.all))
}

/// A key for this purpose alone.
fn key() -> String {
    let dir = tempfile::tempdir().unwrap();
    let made = std::process::Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-f"])
        .arg(dir.path().join("key"))
        .status();
    assert!(made.unwrap().success());
    std::fs::read_to_string(dir.path().join("key")).unwrap()
}

#[test]
fn the_smoke_tests_that_are_shown_are_read_as_they_are() {
    let block = blocks::named("README.md", "- name: api");
    let shown = block
        .text
        .lines()
        .filter(|line| line.starts_with("- name: "))
        .count();
    let key = key();
    let read = |suite: &str| {
        let inputs = [
            ("ssh_key", key.as_str()),
            ("smoke_tests", &block.text),
            ("smoke_suite", suite),
        ];
        request(&inputs).checks.smoke.len()
    };
    assert_eq!((read("full"), read("basic")), (shown, shown - 1));
}

#[test]
fn a_piece_of_a_workflow_names_inputs_that_there_are() {
    let block = blocks::named("docs/release.md", "          pre_deploy: ");
    let read: Value = serde_saphyr::from_str(&block.text).unwrap();
    let read = read.as_object().unwrap();
    let key = key();
    let mut inputs = vec![("ssh_key", key.as_str())];
    inputs.extend(
        read.iter()
            .map(|(name, value)| (name.as_str(), value.as_str().unwrap())),
    );
    assert!(request(&inputs).pre_deploy.is_some());
}
