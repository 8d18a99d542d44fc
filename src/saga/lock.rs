//! One deployment a directory: a kernel lock on the deploy directory itself, and a person's freeze.
//!
//! The lock is on the directory's own inode, so it holds whatever backup directory or user each
//! deployment names, and it dies with its holder. The file refuses to know what is done under it.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use crate::files::foreign;
use crate::files::tree::Home;
use crate::files::tree::home::Leads;
use crate::words::Result;
use crate::words::event::{Failure, FailureKind};

/// How often a waiting deployment looks.
const LOOK: Duration = Duration::from_millis(100);

/// The longest note of a freeze, in bytes.
const NOTE: u64 = 64 * 1024;

/// What is said of a holder that no journal of ours knows; the kernel may know more.
pub const STRANGER: &str = "somebody whose journal lies in another backup directory";

/// The held lock; dropping it lets the next one in.
#[derive(Debug)]
pub struct Lock {
    home: Home,
}

impl Lock {
    /// The directory that was opened and locked: the one that the run works in.
    #[must_use]
    pub fn home(&self) -> &Home {
        &self.home
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Others may hold the directory open for longer.
        let _ = flock(self.home.dir(), FlockOperation::Unlock);
    }
}

/// Takes the lock of a deploy directory, waiting for another deployment at most `timeout`.
///
/// `waiting` is called once if there is somebody to wait for.
pub async fn take(
    deploy_dir: &Path,
    timeout: Duration,
    holder: impl Fn() -> String,
    waiting: impl Fn(&str),
) -> Result<Lock> {
    let start = Instant::now();
    let mut told = false;
    loop {
        if let Some(lock) = try_take(deploy_dir)? {
            return Ok(lock);
        }
        if start.elapsed() >= timeout {
            return Err(held(deploy_dir, timeout, &holder()));
        }
        if !told {
            let holder = holder();
            let process = process_behind(&holder, deploy_dir);
            waiting(&process.map_or(holder, |p| p.to_string()));
            told = true;
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Refuses where somebody holds the lock, without waiting for them: a deployment would wait so long.
pub fn look(deploy_dir: &Path, timeout: Duration, holder: impl Fn() -> String) -> Result<()> {
    if try_take(deploy_dir)?.is_some() {
        return Ok(());
    }
    let mut failure = held(deploy_dir, timeout, &holder());
    failure.because = vec![format!(
        "a run that starts now waits up to {} s for it",
        timeout.as_secs()
    )];
    Err(failure)
}

/// Takes the lock if nobody holds it.
pub fn try_take(deploy_dir: &Path) -> Result<Option<Lock>> {
    fault!("lock.take.before");
    let shown = deploy_dir.display();
    let home = Home::open(deploy_dir)
        .map_err(|e| Failure::new(format!("cannot open `{shown}` to lock it")).because(e))?;
    match flock(home.dir(), FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {
            fault!("lock.take.after");
            let lock = Lock { home };
            // What was renamed while it was being locked is not the one to lock.
            Ok((lock.home.leads() == Leads::Here).then_some(lock))
        }
        Err(Errno::WOULDBLOCK) => Ok(None),
        Err(e) => Err(Failure::new(format!("cannot lock `{shown}`")).because(e)),
    }
}

fn held(deploy_dir: &Path, timeout: Duration, holder: &str) -> Failure {
    let process = process_behind(holder, deploy_dir);
    let shown = process.as_ref().map_or(holder.into(), ToString::to_string);
    let failure = Failure::new(format!(
        "another deployment holds `{}`: {shown}",
        deploy_dir.display()
    ))
    .because(format!("it did not finish within {} s", timeout.as_secs()))
    .of(FailureKind::Locked)
    .hint("wait for it, or raise `lock_timeout`");
    match process {
        Some(process) => failure.hint(format!(
            "look at it on the server: `ps -fp {}`; end it only if it is no deployment",
            process.pid
        )),
        None => failure,
    }
}

/// A process that holds a lock.
struct Process {
    pid: u32,
    command: String,
    /// The container that it runs in: one that mounts the directory can lock it too.
    container: Option<String>,
}

impl std::fmt::Display for Process {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "process {} (`{}`)", self.pid, self.command)?;
        match &self.container {
            Some(container) => write!(f, " in container {container}"),
            None => Ok(()),
        }
    }
}

/// The process that holds the lock, where no journal knows.
fn process_behind(holder: &str, deploy_dir: &Path) -> Option<Process> {
    if holder != STRANGER {
        return None;
    }
    let inode = fs::metadata(deploy_dir).ok()?.ino();
    let locks = fs::read_to_string("/proc/locks").ok()?;
    let pid = locks.lines().find_map(|line| holder_of(line, inode))?;
    let ours = fs::read_to_string("/proc/self/cgroup").ok();
    let ours = ours.and_then(|cgroups| container_in(&cgroups));
    let told = |file| fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap_or_default();
    Some(Process {
        pid,
        command: told("comm").trim().to_owned(),
        container: container_in(&told("cgroup")).filter(|id| ours.as_ref() != Some(id)),
    })
}

/// The short ID of the innermost container in a process's `cgroup` file, of Docker's own or of systemd's making:
/// `0::/docker/ID`, `0::/system.slice/docker-ID.scope`.
fn container_in(cgroups: &str) -> Option<String> {
    let mut words = cgroups.rsplit(|c: char| !c.is_ascii_hexdigit());
    let id = words.find(|word| word.len() == 64)?;
    id.get(..12).map(str::to_owned)
}

/// The process of a line such as `1: FLOCK  ADVISORY  WRITE 1234 08:01:5678 0 EOF`; lines of those
/// who wait have `->` for their second word.
fn holder_of(line: &str, inode: u64) -> Option<u32> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let (_, found) = words.get(5)?.rsplit_once(':')?;
    let ours = words.get(1) == Some(&"FLOCK") && found.parse() == Ok(inode);
    ours.then(|| words.get(4)?.parse().ok()).flatten()
}

/// A person's word that nothing may be deployed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Freeze {
    /// Why.
    pub message: String,
    /// Who said so.
    pub by: String,
    /// When.
    pub since: DateTime<Utc>,
}

fn freeze_file(state: &Path) -> PathBuf {
    state.join("frozen.json")
}

/// Writes a freeze down.
pub fn freeze(state: &Path, freeze: &Freeze) -> Result<()> {
    let write = || -> std::io::Result<()> {
        let temp = tempfile::NamedTempFile::new_in(state)?;
        fs::write(temp.path(), serde_json::to_vec_pretty(freeze)?)?;
        temp.persist(freeze_file(state))?;
        Ok(())
    };
    write().map_err(|e| Failure::new("cannot write the freeze down").because(e))
}

/// Ends a freeze; the one that was in force, if any.
pub fn thaw(state: &Path) -> Result<Option<Freeze>> {
    let was = frozen(state)?;
    if was.is_some() {
        fs::remove_file(freeze_file(state))
            .map_err(|e| Failure::new("cannot end the freeze").because(e))?;
    }
    Ok(was)
}

/// The freeze in force, if any.
pub fn frozen(state: &Path) -> Result<Option<Freeze>> {
    match foreign::read(&freeze_file(state), NOTE) {
        Ok(bytes) => Ok(Some(serde_json::from_slice(&bytes).unwrap_or(Freeze {
            message: "the note of the freeze cannot be read".into(),
            by: "somebody".into(),
            since: crate::clock::now(),
        }))),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(Failure::new("cannot look for a freeze").because(e)),
    }
}

/// Refuses when a person froze the directory.
pub fn refuse_frozen(state: &Path) -> Result<()> {
    match frozen(state)? {
        None => Ok(()),
        Some(freeze) => Err(Failure::new(format!(
            "deployments are frozen by {} since {}: {}",
            freeze.by,
            freeze.since.format("%Y-%m-%d %H:%M UTC"),
            freeze.message
        ))
        .hint("run `landfall thaw` when the reason is gone")
        .of(FailureKind::Frozen)),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::files::foreign::odd;

    #[tokio::test(flavor = "current_thread")]
    async fn a_held_directory_refuses_after_the_timeout_and_names_the_holder() {
        let dir = tempfile::tempdir().unwrap();
        let held = try_take(dir.path()).unwrap().unwrap();
        let told = std::cell::RefCell::new(Vec::new());
        let failure = take(
            dir.path(),
            Duration::from_millis(150),
            || "run 7 by ana".into(),
            |holder| told.borrow_mut().push(holder.to_owned()),
        )
        .await
        .unwrap_err();
        assert_eq!(failure.kind, FailureKind::Locked);
        assert!(failure.what.contains("run 7 by ana"), "{failure}");
        assert_eq!(*told.borrow(), ["run 7 by ana"]);
        drop(held);
        assert!(try_take(dir.path()).unwrap().is_some());
    }

    #[test]
    fn what_lies_in_place_of_a_freeze_refuses_and_holds_nobody() {
        let dir = tempfile::tempdir().unwrap();
        for what in odd::ALL {
            odd::put(what, &freeze_file(dir.path()));
            let state = dir.path().to_owned();
            let failure = odd::ends(what, move || refuse_frozen(&state)).unwrap_err();
            assert!(failure.what.contains("freeze"), "{what}: {failure}");
        }
    }

    #[test]
    fn a_freeze_refuses_with_the_persons_message_until_it_is_thawed() {
        let dir = tempfile::tempdir().unwrap();
        let word = Freeze {
            message: "stock-taking until Monday".into(),
            by: "ana".into(),
            since: Utc::now(),
        };
        freeze(dir.path(), &word).unwrap();
        let failure = refuse_frozen(dir.path()).unwrap_err();
        assert!(
            failure.what.contains("stock-taking until Monday"),
            "{failure}"
        );
        assert_eq!(thaw(dir.path()).unwrap(), Some(word));
        assert!(refuse_frozen(dir.path()).is_ok());
    }

    #[test]
    fn a_holder_in_a_container_is_named_with_the_container() {
        let id = "0123456789ab".to_owned() + &"c".repeat(52);
        for line in [
            format!("0::/docker/{id}\n"),
            format!("0::/system.slice/docker-{id}.scope\n"),
            format!("12:pids:/docker/{id}\n11:cpu:/docker/{id}\n"),
        ] {
            assert_eq!(
                container_in(&line).as_deref(),
                Some("0123456789ab"),
                "{line}"
            );
        }
        assert_eq!(container_in("0::/system.slice/ssh.service\n"), None);
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_holder_that_no_journal_knows_is_named_by_its_process() {
        let dir = tempfile::tempdir().unwrap();
        let _held = try_take(dir.path()).unwrap().unwrap();
        let stranger = || STRANGER.to_owned();
        let taken = take(dir.path(), Duration::ZERO, stranger, |_| {}).await;
        let failure = taken.unwrap_err();
        let pid = format!("process {}", std::process::id());
        assert!(failure.what.contains(&pid), "{failure}");
        assert!(failure.hints[1].contains("ps -fp"), "{failure:?}");
    }
}
