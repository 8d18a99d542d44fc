//! The Docker Engine's API: what runs, which images there are, pulls and tags.
//!
//! It refuses to know Compose, files and the reason for anything.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bollard::Docker;
use bollard::auth::DockerCredentials;
use bollard::container::LogOutput;
use bollard::errors::Error as Bollard;
use bollard::exec::{CreateExecOptions, StartExecResults};
use bollard::models::{
    ContainerInspectResponse, ContainerStateStatusEnum, CreateImageInfo, HealthConfig,
    HealthStatusEnum, RestartPolicyNameEnum,
};
use bollard::query_parameters as query;
use chrono::{DateTime, Utc};
use docker_credential::DockerCredential;
use futures_util::StreamExt;
use futures_util::future::join_all;

use crate::event::Failure;
use crate::host::reference::{self, Reference};
use crate::host::{
    Container, Fetched, Health, HealthStatus, Image, Login, Progress, Result, State,
};

/// Seconds that one answer of the engine may take; pulls and stops are streams or have their own.
const ANSWER: u64 = 120;
const PROJECT: &str = "com.docker.compose.project";
const SERVICE: &str = "com.docker.compose.service";
const HASH: &str = "com.docker.compose.config-hash";
const ONEOFF: &str = "com.docker.compose.oneoff";

/// A connection to the engine.
#[derive(Debug, Clone)]
pub struct Engine {
    docker: Docker,
    /// The engine's version.
    pub version: String,
}

/// Connects to the engine that the `docker` command would use.
pub async fn connect() -> Result<Engine> {
    let socket = socket();
    let docker = Docker::connect_with_unix(&socket, ANSWER, bollard::API_DEFAULT_VERSION)
        .map_err(|e| unreachable(&socket, &e))?
        .negotiate_version()
        .await
        .map_err(|e| unreachable(&socket, &e))?;
    let version = docker
        .version()
        .await
        .map_err(|e| unreachable(&socket, &e))?;
    Ok(Engine {
        docker,
        version: version.version.unwrap_or_else(|| "unknown".into()),
    })
}

/// `DOCKER_HOST`, the system's socket, or a rootless one.
fn socket() -> String {
    if let Ok(host) = std::env::var("DOCKER_HOST") {
        return host.trim_start_matches("unix://").to_owned();
    }
    let system = PathBuf::from("/var/run/docker.sock");
    let own = std::env::var("XDG_RUNTIME_DIR")
        .unwrap_or_else(|_| format!("/run/user/{}", rustix::process::getuid().as_raw()));
    let own = PathBuf::from(own).join("docker.sock");
    let chosen = if !system.exists() && own.exists() {
        own
    } else {
        system
    };
    chosen.to_string_lossy().into_owned()
}

fn unreachable(socket: &str, error: &Bollard) -> Failure {
    let failure =
        Failure::new(format!("Docker does not answer at `{socket}`")).because(chain(error));
    let user = rustix::process::geteuid().as_raw();
    match std::os::unix::net::UnixStream::connect(socket) {
        Err(e) if e.kind() == std::io::ErrorKind::PermissionDenied => failure
            .hint("let this user use Docker: `sudo usermod -aG docker <user>`, then log in again")
            .hint(format!(
                "or let Landfall use sudo: `sudo: always` (it runs as user {user} now)"
            )),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            failure.hint("install Docker on the server, or start it: `sudo systemctl start docker`")
        }
        _ => failure.hint("start Docker on the server: `sudo systemctl start docker`"),
    }
}

/// An error with the causes behind it; bollard's own text often says only "error".
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}

fn failed(what: impl Into<String>) -> impl FnOnce(Bollard) -> Failure {
    move |e| Failure::new(what).because(said(&e))
}

/// What the engine said, without bollard's frame around it.
fn said(error: &Bollard) -> String {
    match error {
        Bollard::DockerResponseServerError { message, .. } => message.clone(),
        Bollard::DockerStreamError { error } => error.clone(),
        other => chain(other),
    }
}

fn is_missing(error: &Bollard) -> bool {
    matches!(
        error,
        Bollard::DockerResponseServerError {
            status_code: 404,
            ..
        }
    )
}

fn ignore_missing(result: std::result::Result<(), Bollard>) -> std::result::Result<(), Bollard> {
    match result {
        Err(e) if is_missing(&e) => Ok(()),
        other => other,
    }
}

impl Engine {
    /// Where the engine keeps images.
    pub async fn root(&self) -> Result<PathBuf> {
        let info = self
            .docker
            .info()
            .await
            .map_err(failed("cannot ask the engine"))?;
        Ok(info.docker_root_dir.unwrap_or_default().into())
    }

    /// The containers of a project, sorted by name.
    pub async fn containers(&self, project: &str) -> Result<Vec<Container>> {
        let filters = HashMap::from([("label", vec![format!("{PROJECT}={project}")])]);
        let options = query::ListContainersOptionsBuilder::new()
            .all(true)
            .filters(&filters)
            .build();
        let listed = self
            .docker
            .list_containers(Some(options))
            .await
            .map_err(failed("cannot list the containers"))?;
        let ids: Vec<String> = listed.into_iter().filter_map(|c| c.id).collect();
        let inspected = join_all(ids.iter().map(|id| self.docker.inspect_container(id, None)));
        let mut containers = Vec::new();
        for answer in inspected.await {
            match answer {
                Ok(container) => containers.extend(read_container(container)),
                Err(e) if is_missing(&e) => {}
                Err(e) => return Err(failed("cannot inspect a container")(e)),
            }
        }
        containers.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(containers)
    }

    /// The names of a project's own networks.
    pub async fn networks(&self, project: &str) -> Result<Vec<String>> {
        let filters = HashMap::from([("label", vec![format!("{PROJECT}={project}")])]);
        let options = query::ListNetworksOptionsBuilder::new()
            .filters(&filters)
            .build();
        let listed = self
            .docker
            .list_networks(Some(options))
            .await
            .map_err(failed("cannot list the networks"))?;
        Ok(listed.into_iter().filter_map(|n| n.name).collect())
    }

    /// The image that a reference or an ID means, if it is there.
    pub async fn image(&self, reference: &str) -> Result<Option<Image>> {
        match self.docker.inspect_image(reference).await {
            Ok(image) => Ok(Some(Image {
                id: image.id.unwrap_or_default(),
                digests: image.repo_digests.unwrap_or_default(),
                tags: image.repo_tags.unwrap_or_default(),
                bytes: image.size.and_then(|n| u64::try_from(n).ok()).unwrap_or(0),
            })),
            Err(e) if is_missing(&e) => Ok(None),
            Err(e) => Err(failed(format!("cannot inspect the image `{reference}`"))(e)),
        }
    }

    /// Pulls a reference by the digest it has in the registry now.
    pub async fn pull(
        &self,
        text: &str,
        platform: Option<&str>,
        login: Option<&Login>,
        progress: Progress<'_>,
    ) -> Result<Fetched> {
        let reference = reference::parse(text);
        let credentials = credentials(&reference, login);
        let digest = match &reference.digest {
            Some(digest) => digest.clone(),
            None => self.digest(text, &reference, credentials.clone()).await?,
        };
        let by_digest = format!("{}@{digest}", reference.written);
        let was_new = self.image(&by_digest).await?.is_none();
        if was_new {
            self.fetch(text, &reference, &digest, platform, credentials, progress)
                .await?;
        }
        match self.image(&by_digest).await? {
            Some(image) => Ok(Fetched {
                image,
                digest: by_digest,
                was_new,
            }),
            None => Err(Failure::new(format!(
                "`{by_digest}` was pulled and is not there"
            ))),
        }
    }

    /// Asks the registry, through the engine, which digest a tag has now.
    async fn digest(
        &self,
        text: &str,
        reference: &Reference,
        credentials: Option<DockerCredentials>,
    ) -> Result<String> {
        let name = format!("{}:{}", reference.written, reference.tag_or_latest());
        let answer = self
            .docker
            .inspect_registry_image(&name, credentials)
            .await
            .map_err(|e| unpullable(text, reference, &said(&e)))?;
        answer
            .descriptor
            .digest
            .ok_or_else(|| Failure::new(format!("the registry gave no digest for `{text}`")))
    }

    async fn fetch(
        &self,
        text: &str,
        reference: &Reference,
        digest: &str,
        platform: Option<&str>,
        credentials: Option<DockerCredentials>,
        progress: Progress<'_>,
    ) -> Result<()> {
        let mut options = query::CreateImageOptionsBuilder::new()
            .from_image(&reference.written)
            .tag(digest);
        if let Some(platform) = platform {
            options = options.platform(platform);
        }
        let mut layers = Layers::default();
        let mut stream = self
            .docker
            .create_image(Some(options.build()), None, credentials);
        while let Some(step) = stream.next().await {
            let info = step.map_err(|e| unpullable(text, reference, &said(&e)))?;
            if let Some(detail) = &info.error_detail {
                let why = detail.message.clone().unwrap_or_default();
                return Err(unpullable(text, reference, &why));
            }
            let (done, total) = layers.take(&info);
            progress(text, done, total);
        }
        Ok(())
    }

    /// Makes a reference mean an image.
    pub async fn tag(&self, image_id: &str, text: &str) -> Result<()> {
        let reference = reference::parse(text);
        let options = query::TagImageOptionsBuilder::new()
            .repo(&reference.written)
            .tag(reference.tag_or_latest())
            .build();
        self.docker
            .tag_image(image_id, Some(options))
            .await
            .map_err(failed(format!("cannot let `{text}` mean {image_id}")))
    }

    /// The references whose repository is the named one.
    pub async fn references(&self, repository: &str) -> Result<Vec<String>> {
        let filters = HashMap::from([("reference", vec![repository.to_owned()])]);
        let options = query::ListImagesOptionsBuilder::new()
            .filters(&filters)
            .build();
        let listed = self
            .docker
            .list_images(Some(options))
            .await
            .map_err(failed("cannot list the images"))?;
        Ok(listed.into_iter().flat_map(|i| i.repo_tags).collect())
    }

    /// Makes a reference mean nothing.
    pub async fn untag(&self, reference: &str) -> Result<()> {
        let options = query::RemoveImageOptionsBuilder::new().force(false).build();
        let removed = self
            .docker
            .remove_image(reference, Some(options), None)
            .await;
        ignore_missing(removed.map(|_| ()))
            .map_err(failed(format!("cannot remove the reference `{reference}`")))
    }

    /// Stops containers at once, each within its own grace period.
    pub async fn stop(&self, containers: &[String]) -> Result<()> {
        let patient = self.docker.clone().with_timeout(Duration::from_mins(15));
        let stops = containers.iter().map(|id| patient.stop_container(id, None));
        for stopped in join_all(stops).await {
            ignore_missing(stopped).map_err(failed("cannot stop a container"))?;
        }
        Ok(())
    }

    /// Removes containers and the anonymous volumes that came with them.
    pub async fn remove(&self, containers: &[String]) -> Result<()> {
        let options = query::RemoveContainerOptionsBuilder::new()
            .v(true)
            .force(true)
            .build();
        for id in containers {
            ignore_missing(
                self.docker
                    .remove_container(id, Some(options.clone()))
                    .await,
            )
            .map_err(failed("cannot remove a container"))?;
        }
        Ok(())
    }

    /// Removes a network.
    pub async fn remove_network(&self, name: &str) -> Result<()> {
        ignore_missing(self.docker.remove_network(name).await)
            .map_err(failed(format!("cannot remove the network `{name}`")))
    }

    /// Gives a container its name.
    pub async fn rename(&self, container: &str, name: &str) -> Result<()> {
        let options = query::RenameContainerOptionsBuilder::new()
            .name(name)
            .build();
        self.docker
            .rename_container(container, options)
            .await
            .map_err(failed(format!("cannot rename a container to `{name}`")))
    }

    /// A container's last lines.
    pub async fn logs(&self, container: &str, lines: u32) -> Result<Vec<String>> {
        let options = query::LogsOptionsBuilder::new()
            .stdout(true)
            .stderr(true)
            .tail(&lines.to_string())
            .build();
        let mut stream = self.docker.logs(container, Some(options));
        let mut text = String::new();
        while let Some(Ok(chunk)) = stream.next().await {
            text.push_str(&String::from_utf8_lossy(&chunk.into_bytes()));
        }
        let all: Vec<String> = text.lines().map(ToOwned::to_owned).collect();
        let skipped = all.len().saturating_sub(lines as usize);
        Ok(all.into_iter().skip(skipped).collect())
    }

    /// Runs a command in a container.
    pub async fn exec(&self, container: &str, command: &[String]) -> Result<(i64, String)> {
        let cannot = || failed("cannot run a command in the container");
        let options = CreateExecOptions {
            cmd: Some(command.to_vec()),
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            ..CreateExecOptions::default()
        };
        let exec = self
            .docker
            .create_exec(container, options)
            .await
            .map_err(cannot())?;
        let mut text = String::new();
        let started = self
            .docker
            .start_exec(&exec.id, None)
            .await
            .map_err(cannot())?;
        if let StartExecResults::Attached { mut output, .. } = started {
            while let Some(Ok(chunk)) = output.next().await {
                append(&mut text, chunk);
            }
        }
        let ended = self.docker.inspect_exec(&exec.id).await.map_err(cannot())?;
        Ok((ended.exit_code.unwrap_or(-1), text))
    }

    /// The longest grace period of some containers; Docker's own is 10 s.
    pub async fn stop_grace(&self, containers: &[String]) -> Result<Duration> {
        let mut longest = Duration::ZERO;
        for id in containers {
            let inspected = match self.docker.inspect_container(id, None).await {
                Ok(inspected) => inspected,
                Err(e) if is_missing(&e) => continue,
                Err(e) => return Err(failed("cannot inspect a container")(e)),
            };
            let seconds = inspected.config.and_then(|c| c.stop_timeout).unwrap_or(10);
            longest = longest.max(Duration::from_secs(u64::try_from(seconds).unwrap_or(0)));
        }
        Ok(longest)
    }

    /// The containers with a read-write bind mount at or below a directory.
    pub async fn writers(&self, containers: &[String], dir: &Path) -> Result<Vec<String>> {
        let mut writers = Vec::new();
        for id in containers {
            match self.docker.inspect_container(id, None).await {
                Ok(inspected) if writes_below(&inspected, dir) => writers.push(id.clone()),
                Ok(_) => {}
                Err(e) if is_missing(&e) => {}
                Err(e) => return Err(failed("cannot inspect a container")(e)),
            }
        }
        Ok(writers)
    }

    /// The IDs and references of the images of all containers, whoever made them.
    pub async fn images_in_use(&self) -> Result<Vec<String>> {
        let options = query::ListContainersOptionsBuilder::new().all(true).build();
        let listed = self
            .docker
            .list_containers(Some(options))
            .await
            .map_err(failed("cannot list the containers"))?;
        let named = listed.into_iter().flat_map(|c| [c.image, c.image_id]);
        Ok(named.flatten().collect())
    }
}

fn writes_below(inspected: &ContainerInspectResponse, dir: &Path) -> bool {
    let real = dir.canonicalize().unwrap_or_else(|_| dir.to_owned());
    let mounts = inspected.mounts.iter().flatten();
    mounts
        .filter(|m| m.typ.as_deref() == Some("bind") && m.rw == Some(true))
        .filter_map(|m| m.source.as_ref().map(Path::new))
        .any(|source| source.starts_with(dir) || source.starts_with(&real))
}

/// Keeps the beginning of what a command printed; nobody reads more than a page of it.
fn append(text: &mut String, chunk: LogOutput) {
    const PAGE: usize = 16 * 1024;
    if text.len() < PAGE {
        text.push_str(&String::from_utf8_lossy(&chunk.into_bytes()));
    }
}

/// Bytes of the layers of one pull.
#[derive(Default)]
struct Layers(HashMap<String, (u64, u64)>);

impl Layers {
    fn take(&mut self, info: &CreateImageInfo) -> (u64, u64) {
        let size = |n: Option<i64>| n.and_then(|n| u64::try_from(n).ok()).unwrap_or(0);
        let downloading = info.status.as_deref() == Some("Downloading");
        if let (Some(id), Some(detail), true) = (&info.id, &info.progress_detail, downloading) {
            let layer = (size(detail.current), size(detail.total));
            self.0.insert(id.clone(), layer);
        }
        let done = info.status.as_deref() == Some("Download complete");
        if let (Some(layer), true) = (info.id.as_ref().and_then(|id| self.0.get_mut(id)), done) {
            layer.0 = layer.1;
        }
        let sum = |f: fn(&(u64, u64)) -> u64| self.0.values().map(f).sum();
        (sum(|l| l.0), sum(|l| l.1))
    }
}

/// The login of the run if it is for this registry, or the server's own.
fn credentials(reference: &Reference, login: Option<&Login>) -> Option<DockerCredentials> {
    if let Some(login) = login {
        return Some(DockerCredentials {
            username: Some(login.username.clone()),
            password: Some(login.password.expose().to_owned()),
            serveraddress: Some(reference.registry().to_owned()),
            ..DockerCredentials::default()
        });
    }
    let registry = match reference.registry() {
        "docker.io" => "https://index.docker.io/v1/",
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
fn unpullable(text: &str, reference: &Reference, why: &str) -> Failure {
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

fn read_container(inspected: ContainerInspectResponse) -> Option<Container> {
    let config = inspected.config?;
    let labels = config.labels.unwrap_or_default();
    if labels.get(ONEOFF).is_some_and(|v| v == "True") {
        return None;
    }
    let label = |name: &str| labels.get(name).cloned().unwrap_or_default();
    let state = inspected.state.unwrap_or_default();
    let policy = inspected.host_config.and_then(|h| h.restart_policy);
    Some(Container {
        id: inspected.id.unwrap_or_default(),
        name: inspected
            .name
            .unwrap_or_default()
            .trim_start_matches('/')
            .to_owned(),
        service: label(SERVICE),
        image: config.image.unwrap_or_default(),
        image_id: inspected.image.unwrap_or_default(),
        config_hash: label(HASH),
        state: read_state(state.status),
        exit_code: state.exit_code.unwrap_or(0),
        restarts: inspected.restart_count.unwrap_or(0),
        up_ms: state.started_at.as_deref().and_then(since),
        health: read_health(config.healthcheck, state.health),
        always_restarts: matches!(
            policy.and_then(|p| p.name),
            Some(RestartPolicyNameEnum::ALWAYS | RestartPolicyNameEnum::UNLESS_STOPPED)
        ),
    })
}

fn read_state(status: Option<ContainerStateStatusEnum>) -> State {
    match status {
        Some(ContainerStateStatusEnum::RUNNING) => State::Running,
        Some(ContainerStateStatusEnum::RESTARTING) => State::Restarting,
        Some(ContainerStateStatusEnum::EXITED) => State::Exited,
        Some(ContainerStateStatusEnum::PAUSED) => State::Paused,
        Some(ContainerStateStatusEnum::DEAD | ContainerStateStatusEnum::REMOVING) => State::Dead,
        _ => State::Created,
    }
}

/// Milliseconds since a start; Docker writes year 1 for "never".
fn since(started: &str) -> Option<u64> {
    let started: DateTime<Utc> = started.parse().ok()?;
    if started.timestamp() <= 0 {
        return None;
    }
    u64::try_from((Utc::now() - started).num_milliseconds()).ok()
}

fn read_health(
    check: Option<HealthConfig>,
    health: Option<bollard::models::Health>,
) -> Option<Health> {
    let check = check?;
    let command = match check.test?.split_first()? {
        (kind, rest) if kind == "CMD" => rest.to_vec(),
        (kind, rest) if kind == "CMD-SHELL" => {
            vec!["/bin/sh".into(), "-c".into(), rest.first()?.clone()]
        }
        _ => return None,
    };
    let health = health.unwrap_or_default();
    let last = health.log.unwrap_or_default().pop();
    let seconds = check.interval.filter(|n| *n > 0).unwrap_or(30_000_000_000) / 1_000_000_000;
    Some(Health {
        status: match health.status {
            Some(HealthStatusEnum::HEALTHY) => HealthStatus::Healthy,
            Some(HealthStatusEnum::UNHEALTHY) => HealthStatus::Unhealthy,
            _ => HealthStatus::Starting,
        },
        command,
        interval: u64::try_from(seconds).unwrap_or(30),
        retries: check.retries.filter(|n| *n > 0).unwrap_or(3),
        last_output: last.and_then(|l| l.output).unwrap_or_default(),
    })
}
