//! Recovery at boot: one systemd unit a deploy directory, run by whoever deploys there.
//!
//! A unit of its own for each directory is its own registry, and root runs nothing that lies in a
//! directory of somebody else's. The file refuses to know what a recovery does.

use std::fmt::Write as _;
use std::fs;
use std::io::{Seek, Write as _};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::process::getuid;

use crate::host::cmd::Cmd;
use crate::host::endpoint;
use crate::host::trust::{self, Rulers};
use crate::words::Result;
use crate::words::event::Failure;
use crate::words::plan::Site;
use crate::words::shell;

/// The program that a boot runs, in the state directory.
const PROGRAM: &str = "recover";
/// Where an administrator's units lie.
const UNITS: &str = "etc/systemd/system";

/// What happens to an interrupted run after a reboot of this server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Boot {
    /// A unit settles it.
    Settles,
    /// No unit is installed.
    NotInstalled,
    /// There is no systemd.
    NoSystemd,
}

/// Looks what this server does at boot; `root` is `/`, except in tests.
#[must_use]
pub fn look(root: &Path, site: &Site) -> Boot {
    if !root.join("run/systemd/system").is_dir() {
        return Boot::NoSystemd;
    }
    let wanted = root.join(UNITS).join("multi-user.target.wants");
    if wanted
        .join(unit_name(&site.deploy_dir))
        .symlink_metadata()
        .is_ok()
    {
        Boot::Settles
    } else {
        Boot::NotInstalled
    }
}

/// Which guarantee is in force on this server for a run, in a line.
#[must_use]
pub fn guarantee(root: &Path, site: &Site, run: &str) -> String {
    let cgroup = fs::read_to_string(root.join("proc/self/cgroup")).unwrap_or_default();
    let unit = format!("landfall-{run}.service");
    let now = if cgroup
        .lines()
        .any(|line| line.ends_with(&format!("/{unit}")))
    {
        "survives disconnect and logout: it is a systemd unit"
    } else {
        "survives disconnect: it has a session of its own"
    };
    let later = match look(root, site) {
        Boot::Settles => "after a reboot, settled at boot",
        Boot::NotInstalled => {
            "after a reboot, settled at the next contact (`landfall doctor --install` has it settled at boot)"
        }
        Boot::NoSystemd => "after a reboot, settled at the next contact (there is no systemd here)",
    };
    format!("this run {now}; {later}")
}

/// Installs the unit of a deploy directory, and tells in lines what was done; again: nothing.
pub async fn install(site: &Site, state: &Path) -> Result<Vec<String>> {
    let root = Path::new("/");
    if look(root, site) == Boot::NoSystemd {
        return Err(Failure::new("there is no systemd on this server")
            .because("an interrupted run is settled at the next contact instead")
            .hint("after a reboot in the middle of a deployment, run `landfall recover`"));
    }
    if getuid().is_root() {
        refuse_foreign(state)?;
    }
    let program = refresh(state, Wanted::Always)?;
    let name = unit_name(&site.deploy_dir);
    let path = root.join(UNITS).join(&name);
    let engine = endpoint::endpoint().ok().filter(|e| e.said_by.is_some());
    let engine = engine.map(|engine| engine.socket);
    let text = unit_text(site, &program, getuid().as_raw(), engine.as_deref());
    if fs::read_to_string(&path).is_ok_and(|there| there == text)
        && look(root, site) == Boot::Settles
    {
        return Ok(vec![format!("`{name}` is installed already")]);
    }
    write_as_root(&path, &text).await?;
    as_root(&["systemctl", "daemon-reload"]).run().await?;
    as_root(&["systemctl", "enable", &name])
        .run()
        .await
        .map_err(no_right)?;
    Ok(vec![
        format!("wrote `{}`", path.display()),
        format!(
            "enabled it: a run that a reboot interrupts is settled at boot, as user {}",
            getuid().as_raw()
        ),
    ])
}

/// Root runs nothing at boot that lies where somebody else may put something in its place.
fn refuse_foreign(state: &Path) -> Result<()> {
    let replaceable = |dir: &&Path| {
        let known = fs::symlink_metadata(dir);
        !known.is_ok_and(|m| m.uid() == 0 && m.is_dir() && m.mode() & 0o022 == 0)
    };
    let Some(dir) = state.ancestors().find(replaceable) else {
        return trust::refuse_foreign(state, Rulers::default());
    };
    Err(Failure::new(format!(
        "root would run a program at boot that others than root can replace: `{}`",
        dir.display()
    ))
    .because("it belongs to another user, others may write there, or it is a symbolic link")
    .hint("log in as the user who deploys, with `sudo: never`, and install it again")
    .hint(format!(
        "or let root alone own the way there: `sudo chown root: {0} && sudo chmod go-w {0}`",
        shell::path(dir)
    ))
    .hint("without it, an interrupted run is settled at the next contact"))
}

async fn write_as_root(path: &Path, text: &str) -> Result<()> {
    let mut file = tempfile::tempfile()?;
    file.write_all(text.as_bytes())?;
    file.rewind()?;
    let path = path.to_string_lossy();
    // Readable by all, whatever the umask: the next look compares it.
    as_root(&["install", "-m", "644", "/dev/stdin", &*path])
        .stdin(file)
        .run()
        .await
        .map_err(no_right)?;
    Ok(())
}

fn as_root(words: &[&str]) -> Cmd {
    if getuid().is_root() {
        return Cmd::new(words[0]).args(words[1..].iter().copied());
    }
    Cmd::new("sudo")
        .args(["-n", "--"])
        .args(words.iter().copied())
}

fn no_right(failure: Failure) -> Failure {
    if getuid().is_root() {
        return failure;
    }
    failure
        .hint("run `landfall doctor --install` as root, or as a user with sudo without a password")
        .hint("without it, an interrupted run is settled at the next contact")
}

/// Whether a copy of the program is made where none is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// It is made.
    Always,
    /// Only one that is there is replaced.
    IfInstalled,
}

/// Sees to it that a boot runs this very program: an older one might not read a newer journal.
pub fn refresh(state: &Path, wanted: Wanted) -> Result<PathBuf> {
    let program = state.join(PROGRAM);
    let own = std::env::current_exe()?;
    let there = fs::metadata(&program).ok().map(|m| (m.dev(), m.ino()));
    let this = fs::metadata(&own).map(|m| (m.dev(), m.ino()))?;
    if there == Some(this) || there.is_none() && wanted == Wanted::IfInstalled {
        return Ok(program);
    }
    let staged = state.join(format!(".{PROGRAM}-{}", std::process::id()));
    let _ = fs::remove_file(&staged);
    if fs::hard_link(&own, &staged).is_err() {
        fs::copy(&own, &staged)?;
        fs::set_permissions(&staged, fs::Permissions::from_mode(0o700))?;
        fs::File::open(&staged)?.sync_all()?;
    }
    fs::rename(&staged, &program)?;
    Ok(program)
}

/// The unit's name: as `systemd-escape --path` writes the directory.
#[must_use]
pub fn unit_name(deploy_dir: &Path) -> String {
    let text = deploy_dir.to_string_lossy();
    let parts: Vec<&str> = text.split('/').filter(|part| !part.is_empty()).collect();
    let mut escaped = String::new();
    for (at, byte) in parts.join("/").bytes().enumerate() {
        match byte {
            b'/' => escaped.push('-'),
            b'.' if at == 0 => escaped.push_str("\\x2e"),
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b':' | b'_' | b'.' => {
                escaped.push(char::from(byte));
            }
            other => {
                let _ = write!(escaped, "\\x{other:02x}");
            }
        }
    }
    format!("landfall-recover-{escaped}.service")
}

/// The unit: a oneshot behind Docker. That a run was put back is no failure of the boot.
/// Where an engine is not the system's, a boot knows nothing of what said so at the installation.
fn unit_text(site: &Site, program: &Path, user: u32, engine: Option<&str>) -> String {
    let (deploy, backups) = (&site.deploy_dir, &site.backup_dir);
    let engine = engine.map_or_else(String::new, |socket| {
        let variable = format!("DOCKER_HOST=unix://{socket}");
        format!("Environment={}\n", quoted(Path::new(&variable)))
    });
    format!(
        "\
# Written by `landfall doctor --install`.
[Unit]
Description=Settle what an interrupted deployment left in {shown}
After=docker.service network-online.target
Wants=docker.service network-online.target
RequiresMountsFor={mounts}
ConditionPathExists={condition}

[Service]
Type=oneshot
User={user}
{engine}ExecStart={program} recover --boot --deploy-dir {deploy} --backup-dir {backups}
SuccessExitStatus=1
TimeoutStartSec=infinity

[Install]
WantedBy=multi-user.target
",
        shown = percent(&deploy.to_string_lossy()),
        mounts = format_args!("{} {}", quoted(deploy), quoted(backups)),
        condition = percent(&program.to_string_lossy()),
        program = exec(program),
        deploy = exec(deploy),
        backups = exec(backups),
    )
}

/// A word of a command line, where `$` would be a variable.
fn exec(path: &Path) -> String {
    quoted(path).replace('$', "$$")
}

/// A word of a unit file.
fn quoted(path: &Path) -> String {
    let text = percent(&path.to_string_lossy());
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

fn percent(text: &str) -> String {
    text.replace('%', "%%")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::words::plan::sample;

    fn server(with: &[&str]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for path in with {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "0::/system.slice/landfall-r.service\n").unwrap();
        }
        root
    }

    const SYSTEMD: &str = "run/systemd/system/x";
    const CGROUP: &str = "proc/self/cgroup";
    const WANTED: &str =
        "etc/systemd/system/multi-user.target.wants/landfall-recover-opt-mcp.service";

    #[test]
    fn the_guarantee_in_force_is_told_for_every_kind_of_server() {
        let site = sample::deploy().site;
        let told = |with: &[&str]| guarantee(server(with).path(), &site, "r");
        assert_eq!(
            told(&[]),
            "this run survives disconnect: it has a session of its own; after a reboot, settled at the next contact (there is no systemd here)"
        );
        assert_eq!(
            told(&[SYSTEMD]),
            "this run survives disconnect: it has a session of its own; after a reboot, settled at the next contact (`landfall doctor --install` has it settled at boot)"
        );
        assert_eq!(
            told(&[SYSTEMD, CGROUP, WANTED]),
            "this run survives disconnect and logout: it is a systemd unit; after a reboot, settled at boot"
        );
        let other = guarantee(server(&[SYSTEMD, CGROUP]).path(), &site, "other");
        assert!(other.contains("a session of its own"), "{other}");
    }

    #[test]
    fn a_unit_is_named_as_systemd_escapes_its_directory() {
        let name = |path: &str| unit_name(Path::new(path));
        assert_eq!(name("/opt/mcp"), "landfall-recover-opt-mcp.service");
        assert_eq!(
            name("/opt//my-app/"),
            "landfall-recover-opt-my\\x2dapp.service"
        );
        assert_eq!(name("/.x y"), "landfall-recover-\\x2ex\\x20y.service");
    }

    #[test]
    fn a_unit_runs_as_the_deploying_user_and_quotes_odd_directories() {
        let mut site = sample::deploy().site;
        site.deploy_dir = "/opt/50% \"$x\"".into();
        let text = unit_text(&site, Path::new("/b/.landfall/recover"), 1000, None);
        assert!(text.contains("User=1000\n"), "{text}");
        assert!(!text.contains("Environment"), "{text}");
        let own = unit_text(&site, Path::new("/b/recover"), 1000, Some("/run/d.sock"));
        let line = "User=1000\nEnvironment=\"DOCKER_HOST=unix:///run/d.sock\"\nExecStart=";
        assert!(own.contains(line), "{own}");
        let line = r#"ExecStart="/b/.landfall/recover" recover --boot --deploy-dir "/opt/50%% \"$$x\"" --backup-dir "/opt/mcp-backups""#;
        assert!(text.contains(line), "{text}");
    }

    #[test]
    fn the_program_of_a_boot_is_replaced_by_newer_ones_and_made_only_when_wanted() {
        let state = tempfile::tempdir().unwrap();
        let program = refresh(state.path(), Wanted::IfInstalled).unwrap();
        assert!(!program.exists());
        refresh(state.path(), Wanted::Always).unwrap();
        let own = fs::metadata(std::env::current_exe().unwrap())
            .unwrap()
            .len();
        assert_eq!(fs::metadata(&program).unwrap().len(), own);
        fs::remove_file(&program).unwrap();
        fs::write(&program, "old").unwrap();
        refresh(state.path(), Wanted::IfInstalled).unwrap();
        assert_eq!(fs::metadata(&program).unwrap().len(), own);
    }
}
