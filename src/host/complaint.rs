//! What Compose and the engine complain of when containers cannot be made or started, in a
//! person's words and with what to do about it. Pure.
//!
//! It refuses to know who holds what is taken, and which service it is about.

/// A complaint whose cause is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Complaint {
    /// The cause, such as `port 8000 is taken`.
    pub what: String,
    /// What to do about it.
    pub hints: Vec<String>,
    /// The port of the server that is taken.
    pub port: Option<u16>,
}

impl Complaint {
    fn new(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            hints: vec![hint.into()],
            port: None,
        }
    }
}

/// How a line is read.
type Reader = fn(&str) -> Option<Complaint>;

/// Every complaint that is known; the first that a line is one of counts.
const KNOWN: [Reader; 10] = [
    port, room, command, processor, mount, network, external, image, device, engine,
];

/// The cause in the lines that a command or the engine ended with.
#[must_use]
pub fn read(lines: &[&str]) -> Option<Complaint> {
    KNOWN
        .iter()
        .find_map(|reader| lines.iter().find_map(|line| reader(line)))
}

fn has(line: &str, words: &[&str]) -> bool {
    words.iter().any(|words| line.contains(words))
}

fn port(line: &str) -> Option<Complaint> {
    if !has(
        line,
        &["port is already allocated", "address already in use"],
    ) {
        return None;
    }
    let number = [
        "Bind for ",
        "host port for ",
        "host port ",
        "listen tcp",
        "listen udp",
    ]
    .iter()
    .find_map(|before| line.split_once(before))
    .and_then(|(_, behind)| number(behind))?;
    Some(Complaint {
        what: format!("port {number} is taken"),
        hints: Vec::new(),
        port: Some(number),
    })
}

/// The first number behind a colon, as in `0.0.0.0:8000:172.18.0.2:80/tcp` and `:::8000 failed`.
fn number(text: &str) -> Option<u16> {
    text.split(':').skip(1).find_map(|part| {
        let digits: String = part.chars().take_while(char::is_ascii_digit).collect();
        let ends = part[digits.len()..].chars().next();
        let is_port = ends.is_none_or(|c| matches!(c, ' ' | '/' | ',' | ')'));
        is_port.then(|| digits.parse().ok()).flatten()
    })
}

fn room(line: &str) -> Option<Complaint> {
    if !line.contains("no space left on device") {
        return None;
    }
    Some(Complaint::new(
        "a disk of the server is full",
        "look what is full, and make room: `df -h`, `docker system df`, `docker image prune`",
    ))
}

fn command(line: &str) -> Option<Complaint> {
    let (_, rest) = line.split_once("exec: \"")?;
    let (command, rest) = rest.split_once('"')?;
    if has(
        rest,
        &["executable file not found", "no such file or directory"],
    ) {
        return Some(Complaint::new(
            format!("its command `{command}` is not in the image"),
            "see what `command` and `entrypoint` name in the compose file and in the image, and the first line of a script",
        ));
    }
    if rest.contains("permission denied") {
        return Some(Complaint::new(
            format!("its command `{command}` may not be executed"),
            format!("let it be executable before it goes into the image: `chmod +x {command}`"),
        ));
    }
    None
}

fn processor(line: &str) -> Option<Complaint> {
    if !line.contains("exec format error") {
        return None;
    }
    Some(Complaint::new(
        "its image is made for another kind of processor than the server has",
        "build the image for the server's: `docker buildx build --platform`, with what `docker version` on the server calls `OS/Arch`",
    ))
}

fn mount(line: &str) -> Option<Complaint> {
    if has(line, &["bind source path does not exist"]) {
        let path = line.rsplit(": ").next().unwrap_or_default();
        return Some(Complaint::new(
            format!("`{path}`, which a service mounts, is not there"),
            "ship it with `files`, or make it on the server",
        ));
    }
    if has(
        line,
        &[
            "Are you trying to mount a directory onto a file",
            "not a directory: unknown",
        ],
    ) {
        return Some(Complaint::new(
            "a mount has a directory on one side and a file on the other",
            "look at that path on the server: Docker makes a directory where a file to mount is missing; remove it, and ship the file with `files`",
        ));
    }
    None
}

fn network(line: &str) -> Option<Complaint> {
    let words = [
        "non-overlapping IPv4 address pool",
        "address pools have been fully subnetted",
    ];
    if has(line, &words) {
        return Some(Complaint::new(
            "Docker has no addresses left for another network",
            "remove networks that nobody uses, `docker network ls` and `docker network rm NAME`, or let Docker have more: `default-address-pools` in `/etc/docker/daemon.json`",
        ));
    }
    if line.contains("Pool overlaps with other one") {
        return Some(Complaint::new(
            "another network has the addresses that the compose file gives to one of its own",
            "choose another `subnet` in the compose file, or look who has it: `docker network inspect $(docker network ls -q)`",
        ));
    }
    None
}

fn external(line: &str) -> Option<Complaint> {
    let named = |kind: &str| {
        let (_, rest) = line.split_once(kind)?;
        let name = rest.trim_start().trim_start_matches(['"', '\\', '`']);
        let name: String = name
            .chars()
            .take_while(|c| !matches!(c, '"' | '\\' | '`' | ' ' | ','))
            .collect();
        (!name.is_empty()).then_some(name)
    };
    if !has(line, &["declared as external", "external volume"]) || !line.contains("not") {
        return None;
    }
    let kind = if has(line, &["volume", "Volume"]) {
        "volume"
    } else {
        "network"
    };
    let name = named("network ")
        .or_else(|| named("Network "))
        .or_else(|| named("olume "))?;
    Some(Complaint::new(
        format!("the external {kind} `{name}` is not there"),
        format!("make it on the server: `docker {kind} create {name}`"),
    ))
}

fn image(line: &str) -> Option<Complaint> {
    let (_, name) = line
        .split_once("No such image: ")
        .or_else(|| line.split_once("pull access denied for "))?;
    let name = name.split([' ', ',']).next().unwrap_or_default();
    Some(Complaint::new(
        format!("the image `{name}` is not on the server"),
        "see that `services` names every service whose image is new, and that nobody removes images meanwhile",
    ))
}

fn device(line: &str) -> Option<Complaint> {
    let (_, name) = line.split_once("could not select device driver \"")?;
    let name = name.split('"').next().unwrap_or_default();
    Some(Complaint::new(
        format!(
            "the server's Docker has no driver `{name}` for the devices that a service asks for"
        ),
        "install it on the server, for GPUs of NVIDIA the NVIDIA Container Toolkit",
    ))
}

fn engine(line: &str) -> Option<Complaint> {
    if !has(line, &["Cannot connect to the Docker daemon"]) {
        return None;
    }
    Some(Complaint::new(
        "Docker does not answer on the server",
        "look at it: `systemctl status docker`, `journalctl -u docker -n 50`",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn what(line: &str) -> String {
        read(&["Container app-web-1  Starting", line]).map_or_else(String::new, |c| c.what)
    }

    #[test]
    fn a_port_that_is_taken_is_named_whichever_engine_says_it() {
        for line in [
            "Error response from daemon: driver failed programming external connectivity on endpoint app-web-1 (7a): Bind for 0.0.0.0:8000 failed: port is already allocated",
            "Bind for :::8000 failed: port is already allocated",
            "driver failed programming external connectivity on endpoint app-web-1 (7a): Error starting userland proxy: listen tcp4 0.0.0.0:8000: bind: address already in use",
            "failed to set up container networking: driver failed programming external connectivity on endpoint app-web-1 (7a): failed to bind host port for 0.0.0.0:8000:172.18.0.2:80/tcp: address already in use",
            "failed to bind host port 127.0.0.1:8000/tcp: address already in use",
            "listen tcp [::1]:8000: bind: address already in use",
        ] {
            assert_eq!(what(line), "port 8000 is taken", "{line}");
        }
        assert_eq!(what("the volume is already in use"), "");
    }

    #[test]
    fn what_containers_cannot_be_made_or_started_for_is_said_with_what_to_do() {
        let all = [
            "failed to create task: write /var/lib/docker/x: no space left on device",
            "runc create failed: exec: \"./run.sh\": stat ./run.sh: no such file or directory: unknown",
            "OCI runtime create failed: exec: \"serve\": executable file not found in $PATH: unknown",
            "exec: \"/app/run\": permission denied: unknown",
            "exec /app/run: exec format error",
            "invalid mount config for type \"bind\": bind source path does not exist: /srv/app/x.conf",
            "error mounting \"/srv/app/x\": not a directory: unknown: Are you trying to mount a directory onto a file (or vice-versa)?",
            "could not find an available, non-overlapping IPv4 address pool among the defaults to assign to the network",
            "all predefined address pools have been fully subnetted",
            "Pool overlaps with other one on this address space",
            "network proxy declared as external, but could not be found",
            "external volume \"pgdata\" not found",
            "Error response from daemon: No such image: acme/app:9",
            "could not select device driver \"nvidia\" with capabilities: [[gpu]]",
            "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?",
        ];
        for line in all {
            let complaint = read(&[line]);
            assert!(complaint.is_some_and(|c| !c.hints.is_empty()), "{line}");
        }
        insta::assert_snapshot!(all.map(what).join("\n"), @r"
        a disk of the server is full
        its command `./run.sh` is not in the image
        its command `serve` is not in the image
        its command `/app/run` may not be executed
        its image is made for another kind of processor than the server has
        `/srv/app/x.conf`, which a service mounts, is not there
        a mount has a directory on one side and a file on the other
        Docker has no addresses left for another network
        Docker has no addresses left for another network
        another network has the addresses that the compose file gives to one of its own
        the external network `proxy` is not there
        the external volume `pgdata` is not there
        the image `acme/app:9` is not on the server
        the server's Docker has no driver `nvidia` for the devices that a service asks for
        Docker does not answer on the server
        ");
    }

    #[test]
    fn what_nobody_knows_stays_as_it_was_said() {
        assert_eq!(read(&["dependency failed to start", "exit status 1"]), None);
        assert_eq!(read(&[]), None);
    }
}
