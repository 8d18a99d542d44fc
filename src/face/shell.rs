//! What the shell is asked where the agent is not: Compose, called as the site wants it.
//!
//! It refuses to know what the answers mean.

use std::time::Duration;

use crate::face::target;
use crate::host::compose::surroundings;
use crate::remote::role;
use crate::request::Request;
use crate::words::error::Error;
use crate::words::event::Failure;
use crate::words::plan::Site;
use crate::words::shell::{path, word};

/// How long a look may take.
const LOOK: Duration = Duration::from_secs(30);

/// The lines that a script of shell prints on the server, as the role that deploys.
pub async fn lines(request: &Request, script: &str) -> Result<Vec<String>, Error> {
    let transport = target::transport(request).await?;
    let script = role::script(&request.site, request.sudo, script);
    let output = transport.run(&script, b"", LOOK).await?;
    transport.hang_up().await;
    if !output.is_success() {
        let (dir, name) = (request.site.deploy_dir.display(), transport.name());
        let failure = Failure::new(format!("`{dir}` cannot be looked at on {name}"));
        let complaints = output.complaints();
        return Err(Error::Connect(
            complaints.iter().fold(failure, Failure::because),
        ));
    }
    let text = String::from_utf8_lossy(&output.stdout);
    Ok(text.lines().map(ToOwned::to_owned).collect())
}

/// Goes into the deploy directory, and says where and who that is.
#[must_use]
pub fn entered(site: &Site) -> String {
    let dir = path(&site.deploy_dir);
    format!(
        "cd {dir} || exit 1; \
         echo \"On the server: $(uname -sm), user ${{SUDO_USER:-$(id -un)}}${{SUDO_USER:+, with sudo}}\""
    )
}

/// Makes a shell's function `compose` of the Compose that is there, for the site's project.
#[must_use]
pub fn compose(site: &Site) -> String {
    let mut words = String::new();
    if let Some(name) = &site.project_name {
        words = format!(" -p {}", word(name));
    }
    for file in &site.compose_files {
        words = format!("{words} -f {}", word(file));
    }
    format!(
        "if docker compose version >/dev/null 2>&1; then compose() {{ docker compose{words} \"$@\"; }}; \
         else compose() {{ docker-compose{words} \"$@\"; }}; fi"
    )
}

/// A condition: none of the site's compose files is in the directory that the shell is in.
#[must_use]
pub fn no_compose_file(site: &Site) -> String {
    let named = site.compose_files.iter().map(String::as_str);
    let files: Vec<&str> = if site.compose_files.is_empty() {
        surroundings::TWO.to_vec()
    } else {
        named.collect()
    };
    let absent = files.iter().map(|file| format!("! test -e {}", word(file)));
    absent.collect::<Vec<_>>().join(" && ")
}
