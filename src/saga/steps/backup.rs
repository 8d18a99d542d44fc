//! Backup: archives the deploy directory with a description of what runs.
//!
//! Its undo asserts the archived release again: the files are back by then, so the old images get
//! their references and Compose brings the old containers up. The order is the safety: nothing
//! old starts on new files.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::files::rundir::name;
use crate::files::tree::name as path_name;
use crate::host::{Config, Host};
use crate::saga::facts::Before;
use crate::saga::release::data::{self, data_below, written};
use crate::saga::release::{causes, maker, reassert};
use crate::saga::steps::Run;
use crate::words::Result;
use crate::words::backup::Parts;
use crate::words::backup::{Description, Order, Purpose};
use crate::words::event::Note;

/// Archives the directory and keeps the images that it needs.
pub async fn act<H: Host>(run: &Run<'_, H>) -> Result<()> {
    let before = run.before()?;
    let parts = parts_now(run).await?;
    run.dir.keep(name::PARTS, &parts)?;
    run.dir.take_on_ballast()?;
    let order = Order {
        purpose: if run.is_rollback() {
            Purpose::Safety
        } else {
            Purpose::Deploy
        },
        release: &before.release,
        parts: &parts,
        made_by: maker::of(run.host, run.dir.state(), &before.release).await,
    };
    let (description, warnings) = run.host.backup(run.plan, &order, run.dir).await?;
    for warning in warnings {
        run.warn(warning);
    }
    run.dir.keep(name::BACKUP, &description)?;
    keep_images(run, &before, &description).await?;
    (run.tell)(Note::Backup {
        timestamp: description.timestamp.clone(),
        file: run.host.archive_path(&description).display().to_string(),
        bytes: description.archive.bytes,
        ran: Some(!before.release.services.is_empty()),
    });
    Ok(())
}

/// Puts the archived release back if anything was changed; otherwise drops the backup.
pub async fn undo<H: Host>(run: &Run<'_, H>) -> Result<()> {
    if run.changed {
        let before = run.before()?;
        let back = reassert::back(run, &before).await;
        return match back {
            Ok(()) => Ok(()),
            Err(failure) => Err(causes::explained(run, &before.release.project, failure).await),
        };
    }
    if let Some(description) = own(run).await? {
        run.host.drop_backup(&description.timestamp).await?;
        release_images(run.host, &description).await?;
    }
    run.host.clear_partial(&run.plan.id).await
}

/// The backup that this run made, also where it died before it noted so. Noted now: half of it may
/// be dropped before the next death, and then nothing else says whose it was. A note can be there
/// and not on the disk yet, where writing it failed, so it is written again.
async fn own<H: Host>(run: &Run<'_, H>) -> Result<Option<Description>> {
    let mut found = run.backup()?;
    if found.is_none() {
        let listed = run.host.backups().await?.into_iter();
        let mut described = listed.filter_map(|l| l.description.ok());
        found = described.find(|d| d.deployment_id == run.plan.id);
    }
    if let Some(description) = &found {
        run.dir.keep(name::BACKUP, description)?;
    }
    Ok(found)
}

/// Which paths belong to whom, with the containers that there are now.
pub async fn parts_now<H: Host>(run: &Run<'_, H>) -> Result<Parts> {
    parts(run, data::written_now(run).await?).await
}

/// What containers write, all that there are and those that will be, and what the release answers for
/// all the same.
async fn parts<H: Host>(run: &Run<'_, H>, now: Vec<PathBuf>) -> Result<Parts> {
    let dir = &run.plan.site.deploy_dir;
    let mut listed = Vec::new();
    let shared = run.shared()?;
    let ships = if run.is_rollback() {
        shared.own
    } else {
        run.wanted()?.shipped
    };
    let (own, mut data, mut mounted) = if run.is_rollback() {
        let target = run.target()?;
        let mut written = data_below(dir, now.iter().cloned(), &[]);
        written.extend(target.data.iter().cloned());
        let exclude = &run.plan.backups.exclude;
        listed = run.host.listed_within(&target, &written, exclude).await?;
        (run.brought()?, target.data, Vec::new())
    } else {
        let wanted = run.wanted()?;
        let then = written(&wanted.config).chain(wanted.written);
        let data = data_below(dir, then, &wanted.shipped);
        let mounted = data_below(dir, mounted(&wanted.config), &[]);
        (wanted.shipped, data, mounted)
    };
    let ours: Vec<String> = own.iter().chain(&listed).cloned().collect();
    data.extend(data_below(dir, now, &ours));
    data.sort();
    data.dedup();
    mounted.extend(data.iter().cloned());
    Ok(Parts {
        read: read(run, &data)?,
        absent: absent(&run.host.here(&run.plan.site), &mounted),
        data,
        own,
        listed,
        ships,
        others: shared.others,
    })
}

/// What the containers that run mount and do not write.
fn read<H: Host>(run: &Run<'_, H>, data: &[String]) -> Result<Vec<String>> {
    let before = run.before()?;
    let mounts = before.containers.into_iter().flat_map(|c| c.mounts);
    let mut read = data_below(&run.plan.site.deploy_dir, mounts, &[]);
    read.retain(|path| !data.iter().any(|d| path_name::is_within(path, d)));
    Ok(read)
}

/// What Docker will make so that it can be mounted, with what lies on the way, the deepest first.
fn absent(deploy_dir: &Path, mounted: &[String]) -> Vec<String> {
    let ways = mounted.iter().flat_map(|path| Path::new(path).ancestors());
    let absent: BTreeSet<&Path> = ways.filter(|way| !deploy_dir.join(way).exists()).collect();
    let deepest_first = absent.into_iter().rev();
    deepest_first
        .map(|way| way.to_string_lossy().into_owned())
        .collect()
}

/// The bind mounts of a configuration.
fn mounted(config: &Config) -> impl Iterator<Item = PathBuf> {
    let binds = config.services.iter().flat_map(|s| &s.binds);
    binds.map(|b| b.source.clone())
}

/// The reference that keeps an image from being pruned while a backup needs it.
fn keeper(backup: &Description, image_id: &str) -> String {
    let short: String = image_id
        .trim_start_matches("sha256:")
        .chars()
        .take(12)
        .collect();
    format!("{}{short}", keepers_of(backup))
}

/// How the references begin that one backup keeps: two applications may have one project's name, and
/// make backups in the same second.
fn keepers_of(backup: &Description) -> String {
    let run = crc32fast::hash(backup.deployment_id.as_bytes());
    let (project, timestamp) = (&backup.release.project, &backup.timestamp);
    format!("{}:{timestamp}-{run:08x}-", keepers(project))
}

/// The repository of a project's keeping references.
fn keepers(project: &str) -> String {
    let parts = project.split(|c: char| !c.is_ascii_alphanumeric());
    let plain = parts
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join("-");
    if plain == project {
        return format!("landfall.backup/{plain}");
    }
    // Names that an image repository cannot have, such as `a_-b`, stay apart by their checksum.
    let sum = crc32fast::hash(project.as_bytes());
    format!("landfall.backup/{}-{sum:08x}", plain.to_lowercase())
}

async fn keep_images<H: Host>(
    run: &Run<'_, H>,
    before: &Before,
    backup: &Description,
) -> Result<()> {
    let release = &before.release;
    let mut ids: Vec<&String> = release.services.iter().map(|s| &s.image_id).collect();
    ids.sort();
    ids.dedup();
    for id in ids {
        if run.host.image(id).await?.is_some() {
            run.host.tag(id, &keeper(backup, id)).await?;
        }
    }
    Ok(())
}

/// Lets go of the images that only one backup needed.
pub async fn release_images<H: Host>(host: &H, backup: &Description) -> Result<()> {
    let repository = keepers(&backup.release.project);
    for reference in spent(&host.references(&repository).await?, backup) {
        host.untag(reference).await?;
    }
    Ok(())
}

/// Which of a project's keeping references one backup has. An older program named no run in them.
fn spent<'r>(all: &'r [String], backup: &Description) -> Vec<&'r String> {
    let own = keepers_of(backup);
    let of_run: Vec<&String> = all.iter().filter(|r| r.starts_with(&own)).collect();
    if !of_run.is_empty() {
        return of_run;
    }
    let project = keepers(&backup.release.project);
    let older = format!("{project}:{}-", backup.timestamp);
    let is_older = |r: &&String| r.strip_prefix(&older).is_some_and(|id| !id.contains('-'));
    all.iter().filter(is_older).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::words::backup::Release;

    #[test]
    fn directories_that_docker_will_make_are_named_with_those_on_the_way_the_deepest_first() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("srv")).unwrap();
        let data = [
            "srv/new".to_owned(),
            "var/a/b".to_owned(),
            "var/c".to_owned(),
        ];
        let absent = absent(dir.path(), &data);
        assert_eq!(absent, ["var/c", "var/a/b", "var/a", "var", "srv/new"]);
    }

    fn backup(run: &str) -> Description {
        let json = serde_json::json!({
            "v": 1, "timestamp": "20251017_143025", "created_at": "2025-10-17T14:30:25Z",
            "deployment_id": run, "purpose": "deploy", "deploy_dir": "/opt/mcp",
            "release": Release { project: "mcp".into(), ..Release::default() },
            "tree": [], "data": [],
            "archive": { "file": "mcp.tar.gz", "bytes": 0, "sha256": "", "entries": 0 },
        });
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn two_applications_of_one_name_that_back_up_in_one_second_keep_each_its_own_references() {
        let id = "sha256:0123456789abcdef";
        let (one, two) = (
            backup("20251017_143025-aaaaaa"),
            backup("20251017_143025-bbbbbb"),
        );
        let all = [keeper(&one, id), keeper(&two, id)];
        let begins = "landfall.backup/mcp:20251017_143025-";
        assert!(
            all[0].starts_with(begins) && all[0].ends_with("-0123456789ab"),
            "{all:?}"
        );
        assert_eq!(spent(&all, &one), [&all[0]]);
        assert_eq!(spent(&all, &two), [&all[1]]);
        assert_eq!(spent(&all[1..], &one), [""; 0]);
        // An older program's, beside those of a run of the same second.
        let older = format!("{begins}0123456789ab");
        let all = [older.clone(), all[1].clone()];
        assert_eq!(spent(&all, &one), [&older]);
        assert_eq!(spent(&all, &two), [&all[1]]);
    }
}
