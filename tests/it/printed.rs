//! Every command that a message or a summary prints is typed here as it is printed, where its reader
//! types: on the server as the user who deploys, who has no Landfall on the path; as somebody with
//! sudo where it says so; or on the machine of an operator, where it says `--host`.
//!
//! It refuses to know how a command is made.

use std::collections::BTreeSet;
use std::process::Command;

use crate::harness::act::Act;
use crate::harness::app::App;
use crate::harness::compose;
use crate::harness::done::Done;
use crate::stuck::goes_back_without_an_image;

/// What begins a command rather than a name.
const PROGRAMS: [&str; 19] = [
    "landfall",
    "docker",
    "docker-compose",
    "cd",
    "sudo",
    "ssh-keyscan",
    "ssh",
    "kill",
    "ps",
    "tar",
    "df",
    "find",
    "mv",
    "findmnt",
    "gh",
    "chown",
    "chmod",
    "journalctl",
    "systemctl",
];

/// What is a program and not a command.
const NAMES: [&str; 1] = ["docker compose"];

/// The commands in backticks in a text, in order, those with a word to fill in aside.
fn commands(text: &str) -> Vec<String> {
    let text = text.replace("%0A", "\n").replace("%25", "%");
    let quoted = text
        .lines()
        .flat_map(|line| line.split('`').skip(1).step_by(2));
    let mut all: Vec<String> = Vec::new();
    for words in quoted.filter(|words| is_command(words)) {
        if !all.iter().any(|known| known == words) {
            all.push(words.to_owned());
        }
    }
    all
}

fn is_command(words: &str) -> bool {
    let program = words.split(' ').next().unwrap_or_default();
    let is_ours = program.ends_with("/landfall") || program.contains("/.landfall/bin/landfall-");
    let begins = PROGRAMS.contains(&program) || is_ours || words.starts_with("\"$(ls -t ");
    let is_upper = |word: &str| word.len() > 1 && word.chars().all(|c| c.is_ascii_uppercase());
    let has_a_blank = words.contains('…') || words.split([' ', '=']).any(is_upper);
    begins && words.contains(' ') && !NAMES.contains(&words) && !has_a_blank
}

/// A person who types what is printed.
struct Reader<'a> {
    app: &'a App,
    typed: BTreeSet<String>,
}

impl<'a> Reader<'a> {
    fn of(app: &'a App) -> Self {
        let typed = BTreeSet::new();
        Self { app, typed }
    }

    /// Types what a run printed, each command once; those which say this end with another code than 0.
    /// What is expected must have been printed.
    #[track_caller]
    fn types_all(&mut self, done: &Done, expected: &[(&str, i32)]) {
        let printed = commands(&format!("{}\n{}", done.log, done.summary));
        for (part, _) in expected {
            let says = |command: &String| command.contains(part);
            assert!(
                printed.iter().any(says),
                "no {part:?} in {printed:#?}\n{}",
                done.log
            );
        }
        for command in printed {
            if self.typed.contains(&command) {
                continue;
            }
            let meant = expected.iter().find(|(part, _)| command.contains(part));
            self.types(&command, meant.map_or(0, |(_, code)| *code));
        }
    }

    #[track_caller]
    fn types(&mut self, command: &str, code: i32) {
        let (ended, said) = if command.contains(" --host ") {
            self.elsewhere(command)
        } else {
            self.on_the_server(command)
        };
        assert_eq!(ended, Some(code), "`{command}`: {said}");
        self.typed.insert(command.to_owned());
    }

    fn on_the_server(&self, command: &str) -> (Option<i32>, String) {
        let user = if command.starts_with("sudo ") {
            "sudoer"
        } else {
            &self.app.user
        };
        let script = format!("cd; ({command}) 2>&1");
        let done = self.app.slot.try_sh_as(user, &script, b"");
        (
            done.status.code(),
            String::from_utf8_lossy(&done.stdout).into_owned(),
        )
    }

    /// With the key that an operator's own `ssh` would find.
    fn elsewhere(&self, command: &str) -> (Option<i32>, String) {
        let slot = &self.app.slot;
        let done = Command::new("sh")
            .args(["-ec", &format!("({command}) 2>&1")])
            .env("LANDFALL_SSH_KEY", slot.file("SSH_KEY"))
            .env("LANDFALL_HOST_KEY", slot.file("KNOWN_HOSTS"))
            .output()
            .unwrap();
        (
            done.status.code(),
            String::from_utf8_lossy(&done.stdout).into_owned(),
        )
    }
}

#[test]
fn what_is_printed_of_releases_that_come_and_go_works_as_it_is_printed() {
    let app = App::beacon();
    let mut reader = Reader::of(&app);
    app.latest("v1");
    let first = app.deploy().run();
    first.ends("deployed", 0);
    reader.types_all(&first, &[(" rollback --to-nothing ", 0)]);
    assert!(app.containers().is_empty(), "the application is removed");
    app.ships("v1");
    app.latest("v2");
    let second = app.deploy().run();
    second.ends("deployed", 0);
    reader.types_all(&second, &[(" rollback 20", 0)]);
    app.comes_to_answer("v1");
    app.latest("exits-at-start");
    let broken = app.deploy().run();
    broken.ends("rolled_back", 1);
    reader.types_all(&broken, &[]);
    app.by_hand("docker compose stop -t 1 web 2>&1");
    let ill = Act::action(&app, "status").run();
    ill.ends("unhealthy", 1);
    reader.types_all(&ill, &[(" logs --tail 50 web", 0), (" up -d web", 0)]);
    app.comes_to_answer("v1");
    let unknown = app.rollback().input("backup_timestamp", "5555555").run();
    unknown.ends("refused", 2);
    reader.types_all(&unknown, &[(" backups ", 0)]);
}

#[test]
fn what_is_printed_of_runs_that_may_not_begin_works_as_it_is_printed() {
    let app = App::running("v1");
    let mut reader = Reader::of(&app);
    let frozen = app.cli(&["freeze", "moving house"]).run();
    frozen.exits(0);
    reader.types_all(&frozen, &[(" thaw --host ", 0)]);
    app.cli(&["freeze", "moving house"]).run().exits(0);
    let refused = app.deploy().run();
    refused.ends("refused", 2);
    // It tells what to look at before it says how to thaw.
    reader.types_all(&refused, &[(" thaw ", 0)]);
    app.cli(&["freeze", "moving house"]).run().exits(0);
    let planned = app.deploy().planned().run();
    planned.ends("refused", 2);
    reader.types_all(
        &planned,
        &[("\"$(ls -t /srv/app-backups/.landfall/bin/", 0)],
    );
    let held = app.held_upgrade();
    let locked = app.deploy().input("lock_timeout", "1").run();
    locked.ends("refused", 2);
    reader.types_all(&locked, &[]);
    held.let_go();
    held.wait().ends("deployed", 0);
    let keyless = app.deploy().input("host_key", "").run();
    keyless.ends("refused", 2);
    reader.types_all(&keyless, &[]);
    let nowhere = app.deploy().input("deploy_dir", "/srv/my shop").run();
    nowhere.ends("refused", 2);
    reader.types_all(&nowhere, &[("sudo install -d -o deploy '/srv/my shop'", 0)]);
}

#[test]
fn what_is_printed_of_a_run_that_died_works_as_it_is_printed() {
    let (app, before, _) = App::left_by_the_dead();
    app.put("config/beacon.conf", "lamp = by hand\n");
    let mut reader = Reader::of(&app);
    let status = app.cli(&["status"]).run();
    status.exits(0).says(&["somebody made a release since"]);
    let kept = commands(&status.log);
    let keep = kept.iter().find(|c| c.contains(" recover --keep --host "));
    // Both ways on are offered, and one of them can be gone.
    let back: Vec<&String> = kept
        .iter()
        .filter(|c| c.contains(" recover --host "))
        .collect();
    assert!(keep.is_some() && back.len() == 1, "{kept:#?}");
    reader.types(back[0], 1);
    assert_eq!(app.release().tree, before.tree);
    reader.types(keep.unwrap(), 0);
    let again = app.cli(&["recover"]).run();
    again.exits(0);
    reader.types_all(&again, &[]);
}

#[test]
fn what_is_printed_of_a_way_back_that_failed_mends_it_as_it_is_printed() {
    let app = App::empty();
    app.furnish(&compose::web(&compose::beacon("v1")));
    app.deploy().image("").run().ends("deployed", 0);
    let new = compose::web(&compose::beacon("v2"));
    let stuck = goes_back_without_an_image(&app, &new);
    app.slot.lab("registry", &["start"]);
    let log_in = format!(
        "docker login -u {} --password-stdin registry.lab:5000 2>&1",
        app.slot.fact("REGISTRY_USER")
    );
    let password = app.slot.fact("REGISTRY_PASSWORD");
    app.slot.sh_as("deploy", &log_in, password.as_bytes());
    let mut reader = Reader::of(&app);
    let printed = commands(&format!("{}\n{}", stuck.log, stuck.summary));
    let (ours, theirs): (Vec<_>, Vec<_>) = printed.iter().partition(|c| c.contains(" recover "));
    assert!(!ours.is_empty() && theirs.len() >= 4, "{printed:#?}");
    // The message says that this comes first where an image is gone.
    let (pulls, others): (Vec<_>, Vec<_>) = theirs
        .into_iter()
        .partition(|c| c.starts_with("docker pull "));
    for command in pulls.into_iter().chain(others) {
        reader.types(command, 0);
    }
    app.comes_to_answer("v1");
    // By then it is mended by hand, which it says, with one more way.
    for command in ours {
        reader.types(command, 2);
    }
    app.slot.sh("rm -rf /home/deploy/.docker");
}
