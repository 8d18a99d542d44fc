//! Where commands run: on this very machine, or over a connection that is made again when it broke.
//!
//! It refuses to know which commands. How a command ended is never guessed from 255: a status is
//! the command's own, and a connection that ended first is said to have.

use std::ffi::OsString;
use std::process::ExitStatus;
use std::time::Duration;

use openssh::Stdio;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::Mutex;
use tokio::time::timeout;

use super::login::{self, Instead};
use super::mark::{Before, Behind, marked};
use super::ssh::Connection;
use super::target::Target;
use crate::words::error::Error;
use crate::words::event::{Failure, FailureKind};
use crate::words::shell::word;

/// The longest output of a command that is kept.
const LONGEST: u64 = 16 * 1024 * 1024;

/// How long opening a session on a standing connection may take.
const OPEN_SESSION: Duration = Duration::from_secs(20);

/// A place where commands run.
#[derive(Debug)]
pub enum Transport {
    /// This machine is the server.
    Here,
    /// The server is behind a connection.
    There(Box<There>),
}

/// A server and the connection to it.
#[derive(Debug)]
pub struct There {
    target: Target,
    connection: Mutex<Option<Connection>>,
}

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// With this status of its own, 255 included.
    Exited(i32),
    /// By a signal.
    Killed,
    /// Nobody knows: the connection ended first.
    Dropped,
}

impl Ended {
    /// What a login shell did that ended like this without running the command.
    #[must_use]
    pub fn instead(self) -> Instead {
        Instead::Ended(match self {
            Self::Exited(code) => Some(code),
            Self::Killed | Self::Dropped => None,
        })
    }
}

/// What a command printed, and how it ended: never [`Ended::Dropped`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// How it ended.
    pub ended: Ended,
    /// What it printed.
    pub stdout: Vec<u8>,
    /// What it complained of.
    pub stderr: Vec<u8>,
}

impl Output {
    /// Says whether it ended with status 0.
    #[must_use]
    pub fn is_success(&self) -> bool {
        self.ended == Ended::Exited(0)
    }

    /// What it complained of, line by line, without control characters.
    #[must_use]
    pub fn complaints(&self) -> Vec<String> {
        lines_of(&self.stderr)
    }
}

/// Text that a server printed, as lines without control characters and empty ones.
pub(crate) fn lines_of(bytes: &[u8]) -> Vec<String> {
    String::from_utf8_lossy(bytes)
        .lines()
        .map(|line| line.chars().filter(|c| !c.is_control()).collect())
        .filter(|line: &String| !line.trim().is_empty())
        .collect()
}

/// A running command.
pub struct Process {
    /// Its input; dropping it is the end of input.
    pub stdin: Option<Box<dyn AsyncWrite + Send + Unpin>>,
    /// Its output.
    pub stdout: Box<dyn AsyncRead + Send + Unpin>,
    /// Its complaints.
    pub stderr: Box<dyn AsyncRead + Send + Unpin>,
    /// Whether it has begun, and what a login shell printed before.
    pub before: Before,
    running: Running,
}

enum Running {
    Here(tokio::process::Child),
    There(openssh::Child<std::sync::Arc<openssh::Session>>, Connection),
}

impl Process {
    /// Waits for its end, which closes its input.
    pub async fn ended(mut self) -> Ended {
        drop(self.stdin.take());
        match self.running {
            Running::Here(mut child) => child.wait().await.map_or(Ended::Killed, status),
            Running::There(child, connection) => match child.wait().await {
                Ok(ended) => status(ended),
                Err(openssh::Error::Remote(_)) => Ended::Exited(127),
                Err(openssh::Error::RemoteProcessTerminated) if !connection.is_ending().await => {
                    Ended::Killed
                }
                Err(_) => Ended::Dropped,
            },
        }
    }
}

fn status(status: ExitStatus) -> Ended {
    status.code().map_or(Ended::Killed, Ended::Exited)
}

impl Transport {
    /// Connects to a server.
    pub async fn there(target: Target) -> Result<Self, Error> {
        let connection = Connection::open(&target).await?;
        Ok(Self::There(Box::new(There {
            target,
            connection: Mutex::new(Some(connection)),
        })))
    }

    /// `user@host`, or `this machine`.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Here => "this machine".to_owned(),
            Self::There(there) => there.target.address(),
        }
    }

    /// Starts a command of the POSIX shell, one line, connecting again first if that is needed.
    pub async fn spawn(&self, script: &str) -> Result<Process, Error> {
        match self {
            Self::Here => spawn_here(script),
            Self::There(there) => there.spawn(script).await,
        }
    }

    /// Runs a command of the POSIX shell, one line, with this input, to its end within `deadline`.
    pub async fn run(
        &self,
        script: &str,
        stdin: &[u8],
        deadline: Duration,
    ) -> Result<Output, Error> {
        let mut before = Before::nothing();
        let work = async {
            let process = self.spawn(script).await?;
            before = process.before.clone();
            Ok::<_, Error>(collect(process, stdin).await)
        };
        let output = timeout(deadline, work).await;
        let has_begun = before.has_begun();
        match output {
            Err(_) if has_begun => Err(Error::Connect(self.too_slow(deadline))),
            Err(_) => Err(self.not_run(Instead::Waited(deadline), &before.text())),
            Ok(Err(error)) => Err(error),
            Ok(Ok(output)) => match output.ended {
                Ended::Dropped => Err(Error::Connect(dropped(&self.name()))),
                ended if !has_begun => {
                    Err(self.not_run(ended.instead(), &[before.text(), output.stderr].concat()))
                }
                _ => Ok(output),
            },
        }
    }

    fn not_run(&self, did: Instead, printed: &[u8]) -> Error {
        Error::Connect(login::failure(&self.name(), did, printed))
    }

    /// Runs a command that takes no input as [`Transport::run`] does, in the login's own session if
    /// it is the connection's first: its complaints are then among what it printed.
    pub async fn run_first(&self, script: &str, deadline: Duration) -> Result<Output, Error> {
        let first = match self.connection().await {
            Some(connection) => connection.first(script, deadline).await,
            None => Ok(None),
        };
        match first {
            Ok(Some((status, printed))) => Ok(Output {
                ended: Ended::Exited(status),
                stdout: printed.clone().into_bytes(),
                stderr: printed.into_bytes(),
            }),
            Ok(None) => self.run(script, b"", deadline).await,
            Err(_) => Err(Error::Connect(self.too_slow(deadline))),
        }
    }

    /// Gives up a connection that no longer answers; the next command makes a new one.
    pub async fn hang_up(&self) {
        if let Self::There(there) = self
            && let Some(connection) = there.connection.lock().await.take()
        {
            connection.close();
        }
    }

    /// The standing connection, if there is one.
    pub async fn connection(&self) -> Option<Connection> {
        match self {
            Self::Here => None,
            Self::There(there) => there.connection.lock().await.clone(),
        }
    }

    fn too_slow(&self, deadline: Duration) -> Failure {
        let seconds = deadline.as_secs();
        Failure::new(format!(
            "a command on {} took more than {seconds} s",
            self.name()
        ))
        .of(FailureKind::TimedOut)
    }
}

impl There {
    async fn spawn(&self, script: &str) -> Result<Process, Error> {
        let connection = self.connected().await?;
        let mut command = connection
            .session()
            .arc_raw_command(format!("exec sh -c {}", word(&marked(script))));
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = timeout(OPEN_SESSION, command.spawn())
            .await
            .map_err(|_| self.no_session(&"it does not answer"))?
            .map_err(|error| self.no_session(&chain(&error)))?;
        let pipes = (
            child.stdin().take(),
            child.stdout().take(),
            child.stderr().take(),
        );
        let (Some(stdin), Some(stdout), Some(stderr)) = pipes else {
            return Err(self.no_session(&"its pipes are missing"));
        };
        let before = Before::default();
        Ok(Process {
            stdin: Some(Box::new(stdin)),
            stdout: Box::new(Behind::new(stdout, before.clone())),
            stderr: Box::new(stderr),
            before,
            running: Running::There(child, connection),
        })
    }

    async fn connected(&self) -> Result<Connection, Error> {
        let mut slot = self.connection.lock().await;
        if let Some(connection) = slot.as_ref().filter(|c| c.stands()) {
            return Ok(connection.clone());
        }
        *slot = None;
        let connection = Connection::open(&self.target).await?;
        Ok(slot.insert(connection).clone())
    }

    fn no_session(&self, cause: &dyn std::fmt::Display) -> Error {
        Error::Connect(
            Failure::new(format!(
                "no session can be opened on {}",
                self.target.address()
            ))
            .because(cause)
            .hint("check `MaxSessions` in the server's `sshd_config`: 3 are enough"),
        )
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

fn dropped(name: &str) -> Failure {
    Failure::new(format!(
        "the connection to {name} ended in the middle of a command"
    ))
}

/// Takes our own inputs, secrets among them, out of what a child is going to inherit.
pub fn without_inputs(command: &mut std::process::Command) {
    without(command, std::env::vars_os().map(|(name, _)| name));
}

fn without(command: &mut std::process::Command, names: impl Iterator<Item = OsString>) {
    let inputs = names.filter(|name| {
        let name = name.as_encoded_bytes();
        name.starts_with(b"INPUT_") || name.starts_with(b"LANDFALL_")
    });
    for name in inputs {
        command.env_remove(name);
    }
}

fn spawn_here(script: &str) -> Result<Process, Error> {
    let failed =
        |cause: String| Error::Local(Failure::new("`sh` cannot be started").because(cause));
    let mut shell = tokio::process::Command::new("sh");
    without_inputs(shell.as_std_mut());
    let mut child = shell
        .args(["-c", script])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        // A Ctrl-C at the terminal is ours to answer, not the command's.
        .process_group(0)
        .spawn()
        .map_err(|e| failed(e.to_string()))?;
    let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let (Some(stdin), Some(stdout), Some(stderr)) = pipes else {
        return Err(failed("its pipes are missing".to_owned()));
    };
    Ok(Process {
        stdin: Some(Box::new(stdin)),
        stdout: Box::new(stdout),
        stderr: Box::new(stderr),
        before: Before::nothing(),
        running: Running::Here(child),
    })
}

/// Feeds and reads a process to its end. A process that does not want its input is no error.
async fn collect(mut process: Process, input: &[u8]) -> Output {
    let stdin = process.stdin.take();
    let feed = async move {
        if let Some(mut stdin) = stdin {
            let _ = stdin.write_all(input).await;
            let _ = stdin.shutdown().await;
        }
    };
    let heard = std::mem::replace(&mut process.stdout, Box::new(tokio::io::empty()));
    let complaints = std::mem::replace(&mut process.stderr, Box::new(tokio::io::empty()));
    // Each closes once it has read enough: whoever prints more finds nobody listening.
    let (stdout, stderr, ()) = tokio::join!(beginning(heard), beginning(complaints), feed);
    Output {
        ended: process.ended().await,
        stdout,
        stderr,
    }
}

/// At most [`LONGEST`] bytes of what is printed.
async fn beginning(from: impl AsyncRead + Unpin) -> Vec<u8> {
    let mut bytes = Vec::new();
    let _ = from.take(LONGEST).read_to_end(&mut bytes).await;
    bytes
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const SOON: Duration = Duration::from_secs(10);

    #[tokio::test]
    async fn a_commands_own_255_is_its_status() {
        let output = Transport::Here
            .run("cat; echo no >&2; exit 255", b"fed", SOON)
            .await;
        let output = output.unwrap();
        assert_eq!(output.ended, Ended::Exited(255));
        assert_eq!(
            (output.stdout.as_slice(), output.complaints()),
            (b"fed".as_slice(), vec!["no".to_owned()])
        );
    }

    #[tokio::test]
    async fn a_command_that_was_killed_has_no_status() {
        let output = Transport::Here.run("kill -9 $$", b"", SOON).await.unwrap();
        assert_eq!(output.ended, Ended::Killed);
    }

    #[tokio::test]
    async fn a_command_that_takes_too_long_is_given_up() {
        let slow = Transport::Here
            .run("sleep 60", b"", Duration::from_millis(50))
            .await;
        assert!(slow.unwrap_err().to_string().contains("took more than"));
    }

    #[tokio::test]
    async fn endless_output_is_kept_up_to_a_limit() {
        let output = Transport::Here
            .run("cat /dev/zero", b"", SOON)
            .await
            .unwrap();
        assert_eq!(output.stdout.len() as u64, LONGEST);
        assert!(!output.is_success());
    }

    #[test]
    fn a_child_inherits_none_of_our_inputs() {
        let mut command = std::process::Command::new("env");
        let names = ["INPUT_SSH_KEY", "LANDFALL_SSH_KEY", "HOME"].map(OsString::from);
        for name in &names {
            command.env(name, "value");
        }
        without(&mut command, names.into_iter());
        let output = command.output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(
            !text.contains("SSH_KEY") && text.contains("HOME=value"),
            "{text}"
        );
    }

    #[tokio::test]
    async fn any_word_survives_the_shell() {
        for word in ["plain", "", "it's", "a b", "$(id)", "\\", "*", "ü", "-n"] {
            let script = format!("printf %s {}", crate::words::shell::word(word));
            let output = Transport::Here.run(&script, b"", SOON).await.unwrap();
            assert_eq!(String::from_utf8(output.stdout).unwrap(), word);
        }
    }
}
