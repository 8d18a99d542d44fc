//! A command of this program about the place that a request names, as it is typed where the request
//! was.
//!
//! It refuses to know what the command does. A key that was given by a file is not told: whoever typed
//! its name once can do so again.

use std::fmt::Write as _;

use super::{Place, Request};
use crate::shell::{path, word};

impl Request {
    /// `landfall WORDS` with the flags that lead to the same place.
    #[must_use]
    pub fn command(&self, words: &str) -> String {
        let mut command = format!("landfall {words}");
        if let Place::Server(target) = &self.place {
            let (host, user) = (word(&target.host), word(&target.user));
            let _ = write!(command, " --host {host} --user {user}");
            if target.port != 22 {
                let _ = write!(command, " --port {}", target.port);
            }
        }
        let site = &self.site;
        let _ = write!(command, " --deploy-dir {}", path(&site.deploy_dir));
        let mut usual = site.deploy_dir.clone().into_os_string();
        usual.push("-backups");
        if site.backup_dir.as_os_str() != usual {
            let _ = write!(command, " --backup-dir {}", path(&site.backup_dir));
        }
        if let Some(name) = &site.project_name {
            let _ = write!(command, " --project-name {}", word(name));
        }
        command
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::path::Path;

    use super::super::{Caller, Raw};
    use super::*;

    fn command(inputs: &[(&str, &str)]) -> String {
        let mut raw = Raw::default();
        for (name, value) in inputs
            .iter()
            .chain(&[("mode", "status"), ("deploy_dir", "/opt/my app")])
        {
            (*value).clone_into(raw.slot(name).unwrap());
        }
        let request = Request::check(&raw, Caller::Operator, Path::new("."), Vec::new());
        request
            .unwrap_or_else(|faults| panic!("{:?}", faults.all))
            .command("thaw")
    }

    #[test]
    fn a_command_leads_to_the_place_that_was_asked_about() {
        assert_eq!(command(&[]), "landfall thaw --deploy-dir '/opt/my app'");
        let all = [
            ("host", "example.org"),
            ("user", "deploy"),
            ("port", "2222"),
            ("backup_dir", "/mnt/backups"),
            ("project_name", "shop"),
        ];
        assert_eq!(
            command(&all),
            "landfall thaw --host example.org --user deploy --port 2222 --deploy-dir '/opt/my app' --backup-dir /mnt/backups --project-name shop"
        );
    }
}
