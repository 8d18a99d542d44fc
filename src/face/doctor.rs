//! Looks for what would make a deployment fail, and says how to mend it.
//!
//! The first questions are the shell's, so that it can answer where the agent could not even be
//! placed. It mends nothing itself; asked to, it installs recovery at boot.

use std::time::Duration;

use serde::Serialize;

use crate::error::{Error, exit};
use crate::face::cli::Show;
use crate::face::errand::Errand;
use crate::face::operator::{self, print};
use crate::face::{drive, shell, target};
use crate::host::boot;
use crate::output::escaped::Escaped;
use crate::output::json;
use crate::plan::Site;
use crate::remote::role;
use crate::request::Request;
use crate::shell::word;

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
    let transport = target::transport(request).await?;
    let mut findings: Vec<Finding> = installed.into_iter().collect();
    for (what, script, mend) in questions(&request.site) {
        let script = role::script(&request.site, drive::sudo(request), &script);
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
    let (well, seen, mend) = match operator::ask(request, Errand::Install, &[]).await {
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
    let (d, b) = (word(&dir), word(&backups));
    let parent = word(
        &site
            .backup_dir
            .parent()
            .map(|p| p.display().to_string())
            .unwrap_or_default(),
    );
    let ask = |what, script: String, mend: String| (what, script, mend);
    vec![
        ask("system", "uname -sm; test \"$(uname -s)\" = Linux".into(), "Landfall deploys to Linux alone".into()),
        ask("rights", "echo \"user ${SUDO_USER:-$(id -un)}${SUDO_USER:+, with sudo}\"".into(),
            "give this user sudo without a password, or set `sudo: auto`".into()),
        ask("docker", "docker version --format '{{.Server.Version}}'".into(),
            "install Docker, start it, or let this user use it: `sudo usermod -aG docker <user>`; or give this user sudo without a password, and leave `sudo` at `auto`".into()),
        ask("compose", "docker compose version --short 2>/dev/null || docker-compose version --short".into(),
            "install it: `sudo apt-get install docker-compose-plugin`".into()),
        ask("deploy directory", format!("test -d {d} && test -w {d} && echo {d}"),
            format!("make it for this user: `sudo install -d -o <user> {dir}`")),
        ask("backup directory", format!("{{ test -d {b} && test -w {b}; }} || {{ ! test -e {b} && test -w {parent}; }} && echo {b}"),
            format!("make it for this user: `sudo install -d -o <user> -m 750 {backups}`, or set `backup_dir`")),
        ask("compose file", compose_file(site, &d, &b),
            "run `docker compose config` in the deploy directory; it names the line".into()),
        ask("disk space", format!("df -Pk {d} | awk 'NR==2 {{ print int($4/1024) \" MB free\"; exit ($4 < 524288) }}'"),
            "free disk space: `docker system df`, `docker image prune`".into()),
        ask("after a reboot", recovery(site), "let systemd settle interrupted runs at boot: `landfall doctor --install`".into()),
        ask("freeze", format!("test ! -e {b}/.landfall/frozen.json && echo none"),
            "a person froze deployments; `landfall status` tells why, `landfall thaw` ends it".into()),
    ]
}

/// Whether Compose takes the configuration; before a first deployment there may be none to take.
fn compose_file(site: &Site, dir: &str, backups: &str) -> String {
    let (compose, none) = (shell::compose(site), shell::no_compose_file(site));
    let first = format!("! ls {backups} 2>/dev/null | grep -q 'backup-.*[.]tar[.]gz$'");
    format!(
        "cd {dir} || exit 1; if {none} && {{ test -z \"$(ls -A)\" || {first}; }}; \
         then echo 'none yet; `files` brings it'; exit 0; fi; \
         {compose}; compose config -q && echo valid"
    )
}

/// A server without systemd, or whose user may install nothing, is as well as it can be.
fn recovery(site: &Site) -> String {
    let unit = word(&boot::unit_name(&site.deploy_dir));
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
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::plan::sample;
    use crate::remote::transport::Transport;

    /// What the question after the compose file is answered in a directory, by a Compose that
    /// says how it was called and refuses it.
    async fn asked(site: &Site, tools: &std::path::Path) -> (bool, String) {
        let (_, script, _) = questions(site)
            .into_iter()
            .find(|(what, ..)| *what == "compose file")
            .unwrap();
        let script = format!("PATH={}:$PATH; {script}", tools.display());
        let output = Transport::Here.run(&script, b"", LOOK).await.unwrap();
        let said = [&*output.stdout, &*output.stderr].concat();
        (output.is_success(), String::from_utf8(said).unwrap())
    }

    #[tokio::test]
    async fn the_compose_file_is_asked_for_as_the_site_names_it_and_may_come_with_the_first_deployment()
     {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let docker = dir.path().join("docker");
        let text = "#!/bin/sh\n[ \"$2\" = version ] || { echo \"$@\" >&2; exit 1; }\n";
        std::fs::write(&docker, text).unwrap();
        std::fs::set_permissions(&docker, std::fs::Permissions::from_mode(0o755)).unwrap();
        let mut site = sample::deploy().site;
        site.deploy_dir = dir.path().join("app");
        site.backup_dir = dir.path().join("backups");
        std::fs::create_dir(&site.deploy_dir).unwrap();
        let none = (true, "none yet; `files` brings it\n".to_owned());
        assert_eq!(asked(&site, dir.path()).await, none);
        std::fs::write(site.deploy_dir.join("compose.yml"), b"").unwrap();
        let refused = (false, "compose config -q\n".to_owned());
        assert_eq!(asked(&site, dir.path()).await, refused);
        site.compose_files = vec!["b.yml".into()];
        site.project_name = Some("it".into());
        assert_eq!(asked(&site, dir.path()).await, none);
        std::fs::create_dir(&site.backup_dir).unwrap();
        std::fs::write(site.backup_dir.join("app-backup-1.tar.gz"), b"").unwrap();
        let refused = (false, "compose -p it -f b.yml config -q\n".to_owned());
        assert_eq!(asked(&site, dir.path()).await, refused);
    }

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
