//! Which containers a declared test asks: what passes a test of its own need not prove itself by
//! running for a while.
//!
//! It refuses to know what the tests say.

use std::collections::BTreeSet;

use crate::host::http::port_of;
use crate::host::{Container, Occupant};
use crate::words::plan::{Checks, Probe};

/// Whom the tests of a run ask.
pub struct Asked {
    services: BTreeSet<String>,
    ports: BTreeSet<u16>,
}

impl Asked {
    /// By `service:` and `exec:` tests, which name a service, and by `health_url` and `http:`
    /// tests, which name a port of the server. A `tcp:` test does not count: the engine itself
    /// takes connections for a published port.
    pub fn by(checks: &Checks) -> Self {
        let (mut services, mut ports) = (BTreeSet::new(), BTreeSet::new());
        ports.extend(checks.health_url.as_deref().and_then(port_of));
        for test in checks.from_server() {
            match &test.probe {
                Probe::Http { url, .. } => ports.extend(port_of(url)),
                Probe::Service { service } | Probe::Exec { service, .. } => {
                    services.insert(service.clone());
                }
                Probe::Tcp { .. } => {}
            }
        }
        Self { services, ports }
    }

    /// Says whether some test asks a port at all.
    pub fn has_ports(&self) -> bool {
        !self.ports.is_empty()
    }

    /// Says whether a test names this container's service.
    pub fn by_service(&self, container: &Container) -> bool {
        self.services.contains(&container.service)
    }

    /// Says whether a test asks a port that this one publishes.
    pub fn at_a_port(&self, occupant: &Occupant) -> bool {
        let mut ports = occupant.ports.iter();
        ports.any(|port| port.protocol == "tcp" && self.ports.contains(&port.number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::Port;
    use crate::words::plan::{Expect, SmokeTest, Vantage};

    fn test(probe: Probe, from: Vantage) -> SmokeTest {
        SmokeTest {
            name: "of mine".into(),
            probe,
            from,
        }
    }

    fn at(number: u16, protocol: &str) -> Occupant {
        Occupant {
            ports: vec![Port {
                address: None,
                number,
                protocol: protocol.into(),
            }],
            ..Occupant::default()
        }
    }

    fn http(url: &str) -> Probe {
        Probe::Http {
            url: url.into(),
            expect: Expect::default(),
        }
    }

    #[test]
    fn a_test_asks_the_service_that_it_names_or_whoever_publishes_its_port() {
        let checks = Checks {
            health_url: Some("http://localhost:8000/health".into()),
            smoke: vec![
                test(http("https://localhost/"), Vantage::Server),
                test(http("http://localhost:9000/"), Vantage::Runner),
                test(
                    Probe::Tcp {
                        address: "localhost:6379".into(),
                    },
                    Vantage::Server,
                ),
                test(
                    Probe::Service {
                        service: "worker".into(),
                    },
                    Vantage::Server,
                ),
            ],
            ..Checks::default()
        };
        let asked = Asked::by(&checks);
        let of = |service: &str| Container {
            service: service.into(),
            ..Container::default()
        };
        assert!(asked.by_service(&of("worker")) && !asked.by_service(&of("web")));
        assert!(asked.at_a_port(&at(8000, "tcp")) && asked.at_a_port(&at(443, "tcp")));
        for (number, protocol) in [(8000, "udp"), (9000, "tcp"), (6379, "tcp")] {
            assert!(!asked.at_a_port(&at(number, protocol)), "{number}");
        }
    }
}
