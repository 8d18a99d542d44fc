//! What `ssh` said, as a failure that can be mended.
//!
//! It refuses to know processes and files: the log's text and the target come in, sentences go out.

use super::hostkey::{HostKey, HostPin, Presented};
use super::target::{HostKeys, Identity, Jump, Target, known_as};
use crate::words::event::{Failure, FailureKind};

/// How `ssh` words it, and how we tell it.
type Case = (&'static [&'static str], fn(&Hop) -> Failure);

/// The server that a message is about.
struct Hop<'a> {
    target: &'a Target,
    jump: Option<&'a Jump>,
    offered: Option<&'a HostKey>,
}

impl Hop<'_> {
    fn address(&self) -> String {
        self.jump
            .map_or_else(|| self.target.address(), Jump::address)
    }

    fn host(&self) -> &str {
        self.jump
            .map_or_else(|| self.target.bare_host(), Jump::bare_host)
    }

    fn port(&self) -> u16 {
        self.jump.map_or(self.target.port, |jump| jump.port)
    }

    fn named(&self) -> String {
        let role = self.jump.map_or("", |_| "the jump host ");
        format!("{role}`{}` port {}", self.host(), self.port())
    }
}

const CASES: [Case; 10] = [
    (&["Host key verification failed"], unproven),
    (
        &["Could not resolve hostname", "Name or service not known"],
        unresolved,
    ),
    (&["Permission denied ("], denied),
    (&["Too many authentication failures"], denied),
    (&["Connection refused"], refused),
    (&["timed out"], |hop| timed_out(hop)),
    (&["No route to host", "Network is unreachable"], unroutable),
    (&["Bad configuration option"], too_old),
    (&["Load key"], unreadable_key),
    (
        &[
            "Connection closed by",
            "Connection reset",
            "kex_exchange",
            "closed by remote host",
        ],
        turned_away,
    ),
];

/// Turns the log of a connection that was not made into a failure.
#[must_use]
pub fn explain(log: &str, target: &Target, offered: Option<&HostKey>) -> Failure {
    let log = spoken(log);
    let hop = Hop {
        target,
        jump: target
            .jump
            .as_ref()
            .filter(|jump| is_about_jump(&log, jump, target)),
        offered,
    };
    let said = |words: &[&str]| words.iter().any(|word| log.contains(word));
    let failure = CASES
        .iter()
        .find(|(words, _)| said(words))
        .map_or_else(|| unknown(&hop), |(_, tell)| tell(&hop));
    log.lines().fold(failure, Failure::because)
}

/// The failure of a connection that took too long.
#[must_use]
pub fn too_slow(target: &Target) -> Failure {
    timed_out(&Hop {
        target,
        jump: None,
        offered: None,
    })
}

/// The log's own words: no frames of `@`, no control characters, the last few lines.
fn spoken(log: &str) -> String {
    let lines: Vec<String> = log
        .lines()
        .map(|line| line.chars().filter(|c| !c.is_control()).collect::<String>())
        .filter(|line| !line.trim().is_empty() && !line.starts_with('@'))
        .collect();
    lines[lines.len().saturating_sub(6)..].join("\n")
}

/// Says whether the log speaks of the jump host rather than of the target.
fn is_about_jump(log: &str, jump: &Jump, target: &Target) -> bool {
    let host = jump.bare_host();
    let names = [
        format!("{}@{host}: ", jump.user),
        format!("host {host} port {}", jump.port),
        format!("hostname {host}: "),
        format!("by {host} port {}", jump.port),
    ];
    let told = names.iter().any(|name| log.contains(name));
    let own = format!("{}@{}: ", target.user, target.bare_host());
    told && (own == names[0] || !log.contains(&own))
}

fn unresolved(hop: &Hop) -> Failure {
    Failure::new(format!("the name `{}` cannot be resolved", hop.host()))
        .hint("check the spelling of `host`, and that this name is public if the runner is hosted elsewhere")
}

fn unproven(hop: &Hop) -> Failure {
    Failure::new(format!(
        "{} does not prove to be who it should",
        hop.named()
    ))
    .hint("compare `host_key` with what `ssh-keygen -lf` says on the server itself")
}

fn refused(hop: &Hop) -> Failure {
    Failure::new(format!("{} refuses connections", hop.named()))
        .hint("check `port`, that sshd runs there, and that the firewall lets this machine in")
}

fn timed_out(hop: &Hop) -> Failure {
    let seconds = hop.target.connect_timeout.as_secs();
    Failure::new(format!("{} did not answer within {seconds} s", hop.named()))
        .of(FailureKind::TimedOut)
        .hint("check `host` and `port`, and that the firewall lets this machine in (hosted runners have changing addresses; a `jump_host` or a self-hosted runner helps)")
}

fn unroutable(hop: &Hop) -> Failure {
    Failure::new(format!("there is no route to {}", hop.named())).hint(
        "check the address; an IPv6 address needs IPv6 on the runner, which hosted runners lack",
    )
}

fn turned_away(hop: &Hop) -> Failure {
    Failure::new(format!("{} closed the connection before the login", hop.named()))
        .hint("check that SSH and nothing else listens on that port")
        .hint("look at the server's log (`journalctl -u ssh`): fail2ban, `AllowUsers` and `MaxStartups` do this")
}

fn too_old(_: &Hop) -> Failure {
    Failure::new("this machine's ssh is too old").hint(
        "use OpenSSH 8.5 or newer, or pin the server by a `known_hosts` line instead of a fingerprint",
    )
}

fn unreadable_key(_: &Hop) -> Failure {
    Failure::new("ssh cannot read the private key")
        .hint("make a new one with `ssh-keygen -t ed25519`, and give the whole file")
}

fn unknown(hop: &Hop) -> Failure {
    Failure::new(format!("no connection to {}", hop.named()))
}

fn denied(hop: &Hop) -> Failure {
    let address = hop.address();
    let failure = Failure::new(format!("`{address}` does not accept the key"));
    match (hop.offered, &hop.target.identity) {
        (Some(key), _) => failure
            .hint(format!("check on the server that the offered key {} belongs there (`ssh-keygen -lf ~/.ssh/authorized_keys`)", key.fingerprint()))
            .hint(format!("or add this line to `~/.ssh/authorized_keys` of that user: {key} landfall"))
            .hint("check `user`, and that `~/.ssh` and `authorized_keys` are writable by that user alone")
            .hint(format!("an account without a password may be locked, and an sshd with `UsePAM no` refuses those: `sudo usermod -p '*' {user}` leaves it without one and unlocks it; `AllowUsers` in `sshd_config` has to name it, too", user = hop.target.user)),
        (None, Identity::Own) => failure
            .hint(format!("check that `ssh {address}` works without a question; `ssh-add` unlocks a key that has a passphrase")),
        (None, Identity::Key { .. }) => {
            failure.hint("add the key's public half to `~/.ssh/authorized_keys` of that user")
        }
    }
}

/// The failure of a server whose keys are not the pinned ones.
#[must_use]
pub fn mismatch(target: &Target, presented: &[Presented]) -> Failure {
    let failure = Failure::new(format!(
        "{} presents none of the pinned host keys",
        host_of(target, presented)
    ));
    let pinned: Vec<String> = target.pins().iter().map(ToString::to_string).collect();
    let failure = told(failure, presented);
    let failure = failure.because(format!("pinned: {}", pinned.join(", ")));
    let failure = if target
        .pins()
        .iter()
        .any(|p| matches!(p, HostPin::Revoked(_)))
    {
        failure.hint("a revoked key among the pins is refused even if another line pins it")
    } else {
        failure
    };
    failure
        .hint("find out why before anything else: the server was reinstalled, the address belongs to another machine now, or somebody is listening in")
        .hint(confirm(presented))
        .hint(format!(
            "only if they are the same, and you know why they changed, put these in the place of the old:\n{}",
            target.host_keys.pasted(presented)
        ))
}

/// The failure of a connection for which nothing is pinned: it shows what could be.
#[must_use]
pub fn unpinned(target: &Target, presented: &[Presented]) -> Failure {
    let failure = match target.host_keys {
        HostKeys::Pinned(_) => {
            Failure::new("`host_key` is missing, so nothing proves who the server is")
                .of(FailureKind::Unpinned)
        }
        HostKeys::Own => Failure::new(format!(
            "{} is not known to this machine by the key it presents",
            host_of(target, presented)
        )),
    };
    let lines = target.host_keys.pasted(presented);
    let place = match target.host_keys {
        HostKeys::Pinned(_) => "the inputs",
        HostKeys::Own => "`~/.ssh/known_hosts` or give as `--host-key`",
    };
    told(failure, presented)
        .hint(confirm(presented))
        .hint(format!("if they are the same, add to {place}:\n{lines}"))
}

impl HostKeys {
    /// The presented keys as they are pasted where keys are pinned.
    fn pasted(&self, presented: &[Presented]) -> String {
        let lines: Vec<_> = presented.iter().map(|p| format!("  {p}")).collect();
        match self {
            Self::Pinned(_) => format!("host_key: |\n{}", lines.join("\n")),
            Self::Own => lines.join("\n"),
        }
    }
}

fn told(failure: Failure, presented: &[Presented]) -> Failure {
    let keys = presented.iter();
    let keys: Vec<_> = keys
        .map(|p| format!("{} {}", p.key.label(), p.key.fingerprint()))
        .collect();
    failure.because(format!("presented: {}", keys.join(", ")))
}

fn host_of(target: &Target, presented: &[Presented]) -> String {
    let own = || known_as(target.bare_host(), target.port);
    format!(
        "`{}`",
        presented.first().map_or_else(own, |p| p.host.clone())
    )
}

fn confirm(presented: &[Presented]) -> String {
    let kind = presented
        .first()
        .map_or_else(|| "ed25519".to_owned(), |p| p.key.label().to_lowercase());
    format!(
        "compare with what the server itself says, on its console or through a connection you already trust: `ssh-keygen -lf /etc/ssh/ssh_host_{kind}_key.pub`"
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn target() -> Target {
        let mut target = Target::new("web-1", "deploy", Identity::Own, HostKeys::Own).unwrap();
        target.jump = Some(Jump {
            user: "hop".into(),
            host: "gate".into(),
            port: 2200,
        });
        target
    }

    #[track_caller]
    fn what(log: &str) -> String {
        explain(log, &target(), None).what
    }

    #[test]
    fn every_way_of_not_getting_in_has_its_sentence() {
        let table = [
            (
                "ssh: Could not resolve hostname web-1: Name or service not known\r\n",
                "the name `web-1` cannot be resolved",
            ),
            (
                "ssh: connect to host web-1 port 22: Connection refused\r\n",
                "`web-1` port 22 refuses connections",
            ),
            (
                "ssh: connect to host web-1 port 22: Connection timed out",
                "`web-1` port 22 did not answer within 20 s",
            ),
            (
                "ssh: connect to host web-1 port 22: No route to host",
                "there is no route to `web-1` port 22",
            ),
            (
                "deploy@web-1: Permission denied (publickey).",
                "`deploy@web-1` does not accept the key",
            ),
            (
                "Connection closed by 203.0.113.7 port 22",
                "`web-1` port 22 closed the connection before the login",
            ),
            (
                "config: line 3: Bad configuration option: knownhostscommand",
                "this machine's ssh is too old",
            ),
            ("something else", "no connection to `web-1` port 22"),
        ];
        for (log, sentence) in table {
            assert_eq!(what(log), sentence, "{log}");
        }
    }

    #[test]
    fn a_failing_jump_host_is_named_instead_of_the_server() {
        assert_eq!(
            what(
                "ssh: connect to host gate port 2200: Connection refused\nConnection closed by UNKNOWN port 65535"
            ),
            "the jump host `gate` port 2200 refuses connections"
        );
        assert_eq!(
            what(
                "hop@gate: Permission denied (publickey).\nConnection closed by UNKNOWN port 65535"
            ),
            "`hop@[gate]:2200` does not accept the key"
        );
        assert_eq!(
            what(
                "channel 0: open failed: connect failed: Connection refused\nstdio forwarding failed"
            ),
            "`web-1` port 22 refuses connections"
        );
    }

    #[test]
    fn a_refused_key_is_named_with_the_line_that_would_let_it_in() {
        let key = Presented::parse(
            "h ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl",
        )
        .unwrap()
        .key;
        let failure = explain(
            "deploy@web-1: Permission denied (publickey).",
            &target(),
            Some(&key),
        );
        let hints = failure.hints.join("\n");
        assert!(
            hints.contains("SHA256:+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU"),
            "{hints}"
        );
        assert!(
            hints.contains(&format!("authorized_keys` of that user: {key} landfall")),
            "{hints}"
        );
    }

    #[test]
    fn what_ssh_said_stays_in_the_chain_without_its_frames() {
        let failure = explain(
            "@@@@@@\r\n\x1b[31mConnection reset by peer\r\n",
            &target(),
            None,
        );
        assert_eq!(failure.because, ["[31mConnection reset by peer"]);
    }
}
