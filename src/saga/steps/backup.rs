//! Backup: archives the deploy directory with a description of what runs.
//!
//! Its undo asserts the archived release again: the files are back by then, so the old images get
//! their references and Compose brings the old containers up. The order is the safety: nothing
//! old starts on new files.

use std::path::Path;

use crate::archive::{Purpose, Release};
use crate::event::Note;
use crate::host::{Access, Config, Host, Result};
use crate::saga::facts::{Before, Parts, name};
use crate::saga::steps::{Run, reassert};

/// What a backup is to hold.
#[derive(Debug, Clone)]
pub struct Order<'a> {
    /// Why it is made.
    pub purpose: Purpose,
    /// What runs.
    pub release: &'a Release,
    /// Which paths belong to whom.
    pub parts: &'a Parts,
}

/// Archives the directory and keeps the images that it needs.
pub async fn act<H: Host>(run: &Run<'_, H>) -> Result<()> {
    let before = run.before()?;
    let parts = parts(run, &before).await?;
    run.dir.keep(name::PARTS, &parts)?;
    let order = Order {
        purpose: if run.is_rollback() {
            Purpose::Safety
        } else {
            Purpose::Deploy
        },
        release: &before.release,
        parts: &parts,
    };
    let (description, warnings) = run.host.backup(run.plan, &order, run.dir).await?;
    for warning in warnings {
        run.warn(warning);
    }
    run.dir.keep(name::BACKUP, &description)?;
    keep_images(run, &before, &description.timestamp).await?;
    (run.tell)(Note::Backup {
        timestamp: description.timestamp.clone(),
        file: run.host.archive_path(&description).display().to_string(),
        bytes: description.archive.bytes,
    });
    Ok(())
}

/// Puts the archived release back if anything was changed; otherwise drops the backup.
pub async fn undo<H: Host>(run: &Run<'_, H>) -> Result<()> {
    if run.changed {
        return reassert::back(run, &run.before()?).await;
    }
    if let Some(description) = run.backup()? {
        run.host.drop_backup(&description.timestamp).await?;
        let project = &description.release.project;
        release_images(run.host, project, &description.timestamp).await?;
    }
    Ok(())
}

/// What containers write, and what the release answers for all the same. A rollback asks the
/// configuration that runs, and takes the target's word.
async fn parts<H: Host>(run: &Run<'_, H>, before: &Before) -> Result<Parts> {
    let dir = &run.plan.site.deploy_dir;
    if !run.is_rollback() {
        let wanted = run.wanted()?;
        return Ok(Parts {
            data: data_below(dir, &wanted.config, &wanted.shipped),
            own: wanted.shipped,
        });
    }
    let target = run.target()?;
    let own: Vec<String> = target.tree.iter().map(|e| e.path.clone()).collect();
    let mut data = target.data;
    if !before.containers.is_empty()
        && let Ok(config) = run.host.config(dir).await
    {
        data.extend(data_below(dir, &config, &own));
    }
    data.sort();
    data.dedup();
    Ok(Parts { data, own })
}

/// The read-write bind mounts strictly below the deploy directory.
/// What the deployment itself ships is configuration, however it is mounted.
#[must_use]
pub fn data_below(deploy_dir: &Path, config: &Config, shipped: &[String]) -> Vec<String> {
    let binds = config.services.iter().flat_map(|s| &s.binds);
    let mut data: Vec<String> = binds
        .filter(|b| b.access == Access::ReadWrite)
        .filter_map(|b| b.source.strip_prefix(deploy_dir).ok())
        .map(|p| p.to_string_lossy().into_owned())
        .filter(|p| !p.is_empty() && !shipped.contains(p))
        .collect();
    data.sort();
    data.dedup();
    data
}

/// The reference that keeps an image from being pruned while a backup needs it.
fn keeper(project: &str, timestamp: &str, image_id: &str) -> String {
    let short: String = image_id
        .trim_start_matches("sha256:")
        .chars()
        .take(12)
        .collect();
    format!("{}:{timestamp}-{short}", keepers(project))
}

/// The repository of a project's keeping references.
fn keepers(project: &str) -> String {
    format!("landfall.backup/{}", project.to_lowercase())
}

async fn keep_images<H: Host>(run: &Run<'_, H>, before: &Before, timestamp: &str) -> Result<()> {
    let release = &before.release;
    let mut ids: Vec<&String> = release.services.iter().map(|s| &s.image_id).collect();
    ids.sort();
    ids.dedup();
    for id in ids {
        if run.host.image(id).await?.is_some() {
            run.host
                .tag(id, &keeper(&release.project, timestamp, id))
                .await?;
        }
    }
    Ok(())
}

/// Lets go of the images that only one backup needed.
pub async fn release_images<H: Host>(host: &H, project: &str, timestamp: &str) -> Result<()> {
    let prefix = format!("{}:{timestamp}-", keepers(project));
    for reference in host.references(&keepers(project)).await? {
        if reference.starts_with(&prefix) {
            host.untag(&reference).await?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::{Bind, ServiceConfig};

    #[test]
    fn data_is_what_containers_may_write_below_the_directory_and_nobody_ships() {
        let bind = |source: &str, access| Bind {
            source: source.into(),
            access,
        };
        let service = ServiceConfig {
            binds: vec![
                bind("/opt/mcp/data", Access::ReadWrite),
                bind("/opt/mcp/app.conf", Access::ReadWrite),
                bind("/opt/mcp/nginx.conf", Access::ReadOnly),
                bind("/opt/mcp", Access::ReadWrite),
                bind("/var/lib/x", Access::ReadWrite),
            ],
            ..ServiceConfig::default()
        };
        let config = Config {
            project: "mcp".into(),
            services: vec![service],
        };
        let shipped = ["app.conf".to_owned()];
        assert_eq!(
            data_below(Path::new("/opt/mcp"), &config, &shipped),
            ["data"]
        );
    }

    #[test]
    fn a_keeping_reference_names_project_backup_and_image() {
        assert_eq!(
            keeper("Mcp", "20251017_143025", "sha256:0123456789abcdef"),
            "landfall.backup/mcp:20251017_143025-0123456789ab"
        );
    }
}
