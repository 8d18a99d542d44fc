//! What a test that asks a port at which nobody listens is told of the ports that are published.
//!
//! It refuses to know how a test is made; addresses of other machines are not its business.

use std::collections::BTreeMap;

use crate::host::{Container, Occupant, ServiceConfig};
use crate::words::event::Failure;
use crate::words::plan::Probe;

/// The services and the ports of the server that they publish.
pub type Published = BTreeMap<String, Vec<u16>>;

/// Who publishes what, of these containers.
pub fn published(containers: &[Container], occupants: &[Occupant]) -> Published {
    let mut published = Published::new();
    for container in containers {
        let ports = published.entry(container.service.clone()).or_default();
        let own = occupants.iter().filter(|o| o.id == container.id);
        ports.extend(own.flat_map(|o| o.ports.iter().map(|p| p.number)));
        ports.sort_unstable();
        ports.dedup();
    }
    published
}

/// Who is to publish what, of these services.
pub fn to_be_published(services: &[ServiceConfig]) -> Published {
    let ports = |service: &ServiceConfig| service.ports.iter().map(|p| p.number).collect();
    let services = services.iter().map(|s| (s.name.clone(), ports(s)));
    services.collect()
}

/// The services that publish something, and what: "`web` publishes 8000".
pub fn told(published: &Published) -> Vec<String> {
    published
        .iter()
        .filter(|(_, ports)| !ports.is_empty())
        .map(|(service, ports)| format!("`{service}` publishes {}", listed(ports)))
        .collect()
}

/// The port of this server that a test asks, if it asks one.
pub fn asked(probe: &Probe) -> Option<u16> {
    let url = match probe {
        Probe::Http { url, .. } => url.clone(),
        Probe::Tcp { address } => format!("tcp://{address}"),
        Probe::Service { .. } | Probe::Exec { .. } => return None,
    };
    let url = reqwest::Url::parse(&url).ok()?;
    let host = url.host_str()?;
    let is_here = host == "localhost" || host.starts_with("127.") || host == "[::1]";
    is_here.then(|| url.port_or_known_default()).flatten()
}

/// A failure at a port of this server, with what is published in its place.
pub fn advised(failure: Failure, port: u16, published: &Published) -> Failure {
    let of = |wanted: u16| published.iter().find(move |(_, p)| p.contains(&wanted));
    if let Some((service, _)) = of(port) {
        return failure.because(format!(
            "service `{service}` publishes that port, and nobody takes its connections yet"
        ));
    }
    let told = told(published);
    if told.is_empty() {
        return failure
            .because("none of the services publishes a port")
            .hint(format!("publish it in the compose file, such as `ports: [\"127.0.0.1:{port}:{port}\"]`, or make the test inside with `exec:`"));
    }
    failure
        .because(format!(
            "no service publishes port {port}; {}",
            told.join(", ")
        ))
        .hint(format!(
            "ask a port that is published, or publish {port} in the compose file"
        ))
}

fn listed(ports: &[u16]) -> String {
    let ports: Vec<String> = ports.iter().map(ToString::to_string).collect();
    ports.join(" and ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::Port;
    use crate::words::plan::Expect;

    fn world() -> Published {
        let of = |id: &str, service: &str| Container {
            id: id.into(),
            service: service.into(),
            ..Container::default()
        };
        let port = |number| Port {
            number,
            protocol: "tcp".into(),
            address: None,
        };
        let at = |id: &str, ports: &[u16]| Occupant {
            id: id.into(),
            ports: ports.iter().map(|p| port(*p)).collect(),
            ..Occupant::default()
        };
        published(
            &[of("1", "web"), of("2", "redis")],
            &[at("1", &[8000, 8000]), at("7", &[9000])],
        )
    }

    fn told(port: u16, published: &Published) -> (String, Vec<String>) {
        let failure = advised(Failure::new("nothing listens"), port, published);
        (failure.to_string(), failure.hints)
    }

    #[test]
    fn a_wrong_port_is_told_which_ports_are_published() {
        let (said, hints) = told(8080, &world());
        assert_eq!(
            said,
            "nothing listens: no service publishes port 8080; `web` publishes 8000"
        );
        assert!(hints[0].contains("publish 8080"), "{hints:?}");
        let (said, hints) = told(8000, &world());
        assert!(said.contains("service `web` publishes that port"), "{said}");
        assert!(hints.is_empty());
        let (said, _) = told(8000, &Published::new());
        assert!(said.contains("none of the services"), "{said}");
    }

    #[test]
    fn only_what_is_asked_on_this_server_has_a_port_here() {
        let http = |url: &str| Probe::Http {
            url: url.into(),
            expect: Expect::default(),
        };
        let tcp = |address: &str| Probe::Tcp {
            address: address.into(),
        };
        assert_eq!(asked(&http("http://localhost:8080/x")), Some(8080));
        assert_eq!(asked(&http("https://127.0.0.1/")), Some(443));
        assert_eq!(asked(&http("https://example.org/")), None);
        assert_eq!(asked(&tcp("localhost:6379")), Some(6379));
        assert_eq!(asked(&tcp("[::1]:6379")), Some(6379));
        assert_eq!(asked(&tcp("db:5432")), None);
    }
}
