//! Starting a run: its files are stored, its secrets handed over a pipe, itself set free.
//!
//! A run that has been started is only followed, so a runner whose connection broke while it was
//! starting may simply say `start` again. This file refuses to know what a plan says.

use std::fs::{self, File};
use std::io::{self, BufRead, Read, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::{follow, unit};
use crate::files::tail::Tail;
use crate::remote::rundir::RunDir;
use crate::remote::transport::without_inputs;
use crate::words::event::Failure;
use crate::words::plan::{PLAN_VERSION, Plan};
use crate::words::shell;
use crate::words::wire::Cargo;
use zeroize::Zeroizing;

/// How long a new agent may take to claim its run.
const CLAIM: Duration = Duration::from_secs(20);

/// What arrived: the two lines as they are, and where the files are stored for now.
struct Arrived {
    lines: Zeroizing<Vec<u8>>,
    staged: String,
}

/// Starts the run unless it has been started, then follows it from its first record. The run is
/// told the login's umask, which nothing else keeps.
pub fn start(dir: &RunDir, umask: u32) -> Result<(), Failure> {
    dir.create().map_err(|e| {
        Failure::new(format!("`{}` cannot be made", dir.path().display())).because(e)
    })?;
    let arrived = receive(dir, &mut io::stdin().lock())?;
    let one_at_a_time = dir.lock_start()?;
    if is_started(dir) {
        fs::remove_file(dir.path().join(arrived.staged))?;
    } else {
        fault!(around "launch.files" => fs::rename(dir.path().join(&arrived.staged), dir.files()))?;
        set_free(dir, &arrived.lines, umask)?;
    }
    drop(one_at_a_time);
    follow::from(dir, 0)
}

/// Takes what comes with a plan that is not to be started; its two lines.
pub fn receive_all(dir: &RunDir, from: &mut impl BufRead) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let arrived = receive(dir, from)?;
    fs::rename(dir.path().join(&arrived.staged), dir.files())?;
    Ok(arrived.lines)
}

fn is_started(dir: &RunDir) -> bool {
    dir.is_alive() || has_begun(dir)
}

/// A journal without a whole record is no beginning: whoever settles may have made it empty.
fn has_begun(dir: &RunDir) -> bool {
    Tail::new(dir.journal())
        .more()
        .is_ok_and(|records| !records.is_empty())
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
    let room = format!(
        "see that `{}` has room: `df -h {}`",
        dir.state().display(),
        shell::path(dir.state())
    );
    let stored = store(dir.fresh(&staged)?, from, cargo.tar_bytes).map_err(|f| f.hint(room));
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

/// Launches the agent and waits until it has claimed its run. A unit of systemd that cannot be had
/// is no reason not to deploy: a session of its own will do.
fn set_free(dir: &RunDir, lines: &[u8], umask: u32) -> Result<(), Failure> {
    if let Some(command) = unit::command(Path::new("/"), dir.id())
        && launch(command, dir, lines, umask).is_ok()
    {
        return Ok(());
    }
    if is_started(dir) {
        return Ok(());
    }
    launch(itself()?, dir, lines, umask)
}

/// This very program, whatever lies at its path by now, under its own name.
fn itself() -> io::Result<Command> {
    let mut command = Command::new("/proc/self/exe");
    command.arg0(std::env::current_exe()?);
    Ok(command)
}

fn launch(mut command: Command, dir: &RunDir, lines: &[u8], umask: u32) -> Result<(), Failure> {
    let log = dir.append("agent.log")?;
    without_inputs(&mut command);
    fault!("launch.spawn.before");
    let mut child = command
        .args(["agent", "run", "--id", dir.id(), "--state"])
        .arg(dir.state())
        .args(["--umask", &format!("{umask:04o}")])
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
    fault!("launch.spawn.after");
    await_claim(dir, &mut child)
}

fn await_claim(dir: &RunDir, child: &mut Child) -> Result<(), Failure> {
    let begun = Instant::now();
    loop {
        // Looked at in this order: a short run may have ended, journal and all.
        let ended = child.try_wait()?;
        if dir.is_alive() || has_begun(dir) {
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::words::line::{self, sample::said};

    #[test]
    fn an_empty_journal_is_no_started_run_and_a_first_record_is() {
        let state = tempfile::tempdir().unwrap();
        let dir = RunDir::new(state.path(), "r").unwrap();
        dir.create().unwrap();
        assert!(!is_started(&dir));
        let text = line::of(&said(0)).unwrap();
        for torn in ["", &text[..20]] {
            fs::write(dir.journal(), torn).unwrap();
            assert!(!is_started(&dir), "{torn:?}");
        }
        fs::write(dir.journal(), text).unwrap();
        assert!(is_started(&dir));
    }
}
