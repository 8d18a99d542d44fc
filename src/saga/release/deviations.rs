//! What is not as the last deployment left it: containers, references, files. It changes nothing.
//!
//! Each is told with what to do about it. It refuses to know whether the application is healthy.

use std::collections::BTreeSet;
use std::io::Read as _;
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::files::archive::catalogue::{self, Listed};
use crate::files::foreign::{self, Links};
use crate::files::rundir::RunDir;
use crate::files::tree::{self, Differing, Drift};
use crate::host::{Deed, Host};
use crate::saga::release::advice;
use crate::saga::release::deployed::Deployed;
use crate::saga::release::record;
use crate::words::Result;
use crate::words::backup::Parts;
use crate::words::backup::{Description, EntryKind};
use crate::words::clean;
use crate::words::event::{Failure, Status};
use crate::words::report::standing::ServiceStanding;
use crate::words::shell::{path, word};

/// How many files are named.
const NAMED: usize = 5;

/// Everything that is not as the last deployment left it; what cannot be looked at is told too.
pub async fn of<H: Host>(
    host: &H,
    deployed: &Deployed,
    project: &str,
    services: &[ServiceStanding],
    listed: &[Listed],
) -> Vec<Failure> {
    let typed = Typed::of(deployed, project);
    let mut found: Vec<Failure> = another(host, deployed).await.into_iter().collect();
    found.extend(images(deployed, services, &typed));
    found.extend(unasked(deployed, services));
    let moved = references(host, deployed, services).await;
    found.extend(moved.iter().map(|m| m.told(&typed)));
    found.extend(containers(host, deployed, project, &moved, &typed).await);
    found.extend(files(host, deployed, listed).await);
    found
}

/// What a person types about the project on the server.
struct Typed {
    up: String,
}

impl Typed {
    fn of(deployed: &Deployed, project: &str) -> Self {
        let site = deployed.site();
        let (dir, compose) = (path(&site.deploy_dir), advice::typed(site, project));
        Self {
            up: format!("cd {dir} && {compose} up -d"),
        }
    }
}

/// Another run's note on the directory: it has made a release there through another backup directory.
async fn another<H: Host>(host: &H, deployed: &Deployed) -> Option<Failure> {
    let now = host.generation().await.ok()??;
    let is_another = now != deployed.plan.id && deployed.report.status == Status::Deployed;
    is_another.then(|| {
        Failure::new(format!("the run {now} has made a release here since"))
            .because("it keeps its backups in another directory, or was never taken back")
            .hint("look at it with the `--backup-dir` of that run; the next deployment starts from what is there")
    })
}

/// Services that run another image than was deployed.
fn images(deployed: &Deployed, services: &[ServiceStanding], typed: &Typed) -> Vec<Failure> {
    let other = services.iter().filter_map(|is| {
        let was = &deployed.service(&is.service)?.image.image_id;
        (is.replicas > 0 && *was != is.image_id).then(|| {
            let (is_short, was_short) = (clean::short(&is.image_id), clean::short(was));
            Failure::new(format!(
                "service `{}` runs the image {is_short}, and {was_short} was deployed",
                is.service
            ))
            .hint("to keep it, deploy that image; the next deployment starts from what runs")
            .hint(format!(
                "to have what was deployed: `docker tag {} {} && {} {}`",
                word(was),
                word(&is.image),
                typed.up,
                word(&is.service)
            ))
        })
    });
    other.collect()
}

/// Services that have containers and that no deployment was of, where the last one was of all.
fn unasked(deployed: &Deployed, services: &[ServiceStanding]) -> Vec<Failure> {
    let unknown = |s: &&ServiceStanding| s.replicas > 0 && deployed.service(&s.service).is_none();
    if !deployed.site().services.is_empty() {
        return Vec::new();
    }
    let unknown = services.iter().filter(unknown);
    let told = unknown.map(|s| {
        Failure::new(format!(
            "service `{}` has a container, and was not deployed",
            s.service
        ))
        .hint("if it belongs to the application, deploy it; the next deployment tells what becomes of it")
    });
    told.collect()
}

/// A reference that means another image than was deployed by it.
struct Moved {
    service: String,
    reference: String,
    was: String,
    now: Option<String>,
}

impl Moved {
    fn told(&self, typed: &Typed) -> Failure {
        let (service, reference) = (&self.service, &self.reference);
        let now = match &self.now {
            Some(now) => format!(
                "means the image {} on this server by now",
                clean::short(now)
            ),
            None => "means no image on this server any more".to_owned(),
        };
        Failure::new(format!(
            "`{reference}` {now}, and `{service}` was deployed as {}",
            clean::short(&self.was)
        ))
        .because(format!("`{}` would change what runs", typed.up))
        .hint(format!(
            "let it mean what was deployed again: `docker tag {} {}`; or deploy what it means now",
            word(&self.was),
            word(reference)
        ))
    }
}

async fn references<H: Host>(
    host: &H,
    deployed: &Deployed,
    services: &[ServiceStanding],
) -> Vec<Moved> {
    let mut moved = Vec::new();
    for expected in &deployed.services {
        let was = &expected.image;
        let is = services.iter().find(|s| s.service == was.service);
        let runs_it = is.is_some_and(|s| s.image_id == was.image_id);
        if !runs_it || record::is_image_id(&was.image) {
            continue;
        }
        let Ok(now) = host.image(&was.image).await else {
            continue;
        };
        let now = now.map(|image| image.id);
        if now.as_ref() != Some(&was.image_id) {
            moved.push(Moved {
                service: was.service.clone(),
                reference: was.image.clone(),
                was: was.image_id.clone(),
                now,
            });
        }
    }
    moved
}

/// What Compose would do to the containers by what the files say; after a deployment, that is nothing.
async fn containers<H: Host>(
    host: &H,
    deployed: &Deployed,
    project: &str,
    moved: &[Moved],
    typed: &Typed,
) -> Vec<Failure> {
    // A Compose that cannot say so, and files that it cannot read, are told elsewhere.
    let would = host
        .rehearse(project, &deployed.site().services)
        .await
        .unwrap_or_default();
    let there = host.containers(project).await.unwrap_or_default();
    let is_told = |service: &str| moved.iter().any(|m| m.service == service);
    let changed = would.iter().filter_map(|one| {
        let known = there.iter().find(|c| c.name == one.container);
        if known.is_some_and(|c| is_told(&c.service)) {
            return None;
        }
        match one.deed {
            Deed::Remake => Some(format!("`{}` would be made anew", bare(&one.container))),
            Deed::Make if known.is_none() => Some(format!("`{}` would be made", one.container)),
            Deed::Make | Deed::Start => None,
        }
    });
    let changed: BTreeSet<String> = changed.collect();
    if changed.is_empty() {
        return Vec::new();
    }
    let failure = Failure::new("the files in place say something else than what runs");
    let failure = changed.into_iter().fold(failure, Failure::because);
    vec![
        failure
            .hint(format!("to have what they say: `{}`", typed.up))
            .hint("or deploy: the next deployment brings both together"),
    ]
}

/// Compose names a container that it makes anew after the one that it replaces.
fn bare(container: &str) -> &str {
    container
        .split_once('_')
        .filter(|(id, _)| id.len() == 12 && id.chars().all(|c| c.is_ascii_hexdigit()))
        .map_or(container, |(_, name)| name)
}

/// The files that are not as the deployment left them.
async fn files<H: Host>(host: &H, deployed: &Deployed, listed: &[Listed]) -> Vec<Failure> {
    let shipped = shipped(host, deployed);
    let others = match others(host, deployed, listed).await {
        Ok(others) => others,
        Err(failure) => {
            return [Failure {
                what: format!("the files cannot be compared: {}", failure.what),
                ..failure
            }]
            .into();
        }
    };
    let shipped = (!shipped.is_empty()).then(|| {
        Failure::new(not_as(&shipped, "the last deployment brought"))
            .hint("to keep the change, make it where the deployment takes the file from; the next deployment brings its own")
    });
    let others = others.map(|(backup, paths)| {
        let archive = path(&deployed.site().backup_dir.join(&backup.archive.file));
        let dir = path(&deployed.site().deploy_dir);
        let named = paths
            .iter()
            .map(|p| format!(" {}", word(&format!("./{p}"))));
        Failure::new(not_as(&paths, "the last deployment left"))
            .hint("to keep the change, do nothing: the next deployment starts from it")
            .hint(format!(
                "to have back what was there: `tar -xzpf {archive} -C {dir}{}`",
                named.collect::<String>()
            ))
    });
    shipped.into_iter().chain(others).collect()
}

/// Some paths, and that they are not as somebody left them.
fn not_as(paths: &[String], left: &str) -> String {
    let named: Vec<String> = paths.iter().take(NAMED).map(|p| format!("`{p}`")).collect();
    let more = match paths.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let (verb, them) = if paths.len() == 1 {
        ("is", "it")
    } else {
        ("are", "them")
    };
    format!("{}{more} {verb} not as {left} {them}", named.join(", "))
}

/// The shipped files that hold something else by now, or are gone.
fn shipped<H: Host>(host: &H, deployed: &Deployed) -> Vec<String> {
    let home = host.here(deployed.site());
    let files = deployed.plan.files.iter();
    let other = files.filter(|f| sum(&home.join(&f.path)).as_deref() != Some(f.sha256.as_str()));
    other.map(|f| f.path.clone()).collect()
}

fn sum(at: &Path) -> Option<String> {
    let mut file = foreign::open(at, Links::Followed).ok()?;
    let (mut hash, mut bytes) = (Sha256::new(), vec![0; 64 * 1024]);
    loop {
        match file.read(&mut bytes).ok()? {
            0 => return Some(tree::hex(&hash.finalize())),
            read => hash.update(&bytes[..read]),
        }
    }
}

/// The other files that changed: they are in the backup that the run made right before the switch, or
/// in the one that it went back to. Where a hook may have written them, nobody can say.
async fn others<H: Host>(
    host: &H,
    deployed: &Deployed,
    listed: &[Listed],
) -> Result<Option<(Description, Vec<String>)>> {
    let plan = &deployed.plan;
    if plan.hooks.pre_deploy || plan.hooks.post_deploy {
        return Ok(None);
    }
    let report = &deployed.report;
    let timestamp = match report.status {
        Status::Restored => report.target.as_ref(),
        _ => report.backup.as_ref().map(|backup| &backup.timestamp),
    };
    let of = |l: &&Listed| Some(&l.timestamp) == timestamp;
    let found = listed
        .iter()
        .find(of)
        .and_then(|l| l.description.as_ref().ok());
    let Some(backup) = found else {
        return Ok(None);
    };
    let parts = Parts {
        listed: catalogue::brought_since(listed, backup),
        others: catalogue::of_others(listed, backup),
        ..Parts::default()
    };
    let nowhere = RunDir::of(&plan.site.backup_dir, "none");
    let differing = host.differing(backup, &parts, &nowhere).await?;
    let is_ours = |d: &Differing| {
        let shipped = plan.files.iter().any(|f| f.path == d.path);
        shipped || plan.env_file_path.as_ref() == Some(&d.path)
    };
    let paths = differing.into_iter().filter(|d| says(d) && !is_ours(d));
    let paths: Vec<String> = paths.map(|d| d.path).collect();
    Ok((!paths.is_empty()).then(|| (backup.clone(), paths)))
}

/// Says whether something else is in a file that was there, or it is gone. What is there besides
/// changes nothing unless Compose says so.
fn says(differing: &Differing) -> bool {
    match &differing.now {
        _ if differing.is_new => false,
        Some(now) => {
            matches!(now.kind, EntryKind::File | EntryKind::Link)
                && differing.kind == Drift::Content
        }
        None => true,
    }
}
