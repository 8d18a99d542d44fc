//! From a validated request to the server that `remote` connects to, and to the connection.
//!
//! The two rooms do not know each other: one reads what was typed, the other speaks SSH.

use crate::remote::hostkey::{self, HostPin};
use crate::remote::target::{HostKeys, Identity, Jump, Target};
use crate::remote::transport::Transport;
use crate::request::{self, Place, Request};
use crate::words::error::Error;

/// The way to where a request is carried out: none but this machine's own, or a connection.
pub async fn transport(request: &Request) -> Result<Transport, Error> {
    match &request.place {
        Place::Here => Ok(Transport::Here),
        Place::Server(asked) => Transport::there(target(asked)?).await,
    }
}

/// The server that a request names.
pub fn target(asked: &request::Target) -> Result<Target, Error> {
    let mut target = Target::new(
        asked.host.clone(),
        asked.user.clone(),
        identity(&asked.identity),
        host_keys(&asked.host_keys)?,
    )?;
    target.port = asked.port;
    target.jump = asked.jump_host.as_ref().map(|jump| Jump {
        user: jump.user.clone().unwrap_or_else(|| asked.user.clone()),
        host: jump.host.clone(),
        port: jump.port,
    });
    Ok(target)
}

fn identity(asked: &request::Identity) -> Identity {
    match asked {
        request::Identity::Key { text, passphrase } => Identity::Key {
            key: text.clone(),
            passphrase: passphrase.clone(),
        },
        request::Identity::Own => Identity::Own,
    }
}

fn host_keys(asked: &request::HostKeys) -> Result<HostKeys, Error> {
    match asked {
        request::HostKeys::Own => Ok(HostKeys::Own),
        request::HostKeys::Pinned(keys) => pins(keys).map(HostKeys::Pinned),
    }
}

fn pins(keys: &[request::HostKey]) -> Result<Vec<HostPin>, Error> {
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let lines: Vec<String> = keys.iter().map(ToString::to_string).collect();
    hostkey::parse(&lines.join("\n")).map_err(Error::Input)
}
