//! The private key on its way to `ssh`: a file in memory, opened with its passphrase beforehand.
//!
//! It refuses to know servers. A passphrase travels in a file of the private directory that the
//! askpass program (this very binary) prints to `ssh-keygen`: in no argument list, in no environment.

use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;

use tokio::process::Command;
use tokio::time::timeout;

use super::dir::PrivateDir;
use super::hostkey::HostKey;
use super::key::{Lock, PrivateKey};
use super::ssh::local;
use super::transport::without_inputs;
use crate::words::error::Error;
use crate::words::event::Failure;
use crate::words::secret::Secret;

/// The variable that names the file with the passphrase, in the environment of one local child.
pub const ASKPASS_FILE: &str = "LANDFALL_ASKPASS_FILE";
/// How long `ssh-keygen` may take; opening a key is made slow on purpose.
const KEYGEN: Duration = Duration::from_mins(1);

/// Writes the key, opened, and tells its public half where the format shows it.
pub async fn place(
    dir: &PrivateDir,
    pasted: &Secret,
    passphrase: Option<&Secret>,
    program: &Path,
) -> Result<Option<HostKey>, Error> {
    let key = PrivateKey::read(pasted).map_err(|e| Error::Input(vec![e]))?;
    let path = dir
        .write("key", key.text().expose().as_bytes())
        .map_err(local)?;
    if key.lock() == Lock::Passphrase {
        let passphrase = passphrase
            .filter(|p| !p.is_empty())
            .ok_or_else(no_passphrase)?;
        open(dir, &path, passphrase, program).await?;
    }
    Ok(key.public().cloned())
}

/// The public half of an open key, for formats that hide it.
pub async fn public_half(key: &Path) -> Option<HostKey> {
    let mut keygen = keygen();
    keygen.arg("-y").arg("-f").arg(key);
    let output = run(&mut keygen).await.ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let mut words = text.split_ascii_whitespace();
    HostKey::new(words.next()?, words.next()?)
}

async fn open(
    dir: &PrivateDir,
    key: &Path,
    passphrase: &Secret,
    program: &Path,
) -> Result<(), Error> {
    let file = dir
        .write("passphrase", passphrase.expose().as_bytes())
        .map_err(local)?;
    let mut keygen = keygen();
    keygen
        .args(["-q", "-p", "-N", "", "-f"])
        .arg(key)
        .env("SSH_ASKPASS", program)
        .env("SSH_ASKPASS_REQUIRE", "force")
        .env("DISPLAY", "none")
        .env(ASKPASS_FILE, file);
    let output = run(&mut keygen).await;
    dir.forget("passphrase");
    let output = output?;
    if output.status.success() {
        return Ok(());
    }
    Err(Error::Input(vec![not_opened(&output)]))
}

fn keygen() -> Command {
    let mut keygen = Command::new("ssh-keygen");
    without_inputs(keygen.as_std_mut());
    keygen
}

async fn run(keygen: &mut Command) -> Result<Output, Error> {
    keygen.stdin(Stdio::null()).kill_on_drop(true);
    match timeout(KEYGEN, keygen.output()).await {
        Ok(Ok(output)) => Ok(output),
        Ok(Err(error)) => Err(Error::Local(
            Failure::new("`ssh-keygen` cannot be started on this machine")
                .because(error)
                .hint("install the OpenSSH client, or give a key without a passphrase"),
        )),
        Err(_) => Err(Error::Local(Failure::new(
            "`ssh-keygen` did not end in time",
        ))),
    }
}

fn no_passphrase() -> Error {
    Error::Input(vec![
        Failure::new("the private key has a passphrase, and none is given")
            .hint("set `ssh_key_passphrase`, or make a key without one for this purpose alone"),
    ])
}

fn not_opened(output: &Output) -> Failure {
    let said = String::from_utf8_lossy(&output.stderr);
    if said.contains("incorrect passphrase") || said.contains("bad passphrase") {
        return Failure::new("`ssh_key_passphrase` does not open the private key")
            .hint("check it with `ssh-keygen -y -f KEYFILE`, which asks for it");
    }
    let said = said.lines().filter(|line| !line.trim().is_empty());
    let failure = Failure::new("the private key cannot be opened");
    said.fold(failure, Failure::because).hint(
        "an ed25519 key in PKCS#8 that is locked is read by OpenSSH 9.6 and newer alone: `openssl pkey -in KEY -out OPENED`, and give `OPENED` without a passphrase",
    )
}
