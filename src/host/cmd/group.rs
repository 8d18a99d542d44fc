//! Process groups of commands: ended with their holder, and noted so that the next agent can.
//!
//! A note is `<run>/group-<pgid>`: boot, group and its leader's start. A number alone would be no
//! proof, for numbers come round again. The leader notes itself before it becomes the command, so
//! whenever the agent dies, nothing is at work that nobody noted. The file refuses to know what a
//! group is for.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::Child;

use crate::files::foreign;
use crate::words::Result;
use crate::words::event::Failure;

/// How a note's name begins.
const PREFIX: &str = "group-";
/// How long a note may be, in bytes.
const NOTE: u64 = 256;
/// How long a killed group may take to be gone.
const PATIENCE: Duration = Duration::from_secs(20);

/// Notes the group that it leads and then becomes the command, unless the agent has died by then.
/// Where nothing can be written, as on a full disk, the command has to run all the same. Arguments:
/// boot, the note's beginning, the agent, the command. In the kernel's line the 4th word is the
/// parent and the 22nd the start.
const LEADER: &str = "{ read -r _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ start _ </proc/$$/stat \
    && echo \"$1 $$ $start\" >\"$2$$\"; } 2>/dev/null
    read -r _ _ _ parent _ </proc/$$/stat && [ \"$parent\" = \"$3\" ] || exit 125
    shift 3; exec \"$@\"";

/// Where this process notes the groups of its commands.
static NOTES: OnceLock<PathBuf> = OnceLock::new();

/// From now on, this process notes the groups of its commands in a directory; the first one stays.
pub fn note_in(dir: &Path) {
    let _ = NOTES.set(dir.to_owned());
}

/// A process group that is ended when its holder goes away early.
pub(super) struct Group {
    pid: Option<Pid>,
    note: Option<PathBuf>,
}

impl Group {
    /// The group of a child, which has noted itself where this process notes them.
    pub(super) fn of(child: &Child) -> Self {
        Self::noted(child, NOTES.get().map(PathBuf::as_path))
    }

    fn noted(child: &Child, dir: Option<&Path>) -> Self {
        fault!(here "group.led");
        let id = child.id().and_then(|id| i32::try_from(id).ok());
        let pid = id.and_then(Pid::from_raw);
        let note = id.zip(dir).map(|(id, dir)| note_of(dir, id));
        Self { pid, note }
    }

    /// Lets go of a group whose leader has ended by itself.
    pub(super) fn release(mut self) {
        self.pid = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(pid) = self.pid {
            let _ = kill_process_group(pid, Signal::KILL);
        }
        if let Some(note) = &self.note {
            let _ = fs::remove_file(note);
        }
    }
}

/// A command that notes its group first, where this process notes them.
pub(super) fn leading(argv: &[String]) -> Vec<String> {
    match NOTES.get() {
        Some(dir) => noting(argv, dir),
        None => argv.to_owned(),
    }
}

fn noting(argv: &[String], dir: &Path) -> Vec<String> {
    let begin = dir.join(PREFIX).to_string_lossy().into_owned();
    let shell = ["sh", "-c", LEADER, "sh"].map(ToOwned::to_owned);
    let told = [boot(), begin, std::process::id().to_string()];
    shell
        .into_iter()
        .chain(told)
        .chain(argv.iter().cloned())
        .collect()
}

fn note_of(dir: &Path, group: i32) -> PathBuf {
    dir.join(format!("{PREFIX}{group}"))
}

/// Ends what a dead agent's commands left at work, and waits until it is gone.
pub async fn end_noted(dir: &Path) -> Result<()> {
    let names = fs::read_dir(dir).into_iter().flatten().flatten();
    for entry in names {
        if entry.file_name().to_string_lossy().starts_with(PREFIX) {
            let note = foreign::text(&entry.path(), NOTE).unwrap_or_default();
            end(&note).await?;
            let _ = fs::remove_file(entry.path());
        }
    }
    Ok(())
}

async fn end(note: &str) -> Result<()> {
    let mut words = note.split_whitespace();
    let (Some(then), Some(group), Some(start)) = (words.next(), words.next(), words.next()) else {
        return Ok(());
    };
    let Some(pid) = group.parse().ok().and_then(Pid::from_raw) else {
        return Ok(());
    };
    // No command of ours leads the group of the first process: a signal there reaches everybody.
    if pid == Pid::INIT {
        return Ok(());
    }
    let is_ours = |stat: Option<Stat>| stat.is_none_or(|stat| stat.start == start);
    if then != boot() || !is_ours(stat(pid.as_raw_nonzero().get())) {
        return Ok(());
    }
    let begun = Instant::now();
    while has_members(group) {
        if begun.elapsed() > PATIENCE {
            return Err(Failure::new(format!(
                "the processes {group} of an interrupted run do not end"
            ))
            .hint(format!("look at them: `ps -o pid,stat,args -g {group}`")));
        }
        let _ = kill_process_group(pid, Signal::KILL);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

fn boot() -> String {
    let id = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    format!("boot:{}", id.trim())
}

/// What the kernel says of a process.
struct Stat {
    state: String,
    group: String,
    start: String,
}

fn stat(pid: i32) -> Option<Stat> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may hold anything; state is the third field.
    let (_, rest) = text.rsplit_once(") ")?;
    let fields: Vec<&str> = rest.split(' ').collect();
    Some(Stat {
        state: (*fields.first()?).to_owned(),
        group: (*fields.get(2)?).to_owned(),
        start: (*fields.get(19)?).to_owned(),
    })
}

fn has_members(group: &str) -> bool {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let mut pids = entries.filter_map(|e| e.file_name().to_str()?.parse().ok());
    pids.any(|pid| {
        stat(pid).is_some_and(|s| s.group == group && !matches!(s.state.as_str(), "Z" | "X"))
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    async fn sleeper(dir: &Path) -> Child {
        let argv = ["sh", "-c", "sleep 60 & wait"].map(ToOwned::to_owned);
        let child = started(&noting(&argv, dir));
        let note = note_of(dir, child.id().unwrap().try_into().unwrap());
        for _ in 0..500 {
            if fs::read_to_string(&note).is_ok_and(|text| text.ends_with('\n')) {
                return child;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("no note was written");
    }

    fn started(argv: &[String]) -> Child {
        let mut command = tokio::process::Command::new(&argv[0]);
        command.args(&argv[1..]).process_group(0).spawn().unwrap()
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_command_whose_agent_is_dead_before_it_begins_does_not_begin() {
        let dir = tempfile::tempdir().unwrap();
        let ran = dir.path().join("ran").display().to_string();
        let mut argv = noting(&["touch".to_owned(), ran], dir.path());
        let agent = argv
            .iter()
            .position(|a| *a == std::process::id().to_string());
        argv[agent.unwrap()] = "1".to_owned();
        let status = started(&argv).wait().await.unwrap();
        assert_eq!(status.code(), Some(125));
        assert!(!dir.path().join("ran").exists());
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_command_runs_where_no_note_can_be_written() {
        let nowhere = Path::new("/proc/nowhere");
        let argv = noting(&["true".to_owned()], nowhere);
        assert!(started(&argv).wait().await.unwrap().success());
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_group_that_a_dead_agent_noted_is_ended_before_anything_else_is_done() {
        let dir = tempfile::tempdir().unwrap();
        let mut child = sleeper(dir.path()).await;
        let group = child.id().unwrap().to_string();
        assert!(has_members(&group));
        end_noted(dir.path()).await.unwrap();
        assert!(!has_members(&group));
        assert!(!child.wait().await.unwrap().success());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_group_whose_number_came_round_again_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let child = sleeper(dir.path()).await;
        let group = child.id().unwrap().to_string();
        let note = dir.path().join(format!("{PREFIX}{group}"));
        fs::write(&note, format!("{} {group} 1", boot())).unwrap();
        end_noted(dir.path()).await.unwrap();
        assert!(has_members(&group));
        drop(Group::noted(&child, Some(dir.path())));
        assert!(!note.exists());
    }
}
