//! A registry as the engine deals with it: whose login it is given, and why it gave nothing.
//!
//! It asks no registry itself.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bollard::auth::DockerCredentials;
use docker_credential::DockerCredential;
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::files::foreign::{self, Links};
use crate::host::Login;
use crate::words::Result;
use crate::words::event::{Failure, FailureKind};
use crate::words::reference::{DOCKER_HUB, Reference};

/// How long the server's own program for logins may take. One that asks a person for a passphrase,
/// or a network that is not there, does not end.
const HELPER: Duration = Duration::from_secs(30);

/// The login of the run if it is for this registry, or the server's own.
///
/// # Errors
/// When the program that keeps the server's logins does not answer.
pub async fn credentials(
    reference: &Reference,
    login: Option<&Login>,
) -> Result<Option<DockerCredentials>> {
    if let Some(login) = login {
        return Ok(Some(DockerCredentials {
            username: Some(login.username.clone()),
            password: Some(login.password.expose().to_owned()),
            serveraddress: Some(reference.registry().to_owned()),
            ..DockerCredentials::default()
        }));
    }
    let registry = match reference.registry() {
        DOCKER_HUB => "https://index.docker.io/v1/",
        other => other,
    };
    refuse_odd(&config_file())?;
    let asked = registry.to_owned();
    let kept = in_time(HELPER, move || {
        docker_credential::get_credential(&asked).ok()
    });
    let kept = kept.await.map_err(|failure| {
        failure.hint(format!(
            "see on the server that `docker pull` of an image of `{registry}` asks for nothing"
        ))
    })?;
    Ok(kept.map(|kept| own(registry, kept)))
}

/// Where Docker keeps the logins of whoever is at work.
fn config_file() -> PathBuf {
    let own = std::env::var_os("DOCKER_CONFIG").map(PathBuf::from);
    let home = || PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".docker");
    own.unwrap_or_else(home).join("config.json")
}

/// Refuses what would hold its reader for ever, Compose too.
fn refuse_odd(config: &Path) -> Result<()> {
    match foreign::open(config, Links::Followed) {
        Err(error) if error.kind() == io::ErrorKind::Other => Err(Failure::new(format!(
            "`{}` cannot be read",
            config.display()
        ))
        .because(error)
        .hint("remove it on the server, then log in again: `docker login`")),
        // What is not there, or not for this user, holds nobody.
        _ => Ok(()),
    }
}

/// What `config.json` or a helper has, as the engine wants it.
fn own(registry: &str, kept: DockerCredential) -> DockerCredentials {
    let empty = DockerCredentials {
        serveraddress: Some(registry.to_owned()),
        ..DockerCredentials::default()
    };
    match kept {
        DockerCredential::UsernamePassword(username, password) => DockerCredentials {
            username: Some(username),
            password: Some(password),
            ..empty
        },
        DockerCredential::IdentityToken(token) => DockerCredentials {
            identitytoken: Some(token),
            ..empty
        },
    }
}

/// Asks on a thread of its own, which is left to itself where it does not come to an end: the
/// runtime's own threads are waited for when a run is over.
async fn in_time<T: Send + 'static>(
    patience: Duration,
    ask: impl FnOnce() -> Option<T> + Send + 'static,
) -> Result<Option<T>> {
    let (answer, heard) = oneshot::channel();
    std::thread::Builder::new()
        .spawn(move || drop(answer.send(ask())))
        .map_err(|e| Failure::new("the server's credential helper cannot be asked").because(e))?;
    let heard = timeout(patience, heard).await.map_err(|_| {
        Failure::new("the server's credential helper does not answer")
            .because(format!("it did not within {} s", patience.as_secs()))
            .of(FailureKind::TimedOut)
    })?;
    Ok(heard.ok().flatten())
}

/// Why a pull failed, with what to do about it.
pub fn unpullable(text: &str, reference: &Reference, why: &str) -> Failure {
    let failure = Failure::new(format!("cannot pull `{text}`"));
    let registry = reference.registry();
    let said = |what: String| failure.clone().because(what).because(why);
    let low = why.to_lowercase();
    let has = |words: &[&str]| words.iter().any(|w| low.contains(w));
    if has(&[
        "unauthorized",
        "authentication required",
        "denied",
        "no basic auth",
    ]) {
        return said(format!("`{registry}` wants a login that may read it"))
            .hint(format!(
                "give `registry_username` and `registry_password`, or check those that are given, and that `registry` names the one that they are for: `{registry}` hears them only if it does"
            ))
            .hint("for GHCR, the token needs the scope `read:packages` and access to the package");
    }
    if has(&[
        "manifest unknown",
        "not found",
        "name unknown",
        "name_unknown",
    ]) {
        return said(format!("`{registry}` has no such image, or not that tag")).hint(format!(
            "check the name and the tag, and that the build pushed it: `docker manifest inspect {text}`"
        ));
    }
    if has(&["no space left"]) {
        return said("a disk of the server is full".to_owned())
            .hint("free disk space on the server: `docker system df`, `docker image prune`");
    }
    if has(&[
        "connection refused",
        "no such host",
        "timeout",
        "no route",
        "unreachable",
        "eof",
    ]) {
        return said(format!("the server does not reach `{registry}`")).hint(format!(
            "check that the server reaches `{registry}`: `curl -sI https://{registry}/v2/`"
        ));
    }
    failure.because(why)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::sync::mpsc;

    use super::*;
    use crate::files::foreign::odd;

    #[tokio::test(flavor = "current_thread")]
    async fn a_credential_helper_that_hangs_is_a_failure_and_one_that_knows_nothing_is_none() {
        let (_end, never) = mpsc::channel::<()>();
        let hangs = in_time(Duration::from_millis(50), move || never.recv().ok());
        let failure = hangs.await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::TimedOut);
        assert_eq!(in_time(HELPER, || None::<u8>).await.unwrap(), None);
        assert_eq!(in_time(HELPER, || Some(1)).await.unwrap(), Some(1));
    }

    #[test]
    fn a_configuration_that_is_no_file_is_told_and_holds_nobody() {
        let dir = tempfile::tempdir().unwrap();
        let config = dir.path().join("config.json");
        refuse_odd(&config).unwrap();
        for what in odd::ALL {
            odd::put(what, &config);
            let at = config.clone();
            let told = odd::ends(what, move || refuse_odd(&at));
            assert_eq!(told.is_ok(), what == "sparse file", "{what}");
        }
    }
}
