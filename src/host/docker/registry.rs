//! A registry as the engine deals with it: whose login it is given, and why it gave nothing.
//!
//! It asks nothing itself.

use bollard::auth::DockerCredentials;
use docker_credential::DockerCredential;

use crate::event::Failure;
use crate::host::Login;
use crate::host::reference::{DOCKER_HUB, Reference};

/// The login of the run if it is for this registry, or the server's own.
pub fn credentials(reference: &Reference, login: Option<&Login>) -> Option<DockerCredentials> {
    if let Some(login) = login {
        return Some(DockerCredentials {
            username: Some(login.username.clone()),
            password: Some(login.password.expose().to_owned()),
            serveraddress: Some(reference.registry().to_owned()),
            ..DockerCredentials::default()
        });
    }
    let registry = match reference.registry() {
        DOCKER_HUB => "https://index.docker.io/v1/",
        other => other,
    };
    match docker_credential::get_credential(registry).ok()? {
        DockerCredential::UsernamePassword(username, password) => Some(DockerCredentials {
            username: Some(username),
            password: Some(password),
            serveraddress: Some(registry.to_owned()),
            ..DockerCredentials::default()
        }),
        DockerCredential::IdentityToken(token) => Some(DockerCredentials {
            identitytoken: Some(token),
            serveraddress: Some(registry.to_owned()),
            ..DockerCredentials::default()
        }),
    }
}

/// Why a pull failed, with what to do about it.
pub fn unpullable(text: &str, reference: &Reference, why: &str) -> Failure {
    let failure = Failure::new(format!("cannot pull `{text}`")).because(why);
    let registry = reference.registry();
    let low = why.to_lowercase();
    let has = |words: &[&str]| words.iter().any(|w| low.contains(w));
    if has(&[
        "unauthorized",
        "authentication required",
        "denied",
        "no basic auth",
    ]) {
        return failure
            .hint(format!(
                "check `registry_username` and `registry_password` for `{registry}`"
            ))
            .hint("for GHCR, the token needs the scope `read:packages` and access to the package");
    }
    if has(&[
        "manifest unknown",
        "not found",
        "name unknown",
        "name_unknown",
    ]) {
        return failure.hint(format!(
            "check the name and the tag, and that the build pushed it: `docker manifest inspect {text}`"
        ));
    }
    if has(&["no space left"]) {
        return failure
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
        return failure.hint(format!(
            "check that the server reaches `{registry}`: `curl -sI https://{registry}/v2/`"
        ));
    }
    failure
}
