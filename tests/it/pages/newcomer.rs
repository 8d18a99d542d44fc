//! Somebody new, with an empty server, types what the pages say from the first line on, until an
//! application runs there, can be looked at, and has got a new key.
//!
//! `gh` is a stand-in that keeps what it is given: it would need GitHub. All else is real.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use super::blocks::{self, Block};
use super::{By, INLINE};
use crate::harness::app::App;
use crate::harness::compose;
use crate::harness::slot::Slot;

/// What the pages call the user and the directories, and what they are called here.
const USER: &str = "lander";
const DIR: &str = "/srv/shop";

/// Keeps what a secret or a variable is set to, below the directory that it is called in.
const GH: &str = r#"#!/bin/sh -e
case "$1 $2 $#" in
"secret set 3" | "variable set 3") ;;
"secret set 5") [ "$4" = --env ] ;;
*) echo "gh: $*" >&2; exit 1 ;;
esac
mkdir -p kept
cat > "kept/$1s.$3"
"#;

/// The newcomer's own machine: a directory, and programs before all others.
struct Laptop(TempDir);

impl Laptop {
    fn new() -> Self {
        let dir = tempfile::Builder::new().prefix("it-").tempdir().unwrap();
        let bin = dir.path().join("bin");
        fs::create_dir(&bin).unwrap();
        fs::write(bin.join("gh"), GH).unwrap();
        fs::set_permissions(bin.join("gh"), fs::Permissions::from_mode(0o755)).unwrap();
        Self(dir)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path().join(name), text).unwrap();
    }

    #[track_caller]
    fn read(&self, name: &str) -> String {
        let read = fs::read_to_string(self.path().join(name));
        read.unwrap_or_else(|e| panic!("{name}: {e}"))
    }

    /// Types a command; what it printed.
    #[track_caller]
    fn types(&self, command: &str) -> String {
        let path = std::env::var("PATH").unwrap();
        let done = Command::new("sh")
            .args(["-ec", command])
            .env("PATH", format!("{}/bin:{path}", self.path().display()))
            .current_dir(self.path())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&done.stderr);
        assert!(
            done.status.success(),
            "`{command}`: {}\n{said}",
            done.status
        );
        String::from_utf8_lossy(&done.stdout).into_owned()
    }

    #[track_caller]
    fn types_all(&self, block: &Block) -> String {
        block
            .commands()
            .iter()
            .map(|command| self.types(command))
            .collect()
    }
}

/// A command of a page with the names of this laboratory.
fn here(command: &str) -> String {
    let command = command.replace("/opt/app", DIR);
    let words = command.split_inclusive(|c: char| !(c.is_alphanumeric() || c == '_' || c == '-'));
    let named = words.map(|word| match word.strip_prefix("deploy") {
        Some(rest) if !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_' || c == '-') => {
            format!("{USER}{rest}")
        }
        _ => word.to_owned(),
    });
    named.collect()
}

/// Types the commands of a block on a server: with sudo as somebody who may, else as another user.
#[track_caller]
fn on_the_server(slot: &Slot, block: &Block, user: &str) -> String {
    let commands = block.commands().into_iter();
    let typed = commands.map(|command| {
        let who = if command.contains("sudo ") {
            "sudoer"
        } else {
            user
        };
        slot.sh_as(who, &format!("cd; {}", here(command)), b"")
    });
    typed.collect()
}

fn leaves(slot: &Slot) {
    let gone = format!(
        "pkill -KILL -u {USER} || true; userdel -rf {USER} 2>/dev/null || true
        rm -rf {DIR}* /usr/local/bin/landfall /usr/local/lib/landfall"
    );
    slot.sh(&gone);
}

/// The inputs of the workflow's step, with what its expressions mean here.
#[track_caller]
fn inputs(block: &Block, meant: &BTreeMap<&str, String>) -> BTreeMap<String, String> {
    let workflow: Value = serde_saphyr::from_str(&block.text).unwrap();
    let steps = workflow["jobs"]["deploy"]["steps"].as_array().unwrap();
    let mut steps = steps.iter();
    let step = steps.find(|step| {
        step["uses"]
            .as_str()
            .unwrap()
            .starts_with("landfall-deploy/landfall@")
    });
    let given = step.unwrap()["with"].as_object().unwrap().iter();
    let given = given.map(|(name, value)| {
        let mut text = value.as_str().unwrap().to_owned();
        while let Some((before, after)) = text.split_once("${{ ") {
            let (expression, rest) = after.split_once(" }}").unwrap();
            let value = meant.get(expression);
            let value = value.unwrap_or_else(|| panic!("nobody sets {expression:?}"));
            text = format!("{before}{value}{rest}");
        }
        (name.clone(), text)
    });
    given.collect()
}

#[test]
fn a_newcomer_who_types_what_the_pages_say_has_an_application_that_runs() {
    let slot = Slot::lease();
    leaves(&slot);
    let laptop = Laptop::new();
    let printed = laptop.types_all(&blocks::named("README.md", "$ ssh-keygen "));
    let public = printed.lines().last().unwrap();
    assert!(
        public.starts_with("ssh-ed25519 ") && public.ends_with(" landfall"),
        "{public}"
    );
    let mut server = blocks::named("README.md", "$ sudo adduser ");
    server.text = server.text.replace("ssh-ed25519 AAAA… landfall", public);
    let printed = on_the_server(&slot, &server, "sudoer");
    let keys = printed
        .lines()
        .filter(|line| line.starts_with("example.org ssh-"));
    let keys: Vec<&str> = keys.collect();
    assert!(!keys.is_empty(), "{printed}");

    // The server's name is another here, and the port.
    let (host, port) = (
        slot.fact("SSH_HOST").to_owned(),
        slot.fact("SSH_PORT").to_owned(),
    );
    let named = keys
        .join("\n")
        .replace("example.org", &format!("[{host}]:{port}"));
    laptop.write("host_key", &format!("{named}\n"));
    laptop.write(".env", "GREETING=made-up-for-this\n");
    laptop.types_all(&blocks::named("README.md", "$ gh secret set "));
    assert!(
        !laptop.path().join("deploy_key").exists(),
        "the secret lies around"
    );
    let (user, password) = (slot.fact("REGISTRY_USER"), slot.fact("REGISTRY_PASSWORD"));
    let meant = BTreeMap::from([
        (
            "secrets.DEPLOY_SSH_KEY",
            laptop.read("kept/secrets.DEPLOY_SSH_KEY"),
        ),
        (
            "vars.DEPLOY_HOST_KEY",
            laptop.read("kept/variables.DEPLOY_HOST_KEY"),
        ),
        (
            "secrets.PRODUCTION_ENV",
            laptop.read("kept/secrets.PRODUCTION_ENV"),
        ),
        ("github.sha", "v1".to_owned()),
        ("github.actor", user.to_owned()),
        ("github.token", password.to_owned()),
    ]);
    let given = inputs(&blocks::named("README.md", "on:"), &meant);

    let app = App::at(slot, USER, DIR).alone();
    let mut act = app.deploy().by_default("registry");
    for (name, value) in &given {
        act = match name.as_str() {
            "host" => act.input("host", &host).input("port", &port),
            "user" => act.input("user", &here(value)),
            "deploy_dir" => act.input("deploy_dir", &here(value)),
            "image" => act.input(
                "image",
                &value.replace("ghcr.io/owner/app", compose::BEACON),
            ),
            "files" => act.ship(value, &compose::web(&compose::beacon("latest"))),
            name => act.input(name, value),
        };
    }
    act.run().ends("deployed", 0);
    assert_eq!(app.version().as_deref(), Some("v1"));
    assert_eq!(app.read(".env"), "GREETING=made-up-for-this\n");

    let looks = blocks::named("docs/command-line.md", "$ sudo sh -c 'install ");
    let seen = on_the_server(&app.slot, &looks, USER);
    assert_eq!(seen.matches("status     healthy").count(), 2, "{seen}");
    does_what_the_text_says(&app);
    has_a_new_key(&app, &laptop);
    keeps_logs_bounded(&app);
    is_put_on_a_laptop(&app);
    leaves(&app.slot);
}

/// The commands between the lines, with a backup that is there.
#[track_caller]
fn does_what_the_text_says(app: &App) {
    let stamp = app.backup_timestamps().pop().unwrap();
    for (command, _) in INLINE.iter().filter(|(_, by)| *by == By::Test) {
        // The name of the directory is a part of the backup's.
        let command = command.replace(
            "/app-backup-20251017_143025",
            &format!("/shop-backup-{stamp}"),
        );
        let text = format!("$ {command}\n");
        let block = Block {
            page: String::new(),
            kind: "console".into(),
            text,
        };
        on_the_server(&app.slot, &block, USER);
    }
    assert_eq!(app.version().as_deref(), Some("v1"));
}

/// The key is replaced as the page says, and the old one opens nothing any more.
#[track_caller]
fn has_a_new_key(app: &App, laptop: &Laptop) {
    let block = blocks::named("docs/server.md", "$ ssh-keygen ");
    let old = laptop.read("kept/secrets.DEPLOY_SSH_KEY");
    let printed = laptop.types_all(&block);
    let public = printed.lines().last().unwrap();
    let keys = format!("/home/{USER}/.ssh/authorized_keys");
    app.slot.sh_as(
        USER,
        &format!("cat >> {keys}"),
        format!("restrict {public}\n").as_bytes(),
    );
    laptop.types_all(&blocks::named("docs/server.md", "$ gh secret set "));
    let new = laptop.read("kept/secrets.DEPLOY_SSH_KEY");
    assert_ne!(old, new);
    let asks = |key: &str| app.cli(&["backups"]).input("ssh_key", key).run();
    asks(&old).exits(0);
    asks(&new).exits(0);
    app.slot.sh_as(USER, &format!("sed -i 1d {keys}"), b"");
    asks(&new).exits(0);
    asks(&old).exits(2).says(&["does not accept the key"]);
}

/// The engine knows the driver that its configuration is to name.
#[track_caller]
fn keeps_logs_bounded(app: &App) {
    let block = blocks::named("docs/server.md", "{ \"log-driver\"");
    let read: Value = serde_json::from_str(&block.text).unwrap();
    let known = app.slot.sh("docker info --format '{{.Plugins.Log}}'");
    let mut known = known.trim_matches(['[', ']', '\n']).split(' ');
    assert!(known.any(|driver| read["log-driver"] == driver), "{read}");
    assert_eq!(read.as_object().unwrap().len(), 1);
}

/// From an image like the released one, which is not out there yet: it holds the program likewise.
#[track_caller]
fn is_put_on_a_laptop(app: &App) {
    let block = blocks::named("docs/command-line.md", "$ docker create ");
    let named = block.commands()[0]
        .split(' ')
        .next_back()
        .unwrap()
        .to_owned();
    app.slot.sh(&format!(
        "made=$(mktemp -d); mkdir -p $made/usr/local/lib/landfall
        mv /usr/local/bin/landfall $made/usr/local/lib/landfall/landfall-$(uname -m)
        tar -C $made -c usr | docker import --change 'ENTRYPOINT [\"/landfall\"]' - {named}; rm -r $made"
    ));
    on_the_server(&app.slot, &block, "deploy");
    let says = app.slot.sh_as(USER, "landfall version", b"");
    assert!(says.contains("landfall"), "{says}");
    app.slot.sh(&format!("docker rmi -f {named}"));
}
