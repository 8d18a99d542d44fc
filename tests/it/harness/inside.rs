//! The way into a server: its namespaces, where this machine lets us, or `docker exec`.
//!
//! A test looks at its server dozens of times, and entering took a fifth of the time that the engine
//! needed for an `exec` (22 and 103 ms, ten of each, with the machine at work). The file refuses to
//! know what is run there.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Mutex, OnceLock};

/// What `docker exec` gives a program, too.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Whether this process may enter namespaces.
static MAY_ENTER: OnceLock<bool> = OnceLock::new();

/// A server's container, and the process that it lives as, once that is known.
pub struct Inside {
    container: String,
    hostname: String,
    init: Mutex<Option<u32>>,
}

impl Inside {
    /// The way into a container that calls itself so.
    pub fn new(container: &str, hostname: &str) -> Self {
        Self {
            container: container.to_owned(),
            hostname: hostname.to_owned(),
            init: Mutex::new(None),
        }
    }

    /// A command there that has yet to be started.
    pub fn command(&self, user: &str, argv: &[&str]) -> Command {
        let Some(init) = self.init() else {
            let mut command = Command::new("docker");
            command.args(["exec", "-i", "-u", user, &self.container]);
            command.args(argv);
            return command;
        };
        let mut command = Command::new("nsenter");
        command.args(["-a", "-t", &init.to_string(), "--"]);
        let home = if user == "root" {
            "/root".to_owned()
        } else {
            command.args(["setpriv", "--init-groups", "--reuid", user, "--regid", user]);
            format!("/home/{user}")
        };
        // What the server's processes have in their environment is looked at.
        command.env_clear().env("PATH", PATH).env("HOME", home);
        command.args(argv);
        command
    }

    /// The container's first process; none where it cannot be entered or does not run.
    fn init(&self) -> Option<u32> {
        if !MAY_ENTER.get_or_init(may_enter) {
            return None;
        }
        let mut init = self.init.lock().unwrap();
        // A server that was switched off and on is another process.
        if init.is_none_or(|pid| !self.is_ours(pid)) {
            *init = self.ask();
        }
        *init
    }

    fn ask(&self) -> Option<u32> {
        let output = Command::new("docker")
            .args(["inspect", "--format", "{{.State.Pid}}", &self.container])
            .stderr(Stdio::null())
            .output();
        let pid = String::from_utf8(output.ok()?.stdout).ok()?;
        let pid = pid.trim().parse().ok()?;
        self.is_ours(pid).then_some(pid)
    }

    /// The engine may count processes otherwise than we do, and a number is used again.
    fn is_ours(&self, pid: u32) -> bool {
        let name = std::fs::read_to_string(format!("/proc/{pid}/root/etc/hostname"));
        let is_container = Path::new(&format!("/proc/{pid}/root/.dockerenv")).exists();
        is_container && name.is_ok_and(|name| name.trim() == self.hostname)
    }
}

fn may_enter() -> bool {
    let tried = Command::new("nsenter")
        .args(["-a", "-t", "1", "--", "true"])
        .output();
    tried.is_ok_and(|output| output.status.success())
}
