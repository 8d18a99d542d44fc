//! The server as the steps see it: what can be looked at, and what can be done.
//!
//! `real` does it with Docker, Compose and the file system; nothing in here decides what should
//! be done, or when.

pub mod ailment;
pub mod boot;
pub mod cmd;
pub mod complaint;
pub mod compose;
pub mod docker;
pub mod endpoint;
pub mod ground;
pub mod http;
pub mod judge;
pub mod lines;
pub mod real;
pub mod site;
pub mod sockets;
pub mod trust;
pub mod volume;
pub mod whose;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::files::archive::catalogue::Listed;
use crate::files::archive::choice::Standings;
use crate::files::archive::restore::Data;
use crate::files::rundir::RunDir;
use crate::files::tree::home::Identity;
use crate::files::tree::{Differing, Home};
use crate::words::backup::Order;
use crate::words::backup::Parts;
use crate::words::backup::{Description, Release};
use crate::words::event::Failure;
use crate::words::plan::{Expect, Plan, Private, Site};
use crate::words::report::foreseen::FileForeseen;
use crate::words::secret::Secret;
use crate::words::{Lines, Result};

/// Which Docker and which Compose a server has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Engine {
    /// The engine's version, `20.10.24`.
    pub docker: String,
    /// Compose's version.
    pub compose: compose::Version,
    /// Where the engine listens, and who says so.
    #[serde(default)]
    pub socket: String,
}

/// What Compose makes of the compose files in a directory.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Config {
    /// The project's name.
    pub project: String,
    /// Its services, sorted by name; those of inactive profiles are absent.
    pub services: Vec<ServiceConfig>,
    /// Variables that it uses and that are not set.
    #[serde(default)]
    pub unset: Vec<String>,
}

impl Config {
    /// The service of that name.
    #[must_use]
    pub fn service(&self, name: &str) -> Option<&ServiceConfig> {
        self.services.iter().find(|s| s.name == name)
    }
}

/// One service of a configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceConfig {
    /// Its name.
    pub name: String,
    /// The image reference, interpolated.
    pub image: Option<String>,
    /// Built on the server from a context.
    pub build: bool,
    /// `always`, `missing`, `never`, `build`.
    pub pull_policy: Option<String>,
    /// Such as `linux/arm64`.
    pub platform: Option<String>,
    /// Its bind mounts, and the volumes that are binds.
    pub binds: Vec<Bind>,
    /// How many containers are wanted; none means one.
    pub replicas: Option<u32>,
    /// The services that it waits for.
    #[serde(default)]
    pub depends_on: Vec<String>,
    /// The name that its container is to have, whatever the project's.
    #[serde(default)]
    pub container_name: Option<String>,
    /// The ports of the server that it publishes, as far as their numbers are given.
    #[serde(default)]
    pub ports: Vec<Port>,
    /// The ranges that the engine chooses a free port from.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ranges: Vec<Range>,
    /// What its containers see, and where, of what outlives them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mounts: Vec<Mounted>,
    /// Whether Compose gives its containers something when it starts them, and only then.
    #[serde(default)]
    pub given_at_start: bool,
}

/// A network of a project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Network {
    /// The full ID; one that is made anew has another.
    pub id: String,
    /// Its name.
    pub name: String,
}

/// A bind mount of a service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bind {
    /// The absolute path on the server.
    pub source: PathBuf,
    /// Whether the container may only read it.
    pub access: Access,
}

/// A directory of the server or a volume of the engine, as a container sees it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Mounted {
    /// The path in the container.
    pub target: String,
    /// What lies there.
    pub kept: Kept,
    /// Whether the container may write there.
    #[serde(default)]
    pub writable: bool,
}

/// Where data lies that outlives a container.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kept {
    /// At an absolute path on the server.
    At(PathBuf),
    /// In a volume of this full name.
    In(String),
}

/// What a container may do with a mount.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Access {
    /// Read.
    ReadOnly,
    /// Read and write: what lies there is data.
    ReadWrite,
}

/// A container of a project.
#[allow(
    clippy::struct_excessive_bools,
    reason = "each is a fact of the engine's own"
)]
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Container {
    /// The full ID.
    pub id: String,
    /// The name, without the leading slash.
    pub name: String,
    /// The service it belongs to.
    pub service: String,
    /// The reference it was made from.
    pub image: String,
    /// The ID of its image.
    pub image_id: String,
    /// Compose's hash of its configuration.
    pub config_hash: String,
    /// What it does.
    pub state: State,
    /// The last exit code.
    pub exit_code: i64,
    /// Whether the system ended it because its memory was used up.
    #[serde(default)]
    pub out_of_memory: bool,
    /// How often Docker restarted it.
    pub restarts: i64,
    /// When it was made, by the engine's clock.
    #[serde(default)]
    pub made_at: Option<DateTime<Utc>>,
    /// Milliseconds since it last started; none when it never did.
    pub up_ms: Option<u64>,
    /// Its healthcheck, if it has one.
    pub health: Option<Health>,
    /// Whether Docker starts it again whatever its exit code.
    pub always_restarts: bool,
    /// The compose files that it was made from, as Compose noted them.
    #[serde(default)]
    pub compose_files: Vec<PathBuf>,
    /// The directory that it was made in, as Compose noted it.
    #[serde(default)]
    pub working_dir: Option<PathBuf>,
    /// The IDs of the containers whose network, processes or volumes it shares.
    #[serde(default)]
    pub joins: Vec<String>,
    /// The paths on the server that it mounts.
    #[serde(default)]
    pub mounts: Vec<PathBuf>,
    /// Whether all that it prints is kept, without a bound.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub endless_log: bool,
    /// What it sees, and where, of what outlives it; sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sees: Vec<Mounted>,
    /// Whether it has the server's own network: its ports are published nowhere.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_on_the_host: bool,
}

impl Container {
    /// Where Compose made it.
    #[must_use]
    pub fn made(&self) -> whose::Made {
        whose::Made {
            dir: self.working_dir.clone(),
            files: self.compose_files.clone(),
        }
    }
}

/// A container, whoever made it, and what it may write on the server.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Writer {
    /// The full ID.
    pub id: String,
    /// The name, without the leading slash.
    pub name: String,
    /// The project and the service that it belongs to; none for what `docker run` and `compose run`
    /// made, and for what was made for another directory.
    pub service: Option<(String, String)>,
    /// Where Compose made it.
    pub made: whose::Made,
    /// Whether it is at work, be it paused or between two starts.
    pub is_up: bool,
    /// The directories and files of its mounts, those behind named volumes too.
    pub writes: Vec<PathBuf>,
}

/// A container, whoever made it, and what of it no other can have.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Occupant {
    /// The full ID.
    pub id: String,
    /// The name, without the leading slash.
    pub name: String,
    /// The project that it carries, and where Compose made it.
    pub project: Option<String>,
    /// Where Compose made it.
    pub made: whose::Made,
    /// The ports that it has at this moment.
    pub ports: Vec<Port>,
}

impl Occupant {
    /// Who it is, for a person.
    #[must_use]
    pub fn described(&self) -> String {
        let from = match (&self.made.dir, &self.project) {
            (Some(dir), _) => format!(", made from `{}`", dir.display()),
            (None, Some(project)) => format!(", of the project `{project}`"),
            (None, None) => String::new(),
        };
        format!("the container `{}`{from}", self.name)
    }
}

/// A port of the server that is a container's.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Port {
    /// The address; none for all.
    #[serde(default)]
    pub address: Option<String>,
    /// The number on the server.
    pub number: u16,
    /// `tcp`, `udp`, `sctp`.
    pub protocol: String,
}

impl Port {
    /// Says whether two cannot be had at once.
    #[must_use]
    pub fn clashes(&self, other: &Self) -> bool {
        self.number == other.number
            && self.protocol == other.protocol
            && meet(self.address.as_deref(), other.address.as_deref())
    }
}

/// Says whether two addresses share one; `::` stands for those of IPv4 too, as sockets have it.
fn meet(one: Option<&str>, other: Option<&str>) -> bool {
    let read = |address: Option<&str>| address.and_then(|a| a.parse::<IpAddr>().ok());
    let (Some(one), Some(other)) = (read(one), read(other)) else {
        return true;
    };
    let all = |a: IpAddr, of: IpAddr| a.is_unspecified() && (a.is_ipv6() || of.is_ipv4());
    let dual = |a: IpAddr, b: IpAddr| a.is_unspecified() && b.is_unspecified();
    one == other || all(one, other) || all(other, one) || dual(one, other)
}

/// Ports of the server, one of which the engine chooses.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Range {
    /// The first of them, with what it is of.
    pub first: Port,
    /// The last number.
    pub last: u16,
}

impl Range {
    /// Each port of it.
    pub fn ports(&self) -> impl Iterator<Item = Port> {
        (self.first.number..=self.last).map(|number| Port {
            number,
            ..self.first.clone()
        })
    }
}

/// What a container does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Made, never started.
    #[default]
    Created,
    /// At work.
    Running,
    /// Between an exit and the next start.
    Restarting,
    /// Ended.
    Exited,
    /// Stopped in its tracks.
    Paused,
    /// Being removed, or beyond repair.
    Dead,
}

impl State {
    /// At work, or about to be again by itself.
    #[must_use]
    pub fn is_at_work(self) -> bool {
        matches!(self, Self::Running | Self::Restarting)
    }
}

/// A container's healthcheck.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// What it says.
    pub status: HealthStatus,
    /// Its command as an argument vector, to be run by exec. It may hold a secret, so it is on no
    /// disk.
    #[serde(skip)]
    pub command: Vec<String>,
    /// Seconds between two runs.
    pub interval: u64,
    /// Failures in a row that make it unhealthy.
    pub retries: i64,
    /// What its last run printed: that may be a secret too.
    #[serde(skip)]
    pub last_output: String,
}

/// What a healthcheck says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HealthStatus {
    /// Not yet known.
    Starting,
    /// Well.
    Healthy,
    /// Not well; may recover.
    Unhealthy,
}

/// An image on the server.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Image {
    /// `sha256:…`.
    pub id: String,
    /// `repository@sha256:…`, one a repository it was pulled from.
    pub digests: Vec<String>,
    /// `repository:tag`.
    pub tags: Vec<String>,
    /// Its size in bytes.
    pub bytes: u64,
    /// When a reference was last made to mean it here, by a pull for one.
    #[serde(default)]
    pub tagged_at: Option<DateTime<Utc>>,
}

/// An image that was asked for by a reference and fetched by its digest.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fetched {
    /// The image.
    pub image: Image,
    /// `repository@sha256:…`.
    pub digest: String,
}

/// The name and password of a registry.
#[derive(Debug, Clone)]
pub struct Login {
    /// The name.
    pub username: String,
    /// The password or token.
    pub password: Secret,
}

/// What became of a tree that was to be as a backup has it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Restored {
    /// The paths that differed and were put back.
    pub changed: Vec<String>,
    /// Those that differ still, each with the reason why it was left alone, in words.
    pub left: Vec<String>,
}

/// What a pull tells while it is at work.
#[derive(Clone, Copy)]
pub struct Telling<'a> {
    /// What is about to be fetched and was not there, `repository@sha256:…`; not before this has
    /// come back well.
    pub new: &'a dyn Fn(&str) -> Result<()>,
    /// How far it has come: what, bytes so far, bytes in all.
    pub progress: &'a dyn Fn(&str, u64, u64),
}

/// How `up` treats containers whose configuration did not change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recreate {
    /// Leave them.
    Changed,
    /// Replace those of the named services, and nothing else.
    Only,
}

/// What becomes of services that are not named, and that named ones depend on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Others {
    /// Compose brings them to what the files say as well.
    AsTheFilesSay,
    /// They stay as they are.
    LeftAlone,
}

/// Something that Compose would do to a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rehearsed {
    /// The container's name.
    pub container: String,
    /// What it would do.
    pub deed: Deed,
}

/// What Compose would do to a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed {
    /// Make it.
    Make,
    /// Make another in its place.
    Remake,
    /// Start it.
    Start,
}

/// What `docker compose` needs in a shell to mean there what it means to a run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Surroundings {
    /// Variables and their values.
    pub variables: Vec<(String, String)>,
    /// Whether the plain command in the deploy directory means something else.
    pub plain_differs: bool,
}

/// What becomes of the anonymous volumes of a container that is removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Volumes {
    /// They go with it: it was made by the run, and so were they.
    Go,
    /// They stay: what is in them may be wanted yet.
    Stay,
}

/// What containers are to be made without starting them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Making {
    /// The services.
    pub services: Vec<String>,
    /// How many containers of each service, whatever the files say.
    pub scale: Vec<(String, u32)>,
    /// Whether containers whose configuration did not change are replaced too.
    pub recreate: Recreate,
    /// What becomes of the services that these depend on.
    pub others: Others,
}

/// A server that can be looked at and acted on.
#[allow(async_fn_in_trait, reason = "the agent runs on one thread")]
pub trait Host: Sized {
    /// The same server, for another plan's site.
    #[must_use]
    fn at(&self, site: &Site) -> Self;

    /// Works from now on in this directory, which was opened and locked, wherever its path leads.
    fn stand_on(&self, home: &Home);
    /// Where this process reads the deploy directory of a site: the one that was opened, wherever its
    /// path leads by now. Never to be told, and nothing for Compose.
    fn here(&self, site: &Site) -> PathBuf {
        site.deploy_dir.clone()
    }
    /// Refuses where a path of the run leads elsewhere by now.
    async fn confirm(&self) -> Result<()>;
    /// Refuses where this is not the directory that a run worked in whose agent has died.
    async fn confirm_is(&self, was: &Identity) -> Result<()>;
    /// Makes sure that the deploy directory is there and can be written.
    async fn check_site(&self) -> Result<()>;
    /// Makes sure that there is room for a backup.
    async fn check_room(&self, exclude: &[String]) -> Result<()>;
    /// Makes sure that the plan's files can be put in place, and that this could be taken back.
    async fn check_files(&self, _plan: &Plan, _private: &Private, _run: &RunDir) -> Result<()> {
        Ok(())
    }
    /// Makes sure that the files of a backup can be put back.
    async fn check_target(&self, _description: &Description) -> Result<()> {
        Ok(())
    }
    /// Makes sure that there is room for an image of about this many bytes.
    async fn check_image_room(&self, bytes: u64) -> Result<()>;
    /// Lays the plan's files beside the old ones; the directory to ask Compose about.
    async fn lay_stage(&self, plan: &Plan, private: &Private, run: &RunDir) -> Result<PathBuf>;
    /// Removes the stage.
    async fn strike_stage(&self, run: &RunDir) -> Result<()>;
    /// Puts the plan's files in place; those that differ from what was there.
    async fn put_files(&self, plan: &Plan, private: &Private, run: &RunDir) -> Result<Vec<String>>;
    /// Archives the deploy directory; also told: what the archive could not hold faithfully.
    async fn backup(
        &self,
        plan: &Plan,
        order: &Order<'_>,
        run: &RunDir,
    ) -> Result<(Description, Vec<String>)>;
    /// Where a backup's archive lies.
    fn archive_path(&self, description: &Description) -> PathBuf;
    /// Reconciles the deploy directory to a backup; the paths that differed.
    async fn restore(
        &self,
        description: &Description,
        parts: &Parts,
        data: Data,
        run: &RunDir,
    ) -> Result<Restored>;
    /// What is not as a backup has it, the data aside.
    async fn differing(
        &self,
        description: &Description,
        parts: &Parts,
        run: &RunDir,
    ) -> Result<Vec<Differing>>;
    /// The run whose release lies in the deploy directory, if one has said so.
    async fn generation(&self) -> Result<Option<String>>;
    /// Notes on the deploy directory itself whose release lies in it.
    async fn set_generation(&self, run: Option<&str>) -> Result<()>;
    /// The paths that a backup lists though they would be data, or left out by these globs.
    async fn listed_within(
        &self,
        description: &Description,
        data: &[String],
        exclude: &[String],
    ) -> Result<Vec<String>>;
    /// The backups there are, newest first.
    async fn backups(&self) -> Result<Vec<Listed>>;
    /// Makes sure that a backup's archive is what its description says, all of it.
    async fn check_backup(&self, description: &Description) -> Result<()>;
    /// The newest good backup that differs from what runs.
    async fn standings<'l>(&self, listed: &'l [Listed], release: &Release)
    -> Result<Standings<'l>>;
    /// Removes what runs up to this one left half-written in the backup directory.
    async fn clear_partial(&self, last_id: &str) -> Result<()>;
    /// Removes a backup.
    async fn drop_backup(&self, timestamp: &str) -> Result<()>;
    /// The references whose repository is the named one.
    async fn references(&self, repository: &str) -> Result<Vec<String>>;

    /// Waits until the engine answers again, and says whether it does: what failed may then be
    /// tried again. A server that cannot be away has nothing to wait for.
    async fn is_back(&self) -> bool {
        false
    }
    /// Waits until no more containers of a project come: Compose goes on after it has failed, and so
    /// does the engine with what it was asked for. A server that does nothing by itself is quiet.
    async fn until_quiet(&self, _project: &str) {}
    /// The socket of the engine that everybody is given here, if one can be chosen; the engine itself
    /// is not asked.
    fn socket(&self) -> Option<String> {
        None
    }
    /// Finds Docker and Compose.
    async fn engine(&self) -> Result<Engine>;
    /// The plan's files that differ from what is there, and how; nothing that is secret of it.
    async fn coming(
        &self,
        _plan: &Plan,
        _private: &Private,
        _run: &RunDir,
    ) -> Result<Vec<FileForeseen>> {
        Ok(Vec::new())
    }
    /// What Compose makes of each service of the files in `dir`, word by word; paths in the stage are
    /// told as what they stand for. It holds secrets.
    async fn services_in(&self, _dir: &Path, _stage: &Path) -> Result<BTreeMap<String, Value>> {
        Ok(BTreeMap::new())
    }
    /// The digest that a reference has in its registry now, `repository@sha256:…`.
    async fn digest(&self, reference: &str, _login: Option<&Login>) -> Result<String> {
        Err(Failure::new(format!(
            "nobody knows the digest of `{reference}`"
        )))
    }
    /// Asks Compose about the files in `dir`, the deploy directory or its stage.
    async fn config(&self, dir: &Path) -> Result<Config>;
    /// The same with all profiles on; none where no compose file names a profile.
    async fn every_profile(&self, dir: &Path) -> Result<Option<Config>>;
    /// The containers of a project that were made for this site, `compose run` ones aside, sorted by
    /// name.
    async fn containers(&self, project: &str) -> Result<Vec<Container>>;
    /// The containers of the whole server, whoever made them, with what only one can have.
    async fn occupants(&self) -> Result<Vec<Occupant>>;
    /// The ports of the server that processes listen on, those of containers' among them.
    async fn listeners(&self) -> Vec<sockets::Listener> {
        Vec::new()
    }
    /// Whether there is anything at a path, or a volume of that name; what may not be looked at counts.
    async fn holds(&self, _kept: &Kept) -> Result<bool> {
        Ok(false)
    }
    /// Those that carry the project's name and are another directory's.
    async fn strangers(&self, project: &str) -> Result<Vec<Container>>;
    /// The containers of the whole server that may write a directory of it.
    async fn writers(&self) -> Result<Vec<Writer>>;
    /// A project's own networks.
    async fn networks(&self, project: &str) -> Result<Vec<Network>>;
    /// The names of a project's own volumes.
    async fn volumes(&self, project: &str) -> Result<Vec<String>>;
    /// The image that a reference or an ID means, if it is there.
    async fn image(&self, reference: &str) -> Result<Option<Image>>;

    /// Hears that a reference is about to be pulled; what the registry is asked may be asked now.
    async fn expect_pull(&self, _reference: &str, _login: Option<&Login>) -> Result<()> {
        Ok(())
    }
    /// Pulls a reference by the digest that it has in the registry now.
    async fn pull(
        &self,
        reference: &str,
        platform: Option<&str>,
        login: Option<&Login>,
        telling: Telling<'_>,
    ) -> Result<Fetched>;
    /// Makes a reference mean an image.
    async fn tag(&self, image_id: &str, reference: &str) -> Result<()>;
    /// Makes a reference mean nothing; the image itself goes only with its last reference.
    async fn untag(&self, reference: &str) -> Result<()>;
    /// Builds the images of services that have a context.
    async fn build(&self, project: &str, services: &[String], lines: Lines<'_>) -> Result<()>;
    /// Lets Compose bring services to what the files say; pulls nothing. No service means all.
    async fn up(
        &self,
        project: &str,
        services: &[String],
        recreate: Recreate,
        others: Others,
        lines: Lines<'_>,
    ) -> Result<()>;
    /// What `up` of services would do to containers, theirs and others.
    async fn rehearse(&self, _project: &str, _services: &[String]) -> Result<Vec<Rehearsed>> {
        Ok(Vec::new())
    }
    /// What makes `docker compose` in a shell mean a project, with one more compose file behind its
    /// own.
    async fn surroundings(&self, _project: &str, _more: Option<&Path>) -> Result<Surroundings> {
        Ok(Surroundings::default())
    }
    /// Lets Compose make the containers of services as the files say, without starting them.
    async fn create(&self, project: &str, making: &Making, lines: Lines<'_>) -> Result<()>;
    /// Starts containers.
    async fn start(&self, containers: &[String]) -> Result<()>;
    /// Lets Compose start the containers that a service has, and make none.
    async fn start_service(
        &self,
        project: &str,
        service: &str,
        replicas: u32,
        lines: Lines<'_>,
    ) -> Result<()>;
    /// Makes the directories that paths lie in where they are missing; paths are relative to the
    /// deploy directory.
    async fn make_way(&self, paths: &[String]) -> Result<()>;
    /// Removes directories that are empty; paths are relative to the deploy directory.
    async fn remove_empty(&self, paths: &[String]) -> Result<()>;
    /// Stops containers, each within its own grace period.
    async fn stop(&self, containers: &[String]) -> Result<()>;
    /// Removes stopped containers.
    async fn remove(&self, containers: &[String], volumes: Volumes) -> Result<()>;
    /// Removes a network that nobody uses any more.
    async fn remove_network(&self, name: &str) -> Result<()>;
    /// Removes a volume that nobody uses any more.
    async fn remove_volume(&self, name: &str) -> Result<()>;
    /// Gives a container its name.
    async fn rename(&self, container: &str, name: &str) -> Result<()>;
    /// A container's last lines, oldest first.
    async fn logs(&self, container: &str, lines: u32) -> Result<Vec<String>>;
    /// Runs a command in a container; its exit code and what it printed.
    async fn exec(&self, container: &str, command: &[String]) -> Result<(i64, String)>;
    /// Runs a shell script in the deploy directory, with logins for registries as long as it runs.
    async fn hook(
        &self,
        run: &RunDir,
        script: &Secret,
        env: &[(String, String)],
        logins: &[(String, Login)],
        lines: Lines<'_>,
    ) -> Result<()>;
    /// Asks a URL; what was seen, or why it is not what was expected.
    async fn http(&self, url: &str, expect: &Expect) -> Result<String>;
    /// Opens a TCP connection.
    async fn tcp(&self, address: &str) -> Result<String>;
    /// The longest grace period of containers that are to stop; none of them, no time.
    async fn stop_grace(&self, containers: &[String]) -> Result<Duration>;
    /// The IDs and references of the images that any container on the server was made from.
    async fn images_in_use(&self) -> Result<Vec<String>>;
}
