//! Which engine: the one that `docker` and Compose would use here, asked once for everybody.
//!
//! Docker's own order: `DOCKER_HOST`, `DOCKER_CONTEXT`, the context that `docker context use` noted,
//! the system's socket. Commands are given the answer, so that nobody acts on one engine and looks at
//! another. It refuses to know what an engine says.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::files::foreign;
use crate::words::Result;
use crate::words::event::Failure;

/// Where the engine listens unless somebody says otherwise.
const SYSTEM: &str = "/var/run/docker.sock";
/// The longest description of a context, and of the command's settings, that is read.
const LONGEST: u64 = 1024 * 1024;

/// An engine's socket, and who says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// The socket's path.
    pub socket: String,
    /// Who says so, for a sentence; none for the system's own.
    pub said_by: Option<String>,
}

impl Endpoint {
    /// `/var/run/docker.sock`, or `/run/user/1000/docker.sock (docker context rootless)`.
    #[must_use]
    pub fn shown(&self) -> String {
        match &self.said_by {
            None => format!("`{}`", self.socket),
            Some(by) => format!("`{}` ({by})", self.socket),
        }
    }
}

/// The engine of this process, found at the first question.
pub fn endpoint() -> Result<Endpoint> {
    static FOUND: OnceLock<Result<Endpoint>> = OnceLock::new();
    let find = || choose(&|name| std::env::var(name).ok().filter(|v| !v.is_empty()));
    FOUND.get_or_init(find).clone()
}

/// The variables that decide about the engine.
const DECIDE: [&str; 4] = [
    "DOCKER_HOST",
    "DOCKER_CONTEXT",
    "DOCKER_CERT_PATH",
    "DOCKER_TLS_VERIFY",
];

/// Says whether a command must not be left with this variable as it is.
#[must_use]
pub fn decides(name: &str) -> bool {
    DECIDE.contains(&name)
}

/// What a command is given instead; nothing where no engine can be reached.
#[must_use]
pub fn pinned() -> Option<(&'static str, String)> {
    let found = endpoint().ok()?;
    Some(("DOCKER_HOST", format!("unix://{}", found.socket)))
}

type Var<'a> = &'a dyn Fn(&str) -> Option<String>;

fn choose(var: Var) -> Result<Endpoint> {
    if let Some(address) = var("DOCKER_HOST") {
        return at(&address, "`DOCKER_HOST`".into());
    }
    let (name, by) = match var("DOCKER_CONTEXT") {
        Some(name) => (Some(name), "`DOCKER_CONTEXT`"),
        None => (current(var), "`docker context use`"),
    };
    match name.filter(|name| name != "default") {
        None => Ok(Endpoint {
            socket: SYSTEM.into(),
            said_by: None,
        }),
        Some(name) => {
            let address = address_of(&name, var).map_err(|f| f.because(format!("{by} says so")))?;
            at(&address, format!("docker context `{name}`, {by}"))
        }
    }
}

/// The directory of the `docker` command's settings.
fn settings(var: Var) -> Option<PathBuf> {
    let given = var("DOCKER_CONFIG").map(PathBuf::from);
    given.or_else(|| Some(PathBuf::from(var("HOME")?).join(".docker")))
}

fn read(path: &Path) -> Option<Value> {
    serde_json::from_str(&foreign::text(path, LONGEST).ok()?).ok()
}

fn current(var: Var) -> Option<String> {
    let settings = read(&settings(var)?.join("config.json"))?;
    let name = settings.get("currentContext")?.as_str()?;
    (!name.is_empty()).then(|| name.to_owned())
}

/// What a context's description says; Docker keeps it under the digest of the context's name.
fn address_of(name: &str, var: Var) -> Result<String> {
    let missing = || {
        Failure::new(format!("there is no docker context `{name}` on the server"))
            .hint("see `docker context ls` there, and choose one: `docker context use default`")
    };
    let meta = settings(var).ok_or_else(missing)?;
    let meta = meta.join("contexts/meta").join(id_of(name));
    let meta = read(&meta.join("meta.json")).ok_or_else(missing)?;
    let host = meta.pointer("/Endpoints/docker/Host");
    let host = host.and_then(Value::as_str).ok_or_else(missing)?;
    Ok(host.to_owned())
}

fn id_of(name: &str) -> String {
    let mut id = String::new();
    for byte in Sha256::digest(name.as_bytes()) {
        let _ = write!(id, "{byte:02x}");
    }
    id
}

/// An engine elsewhere has neither the deploy directory nor its data.
fn at(address: &str, by: String) -> Result<Endpoint> {
    let path = address
        .strip_prefix("unix://")
        .filter(|p| p.starts_with('/'));
    if let Some(path) = path {
        return Ok(Endpoint {
            socket: path.to_owned(),
            said_by: Some(by),
        });
    }
    // What stands before an `@` may be a password.
    let shown = address.rsplit('@').next().unwrap_or_default();
    Err(
        Failure::new(format!("the engine at `{shown}` cannot be reached"))
            .because(format!("{by} says so"))
            .because("Landfall deploys to the engine of its own server, through a socket: the deploy directory and its data are there")
            .hint("connect to that engine's server with `host`, or let the server use its own: `docker context use default`, and no `DOCKER_HOST`"),
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// Settings with one context and another in use.
    fn settings_with(context: &str, host: &str, used: &str) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let meta = dir.path().join("contexts/meta").join(id_of(context));
        std::fs::create_dir_all(&meta).unwrap();
        let text = format!(
            r#"{{"Name":"{context}","Metadata":{{}},"Endpoints":{{"docker":{{"Host":"{host}"}}}}}}"#
        );
        std::fs::write(meta.join("meta.json"), text).unwrap();
        let text = format!(r#"{{"auths":{{}},"currentContext":"{used}"}}"#);
        std::fs::write(dir.path().join("config.json"), text).unwrap();
        dir
    }

    #[track_caller]
    fn chosen(dir: &Path, given: &[(&str, &str)]) -> Result<String> {
        let var = |name: &str| {
            let given = given.iter().find(|(n, _)| *n == name);
            let config = (name == "DOCKER_CONFIG").then(|| dir.to_str().unwrap().to_owned());
            given.map(|(_, v)| (*v).to_owned()).or(config)
        };
        choose(&var).map(|e| e.shown())
    }

    const OWN: &str = "unix:///run/user/1000/docker.sock";

    #[test]
    fn the_engine_is_the_one_that_docker_itself_would_use() {
        let dir = settings_with("rootless", OWN, "rootless");
        let own = "`/run/user/1000/docker.sock`";
        for (given, wanted) in [
            (
                &[][..],
                format!("{own} (docker context `rootless`, `docker context use`)"),
            ),
            (
                &[("DOCKER_CONTEXT", "default")],
                "`/var/run/docker.sock`".into(),
            ),
            (
                &[("DOCKER_CONTEXT", "rootless")],
                format!("{own} (docker context `rootless`, `DOCKER_CONTEXT`)"),
            ),
            (
                &[
                    ("DOCKER_HOST", "unix:///x.sock"),
                    ("DOCKER_CONTEXT", "rootless"),
                ],
                "`/x.sock` (`DOCKER_HOST`)".into(),
            ),
        ] {
            assert_eq!(chosen(dir.path(), given).unwrap(), wanted, "{given:?}");
        }
        for used in ["", "default"] {
            let dir = settings_with("rootless", OWN, used);
            assert_eq!(chosen(dir.path(), &[]).unwrap(), "`/var/run/docker.sock`");
        }
    }

    #[test]
    fn settings_that_cannot_be_read_mean_the_systems_engine_as_for_docker() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(chosen(dir.path(), &[]).unwrap(), "`/var/run/docker.sock`");
        std::fs::write(dir.path().join("config.json"), "no JSON").unwrap();
        assert_eq!(chosen(dir.path(), &[]).unwrap(), "`/var/run/docker.sock`");
        assert_eq!(choose(&|_| None).unwrap().socket, SYSTEM);
    }

    #[test]
    fn an_engine_elsewhere_and_a_context_that_is_gone_are_refused_by_name() {
        let dir = settings_with("far", "ssh://root:hunter2@db-1", "far");
        let far = chosen(dir.path(), &[]).unwrap_err();
        assert_eq!(far.what, "the engine at `db-1` cannot be reached");
        assert!(!format!("{far:?}").contains("hunter2"));
        for address in ["tcp://10.0.0.1:2376", "10.0.0.1:2375", "unix://relative"] {
            let elsewhere = chosen(dir.path(), &[("DOCKER_HOST", address)]);
            let said = elsewhere.unwrap_err().to_string();
            assert!(said.contains("`DOCKER_HOST` says so"), "{said}");
        }
        let gone = chosen(dir.path(), &[("DOCKER_CONTEXT", "gone")]).unwrap_err();
        assert_eq!(gone.what, "there is no docker context `gone` on the server");
    }
}
