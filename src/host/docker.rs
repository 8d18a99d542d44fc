//! The Docker Engine's API: what runs, which images there are, pulls and tags.
//!
//! It refuses to know Compose, files and the reason for anything.

mod digest;
pub mod logins;
pub mod logs;
pub mod pull;
pub mod read;
mod registry;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bollard::Docker;
use bollard::container::LogOutput;
use bollard::errors::Error as Bollard;
use bollard::exec::{CreateExecOptions, StartExecResults};
use bollard::query_parameters as query;
use chrono::{DateTime, Utc};
use futures_util::StreamExt;
use futures_util::future::join_all;
use tokio::sync::OnceCell;

use crate::files::tree::whose;
use crate::host::docker::read::{
    Behind, PROJECT, read_container, read_occupant, read_volumes, read_writer,
};
use crate::host::endpoint::{self, Endpoint};
use crate::host::{Container, Image, Network, Occupant, Volumes, Writer};
use crate::words::Result;
use crate::words::clean::CUT;
use crate::words::event::Failure;
use crate::words::reference;

/// Seconds that one answer of the engine may take; pulls and stops are streams or have their own.
const ANSWER: u64 = 120;
/// How long an engine that restarts may be away.
const AWAY: Duration = Duration::from_secs(90);
/// How long nothing must have changed until it counts as quiet, how often that is looked at, and for
/// how long at most.
const QUIET: Duration = Duration::from_secs(1);
const LOOK: Duration = Duration::from_millis(200);
const RESTLESS: Duration = Duration::from_secs(20);
/// How long it is left alone between two looks.
const CALM: Duration = Duration::from_millis(500);

/// A connection to the engine.
#[derive(Debug, Clone)]
pub struct Engine {
    docker: Docker,
    /// The engine's version.
    pub version: String,
    /// Where it listens, and who says so.
    pub socket: String,
    root: Arc<OnceCell<PathBuf>>,
    asked: digest::Asked,
}

/// Connects to the engine that the `docker` command would use.
pub async fn connect() -> Result<Engine> {
    let endpoint = endpoint::endpoint()?;
    let away = |error: &Bollard| unreachable(&endpoint, error);
    let docker = Docker::connect_with_unix(&endpoint.socket, ANSWER, bollard::API_DEFAULT_VERSION)
        .map_err(|e| away(&e))?
        .negotiate_version()
        .await
        .map_err(|e| away(&e))?;
    let version = docker.version().await.map_err(|e| away(&e))?;
    let engine = Engine {
        docker,
        version: version.version.unwrap_or_else(|| "unknown".into()),
        socket: endpoint.shown(),
        root: Arc::default(),
        asked: digest::Asked::default(),
    };
    // This is the engine's slowest answer: asked here, it is there by the time it is needed.
    let early = engine.clone();
    tokio::spawn(async move { drop(early.root().await) });
    Ok(engine)
}

/// Waits until the engine answers again, and a moment longer; `false` when patience ended first.
pub async fn is_back() -> bool {
    let begun = Instant::now();
    loop {
        tokio::time::sleep(CALM).await;
        if connect().await.is_ok() {
            return true;
        }
        if begun.elapsed() > AWAY {
            return false;
        }
    }
}

fn unreachable(endpoint: &Endpoint, error: &Bollard) -> Failure {
    let socket = &endpoint.socket;
    let silent = Failure::new(format!("Docker does not answer at {}", endpoint.shown()));
    match std::os::unix::net::UnixStream::connect(socket) {
        Err(e) if e.kind() == std::io::ErrorKind::PermissionDenied => forbidden(endpoint),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            let failure = silent
                .because("there is no such socket")
                .hint("install Docker on the server, or start it: `sudo systemctl start docker`");
            match own_socket() {
                Some(own) => failure.hint(format!(
                    "an engine of this user's own listens at `{own}`: let `docker` use it with `docker context use rootless`, and Landfall will too"
                )),
                None => failure,
            }
        }
        Err(e) if e.kind() == std::io::ErrorKind::ConnectionRefused => silent
            .because("nobody listens there")
            .hint("start Docker on the server: `sudo systemctl start docker`"),
        _ => silent
            .because(chain(error))
            .hint("start Docker on the server: `sudo systemctl start docker`"),
    }
}

/// The engine is there, and not for this user.
fn forbidden(endpoint: &Endpoint) -> Failure {
    let uid = rustix::process::geteuid().as_raw();
    let user = whose::user(uid);
    let name = whose::typed(uid);
    Failure::new(format!("user `{user}` may not use Docker"))
        .because(format!("permission denied at {}", endpoint.shown()))
        .hint(format!(
            "let that user use it: `sudo usermod -aG docker {name}`, then deploy again"
        ))
        .hint(format!(
            "or let `{user}` run `sudo` without a password, and leave `sudo` at `auto`"
        ))
}

/// The socket of a rootless engine, if there is one.
fn own_socket() -> Option<String> {
    let own = format!(
        "/run/user/{}/docker.sock",
        rustix::process::getuid().as_raw()
    );
    std::path::Path::new(&own).exists().then_some(own)
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

/// A moment of the engine's, which tells it in seconds since 1970.
fn moment(seconds: i64) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp(seconds, 0)
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

/// What lets through what carries a project's name.
fn of_project(project: &str) -> HashMap<&'static str, Vec<String>> {
    HashMap::from([("label", vec![format!("{PROJECT}={project}")])])
}

impl Engine {
    /// Where the engine keeps images; nowhere if it does not say.
    pub async fn root(&self) -> PathBuf {
        let ask = || async {
            let info = self.docker.info().await.unwrap_or_default();
            info.docker_root_dir.unwrap_or_default().into()
        };
        self.root.get_or_init(ask).await.clone()
    }

    /// The containers of a project, sorted by name.
    pub async fn containers(&self, project: &str) -> Result<Vec<Container>> {
        let filters = of_project(project);
        let listed = self.listed(&filters).await?;
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

    /// The containers of the whole server that may write a directory of it.
    pub async fn writers(&self) -> Result<Vec<Writer>> {
        let listed = self.listed(&HashMap::new()).await?;
        let behind = self.behind_volumes().await?;
        let writers = listed.into_iter().map(|c| read_writer(c, &behind));
        Ok(writers.filter(|w| !w.writes.is_empty()).collect())
    }

    /// The containers of the whole server, with their names and the ports that they have.
    pub async fn occupants(&self) -> Result<Vec<Occupant>> {
        let listed = self.listed(&HashMap::new()).await?;
        Ok(listed.into_iter().map(read_occupant).collect())
    }

    /// The containers that filters let through, whether they run or not.
    async fn listed(
        &self,
        filters: &HashMap<&str, Vec<String>>,
    ) -> Result<Vec<bollard::models::ContainerSummary>> {
        let options = query::ListContainersOptionsBuilder::new()
            .all(true)
            .filters(filters)
            .build();
        let listed = self.docker.list_containers(Some(options)).await;
        listed.map_err(failed("cannot list the containers"))
    }

    /// The directories behind volumes, those of the engine's own driver: others may be slow to say.
    async fn behind_volumes(&self) -> Result<Behind> {
        let filters = HashMap::from([("driver", vec!["local".to_owned()])]);
        Ok(read_volumes(self.listed_volumes(&filters).await?))
    }

    /// The volumes that filters let through.
    async fn listed_volumes(
        &self,
        filters: &HashMap<&str, Vec<String>>,
    ) -> Result<Vec<bollard::models::Volume>> {
        let options = query::ListVolumesOptionsBuilder::new()
            .filters(filters)
            .build();
        let listed = self.docker.list_volumes(Some(options)).await;
        let listed = listed.map_err(failed("cannot list the volumes"))?;
        Ok(listed.volumes.unwrap_or_default())
    }

    /// A project's own networks.
    pub async fn networks(&self, project: &str) -> Result<Vec<Network>> {
        let filters = of_project(project);
        let options = query::ListNetworksOptionsBuilder::new()
            .filters(&filters)
            .build();
        let listed = self
            .docker
            .list_networks(Some(options))
            .await
            .map_err(failed("cannot list the networks"))?;
        let network = |listed: bollard::models::Network| {
            Some(Network {
                id: listed.id?,
                name: listed.name?,
            })
        };
        Ok(listed.into_iter().filter_map(network).collect())
    }

    /// The names of a project's own volumes.
    pub async fn volumes(&self, project: &str) -> Result<Vec<String>> {
        let volumes = self.listed_volumes(&of_project(project)).await?;
        Ok(volumes.into_iter().map(|v| v.name).collect())
    }

    /// Whether there is a volume of this name.
    pub async fn has_volume(&self, name: &str) -> Result<bool> {
        match self.docker.inspect_volume(name).await {
            Ok(_) => Ok(true),
            Err(error) if is_missing(&error) => Ok(false),
            Err(error) => Err(failed("cannot look at the volumes")(error)),
        }
    }

    /// Removes a volume.
    pub async fn remove_volume(&self, name: &str) -> Result<()> {
        let removed = self
            .docker
            .remove_volume(name, None::<query::RemoveVolumeOptions>)
            .await;
        ignore_missing(removed).map_err(failed(format!("cannot remove the volume `{name}`")))
    }

    /// Waits until no container of a project has come for a while.
    pub async fn until_quiet(&self, project: &str) {
        let filters = of_project(project);
        let begun = Instant::now();
        let (mut seen, mut since) = (None, begun);
        while begun.elapsed() < RESTLESS {
            let listed = self.listed(&filters).await.unwrap_or_default();
            let mut now: Vec<_> = listed.into_iter().map(|c| (c.id, c.names)).collect();
            now.sort();
            if seen.as_ref() != Some(&now) {
                (seen, since) = (Some(now), Instant::now());
            }
            if since.elapsed() >= QUIET {
                return;
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// The image that a reference or an ID means, if it is there.
    pub async fn image(&self, reference: &str) -> Result<Option<Image>> {
        match self.docker.inspect_image(reference).await {
            Ok(image) => Ok(Some(Image {
                id: image.id.unwrap_or_default(),
                digests: image.repo_digests.unwrap_or_default(),
                tags: image.repo_tags.unwrap_or_default(),
                bytes: image.size.and_then(|n| u64::try_from(n).ok()).unwrap_or(0),
                tagged_at: image
                    .metadata
                    .and_then(|m| moment(m.last_tag_time?.unix_timestamp())),
            })),
            Err(e) if is_missing(&e) => Ok(None),
            Err(e) => Err(failed(format!("cannot inspect the image `{reference}`"))(e)),
        }
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

    /// Starts containers.
    pub async fn start(&self, containers: &[String]) -> Result<()> {
        let starts = containers
            .iter()
            .map(|id| self.docker.start_container(id, None));
        for started in join_all(starts).await {
            let started = started.map_err(failed("cannot start a container"));
            started.map_err(Self::tell_of_a_lost_port)?;
        }
        Ok(())
    }

    /// An engine that lost power while it started a container may hold its port for ever.
    fn tell_of_a_lost_port(failure: Failure) -> Failure {
        if !failure.to_string().contains("port is already allocated") {
            return failure;
        }
        failure
            .hint("find out who has the port: `docker ps`, `sudo ss -ltnp`")
            .hint("if `docker-proxy` has it and no container does, the engine lost one in a power cut: `sudo systemctl restart docker`, then `docker compose up -d` in the deploy directory")
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
    pub async fn remove(&self, containers: &[String], volumes: Volumes) -> Result<()> {
        let options = query::RemoveContainerOptionsBuilder::new()
            .v(volumes == Volumes::Go)
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

/// Keeps the beginning of what a command printed; nobody reads more than a page of it.
fn append(text: &mut String, chunk: LogOutput) {
    const PAGE: usize = 16 * 1024;
    if text.len() < PAGE {
        text.push_str(&String::from_utf8_lossy(&chunk.into_bytes()));
    } else if !text.ends_with(CUT) {
        text.push(CUT);
    }
}
