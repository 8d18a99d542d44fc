//! Refuses a project that another directory has as well, and tells of what was made at an earlier
//! path of this one.
//!
//! Compose takes all containers of one project for one application's and would replace, scale and
//! remove those of the other. The file touches nothing, and refuses to know when it is asked.

use std::path::{Path, PathBuf};

use crate::host::whose::{Base, Whose, whose};
use crate::host::{Container, Host};
use crate::saga::steps::Run;
use crate::words::Result;
use crate::words::event::Failure;
use crate::words::plan::Site;

/// Refuses where containers of another directory carry the project's name, be they stopped.
pub async fn refuse<H: Host>(run: &Run<'_, H>, project: &str) -> Result<()> {
    let strangers = run.host.strangers(project).await?;
    match strangers.first() {
        Some(one) => Err(shared(&run.plan.site, project, one, strangers.len())),
        None => Ok(()),
    }
}

/// Tells once of containers that were made when the deploy directory had another path.
pub fn tell_earlier<H: Host>(run: &Run<'_, H>, containers: &[Container]) {
    let mut noted = containers.iter().filter(|c| c.working_dir.is_some());
    if noted.clone().next().is_none() {
        return;
    }
    let base = Base::of(&run.plan.site);
    let earlier = noted.find_map(|c| match whose(&base, &c.made()) {
        Whose::Earlier(dir) => Some((c, dir)),
        _ => None,
    });
    if let Some((container, dir)) = earlier {
        run.say(format!(
            "`{}` was made from `{}`, an earlier path of this directory: it counts as this application's",
            container.name,
            dir.display()
        ));
    }
}

fn shared(site: &Site, project: &str, one: &Container, all: usize) -> Failure {
    let dir = dir_of(one);
    let who = match all - 1 {
        0 => format!("`{}` was", one.name),
        n => format!("`{}` and {n} more were", one.name),
    };
    refusal(site, project, &dir, &who)
}

fn dir_of(container: &Container) -> PathBuf {
    let by_file = || Some(container.compose_files.first()?.parent()?.to_owned());
    let dir = container.working_dir.clone().or_else(by_file);
    dir.unwrap_or_default()
}

/// Why a project that another directory has is not deployed to.
fn refusal(site: &Site, project: &str, dir: &Path, who: &str) -> Failure {
    let (dir, own) = (dir.display(), site.deploy_dir.display());
    Failure::new(format!(
        "the project `{project}` belongs to another directory, `{dir}`"
    ))
    .because(format!(
        "{who} made from there, and Compose, which tells applications apart by the project's name alone, would replace what is of the same service from `{own}`"
    ))
    .hint(format!(
        "if that is the application to deploy, deploy to where it lies: `deploy_dir: {dir}`; its data is there"
    ))
    .hint(format!(
        "to have it at `{own}` instead, move that directory there with its data, or let `{dir}` be a link to it"
    ))
    .hint(format!(
        "if this is another application, which begins without that data, give it a name of its own: `project_name: {}`",
        proposed(site, project)
    ))
}

/// A name that Compose takes and that says where the application lies.
fn proposed(site: &Site, project: &str) -> String {
    let parent = site.deploy_dir.parent().and_then(Path::file_name);
    let parent = parent.unwrap_or_default().to_string_lossy().to_lowercase();
    let kept = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    let parent: String = parent.chars().filter(kept).collect();
    let parent = parent.trim_start_matches(['-', '_']);
    if parent.is_empty() || parent == project {
        return format!("{project}-2");
    }
    format!("{parent}-{project}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::plan::sample;

    #[test]
    fn the_refusal_names_the_other_directory_and_a_name_to_choose() {
        let mut site = sample::deploy().site;
        site.deploy_dir = "/srv/beta/app".into();
        let one = Container {
            name: "app-web-1".into(),
            working_dir: Some("/srv/alpha/app".into()),
            ..Container::default()
        };
        let told = shared(&site, "app", &one, 3);
        insta::assert_snapshot!(told, @"the project `app` belongs to another directory, `/srv/alpha/app`: `app-web-1` and 2 more were made from there, and Compose, which tells applications apart by the project's name alone, would replace what is of the same service from `/srv/beta/app`");
        assert_eq!(
            told.hints[0],
            "if that is the application to deploy, deploy to where it lies: `deploy_dir: /srv/alpha/app`; its data is there"
        );
        assert_eq!(
            told.hints[2],
            "if this is another application, which begins without that data, give it a name of its own: `project_name: beta-app`"
        );
    }

    #[test]
    fn a_proposed_name_is_one_that_compose_takes() {
        let mut site = sample::deploy().site;
        for (dir, name) in [
            ("/opt/My App!/app", "myapp-app"),
            ("/app/app", "app-2"),
            ("/app", "app-2"),
            ("/__/app", "app-2"),
        ] {
            site.deploy_dir = dir.into();
            assert_eq!(proposed(&site, "app"), name, "{dir}");
        }
    }
}
