//! Says whether somebody made a release since a run's agent died: what a run may not take back
//! without a person's word.
//!
//! It goes by what is there and by what the run knows, never by a clock: whose release the directory
//! says it is, containers of images that the run never had, files that hold neither what was there
//! nor what it put there. It refuses to change anything on the server, and to decide what follows.

use std::collections::BTreeSet;

use crate::files::rundir::name;
use crate::files::tree::{Differing, Drift};
use crate::host::{Container, Host};
use crate::saga::History;
use crate::saga::facts::{Generation, Seen};
use crate::saga::release::{data, generation};
use crate::saga::steps::Run;
use crate::words::Result;
use crate::words::backup::{EntryKind, READ_BY_COMPOSE};
use crate::words::event::{Failure, Step};

mod known;
mod references;

use known::Known;
pub use references::{leave_moved, moved};

/// How many findings are told.
const TOLD: usize = 5;

/// How far a run had come when its agent died.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SoFar {
    /// The release was touched.
    pub changed: bool,
    /// A person has had it taken back once.
    reopened: bool,
    /// What had begun that can make containers.
    begun: BTreeSet<Begun>,
}

/// What can make containers of a run's project.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Begun {
    /// The operator's hook before the switch, which may do anything.
    Hook,
    /// The switch.
    Up,
    /// The old containers' return.
    WayBack,
}

impl SoFar {
    /// How far a history has come.
    #[must_use]
    pub fn of(history: &History) -> Self {
        let has_hook = history.plan().is_some_and(|plan| plan.hooks.pre_deploy);
        let begun = [
            (
                Begun::Hook,
                has_hook && history.has_started(Step::PreDeploy),
            ),
            (Begun::Up, history.has_started(Step::Up)),
            (Begun::WayBack, history.has_begun_to_undo(Step::Backup)),
        ];
        let begun = begun.into_iter().filter(|(_, has_begun)| *has_begun);
        Self {
            changed: history.has_changed_the_release(),
            reopened: history.is_reopened(),
            begun: begun.map(|(what, _)| what).collect(),
        }
    }

    fn has(&self, what: Begun) -> bool {
        self.begun.contains(&what)
    }
}

/// What somebody made since, if anything, with both ways on. References that were given another image
/// since, and nothing else, are noted: they are left as they are.
pub async fn overtaken<H: Host>(run: &Run<'_, H>, so_far: &SoFar) -> Result<Option<Failure>> {
    let known = Known::of(run, so_far)?;
    let mut found: Vec<String> = another(run).await?.into_iter().collect();
    found.extend(unknown(run, &known).await?);
    if !so_far.reopened {
        found.extend(strange_files(run, so_far).await?);
    }
    if found.is_empty() && !so_far.reopened {
        references::note_moved(run, &known).await?;
    }
    Ok((!found.is_empty()).then(|| told(run, found)))
}

/// Notes what the operator's hook has left, as this run's own doing.
pub async fn note_after_hook<H: Host>(run: &Run<'_, H>) -> Result<()> {
    let files = match run.backup()? {
        Some(backup) => {
            let parts = run.parts()?;
            run.host.differing(&backup, &parts, run.dir).await?
        }
        None => Vec::new(),
    };
    note(run, name::AFTER_HOOK, files).await
}

/// Notes what a person has seen who has all of it taken back, references included.
pub async fn note_for_a_person<H: Host>(run: &Run<'_, H>) -> Result<()> {
    note(run, name::REOPENED, Vec::new()).await?;
    generation::take_for_good(run).await?;
    run.dir.forget(name::MOVED);
    Ok(())
}

/// Notes what is there as a way back ends that failed: containers that come later are a person's. Where
/// it cannot be seen, nothing older is taken for it.
pub async fn note_when_stuck<H: Host>(run: &Run<'_, H>) {
    if note(run, name::STUCK, Vec::new()).await.is_err() {
        run.dir.forget(name::STUCK);
    }
}

async fn note<H: Host>(run: &Run<'_, H>, fact: &str, files: Vec<Differing>) -> Result<()> {
    let containers = run.host.containers(&run.project()?).await?;
    let containers = containers.into_iter().map(|c| c.id).collect();
    run.dir.keep(fact, &Seen { containers, files })
}

/// The run that has noted its release on the directory since.
async fn another<H: Host>(run: &Run<'_, H>) -> Result<Option<String>> {
    let known: Option<Generation> = run.dir.recall(name::GENERATION)?;
    let (Some(known), Some(now)) = (known, run.host.generation().await?) else {
        return Ok(None);
    };
    let is_known = now == run.plan.id || known.before.as_ref() == Some(&now);
    Ok((!is_known).then(|| format!("the run {now} has deployed here since")))
}

/// The containers that neither were there before nor are this run's making.
async fn unknown<H: Host>(run: &Run<'_, H>, known: &Known) -> Result<Vec<String>> {
    let containers = run.host.containers(&run.project()?).await?;
    let unknown = containers.iter().filter(|c| !known.has(c));
    Ok(unknown.map(described).collect())
}

fn described(unknown: &Container) -> String {
    format!(
        "container `{}` of `{}` was not made by this run",
        unknown.name, unknown.image
    )
}

/// The files that hold neither what the backup has nor what this run put there.
async fn strange_files<H: Host>(run: &Run<'_, H>, so_far: &SoFar) -> Result<Vec<String>> {
    let Some(backup) = run.backup()? else {
        return Ok(Vec::new());
    };
    let after_hook: Option<Seen> = run.dir.recall(name::AFTER_HOOK)?;
    // A hook that was cut off did not come to tell what it wrote, and one of an older program never
    // does. Before the switch the old release serves on whoever wrote it, so a person may be asked.
    let untold = so_far.has(Begun::Hook) && after_hook.is_none();
    if untold && so_far.has(Begun::Up) {
        return Ok(Vec::new());
    }
    let parts = run.parts()?;
    let mut strange = run.host.differing(&backup, &parts, run.dir).await?;
    strange.retain(has_content);
    let hooks = after_hook.unwrap_or_default().files;
    strange.retain(|d| !hooks.iter().any(|known| known.now == d.now));
    let shipped = Shipped::of(run)?;
    strange.retain(|d| !shipped.has(d));
    if run.is_rollback() && !strange.is_empty() {
        let mut target = run.host.differing(&run.target()?, &parts, run.dir).await?;
        target.retain(has_content);
        strange.retain(|d| target.iter().any(|t| t.path == d.path));
    }
    if strange.iter().any(|d| !shipped.decides(&d.path)) {
        let open = untold || containers_write_everywhere(run).await?;
        strange.retain(|d| shipped.decides(&d.path) || d.kind == Drift::Content && !open);
    }
    let told = strange.iter().map(|d| {
        let path = &d.path;
        format!("`{path}` holds neither what it held before nor what this run put there")
    });
    Ok(told.collect())
}

/// Says whether something else is in a file, or a link leads elsewhere.
fn has_content(differing: &Differing) -> bool {
    let is_of_use = |kind| matches!(kind, EntryKind::File | EntryKind::Link);
    let there = differing.now.as_ref().is_some_and(|e| is_of_use(e.kind));
    there && differing.kind != Drift::Other
}

/// Says whether a container may write into the deploy directory itself.
async fn containers_write_everywhere<H: Host>(run: &Run<'_, H>) -> Result<bool> {
    let dir = &run.plan.site.deploy_dir;
    let writers = run.host.writers().await?;
    let now = writers.into_iter().flat_map(|w| w.writes);
    let wanted = run.dir.recall::<crate::saga::facts::Wanted>(name::WANTED)?;
    let config = wanted.unwrap_or_default().config;
    let mut all = now.chain(data::written(&config));
    Ok(all.any(|path| data::below(dir, &path).iter().any(String::is_empty)))
}

/// What a run puts into the deploy directory.
struct Shipped {
    /// Paths and SHA-256 of what is in them.
    files: Vec<(String, String)>,
    /// The files that say what runs, whoever writes them.
    deciding: Vec<String>,
}

impl Shipped {
    fn of<H: Host>(run: &Run<'_, H>) -> Result<Self> {
        let planned = run.plan.files.iter();
        let mut files: Vec<(String, String)> = planned
            .map(|f| (f.path.clone(), f.sha256.clone()))
            .collect();
        let env: Option<String> = run.dir.recall(name::ENV_FILE)?;
        if let (Some(path), Some(sum)) = (&run.plan.env_file_path, env) {
            files.push((path.clone(), sum));
        }
        let (site, before) = (&run.plan.site, run.before()?);
        let below = |path: &String| {
            let path = std::path::Path::new(path);
            let path = path.strip_prefix(&site.deploy_dir).unwrap_or(path);
            path.to_string_lossy().into_owned()
        };
        let named = site
            .compose_files
            .iter()
            .chain(&before.release.compose_files);
        let mut deciding: Vec<String> = named.map(below).collect();
        deciding.extend(READ_BY_COMPOSE.map(ToOwned::to_owned));
        deciding.extend(run.plan.env_file_path.clone());
        deciding.extend(files.iter().map(|(path, _)| path.clone()));
        Ok(Self { files, deciding })
    }

    fn has(&self, differing: &Differing) -> bool {
        let sum = differing.now.as_ref().and_then(|e| e.sha256.as_ref());
        let mut files = self.files.iter();
        files.any(|(path, known)| *path == differing.path && Some(known) == sum)
    }

    fn decides(&self, path: &str) -> bool {
        self.deciding.iter().any(|known| known == path)
    }
}

/// The finding, and both ways on.
fn told<H: Host>(run: &Run<'_, H>, found: Vec<String>) -> Failure {
    let id = &run.plan.id;
    let more = found.len().saturating_sub(TOLD);
    let mut failure = Failure::new(format!(
        "somebody made a release since the run {id} was cut off, and it is left as it is"
    ));
    failure.because = found.into_iter().take(TOLD).collect();
    if more > 0 {
        failure = failure.because(format!("and {more} more"));
    }
    failure
        .hint("to keep what runs: `landfall recover --keep`; the next deployment starts from it, with or without that")
        .hint("to have it all taken back to before that run: `landfall recover`")
}
