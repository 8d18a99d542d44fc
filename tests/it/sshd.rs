//! A real sshd on a free port of the loopback, with keys of its own, for the length of a test.
//!
//! It refuses to know what is sent through it.

use std::fmt::Write;
use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::thread::sleep;
use std::time::{Duration, Instant};

use landfall::remote::hostkey;
use landfall::remote::target::{HostKeys, Identity, Target};
use landfall::words::secret::Secret;

/// Where distributions keep it.
const PROGRAM: &str = "/usr/sbin/sshd";
/// The types of host keys that every server here has.
const TYPES: [&str; 3] = ["ed25519", "ecdsa", "rsa"];

/// A running server; it ends when dropped.
pub struct Sshd {
    dir: tempfile::TempDir,
    child: Child,
    pub port: u16,
}

/// Makes a key pair without asking anything; `more` are further words for `ssh-keygen`.
pub fn keygen(path: &Path, kind: &str, more: &[&str]) -> PathBuf {
    let mut keygen = Command::new("ssh-keygen");
    keygen
        .args(["-q", "-t", kind, "-C", "test", "-f"])
        .arg(path);
    if !more.contains(&"-N") {
        keygen.args(["-N", ""]);
    }
    assert!(keygen.args(more).status().unwrap().success());
    path.to_owned()
}

/// Host keys and a user's key, made once for all tests: an RSA key takes its time.
fn keys() -> &'static Path {
    static KEYS: OnceLock<tempfile::TempDir> = OnceLock::new();
    KEYS.get_or_init(|| {
        let dir = tempfile::tempdir().unwrap();
        for kind in TYPES {
            keygen(&dir.path().join(kind), kind, &[]);
        }
        keygen(&dir.path().join("user"), "ed25519", &[]);
        dir
    })
    .path()
}

impl Sshd {
    /// Starts one that lets the tests' own key in, and any public keys beside it.
    pub fn start(public_keys: &[&Path]) -> Self {
        Self::start_with(public_keys, "")
    }

    /// The same, with further lines in its configuration, in which `DIR` is a directory of its own.
    pub fn start_with(public_keys: &[&Path], more: &str) -> Self {
        assert!(
            Path::new(PROGRAM).exists(),
            "these tests need {PROGRAM}: install openssh-server"
        );
        // Insisted on by an sshd that root starts.
        let _ = fs::create_dir_all("/run/sshd");
        let dir = tempfile::tempdir().unwrap();
        let user = keys().join("user");
        let keys = public_keys.iter().copied().chain([user.as_path()]);
        let keys = keys.map(|key| fs::read_to_string(key.with_extension("pub")).unwrap());
        fs::write(dir.path().join("authorized_keys"), keys.collect::<String>()).unwrap();
        for _ in 0..5 {
            let port = free_port();
            let mut child = spawn(dir.path(), port, more);
            if listens(dir.path(), &mut child) {
                return Self { dir, child, port };
            }
        }
        panic!("sshd does not start: {}", log(dir.path()));
    }

    /// A public host key that all servers here have, `type base64`.
    pub fn host_key(kind: &str) -> String {
        let line = fs::read_to_string(keys().join(kind).with_extension("pub")).unwrap();
        line.split(' ').take(2).collect::<Vec<_>>().join(" ")
    }

    /// A `known_hosts` line.
    pub fn line(&self, kind: &str) -> String {
        format!("[127.0.0.1]:{} {}\n", self.port, Self::host_key(kind))
    }

    /// A host key's fingerprint, as `ssh-keygen` tells it.
    pub fn fingerprint(kind: &str) -> String {
        let output = Command::new("ssh-keygen")
            .arg("-lf")
            .arg(keys().join(kind))
            .output();
        let line = String::from_utf8(output.unwrap().stdout).unwrap();
        line.split(' ').nth(1).unwrap().to_owned()
    }

    /// A target that this server lets in, if it is known by these pins.
    pub fn target(&self, pins: &str) -> Target {
        self.target_with(&keys().join("user"), None, pins)
    }

    /// A target with another key.
    pub fn target_with(&self, key: &Path, passphrase: Option<&str>, pins: &str) -> Target {
        let identity = Identity::Key {
            key: Secret::new(fs::read_to_string(key).unwrap()),
            passphrase: passphrase.map(Secret::new),
        };
        let pins = HostKeys::Pinned(hostkey::parse(pins).unwrap());
        let mut target = Target::new("127.0.0.1", user(), identity, pins).unwrap();
        target.port = self.port;
        target.program = env!("CARGO_BIN_EXE_landfall").into();
        target
    }

    /// A target known by its best host key.
    pub fn pinned(&self) -> Target {
        self.target(&self.line("ed25519"))
    }

    /// How often somebody logged in.
    pub fn logins(&self) -> usize {
        log(self.dir.path()).matches("Accepted publickey").count()
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The user that runs the tests.
pub fn user() -> String {
    let output = Command::new("id").arg("-un").output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// The tests' own private key, and where it lies.
pub fn user_key() -> PathBuf {
    keys().join("user")
}

/// A port on which nobody listens.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.local_addr().unwrap().port()
}

fn spawn(dir: &Path, port: u16, more: &str) -> Child {
    let mut config = format!(
        "Port {port}\nListenAddress 127.0.0.1\nPidFile none\nUsePAM no\nStrictModes no\n\
         PermitRootLogin yes\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n\
         LogLevel VERBOSE\nMaxStartups 50\nAuthorizedKeysFile {}/authorized_keys\n",
        dir.display()
    );
    for kind in TYPES {
        let key = dir.join(kind);
        fs::copy(keys().join(kind), &key).unwrap();
        fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
        let _ = writeln!(config, "HostKey {}", key.display());
    }
    config.push_str(&more.replace("DIR", &dir.to_string_lossy()));
    fs::write(dir.join("config"), config).unwrap();
    let log = fs::File::create(dir.join("log")).unwrap();
    Command::new(PROGRAM)
        .args(["-D", "-e", "-f"])
        .arg(dir.join("config"))
        .stdin(Stdio::null())
        .stderr(log)
        .spawn()
        .unwrap()
}

/// Waits until this very server listens: another may have taken the port in between.
fn listens(dir: &Path, child: &mut Child) -> bool {
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(10) {
        if log(dir).contains("Server listening on") {
            return true;
        }
        if child.try_wait().unwrap().is_some() {
            return false;
        }
        sleep(Duration::from_millis(5));
    }
    false
}

fn log(dir: &Path) -> String {
    fs::read_to_string(dir.join("log")).unwrap_or_default()
}
