//! An agent for one look: it stands in a directory for temporary files for as long as that takes, and
//! is gone with it.
//!
//! Nothing of the application's or of Landfall's own is made or changed on the server for it. The
//! file refuses to know what is looked at.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::agent::{self, Agent};
use super::binary::Binaries;
use super::payload::Payload;
use super::probe::{Answer, Place};
use super::role;
use super::transport::{Output, Transport};
use crate::words::choices::Sudo;
use crate::words::error::Error;
use crate::words::event::Failure;
use crate::words::plan::Site;
use crate::words::shell::word;

/// How long finding a place may take, and giving it back.
const PLACE: Duration = Duration::from_mins(1);
/// How the one line of the answer begins.
const MARK: &str = "landfall\u{1f}lent";

/// An agent in a place that is not its own.
pub struct Borrowed {
    agent: Agent,
    site: Site,
    sudo: Sudo,
    place: String,
    /// Why a deployment could not have its own place on this server.
    pub refused: Option<Failure>,
}

/// What the server says of a place for the agent.
#[derive(Debug, Default, PartialEq, Eq)]
struct Lent {
    place: String,
    user: String,
    with_sudo: bool,
    has_deploy_dir: bool,
    /// What keeps the agent's own place from being made.
    closed: String,
}

impl Borrowed {
    /// Places the agent for a while, with the rights that it would have for good.
    pub async fn new(
        transport: Arc<Transport>,
        site: &Site,
        sudo: Sudo,
        binaries: &Binaries,
    ) -> Result<Self, Error> {
        let asked = role::script(site, sudo, &script(site, binaries));
        let output = transport.run(&asked, b"", PLACE).await?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let lent = text.lines().find_map(read);
        let Some(lent) = lent.filter(|_| output.is_success()) else {
            return Err(no_place(&output));
        };
        let as_whom = if lent.with_sudo {
            Sudo::Always
        } else {
            Sudo::Never
        };
        let there = Site {
            backup_dir: lent.place.clone().into(),
            ..site.clone()
        };
        let refused = lent.refusal(site);
        if !lent.has_deploy_dir {
            remove(&transport, site, sudo, &lent.place).await;
            let without = Failure::new("the deploy directory is not on the server");
            return Err(Error::Agent(refused.unwrap_or(without)));
        }
        match Agent::install(transport.clone(), &there, as_whom, binaries).await {
            Ok(agent) => Ok(Self {
                agent,
                site: site.clone(),
                sudo,
                place: lent.place,
                refused,
            }),
            Err(error) => {
                remove(&transport, site, sudo, &lent.place).await;
                Err(error)
            }
        }
    }

    /// Sends it for something with what a run would take along.
    pub async fn look(
        &self,
        what: &str,
        args: &[&str],
        payload: &Payload,
        deadline: Duration,
    ) -> Result<Value, Error> {
        let bytes = payload.bytes().await.map_err(Error::Local)?;
        self.agent.look_with(what, args, &bytes, deadline).await
    }

    /// Removes it from the server.
    pub async fn give_back(self) {
        remove(self.agent.transport(), &self.site, self.sudo, &self.place).await;
    }
}

/// Removes a place; where that fails, it lies among temporary files, which the server removes itself.
async fn remove(transport: &Transport, site: &Site, sudo: Sudo, place: &str) {
    let script = role::script(site, sudo, &format!("rm -rf {}", word(place)));
    let _ = transport.run(&script, b"", PLACE).await;
}

fn no_place(output: &Output) -> Error {
    Error::Agent(
        agent::failure("the server has no place for a look without a trace", output).hint(
            "let one of `/dev/shm`, `/tmp` and `/var/tmp` have room, and programs run from it",
        ),
    )
}

/// Finds a directory for temporary files that has room and lets programs run, and what a deployment
/// would find. An executable that is on the server already is not sent once more.
fn script(site: &Site, binaries: &Binaries) -> String {
    let all = binaries.all();
    let sizes = all
        .iter()
        .map(|(_, binary)| std::fs::metadata(&binary.path).map_or(0, |file| file.len() / 1024));
    let room = 2048 + sizes.max().unwrap_or_default();
    let state = agent::state_dir(site);
    let names: Vec<String> = all.iter().map(|(_, binary)| word(&binary.name())).collect();
    [
        "umask 077; p=".to_owned(),
        "for d in /dev/shm \"${TMPDIR:-/tmp}\" /tmp /var/tmp \"$HOME\"; do \
         { test -d \"$d\" && test -w \"$d\"; } || continue"
            .to_owned(),
        format!("test \"$(df -Pk \"$d\" 2>/dev/null | awk 'NR==2 {{ print $4 }}')\" -gt {room} || continue"),
        "p=$(mktemp -d \"$d/landfall-look.XXXXXXXXXX\") || { p=; continue; }".to_owned(),
        "printf '#!/bin/sh\\nexit 0\\n' > \"$p/try\"; chmod 700 \"$p/try\"".to_owned(),
        "if \"$p/try\" 2>/dev/null; then rm \"$p/try\"; break; fi; rm -rf \"$p\"; p=; done".to_owned(),
        "test -n \"$p\" || exit 1".to_owned(),
        format!("s={}", word(&state.to_string_lossy())),
        format!(
            "mkdir -p \"$p/.landfall/bin\"; for n in {}; do cp \"$s/bin/$n\" \"$p/.landfall/bin/\" 2>/dev/null; done",
            names.join(" ")
        ),
        format!(
            "w=no; if test -d {}; then w=yes; fi",
            word(&site.deploy_dir.to_string_lossy())
        ),
        "c=$s/bin; while ! test -e \"$c\" && ! test -L \"$c\"; do c=$(dirname \"$c\"); done; \
         if test -d \"$c\" && test -w \"$c\"; then c=; fi"
            .to_owned(),
        "printf 'landfall\\037lent\\037%s\\037%s\\037%s\\037%s\\037%s\\n' \"$p\" \
         \"${SUDO_USER:-$(id -un)}\" \"${SUDO_USER:+sudo}\" \"$w\" \"$c\""
            .to_owned(),
    ]
    .join("; ")
}

fn read(line: &str) -> Option<Lent> {
    let words = line.strip_prefix(MARK)?.strip_prefix('\u{1f}')?;
    let words: Vec<&str> = words.split('\u{1f}').collect();
    let [place, user, sudo, has_dir, closed] = words[..] else {
        return None;
    };
    Some(Lent {
        place: place.to_owned(),
        user: user.to_owned(),
        with_sudo: sudo == "sudo",
        has_deploy_dir: has_dir == "yes",
        closed: closed.to_owned(),
    })
}

impl Lent {
    /// What a deployment would say that finds no place for its agent.
    fn refusal(&self, site: &Site) -> Option<Failure> {
        let place = match (self.has_deploy_dir, self.closed.as_str()) {
            (false, _) => Place::Without,
            (true, "") => return None,
            (true, closed) => Place::Refused(format!("`{closed}` cannot be written")),
        };
        let answer = Answer {
            user: self.user.clone(),
            sudo: self.with_sudo.then_some(true),
            place,
            ..Answer::default()
        };
        agent::there(&answer, site, Sudo::Auto).err()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::path::Path;

    use super::*;
    use crate::words::plan::sample;

    async fn asked(deploy: &Path, backups: &Path) -> Lent {
        let mut site = sample::deploy().site;
        site.deploy_dir = deploy.to_owned();
        site.backup_dir = backups.to_owned();
        let script = role::script(
            &site,
            Sudo::Never,
            &script(&site, &Binaries::this().unwrap()),
        );
        assert!(!script.contains('\n'), "some login shells take one line");
        let output = Transport::Here.run(&script, b"", PLACE).await.unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines().find_map(read).unwrap()
    }

    #[tokio::test]
    async fn a_place_is_lent_and_nothing_is_made_where_landfall_has_its_own() {
        let dir = tempfile::tempdir().unwrap();
        let lent = asked(dir.path(), &dir.path().join("backups")).await;
        let place = Path::new(&lent.place);
        assert!(place.join(".landfall/bin").is_dir(), "{lent:?}");
        assert!(lent.has_deploy_dir && lent.closed.is_empty(), "{lent:?}");
        assert!(!lent.with_sudo);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
        std::fs::remove_dir_all(place).unwrap();
    }

    #[tokio::test]
    async fn what_would_keep_a_deployment_from_its_place_is_said_as_a_deployment_says_it() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        std::fs::write(&file, b"").unwrap();
        let site = sample::deploy().site;
        let lent = asked(dir.path(), &file).await;
        std::fs::remove_dir_all(&lent.place).unwrap();
        let told = lent.refusal(&site).unwrap().what;
        assert!(
            told.ends_with("cannot use the backup directory `/opt/mcp-backups`"),
            "{told}"
        );
        let lent = asked(&dir.path().join("none"), dir.path()).await;
        std::fs::remove_dir_all(&lent.place).unwrap();
        let told = lent.refusal(&site).unwrap().what;
        assert_eq!(told, "the deploy directory `/opt/mcp` is not on the server");
    }
}
