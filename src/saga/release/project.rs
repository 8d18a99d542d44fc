//! Which project of a deploy directory is meant: several may share one.
//!
//! Compose is asked, as for a deployment. It refuses to know what becomes of a project.

use std::collections::BTreeSet;

use crate::files::archive::catalogue::{self, Listed};
use crate::host::Host;
use crate::words::Result;
use crate::words::event::Failure;
use crate::words::plan::Site;

/// The project that a site means: by its name, or by what Compose makes of the files in place.
pub async fn of_site<H: Host>(host: &H, site: &Site) -> Result<String> {
    match &site.project_name {
        Some(name) => Ok(name.clone()),
        None => Ok(host.config(&site.deploy_dir).await?.project),
    }
}

/// The project that a rollback is of. Where nothing of that project runs or is backed up, it is the
/// one that there are backups of: whoever named it for a deployment need not do so again.
pub async fn of_rollback<H: Host>(host: &H, site: &Site, listed: &[Listed]) -> Result<String> {
    let projects = catalogue::projects(listed);
    if projects.is_empty() {
        return Err(Failure::new("there is no backup to go back to")
            .hint("the first backup is made by the first deployment over a running release"));
    }
    let meant = of_site(host, site).await;
    match (meant, projects.first()) {
        (Ok(meant), _) if projects.contains(&meant) => Ok(meant),
        (Ok(meant), Some(only)) if site.project_name.is_none() && projects.len() == 1 => {
            let runs = !host.containers(&meant).await?.is_empty();
            if runs {
                Err(none_of(&meant, &projects))
            } else {
                Ok(only.clone())
            }
        }
        (Ok(meant), _) => Err(none_of(&meant, &projects)),
        (Err(_), Some(only)) if projects.len() == 1 => Ok(only.clone()),
        (Err(refusal), _) => Err(refusal.hint(format!(
            "or say which project to roll back: set `project_name` to {}",
            named(&projects)
        ))),
    }
}

fn none_of(meant: &str, projects: &BTreeSet<String>) -> Failure {
    Failure::new(format!("there is no backup of the project `{meant}`"))
        .because(format!(
            "the backups of this directory are of {}",
            named(projects)
        ))
        .hint("set `project_name`, or `compose_file`, to those of the deployment to roll back")
}

fn named(projects: &BTreeSet<String>) -> String {
    let names: Vec<String> = projects.iter().map(|name| format!("`{name}`")).collect();
    names.join(" or ")
}

/// Refuses a backup of another project than the one that is meant.
pub fn expect<'l>(chosen: &'l Listed, project: &str) -> Result<&'l Listed> {
    let of = chosen.description.as_ref().map(|d| &d.release.project);
    match of {
        Ok(other) if other != project => Err(Failure::new(format!(
            "the backup `{}` is of the project `{other}`, and this rollback is of `{project}`",
            chosen.timestamp
        ))
        .hint(format!(
            "choose a backup of `{project}`: `landfall backups`; or set `project_name: {other}`"
        ))),
        _ => Ok(chosen),
    }
}
