//! Warns of a test that asks a port which nobody will answer: the checks would wait for it in vain until
//! their time is over.
//!
//! It refuses to stop a run for it: what listens there may be no container at all.

use crate::host::Host;
use crate::saga::facts::Wanted;
use crate::saga::steps::Run;
use crate::saga::steps::verify::ports;
use crate::words::plan::{Checks, Expect, Probe};

/// Warns of each, where some service publishes a port and nobody listens at the one that is asked.
pub async fn warn<H: Host>(run: &Run<'_, H>, wanted: &Wanted) {
    let published = ports::to_be_published(&wanted.config.services);
    let is_published = |port: u16| published.values().flatten().any(|p| *p == port);
    let asked = asked(&run.plan.checks);
    let in_vain: Vec<_> = asked.filter(|(_, port)| !is_published(*port)).collect();
    let told = ports::told(&published);
    if told.is_empty() || in_vain.is_empty() {
        return;
    }
    let listeners = run.host.listeners().await;
    for (name, port) in in_vain {
        if !listeners.iter().any(|l| l.port.number == port) {
            run.warn(line(&name, port, &told));
        }
    }
}

/// The tests by HTTP that ask a port of this server, and the ports.
fn asked(checks: &Checks) -> impl Iterator<Item = (String, u16)> {
    let health = checks.health_url.iter().map(|url| {
        let (url, expect) = (url.clone(), Expect::default());
        ("health_url".to_owned(), Probe::Http { url, expect })
    });
    let tests = checks
        .from_server()
        .map(|t| (t.name.clone(), t.probe.clone()));
    let by_http = health.chain(tests.filter(|(_, probe)| matches!(probe, Probe::Http { .. })));
    by_http.filter_map(|(name, probe)| Some((name, ports::asked(&probe)?)))
}

fn line(name: &str, port: u16, published: &[String]) -> String {
    format!(
        "`{name}` asks port {port}, which no service publishes and where nobody listens: {}",
        published.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::plan::{SmokeTest, Vantage};

    #[test]
    fn what_asks_a_port_of_this_server_is_told_with_those_that_are_published() {
        let test = |name: &str, url: &str, from| SmokeTest {
            name: name.into(),
            probe: Probe::Http {
                url: url.into(),
                expect: Expect::default(),
            },
            from,
        };
        let checks = Checks {
            health_url: Some("http://localhost:8080/health".into()),
            smoke: vec![
                test("elsewhere", "https://example.org/", Vantage::Server),
                test("outside", "http://localhost:9000/", Vantage::Runner),
                test("api", "http://127.0.0.1:9001/", Vantage::Server),
            ],
            ..Checks::default()
        };
        let asked: Vec<_> = asked(&checks).collect();
        assert_eq!(
            asked,
            [("health_url".to_owned(), 8080), ("api".to_owned(), 9001)]
        );
        insta::assert_snapshot!(
            line("health_url", 8080, &["`web` publishes 8000".into()]),
            @"`health_url` asks port 8080, which no service publishes and where nobody listens: `web` publishes 8000"
        );
    }
}
