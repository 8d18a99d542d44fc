//! Looks for what would make a deployment fail, and says how to mend it.
//!
//! The first questions are the shell's, so that it can answer where the agent could not even be
//! placed. It mends nothing itself; asked to, it installs recovery at boot.

mod questions;

use std::time::Duration;

use rustix::process::geteuid;
use serde::Serialize;

use crate::face::cli::Show;
use crate::face::errand::Errand;
use crate::face::operator::{self, print};
use crate::face::target;
use crate::files::tree::whose;
use crate::output::escaped::Escaped;
use crate::output::json;
use crate::output::paint::{Paint, Tone};
use crate::remote::role;
use crate::remote::transport::Ended;
use crate::request::Request;
use crate::words::error::{Error, exit};
use questions::{ADVICE, questions};

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

/// What is to be installed before the look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Install {
    /// Nothing.
    Nothing,
    /// Recovery at boot.
    AtBoot,
}

/// Examines a server; exit code 0 when nothing was found.
pub async fn examine(
    request: &Request,
    install: Install,
    show: Show,
    paint: Paint,
) -> Result<u8, Error> {
    let reader = request.reader();
    let installed = match install {
        Install::Nothing => None,
        Install::AtBoot => Some(at_boot(request).await?),
    };
    let transport = target::transport(request).await?;
    let mut findings: Vec<Finding> = installed.into_iter().collect();
    for (what, script, mend) in questions(&request.site, &user(request), &|words| {
        reader.command(words)
    }) {
        let script = role::script(&request.site, request.sudo, &script);
        let output = transport.run(&script, b"", LOOK).await?;
        let is_advice = output.ended == Ended::Exited(ADVICE);
        let well = output.is_success() || is_advice;
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
            mend: if output.is_success() {
                String::new()
            } else {
                mend
            },
        });
    }
    transport.hang_up().await;
    match show {
        Show::Json => print(&json::pretty(&findings).unwrap_or_default()),
        Show::Text => print(&page(&findings, paint)),
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
        Err(Error::Agent(failure)) => {
            let mend = request.reader().completed(&failure.hints.join("; "));
            (false, failure.to_string(), mend)
        }
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

/// Whom the questions are about: the user who was asked for, or who is here.
fn user(request: &Request) -> String {
    match request.target() {
        Some(target) => target.user.clone(),
        None => whose::user(geteuid().as_raw()),
    }
}

fn page(findings: &[Finding], paint: Paint) -> String {
    let lines = findings.iter().map(|f| {
        let (word, tone) = match (f.well, f.mend.as_str()) {
            (true, "") => ("ok", Tone::Good),
            (true, _) => ("advice", Tone::Caution),
            (false, _) => ("failed", Tone::Bad),
        };
        let line = Escaped::line(&format!("{:<17} {}", f.what, f.seen));
        let line = line.led_by(word, paint, tone);
        match f.mend.as_str() {
            "" => line.to_string(),
            mend => format!("{line}\n{:<8}{:<17} → {mend}", "", ""),
        }
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::remote::transport::Transport;
    use crate::words::plan::{Site, sample};

    fn question(site: &Site, of: &str) -> String {
        let all = questions(site, "deploy", &str::to_owned).into_iter();
        let found = all.into_iter().find(|(what, ..)| *what == of);
        found.unwrap().1
    }

    async fn answer(script: &str) -> (Ended, String) {
        let output = Transport::Here.run(script, b"", LOOK).await.unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        (output.ended, said.trim().to_owned())
    }

    #[tokio::test]
    async fn the_disk_that_is_looked_at_is_that_of_the_backups_or_of_what_is_there_of_the_way() {
        let dir = tempfile::tempdir().unwrap();
        let mut site = sample::deploy().site;
        site.backup_dir = dir.path().join("not/yet");
        let (ended, said) = answer(&question(&site, "disk of backups")).await;
        assert_ne!(ended, Ended::Killed);
        assert!(
            said.ends_with(&format!("MB free at {}", dir.path().display())),
            "{said}"
        );
        site.backup_dir = "/proc/1".into();
        let (_, said) = answer(&question(&site, "disk of backups")).await;
        assert_eq!(said, "0 MB free at /proc/1");
    }

    /// What is told of `sshd`, from what it says itself.
    async fn of_sshd(settings: &str) -> (Ended, String) {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let sshd = dir.path().join("sshd");
        std::fs::write(&sshd, format!("#!/bin/sh\nprintf '{settings}'\n")).unwrap();
        std::fs::set_permissions(&sshd, std::fs::Permissions::from_mode(0o755)).unwrap();
        let script = question(&sample::deploy().site, "sshd");
        let path = format!("PATH={}:$PATH; {script}", dir.path().display());
        answer(&path).await
    }

    #[tokio::test]
    async fn settings_of_sshd_are_told_and_advised_upon_where_they_let_others_in_or_runners_wait() {
        let tight =
            "port 2222\\nmaxstartups 10:30:100\\npermitrootlogin no\\npasswordauthentication no\\n";
        let told =
            "port 2222, maxstartups 10:30:100, permitrootlogin no, passwordauthentication no";
        assert_eq!(of_sshd(tight).await, (Ended::Exited(0), told.to_owned()));
        for (was, is) in [
            ("passwordauthentication no", "passwordauthentication yes"),
            ("permitrootlogin no", "permitrootlogin yes"),
            ("maxstartups 10", "maxstartups 3"),
        ] {
            let (ended, said) = of_sshd(&tight.replace(was, is)).await;
            assert_eq!(ended, Ended::Exited(ADVICE), "{said}");
        }
        let in_files = "# a comment\\nPort 22\\nMatch User x\\nPasswordAuthentication yes\\n";
        let (ended, said) = of_sshd(in_files).await;
        assert_eq!(ended, Ended::Exited(0), "{said}");
        assert!(
            said.contains("passwordauthentication as by default"),
            "{said}"
        );
    }

    #[tokio::test]
    async fn the_user_is_the_one_who_was_asked_for_whoever_typed_it() {
        let script = question(&sample::deploy().site, "rights");
        let (_, said) = answer(&format!("SUDO_USER=ada; export SUDO_USER; {script}")).await;
        assert!(!said.contains("ada"), "{said}");
        let mends: String = questions(&sample::deploy().site, "deploy", &str::to_owned)
            .into_iter()
            .map(|(_, _, mend)| mend)
            .collect();
        assert!(mends.contains("sudo usermod -aG docker deploy"), "{mends}");
        assert!(!mends.contains("<user>"), "{mends}");
    }

    /// What the question after the compose file is answered in a directory, by a Compose that
    /// says how it was called and refuses it.
    async fn asked(site: &Site, tools: &std::path::Path) -> (bool, String) {
        let script = question(site, "compose file");
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
        let page = page(&[finding], Paint::Off);
        assert!(!page.contains(|c: char| c.is_control()), "{page:?}");
        assert!(!page.contains("##["), "{page:?}");
    }
}
