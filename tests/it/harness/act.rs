//! One run of Landfall, started as its users start it, and what can be done while it runs.
//!
//! As the action: the environment that the GitHub runner makes, and nothing else. As the command
//! line: flags and `LANDFALL_…` variables. It refuses to know what should come of it.

mod typed;

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::app::App;
use super::done::Done;
use super::poll::{seconds, until};
use super::runner;

/// The longest that any run in these scenes may take.
const LONGEST: u64 = 240;
/// What a run answers to by its environment, so that its children can be told.
pub const MARK: &str = "LANDFALL_IT_RUN";

/// A hook that says that it is there and waits until it may go on.
const HOLD: &str = "touch /tmp/held; until [ -e /tmp/go ]; do sleep 0.05; done";

/// What the runner's event file holds.
const EVENT: &str =
    r#"{"head_commit":{"message":"Light the lamp\n\nIt was dark.","author":{"name":"Ana"}}}"#;

/// A run that has yet to be started.
#[must_use]
pub struct Act<'a> {
    app: &'a App,
    face: Face,
    inputs: BTreeMap<String, String>,
    unknown: BTreeMap<String, String>,
    runner: TempDir,
    program: PathBuf,
    /// What says which inputs that program has.
    action: PathBuf,
    /// Whether its two output streams are kept apart.
    apart: bool,
}

enum Face {
    Action,
    Post,
    Cli(Vec<String>),
}

impl<'a> Act<'a> {
    /// The action in a mode.
    pub fn action(app: &'a App, mode: &str) -> Self {
        let act = Self::new(app, Face::Action).input("mode", mode);
        if mode == "deploy" {
            return act
                .input("image", "registry.lab:5000/beacon:latest")
                .with_registry();
        }
        act
    }

    /// The operator's command line, from another machine than the server.
    pub fn cli(app: &'a App, arguments: &[&str]) -> Self {
        let arguments = arguments.iter().map(|a| (*a).to_owned()).collect();
        Self::new(app, Face::Cli(arguments))
    }

    fn new(app: &'a App, face: Face) -> Self {
        let slot = &app.slot;
        let runner = tempfile::Builder::new().prefix("it-").tempdir().unwrap();
        for directory in ["workspace", "tmp", "home", "files"] {
            std::fs::create_dir(runner.path().join(directory)).unwrap();
        }
        let act = Self {
            app,
            face,
            inputs: BTreeMap::new(),
            unknown: BTreeMap::new(),
            runner,
            program: landfall(),
            action: concat!(env!("CARGO_MANIFEST_DIR"), "/action.yml").into(),
            apart: false,
        };
        act.input("host", slot.fact("SSH_HOST"))
            .input("port", slot.fact("SSH_PORT"))
            .input("user", &app.user)
            .input("ssh_key", &slot.file("SSH_KEY"))
            .input("host_key", &slot.file("KNOWN_HOSTS"))
            .input("deploy_dir", &app.dir)
            .input("health_timeout", "20")
            .input("watch", "0")
            .input("lock_timeout", "30")
            .input("timeout", "120")
    }

    /// Sets an input.
    pub fn input(mut self, name: &str, value: &str) -> Self {
        self.inputs.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Leaves an input to its default.
    #[allow(dead_code, reason = "cells have all of theirs")]
    pub fn by_default(mut self, name: &str) -> Self {
        self.inputs.remove(name);
        self
    }

    /// Sets a variable that is no input of `action.yml`.
    pub fn variable(mut self, name: &str, value: &str) -> Self {
        self.unknown.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Runs another program than the one under test, with its own `action.yml`.
    #[allow(dead_code, reason = "fault tests have an older one")]
    pub fn program(mut self, path: &str, action: &str) -> Self {
        self.program = path.into();
        self.action = action.into();
        self
    }

    /// Asks for another image, or for what the compose file names.
    pub fn image(self, reference: &str) -> Self {
        self.input("image", reference)
    }

    /// Logs in to the slot's registry.
    pub fn with_registry(self) -> Self {
        let slot = &self.app.slot;
        let (user, password) = (slot.fact("REGISTRY_USER"), slot.fact("REGISTRY_PASSWORD"));
        self.input("registry", "registry.lab:5000")
            .input("registry_username", user)
            .input("registry_password", password)
    }

    /// Runs as the action's `post-entrypoint`, with what the main step left.
    pub fn after(mut self, main: &Done) -> Self {
        self.face = Face::Post;
        for (name, value) in runner::pairs(&main.state) {
            self = self.variable(&format!("STATE_{name}"), &value);
        }
        self
    }

    /// Puts a file into the workspace and ships it.
    pub fn ship(self, path: &str, text: &str) -> Self {
        let at = self.runner.path().join("workspace").join(path);
        std::fs::create_dir_all(at.parent().unwrap()).unwrap();
        std::fs::write(at, text).unwrap();
        let files = self.inputs.get("files").map_or("", String::as_str);
        let files = format!("{files}{path}\n");
        self.input("files", &files)
    }

    /// The same, only planned: with the same inputs and the same files in the workspace.
    #[allow(dead_code, reason = "cells plan nothing")]
    pub fn planned(&self) -> Self {
        let mut act = Self::new(self.app, Face::Action);
        act.inputs.clone_from(&self.inputs);
        act.unknown.clone_from(&self.unknown);
        let copied = Command::new("cp")
            .arg("-a")
            .arg(self.runner.path().join("workspace/."))
            .arg(act.runner.path().join("workspace"))
            .status();
        assert!(copied.unwrap().success());
        match act.inputs.get("mode").map(String::as_str) {
            Some("deploy") => act.input("mode", "plan"),
            _ => act.input("dry_run", "true"),
        }
    }

    /// Holds the run on the server between backup and switch until it is let go.
    pub fn held(self) -> Self {
        self.input("pre_deploy", HOLD)
    }

    /// Starts it, and waits until it is held there.
    #[track_caller]
    pub fn start_held(self) -> Started<'a> {
        let mut run = self.held().start();
        run.until_held();
        run
    }

    /// Runs it to its end.
    #[track_caller]
    pub fn run(self) -> Done {
        self.start().wait()
    }

    /// Starts it.
    #[track_caller]
    pub fn start(self) -> Started<'a> {
        if self.program == landfall() {
            self.app.company_among_backups();
        }
        if self
            .inputs
            .get("pre_deploy")
            .is_some_and(|hook| hook == HOLD)
        {
            self.app.slot.sh("rm -f /tmp/held /tmp/go");
        }
        let log = self.file("log");
        let printed = File::create(&log).unwrap();
        let errors = if self.apart {
            File::create(self.file("errors"))
        } else {
            printed.try_clone()
        };
        let child = self
            .command()
            .stdin(Stdio::null())
            .stdout(printed)
            .stderr(errors.unwrap())
            .spawn()
            .unwrap();
        Started {
            act: self,
            log,
            child,
            began: Instant::now(),
        }
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        if matches!(self.face, Face::Post) {
            command.arg0("/usr/local/bin/landfall-post");
        }
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("HOME", self.runner.path().join("home"))
            .env("TMPDIR", self.runner.path().join("tmp"))
            .env(MARK, self.mark())
            .envs(&self.unknown)
            .current_dir(self.runner.path().join("workspace"));
        match &self.face {
            Face::Action | Face::Post => self.as_the_runner(&mut command),
            Face::Cli(arguments) => self.as_an_operator(&mut command, arguments),
        }
        command
    }

    fn as_the_runner(&self, command: &mut Command) {
        for (name, default) in runner::inputs(&self.action) {
            let value = self.inputs.get(&name).unwrap_or(&default);
            command.env(runner::variable(&name), value);
        }
        for (variable, file) in [
            ("GITHUB_OUTPUT", "output"),
            ("GITHUB_STEP_SUMMARY", "summary"),
            ("GITHUB_STATE", "state"),
        ] {
            command.env(variable, self.empty_file(file));
        }
        let event = self.file("event.json");
        std::fs::write(&event, EVENT).unwrap();
        command
            .env("GITHUB_ACTIONS", "true")
            .env("CI", "true")
            .env("GITHUB_EVENT_PATH", event)
            .env("GITHUB_WORKSPACE", self.runner.path().join("workspace"))
            .env("GITHUB_SERVER_URL", "https://github.example")
            .env("GITHUB_REPOSITORY", "acme/beacon")
            .env("GITHUB_RUN_ID", "4711")
            .env("GITHUB_RUN_ATTEMPT", "1")
            .env("GITHUB_SHA", "0123456789abcdef0123456789abcdef01234567")
            .env("GITHUB_ACTOR", "ana")
            // What a scene says of the run goes before.
            .envs(&self.unknown);
    }

    fn as_an_operator(&self, command: &mut Command, arguments: &[String]) {
        command.args(arguments).env("USER", "ana");
        for (name, value) in &self.inputs {
            command.env(format!("LANDFALL_{}", name.to_uppercase()), value);
        }
    }

    fn mark(&self) -> String {
        self.runner.path().display().to_string()
    }

    fn file(&self, name: &str) -> PathBuf {
        self.runner.path().join("files").join(name)
    }

    fn empty_file(&self, name: &str) -> PathBuf {
        let path = self.file(name);
        std::fs::write(&path, "").unwrap();
        path
    }
}

/// The binary under test; a static build may be named instead of the one that cargo made.
pub fn landfall() -> PathBuf {
    let built = || env!("CARGO_BIN_EXE_landfall").into();
    std::env::var_os("LANDFALL_BIN")
        .unwrap_or_else(built)
        .into()
}

/// A run at work.
pub struct Started<'a> {
    act: Act<'a>,
    log: PathBuf,
    child: Child,
    began: Instant,
}

impl Started<'_> {
    /// What it has printed so far.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).unwrap()).into_owned()
    }

    /// Waits until it has printed a text.
    #[track_caller]
    pub fn until_it_says(&mut self, text: &str, within: Duration) {
        until(format!("the words {text:?}"), within, || {
            let says = self.log().contains(text);
            let over = self.child.try_wait().unwrap().is_some();
            assert!(
                says || !over,
                "it ended without the words {text:?}:\n{}",
                self.log()
            );
            says.then_some(())
        });
    }

    /// Waits until a run that is to be held is held.
    #[track_caller]
    fn until_held(&mut self) {
        let slot = &self.act.app.slot;
        until("the run to be held", seconds(60), || {
            let over = self.child.try_wait().unwrap().is_some();
            assert!(!over, "it ended before it was held:\n{}", self.log());
            slot.try_sh_as("root", "test -e /tmp/held", b"")
                .status
                .success()
                .then_some(())
        });
    }

    /// Lets a held run go on.
    #[track_caller]
    pub fn let_go(&self) {
        self.act.app.slot.sh("touch /tmp/go");
    }

    /// Says whether it has ended.
    #[allow(dead_code, reason = "fault tests ask")]
    pub fn is_over(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// The processes on this machine that it started and that live, by their arguments.
    #[allow(dead_code, reason = "fault tests kill them")]
    pub fn children(&self) -> Vec<(u32, String)> {
        let own = self.child.id();
        let mut all = processes(&self.act.mark());
        all.retain(|(pid, _)| *pid != own);
        all
    }

    /// Sends it a signal, such as `TERM`.
    #[track_caller]
    pub fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill")
            .args([&format!("-{name}"), &pid])
            .status();
        assert!(sent.unwrap().success());
    }

    /// Waits for its end.
    #[track_caller]
    pub fn wait(mut self) -> Done {
        let status = until("Landfall to end", seconds(LONGEST), || {
            let ended = self.child.try_wait().unwrap();
            if ended.is_none() && self.began.elapsed() > seconds(LONGEST - 5) {
                let _ = self.child.kill();
                self.act.app.logs.borrow_mut().push(self.log());
            }
            ended
        });
        let log = self.log();
        self.act.app.logs.borrow_mut().push(log.clone());
        let read = |name| std::fs::read_to_string(self.act.file(name)).unwrap_or_default();
        let outputs = self.act.file("output");
        Done {
            code: status.code(),
            outputs: if outputs.exists() {
                runner::outputs(&outputs)
            } else {
                BTreeMap::new()
            },
            log,
            errors: read("errors"),
            summary: read("summary"),
            state: read("state"),
            took: self.began.elapsed(),
            leftovers: self.act.leftovers(),
        }
    }
}

impl Act<'_> {
    /// What a run left on this machine: processes, temporary files, files in its home.
    fn leftovers(&self) -> Vec<String> {
        let lingering = processes(&self.mark()).into_iter();
        let mut left: Vec<String> = lingering.map(|(_, arguments)| arguments).collect();
        for place in ["tmp", "home"] {
            let entries = std::fs::read_dir(self.runner.path().join(place)).unwrap();
            left.extend(entries.map(|e| e.unwrap().path().display().to_string()));
        }
        left.extend(abandoned_connections(&self.inputs["port"]));
        left
    }
}

/// Directories of connections to a port whose owner is gone: nobody holds the lock in them.
fn abandoned_connections(port: &str) -> Vec<String> {
    let entries = std::fs::read_dir("/dev/shm")
        .into_iter()
        .flatten()
        .flatten();
    let line = format!("Port {port}\n");
    let ours = entries.map(|e| e.path()).filter(|path| {
        let config = std::fs::read_to_string(path.join("config")).unwrap_or_default();
        config.contains(&line)
            && File::open(path.join("in-use")).is_ok_and(|f| f.try_lock_shared().is_ok())
    });
    ours.map(|path| path.display().to_string()).collect()
}

/// The processes that inherited a run's mark, with their arguments.
fn processes(mark: &str) -> Vec<(u32, String)> {
    let own = format!("{MARK}={mark}");
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let marked = entries.map(|e| e.path()).filter(|path| {
        let environment = std::fs::read(path.join("environ")).unwrap_or_default();
        environment
            .split(|b| *b == 0)
            .any(|variable| variable == own.as_bytes())
    });
    let pid = |path: &Path| path.file_name()?.to_str()?.parse().ok();
    marked
        .filter_map(|path| Some((pid(&path)?, arguments(&path))))
        .collect()
}

fn arguments(process: &Path) -> String {
    let raw = std::fs::read(process.join("cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&raw).replace('\0', " ")
}
