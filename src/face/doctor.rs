//! Looks for what would make a deployment fail, and says how to mend it.
//!
//! The first questions are the shell's, so that it can answer where the agent could not even be
//! placed. It mends nothing itself; asked to, it installs recovery at boot.

use std::time::Duration;

use serde::Serialize;

use crate::error::{Error, exit};
use crate::face::cli::Show;
use crate::face::operator::{self, print};
use crate::face::target::target;
use crate::host::boot;
use crate::output::escaped::Escaped;
use crate::output::json;
use crate::plan::Site;
use crate::remote::transport::{Transport, quote};
use crate::request::{Place, Request};

const LOOK: Duration = Duration::from_mins(1);

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Finding {
    /// What was looked at.
    what: &'static str,
    /// Whether it is as it should be.
    well: bool,
    /// What was seen.
    seen: String,
    /// What mends it.
    mend: String,
}

/// A question: its name, the shell that answers it, and what to do when it says no.
type Question = (&'static str, String, String);

/// What is to be installed before the look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Install {
    /// Nothing.
    Nothing,
    /// Recovery at boot.
    AtBoot,
}

/// Examines a server; exit code 0 when nothing was found.
pub async fn examine(request: &Request, install: Install, show: Show) -> Result<u8, Error> {
    let installed = match install {
        Install::Nothing => None,
        Install::AtBoot => Some(at_boot(request).await?),
    };
    let transport = match &request.place {
        Place::Here => Transport::Here,
        Place::Server(asked) => Transport::there(target(asked)?).await?,
    };
    let mut findings: Vec<Finding> = installed.into_iter().collect();
    for (what, script, mend) in questions(&request.site) {
        let output = transport.run(&script, b"", LOOK).await?;
        let well = output.is_success();
        let text = if well { &output.stdout } else { &output.stderr };
        let seen = String::from_utf8_lossy(text);
        findings.push(Finding {
            what,
            well,
            seen: seen
                .lines()
                .next_back()
                .unwrap_or_default()
                .trim()
                .to_owned(),
            mend: if well { String::new() } else { mend },
        });
    }
    transport.hang_up().await;
    match show {
        Show::Json => print(&json::pretty(&findings).unwrap_or_default()),
        Show::Text => print(&page(&findings)),
    }
    let well = findings.iter().all(|f| f.well);
    Ok(if well { exit::OK } else { exit::REFUSED })
}

/// Installs recovery at boot; a server that will not have it is no fault of the deployment's.
async fn at_boot(request: &Request) -> Result<Finding, Error> {
    let (well, seen, mend) = match operator::ask(request, "install", &[]).await {
        Ok(lines) => {
            let lines: Vec<String> = serde_json::from_value(lines).unwrap_or_default();
            (true, lines.join("; "), String::new())
        }
        Err(Error::Agent(failure)) => (false, failure.to_string(), failure.hints.join("; ")),
        Err(error) => return Err(error),
    };
    let what = "installation";
    Ok(Finding {
        what,
        well,
        seen,
        mend,
    })
}

fn questions(site: &Site) -> Vec<Question> {
    let dir = site.deploy_dir.display().to_string();
    let backups = site.backup_dir.display().to_string();
    let (d, b) = (quote(&dir), quote(&backups));
    let parent = quote(
        &site
            .backup_dir
            .parent()
            .map(|p| p.display().to_string())
            .unwrap_or_default(),
    );
    let ask = |what, script: String, mend: String| (what, script, mend);
    vec![
        ask("system", "uname -sm; test \"$(uname -s)\" = Linux".into(), "Landfall deploys to Linux alone".into()),
        ask("docker", "docker version --format '{{.Server.Version}}'".into(),
            "install Docker, start it, or let this user use it: `sudo usermod -aG docker <user>`; `sudo: auto` helps where sudo needs no password".into()),
        ask("compose", "docker compose version --short 2>/dev/null || docker-compose version --short".into(),
            "install it: `sudo apt-get install docker-compose-plugin`".into()),
        ask("deploy directory", format!("test -d {d} && test -w {d} && echo {d}"),
            format!("make it for this user: `sudo mkdir -p {dir} && sudo chown <user> {dir}`")),
        ask("backup directory", format!("{{ test -d {b} && test -w {b}; }} || {{ ! test -e {b} && test -w {parent}; }} && echo {b}"),
            format!("make it for this user: `sudo mkdir -p {backups} && sudo chown <user> {backups}`, or set `backup_dir`")),
        ask("compose file", format!("cd {d} && {{ docker compose config -q || docker-compose config -q; }} && echo valid"),
            "run `docker compose config` in the deploy directory; it names the line. Before a first deployment there may be none".into()),
        ask("disk space", format!("df -Pk {d} | awk 'NR==2 {{ print int($4/1024) \" MB free\"; exit ($4 < 524288) }}'"),
            "free disk space: `docker system df`, `docker image prune`".into()),
        ask("after a reboot", recovery(site), "let systemd settle interrupted runs at boot: `landfall doctor --install`".into()),
        ask("freeze", format!("test ! -e {b}/.landfall/frozen.json && echo none"),
            "a person froze deployments; `landfall status` tells why, `landfall thaw` ends it".into()),
    ]
}

/// A server without systemd, or whose user may install nothing, is as well as it can be.
fn recovery(site: &Site) -> String {
    let unit = quote(&boot::unit_name(&site.deploy_dir));
    format!(
        "if test ! -d /run/systemd/system; then echo 'settled at the next contact: there is no systemd'; \
         elif test -L /etc/systemd/system/multi-user.target.wants/{unit}; then echo 'settled at boot'; \
         else echo 'settled at the next contact, not at boot: `landfall doctor --install` mends that'; fi"
    )
}

fn page(findings: &[Finding]) -> String {
    let lines = findings.iter().map(|f| {
        let mark = if f.well { "well" } else { "ILL " };
        let line = format!("{mark}  {:<17} {}", f.what, Escaped::line(&f.seen));
        match f.mend.as_str() {
            "" => line,
            mend => format!("{line}\n      {:<17} → {mend}", ""),
        }
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_prints_can_colour_and_command_nothing() {
        let finding = Finding {
            what: "docker",
            well: false,
            seen: "\u{1b}]0;title\u{7}\u{1b}[31mred\r::error::no ##[error]no".into(),
            mend: String::new(),
        };
        let page = page(&[finding]);
        assert!(!page.contains(|c: char| c.is_control()), "{page:?}");
        assert!(!page.contains("##["), "{page:?}");
    }
}
