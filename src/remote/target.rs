//! Which server, as whom, with which key, and by which host keys it is known.
//!
//! It refuses to know how a connection is made.

use std::path::PathBuf;
use std::time::Duration;

use super::hostkey::HostPin;
use crate::words::error::Error;
use crate::words::event::Failure;
use crate::words::secret::Secret;

/// How long connecting may take where nothing else is said.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(20);

/// A server and the way to it.
#[derive(Debug, Clone)]
pub struct Target {
    /// A name or an address; an IPv6 address may stand in brackets.
    pub host: String,
    /// The SSH port.
    pub port: u16,
    /// The SSH user.
    pub user: String,
    /// Whose key opens the door.
    pub identity: Identity,
    /// By what the server is known.
    pub host_keys: HostKeys,
    /// The server to go through, if any.
    pub jump: Option<Jump>,
    /// How long connecting may take, each hop.
    pub connect_timeout: Duration,
    /// This program's own file, which `ssh` calls back; see [`crate::face`].
    pub program: PathBuf,
}

/// A server to go through, known by the same host keys and opened by the same identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Jump {
    /// The SSH user there.
    pub user: String,
    /// A name or an address.
    pub host: String,
    /// The SSH port there.
    pub port: u16,
}

/// Whose key opens the door.
#[derive(Debug, Clone)]
pub enum Identity {
    /// This private key, with its passphrase if it has one.
    Key {
        /// The key's text, however it was pasted.
        key: Secret,
        /// What decrypts it.
        passphrase: Option<Secret>,
    },
    /// Whatever the person at this machine has: their SSH agent, keys and configuration.
    Own,
}

/// By what a server is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostKeys {
    /// By one of these pins and nothing else. Without any, connecting only shows the keys.
    Pinned(Vec<HostPin>),
    /// By the `known_hosts` of the person at this machine.
    Own,
}

impl Target {
    /// A target with the defaults: port 22, no jump host, this very program.
    pub fn new(
        host: impl Into<String>,
        user: impl Into<String>,
        identity: Identity,
        host_keys: HostKeys,
    ) -> Result<Self, Error> {
        let program = std::env::current_exe().map_err(|e| {
            Error::Local(Failure::new("this program cannot find its own file").because(e))
        })?;
        Ok(Self {
            host: host.into(),
            port: 22,
            user: user.into(),
            identity,
            host_keys,
            jump: None,
            connect_timeout: CONNECT_TIMEOUT,
            program,
        })
    }

    /// `user@host`, with the port where it is not 22.
    #[must_use]
    pub fn address(&self) -> String {
        address(&self.user, self.bare_host(), self.port)
    }

    /// The host without an IPv6 address's brackets.
    #[must_use]
    pub fn bare_host(&self) -> &str {
        bare(&self.host)
    }

    /// The pins, none for a person's own `known_hosts`.
    #[must_use]
    pub fn pins(&self) -> &[HostPin] {
        match &self.host_keys {
            HostKeys::Pinned(pins) => pins,
            HostKeys::Own => &[],
        }
    }

    /// Refuses names that a configuration file would read as something else.
    pub(super) fn check(&self) -> Result<(), Failure> {
        plain("host", self.bare_host())?;
        plain("user", &self.user)?;
        if let Some(jump) = &self.jump {
            plain("jump host", jump.bare_host())?;
            plain("jump user", &jump.user)?;
        }
        Ok(())
    }
}

impl Jump {
    /// `user@host`, with the port where it is not 22.
    #[must_use]
    pub fn address(&self) -> String {
        address(&self.user, self.bare_host(), self.port)
    }

    /// The host without an IPv6 address's brackets.
    #[must_use]
    pub fn bare_host(&self) -> &str {
        bare(&self.host)
    }
}

fn bare(host: &str) -> &str {
    host.strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(host)
}

fn address(user: &str, host: &str, port: u16) -> String {
    match port {
        22 => format!("{user}@{host}"),
        _ => format!("{user}@{}", known_as(host, port)),
    }
}

/// The name that `known_hosts` has for a server.
pub(super) fn known_as(host: &str, port: u16) -> String {
    match port {
        22 => host.to_owned(),
        _ => format!("[{host}]:{port}"),
    }
}

fn plain(what: &str, value: &str) -> Result<(), Failure> {
    let odd = |c: char| c.is_control() || c.is_whitespace() || "\"'\\$`*?!,;&|<>(){}#".contains(c);
    let elsewhere = what.ends_with("host") && value.contains(['@', '/']);
    if value.is_empty() || value.starts_with('-') || value.contains(odd) || elsewhere {
        let shown: String = value.chars().filter(|c| !c.is_control()).collect();
        return Err(Failure::new(format!(
            "the {what} `{shown}` is no name that ssh takes"
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn to(host: &str) -> Target {
        Target::new(host, "deploy", Identity::Own, HostKeys::Own).unwrap()
    }

    #[test]
    fn an_address_shows_the_port_only_where_it_matters() {
        assert_eq!(to("[2001:db8::1]").address(), "deploy@2001:db8::1");
        let mut other = to("[2001:db8::1]");
        other.port = 2222;
        assert_eq!(other.address(), "deploy@[2001:db8::1]:2222");
    }

    #[test]
    fn a_name_that_would_be_an_option_or_a_second_line_is_refused() {
        for host in [
            "-oProxyCommand=id",
            "a b",
            "a\nProxyCommand id",
            "",
            "a;b",
            "root@web-1",
            "ssh://web-1",
        ] {
            assert!(to(host).check().is_err(), "{host:?}");
        }
        assert!(to("web-1.example.org").check().is_ok());
        assert!(to("fe80::1%eth0").check().is_ok());
    }
}
