//! Whether the services that a run does not name stay as they are, while Compose replaces those that
//! it names.
//!
//! Compose brings what a service depends on to what the files say as well. Left alone, it may give
//! the service another hash (2.26 counts `depends_on`, 2.40 does not), and the next `up` by hand
//! would replace it. So Compose is asked first what it would do, and told to leave the others alone
//! only where it would not. The file refuses to touch anything.

use std::collections::BTreeSet;

use crate::host::{Config, Container, Deed, Host, Others, Rehearsed};
use crate::saga::facts::Wanted;
use crate::saga::steps::Run;
use crate::words::Result;

/// How the others are kept as they are by the `up` of a deployment, and a warning of each that the
/// named services depend on and that does not run or is not what the files say.
pub async fn kept<H: Host>(run: &Run<'_, H>, wanted: &Wanted) -> Result<Others> {
    let needed = needed(&wanted.config, &wanted.services);
    if needed.is_empty() {
        return Ok(Others::AsTheFilesSay);
    }
    let project = &wanted.config.project;
    let containers = run.host.containers(project).await?;
    let idle = |name: &&String| {
        let mut own = containers.iter().filter(|c| c.service == **name);
        !own.any(|c| c.state.is_at_work())
    };
    for name in needed.iter().filter(idle) {
        run.warn(format!(
            "`{name}` does not run, and services that are deployed depend on it; it is left as it \
             is, for `services` does not name it"
        ));
    }
    let Ok(moves) = run.host.rehearse(project, &wanted.services).await else {
        return Ok(Others::LeftAlone);
    };
    for name in remade(&moves, &containers) {
        if needed.contains(&name) {
            run.warn(format!(
                "`{name}` is not what the files say, and is left as it is, for `services` does not \
                 name it; `docker compose up -d` typed by hand would replace it"
            ));
        }
    }
    let named = |name: &String| wanted.services.contains(name);
    let touches_others = touched(&moves, &containers).any(|service| !named(service));
    Ok(if touches_others || needed.iter().any(|n| idle(&n)) {
        Others::LeftAlone
    } else {
        Others::AsTheFilesSay
    })
}

/// The same for a way back or forth that makes some of a project's containers anew.
pub async fn beside<H: Host>(host: &H, project: &str, services: &[String]) -> Result<Others> {
    let mut containers = host.containers(project).await?;
    containers.retain(|c| !services.contains(&c.service));
    if containers.is_empty() {
        return Ok(Others::AsTheFilesSay);
    }
    Ok(match host.rehearse(project, services).await {
        Ok(moves) if remade(&moves, &containers).is_empty() => Others::AsTheFilesSay,
        Ok(_) => Others::LeftAlone,
        // Compose 1 cannot be asked, and counts nothing of the others.
        Err(_) if host.engine().await?.compose.is_one() => Others::LeftAlone,
        Err(_) => Others::AsTheFilesSay,
    })
}

/// The services that others depend on, however far, and that are not among them.
fn needed(config: &Config, services: &[String]) -> BTreeSet<String> {
    let mut needed = BTreeSet::new();
    let mut ahead: Vec<&String> = services.iter().collect();
    while let Some(service) = ahead.pop() {
        for on in config.service(service).iter().flat_map(|s| &s.depends_on) {
            if !services.contains(on) && needed.insert(on.clone()) {
                ahead.push(on);
            }
        }
    }
    needed
}

/// The services of those containers that would be made anew.
fn remade(moves: &[Rehearsed], containers: &[Container]) -> BTreeSet<String> {
    let remade = moves.iter().filter(|m| m.deed == Deed::Remake);
    let of = |m: &Rehearsed| containers.iter().find(|c| c.name == m.container);
    remade
        .filter_map(|m| Some(of(m)?.service.clone()))
        .collect()
}

/// The service of each container that is there and would be touched.
fn touched<'c>(
    moves: &'c [Rehearsed],
    containers: &'c [Container],
) -> impl Iterator<Item = &'c String> {
    moves.iter().filter_map(|m| {
        // What is made anew bears the name of what it replaces behind an ID.
        let named = |c: &&Container| m.container.ends_with(&c.name);
        containers.iter().find(named).map(|c| &c.service)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::ServiceConfig;

    #[test]
    fn what_is_needed_is_what_named_services_depend_on_however_far() {
        let service = |name: &str, on: &[&str]| ServiceConfig {
            name: name.into(),
            depends_on: on.iter().map(|s| (*s).to_owned()).collect(),
            ..ServiceConfig::default()
        };
        let config = Config {
            services: vec![
                service("web", &["db", "api"]),
                service("api", &["cache"]),
                service("db", &[]),
                service("mail", &["queue"]),
            ],
            ..Config::default()
        };
        let needed = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(|s| (*s).to_owned()).collect();
            super::needed(&config, &names)
                .into_iter()
                .collect::<Vec<_>>()
        };
        assert_eq!(needed(&["web"]), ["api", "cache", "db"]);
        assert_eq!(needed(&["web", "api"]), ["cache", "db"]);
        assert_eq!(needed(&["db"]), Vec::<String>::new());
    }
}
