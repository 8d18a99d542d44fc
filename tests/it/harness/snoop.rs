//! Watches while a run goes on: what clients see, and what everybody on the server may read.
//!
//! It refuses to judge what it saw.

use std::io::Read;
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::app::App;
use super::http;

/// Asks the application again and again.
pub struct Client {
    stop: Arc<AtomicBool>,
    task: JoinHandle<Vec<Option<String>>>,
}

impl Client {
    /// Begins to ask `/version` on port 8000.
    pub fn of(app: &App) -> Self {
        let port = app.slot.fact("APP_PORT_8000").parse().unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let ends = Arc::clone(&stop);
        let task = thread::spawn(move || {
            let mut answers = Vec::new();
            while !ends.load(Ordering::Relaxed) {
                answers.push(version(port));
                thread::sleep(Duration::from_millis(20));
            }
            answers
        });
        Self { stop, task }
    }

    /// The version that each answer named, in order; nothing where there was no answer.
    pub fn answers(self) -> Vec<Option<String>> {
        self.stop.store(true, Ordering::Relaxed);
        self.task.join().unwrap()
    }

    /// Must have been answered, and never by this version.
    #[track_caller]
    pub fn never_saw(self, version: &str) {
        let answers = self.answers();
        assert!(answers.iter().any(Option::is_some), "nothing ever answered");
        let hit = answers.iter().flatten().any(|seen| seen == version);
        assert!(!hit, "`{version}` served a client");
    }

    /// Must have been answered every time.
    #[track_caller]
    pub fn never_waited(self) {
        let answers = self.answers();
        let missed = answers.iter().filter(|a| a.is_none()).count();
        assert_eq!(
            missed,
            0,
            "of {} requests, {missed} were not answered",
            answers.len()
        );
    }
}

fn version(port: u16) -> Option<String> {
    let (_, body) = http::get(port, "/version")?;
    let identity: serde_json::Value = serde_json::from_str(&body).ok()?;
    Some(identity["version"].as_str()?.to_owned())
}

/// Reads the arguments and the environment of every process on the server, again and again.
pub struct Bystander {
    child: Child,
    read: JoinHandle<String>,
}

impl Bystander {
    /// Begins to read.
    pub fn on(app: &App) -> Self {
        app.slot.sh("rm -f /tmp/seen-enough");
        let script = "echo watching
            until [ -e /tmp/seen-enough ]; do
                cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null | tr '\\0' ' '
            done";
        let mut child = app
            .slot
            .command("root", &["sh", "-c", script])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut stdout = child.stdout.take().unwrap();
        let read = thread::spawn(move || {
            let mut all = Vec::new();
            stdout.read_to_end(&mut all).unwrap();
            String::from_utf8_lossy(&all).into_owned()
        });
        Self { child, read }
    }

    /// Everything that was read.
    pub fn saw(mut self, app: &App) -> String {
        app.slot.sh("touch /tmp/seen-enough");
        self.child.wait().unwrap();
        self.read.join().unwrap()
    }
}
