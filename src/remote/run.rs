//! A run as the runner hears it: records without loss or repetition, whatever the connection does.
//!
//! A task of its own listens, attaches again from the next record when the connection drops, and
//! gives up after a deadline. It refuses to know what the records mean.

use std::io;
use std::time::{Duration, Instant};

use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::agent::{Agent, failure};
use super::login;
use super::payload::{Payload, Sent};
use super::transport::{Ended, Output};
use crate::words::error::Error;
use crate::words::event::{Failure, Record};
use crate::words::line::{self, is_last};
use crate::words::wire::{Line, Word};

/// How long contact may be lost before the runner gives up.
pub const PATIENCE: Duration = Duration::from_mins(3);
/// A follower says something every 2 s; after this long the connection is dead.
const SILENCE: Duration = Duration::from_secs(15);
/// A login shell that prints, waits or asks may take so long before it runs a command.
const FIRST_WORD: Duration = Duration::from_mins(1);
/// How long sending the plan and its files may take.
const SENDING: Duration = Duration::from_mins(10);
/// The first pause before attaching again; it doubles up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
/// The longest pause before attaching again.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// What the runner hears.
#[derive(Debug, Clone, PartialEq)]
pub enum Heard {
    /// The next record.
    Record(Box<Record>),
    /// The connection is gone for now; the run goes on without it.
    Dropped(Failure),
    /// The connection is back.
    Back,
    /// The agent died before the end of the run; these are its last words. Nothing follows.
    Gone(Vec<String>),
}

/// A run in progress. Dropping it stops listening, and nothing else.
#[derive(Debug)]
pub struct Run {
    id: String,
    agent: Agent,
    heard: mpsc::Receiver<Result<Heard, Error>>,
    listening: JoinHandle<()>,
}

impl Run {
    pub(super) fn begin(agent: Agent, id: String, payload: Option<Payload>, from: u64) -> Self {
        let (out, heard) = mpsc::channel(64);
        let listener = Listener {
            agent: agent.clone(),
            id: id.clone(),
            payload,
            next: from,
            out,
            lost: None,
        };
        Self {
            id,
            agent,
            heard,
            listening: tokio::spawn(listener.listen()),
        }
    }

    /// The next thing heard; none after the last record or the agent's end. May be dropped and
    /// called again. Errors are final: [`Error::Lost`] once contact has been lost for too long,
    /// [`Error::Agent`] if the agent would not start.
    pub async fn next(&mut self) -> Result<Option<Heard>, Error> {
        self.heard.recv().await.transpose()
    }

    /// Tells the agent the runner's verdict, or to take everything back.
    pub async fn say(&self, word: Word, reason: &str) -> Result<(), Error> {
        self.agent.ask(&self.id, word, reason).await
    }

    /// Asks the agent to take everything back.
    pub async fn cancel(&self, reason: &str) -> Result<(), Error> {
        self.say(Word::Cancel, reason).await
    }

    /// The deployment's id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

/// Why one attachment ended before the run did.
enum Break {
    /// Nobody wants to hear any more.
    Unheard,
    /// It makes no sense to try again.
    Final(Error),
    /// The connection dropped.
    Dropped(Failure),
}

struct Listener {
    agent: Agent,
    id: String,
    payload: Option<Payload>,
    next: u64,
    out: mpsc::Sender<Result<Heard, Error>>,
    lost: Option<Instant>,
}

impl Listener {
    async fn listen(mut self) {
        let mut pause = FIRST_PAUSE;
        loop {
            let failure = match self.attach().await {
                Ok(()) | Err(Break::Unheard) => return,
                Err(Break::Final(error)) => return self.give_up(error).await,
                Err(Break::Dropped(failure)) => failure,
            };
            if self.lost.is_none() {
                pause = FIRST_PAUSE;
                self.lost = Some(Instant::now());
                let _ = self.out.send(Ok(Heard::Dropped(failure.clone()))).await;
            }
            if self.lost.is_some_and(|since| since.elapsed() > PATIENCE) {
                return self.give_up(lost(failure)).await;
            }
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    async fn give_up(&self, error: Error) {
        let _ = self.out.send(Err(error)).await;
    }

    /// Starts or follows the run over one session, to the run's end or the session's.
    async fn attach(&mut self) -> Result<(), Break> {
        let from = self.next.to_string();
        let script = match self.payload {
            Some(_) => self.agent.script("start", &self.id, &[]),
            None => self.agent.script("follow", &self.id, &["--from", &from]),
        };
        let transport = self.agent.transport().clone();
        let mut process = transport
            .spawn(&script)
            .await
            .map_err(|error| self.unreachable(error))?;
        let complaints = tokio::spawn(read_all(process.stderr.take(8 * 1024)));
        let before = process.before.clone();
        process.stderr = Box::new(tokio::io::empty());
        self.send_payload(process.stdin.take()).await?;
        let mut stdout = BufReader::new(std::mem::replace(
            &mut process.stdout,
            Box::new(tokio::io::empty()),
        ));
        loop {
            let patience = if before.has_begun() {
                SILENCE
            } else {
                FIRST_WORD
            };
            match timeout(patience, next_line(&mut stdout)).await {
                Ok(Ok(Some(line))) => {
                    if self.take(&line).await? == Told::Last {
                        return Ok(());
                    }
                }
                Ok(Err(error)) if error.kind() == io::ErrorKind::InvalidData => {
                    return Err(Break::Dropped(Failure::new(error.to_string())));
                }
                Ok(_) => break,
                Err(_) => {
                    transport.hang_up().await;
                    return Err(Break::Dropped(Failure::new(
                        "the connection has gone silent",
                    )));
                }
            }
        }
        let ended = timeout(SILENCE, process.ended())
            .await
            .unwrap_or(Ended::Dropped);
        let stderr = complaints.await.unwrap_or_default();
        let output = Output {
            ended,
            stdout: Vec::new(),
            stderr,
        };
        if before.has_begun() || ended == Ended::Dropped {
            return Err(self.ended(&output));
        }
        Err(self.not_run(ended, &[before.text(), output.stderr].concat()))
    }

    async fn send_payload(&self, stdin: Stdin) -> Result<(), Break> {
        let (Some(payload), Some(mut stdin)) = (&self.payload, stdin) else {
            return Ok(());
        };
        match timeout(SENDING, payload.send(&mut *stdin)).await {
            Ok(Ok(Sent::Whole | Sent::Broken)) => Ok(()),
            Ok(Err(failure)) => Err(Break::Final(Error::Local(failure))),
            Err(_) => Err(Break::Dropped(Failure::new(
                "sending the plan takes too long",
            ))),
        }
    }

    async fn take(&mut self, line: &str) -> Result<Told, Break> {
        let Some(line) = Line::parse(line) else {
            return Ok(Told::More);
        };
        if self.lost.take().is_some() {
            self.tell(Heard::Back).await?;
        }
        match line {
            Line::Record(record) => self.take_record(record).await,
            Line::Gone { gone } => {
                self.tell(Heard::Gone(gone)).await?;
                Ok(Told::Last)
            }
            Line::Refused { refused } => Err(Break::Final(Error::Agent(refused))),
            Line::Beat { .. } => Ok(Told::More),
        }
    }

    async fn take_record(&mut self, record: Box<Record>) -> Result<Told, Break> {
        self.payload = None;
        if record.seq < self.next {
            return Ok(Told::More);
        }
        if record.seq > self.next {
            return Err(Break::Dropped(Failure::new(
                "records are missing from the stream",
            )));
        }
        self.next += 1;
        let told = if is_last(&record) {
            Told::Last
        } else {
            Told::More
        };
        self.tell(Heard::Record(record)).await?;
        Ok(told)
    }

    async fn tell(&self, heard: Heard) -> Result<(), Break> {
        self.out.send(Ok(heard)).await.map_err(|_| Break::Unheard)
    }

    /// A server that cannot be reached is a drop, once there is something to come back to.
    fn unreachable(&self, error: Error) -> Break {
        let failure = error.failures().first().cloned();
        let begun = self.lost.is_some() || self.payload.is_none();
        match failure {
            Some(failure) if begun => Break::Dropped(failure),
            _ => Break::Final(error),
        }
    }

    /// A login shell that ended by itself and never ran the command has begun nothing.
    fn not_run(&self, ended: Ended, printed: &[u8]) -> Break {
        let name = self.agent.transport().name();
        let failure = login::failure(&name, ended.instead(), printed);
        if self.payload.is_some() && self.lost.is_none() {
            Break::Final(Error::Agent(failure))
        } else {
            Break::Dropped(failure)
        }
    }

    /// A stream that ended without the run's end: the connection, or an agent that cannot start.
    fn ended(&self, output: &Output) -> Break {
        let starting = self.payload.is_some();
        match output.ended {
            Ended::Exited(code) if starting && says_no(code) => {
                let failure = failure("the agent cannot be started", output);
                Break::Final(Error::Agent(match code {
                    126 | 127 => failure.hint("see that `backup_dir` is not mounted `noexec`, and that this landfall is a static build"),
                    _ => failure,
                }))
            }
            _ => Break::Dropped(failure("the connection to the agent ended", output)),
        }
    }
}

/// Says whether an exit code is an answer. One above 128 tells of a signal: a launcher that was
/// killed may have set the agent free before, and to start once more is to follow it.
fn says_no(code: i32) -> bool {
    (1..=128).contains(&code)
}

type Stdin = Option<Box<dyn tokio::io::AsyncWrite + Send + Unpin>>;

#[derive(PartialEq, Eq)]
enum Told {
    More,
    Last,
}

/// The next line; one that is longer than [`line::LONGEST`] is an error, whatever it says.
async fn next_line(from: &mut (impl AsyncBufRead + Unpin)) -> io::Result<Option<String>> {
    let mut line = Vec::new();
    let mut limited = from.take(line::LONGEST);
    if limited.read_until(b'\n', &mut line).await? == 0 {
        return Ok(None);
    }
    if line.len() as u64 == line::LONGEST && line.last() != Some(&b'\n') {
        let why = "the server sent a line that is longer than any record";
        return Err(io::Error::new(io::ErrorKind::InvalidData, why));
    }
    Ok(Some(String::from_utf8_lossy(&line).into_owned()))
}

async fn read_all(mut from: impl tokio::io::AsyncRead + Unpin) -> Vec<u8> {
    let mut bytes = Vec::new();
    let _ = from.read_to_end(&mut bytes).await;
    bytes
}

fn lost(last: Failure) -> Error {
    let minutes = PATIENCE.as_secs() / 60;
    Error::Lost(
        Failure::new(format!("contact was lost for more than {minutes} minutes"))
            .because(last)
            .hint("the server settles by itself, on the new release or the old one: ask `landfall status`"),
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_launcher_that_was_killed_has_not_said_that_nothing_was_touched() {
        for code in [1, 2, 126, 127] {
            assert!(says_no(code), "{code}");
        }
        for code in [0, 137, 143, 255] {
            assert!(!says_no(code), "{code}");
        }
    }

    #[tokio::test]
    async fn a_line_without_an_end_is_given_up_at_a_limit() {
        let mut lines = BufReader::new(&b"one\ntwo"[..]);
        for wanted in [Some("one\n"), Some("two"), None] {
            assert_eq!(next_line(&mut lines).await.unwrap().as_deref(), wanted);
        }
        let mut endless = BufReader::new(tokio::io::repeat(b'x'));
        assert!(next_line(&mut endless).await.is_err());
    }
}
