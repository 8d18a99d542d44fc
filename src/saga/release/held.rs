//! Refuses a release that wants a name or a port which somebody else holds: a container, or a process
//! of the server itself.
//!
//! The engine would say so half-way through `up`. What this application's own containers hold is
//! given free there. The file never touches who holds something.

use std::path::PathBuf;

use crate::host::sockets::{self, Listener, Process};
use crate::host::{Container, Host, Occupant, Port, ServiceConfig};
use crate::saga::facts::Wanted;
use crate::saga::steps::Run;
use crate::words::Result;
use crate::words::event::Failure;

/// Who has names and ports on the server, this application aside.
struct Others {
    containers: Vec<Occupant>,
    listeners: Vec<Listener>,
    /// The application's own containers whose ports the engine does not know.
    on_the_host: Vec<String>,
    /// The directory of the application.
    home: PathBuf,
}

/// Refuses what is held, where it can be seen; where an own command runs before the switch, that may
/// be what gives it free, so it is only told.
pub async fn refuse<H: Host>(
    run: &Run<'_, H>,
    wanted: &Wanted,
    before: &[Container],
) -> Result<()> {
    let others = others(run, before).await?;
    let project = &wanted.config.project;
    for service in wanted.deployed() {
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

/// The ports and names that a release wants, and whose they are now.
pub async fn places<H: Host>(
    run: &Run<'_, H>,
    wanted: &Wanted,
    before: &[Container],
) -> Result<Vec<String>> {
    let others = others(run, before).await?;
    let all = run.host.occupants().await?;
    let is_own = |o: &&Occupant| before.iter().any(|b| b.id == o.id);
    let own: Vec<&Occupant> = all.iter().filter(is_own).collect();
    let (mut ours, mut free) = (Vec::new(), Vec::new());
    for service in wanted.deployed() {
        for port in &service.ports {
            let shown = format!("port {}", port.number);
            if own.iter().any(|o| has(o, port)) {
                ours.push(shown);
            } else if others.holder(port).is_none() {
                free.push(shown);
            }
        }
        let name = service.container_name.clone();
        let name = name.unwrap_or_else(|| format!("{}-{}-1", wanted.config.project, service.name));
        if own.iter().any(|o| o.name == name) {
            ours.push(format!("`{name}`"));
        } else if !all.iter().any(|o| o.name == name) {
            free.push(format!("`{name}`"));
        }
    }
    let told = [("this application's own", ours), ("free", free)];
    let told = told.into_iter().filter(|(_, all)| !all.is_empty());
    Ok(told
        .map(|(what, all)| format!("{what}: {}", all.join(", ")))
        .collect())
}

async fn others<H: Host>(run: &Run<'_, H>, before: &[Container]) -> Result<Others> {
    let mut containers = run.host.occupants().await?;
    let mut listeners = run.host.listeners().await;
    // The engine listens itself at what it publishes.
    let published = |l: &Listener| containers.iter().any(|o| has(o, &l.port));
    listeners.retain(|l| !published(l));
    containers.retain(|o| !before.iter().any(|b| b.id == o.id));
    let on_the_host = before.iter().filter(|b| b.is_on_the_host);
    Ok(Others {
        containers,
        listeners,
        on_the_host: on_the_host.map(|b| b.id.clone()).collect(),
        home: run.plan.site.deploy_dir.clone(),
    })
}

fn has(occupant: &Occupant, port: &Port) -> bool {
    occupant.ports.iter().any(|o| o.clashes(port))
}

/// What of a service somebody else holds. One that has containers keeps their names, those aside
/// that the file gives.
fn held(project: &str, service: &ServiceConfig, has_own: bool, others: &Others) -> Option<Failure> {
    let names = match &service.container_name {
        Some(name) => vec![name.clone()],
        None if has_own => Vec::new(),
        None => vec![format!("{project}-{}-1", service.name)],
    };
    let mut holders = others.containers.iter();
    if let Some(other) = holders.find(|o| names.contains(&o.name)) {
        return Some(others.advised(name_held(service, other), other));
    }
    let single = service.ports.iter().find_map(|port| {
        let holder = others.holder(port)?;
        Some(others.port_held(service, &format!("port {}", port.number), &holder))
    });
    single.or_else(|| range_held(service, others))
}

/// A range of which nothing is left for the service's containers.
fn range_held(service: &ServiceConfig, others: &Others) -> Option<Failure> {
    let needed = usize::try_from(service.replicas.unwrap_or(1)).unwrap_or(1);
    service.ranges.iter().find_map(|range| {
        let holders: Vec<_> = range.ports().map(|port| others.holder(&port)).collect();
        let free = holders.iter().filter(|holder| holder.is_none()).count();
        let holder = holders.into_iter().flatten().next()?;
        let what = match free {
            0 => format!("each of the ports {}-{}", range.first.number, range.last),
            _ => format!(
                "all but {free} of the ports {}-{}",
                range.first.number, range.last
            ),
        };
        (free < needed).then(|| others.port_held(service, &what, &holder))
    })
}

/// Who has a port.
enum Holder<'a> {
    Container(&'a Occupant),
    Process(&'a Listener, Option<Process>),
}

impl Others {
    fn holder(&self, port: &Port) -> Option<Holder<'_>> {
        if let Some(container) = self.containers.iter().find(|o| has(o, port)) {
            return Some(Holder::Container(container));
        }
        let mut listeners = self.listeners.iter();
        let listener = listeners.find(|l| l.port.clashes(port))?;
        let process = listener.process();
        let is_known = !self.may_be_own(process.as_ref()) && !sockets::is_free(port);
        is_known.then_some(Holder::Process(listener, process))
    }

    fn port_held(&self, service: &ServiceConfig, what: &str, holder: &Holder<'_>) -> Failure {
        let failure = port_held(service, what, holder);
        match holder {
            Holder::Container(other) => self.advised(failure, other),
            Holder::Process(..) => failure,
        }
    }

    /// Whoever gives a running application another project's name wants none of the usual ways out.
    fn advised(&self, mut failure: Failure, other: &Occupant) -> Failure {
        if other.made.dir.as_deref() != Some(self.home.as_path()) {
            return failure;
        }
        let Some(project) = &other.project else {
            return failure;
        };
        failure = failure.because(format!(
            "it is of the same directory, as the project `{project}`"
        ));
        failure.hints.insert(
            0,
            format!("to deploy that application, say `project_name: {project}`"),
        );
        failure
    }

    /// A process that cannot be seen may be in any container that has the server's network.
    fn may_be_own(&self, process: Option<&Process>) -> bool {
        let mut own = self.on_the_host.iter();
        own.any(|id| process.is_none_or(|p| p.cgroup.contains(id)))
    }
}

fn name_held(service: &ServiceConfig, other: &Occupant) -> Failure {
    let name = &other.name;
    Failure::new(format!(
        "the name `{name}`, which service `{}` is to have, is taken by {}",
        service.name,
        other.described()
    ))
    .hint("choose another `container_name` in the compose file, or another `project_name`")
    .hint(format!(
        "or, if you know whose it is, have it renamed: `docker rename {name} {name}-old`"
    ))
}

fn port_held(service: &ServiceConfig, what: &str, holder: &Holder<'_>) -> Failure {
    let (who, look) = match holder {
        Holder::Container(other) => (
            other.described(),
            format!(
                "have that container stopped first: `docker stop {}`",
                other.name
            ),
        ),
        Holder::Process(listener, process) => (
            listener.described(process.as_ref()),
            format!(
                "have that process stopped first: `sudo ss -lptun 'sport = :{}'` names it",
                listener.port.number
            ),
        ),
    };
    Failure::new(format!(
        "{what}, which service `{}` publishes, {} taken by {who}",
        service.name,
        if what.starts_with("all") { "are" } else { "is" }
    ))
    .hint("publish another port in the compose file")
    .hint(format!("or, if you know whose it is, {look}"))
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;
    use crate::host::Range;

    fn port(address: Option<&str>, number: u16) -> Port {
        Port {
            address: address.map(Into::into),
            number,
            protocol: "tcp".into(),
        }
    }

    fn other(name: &str, ports: Vec<Port>) -> Others {
        let container = Occupant {
            name: name.into(),
            ports,
            ..Occupant::default()
        };
        Others {
            containers: vec![container],
            listeners: Vec::new(),
            on_the_host: Vec::new(),
            home: PathBuf::new(),
        }
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
        insta::assert_snapshot!(told, @"the name `taken`, which service `web` is to have, is taken by the container `taken`");
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

    #[test]
    fn addresses_of_two_families_do_not_meet_and_a_socket_of_ipv6_may_have_both() {
        let is_taken = |mine: Option<&str>, theirs: Option<&str>| {
            port(mine, 8000).clashes(&port(theirs, 8000))
        };
        let (four, six) = (Some("0.0.0.0"), Some("::"));
        assert!(is_taken(four, six) && is_taken(Some("127.0.0.1"), six));
        assert!(is_taken(None, Some("::1")) && is_taken(Some(""), four));
        assert!(is_taken(Some("0:0:0:0:0:0:0:1"), Some("::1")));
        assert!(!is_taken(four, Some("::1")) && !is_taken(Some("127.0.0.1"), Some("::1")));
        let udp = Port {
            protocol: "udp".into(),
            ..port(None, 8000)
        };
        assert!(!udp.clashes(&port(None, 8000)));
    }

    #[test]
    fn of_a_range_enough_ports_have_to_be_left_for_every_container() {
        let range = Range {
            first: port(None, 9000),
            last: 9002,
        };
        let web = |replicas| ServiceConfig {
            ranges: vec![range.clone()],
            replicas,
            ..web(None, Vec::new())
        };
        let taken = |numbers: &[u16]| {
            let ports = numbers.iter().map(|n| port(None, *n)).collect();
            other("x", ports)
        };
        let two = taken(&[9000, 9002]);
        assert!(held("app", &web(None), true, &two).is_none());
        let told = held("app", &web(Some(2)), true, &two).map(|f| f.what);
        assert_eq!(
            told.as_deref(),
            Some(
                "all but 1 of the ports 9000-9002, which service `web` publishes, are taken by the container `x`"
            )
        );
        let all = held("app", &web(None), true, &taken(&[9000, 9001, 9002]));
        assert!(all.is_some_and(|f| f.what.starts_with("each of the ports 9000-9002,")));
    }

    #[test]
    fn a_process_of_the_server_has_a_port_as_a_container_has_unless_it_may_be_our_own()
    -> std::io::Result<()> {
        let socket = TcpListener::bind("127.0.0.1:0")?;
        let number = socket.local_addr()?.port();
        let mut others = Others {
            containers: Vec::new(),
            listeners: sockets::listening(),
            on_the_host: Vec::new(),
            home: PathBuf::new(),
        };
        let web = web(None, vec![port(None, number)]);
        let told = held("app", &web, false, &others).map(|f| f.to_string());
        let start = format!(
            "port {number}, which service `web` publishes, is taken by the process {} (`",
            std::process::id()
        );
        assert!(
            told.as_ref().is_some_and(|t| t.starts_with(&start)),
            "{told:?}"
        );
        others.on_the_host = vec!["0".repeat(64)];
        assert!(
            held("app", &web, false, &others).is_some(),
            "another's container"
        );
        assert!(!others.may_be_own(Some(&Process::default())));
        assert!(others.may_be_own(None));
        drop(socket);
        others.on_the_host.clear();
        assert!(held("app", &web, false, &others).is_none());
        Ok(())
    }

    #[test]
    fn a_container_of_the_same_directory_says_which_project_it_is_of() {
        let mut others = other("app-web-1", vec![port(None, 8000)]);
        others.home = "/srv/app".into();
        others.containers[0].project = Some("app".into());
        let asks = web(None, vec![port(None, 8000)]);
        let hints = |others: &Others| held("shop", &asks, false, others).map(|f| f.hints);
        let first = |others: &Others| hints(others).and_then(|all| all.into_iter().next());
        let own = "to deploy that application, say `project_name: app`";
        others.containers[0].made.dir = Some("/srv/other".into());
        assert_ne!(first(&others).as_deref(), Some(own));
        others.containers[0].made.dir = Some("/srv/app".into());
        assert_eq!(first(&others).as_deref(), Some(own));
        let named = web(Some("app-web-1"), Vec::new());
        let told = held("shop", &named, false, &others).map(|f| f.hints);
        assert_eq!(
            told.and_then(|all| all.into_iter().next()).as_deref(),
            Some(own)
        );
    }
}
