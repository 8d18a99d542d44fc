//! Root on the server itself: what it asks for is done by the user whose deployments they are, so that
//! root reads nothing which others wrote, and leaves nothing behind which they cannot use.
//!
//! Root's own part is to look whose a directory is, and to wait. The other process gives up root's
//! rights before it is this program, has the user's own groups, and no way to type into root's
//! terminal. The file refuses to know what is asked for.

use std::ffi::{OsStr, OsString};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, ExitStatus, Stdio};

use rustix::process::{Pid, Signal, geteuid, kill_process};
use tokio::signal::unix::{SignalKind, signal};

use crate::request::{ASKED_BY, Raw};
use crate::words::error::exit;
use crate::words::event::Failure;
use crate::words::plan::Site;
use crate::words::shell::{path, word};

/// What of root's surroundings the other process is given, beside its own inputs.
const KEPT: [&str; 14] = [
    "PATH",
    "TERM",
    "COLORTERM",
    "COLUMNS",
    "LINES",
    "NO_COLOR",
    "CLICOLOR",
    "CLICOLOR_FORCE",
    "LANG",
    "LANGUAGE",
    "TZ",
    "DOCKER_HOST",
    "DOCKER_CONTEXT",
    "GITHUB_ACTIONS",
];

/// A user of this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Account {
    name: String,
    uid: u32,
    gid: u32,
    home: String,
    shell: String,
}

/// Has a command line carried out by whoever deploys there; none where that is this very user.
#[must_use]
pub fn hand_over(raw: &Raw, args: &[OsString]) -> Option<Result<ExitCode, Failure>> {
    if !geteuid().is_root() || raw.host().line().is_some() {
        return None;
    }
    let (place, uid) = owned(raw.deploy_dir().line()?, raw.backup_dir().line())?;
    (uid != 0).then(|| {
        let account = Account::of(uid)?;
        tell(&account, &place);
        super::waiting(carry_out(&account, args))
    })
}

/// Root is told as whom its work is done.
#[allow(clippy::print_stderr)] // The answer has standard output.
fn tell(account: &Account, place: &Path) {
    eprintln!("as user `{}`, who owns `{}`", account.name, place.display());
}

/// The first of the places that a deployment makes or finds, and its owner; none where none is there.
fn owned(deploy_dir: &str, backup_dir: Option<&str>) -> Option<(PathBuf, u32)> {
    if !deploy_dir.starts_with('/') {
        return None;
    }
    let deploy_dir = Path::new(deploy_dir);
    let backups = match backup_dir {
        None => Site::usual_backup_dir(deploy_dir),
        Some(named) => PathBuf::from(named),
    };
    let places = [backups.join(".landfall"), backups, deploy_dir.to_owned()];
    places.into_iter().find_map(|place| {
        let uid = rustix::fs::stat(&place).ok()?.st_uid;
        Some((place, uid))
    })
}

impl Account {
    /// The account of a number, as this machine's own tools know it.
    fn of(uid: u32) -> Result<Self, Failure> {
        let found = Command::new("getent")
            .args(["passwd", &uid.to_string()])
            .stderr(Stdio::null())
            .output();
        let lines = match found {
            Ok(output) => String::from_utf8_lossy(&output.stdout).into_owned(),
            Err(_) => std::fs::read_to_string("/etc/passwd")?,
        };
        let all = lines.lines().filter_map(Self::read);
        all.into_iter()
            .find(|account| account.uid == uid)
            .ok_or_else(|| {
                Failure::new(format!("what is deployed here belongs to the user {uid}, and this machine knows no such user"))
                    .hint("make an account for that number, or give the directories to the user who deploys")
            })
    }

    /// Reads a line of the list of users.
    fn read(line: &str) -> Option<Self> {
        let mut fields = line.split(':').map(ToOwned::to_owned);
        let (name, _password) = (fields.next()?, fields.next()?);
        let (uid, gid) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
        let (_gecos, home, shell) = (fields.next()?, fields.next()?, fields.next()?);
        Some(Self {
            name,
            uid,
            gid,
            home,
            shell,
        })
    }

    /// The command that is this user, in a session of its own, and then another program.
    fn command(&self, program: &Path, args: &[OsString]) -> Command {
        let mut command = Command::new("setsid");
        command
            .arg("setpriv")
            .arg(format!("--reuid={}", self.uid))
            .arg(format!("--regid={}", self.gid))
            .args(["--init-groups", "--"])
            .arg(program)
            .args(args);
        self.surround(&mut command, std::env::vars_os());
        command
    }

    fn surround(&self, command: &mut Command, vars: impl Iterator<Item = (OsString, OsString)>) {
        command.env_clear();
        let mut typed_by = OsString::from("root");
        for (name, value) in vars {
            if name == "SUDO_USER" && !value.is_empty() {
                typed_by.clone_from(&value);
            }
            if is_kept(&name) {
                command.env(name, value);
            }
        }
        command
            .env("HOME", &self.home)
            .env("SHELL", &self.shell)
            .env("USER", &self.name)
            .env("LOGNAME", &self.name)
            .env(ASKED_BY, typed_by);
    }
}

fn is_kept(name: &OsStr) -> bool {
    let name = name.as_encoded_bytes();
    KEPT.iter().any(|kept| kept.as_bytes() == name)
        || name.starts_with(b"LC_")
        || name.starts_with(b"LANDFALL_")
}

/// Runs it to its end, and hands on what asks this process to stop.
async fn carry_out(account: &Account, args: &[OsString]) -> Result<ExitCode, Failure> {
    let program = std::env::current_exe()?;
    let asked = args.get(1..).unwrap_or_default();
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    let command = account.command(&program, asked);
    let mut child = tokio::process::Command::from(command)
        .spawn()
        .map_err(|e| no_way(account, asked).because(format!("`setsid`: {e}")))?;
    let pid = child.id().and_then(|id| Pid::from_raw(id.try_into().ok()?));
    loop {
        let asked_to_stop = tokio::select! {
            ended = child.wait() => return code(ended?, account, asked),
            _ = interrupt.recv() => Signal::INT,
            _ = terminate.recv() => Signal::TERM,
            _ = hang_up.recv() => Signal::HUP,
        };
        if let Some(pid) = pid {
            let _ = kill_process(pid, asked_to_stop);
        }
    }
}

fn code(ended: ExitStatus, account: &Account, args: &[OsString]) -> Result<ExitCode, Failure> {
    match (ended.code(), ended.signal()) {
        // What `setpriv` ends with where it cannot do its part, and a shell where there is none.
        (Some(126 | 127), _) => Err(no_way(account, args)),
        (Some(code), _) => Ok(u8::try_from(code).unwrap_or(exit::UNKNOWN).into()),
        (None, _) => Ok(exit::UNKNOWN.into()),
    }
}

/// The same by hand.
fn no_way(account: &Account, args: &[OsString]) -> Failure {
    let program = std::env::current_exe().unwrap_or_else(|_| "landfall".into());
    let words = args.iter().map(|arg| word(&arg.to_string_lossy()));
    let words: Vec<String> = words.collect();
    let name = &account.name;
    Failure::new(format!("root cannot have this done as user `{name}`"))
        .hint(format!(
            "do it as that user: `sudo -u {} {} {}`",
            word(name),
            path(&program),
            words.join(" ")
        ))
        .hint("this program has to lie where that user may run it, such as `/usr/local/bin`, and `setsid` and `setpriv` come with the package `util-linux`")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::os::unix::fs::chown;

    use super::*;

    #[test]
    fn the_owner_is_that_of_the_state_or_of_what_is_there_of_the_way_to_it() {
        let temp = tempfile::tempdir().unwrap();
        let (app, backups) = (temp.path().join("app"), temp.path().join("app-backups"));
        let shown = app.to_string_lossy().into_owned();
        assert_eq!(owned(&shown, None), None);
        assert_eq!(owned("app", None), None, "it is refused elsewhere");
        std::fs::create_dir_all(&app).unwrap();
        assert_eq!(owned(&shown, None).unwrap().0, app);
        std::fs::create_dir_all(backups.join(".landfall")).unwrap();
        let state = backups.join(".landfall");
        assert_eq!(owned(&shown, None).unwrap().0, state);
        if chown(&state, Some(4_242), None).is_ok() {
            assert_eq!(owned(&shown, None).unwrap().1, 4_242);
        }
        let elsewhere = temp.path().join("elsewhere");
        let named = elsewhere.to_string_lossy();
        assert_eq!(owned(&shown, Some(&named)).unwrap().0, app);
        std::fs::create_dir(&elsewhere).unwrap();
        assert_eq!(owned(&shown, Some(&named)).unwrap().0, elsewhere);
    }

    #[test]
    fn an_account_is_read_from_the_list_of_users() {
        let line = "deploy:x:1000:1001:Deploys,,,:/home/deploy:/bin/bash";
        let account = Account::read(line).unwrap();
        assert_eq!((account.uid, account.gid), (1000, 1001));
        assert_eq!((&*account.name, &*account.home), ("deploy", "/home/deploy"));
        assert_eq!(Account::read("broken:x:no"), None);
    }

    #[test]
    fn root_hands_on_its_inputs_and_none_of_its_own_secrets() {
        let account = Account::read("deploy:x:1000:1001::/home/deploy:/bin/sh").unwrap();
        let mut command = Command::new("env");
        let vars = [
            ("LANDFALL_DEPLOY_DIR", "/opt/mcp"),
            ("AWS_SECRET_ACCESS_KEY", "made-up-on-the-spot"),
            ("HOME", "/root"),
            ("DOCKER_CONFIG", "/root/.docker"),
            ("SUDO_USER", "ada"),
            ("LC_ALL", "C"),
        ];
        let vars = vars.map(|(name, value)| (name.into(), value.into()));
        account.surround(&mut command, vars.into_iter());
        let mut given: Vec<String> = command
            .get_envs()
            .filter_map(|(name, value)| Some(format!("{}={}", name.to_str()?, value?.to_str()?)))
            .collect();
        given.sort();
        assert_eq!(
            given,
            [
                "HOME=/home/deploy",
                "LANDFALL_ASKED_BY=ada",
                "LANDFALL_DEPLOY_DIR=/opt/mcp",
                "LC_ALL=C",
                "LOGNAME=deploy",
                "SHELL=/bin/sh",
                "USER=deploy",
            ]
        );
    }
}
