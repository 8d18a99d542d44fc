//! Looks at a server as whom the agent would act there, before or without placing it.
//!
//! The decision is that of the probe, except that nothing is made to find out. It refuses to know
//! what is looked at.

use super::agent::state_dir;
use super::shell::ROLE;
use crate::words::choices::Sudo;
use crate::words::plan::Site;
use crate::words::shell;

/// The line that carries out a script which only reads, as the user or through sudo.
#[must_use]
pub fn script(site: &Site, sudo: Sudo, script: &str) -> String {
    let state = state_dir(site);
    let (state, deploy) = (state.to_string_lossy(), site.deploy_dir.to_string_lossy());
    let words = ["sh", "-c", &**ROLE, "sh", &*state, &*deploy];
    shell::words(words.into_iter().chain([sudo.word(), script]))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::transport::Transport;
    use super::*;
    use crate::words::plan::sample;
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;
    use std::time::Duration;

    /// What `id -u` says to user 1000, who may or may not use sudo, and whether it went well.
    async fn user(site: &Site, sudo: Sudo, has_sudo: bool) -> (String, bool) {
        let tools = tempfile::tempdir().unwrap();
        let tool = |name: &str, text: &str| {
            let path = tools.path().join(name);
            std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
        };
        tool("id", r#"[ -n "$ROOT" ] && echo 0 || echo 1000"#);
        let sudoer = r#"[ "$1" = -n ] || exit 1; shift; [ "$1" = -- ] && shift; ROOT=1 exec "$@""#;
        tool("sudo", if has_sudo { sudoer } else { "exit 1" });
        let path = tools.path().display();
        let script = format!("PATH={path}:$PATH; {}", script(site, sudo, "id -u"));
        assert!(!script.contains('\n'), "some login shells take one line");
        let output = Transport::Here
            .run(&script, b"", Duration::from_secs(10))
            .await
            .unwrap();
        let said = [&*output.stdout, &*output.stderr].concat();
        let said = String::from_utf8(said).unwrap();
        (said.trim().to_owned(), output.is_success())
    }

    fn site(deploy: &Path, backups: &Path) -> Site {
        Site {
            deploy_dir: deploy.to_owned(),
            backup_dir: backups.to_owned(),
            ..sample::deploy().site
        }
    }

    #[tokio::test]
    async fn a_look_without_the_agent_has_the_rights_that_the_agent_would_have() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        std::fs::write(&file, b"").unwrap();
        let unmakeable = site(dir.path(), &file);
        let refused = "sudo asks for a password, or refuses";
        for (sudo, has_sudo, told, well) in [
            (Sudo::Auto, true, "0", true),
            (Sudo::Always, true, "0", true),
            (Sudo::Never, true, "1000", true),
            (Sudo::Auto, false, "1000", true),
            (Sudo::Always, false, refused, false),
        ] {
            let answer = user(&unmakeable, sudo, has_sudo).await;
            assert_eq!(answer, (told.to_owned(), well), "{sudo:?} {has_sudo}");
        }
    }

    #[tokio::test]
    async fn a_look_without_the_agent_makes_nothing_on_the_server() {
        let dir = tempfile::tempdir().unwrap();
        let backups = dir.path().join("it's a place/backups");
        user(&site(dir.path(), &backups), Sudo::Auto, true).await;
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
