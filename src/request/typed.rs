//! Who reads what is told of a request: whoever typed it, or whoever reads a workflow's log.
//!
//! It refuses to know which commands they are told.

use std::fmt::Write as _;

use super::{JumpHost, Place, Request, Sudo, Target, this_program};
use crate::words::reader::Reader;
use crate::words::shell::word;

impl Request {
    /// Whoever typed the request.
    #[must_use]
    pub fn reader(&self) -> Reader {
        self.typed_as(this_program::name())
    }

    fn typed_as(&self, program: String) -> Reader {
        let Place::Server(target) = &self.place else {
            return Reader::on_server(program, &self.site);
        };
        let sudo = match self.sudo {
            Sudo::Auto => "",
            Sudo::Always => " --sudo always",
            Sudo::Never => " --sudo never",
        };
        let server = format!("{}{sudo}", server(target));
        Reader::elsewhere(program, &server, &self.site)
    }
}

/// The flags that lead to a server.
fn server(target: &Target) -> String {
    let (host, user) = (word(&target.host), word(&target.user));
    let mut flags = format!(" --host {host} --user {user}");
    if target.port != 22 {
        let _ = write!(flags, " --port {}", target.port);
    }
    if let Some(JumpHost { user, host, port }) = &target.jump_host {
        let user = user.iter().map(|user| format!("{user}@"));
        let host = if host.contains(':') {
            format!("[{host}]")
        } else {
            host.clone()
        };
        let jump = format!("{}{host}:{port}", user.collect::<String>());
        let _ = write!(flags, " --jump-host {}", word(&jump));
    }
    flags
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
            .typed_as("landfall".into())
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
            ("jump_host", "gate@gate.example.org"),
            ("sudo", "always"),
        ];
        assert_eq!(
            command(&all),
            "landfall thaw --host example.org --user deploy --port 2222 --jump-host gate@gate.example.org:22 --sudo always --deploy-dir '/opt/my app' --backup-dir /mnt/backups --project-name shop"
        );
    }
}
