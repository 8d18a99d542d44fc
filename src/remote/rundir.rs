//! A run's directory on the server: which file is where, and who is alive.
//!
//! `<backup_dir>/.landfall/runs/<id>/` is where the agent, its launcher and its followers meet. It
//! refuses to know what the journal means.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::files::foreign::{self, Links};
use crate::words::event::Failure;
use crate::words::wire::Word;

/// The longest reason that is heard with a word, in bytes.
const WORD: u64 = 1024 * 1024;
/// How often a lock that a passer-by may hold for a moment is tried again.
const TRIES: u32 = 100;

/// A run's directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunDir {
    state: PathBuf,
    id: String,
}

/// The agent's claim on its run; the kernel gives it back when the agent dies.
#[derive(Debug)]
pub struct Alive(#[allow(dead_code, reason = "held for its lock")] File);

impl RunDir {
    /// Names the directory of a run; refuses an id that is no plain name.
    pub fn new(state: &Path, id: &str) -> Result<Self, Failure> {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if id.is_empty() || id.len() > 64 || !id.chars().all(plain) {
            return Err(Failure::new("the deployment's id is no plain name"));
        }
        Ok(Self {
            state: state.to_owned(),
            id: id.to_owned(),
        })
    }

    /// Makes it and the directories above it, for their owner alone.
    pub fn create(&self) -> io::Result<()> {
        let mut private = DirBuilder::new();
        private.recursive(true).mode(0o700).create(self.path())
    }

    /// The deployment's id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The state directory, `<backup_dir>/.landfall`.
    #[must_use]
    pub fn state(&self) -> &Path {
        &self.state
    }

    /// The directory itself.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.state.join("runs").join(&self.id)
    }

    /// The records, one a line.
    #[must_use]
    pub fn journal(&self) -> PathBuf {
        self.path().join("journal")
    }

    /// The files that travelled beside the plan, a plain tar.
    #[must_use]
    pub fn files(&self) -> PathBuf {
        self.path().join("files.tar")
    }

    /// What the agent printed: nothing, unless something is badly wrong.
    #[must_use]
    pub fn log(&self) -> PathBuf {
        self.path().join("agent.log")
    }

    /// Opens a file of mode 0600 for appending.
    pub fn append(&self, name: &str) -> io::Result<File> {
        foreign::append(&self.path().join(name))
    }

    /// Makes an empty file of mode 0600 that was not there.
    pub fn fresh(&self, name: &str) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(0o600);
        options.open(self.path().join(name))
    }

    /// Waits until nobody else is starting this run.
    pub fn lock_start(&self) -> io::Result<File> {
        let lock = self.append("starting")?;
        lock.lock()?;
        Ok(lock)
    }

    /// Claims the run for the calling process; fails if another agent has it.
    pub fn claim(&self) -> io::Result<Alive> {
        let file = self.append("alive")?;
        for _ in 0..TRIES {
            match file.try_lock() {
                Ok(()) => return Ok(Alive(file)),
                Err(fs::TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(10)),
                Err(fs::TryLockError::Error(error)) => return Err(error),
            }
        }
        Err(io::Error::other("another agent has this run"))
    }

    /// Says whether an agent is at work on the run.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        foreign::open(&self.path().join("alive"), Links::Refused)
            .is_ok_and(|file| matches!(file.try_lock_shared(), Err(fs::TryLockError::WouldBlock)))
    }

    /// Leaves a word for the agent, whole or not at all.
    pub fn say(&self, word: Word, reason: &str) -> io::Result<()> {
        let staged = format!(".word-{}-{}", word.word(), std::process::id());
        let mut file = self.fresh(&staged)?;
        file.write_all(reason.as_bytes())?;
        file.sync_all()?;
        fs::rename(self.path().join(staged), self.word_path(word))
    }

    /// The reason left with a word, if the word was said.
    #[must_use]
    pub fn heard(&self, word: Word) -> Option<String> {
        let said = foreign::read(&self.word_path(word), WORD).ok()?;
        String::from_utf8(said).ok()
    }

    fn word_path(&self, word: Word) -> PathBuf {
        self.path().join(format!("word-{}", word.word()))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::files::foreign::odd;

    fn run() -> (tempfile::TempDir, RunDir) {
        let state = tempfile::tempdir().unwrap();
        let run = RunDir::new(state.path(), "20251017_143025-abcdef").unwrap();
        run.create().unwrap();
        (state, run)
    }

    #[test]
    fn an_id_that_leaves_the_directory_is_refused() {
        for id in ["", "..", "a/b", "a b", "a\0"] {
            assert!(RunDir::new(Path::new("/x"), id).is_err(), "{id:?}");
        }
    }

    #[test]
    fn a_run_is_alive_exactly_as_long_as_its_claim() {
        let (_state, run) = run();
        assert!(!run.is_alive());
        let claim = run.claim().unwrap();
        assert!(run.is_alive());
        drop(claim);
        assert!(!run.is_alive());
    }

    #[test]
    fn a_word_is_heard_with_its_reason() {
        let (_state, run) = run();
        assert_eq!(run.heard(Word::Deny), None);
        run.say(Word::Deny, "api answers 500").unwrap();
        assert_eq!(run.heard(Word::Deny).as_deref(), Some("api answers 500"));
        assert_eq!(run.heard(Word::Cancel), None);
    }

    #[test]
    fn whatever_lies_in_a_runs_directory_holds_nobody() {
        let (_state, run) = run();
        let path = |name: &str| run.path().join(name);
        for what in odd::ALL {
            let is_file = what == "sparse file";
            odd::put(what, &path("alive"));
            let this = run.clone();
            assert!(!odd::ends(what, move || this.is_alive()), "{what}");
            let this = run.clone();
            assert_eq!(odd::ends(what, move || this.claim()).is_ok(), is_file);
            odd::put(what, &path("starting"));
            let this = run.clone();
            assert_eq!(odd::ends(what, move || this.lock_start()).is_ok(), is_file);
            odd::put(what, &path("word-cancel"));
            let this = run.clone();
            assert_eq!(odd::ends(what, move || this.heard(Word::Cancel)), None);
            odd::put(what, &path("journal"));
            let mut tail = crate::files::tail::Tail::new(run.journal());
            let read = odd::ends(what, move || tail.more());
            assert!(read.is_err() || read.unwrap().is_empty(), "{what}");
        }
    }
}
