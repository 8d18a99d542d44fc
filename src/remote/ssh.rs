//! One SSH connection that everything shares, and that leaves nothing behind.
//!
//! The system's `ssh` makes the connection as our own child: it holds a session whose input is a
//! pipe of ours, so it ends when we do, however we end. That session can carry one command, the
//! first, whose end it then awaits; the others run over the control socket. This file refuses to
//! know what is run.

use std::fmt::Write;
use std::process::Stdio;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use openssh::Session;
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Take};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::error::Elapsed;
use tokio::time::timeout;

use super::config::{self, Files};
use super::dir::PrivateDir;
use super::explain;
use super::hostkey::HostKey;
use super::identity;
use super::login::{self, Instead};
use super::presented;
use super::target::{HostKeys, Identity, Target};
use super::transport::without_inputs;
use crate::words::error::Error;
use crate::words::event::Failure;
use crate::words::shell::word;

/// What the server's shell says once we are in.
const GREETING: &str = "landfall-is-in";
/// What it says behind the first command.
const FIRST_DONE: &str = "landfall-has-run";
/// How much the login's own session may say, in bytes.
const SAID: u64 = 256 * 1024;
/// How much of `ssh`'s own words is read.
const LOG: u64 = 1024 * 1024;
/// How long the login may take after the connection stands.
const LOGIN: Duration = Duration::from_secs(20);
/// The status with which `ssh` tells of its own failure.
const SSH_FAILED: i32 = 255;
/// How long `ssh` may take to end by itself once its session has.
const ENDING: Duration = Duration::from_secs(10);
/// How long `ssh` may take to end before it is killed.
const FAREWELL: Duration = Duration::from_millis(500);

/// An authenticated connection; clones share it, the last one ends it.
#[derive(Debug, Clone)]
pub struct Connection {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    session: Arc<Session>,
    master: Master,
    first: Mutex<Option<First>>,
    dir: Mutex<Option<PrivateDir>>,
}

/// The `ssh` process that holds the connection; ended when dropped.
#[derive(Debug)]
struct Master(Mutex<Child>);

/// What the login's own session says.
type Said = BufReader<Take<ChildStdout>>;

/// The login's own session: it carries one command at most, and stays open.
#[derive(Debug)]
enum First {
    Free(Said),
    Used { _said: Said },
}

/// What one attempt to connect ended with, if not with a connection.
enum Attempt {
    In(Child, Said),
    Refused(String),
    TooSlow,
    /// The server let us in, and the login shell did this and printed that.
    LetIn(Instead, Vec<u8>),
}

impl Connection {
    /// Connects and logs in. Errors are [`Error::Input`] before anything is contacted,
    /// [`Error::Connect`] after.
    pub async fn open(target: &Target) -> Result<Self, Error> {
        let opening = Opening::prepare(target).await?;
        opening.run().await
    }

    /// The session that commands run on.
    #[must_use]
    pub fn session(&self) -> Arc<Session> {
        Arc::clone(&self.inner.session)
    }

    /// Runs the connection's first command, one line of the POSIX shell without input, in the
    /// login's own session, which spares opening another: its status and what it printed,
    /// complaints included. None if that session has been used already, or has ended; an error
    /// if the command takes longer than `deadline`.
    pub async fn first(
        &self,
        script: &str,
        deadline: Duration,
    ) -> Result<Option<(i32, String)>, Elapsed> {
        let Some((mut stdin, mut said)) = self.free() else {
            return Ok(None);
        };
        let asking = async {
            let line = format!("({script}) < /dev/null 2>&1; printf '\\n{FIRST_DONE} %s\\n' $?\n");
            stdin.write_all(line.as_bytes()).await.ok()?;
            let mut printed = Vec::new();
            let status = until(FIRST_DONE, &mut said, &mut printed).await?;
            printed.pop();
            let printed = String::from_utf8_lossy(&printed).into_owned();
            Some((status.parse().ok()?, printed))
        };
        let answer = timeout(deadline, asking).await;
        // The end of its input would be the end of the connection, and so may be an output that
        // nobody takes.
        self.inner.master.child().stdin = Some(stdin);
        *locked(&self.inner.first) = Some(First::Used { _said: said });
        answer
    }

    /// The login's own session, if it is still to be used.
    fn free(&self) -> Option<(ChildStdin, Said)> {
        let mut first = locked(&self.inner.first);
        match first.take()? {
            First::Free(said) => Some((self.inner.master.child().stdin.take()?, said)),
            used @ First::Used { .. } => {
                *first = Some(used);
                None
            }
        }
    }

    /// The process id of the local `ssh` that holds the connection; none once it has ended.
    #[must_use]
    pub fn master(&self) -> Option<u32> {
        self.inner.master.id()
    }

    /// Says whether the connection still stands, as far as this machine knows.
    #[must_use]
    pub fn stands(&self) -> bool {
        self.inner.master.is_running()
    }

    /// Says whether the connection is ending: a command that ended without a status may have been
    /// the first to notice.
    pub async fn is_ending(&self) -> bool {
        for _ in 0..20 {
            if !self.stands() {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        false
    }

    /// Ends the connection: no process and no file is left, whoever else still holds a clone.
    pub fn close(&self) {
        self.inner.end();
    }
}

impl Inner {
    fn end(&self) {
        self.master.end();
        locked(&self.dir).take();
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.end();
    }
}

impl Master {
    fn child(&self) -> MutexGuard<'_, Child> {
        locked(&self.0)
    }

    fn id(&self) -> Option<u32> {
        self.child().id()
    }

    fn is_running(&self) -> bool {
        matches!(self.child().try_wait(), Ok(None))
    }

    /// Asks `ssh` to end, insists after a while, and collects it.
    fn end(&self) {
        let mut child = self.child();
        drop(child.stdin.take());
        let pid = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
        if let Some(pid) = pid {
            let _ = kill_process(pid, Signal::TERM);
        }
        if !is_gone_within(&mut child, FAREWELL) {
            let _ = child.start_kill();
            is_gone_within(&mut child, FAREWELL);
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn is_gone_within(child: &mut Child, patience: Duration) -> bool {
    let begun = Instant::now();
    while matches!(child.try_wait(), Ok(None)) {
        if begun.elapsed() > patience {
            return false;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    true
}

/// A connection in the making.
struct Opening<'a> {
    target: &'a Target,
    dir: PrivateDir,
    offered: Option<HostKey>,
}

impl<'a> Opening<'a> {
    async fn prepare(target: &'a Target) -> Result<Self, Error> {
        target.check().map_err(|e| Error::Input(vec![e]))?;
        let dir = PrivateDir::new().map_err(local)?;
        let offered = match &target.identity {
            Identity::Own => None,
            Identity::Key { key, passphrase } => {
                identity::place(&dir, key, passphrase.as_ref(), &target.program).await?
            }
        };
        let opening = Self {
            target,
            dir,
            offered,
        };
        opening.write_config().map_err(local)?;
        Ok(opening)
    }

    fn write_config(&self) -> std::io::Result<()> {
        let (key, known_hosts, notes) = (
            self.dir.path("key"),
            self.dir.path("known_hosts"),
            self.dir.path(""),
        );
        let files = Files {
            key: &key,
            known_hosts: &known_hosts,
            notes: &notes,
        };
        let text = config::ssh_config(self.target, files);
        self.dir.write("config", text.as_bytes())?;
        let pins = self.target.pins();
        self.dir
            .write("known_hosts", config::known_hosts(pins).as_bytes())?;
        self.dir.write(
            presented::FINGERPRINTS,
            presented::fingerprints(pins).as_bytes(),
        )?;
        Ok(())
    }

    async fn run(self) -> Result<Connection, Error> {
        if matches!(&self.target.host_keys, HostKeys::Pinned(pins) if pins.is_empty()) {
            return Err(Error::Connect(self.show_keys().await));
        }
        match self.attempt().await? {
            Attempt::Refused(log) if log.contains("Host key verification failed") => {}
            other => return self.outcome(other).await,
        }
        self.settle_host_keys().await?;
        let last = self.attempt().await?;
        self.outcome(last).await
    }

    async fn outcome(self, attempt: Attempt) -> Result<Connection, Error> {
        Err(Error::Connect(match attempt {
            Attempt::In(master, said) => return Ok(self.connected(master, said)),
            Attempt::TooSlow => explain::too_slow(self.target),
            Attempt::Refused(log) => self.explain(&log).await,
            Attempt::LetIn(did, printed) => login::failure(&self.target.address(), did, &printed),
        }))
    }

    /// One attempt, up to the server's greeting.
    async fn attempt(&self) -> Result<Attempt, Error> {
        let mut child = self.spawn()?;
        let hops = if self.target.jump.is_some() { 2 } else { 1 };
        let patience = (self.target.connect_timeout + LOGIN) * hops;
        let Some(stdout) = child.stdout.take() else {
            return Ok(Attempt::Refused(String::new()));
        };
        let (mut said, mut printed) = (BufReader::new(stdout.take(SAID)), Vec::new());
        let greeted = timeout(patience, until(GREETING, &mut said, &mut printed)).await;
        match greeted {
            Ok(Some(rest)) if rest.is_empty() => return Ok(Attempt::In(child, said)),
            Err(_) if !self.is_let_in() => return Ok(Attempt::TooSlow),
            Err(_) => return Ok(Attempt::LetIn(Instead::Waited(patience), printed)),
            Ok(_) => {}
        }
        // Looked at before `ssh` ends, which takes its socket away.
        let was_let_in = self.is_let_in() || !printed.is_empty();
        let ended = timeout(ENDING, child.wait()).await;
        let status = ended.ok().and_then(Result::ok).and_then(|s| s.code());
        let log = self.log();
        // With a status of 255 `ssh` tells of its own failure, and says it; a login shell that ends
        // so has it say nothing.
        let is_theirs = status.is_some_and(|code| code != SSH_FAILED || log.is_empty());
        if is_theirs || was_let_in {
            let did = Instead::Ended(status.filter(|_| is_theirs));
            return Ok(Attempt::LetIn(did, [log, printed].concat()));
        }
        Ok(Attempt::Refused(String::from_utf8_lossy(&log).into_owned()))
    }

    /// `ssh` makes the control socket once it is let in.
    fn is_let_in(&self) -> bool {
        self.dir.path("control").exists()
    }

    /// The beginning of what `ssh` said; a server may have made it say any amount.
    fn log(&self) -> Vec<u8> {
        let mut said = Vec::new();
        if let Ok(log) = std::fs::File::open(self.dir.path("log")) {
            let _ = std::io::Read::read_to_end(&mut std::io::Read::take(log, LOG), &mut said);
        }
        said
    }

    fn spawn(&self) -> Result<Child, Error> {
        self.dir.forget("control");
        let log = self.dir.write("log", b"").map_err(local)?;
        let log = std::fs::File::options()
            .append(true)
            .open(log)
            .map_err(local)?;
        let mut ssh = Command::new("ssh");
        without_inputs(ssh.as_std_mut());
        ssh.arg("-F")
            .arg(self.dir.path("config"))
            .arg("-M")
            .arg("-S")
            .arg(self.dir.path("control"))
            .args(["-T", "--", self.target.bare_host()])
            .arg(greeting())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            // A Ctrl-C at the terminal is ours to answer, with the connection still standing.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(no_ssh)
    }

    /// What was needed only to get in goes at once; the control socket stays.
    fn connected(self, master: Child, said: Said) -> Connection {
        for name in ["key", "config", "known_hosts", presented::FINGERPRINTS] {
            self.dir.forget(name);
        }
        let control = self.dir.path("control").into_boxed_path();
        Connection {
            inner: Arc::new(Inner {
                session: Arc::new(Session::resume_mux(control, None)),
                master: Master(Mutex::new(master)),
                first: Mutex::new(Some(First::Free(said))),
                dir: Mutex::new(Some(self.dir)),
            }),
        }
    }

    async fn explain(&self, log: &str) -> Failure {
        let offered = match (&self.offered, &self.target.identity) {
            (None, Identity::Key { .. }) => identity::public_half(&self.dir.path("key")).await,
            (known, _) => known.clone(),
        };
        explain::explain(log, self.target, offered.as_ref())
    }

    async fn show_keys(&self) -> Failure {
        match presented::gather(self.target, &self.dir, presented::first_hop(self.target)).await {
            Ok(keys) => explain::unpinned(self.target, &keys),
            Err(log) => self.explain(&log).await,
        }
    }

    /// Finds out which hop presents which keys; fails unless every hop presents a pinned one, and
    /// writes down those alone, each for its hop, so that `ssh` asks for no other type.
    async fn settle_host_keys(&self) -> Result<(), Error> {
        let mut lines = config::known_hosts(&presented::standing(self.target.pins()));
        for hop in presented::hops(self.target) {
            let keys = match presented::gather(self.target, &self.dir, hop).await {
                Ok(keys) => keys,
                Err(log) => return Err(Error::Connect(self.explain(&log).await)),
            };
            let pinned = presented::pinned_among(&keys, self.target.pins());
            if pinned.is_empty() {
                return Err(Error::Connect(match self.target.host_keys {
                    HostKeys::Pinned(_) => explain::mismatch(self.target, &keys),
                    HostKeys::Own => explain::unpinned(self.target, &keys),
                }));
            }
            for key in pinned {
                let _ = writeln!(lines, "{key}");
            }
            self.dir
                .write("known_hosts", lines.as_bytes())
                .map_err(local)?;
        }
        Ok(())
    }
}

/// What the login shell is given: a greeting on a line of its own, whatever was printed before it,
/// from the shell that is to run the commands.
fn greeting() -> String {
    let script = format!("echo; echo {GREETING}; exec sh");
    format!("exec sh -c {}", word(&script))
}

/// The rest of the first line that begins so; what is said before it, or instead of it, half a line
/// included, is added to `heard`.
async fn until(mark: &str, said: &mut Said, heard: &mut Vec<u8>) -> Option<String> {
    loop {
        let begins = heard.len();
        // Read into what is heard: whoever gives up waiting keeps the half that was said.
        said.read_until(b'\n', heard)
            .await
            .ok()
            .filter(|n| *n > 0)?;
        if let Some(rest) = heard[begins..].strip_prefix(mark.as_bytes()) {
            let rest = String::from_utf8_lossy(rest).trim().to_owned();
            heard.truncate(begins);
            return Some(rest);
        }
    }
}

/// The failure of a machine without an ssh client.
pub(super) fn no_ssh(error: std::io::Error) -> Error {
    Error::Local(
        Failure::new("`ssh` cannot be started on this machine")
            .because(error)
            .hint("install the OpenSSH client (`openssh-client` on Debian and Ubuntu)"),
    )
}

/// The failure of this machine's disk or memory.
pub(super) fn local(error: std::io::Error) -> Error {
    Error::Local(Failure::new("the files of a connection cannot be written").because(error))
}
