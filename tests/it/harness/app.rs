//! An application on a leased server: its directory, and the ways to deploy it.
//!
//! When a scene fails, it shows what Landfall printed and what is on the server. It refuses to
//! know what should come of a deployment.

use std::cell::RefCell;

use serde_json::Value;

use super::act::{Act, Started};
use super::company::Company;
use super::compose;
use super::done::Done;
use super::http;
use super::oracle::Release;
use super::poll::{seconds, until};
use super::slot::Slot;

/// An application's directory on a slot.
pub struct App {
    pub slot: Slot,
    /// Who logs in.
    pub user: String,
    /// The deploy directory.
    pub dir: String,
    /// What every run of Landfall has printed.
    pub logs: RefCell<Vec<String>>,
    /// Who shares the directory.
    pub company: RefCell<Company>,
}

impl App {
    /// An empty directory `/srv/app` on any main slot, owned by `deploy`.
    #[track_caller]
    pub fn empty() -> Self {
        Self::at(Slot::lease(), "deploy", "/srv/app")
    }

    /// One service `web` of `beacon:latest`, not running yet.
    #[track_caller]
    pub fn beacon() -> Self {
        Self::beacon_on(Slot::lease())
    }

    /// The same on a slot of one's choice.
    #[track_caller]
    pub fn beacon_on(slot: Slot) -> Self {
        let app = Self::at(slot, "deploy", "/srv/app");
        app.furnish(&compose::web(&compose::beacon("latest")));
        app
    }

    /// `beacon:latest`, deployed in a good version.
    #[track_caller]
    pub fn running(version: &str) -> Self {
        let app = Self::beacon();
        app.ships(version);
        app
    }

    /// An empty directory of a user's own.
    #[track_caller]
    pub fn at(slot: Slot, user: &str, dir: &str) -> Self {
        let make = format!("install -d -o {user} -g {user} -m 755 {dir}");
        Self {
            slot,
            user: user.to_owned(),
            dir: dir.to_owned(),
            logs: RefCell::default(),
            company: RefCell::default(),
        }
        .with_company(&make)
    }

    /// A compose file, a configuration file and a data directory.
    #[track_caller]
    pub fn furnish(&self, compose: &str) {
        self.put("compose.yaml", compose);
        self.put("config/beacon.conf", "lamp = white\n");
        self.put("data/kept", "by the application\n");
    }

    /// Says whether the deploy directory's path leads anywhere.
    #[allow(dead_code, reason = "for cells in which somebody moves it away")]
    pub fn is_there(&self) -> bool {
        let look = format!("[ -d {} ]", self.dir);
        self.slot.try_sh_as("root", &look, b"").status.success()
    }

    /// The default backup directory.
    pub fn backups(&self) -> String {
        format!("{}-backups", self.dir)
    }

    /// Writes a file into the deploy directory, as its owner would.
    #[track_caller]
    pub fn put(&self, path: &str, text: &str) {
        let path = format!("{}/{path}", self.dir);
        let script = format!("mkdir -p \"$(dirname {path})\" && cat > {path}");
        self.slot.sh_as(&self.user, &script, text.as_bytes());
    }

    /// Runs a script in the deploy directory, as its owner would; what it printed.
    #[track_caller]
    pub fn by_hand(&self, script: &str) -> String {
        let script = format!("cd {}\n{script}", self.dir);
        self.slot.sh_as(&self.user, &script, b"")
    }

    /// Moves `beacon:latest` in the registry.
    #[track_caller]
    pub fn latest(&self, version: &str) {
        self.slot.tag(version, "latest");
    }

    /// Moves `beacon:latest` and deploys, which must work; the deployment's backup, if it has one.
    #[track_caller]
    pub fn ships(&self, version: &str) -> String {
        self.latest(version);
        let done = self.deploy().run();
        done.ends("deployed", 0);
        assert_eq!(self.version().as_deref(), Some(version));
        done.output("backup_timestamp").to_owned()
    }

    /// A deployment with the action, not yet started.
    pub fn deploy(&self) -> Act<'_> {
        Act::action(self, "deploy")
    }

    /// A rollback to `latest` with the action, not yet started.
    pub fn rollback(&self) -> Act<'_> {
        Act::action(self, "rollback")
    }

    /// A command of the operator's command line, not yet started.
    pub fn cli(&self, arguments: &[&str]) -> Act<'_> {
        Act::cli(self, arguments)
    }

    /// A deployment of v2 with another configuration, held between its backup and its switch.
    #[track_caller]
    pub fn held_upgrade(&self) -> Started<'_> {
        self.latest("v2");
        let act = self.deploy().ship("config/beacon.conf", "lamp = red\n");
        act.start_held()
    }

    /// A recovery by hand must find nothing.
    #[track_caller]
    pub fn nothing_to_settle(&self) {
        let recovery = self.cli(&["recover"]).run();
        recovery.exits(0).says(&["Nothing was left"]);
    }

    /// What a deployment of v2 over v1 left whose runner and agent were killed between backup and
    /// switch; the release before it, and what the runner said.
    #[track_caller]
    pub fn left_by_the_dead() -> (Self, Release, Done) {
        let app = Self::running("v1");
        let before = app.release();
        let run = app.held_upgrade();
        run.signal("KILL");
        app.signal_the_agent("KILL");
        let done = run.wait();
        (app, before, done)
    }

    /// Sends the agent on the server a signal, such as `KILL`.
    #[track_caller]
    pub fn signal_the_agent(&self, signal: &str) {
        let script = format!(
            "for p in /proc/[0-9]*; do
                tr '\\0' ' ' < $p/cmdline 2>/dev/null | grep -q '^[^ ]*landfall-[0-9a-f]* agent run' || continue
                kill -{signal} ${{p#/proc/}} && echo sent
            done; true"
        );
        assert!(self.slot.sh(&script).contains("sent"), "there is no agent");
    }

    /// What the application says about itself on a port of the server.
    pub fn identity(&self, port: u16) -> Option<Value> {
        let here = self.slot.fact(&format!("APP_PORT_{port}")).parse().unwrap();
        let (status, body) = http::get(here, "/version")?;
        (status == 200).then(|| serde_json::from_str(&body).unwrap())
    }

    /// Which version answers on port 8000.
    pub fn version(&self) -> Option<String> {
        self.version_on(8000)
    }

    /// Waits until a version answers on port 8000: Docker and Compose call a container started
    /// before the application in it listens.
    #[track_caller]
    pub fn comes_to_answer(&self, version: &str) {
        until(format!("{version} to answer"), seconds(20), || {
            (self.version().as_deref() == Some(version)).then_some(())
        });
    }

    /// Which version answers on another port.
    pub fn version_on(&self, port: u16) -> Option<String> {
        Some(self.identity(port)?["version"].as_str()?.to_owned())
    }

    /// The configuration file as the container sees it.
    pub fn config_seen(&self) -> Option<String> {
        Some(self.identity(8000)?["config"].as_str()?.to_owned())
    }
}

impl Drop for App {
    #[allow(
        clippy::print_stderr,
        reason = "a failed scene has to show what happened"
    )]
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let wrong = self.trespasses_on_company();
            assert!(
                wrong.is_empty(),
                "TRESPASSED below {}: {wrong:#?}",
                self.dir
            );
            return;
        }
        for (number, log) in self.logs.borrow().iter().enumerate() {
            eprintln!("---- run {} of Landfall\n{log}", number + 1);
        }
        let ps = self
            .slot
            .try_sh_as("root", "docker ps -a --no-trunc; ls -la /srv /srv/*", b"");
        eprintln!("---- the server\n{}", String::from_utf8_lossy(&ps.stdout));
    }
}
