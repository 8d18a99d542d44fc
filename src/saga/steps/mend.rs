//! What a person does when putting back failed: exact commands, from the facts of the run.
//!
//! The commands need no Landfall, the first one aside. It refuses to know why putting back failed,
//! and runs nothing.

use std::path::Path;

use crate::archive::{Description, Release};
use crate::event::Failure;
use crate::host::reference;
use crate::plan::{Plan, Site};
use crate::saga::facts::{Before, RunDir, name};

/// The failure of an undo, with the commands that put the old release back by hand.
#[must_use]
pub fn by_hand(plan: &Plan, dir: &RunDir, mut failure: Failure) -> Failure {
    let before: Option<Before> = dir.recall(name::BEFORE).unwrap_or_default();
    let backup: Option<Description> = dir.recall(name::BACKUP).unwrap_or_default();
    let Some(before) = before else {
        return failure;
    };
    failure
        .hints
        .extend(commands(&plan.site, &before.release, backup.as_ref()));
    failure
}

fn commands(site: &Site, release: &Release, backup: Option<&Description>) -> Vec<String> {
    let compose = compose(site, release);
    let mut hints = vec![
        format!(
            "once the cause is gone, have the way back tried again: `{}`",
            recover(site)
        ),
        format!("or mend it by hand; look at what runs: `{compose} ps -a`"),
    ];
    if let Some(backup) = backup {
        let archive = site.backup_dir.join(&backup.archive.file);
        let (archive, dir) = (path(&archive), path(&site.deploy_dir));
        hints.push(format!(
            "put the old files back: `tar -xzpf {archive} -C {dir}`"
        ));
    }
    hints.extend(images(release));
    if release.services.is_empty() {
        hints.push(format!(
            "nothing ran before, so remove what is left: `{compose} rm -sf`"
        ));
        return hints;
    }
    hints.push(format!("start the old release: `{compose} up -d`"));
    hints
}

/// Each reference with the image that it is to mean again, and where that comes from.
fn images(release: &Release) -> Vec<String> {
    let mut hints: Vec<String> = Vec::new();
    for service in &release.services {
        let (image, id) = (&service.image, &service.image_id);
        let fetch = service.digest.as_ref();
        let hint = match fetch.map(|digest| format!("docker pull {}", word(digest))) {
            Some(pull) if is_fixed(image) => format!("see that `{image}` is there: `{pull}`"),
            Some(pull) => format!(
                "let `{image}` mean the old image again: `docker tag {id} {}`; if that image is gone, first `{pull}`",
                word(image)
            ),
            None => format!(
                "let `{image}` mean the old image again: `docker tag {id} {}`; it came from no registry, so if it is gone, build or load it again",
                word(image)
            ),
        };
        if !hints.contains(&hint) {
            hints.push(hint);
        }
    }
    hints
}

/// A reference that cannot mean another image.
fn is_fixed(image: &str) -> bool {
    reference::parse(image).digest.is_some()
}

fn compose(site: &Site, release: &Release) -> String {
    let named = release.compose_files.iter();
    let files = named.fold(String::new(), |files, file| files + " -f " + &word(file));
    let project = match release.project.as_str() {
        "" => String::new(),
        name => format!(" -p {}", word(name)),
    };
    format!(
        "cd {} && docker compose{project}{files}",
        path(&site.deploy_dir)
    )
}

fn recover(site: &Site) -> String {
    let dir = path(&site.deploy_dir);
    let mut usual = site.deploy_dir.clone().into_os_string();
    usual.push("-backups");
    let backups = if site.backup_dir.as_os_str() == usual {
        String::new()
    } else {
        format!(" --backup-dir {}", path(&site.backup_dir))
    };
    format!("landfall recover --deploy-dir {dir}{backups}")
}

fn path(path: &Path) -> String {
    word(&path.to_string_lossy())
}

/// A word as a shell reads it.
fn word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-:@+=".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::archive::{ArchiveFact, Running};
    use crate::plan::sample;

    fn release() -> Release {
        Release {
            project: "mcp".into(),
            services: vec![Running {
                service: "web".into(),
                image: "acme/app:latest".into(),
                image_id: "sha256:0123".into(),
                digest: Some("acme/app@sha256:4567".into()),
                ..Running::default()
            }],
            ..Release::default()
        }
    }

    fn backup() -> Description {
        let json = serde_json::json!({
            "v": 1, "timestamp": "20251017_143025", "created_at": "2025-10-17T14:30:25Z",
            "deployment_id": "d", "purpose": "deploy", "deploy_dir": "/opt/mcp",
            "release": Release::default(), "tree": [],
            "archive": ArchiveFact { file: "mcp-backup-20251017_143025.tar.gz".into(), ..ArchiveFact::default() },
        });
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn the_commands_that_mend_it_name_backup_images_and_directory() {
        let site = sample::deploy().site;
        assert_eq!(
            commands(&site, &release(), Some(&backup())),
            [
                "once the cause is gone, have the way back tried again: `landfall recover --deploy-dir /opt/mcp`",
                "or mend it by hand; look at what runs: `cd /opt/mcp && docker compose -p mcp ps -a`",
                "put the old files back: `tar -xzpf /opt/mcp-backups/mcp-backup-20251017_143025.tar.gz -C /opt/mcp`",
                "let `acme/app:latest` mean the old image again: `docker tag sha256:0123 acme/app:latest`; if that image is gone, first `docker pull acme/app@sha256:4567`",
                "start the old release: `cd /opt/mcp && docker compose -p mcp up -d`",
            ]
        );
    }

    #[test]
    fn where_nothing_ran_the_rest_is_removed_and_odd_names_are_quoted() {
        let mut site = sample::deploy().site;
        site.deploy_dir = "/opt/my app".into();
        let release = Release {
            project: "mcp".into(),
            ..Release::default()
        };
        let hints = commands(&site, &release, None);
        let last = "nothing ran before, so remove what is left: `cd '/opt/my app' && docker compose -p mcp rm -sf`";
        assert_eq!(hints.last().unwrap(), last);
    }

    #[test]
    fn a_run_that_recorded_nothing_yet_has_nothing_to_put_back() {
        let state = tempfile::tempdir().unwrap();
        let dir = RunDir::of(state.path(), "r");
        let failure = Failure::new("no");
        assert_eq!(by_hand(&sample::deploy(), &dir, failure.clone()), failure);
    }
}
