//! Finds Compose on a server, and keeps in mind which version a plugin's file is.
//!
//! Starting a plugin only to be told its version takes longer than most steps of a deployment.
//! It refuses to know what a version can do.

use std::fs::{self, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Compose, Version};
use crate::files::foreign::{self, Links};
use crate::host::cmd::Cmd;
use crate::words::Result;
use crate::words::event::Failure;

/// Where Docker looks for the Compose plugin, besides the user's own directory.
const PLUGINS: [&str; 4] = [
    "/usr/local/lib/docker/cli-plugins",
    "/usr/local/libexec/docker/cli-plugins",
    "/usr/lib/docker/cli-plugins",
    "/usr/libexec/docker/cli-plugins",
];

/// What the state directory keeps of it. It is written in place: half of it is no JSON.
const KEPT: &str = "compose.json";
/// How long that is at most, in bytes.
const MOST: u64 = 64 * 1024;

/// A plugin's version, for as long as its file stays the very same.
#[derive(Debug, Serialize, Deserialize)]
struct Known {
    file: String,
    mark: Mark,
    version: Version,
}

/// What changes with a file's content: device, inode, size in bytes, and the times of its last
/// writing and its last change in s and ns. Nobody can set the latter.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Mark([i64; 7]);

/// Finds Compose: the plugin's own file, which starts faster than through `docker`; `docker
/// compose`; or the Compose 1 of the past.
///
/// # Errors
/// There is none that tells its version.
pub async fn find(state: &Path) -> Result<Compose> {
    let plugin = plugin();
    let mark = plugin.as_deref().and_then(mark);
    if let (Some(file), Some(mark)) = (&plugin, &mark)
        && let Some(version) = recall(state, file, mark)
    {
        let program = vec![file.clone()];
        return Ok(Compose { program, version });
    }
    let found = ask(plugin.clone()).await?;
    if let (Some(file), Some(mark)) = (plugin, mark)
        && found.program == [file.as_str()]
    {
        keep(state, file, mark, found.version);
    }
    Ok(found)
}

async fn ask(plugin: Option<String>) -> Result<Compose> {
    let mut programs: Vec<Vec<String>> = plugin.into_iter().map(|p| vec![p]).collect();
    programs.push(vec!["docker".to_owned(), "compose".to_owned()]);
    programs.push(vec!["docker-compose".to_owned()]);
    let mut last = None;
    for program in programs {
        let cmd = Cmd::new(&program[0])
            .args(&program[1..])
            .args(["version", "--short"])
            .within(Duration::from_secs(20));
        match cmd.run().await {
            Ok(output) => {
                if let Some(version) = Version::parse(&output.stdout) {
                    return Ok(Compose { program, version });
                }
            }
            Err(failure) => last = Some(failure),
        }
    }
    let failure = Failure::new("Docker Compose was not found on the server")
        .hint("install it: `sudo apt-get install docker-compose-plugin`");
    Err(match last {
        Some(cause) => failure.because(cause),
        None => failure,
    })
}

fn plugin() -> Option<String> {
    let own = std::env::var("HOME").map(|home| format!("{home}/.docker/cli-plugins"));
    let dirs = own.into_iter().chain(PLUGINS.map(ToOwned::to_owned));
    dirs.map(|dir| format!("{dir}/docker-compose"))
        .find(|file| Path::new(file).is_file())
}

/// The mark of a program; none of a script, which stays the same when what it starts does not.
fn mark(file: &str) -> Option<Mark> {
    let mut program = foreign::open(Path::new(file), Links::Followed).ok()?;
    let mut magic = [0; 4];
    program.read_exact(&mut magic).ok()?;
    let of = program.metadata().ok()?;
    let number = |n: u64| i64::try_from(n).ok();
    (magic == *b"\x7fELF").then_some(Mark([
        number(of.dev())?,
        number(of.ino())?,
        number(of.size())?,
        of.mtime(),
        of.mtime_nsec(),
        of.ctime(),
        of.ctime_nsec(),
    ]))
}

fn recall(state: &Path, file: &str, mark: &Mark) -> Option<Version> {
    let kept = foreign::read(&state.join(KEPT), MOST).ok()?;
    let known: Known = serde_json::from_slice(&kept).ok()?;
    (known.file == file && known.mark == *mark).then_some(known.version)
}

/// Where it cannot be kept, the plugin is asked again the next time.
fn keep(state: &Path, file: String, mark: Mark, version: Version) {
    let known = Known {
        file,
        mark,
        version,
    };
    let write = || -> io::Result<()> {
        let mut options = OpenOptions::new();
        let options = options.write(true).create_new(true).mode(0o600);
        let path = state.join(KEPT);
        let _ = fs::remove_file(&path);
        let mut file = options.open(path)?;
        file.write_all(&serde_json::to_vec(&known)?)
    };
    let _ = write();
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_version_is_kept_for_as_long_as_the_file_stays_the_very_same() {
        let dir = tempfile::tempdir().unwrap();
        let (state, file) = (dir.path(), dir.path().join("docker-compose"));
        let file = file.to_str().unwrap();
        let version = Version::parse("2.26.1").unwrap();
        fs::write(file, "\x7fELF, 2.26.1").unwrap();
        assert_eq!(recall(state, file, &mark(file).unwrap()), None);
        keep(state, file.to_owned(), mark(file).unwrap(), version);
        let now = || recall(state, file, &mark(file).unwrap());
        assert_eq!(now(), Some(version));
        let elsewhere = format!("{file}-2");
        assert_eq!(recall(state, &elsewhere, &mark(file).unwrap()), None);
        fs::write(format!("{file}.new"), "\x7fELF, 2.40.3").unwrap();
        fs::rename(format!("{file}.new"), file).unwrap();
        assert_eq!(now(), None);
        keep(state, file.to_owned(), mark(file).unwrap(), version);
        let kept = fs::read(state.join(KEPT)).unwrap();
        for cut in 0..kept.len() {
            fs::write(state.join(KEPT), &kept[..cut]).unwrap();
            assert_eq!(now(), None, "{cut} bytes of it");
        }
    }

    #[test]
    fn a_script_is_asked_every_time() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("docker-compose");
        fs::write(&file, "#!/bin/sh\nexec /opt/compose \"$@\"\n").unwrap();
        assert_eq!(mark(file.to_str().unwrap()), None);
    }
}
