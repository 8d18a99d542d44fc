//! Commands as values: built and tested as text, run at the edge, ended with all their children.
//!
//! It refuses to know what any command is for.

use std::ffi::OsStr;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::Child;

use crate::event::{Failure, FailureKind};
use crate::host::{Lines, Result};

/// The only variables that a command inherits: an operator's shell must not decide a deployment.
const INHERITED: [&str; 12] = [
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "LANG",
    "TMPDIR",
    "XDG_RUNTIME_DIR",
    "DOCKER_HOST",
    "DOCKER_CONFIG",
    "DOCKER_CONTEXT",
    "DOCKER_CERT_PATH",
    "DOCKER_TLS_VERIFY",
];

/// How many lines of a command's output its failure quotes.
const QUOTED: usize = 12;

/// An argument vector, where it runs and for how long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cmd {
    argv: Vec<String>,
    dir: Option<PathBuf>,
    env: Vec<(String, String)>,
    deadline: Duration,
}

/// What a command left behind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Output {
    /// Whole standard output.
    pub stdout: String,
    /// Whole standard error.
    pub stderr: String,
}

impl Cmd {
    /// A command with a deadline of a minute.
    #[must_use]
    pub fn new(program: &str) -> Self {
        Self {
            argv: vec![program.to_owned()],
            dir: None,
            env: Vec::new(),
            deadline: Duration::from_mins(1),
        }
    }

    /// One more argument.
    #[must_use]
    pub fn arg(mut self, arg: impl Into<String>) -> Self {
        self.argv.push(arg.into());
        self
    }

    /// More arguments.
    #[must_use]
    pub fn args<S: Into<String>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.argv.extend(args.into_iter().map(Into::into));
        self
    }

    /// The directory it runs in.
    #[must_use]
    pub fn dir(mut self, dir: &Path) -> Self {
        self.dir = Some(dir.to_owned());
        self
    }

    /// One more environment variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// How long it may take.
    #[must_use]
    pub fn within(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// The argument vector.
    #[must_use]
    pub fn argv(&self) -> &[String] {
        &self.argv
    }

    /// Runs it to its end; a non-zero exit is a failure that quotes what it printed last.
    pub async fn run(&self) -> Result<Output> {
        self.run_telling(&|_| {}).await
    }

    /// Runs it and hands each line of its output on while it works.
    pub async fn run_telling(&self, lines: Lines<'_>) -> Result<Output> {
        let mut child = self.spawn()?;
        let guard = Group::of(&child);
        let (out, err) = (child.stdout.take(), child.stderr.take());
        let work = async { tokio::join!(collect(out, lines), collect(err, lines), child.wait()) };
        let Ok((stdout, stderr, status)) = tokio::time::timeout(self.deadline, work).await else {
            drop(guard);
            return Err(self.too_slow());
        };
        guard.release();
        let output = Output { stdout, stderr };
        match status {
            Ok(status) if status.success() => Ok(output),
            Ok(status) => Err(self.failed(&status.to_string(), &output)),
            Err(e) => Err(Failure::new(format!("cannot wait for `{self}`")).because(e)),
        }
    }

    fn spawn(&self) -> Result<Child> {
        let mut command = tokio::process::Command::new(OsStr::new(&self.argv[0]));
        command
            .args(&self.argv[1..])
            .env_clear()
            .envs(
                INHERITED
                    .iter()
                    .filter_map(|n| Some((n, std::env::var_os(n)?))),
            )
            .envs(self.env.iter().map(|(n, v)| (n, v)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true);
        if let Some(dir) = &self.dir {
            command.current_dir(dir).env("PWD", dir);
        }
        command
            .spawn()
            .map_err(|e| Failure::new(format!("cannot start `{self}`")).because(e))
    }

    fn failed(&self, status: &str, output: &Output) -> Failure {
        let mut failure = Failure::new(format!("`{self}` failed ({status})"));
        let text = if output.stderr.trim().is_empty() {
            &output.stdout
        } else {
            &output.stderr
        };
        let lines: Vec<&str> = text.lines().filter(|l| !l.trim().is_empty()).collect();
        let skipped = lines.len().saturating_sub(QUOTED);
        failure.because = lines[skipped..]
            .iter()
            .map(|l| l.trim().to_owned())
            .collect();
        failure
    }

    fn too_slow(&self) -> Failure {
        Failure::new(format!(
            "`{self}` did not end within {} s and was stopped",
            self.deadline.as_secs()
        ))
        .of(FailureKind::TimedOut)
    }
}

impl fmt::Display for Cmd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.argv.join(" "))
    }
}

async fn collect(stream: Option<impl AsyncRead + Unpin>, lines: Lines<'_>) -> String {
    let mut text = String::new();
    let Some(stream) = stream else { return text };
    let mut reader = BufReader::new(stream);
    let mut line = Vec::new();
    while matches!(reader.read_until(b'\n', &mut line).await, Ok(n) if n > 0) {
        let shown = String::from_utf8_lossy(&line);
        lines(shown.trim_end());
        text.push_str(&shown);
        line.clear();
    }
    text
}

/// A process group that is ended when its holder goes away early.
struct Group(Option<Pid>);

impl Group {
    fn of(child: &Child) -> Self {
        let id = child.id().and_then(|id| i32::try_from(id).ok());
        Self(id.and_then(Pid::from_raw))
    }

    fn release(mut self) {
        self.0 = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(pid) = self.0 {
            let _ = kill_process_group(pid, Signal::KILL);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[tokio::test(flavor = "current_thread")]
    async fn a_failing_command_quotes_what_it_printed_last() {
        let failure = Cmd::new("sh")
            .args(["-c", "echo fine; echo broken >&2; exit 3"])
            .run()
            .await
            .unwrap_err();
        assert!(
            failure.what.ends_with("failed (exit status: 3)"),
            "{failure}"
        );
        assert_eq!(failure.because, ["broken"]);
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_command_past_its_deadline_ends_with_its_children() {
        let dir = tempfile::tempdir().unwrap();
        let mark = dir.path().join("pid");
        let script = format!("sleep 60 & echo $! > {}; wait", mark.display());
        let failure = Cmd::new("sh")
            .args(["-c", &script])
            .within(Duration::from_millis(400))
            .run()
            .await
            .unwrap_err();
        assert_eq!(failure.kind, FailureKind::TimedOut);
        let pid = std::fs::read_to_string(mark).unwrap().trim().to_owned();
        let gone = || {
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"));
            stat.map_or(true, |s| s.contains(") Z "))
        };
        for _ in 0..200 {
            if gone() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("the child {pid} lives on");
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_command_sees_no_variable_of_the_operators_shell() {
        let output = Cmd::new("env").env("GIVEN", "yes").run().await.unwrap();
        assert!(output.stdout.contains("GIVEN=yes"));
        assert!(!output.stdout.contains("CARGO_MANIFEST_DIR"));
    }
}
