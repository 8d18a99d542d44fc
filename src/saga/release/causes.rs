//! Puts the cause before Compose's and the engine's own words where containers could not be made
//! or started, with the service that it is about and whoever holds what it needs.
//!
//! It refuses to know the words themselves, and what becomes of the run.

use crate::host::complaint::{self, Complaint};
use crate::host::{Container, Host, Occupant, State};
use crate::saga::steps::Run;
use crate::words::event::Failure;

/// The failure with its cause in front; as it is where the cause is not known.
pub async fn explained<H: Host>(run: &Run<'_, H>, project: &str, failure: Failure) -> Failure {
    let said: Vec<&str> = std::iter::once(&failure.what)
        .chain(&failure.because)
        .map(String::as_str)
        .collect();
    let Some(complaint) = complaint::read(&said) else {
        return failure;
    };
    let containers = run.host.containers(project).await.unwrap_or_default();
    let service = whose(&said, &containers).map(|c| c.service.clone());
    let failure = led_by(failure, &complaint, service.as_deref());
    match complaint.port {
        None => failure,
        Some(port) => {
            let occupants = run.host.occupants().await.unwrap_or_default();
            held(failure, port, service.as_deref(), &containers, &occupants)
        }
    }
}

/// The container that a complaint names, or the only one that was made and could not be started.
fn whose<'c>(said: &[&str], containers: &'c [Container]) -> Option<&'c Container> {
    let is_named = |c: &&Container| {
        let mut words = said
            .iter()
            .flat_map(|line| line.split([' ', '"', '/', '(']));
        words.any(|word| word == c.name)
    };
    let mut stopped = containers
        .iter()
        .filter(|c| c.state == State::Created && c.exit_code != 0);
    let mut named = containers.iter().filter(is_named);
    match (named.next(), named.next()) {
        (Some(one), None) => Some(one),
        _ => stopped.next().filter(|_| stopped.next().is_none()),
    }
}

fn led_by(mut failure: Failure, complaint: &Complaint, service: Option<&str>) -> Failure {
    let what = match (service, &complaint.what) {
        (Some(service), what) if complaint.port.is_some() => {
            format!("{what}, which service `{service}` publishes")
        }
        (Some(service), what) => format!("service `{service}` cannot start: {what}"),
        (None, what) => what.clone(),
    };
    let said = std::mem::replace(&mut failure.what, what);
    failure.because.insert(0, said);
    failure.hints.splice(0..0, complaint.hints.iter().cloned());
    failure
}

/// Whose a port is by now, as far as a container has it.
fn held(
    mut failure: Failure,
    port: u16,
    service: Option<&str>,
    containers: &[Container],
    occupants: &[Occupant],
) -> Failure {
    let has = |o: &&Occupant| o.ports.iter().any(|p| p.number == port);
    let holder = occupants.iter().find(has);
    let own = holder.and_then(|o| containers.iter().find(|c| c.id == o.id));
    let (cause, hint) = match (holder, own) {
        (_, Some(own)) if service != Some(&*own.service) => (
            format!("service `{}` of the same release has it", own.service),
            format!("let only one of the two publish {port} in the compose file"),
        ),
        (_, Some(own)) => (
            format!("another container of service `{}` has it", own.service),
            "let a service with more than one container publish no fixed port".to_owned(),
        ),
        (Some(other), None) => (
            format!("{} has it", other.described()),
            "publish another port in the compose file, or have that container stopped first"
                .to_owned(),
        ),
        (None, None) => (
            "no container has it, so it is another program of the server".to_owned(),
            format!(
                "look which one: `sudo ss -lntp 'sport = :{port}'`; stop it, or publish another port in the compose file"
            ),
        ),
    };
    failure.because.insert(0, cause);
    failure.hint(hint)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::Port;

    fn container(id: &str, service: &str) -> Container {
        Container {
            id: id.into(),
            name: format!("app-{service}-1"),
            service: service.into(),
            ..Container::default()
        }
    }

    fn occupant(id: &str, port: u16) -> Occupant {
        Occupant {
            id: id.into(),
            name: "theirs".into(),
            ports: vec![Port {
                number: port,
                protocol: "tcp".into(),
                address: None,
            }],
            ..Occupant::default()
        }
    }

    const TAKEN: &str = "driver failed programming external connectivity on endpoint app-web-1 (7a0b): Bind for 0.0.0.0:8000 failed: port is already allocated";

    fn told(occupants: &[Occupant]) -> Failure {
        let failure = Failure::new("`docker compose up -d` failed (exit status: 1)").because(TAKEN);
        let containers = [container("1", "web"), container("2", "web-10")];
        let said = [failure.what.as_str(), TAKEN];
        let service = whose(&said, &containers).map(|c| c.service.as_str());
        let complaint = complaint::read(&said);
        let led = complaint.map_or(failure.clone(), |c| led_by(failure, &c, service));
        held(led, 8000, service, &containers, occupants)
    }

    #[test]
    fn a_taken_port_is_the_headline_with_its_holder_and_composes_words_behind() {
        let failure = told(&[occupant("7", 8000)]);
        assert_eq!(
            failure.what,
            "port 8000 is taken, which service `web` publishes"
        );
        assert_eq!(
            failure.because[..2],
            [
                "the container `theirs` has it",
                "`docker compose up -d` failed (exit status: 1)"
            ]
        );
        assert!(failure.hints[0].contains("publish another port"));
    }

    #[test]
    fn a_port_that_two_services_publish_or_a_program_has_is_told_apart() {
        let twice = told(&[occupant("2", 8000)]);
        assert_eq!(
            twice.because[0],
            "service `web-10` of the same release has it"
        );
        let program = told(&[occupant("7", 9000)]);
        assert!(program.because[0].contains("another program"), "{program}");
        assert!(program.hints[0].contains("ss -lntp 'sport = :8000'"));
    }

    #[test]
    fn what_no_line_names_is_the_one_that_was_made_and_not_started() {
        let failed = Container {
            exit_code: 127,
            ..container("1", "web")
        };
        let all = [failed, container("2", "db")];
        let found = whose(&["OCI runtime create failed"], &all);
        assert_eq!(found.map(|c| c.service.as_str()), Some("web"));
        assert_eq!(whose(&["x"], &all[1..]), None);
    }
}
