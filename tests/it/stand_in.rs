//! An agent whose work is a stand-in: it tells what reached it, waits, and obeys words.
//!
//! Not a test itself: the tests copy this program to their server as the agent. The plan says how
//! it behaves: `timeout` notes, `lock_timeout` milliseconds between them, a wait for a word if
//! there is a hook before the switch, and a sudden death at the end if `watch` is 13.
#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a part of the tests: it fails loudly, and talks to them"
)]

use std::io::{Read, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use landfall::face::agent::Work;
use landfall::remote::hostkey;
use landfall::remote::rundir::RunDir;
use landfall::remote::ssh::Connection;
use landfall::remote::target::{HostKeys, Identity, Target};
use landfall::words::event::{Event, Failure, Note, Outcome, RECORD_VERSION, Record, Step};
use landfall::words::line;
use landfall::words::plan::{Plan, Private};
use landfall::words::secret::Secret;
use landfall::words::wire::Word;

struct StandIn;

struct Journal {
    file: std::fs::File,
    run: String,
    seq: u64,
}

impl Journal {
    fn append(&mut self, event: Event) {
        let record = Record {
            v: RECORD_VERSION,
            seq: self.seq,
            at: chrono::Utc::now(),
            run: self.run.clone(),
            event,
        };
        self.seq += 1;
        let text = line::of(&record).expect("a record is JSON");
        self.file
            .write_all(text.as_bytes())
            .expect("the journal takes it");
        self.file.sync_data().expect("the disk takes it");
    }

    fn say(&mut self, text: String) {
        let note = Note::Said { text };
        let step = Step::Preflight;
        self.append(Event::Note { step, note });
    }
}

impl Work for StandIn {
    async fn run(&self, plan: Plan, private: Private, dir: RunDir) -> ExitCode {
        let mut journal = Journal {
            file: dir.append("journal").expect("there is a journal"),
            run: plan.id.clone(),
            seq: 0,
        };
        journal.say(format!("pid {} session {}", std::process::id(), session()));
        journal.say(format!("files {}", contents(&dir.files())));
        let secret = private.env_file.map(|s| s.expose().len());
        journal.say(format!("env_file {}", secret.unwrap_or_default()));
        for n in 0..plan.timeout {
            tokio::time::sleep(Duration::from_millis(plan.lock_timeout)).await;
            journal.say(format!("note {n}"));
        }
        if plan.hooks.pre_deploy {
            journal.say(await_word(&dir).await);
        }
        if plan.checks.watch == 13 {
            eprintln!("last words");
            std::process::abort();
        }
        let outcome = Outcome::Deployed;
        journal.append(Event::Finished { outcome });
        ExitCode::SUCCESS
    }

    async fn logs(&self, _state: &Path, _args: &[String]) -> Result<(), Failure> {
        Ok(())
    }

    async fn look(
        &self,
        state: &Path,
        what: &str,
        args: &[String],
    ) -> Result<serde_json::Value, Failure> {
        match what {
            "mirror" => Ok(serde_json::json!({ "state": state, "args": args })),
            _ => {
                Err(Failure::new(format!("`{what}` is nothing to look at"))
                    .hint("ask for `mirror`"))
            }
        }
    }
}

/// The session that this process belongs to, as the kernel tells it.
fn session() -> String {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("there is /proc");
    let after_name = stat.rsplit(") ").next().expect("it has fields");
    after_name
        .split(' ')
        .nth(3)
        .expect("it has a session")
        .to_owned()
}

fn contents(tar: &Path) -> String {
    let mut archive = tar::Archive::new(std::fs::File::open(tar).expect("the files are there"));
    let mut all = Vec::new();
    for entry in archive.entries().expect("it is a tar") {
        let mut entry = entry.expect("it is whole");
        let mut text = String::new();
        entry.read_to_string(&mut text).expect("it is text");
        all.push(format!(
            "{}={text}",
            entry.path().expect("it has a path").display()
        ));
    }
    all.join(" ")
}

async fn await_word(dir: &RunDir) -> String {
    loop {
        for word in [Word::Confirm, Word::Deny, Word::Cancel] {
            if let Some(reason) = dir.heard(word) {
                return format!("{} {reason}", word.word());
            }
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Opens a connection and holds it until somebody ends this process.
async fn hold(port: &str, user: &str, pins: &str) {
    let key = std::fs::read_to_string(std::env::var("KEY_FILE").expect("it is set"));
    let identity = Identity::Key {
        key: Secret::new(key.expect("it is text")),
        passphrase: None,
    };
    let pins = HostKeys::Pinned(hostkey::parse(pins).expect("they are pins"));
    let mut target = Target::new("127.0.0.1", user, identity, pins).expect("it is a target");
    target.port = port.parse().expect("it is a port");
    let connection = Connection::open(&target).await.expect("it opens");
    println!("{}", connection.master().expect("it runs"));
    tokio::time::sleep(Duration::from_mins(1)).await;
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().collect();
    let words: Vec<_> = args.iter().skip(1).map(String::as_str).collect();
    if let ["hold", port, user, pins] = words[..] {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        runtime.expect("it runs").block_on(hold(port, user, pins));
        return ExitCode::SUCCESS;
    }
    landfall::face::run(std::env::args_os(), &StandIn)
}
