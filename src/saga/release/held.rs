//! Refuses a release that wants a name or a port which a container of somebody else holds.
//!
//! The engine would say so half-way through `up`. What this application's own containers hold is
//! given free there. The file refuses to know processes, and never touches who holds something.

use crate::event::Failure;
use crate::host::{Container, Host, Occupant, Result, ServiceConfig};
use crate::saga::facts::Wanted;
use crate::saga::steps::Run;

/// Refuses what is held, where it can be seen; where an own command runs before the switch, that may
/// be what gives it free, so it is only told.
pub async fn refuse<H: Host>(
    run: &Run<'_, H>,
    wanted: &Wanted,
    before: &[Container],
) -> Result<()> {
    let mut others = run.host.occupants().await?;
    others.retain(|o| !before.iter().any(|b| b.id == o.id));
    let deployed = |s: &&ServiceConfig| {
        s.replicas != Some(0) && (wanted.services.is_empty() || wanted.services.contains(&s.name))
    };
    let project = &wanted.config.project;
    let services = wanted.config.services.iter().filter(deployed);
    for service in services {
        let own = before.iter().any(|b| b.service == service.name);
        let Some(failure) = held(project, service, own, &others) else {
            continue;
        };
        if !run.plan.hooks.pre_deploy {
            return Err(failure);
        }
        run.warn(format!(
            "{failure}: unless `pre_deploy` frees it, `up` will fail"
        ));
    }
    Ok(())
}

/// What of a service somebody else holds. One that has containers keeps their names, those aside
/// that the file gives.
fn held(
    project: &str,
    service: &ServiceConfig,
    has_own: bool,
    others: &[Occupant],
) -> Option<Failure> {
    let names = match &service.container_name {
        Some(name) => vec![name.clone()],
        None if has_own => Vec::new(),
        None => vec![format!("{project}-{}-1", service.name)],
    };
    for other in others {
        if names.contains(&other.name) {
            return Some(name_held(service, other));
        }
        let clash = |p: &&crate::host::Port| other.ports.iter().any(|o| o.clashes(p));
        if let Some(port) = service.ports.iter().find(clash) {
            return Some(port_held(service, port.number, other));
        }
    }
    None
}

fn name_held(service: &ServiceConfig, other: &Occupant) -> Failure {
    let name = &other.name;
    Failure::new(format!(
        "the name `{name}`, which service `{}` is to have, is taken",
        service.name
    ))
    .because(format!("{} holds it", other.described()))
    .hint("choose another `container_name` in the compose file, or another `project_name`")
    .hint(format!(
        "or, if you know whose it is, have it renamed: `docker rename {name} {name}-old`"
    ))
}

fn port_held(service: &ServiceConfig, port: u16, other: &Occupant) -> Failure {
    Failure::new(format!(
        "port {port}, which service `{}` publishes, is taken",
        service.name
    ))
    .because(format!("{} has it", other.described()))
    .hint("publish another port in the compose file, or have that container stopped first")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::Port;

    fn port(address: Option<&str>, number: u16) -> Port {
        Port {
            address: address.map(Into::into),
            number,
            protocol: "tcp".into(),
        }
    }

    fn other(name: &str, ports: Vec<Port>) -> [Occupant; 1] {
        [Occupant {
            name: name.into(),
            ports,
            ..Occupant::default()
        }]
    }

    fn web(name: Option<&str>, ports: Vec<Port>) -> ServiceConfig {
        ServiceConfig {
            name: "web".into(),
            container_name: name.map(Into::into),
            ports,
            ..ServiceConfig::default()
        }
    }

    #[test]
    fn a_name_that_somebody_else_holds_is_told_with_the_holder() {
        let taken = other("taken", Vec::new());
        let told = held("app", &web(Some("taken"), Vec::new()), true, &taken);
        let told = told.map(|f| f.to_string()).unwrap_or_default();
        insta::assert_snapshot!(told, @"the name `taken`, which service `web` is to have, is taken: the container `taken` holds it");
        let first = other("app-web-1", Vec::new());
        let plain = web(None, Vec::new());
        assert!(held("app", &plain, false, &first).is_some());
        assert!(held("app", &plain, true, &first).is_none());
        assert!(held("app-2", &plain, false, &first).is_none());
    }

    #[test]
    fn a_port_is_taken_where_both_would_answer_at_one_address() {
        let all = || vec![port(None, 8000)];
        let local = |n| vec![port(Some("127.0.0.1"), n)];
        for (mine, theirs, is_taken) in [
            (all(), all(), true),
            (all(), local(8000), true),
            (local(8000), vec![port(Some("0.0.0.0"), 8000)], true),
            (local(8000), vec![port(Some("10.0.0.1"), 8000)], false),
            (local(8001), all(), false),
        ] {
            let found = held("app", &web(None, mine), false, &other("x", theirs));
            assert_eq!(found.is_some(), is_taken);
        }
    }
}
