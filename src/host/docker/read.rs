//! What the engine says of a container, read into our own words.
//!
//! It asks nothing and refuses to know why anybody looks.

use std::collections::HashMap;
use std::path::PathBuf;

use bollard::models::{
    ContainerInspectResponse, ContainerStateStatusEnum, ContainerSummary,
    ContainerSummaryStateEnum, HealthConfig, HealthStatusEnum, HostConfig, MountPoint, PortSummary,
    RestartPolicyNameEnum, Volume,
};
use chrono::{DateTime, Utc};

use crate::host::whose::Made;
use crate::host::{
    Access, Bind, Container, Health, HealthStatus, Kept, Mounted, Occupant, Port, State, Writer,
    volume,
};

/// The label of the project.
pub const PROJECT: &str = "com.docker.compose.project";
const SERVICE: &str = "com.docker.compose.service";
const HASH: &str = "com.docker.compose.config-hash";
const FILES: &str = "com.docker.compose.project.config_files";
const DIR: &str = "com.docker.compose.project.working_dir";
const ONEOFF: &str = "com.docker.compose.oneoff";

/// A project's container; `None` for one that `compose run` made, or nobody's Compose at all.
#[must_use]
pub fn read_container(inspected: ContainerInspectResponse) -> Option<Container> {
    let config = inspected.config?;
    let labels = config.labels.unwrap_or_default();
    if !is_service(&labels) {
        return None;
    }
    let label = |name: &str| labels.get(name).cloned().unwrap_or_default();
    let state = inspected.state.unwrap_or_default();
    let host = inspected.host_config.unwrap_or_default();
    let joins = joined(&host);
    let endless_log = is_endless(&host);
    let is_on_the_host = host.network_mode.as_deref() == Some("host");
    let policy = host.restart_policy;
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
        out_of_memory: state.oom_killed.unwrap_or(false),
        restarts: inspected.restart_count.unwrap_or(0),
        made_at: inspected
            .created
            .and_then(|at| DateTime::from_timestamp(at.unix_timestamp(), at.nanosecond())),
        up_ms: state.started_at.as_deref().and_then(since),
        health: read_health(config.healthcheck, state.health),
        always_restarts: matches!(
            policy.and_then(|p| p.name),
            Some(RestartPolicyNameEnum::ALWAYS | RestartPolicyNameEnum::UNLESS_STOPPED)
        ),
        compose_files: read_files(&label(FILES)),
        working_dir: read_dir(&label(DIR)),
        joins,
        sees: seen(inspected.mounts.as_deref().unwrap_or_default()),
        mounts: mounted(inspected.mounts),
        endless_log,
        is_on_the_host,
    })
}

/// Says whether the engine keeps all that a container prints: its default driver does, unless it is
/// told a size.
fn is_endless(host: &HostConfig) -> bool {
    let Some(log) = &host.log_config else {
        return false;
    };
    let bound = log.config.as_ref().and_then(|c| c.get("max-size"));
    log.typ.as_deref() == Some("json-file") && bound.is_none_or(|size| size == "-1")
}

/// Compose names the service of each container that it makes.
fn is_service(labels: &HashMap<String, String>) -> bool {
    labels.contains_key(SERVICE) && labels.get(ONEOFF).is_none_or(|v| v != "True")
}

fn read_files(label: &str) -> Vec<PathBuf> {
    let files = label.split(',').filter(|file| !file.is_empty());
    files.map(PathBuf::from).collect()
}

fn read_dir(label: &str) -> Option<PathBuf> {
    (!label.is_empty()).then(|| label.into())
}

/// The paths on the server that it mounts, named volumes aside.
fn mounted(mounts: Option<Vec<MountPoint>>) -> Vec<PathBuf> {
    let binds = mounts.into_iter().flatten();
    let binds = binds.filter(|m| m.typ.as_deref() == Some("bind"));
    binds.filter_map(|m| m.source).map(PathBuf::from).collect()
}

/// What it sees of directories and volumes; the engine tells them in no order.
fn seen(mounts: &[MountPoint]) -> Vec<Mounted> {
    let seen = |m: &MountPoint| {
        let kept = match m.typ.as_deref()? {
            "bind" => Kept::At(m.source.as_ref()?.into()),
            "volume" => Kept::In(m.name.clone()?),
            _ => return None,
        };
        Some(Mounted {
            target: m.destination.clone()?,
            kept,
            writable: m.rw == Some(true),
        })
    };
    let mut seen: Vec<Mounted> = mounts.iter().filter_map(seen).collect();
    seen.sort();
    seen
}

/// The containers that it names by their IDs, as Compose does where a file says `service:web`.
fn joined(host: &HostConfig) -> Vec<String> {
    let modes = [&host.network_mode, &host.pid_mode, &host.ipc_mode];
    let modes = modes.into_iter().flatten();
    let modes = modes.filter_map(|mode| mode.strip_prefix("container:"));
    let from = host.volumes_from.iter().flatten();
    let from = from.map(|text| text.split_once(':').map_or(text.as_str(), |(id, _)| id));
    let is_id = |text: &&str| text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit());
    modes
        .chain(from)
        .filter(is_id)
        .map(ToOwned::to_owned)
        .collect()
}

/// The directories behind volumes, by the volumes' names.
pub type Behind = HashMap<String, Bind>;

/// The volumes that have one.
#[must_use]
pub fn read_volumes(volumes: Vec<Volume>) -> Behind {
    let behind = |v: &Volume| {
        volume::behind(Some(&v.driver), |key| {
            v.options.get(key).map(String::as_str)
        })
    };
    let found = volumes.into_iter();
    found
        .filter_map(|v| behind(&v).map(|bind| (v.name, bind)))
        .collect()
}

/// A container as the engine lists it, with what it may write.
#[must_use]
pub fn read_writer(listed: ContainerSummary, behind: &Behind) -> Writer {
    use ContainerSummaryStateEnum as State;
    let labels = listed.labels.unwrap_or_default();
    let label = |name: &str| labels.get(name).cloned();
    let is_service = is_service(&labels);
    let made = Made {
        dir: read_dir(&label(DIR).unwrap_or_default()),
        files: read_files(&label(FILES).unwrap_or_default()),
    };
    let names = listed.names.unwrap_or_default();
    let name = names.first().map(|n| n.trim_start_matches('/').to_owned());
    let mounts = listed.mounts.into_iter().flatten();
    Writer {
        id: listed.id.unwrap_or_default(),
        name: name.unwrap_or_default(),
        service: label(PROJECT).zip(label(SERVICE)).filter(|_| is_service),
        made,
        is_up: matches!(
            listed.state,
            Some(State::RUNNING | State::RESTARTING | State::PAUSED)
        ),
        writes: mounts.filter_map(|m| written(m, behind)).collect(),
    }
}

/// A container as the engine lists it, with what no other can have.
#[must_use]
pub fn read_occupant(listed: ContainerSummary) -> Occupant {
    let labels = listed.labels.unwrap_or_default();
    let label = |name: &str| labels.get(name).map_or("", String::as_str);
    let names = listed.names.unwrap_or_default();
    let name = names.first().map(|n| n.trim_start_matches('/').to_owned());
    let ports = listed.ports.into_iter().flatten();
    let port = |port: PortSummary| {
        Some(Port {
            address: port.ip,
            number: port.public_port?,
            protocol: port.typ.map_or("tcp".into(), |typ| typ.to_string()),
        })
    };
    Occupant {
        id: listed.id.unwrap_or_default(),
        name: name.unwrap_or_default(),
        project: labels.get(PROJECT).cloned(),
        made: Made {
            dir: read_dir(label(DIR)),
            files: read_files(label(FILES)),
        },
        ports: ports.filter_map(port).collect(),
    }
}

/// The directory or file of a mount that the container may write.
fn written(mount: MountPoint, behind: &Behind) -> Option<PathBuf> {
    if mount.rw != Some(true) {
        return None;
    }
    if mount.typ.as_deref() == Some("bind") {
        return mount.source.map(PathBuf::from);
    }
    let bind = behind.get(&mount.name?)?;
    (bind.access == Access::ReadWrite).then(|| bind.source.clone())
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
    u64::try_from((crate::clock::now() - started).num_milliseconds()).ok()
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

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn mount(kind: &str, name: &str, source: &str, rw: bool) -> MountPoint {
        MountPoint {
            typ: Some(kind.to_owned()),
            name: Some(name.to_owned()),
            source: Some(source.to_owned()),
            rw: Some(rw),
            ..MountPoint::default()
        }
    }

    fn listed(labels: &[(&str, &str)], mounts: Vec<MountPoint>) -> ContainerSummary {
        let owned = |(k, v): &(&str, &str)| ((*k).to_owned(), (*v).to_owned());
        ContainerSummary {
            names: Some(vec!["/app-db-1".into()]),
            labels: Some(labels.iter().map(owned).collect()),
            state: Some(ContainerSummaryStateEnum::RUNNING),
            mounts: Some(mounts),
            ..ContainerSummary::default()
        }
    }

    #[test]
    fn a_container_writes_its_binds_and_the_directories_behind_its_volumes() {
        let options = [("o", "bind"), ("device", "/opt/app/pg")];
        let volume = |name: &str, options: &[(&str, &str)]| Volume {
            name: name.to_owned(),
            driver: "local".into(),
            options: options
                .iter()
                .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
                .collect(),
            ..Volume::default()
        };
        let behind = read_volumes(vec![volume("app_pg", &options), volume("app_own", &[])]);
        let kept = "/var/lib/docker/volumes/app_pg/_data";
        let mounts = vec![
            mount("bind", "", "/opt/app/data", true),
            mount("bind", "", "/opt/app/conf", false),
            mount("volume", "app_pg", kept, true),
            mount("volume", "app_own", "/var/lib/docker/volumes/x/_data", true),
        ];
        let writes = |mounts| read_writer(listed(&[], mounts), &behind).writes;
        let data = [Path::new("/opt/app/data"), Path::new("/opt/app/pg")];
        assert_eq!(writes(mounts), data);
        let reads = vec![mount("volume", "app_pg", kept, false)];
        assert_eq!(writes(reads), Vec::<PathBuf>::new());
    }

    #[test]
    fn what_compose_run_made_is_no_service() {
        let labels = [(PROJECT, "app"), (SERVICE, "db"), (ONEOFF, "False")];
        let service = |labels: &[(&str, &str)]| {
            read_writer(listed(labels, Vec::new()), &Behind::new()).service
        };
        assert_eq!(service(&labels), Some(("app".into(), "db".into())));
        assert_eq!(service(&[labels[0], labels[1], (ONEOFF, "True")]), None);
        assert_eq!(service(&[]), None);
    }
}
