//! Starting a run: its files are stored, its secrets handed over a pipe, itself set free.
//!
//! A run that has been started is only followed, so a runner whose connection broke while it was
//! starting may simply say `start` again. This file refuses to know what a plan says.

use std::fs::{self, File};
use std::io::{self, BufRead, Read, Write};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::follow;
use crate::event::Failure;
use crate::plan::{PLAN_VERSION, Plan};
use crate::remote::rundir::RunDir;
use crate::remote::wire::Cargo;
use zeroize::Zeroizing;

/// How long a new agent may take to claim its run.
const CLAIM: Duration = Duration::from_secs(20);

/// What arrived: the two lines as they are, and where the files are stored for now.
struct Arrived {
    lines: Zeroizing<Vec<u8>>,
    staged: String,
}

/// Starts the run unless it has been started, then follows it from its first record.
pub fn start(dir: &RunDir) -> Result<(), Failure> {
    dir.create().map_err(|e| {
        Failure::new(format!("`{}` cannot be made", dir.path().display())).because(e)
    })?;
    let arrived = receive(dir, &mut io::stdin().lock())?;
    let one_at_a_time = dir.lock_start()?;
    if is_started(dir) {
        fs::remove_file(dir.path().join(arrived.staged))?;
    } else {
        fs::rename(dir.path().join(&arrived.staged), dir.files())?;
        set_free(dir, &arrived.lines)?;
    }
    drop(one_at_a_time);
    follow::from(dir, 0)
}

fn is_started(dir: &RunDir) -> bool {
    dir.journal().exists() || dir.is_alive()
}

/// Reads all of standard input. A stream that is shorter than it says is a broken connection.
fn receive(dir: &RunDir, from: &mut impl BufRead) -> Result<Arrived, Failure> {
    let mut lines = Zeroizing::new(Vec::new());
    from.read_until(b'\n', &mut lines)?;
    let plan: Plan = serde_json::from_slice(&lines)
        .map_err(|e| Failure::new("the plan cannot be read").because(e))?;
    if plan.v != PLAN_VERSION || plan.id != dir.id() {
        return Err(Failure::new("the plan is not the announced one"));
    }
    from.read_until(b'\n', &mut lines)?;
    let mut line = String::new();
    from.read_line(&mut line)?;
    let cargo: Cargo = serde_json::from_str(&line)
        .map_err(|e| Failure::new("the length of the files cannot be read").because(e))?;
    let staged = format!(".files-{}", std::process::id());
    let stored = store(dir.fresh(&staged)?, from, cargo.tar_bytes);
    if let Err(failure) = stored {
        let _ = fs::remove_file(dir.path().join(staged));
        return Err(failure);
    }
    Ok(Arrived { lines, staged })
}

fn store(mut to: File, from: &mut impl BufRead, length: u64) -> Result<(), Failure> {
    let stored = io::copy(&mut from.take(length), &mut to)
        .map_err(|e| Failure::new("the files cannot be stored on the server").because(e))?;
    if stored < length || from.read(&mut [0])? != 0 {
        return Err(Failure::new("the files did not arrive whole"));
    }
    Ok(())
}

/// Launches the agent and waits until it has claimed its run.
fn set_free(dir: &RunDir, lines: &[u8]) -> Result<(), Failure> {
    let log = dir.append("agent.log")?;
    let mut child = Command::new(std::env::current_exe()?)
        .args(["agent", "run", "--id", dir.id(), "--state"])
        .arg(dir.state())
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()
        .map_err(|e| Failure::new("the agent cannot be launched").because(e))?;
    if let Some(mut stdin) = child.stdin.take() {
        // An agent that does not read has died; its log says more than this error.
        let _ = stdin.write_all(lines);
    }
    await_claim(dir, &mut child)
}

fn await_claim(dir: &RunDir, child: &mut Child) -> Result<(), Failure> {
    let begun = Instant::now();
    loop {
        // Looked at in this order: a short run may have ended, journal and all.
        let ended = child.try_wait()?;
        if dir.is_alive() || dir.journal().exists() {
            return Ok(());
        }
        if ended.is_some() || begun.elapsed() > CLAIM {
            let failure = Failure::new("the agent ended before it began");
            return Err(follow::last_words(dir)
                .iter()
                .fold(failure, Failure::because));
        }
        sleep(Duration::from_millis(2));
    }
}
