//! Preflight: refuses what cannot succeed, before anything is touched.
//!
//! It takes the lock, settles what an earlier run left, and looks at the server. It has no undo:
//! it changes nothing that is the operator's.

use std::path::Path;
use std::time::Duration;

use crate::files::archive::catalogue::{self, Listed};
use crate::files::archive::choice;
use crate::files::rundir::name;
use crate::host::{Engine, Host, boot};
use crate::saga::facts::Shared;
use crate::saga::release::{nothing, project, record, strangers};
use crate::saga::steps::Run;
use crate::saga::{lock, runs, settle};
use crate::words::Result;
use crate::words::backup::Description;
use crate::words::event::{Failure, Note};
use crate::words::plan::Goal;

/// Takes the lock and looks.
pub async fn act<H: Host>(run: &Run<'_, H>) -> Result<()> {
    run.host.check_site().await?;
    take_lock(run).await?;
    run.say(boot::guarantee(
        Path::new("/"),
        &run.plan.site,
        &run.plan.id,
    ));
    settle::earlier(run).await?;
    lock::refuse_frozen(run.dir.state())?;
    let engine = run.host.engine().await?;
    refuse_hopeless(&engine)?;
    if let Some(socket) = run.host.socket() {
        run.dir.keep(name::ENGINE, &socket)?;
    }
    run.say(format!("Docker listens at {}", engine.socket));
    match &run.plan.goal {
        Goal::Deploy { .. } => {
            run.host.check_files(run.plan, run.private, run.dir).await?;
            run.host.check_room(&run.plan.backups.exclude).await?;
        }
        Goal::Rollback { to, to_nothing, .. } => choose_target(run, to, *to_nothing).await?,
    }
    Ok(())
}

async fn take_lock<H: Host>(run: &Run<'_, H>) -> Result<()> {
    let lock = lock::take(
        &run.plan.site.deploy_dir,
        Duration::from_secs(run.plan.lock_timeout),
        || runs::holder(run.dir.state(), &run.plan.id),
        |holder| {
            (run.tell)(Note::Waiting {
                holder: holder.to_owned(),
            });
        },
    )
    .await?;
    run.host.stand_on(lock.home());
    let identity = lock.home().identity().clone();
    run.lock.replace(Some(lock));
    run.dir.keep(name::GROUND, &identity)
}

fn usable(chosen: &Listed) -> Result<Description> {
    chosen.description.clone().map_err(|why| {
        Failure::new(format!("backup `{}` cannot be used", chosen.timestamp)).because(why)
    })
}

/// Compose 1 leaves the application down when it recreates a container on a newer engine.
pub fn refuse_hopeless(engine: &Engine) -> Result<()> {
    let major = engine
        .docker
        .split('.')
        .next()
        .and_then(|n| n.parse::<u32>().ok());
    if engine.compose.is_one() && major.is_some_and(|n| n >= 25) {
        return Err(Failure::new(format!(
            "Compose {} cannot recreate containers on Docker {}",
            engine.compose, engine.docker
        ))
        .because("it stops the old container and then fails with `KeyError: 'ContainerConfig'`")
        .hint("install Compose 2 on the server: `sudo apt-get install docker-compose-plugin`"));
    }
    Ok(())
}

/// Chooses the backup that a rollback goes to, and records what it replaces.
pub async fn choose_target<H: Host>(run: &Run<'_, H>, to: &str, to_nothing: bool) -> Result<()> {
    let listed = run.host.backups().await?;
    let project = project::of_rollback(run.host, &run.plan.site, &listed).await?;
    let before = record::of(run.host, &project, Vec::new()).await?;
    let chosen = match choice::how_far(to) {
        Some(further) => {
            let standings = run.host.standings(&listed, &before.release).await?;
            match further {
                0 => nothing::or_nothing(&standings, &listed, &project, to_nothing)?,
                _ => standings.back(further)?,
            }
        }
        None => project::expect(choice::named(&listed, &project, to)?, &project)?,
    };
    let target = usable(chosen)?;
    nothing::refuse(&target, to_nothing)?;
    run.host.check_backup(&target).await?;
    run.host.check_target(&target).await?;
    let references = target.release.references.iter();
    let references = references.map(|r| r.reference.clone()).collect();
    strangers::refuse(run, &target.release.project).await?;
    let before = record::of(run.host, &target.release.project, references).await?;
    (run.tell)(Note::Target {
        timestamp: target.timestamp.clone(),
        made_by: target.made_by.clone().map(Box::new),
    });
    record::tell_server(run, &before.release.project).await?;
    strangers::tell_earlier(run, &before.containers);
    run.dir.keep(name::BEFORE, &before)?;
    let brought = catalogue::brought_since(&listed, &target);
    run.dir.keep(name::BROUGHT, &brought)?;
    let shared = Shared {
        own: catalogue::shipped_since(&listed, &target),
        others: catalogue::of_others(&listed, &target),
    };
    if !shared.others.is_empty() {
        run.say(format!(
            "left as they are, for they are another project's in this directory: {}",
            shared.others.join(", ")
        ));
    }
    run.dir.keep(name::SHARED, &shared)?;
    run.dir.keep(name::TARGET, &target)
}
