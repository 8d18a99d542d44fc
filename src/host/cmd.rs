//! Commands as values: built and tested as text, run at the edge, ended with all their children.
//!
//! It refuses to know what any command is for.

mod group;
pub mod umask;

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::ffi::OsStr;
use std::fmt;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::Child;

pub use group::{end_noted, note_in};

use crate::host::endpoint;
use crate::host::lines::Line;
use crate::words::event::{Failure, FailureKind};
use crate::words::{Lines, Result};
use group::Group;

/// The only variables that a command inherits: an operator's shell must not decide a deployment.
pub const INHERITED: [&str; 12] = [
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
/// How much of a stream's end is kept.
const KEPT: usize = 64 * 1024;
/// How many lines a command may tell.
const TOLD: usize = 5000;
/// How long the pipes of an ended command are still read: a child of it may hold them open.
const LINGER: Duration = Duration::from_secs(1);

/// An argument vector, where it runs and for how long.
#[derive(Debug, Clone)]
pub struct Cmd {
    argv: Vec<String>,
    shown: Option<(usize, &'static str)>,
    dir: Option<PathBuf>,
    env: Vec<(String, String)>,
    deadline: Duration,
    stdin: Option<Arc<File>>,
    whole: Option<usize>,
    whose: Whose,
}

/// Whose a command is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Whose {
    /// Landfall's: what it makes is for nobody else.
    Ours,
    /// The user's: what it makes is as if the user had typed it.
    Users,
}

/// What a command left behind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Output {
    /// The end of standard output; all of it where [`Cmd::whole`] asks for that.
    pub stdout: String,
    /// The end of standard error.
    pub stderr: String,
}

impl Cmd {
    /// A command with a deadline of a minute.
    #[must_use]
    pub fn new(program: &str) -> Self {
        Self {
            argv: vec![program.to_owned()],
            shown: None,
            dir: None,
            env: Vec::new(),
            deadline: Duration::from_mins(1),
            stdin: None,
            whole: None,
            whose: Whose::Ours,
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

    /// Shows its words so far as these, which a person would type.
    #[must_use]
    pub fn shown_as(mut self, words: &'static str) -> Self {
        self.shown = Some((self.argv.len(), words));
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

    /// What it reads, from where the file stands.
    #[must_use]
    pub fn stdin(mut self, file: File) -> Self {
        self.stdin = Some(Arc::new(file));
        self
    }

    /// Keeps all of standard output, which is an answer and no message: more than `most` bytes are
    /// a failure, and no failure quotes any of it.
    #[must_use]
    pub fn whole(mut self, most: usize) -> Self {
        self.whole = Some(most);
        self
    }

    /// Runs it with the umask that the login had: it is the user's own, and what it makes may be
    /// for other users, such as those of containers.
    #[must_use]
    pub fn as_by_hand(mut self) -> Self {
        self.whose = Whose::Users;
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
        fault!("command.spawn.before", crate::fault::verb(&self.argv));
        let mut child = self.spawn()?;
        let guard = Group::of(&child);
        fault!("command.spawned", crate::fault::verb(&self.argv));
        let told = Told {
            lines,
            left: Cell::new(TOLD),
        };
        let out = Stream::keeping(self.whole.map_or(KEPT, |most| most + 1));
        let err = Stream::keeping(KEPT);
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let read = async { tokio::join!(out.read(stdout, &told), err.read(stderr, &told)) };
        let work = async {
            tokio::pin!(read);
            let (status, over) = tokio::select! {
                status = child.wait() => (status, false),
                _ = &mut read => (child.wait().await, true),
            };
            if !over {
                let _ = tokio::time::timeout(LINGER, read).await;
            }
            status
        };
        let Ok(status) = tokio::time::timeout(self.deadline, work).await else {
            drop(guard);
            return Err(self.too_slow());
        };
        guard.release();
        fault!("command.ended", crate::fault::verb(&self.argv));
        let output = Output {
            stdout: out.text(),
            stderr: err.text(),
        };
        match status {
            Ok(status) if status.success() => self.refuse_excess(output),
            Ok(status) => Err(self.failed(&status.to_string(), &output)),
            Err(e) => Err(Failure::new(format!("cannot wait for `{self}`")).because(e)),
        }
    }

    fn refuse_excess(&self, output: Output) -> Result<Output> {
        match self.whole {
            Some(most) if output.stdout.len() > most => Err(Failure::new(format!(
                "`{self}` printed more than {most} bytes, which is more than can be read"
            ))),
            _ => Ok(output),
        }
    }

    fn spawn(&self) -> Result<Child> {
        let argv = match self.whose {
            Whose::Ours => self.argv.clone(),
            Whose::Users => umask::as_by_hand(&self.argv),
        };
        let argv = group::leading(&argv);
        let pinned = endpoint::pinned();
        let mut command = tokio::process::Command::new(OsStr::new(&argv[0]));
        command
            .args(&argv[1..])
            .env_clear()
            .envs(
                INHERITED
                    .iter()
                    .filter(|name| pinned.is_none() || !endpoint::decides(name))
                    .filter_map(|n| Some((n, std::env::var_os(n)?))),
            )
            .envs(pinned)
            .envs(self.env.iter().map(|(n, v)| (n, v)))
            .stdin(self.input()?)
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

    fn input(&self) -> Result<Stdio> {
        match &self.stdin {
            None => Ok(Stdio::null()),
            Some(file) => Ok(file.try_clone()?.into()),
        }
    }

    fn failed(&self, status: &str, output: &Output) -> Failure {
        let mut failure = Failure::new(format!("`{self}` failed ({status})"));
        let text = if output.stderr.trim().is_empty() && self.whole.is_none() {
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
        let Some((count, words)) = self.shown else {
            return f.write_str(&self.argv.join(" "));
        };
        f.write_str(words)?;
        let rest = self.argv.iter().skip(count);
        rest.into_iter().try_for_each(|word| write!(f, " {word}"))
    }
}

/// Where lines are told, and how many still may be.
struct Told<'a> {
    lines: Lines<'a>,
    left: Cell<usize>,
}

impl Told<'_> {
    fn tell(&self, line: &str) {
        let left = self.left.get();
        if left == 0 {
            return;
        }
        self.left.set(left - 1);
        (self.lines)(line);
        if left == 1 {
            (self.lines)("\u{2026} further output is not kept");
        }
    }
}

/// What is kept of a stream.
struct Stream {
    kept: RefCell<VecDeque<u8>>,
    most: usize,
}

impl Stream {
    fn keeping(most: usize) -> Self {
        Self {
            kept: RefCell::default(),
            most,
        }
    }

    /// Reads a stream to its end, and tells each line, cut where it is too long.
    async fn read(&self, stream: Option<impl AsyncRead + Unpin>, told: &Told<'_>) {
        let Some(mut stream) = stream else { return };
        let mut buffer = vec![0; 8 * 1024];
        let mut line = Line::default();
        while let Ok(read) = stream.read(&mut buffer).await
            && read > 0
        {
            self.keep(&buffer[..read]);
            line.read(&buffer[..read], |line| told.tell(&line));
        }
        if let Some(line) = line.rest() {
            told.tell(&line);
        }
    }

    fn keep(&self, bytes: &[u8]) {
        let mut kept = self.kept.borrow_mut();
        kept.extend(bytes);
        let excess = kept.len().saturating_sub(self.most);
        kept.drain(..excess);
    }

    fn text(&self) -> String {
        let kept = std::mem::take(&mut *self.kept.borrow_mut());
        String::from_utf8_lossy(&Vec::from(kept)).into_owned()
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

    async fn shell(script: &str, cmd: impl Fn(Cmd) -> Cmd) -> (Result<Output>, Vec<String>) {
        let lines = RefCell::new(Vec::new());
        let cmd = cmd(Cmd::new("sh").args(["-c", script]));
        let output = cmd
            .run_telling(&|line| lines.borrow_mut().push(line.to_owned()))
            .await;
        (output, lines.into_inner())
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_background_child_that_holds_the_pipes_keeps_nobody_waiting_and_lives_on() {
        let started = std::time::Instant::now();
        let (output, lines) = shell("sleep 30 & echo $!", |cmd| cmd).await;
        assert!(started.elapsed() < Duration::from_secs(10));
        assert_eq!(output.unwrap().stdout.trim(), lines[0]);
        let pid = rustix::process::Pid::from_raw(lines[0].parse().unwrap()).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    }

    #[tokio::test(flavor = "current_thread")]
    async fn endless_output_is_cut_by_line_by_count_and_by_size() {
        let script = "head -c 300000 /dev/zero | tr '\\0' x; echo; seq 1 9000";
        let (output, lines) = shell(script, |cmd| cmd).await;
        assert!(
            lines[0].ends_with("x… (234465 more bytes)"),
            "{}",
            lines[0].len()
        );
        assert_eq!(lines.len(), TOLD + 1);
        assert_eq!(lines[TOLD], "\u{2026} further output is not kept");
        let stdout = output.unwrap().stdout;
        assert!(stdout.len() <= KEPT && stdout.ends_with("9000\n"));
    }

    #[tokio::test(flavor = "current_thread")]
    async fn an_answer_is_whole_or_a_failure_that_quotes_none_of_it() {
        let answer = "head -c 100000 /dev/zero | tr '\\0' x";
        let (whole, _) = shell(answer, |cmd| cmd.whole(100_000)).await;
        assert_eq!(whole.unwrap().stdout.len(), 100_000);
        let (excess, _) = shell(answer, |cmd| cmd.whole(99_999)).await;
        assert!(excess.unwrap_err().what.contains("more than 99999 bytes"));
        let (failed, _) = shell("echo s3cret; exit 1", |cmd| cmd.whole(10)).await;
        assert!(failed.unwrap_err().because.is_empty());
    }
}
