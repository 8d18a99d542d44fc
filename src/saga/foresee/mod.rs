//! What a run would do, told without doing it: the steps' own looks, and none of their acts.
//!
//! So what would be refused is refused in the run's own words. What comes with the plan is laid into
//! the run directory that is given, which is nobody's state. The file refuses to know who asks.

mod changes;
mod ways_back;

use std::cell::RefCell;
use std::path::Path;
use std::time::Duration;

use crate::files::rundir::RunDir;
use crate::files::tree::difference::Drift;
use crate::host::Host;
use crate::saga::release::held;
use crate::saga::steps::{Run, backup, preflight, pull, stage};
use crate::saga::{lock, runs, settle};
use crate::words::Result;
use crate::words::event::{Failure, Note};
use crate::words::plan::{Goal, Plan, Private};
use crate::words::report::ServerReport;
use crate::words::report::foreseen::{FileForeseen, Foreseen};

/// Looks at what a plan would change; `state` is the state directory of its site.
pub async fn foresee<H: Host>(
    host: &H,
    plan: &Plan,
    private: &Private,
    dir: &RunDir,
    state: &Path,
) -> Foreseen {
    let notes: RefCell<Vec<Note>> = RefCell::default();
    let lock = RefCell::new(None);
    let run = Run {
        plan,
        private,
        host,
        dir,
        lock: &lock,
        tell: &|note| notes.borrow_mut().push(note),
        changed: false,
    };
    let looked = look(&run, state).await;
    let mut foreseen = looked.unwrap_or_else(Foreseen::refused);
    foreseen.v = Foreseen::VERSION;
    for note in notes.take() {
        hear(&mut foreseen, note);
    }
    foreseen
}

fn hear(foreseen: &mut Foreseen, note: Note) {
    match note {
        Note::Said { text } => foreseen.says.push(text),
        Note::Warned { text } => foreseen.warnings.push(text),
        Note::Server {
            docker,
            compose,
            project,
        } => {
            foreseen.server = Some(ServerReport {
                docker,
                compose,
                project,
            });
        }
        _ => {}
    }
}

async fn look<H: Host>(
    run: &Run<'_, H>,
    state: &Path,
) -> std::result::Result<Foreseen, Vec<Failure>> {
    let refusals = at_once(run, state).await;
    if !refusals.is_empty() {
        return Err(refusals);
    }
    if settle::has_dead(state) {
        run.warn(
            "an earlier run was interrupted: this one would settle it first, and what is told here \
             is how things are now",
        );
    }
    match &run.plan.goal {
        Goal::Deploy { .. } => deployment(run, state).await,
        Goal::Rollback { to, to_nothing, .. } => {
            let looked = rollback(run, state, to, *to_nothing).await;
            looked.map_err(|failure| vec![failure])
        }
    }
}

/// What needs no look at the release: rights, room, and people's words.
async fn at_once<H: Host>(run: &Run<'_, H>, state: &Path) -> Vec<Failure> {
    let site = &run.plan.site;
    let there = run.host.check_site().await;
    let engine = run.host.engine().await;
    let engine = engine.and_then(|engine| preflight::refuse_hopeless(&engine));
    let patience = Duration::from_secs(run.plan.lock_timeout);
    let free = lock::look(&site.deploy_dir, patience, || {
        runs::holder(state, &run.plan.id)
    });
    let mut all = vec![there, free, lock::refuse_frozen(state), engine];
    if matches!(run.plan.goal, Goal::Deploy { .. }) {
        all.push(run.host.check_files(run.plan, run.private, run.dir).await);
        all.push(run.host.check_room(&run.plan.backups.exclude).await);
    }
    all.into_iter().filter_map(Result::err).collect()
}

async fn deployment<H: Host>(
    run: &Run<'_, H>,
    state: &Path,
) -> std::result::Result<Foreseen, Vec<Failure>> {
    let one = |failure: Failure| vec![failure];
    stage::act(run).await.map_err(one)?;
    let before = run.before().map_err(one)?;
    let (images, refusals) = pull::foreseen(run, &before).await.map_err(one)?;
    if !refusals.is_empty() {
        return Err(refusals);
    }
    released(run, state, images).await.map_err(one)
}

/// What a deployment that is not refused would change.
async fn released<H: Host>(
    run: &Run<'_, H>,
    state: &Path,
    images: Vec<crate::words::event::ServiceImage>,
) -> Result<Foreseen> {
    let (before, wanted) = (run.before()?, run.wanted()?);
    let files = run.host.coming(run.plan, run.private, run.dir).await?;
    let paths: Vec<String> = files.iter().map(|file| file.path.clone()).collect();
    Ok(Foreseen {
        services: changes::of(run, state, &images, &paths).await?,
        places: held::places(run, &wanted, &before.containers).await?,
        ways_back: ways_back::of_deployment(run, state, &before).await?,
        images,
        files,
        ..Foreseen::default()
    })
}

async fn rollback<H: Host>(
    run: &Run<'_, H>,
    state: &Path,
    to: &str,
    to_nothing: bool,
) -> Result<Foreseen> {
    preflight::choose_target(run, to, to_nothing).await?;
    let (before, target) = (run.before()?, run.target()?);
    let parts = backup::parts_now(run).await?;
    let differing = run.host.differing(&target, &parts, run.dir).await?;
    let brought = run.brought()?;
    let files = differing.into_iter().filter(|d| d.kind != Drift::Aside);
    let files = files.map(|file| FileForeseen {
        change: if brought.contains(&file.path) {
            "removed".to_owned()
        } else {
            "put back".to_owned()
        },
        path: file.path,
        lines: Vec::new(),
    });
    Ok(Foreseen {
        images: pull::foreseen_of_target(run, &before).await?,
        services: changes::of_target(&before, &target.release),
        files: files.collect(),
        ways_back: vec![format!(
            "this goes to {}",
            ways_back::described(state, &run.plan.site.deploy_dir, &target)
        )],
        ..Foreseen::default()
    })
}
