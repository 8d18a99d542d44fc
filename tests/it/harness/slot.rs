//! One server of the laboratory, for one test at a time.
//!
//! A slot is leased through a lock on a file, so that threads of this process and other processes
//! on the machine keep out of each other's way. It refuses to know what is deployed there.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Write;
use std::process::{Command, Output, Stdio};
use std::sync::Mutex;

use super::inside::Inside;
use super::neighbours::Neighbours;
use super::poll::{seconds, until};

/// The laboratory's front door.
const LAB: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/lab/lab");
/// Which slots there are, unless `LANDFALL_LAB_SLOTS` says otherwise.
const SLOTS: &str = "one two";
/// The longest that a test waits for a server of its own.
const PATIENCE: u64 = 25 * 60;

/// Slots that this process has brought up.
static UP: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// A leased slot, empty at the beginning but for its neighbours; dropping it looks whether they are
/// as they were, and lets the next test in.
pub struct Slot {
    name: String,
    env: BTreeMap<String, String>,
    inside: Inside,
    /// The neighbours as they have to stay.
    pub neighbours: RefCell<Option<Neighbours>>,
    /// What else has to stay so, by names that the engine knows.
    pub guarded: RefCell<BTreeSet<String>>,
    _lock: File,
}

impl Slot {
    /// Leases any of the main slots.
    #[track_caller]
    pub fn lease() -> Self {
        let names = std::env::var("LANDFALL_LAB_SLOTS").unwrap_or_else(|_| SLOTS.into());
        let names: Vec<&str> = names.split_whitespace().collect();
        Self::lease_one_of(&names, "main")
    }

    /// Leases the slot of another variant: `newest`, `compose1` or `systemd`, which are also their
    /// names, unless `LANDFALL_LAB_SLOT_SYSTEMD` (and so on) says otherwise.
    #[track_caller]
    pub fn lease_variant(variant: &str) -> Self {
        let named = format!("LANDFALL_LAB_SLOT_{}", variant.to_uppercase());
        let name = std::env::var(named).unwrap_or_else(|_| variant.to_owned());
        Self::lease_one_of(&[&name], variant)
    }

    #[track_caller]
    fn lease_one_of(names: &[&str], variant: &str) -> Self {
        let (name, lock) = until(
            format!("one of the slots {names:?}"),
            seconds(PATIENCE),
            || names.iter().find_map(|name| Some((*name, try_lock(name)?))),
        );
        bring_up(name, variant);
        lab(&["reset", name]);
        let env = lab(&["env", name]);
        let env = env.lines().filter_map(|line| line.split_once('='));
        let env: BTreeMap<String, String> =
            env.map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
        let slot = Self {
            name: name.to_owned(),
            inside: Inside::new(&env["LAB_SERVER"], name),
            env,
            neighbours: RefCell::default(),
            guarded: RefCell::default(),
            _lock: lock,
        };
        slot.meet_the_neighbours();
        slot
    }

    /// A fact of `lab env`, without its `LAB_`.
    #[track_caller]
    pub fn fact(&self, key: &str) -> &str {
        let fact = self.env.get(&format!("LAB_{key}"));
        fact.unwrap_or_else(|| panic!("`lab env {}` says no LAB_{key}", self.name))
    }

    /// The content of a file that `lab env` names.
    #[track_caller]
    pub fn file(&self, key: &str) -> String {
        std::fs::read_to_string(self.fact(key)).unwrap()
    }

    /// Runs `lab VERB SLOT ARGUMENTS…`.
    #[track_caller]
    pub fn lab(&self, verb: &str, arguments: &[&str]) -> String {
        lab(&[&[verb, &self.name], arguments].concat())
    }

    /// Runs a shell script as root on the server; panics unless it exits 0.
    #[track_caller]
    pub fn sh(&self, script: &str) -> String {
        self.sh_as("root", script, b"")
    }

    /// The same as another user, with something on stdin.
    #[track_caller]
    pub fn sh_as(&self, user: &str, script: &str, stdin: &[u8]) -> String {
        let output = self.try_sh_as(user, script, stdin);
        assert!(
            output.status.success(),
            "`{script}` as {user} on {}: {}\n{}",
            self.name,
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// The same, whatever it exits with.
    pub fn try_sh_as(&self, user: &str, script: &str, stdin: &[u8]) -> Output {
        let mut child = self
            .command(user, &["sh", "-ec", script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // A script that reads nothing may have ended by now.
        let _ = child.stdin.take().unwrap().write_all(stdin);
        child.wait_with_output().unwrap()
    }

    /// A command on the server that has yet to be started.
    pub fn command(&self, user: &str, argv: &[&str]) -> Command {
        self.inside.command(user, argv)
    }

    /// Moves a tag in the slot's registry, such as `v2` to `latest`.
    #[track_caller]
    pub fn tag(&self, from: &str, to: &str) {
        self.lab("tag", &[&format!("beacon:{from}"), &format!("beacon:{to}")]);
    }

    /// The digest that the registry has for a tag, as a client is told it.
    #[track_caller]
    pub fn registry_digest(&self, tag: &str) -> String {
        let at = self.fact("REGISTRY_ON_HOST");
        let output = Command::new("skopeo")
            .args(["inspect", "--tls-verify=false", "--format", "{{.Digest}}"])
            .args(["--authfile", self.fact("REGISTRY_AUTHFILE")])
            .arg(format!("docker://{at}/beacon:{tag}"))
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// Switches on what a scene left off, the server or its engine: who lives there is asked at home.
    #[track_caller]
    pub fn comes_back(&self) {
        let asked = self.try_sh_as("root", "docker version", b"");
        if !asked.status.success() {
            self.lab("server", &["start"]);
            self.lab("dockerd", &["start"]);
        }
    }

    /// Says whether the server can talk to its registry.
    pub fn reaches_registry(&self) -> bool {
        let ask = "curl -s -o /dev/null --max-time 2 http://registry.lab:5000/v2/";
        self.try_sh_as("root", ask, b"").status.success()
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        self.comes_back();
        let wrong = self.trespasses();
        assert!(wrong.is_empty(), "TRESPASSED on {}: {wrong:#?}", self.name);
    }
}

/// The lock that makes a slot one test's own, if it is free.
fn try_lock(name: &str) -> Option<File> {
    let file = File::create(format!("/run/lock/landfall-it-{name}.lock")).unwrap();
    file.try_lock().ok().map(|()| file)
}

#[track_caller]
fn bring_up(name: &str, variant: &str) {
    if !UP.lock().unwrap().contains(name) {
        lab(&["up", name, variant]);
        UP.lock().unwrap().insert(name.to_owned());
    }
}

#[track_caller]
fn lab(arguments: &[&str]) -> String {
    let output = Command::new(LAB)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "`lab {}`: {}\n{}",
        arguments.join(" "),
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}
