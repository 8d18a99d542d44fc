//! Sets the containers of services aside that the release renamed or dropped: one of them may have
//! the port or the name that its successor wants.
//!
//! They were made from the files of this release, or of the last one that was deployed here; what
//! somebody made from others is theirs, and stays. The file refuses to know when a release is final.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::files::rundir;
use crate::files::rundir::RunDir;
use crate::files::tree::scope::resolved;
use crate::host::compose;
use crate::host::{Config, Container, Host};
use crate::saga::facts::Wanted;
use crate::saga::release::aside;
use crate::saga::steps::Run;
use crate::saga::{journal, runs};
use crate::words::Result;
use crate::words::event::{Event, Outcome};
use crate::words::plan::Site;

/// Stops them and takes their names, where all services are deployed.
pub async fn set_aside<H: Host>(run: &Run<'_, H>, wanted: &Wanted) -> Result<()> {
    let dropped = dropped(run, wanted, run.dir.state(), &run.plan.site.deploy_dir).await?;
    if dropped.is_empty() {
        return Ok(());
    }
    for container in &dropped {
        run.say(format!(
            "stopping `{}`: service `{}` is not in the new release; it is removed once that is final",
            container.name, container.service
        ));
    }
    aside::these(run, &dropped).await
}

/// The containers that would be set aside: with all runs in a state directory, and the release's files in
/// that directory.
pub async fn dropped<H: Host>(
    run: &Run<'_, H>,
    wanted: &Wanted,
    state: &Path,
    dir: &Path,
) -> Result<Vec<Container>> {
    if !wanted.services.is_empty() {
        return Ok(Vec::new());
    }
    let mut dropped = run.host.containers(&wanted.config.project).await?;
    dropped.retain(|c| wanted.config.service(&c.service).is_none());
    if dropped.is_empty() {
        return Ok(dropped);
    }
    let before = run.before()?.containers;
    let files = files_of(run, state);
    dropped.retain(|c| before.iter().any(|b| b.id == c.id) && is_made_from(c, &files));
    leave_the_dormant(run, dir, &mut dropped).await;
    Ok(dropped)
}

/// A service of an inactive profile is still one of the release's.
async fn leave_the_dormant<H: Host>(run: &Run<'_, H>, dir: &Path, dropped: &mut Vec<Container>) {
    if dropped.is_empty() {
        return;
    }
    match run.host.every_profile(dir).await {
        Ok(every) => {
            let every: Config = every.unwrap_or_default();
            dropped.retain(|c| every.service(&c.service).is_none());
        }
        Err(failure) => {
            run.warn(format!(
                "which services belong to inactive profiles is not known, so none is stopped: {failure}"
            ));
            dropped.clear();
        }
    }
}

/// Says whether a container was made from none but these files, one of ours aside.
fn is_made_from(container: &Container, files: &BTreeSet<PathBuf>) -> bool {
    let own = container.compose_files.iter();
    let mut own = own
        .filter(|file| !rundir::is_list_of_images(file))
        .peekable();
    let dir = container.working_dir.clone().unwrap_or_default();
    own.peek().is_some() && own.all(|file| files.contains(&resolved(&dir.join(file))))
}

/// The compose files of this release and of the last one that was deployed here.
fn files_of<H: Host>(run: &Run<'_, H>, state: &Path) -> BTreeSet<PathBuf> {
    let dir = &run.plan.site.deploy_dir;
    let last = last_deployed(state, dir);
    let sites = std::iter::once(&run.plan.site).chain(&last);
    let files = sites.flat_map(|site| compose::files::may_be(site, dir));
    files.map(|file| resolved(&file)).collect()
}

/// The site of the last run that deployed to a directory.
fn last_deployed(state: &Path, dir: &Path) -> Option<Site> {
    let newest_first = runs::ids(state).into_iter().rev();
    newest_first
        .map(|id| RunDir::of(state, &id))
        .find_map(|run| {
            if !matches!(runs::end_of(&run)?, Outcome::Deployed) {
                return None;
            }
            let planned = journal::read(&run.journal()).ok()?.into_iter().next()?;
            match planned.event {
                Event::Planned { plan } if plan.site.deploy_dir == dir => Some(plan.site),
                _ => None,
            }
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(files: &[&str]) -> Container {
        Container {
            compose_files: files.iter().map(PathBuf::from).collect(),
            working_dir: Some("/srv/app".into()),
            ..Container::default()
        }
    }

    #[test]
    fn only_what_was_made_from_the_releases_own_files_is_its_predecessor() {
        let ours = ["/srv/app/compose.yml", "/srv/app/prod.yml"];
        let ours: BTreeSet<PathBuf> = ours.iter().map(PathBuf::from).collect();
        let images = "/srv/app-backups/.landfall/runs/r/landfall-images.json";
        for (files, is) in [
            (&["/srv/app/compose.yml"][..], true),
            (&["/srv/app/compose.yml", "/srv/app/prod.yml"], true),
            (&["/srv/app/compose.yml", images], true),
            // Compose 1 notes them as they were given.
            (&["compose.yml"], true),
            (&["/srv/app/tools.yml"], false),
            (&["/srv/app/compose.yml", "/srv/app/tools.yml"], false),
            (&[images], false),
            (&[], false),
        ] {
            assert_eq!(is_made_from(&of(files), &ours), is, "{files:?}");
        }
    }

    #[test]
    fn the_files_of_the_last_deployed_run_of_the_directory_count_too() {
        use crate::saga::runs::sample::{Ends, ended};
        use crate::words::plan::sample;
        let state = tempfile::tempdir().unwrap_or_else(|e| panic!("{e}"));
        let dir = &sample::deploy().site.deploy_dir;
        assert_eq!(last_deployed(state.path(), dir), None);
        ended(state.path(), "1", "/a", Ends::RolledBack);
        ended(state.path(), "2", "/b", Ends::Refused);
        assert_eq!(last_deployed(state.path(), Path::new("/a")), None);
    }
}
