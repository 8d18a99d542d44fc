//! What the shell is asked where the agent is not: Compose, called as the site wants it.
//!
//! It refuses to know what the answers mean.

use crate::plan::Site;
use crate::shell::word;

/// Where Compose itself looks for its file.
const FOUND: [&str; 4] = [
    "compose.yaml",
    "compose.yml",
    "docker-compose.yml",
    "docker-compose.yaml",
];

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
        FOUND.to_vec()
    } else {
        named.collect()
    };
    let absent = files.iter().map(|file| format!("! test -e {}", word(file)));
    absent.collect::<Vec<_>>().join(" && ")
}
