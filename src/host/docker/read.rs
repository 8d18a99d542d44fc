//! What the engine says of a container, read into our own words.
//!
//! It asks nothing and refuses to know why anybody looks.

use std::path::PathBuf;

use bollard::models::{
    ContainerInspectResponse, ContainerStateStatusEnum, HealthConfig, HealthStatusEnum, HostConfig,
    MountPoint, RestartPolicyNameEnum,
};
use chrono::{DateTime, Utc};

use crate::host::{Container, Health, HealthStatus, State};

const SERVICE: &str = "com.docker.compose.service";
const HASH: &str = "com.docker.compose.config-hash";
const FILES: &str = "com.docker.compose.project.config_files";
const ONEOFF: &str = "com.docker.compose.oneoff";

/// A project's container; `None` for one that `compose run` made.
#[must_use]
pub fn read_container(inspected: ContainerInspectResponse) -> Option<Container> {
    let config = inspected.config?;
    let labels = config.labels.unwrap_or_default();
    if labels.get(ONEOFF).is_some_and(|v| v == "True") {
        return None;
    }
    let label = |name: &str| labels.get(name).cloned().unwrap_or_default();
    let state = inspected.state.unwrap_or_default();
    let host = inspected.host_config.unwrap_or_default();
    let joins = joined(&host);
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
        writes: inspected
            .mounts
            .into_iter()
            .flatten()
            .filter_map(written)
            .collect(),
        compose_files: label(FILES)
            .split(',')
            .filter(|file| !file.is_empty())
            .map(PathBuf::from)
            .collect(),
        joins,
    })
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

/// The source of a bind mount that the container may write.
fn written(mount: MountPoint) -> Option<PathBuf> {
    let is_bind = mount.typ.as_deref() == Some("bind");
    (is_bind && mount.rw == Some(true)).then(|| mount.source.unwrap_or_default().into())
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
