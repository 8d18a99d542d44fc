//! The agent on its server: placed once, found again by its digest, started, asked.
//!
//! It refuses to know what the agent does there.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::binary::{Arch, Binaries, Binary};
use super::payload::Payload;
use super::probe::{self, Answer, Place, Question, Unsafe, Unsafety};
use super::run::Run;
use super::shell::{GUARD, PLACE};
use super::transport::{Ended, Output, Process, Transport};
use crate::words::choices::Sudo;
use crate::words::error::Error;
use crate::words::event::Failure;
use crate::words::plan::{Plan, PlannedFile, Private, Site};
use crate::words::shell;
use crate::words::wire::Word;

/// How long one look at the server may take.
pub const LOOK: Duration = Duration::from_mins(1);
/// How long a look may take that carries a run to its end, or reads every backup.
pub const LONG_LOOK: Duration = Duration::from_mins(30);
/// How long the copy may take, over a slow line too.
const COPY: Duration = Duration::from_mins(10);
/// How long a word to the agent may take, connecting again included.
const ASK: Duration = Duration::from_secs(45);
/// How many executables stay on the server.
const KEEP: usize = 3;
/// The executables' directory below the state directory.
const BIN: &str = "bin";

/// The agent on its server.
#[derive(Debug, Clone)]
pub struct Agent {
    transport: Arc<Transport>,
    state: PathBuf,
    command: Vec<String>,
    binary: String,
    through_sudo: bool,
}

/// The state directory of a site.
#[must_use]
pub fn state_dir(site: &Site) -> PathBuf {
    site.backup_dir.join(".landfall")
}

impl Agent {
    /// Sees to it that the server has the agent: one look, and one copy if it is not there yet.
    pub async fn install(
        transport: Arc<Transport>,
        site: &Site,
        sudo: Sudo,
        binaries: &Binaries,
    ) -> Result<Self, Error> {
        let state = state_dir(site);
        let all = binaries.all();
        let answer = look(&transport, site, &state, sudo, all).await?;
        let arch = supported(&answer).map_err(Error::Agent)?;
        let binary = match all.iter().find(|(of, _)| *of == arch) {
            Some((_, binary)) => binary.clone(),
            None => binaries.pick(arch).map_err(Error::Agent)?,
        };
        let there = there(&answer, site, sudo).map_err(Error::Agent)?;
        let role: &[&str] = match answer.sudo {
            Some(true) => &["sudo", "-n", "--"],
            _ => &[],
        };
        if !answer.digests.contains(&binary.sha256) {
            copy(&transport, &state, role, &binary, there).await?;
        }
        let command = role.iter().map(|word| (*word).to_owned());
        let command = command.chain(entrance(&answer, &state, &binary)).collect();
        Ok(Self {
            transport,
            state,
            command,
            binary: binary.name(),
            through_sudo: answer.sudo == Some(true),
        })
    }

    /// Starts a run, or attaches to it if this very run has been started already.
    pub fn start(
        &self,
        plan: &Plan,
        private: &Private,
        files: impl IntoIterator<Item = (PlannedFile, PathBuf)>,
    ) -> Result<Run, Error> {
        let payload = Payload::pack(plan, private, files).map_err(Error::Local)?;
        Ok(Run::begin(self.clone(), plan.id.clone(), Some(payload), 0))
    }

    /// Attaches to a run from a record on.
    #[must_use]
    pub fn attach(&self, id: &str, from: u64) -> Run {
        Run::begin(self.clone(), id.to_owned(), None, from)
    }

    /// Leaves a word for the agent of a run; connects again as long as that takes sense.
    pub async fn ask(&self, id: &str, word: Word, reason: &str) -> Result<(), Error> {
        let script = self.script("ask", id, &["--word", word.word()]);
        let begun = Instant::now();
        loop {
            match self.transport.run(&script, reason.as_bytes(), ASK).await {
                Ok(output) if output.is_success() => return Ok(()),
                Ok(output) => return Err(refused("the agent did not take the word", &output)),
                Err(error) if begun.elapsed() > ASK => return Err(error),
                Err(_) => tokio::time::sleep(Duration::from_millis(500)).await,
            }
        }
    }

    /// Asks the agent to look at something on the server, within `deadline`; the answer is JSON.
    pub async fn look(
        &self,
        what: &str,
        args: &[&str],
        deadline: Duration,
    ) -> Result<serde_json::Value, Error> {
        self.look_with(what, args, b"", deadline).await
    }

    /// The same, with something on its standard input.
    pub async fn look_with(
        &self,
        what: &str,
        args: &[&str],
        input: &[u8],
        deadline: Duration,
    ) -> Result<serde_json::Value, Error> {
        let state = self.state.to_string_lossy();
        let mut words = self.words();
        words.extend(["look", "--state", &*state, "--what", what, "--"]);
        words.extend(args);
        let output = self
            .transport
            .run(&shell::words(words), input, deadline)
            .await?;
        let parsed = serde_json::from_slice(&output.stdout);
        match parsed {
            Ok(value) if output.is_success() => Ok(value),
            Ok(value) => Err(Error::Agent(
                serde_json::from_value(value)
                    .unwrap_or_else(|_| failure("the agent could not look", &output)),
            )),
            Err(_) => Err(refused("the agent could not look", &output)),
        }
    }

    /// Has the agent print what containers print; whoever drops the process ends it.
    pub async fn logs(&self, site: &str, wanted: &str) -> Result<Process, Error> {
        let state = self.state.to_string_lossy();
        let mut words = self.words();
        words.extend(["logs", "--state", &*state, "--", site, wanted]);
        self.transport.spawn(&shell::words(words)).await
    }

    /// The transport to its server.
    #[must_use]
    pub fn transport(&self) -> &Arc<Transport> {
        &self.transport
    }

    /// The state directory on its server.
    #[must_use]
    pub fn state(&self) -> &Path {
        &self.state
    }

    /// The program on its server, as a person types it there.
    #[must_use]
    pub fn program(&self) -> String {
        let program = shell::path(&self.state.join(BIN).join(&self.binary));
        if self.through_sudo {
            format!("sudo {program}")
        } else {
            program
        }
    }

    fn words(&self) -> Vec<&str> {
        self.command.iter().map(String::as_str).collect()
    }

    /// The command line of a verb about a run.
    pub(super) fn script(&self, verb: &str, id: &str, more: &[&str]) -> String {
        let state = self.state.to_string_lossy();
        let mut words = self.words();
        words.extend([verb, "--state", &*state, "--id", id]);
        words.extend(more);
        shell::words(words)
    }
}

/// The words that become the agent. Root looks at the way and at what it has opened first, for who
/// rules over a directory on it could change the one for another after the look.
fn entrance(answer: &Answer, state: &Path, binary: &Binary) -> Vec<String> {
    let program = state.join(BIN).join(binary.name());
    if answer.sudo != Some(true) && answer.uid != 0 {
        return vec![program.to_string_lossy().into_owned(), "agent".into()];
    }
    let (user, group) = (answer.uid.to_string(), answer.group.map(|g| g.to_string()));
    let (state, name) = (state.to_string_lossy(), binary.name());
    let own = group.as_deref().unwrap_or("none");
    let mut words = vec!["sh", "-c", &**GUARD, "sh", &*state, &*user, own, &*name];
    words.extend([&*binary.sha256, "agent"]);
    words.into_iter().map(ToOwned::to_owned).collect()
}

async fn look(
    transport: &Transport,
    site: &Site,
    state: &Path,
    sudo: Sudo,
    binaries: &[(Arch, Binary)],
) -> Result<Answer, Error> {
    let archs: Vec<_> = binaries.iter().map(|(arch, _)| *arch).collect();
    let names: Vec<_> = binaries.iter().map(|(_, binary)| binary.name()).collect();
    let script = probe::script(Question {
        state,
        not_without: Some(&site.deploy_dir),
        sudo,
        archs: &archs,
        names: &names,
    });
    let output = transport.run_first(&script, LOOK).await?;
    let answer = probe::parse(&String::from_utf8_lossy(&output.stdout));
    if answer.system.is_empty() {
        return Err(refused("the server's shell does not answer", &output));
    }
    Ok(answer)
}

fn supported(answer: &Answer) -> Result<Arch, Failure> {
    if answer.system != "Linux" {
        return Err(Failure::new(format!(
            "the server runs {}, and landfall deploys to Linux alone",
            answer.system
        )));
    }
    Arch::parse(&answer.machine).ok_or_else(|| {
        Failure::new(format!(
            "the server's processor is {}, and landfall runs on x86_64 and aarch64 alone",
            answer.machine
        ))
    })
}

/// The executables that are there, or what stands in the way.
pub(super) fn there<'a>(
    answer: &'a Answer,
    site: &Site,
    sudo: Sudo,
) -> Result<&'a [(u64, String)], Failure> {
    let deploy = site.deploy_dir.display();
    match &answer.place {
        Place::Ready(files) => Ok(files),
        _ if sudo == Sudo::Always && answer.sudo == Some(false) => Err(Failure::new(format!(
            "`sudo` asks user `{}` for a password, or refuses",
            answer.user
        ))
        .hint(format!(
            "let it pass without one (`{} ALL=(ALL) NOPASSWD: ALL` in `/etc/sudoers.d`), or set `sudo: auto`",
            answer.user
        ))),
        Place::Without => Err(Failure::new(format!(
            "the deploy directory `{deploy}` is not on the server"
        ))
        .hint(format!(
            "make it there for that user: `sudo install -d -o {} {}`; `files` can bring the compose file",
            shell::word(&answer.user),
            shell::path(&site.deploy_dir)
        ))),
        Place::Unsafe(unsafety) => Err(not_safe(answer, site, unsafety)),
        Place::Refused(why) => Err(no_place(answer, site, why)),
    }
}

fn not_safe(answer: &Answer, site: &Site, unsafety: &Unsafe) -> Failure {
    let (path, user) = (&unsafety.path, &answer.user);
    let owner: String = unsafety.owner.chars().filter(|c| !c.is_control()).collect();
    let failure = Failure::new(format!(
        "`{path}` is not safe to run anything from: {}",
        match unsafety.fault {
            Unsafety::Stranger =>
                format!("it belongs to `{owner}`, neither to root nor to `{user}`"),
            Unsafety::Writable => format!("it belongs to `{owner}`, and others may write to it"),
        }
    ));
    let failure = match answer.sudo {
        Some(true) => failure.because(
            "through sudo, whoever rules over a directory on the way could have root run anything",
        ),
        _ => failure,
    };
    match unsafety.fault {
        // Whoever gave it to another user would break the next deployment of its owner's.
        Unsafety::Stranger if Path::new(path).starts_with(&site.backup_dir) => failure
            .hint(format!(
                "if `{owner}` is who deploys here, work as that user: `--user {owner}`, or `user: {owner}` in a workflow; on the server itself, put `sudo` before the command"
            ))
            .hint(format!("or name a directory of `{user}`'s own in `backup_dir`")),
        Unsafety::Stranger => failure
            .hint(format!(
                "look at what it holds, then give it to the user who deploys: `sudo chown {} {}`",
                shell::word(user),
                shell::word(path)
            ))
            .hint("or name a directory of that user's own in `backup_dir`"),
        Unsafety::Writable => failure.hint(format!(
            "look at what it holds, then take that right away: `{}chmod go-w {}`",
            if owner == *user { "" } else { "sudo " },
            shell::word(path)
        )),
    }
}

fn no_place(answer: &Answer, site: &Site, why: &str) -> Failure {
    let (dir, user) = (site.backup_dir.display(), &answer.user);
    let why = if why.is_empty() {
        "it is not writable"
    } else {
        why
    };
    let failure = Failure::new(format!(
        "user `{user}` cannot use the backup directory `{dir}`"
    ))
    .because(why)
    .hint(format!(
        "make it for that user, once: `sudo install -d -o {} -m 750 {}`",
        shell::word(user),
        shell::path(&site.backup_dir)
    ))
    .hint("or name a directory of that user's own in `backup_dir`");
    match answer.sudo {
        Some(true) => failure,
        _ => failure
            .hint("or let that user run `sudo` without a password, and leave `sudo` at `auto`"),
    }
}

/// Copies the executable, proves the copy, and removes what is older than the newest few.
async fn copy(
    transport: &Transport,
    state: &Path,
    role: &[&str],
    binary: &Binary,
    there: &[(u64, String)],
) -> Result<(), Error> {
    let content = std::fs::read(&binary.path).map_err(|e| {
        Error::Local(Failure::new(format!("`{}` cannot be read", binary.path.display())).because(e))
    })?;
    let dir = state.join(BIN);
    let dir = dir.to_string_lossy();
    let name = binary.name();
    let mut words = role.to_vec();
    words.extend(["sh", "-c", &**PLACE, "sh", &*dir, &*name, &*binary.sha256]);
    words.extend(
        there
            .iter()
            .map(|(_, old)| old.as_str())
            .filter(|old| *old != name)
            .skip(KEEP - 1),
    );
    let output = transport.run(&shell::words(words), &content, COPY).await?;
    if output.is_success() {
        return Ok(());
    }
    Err(Error::Agent(
        failure(&format!("the agent cannot be copied to `{dir}`"), &output).hint(format!(
            "see that `{dir}` has room: `df -h {}`",
            shell::word(&dir)
        )),
    ))
}

/// A failure with what the server complained of.
pub(super) fn failure(what: &str, output: &Output) -> Failure {
    let failure = Failure::new(what);
    let failure = match output.ended {
        Ended::Exited(0) | Ended::Dropped => failure,
        Ended::Exited(code) => failure.because(format!("the command ended with status {code}")),
        Ended::Killed => failure.because("the command was killed"),
    };
    let complaints = output.complaints();
    let last = complaints.len().saturating_sub(10);
    complaints[last..].iter().fold(failure, Failure::because)
}

fn refused(what: &str, output: &Output) -> Error {
    Error::Agent(failure(what, output))
}
