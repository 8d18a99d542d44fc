//! What a person does when putting back failed: exact commands, from the facts of the run.
//!
//! The commands need no Landfall, the first one aside. It refuses to know why putting back failed,
//! and runs nothing.

use std::path::Path;

use crate::files::rundir::{RunDir, name};
use crate::files::tree::whose;
use crate::host::site;
use crate::saga::facts::{Before, Wanted};
use crate::saga::journal;
use crate::words::backup::{Description, Release, Running};
use crate::words::event::{Event, Failure, FailureKind, Note};
use crate::words::plan::{Plan, Site};
use crate::words::reference;
use crate::words::shell::{path, word};

/// The failure of an undo, with the commands that put the old release back by hand: those that
/// change anything only if the run did.
#[must_use]
pub fn by_hand(plan: &Plan, dir: &RunDir, changed: bool, mut failure: Failure) -> Failure {
    let before: Option<Before> = dir.recall(name::BEFORE).unwrap_or_default();
    let backup: Option<Description> = dir.recall(name::BACKUP).unwrap_or_default();
    if failure.is_astray() {
        failure
            .hints
            .extend(astray(&plan.site, failure.kind, backup.as_ref()));
        return failure;
    }
    failure
        .hints
        .push("once the cause is gone, have the way back tried again: `landfall recover`".into());
    let Some(mut before) = before else {
        return failure;
    };
    let ours = dir.fact(name::IMAGES);
    if ours.is_file() && !before.release.compose_files.is_empty() {
        let ours = ours.to_string_lossy().into_owned();
        before.release.compose_files.push(ours);
    }
    let tool = Tool::of(dir);
    let hints = if changed {
        let new = new_services(dir, &before.release);
        let whose = Whose::of(dir);
        let mut hints = commands(&plan.site, &before.release, backup.as_ref(), tool, whose);
        hints.splice(1..1, remove(&plan.site, &before.release, &new));
        hints
    } else {
        let compose = compose(&plan.site, &before.release, tool);
        vec![format!(
            "what runs was not touched; look at it: `{compose} ps -a`"
        )]
    };
    failure.hints.extend(hints);
    failure
}

/// Both ways on where the path leads elsewhere: with the directory that the run worked in, or with
/// what is at its path now. No command here works at a path before a person has looked there.
fn astray(site: &Site, kind: FailureKind, backup: Option<&Description>) -> Vec<String> {
    let shown = path(&site.deploy_dir);
    let mut hints = Vec::new();
    if kind == FailureKind::Moved {
        hints.push("once it is back, have the way back tried again: `landfall recover`".into());
    }
    hints.push(match kind {
        FailureKind::Gone => format!(
            "if it was removed for good, make it again: `sudo install -d -o {} {shown}`",
            whose::me()
        ),
        _ => format!("or, if what `{shown}` leads to now is right, deploy again: nothing of this run is left to undo there"),
    });
    if let Some(backup) = backup {
        hints.push(format!(
            "to have the old release at `{shown}` as it leads then: `landfall rollback {}`",
            backup.timestamp
        ));
    }
    hints
}

/// Whether all files are this user's: `tar` would put its own in the place of another's, which may be
/// a log that a program holds open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Whose {
    Ours,
    TheirsToo,
}

impl Whose {
    fn of(dir: &RunDir) -> Self {
        if site::has_theirs(dir) {
            Self::TheirsToo
        } else {
            Self::Ours
        }
    }
}

/// Which Compose the server has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tool {
    One,
    Two,
}

impl Tool {
    /// As the run noted it; the second where it noted none.
    fn of(dir: &RunDir) -> Self {
        let records = journal::read(&dir.journal()).unwrap_or_default();
        let one = |event: &Event| match event {
            Event::Note {
                note: Note::Server { compose, .. },
                ..
            } => compose.starts_with("1."),
            _ => false,
        };
        if records.iter().any(|record| one(&record.event)) {
            Self::One
        } else {
            Self::Two
        }
    }

    fn program(self) -> &'static str {
        match self {
            Self::One => "docker-compose",
            Self::Two => "docker compose",
        }
    }
}

fn commands(
    site: &Site,
    release: &Release,
    backup: Option<&Description>,
    tool: Tool,
    whose: Whose,
) -> Vec<String> {
    let compose = compose(site, release, tool);
    let mut hints = vec![format!(
        "or mend it by hand; look at what runs: `{compose} ps -a`"
    )];
    if let Some(backup) = backup {
        let archive = site.backup_dir.join(&backup.archive.file);
        let (archive, dir) = (path(&archive), path(&site.deploy_dir));
        let data = backup.data.iter().fold(String::new(), |all, data| {
            all + " --exclude=" + &word(&format!("./{data}"))
        });
        let (find, but) = match whose {
            Whose::Ours => (String::new(), ""),
            Whose::TheirsToo => (
                format!(
                    "find {dir} ! -user {} ! -type d -printf './%P\\n' | ",
                    whose::me()
                ),
                " --anchored --no-wildcards -X -",
            ),
        };
        hints.push(format!(
            "put the old files back: `{find}tar{but} -xzpf {archive}{data} -C {dir}`"
        ));
    }
    hints.extend(images(release));
    if release.services.is_empty() {
        return hints;
    }
    hints.push(format!(
        "start the old release: `{compose} {}`",
        up(release, tool)
    ));
    hints
}

/// The services that a run brings and that did not run before.
fn new_services(dir: &RunDir, before: &Release) -> Vec<String> {
    let wanted: Option<Wanted> = dir.recall(name::WANTED).unwrap_or_default();
    let target: Option<Description> = dir.recall(name::TARGET).unwrap_or_default();
    let wanted = wanted.unwrap_or_default().config.services.into_iter();
    let target = target.into_iter().flat_map(|t| t.release.services);
    let mut new: Vec<String> = wanted
        .map(|s| s.name)
        .chain(target.map(|s| s.service))
        .collect();
    new.retain(|name| before.services.iter().all(|s| s.service != *name));
    new.sort();
    new.dedup();
    new
}

/// What removes the containers of services that did not run before, and those of this directory
/// alone: `--remove-orphans` would take whoever's carry the project's name.
fn remove(site: &Site, release: &Release, services: &[String]) -> Vec<String> {
    let base = site
        .compose_files
        .first()
        .map(|file| site.deploy_dir.join(file));
    let made_in = base.as_deref().and_then(Path::parent);
    let made_in = made_in.unwrap_or(&site.deploy_dir).to_string_lossy();
    let label = |name: &str, value: &str| {
        let label = format!("label=com.docker.compose.{name}={value}");
        format!(" -f {}", word(&label))
    };
    let listed = services.iter().map(|service| {
        format!(
            "remove what did not run before: `docker ps -aq{}{}{} | xargs -r docker rm -f`",
            label("project", &release.project),
            label("project.working_dir", &made_in),
            label("service", service)
        )
    });
    listed.collect()
}

/// What starts a release again as it ran; what had ended stays ended.
fn up(release: &Release, tool: Tool) -> String {
    let pull = match tool {
        Tool::One => "",
        Tool::Two => " --pull never",
    };
    let mut command = format!("up -d --no-build{pull}");
    let ran = release.services.iter().filter(|s| s.running);
    let mut started: Vec<&Running> = ran.collect();
    let some = !started.is_empty() && started.len() < release.services.len();
    if !some {
        started = release.services.iter().collect();
    }
    for service in &started {
        command += " --scale ";
        command += &word(&format!("{}={}", service.service, service.replicas));
    }
    if some {
        let names: Vec<String> = started.iter().map(|s| word(&s.service)).collect();
        command += " --no-deps ";
        command += &names.join(" ");
    }
    command
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

fn compose(site: &Site, release: &Release, tool: Tool) -> String {
    let known = match release.compose_files.as_slice() {
        [] => &site.compose_files,
        _ => &release.compose_files,
    };
    let files = known.iter();
    let files = files.fold(String::new(), |files, file| files + " -f " + &word(file));
    let project = match release.project.as_str() {
        "" => String::new(),
        name => format!(" -p {}", word(name)),
    };
    format!(
        "cd {} && {}{project}{files}",
        path(&site.deploy_dir),
        tool.program()
    )
}

/// The `docker compose` that means a site's project and files, as it is typed in its directory.
#[must_use]
pub fn typed(site: &Site, project: &str) -> String {
    let files = site.compose_files.iter();
    files.fold(
        format!("docker compose -p {}", word(project)),
        |all, file| all + " -f " + &word(file),
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::host::ServiceConfig;
    use crate::words::backup::ArchiveFact;
    use crate::words::plan::sample;

    fn release() -> Release {
        Release {
            project: "mcp".into(),
            services: vec![Running {
                service: "web".into(),
                image: "acme/app:latest".into(),
                running: true,
                replicas: 1,
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
            "release": Release::default(), "tree": [], "data": ["data"],
            "archive": ArchiveFact { file: "mcp-backup-20251017_143025.tar.gz".into(), ..ArchiveFact::default() },
        });
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn the_commands_that_mend_it_name_backup_images_and_directory() {
        let site = sample::deploy().site;
        assert_eq!(
            commands(&site, &release(), Some(&backup()), Tool::Two, Whose::Ours),
            [
                "or mend it by hand; look at what runs: `cd /opt/mcp && docker compose -p mcp ps -a`",
                "put the old files back: `tar -xzpf /opt/mcp-backups/mcp-backup-20251017_143025.tar.gz --exclude=./data -C /opt/mcp`",
                "let `acme/app:latest` mean the old image again: `docker tag sha256:0123 acme/app:latest`; if that image is gone, first `docker pull acme/app@sha256:4567`",
                "start the old release: `cd /opt/mcp && docker compose -p mcp up -d --no-build --pull never --scale web=1`",
            ]
        );
    }

    #[test]
    fn files_of_others_are_left_alone_by_what_puts_the_files_back() {
        let site = sample::deploy().site;
        let (release, backup) = (release(), backup());
        let told = commands(&site, &release, Some(&backup), Tool::Two, Whose::TheirsToo);
        let me = whose::me();
        assert_eq!(
            told[1],
            format!(
                "put the old files back: `find /opt/mcp ! -user {me} ! -type d -printf './%P\\n' | tar --anchored --no-wildcards -X - -xzpf /opt/mcp-backups/mcp-backup-20251017_143025.tar.gz --exclude=./data -C /opt/mcp`"
            )
        );
    }

    #[test]
    fn what_did_not_run_before_is_removed_from_this_directory_alone_and_odd_names_are_quoted() {
        let state = tempfile::tempdir().unwrap();
        let dir = RunDir::of(state.path(), "r");
        std::fs::create_dir_all(dir.path()).unwrap();
        let mut plan = sample::deploy();
        plan.site.deploy_dir = "/opt/my app".into();
        plan.site.compose_files = vec!["docker/compose.yml".into()];
        let before = Before {
            release: release(),
            ..Before::default()
        };
        dir.keep(name::BEFORE, &before).unwrap();
        let mut wanted = Wanted::default();
        for service in ["web", "queue"] {
            wanted.config.services.push(ServiceConfig {
                name: service.into(),
                ..ServiceConfig::default()
            });
        }
        dir.keep(name::WANTED, &wanted).unwrap();
        let told = by_hand(&plan, &dir, true, Failure::new("no"))
            .hints
            .join("\n");
        let removes = "`docker ps -aq -f label=com.docker.compose.project=mcp -f 'label=com.docker.compose.project.working_dir=/opt/my app/docker' -f label=com.docker.compose.service=queue | xargs -r docker rm -f`";
        assert!(told.contains(removes), "{told}");
        assert!(!told.contains("service=web"), "{told}");
        assert!(
            !told.contains("--remove-orphans") && !told.contains(" rm -sf"),
            "{told}"
        );
    }

    #[test]
    fn what_had_ended_is_not_started_again_and_scales_are_as_they_were() {
        let mut release = release();
        release.services[0].replicas = 2;
        release.services.push(Running {
            service: "migrate".into(),
            replicas: 1,
            ..Running::default()
        });
        assert_eq!(
            up(&release, Tool::One),
            "up -d --no-build --scale web=2 --no-deps web"
        );
    }

    #[test]
    fn a_run_that_recorded_nothing_or_changed_nothing_is_told_of_no_command_that_changes_anything()
    {
        let state = tempfile::tempdir().unwrap();
        let dir = RunDir::of(state.path(), "r");
        std::fs::create_dir_all(dir.path()).unwrap();
        let plan = sample::deploy();
        let told = by_hand(&plan, &dir, true, Failure::new("no"));
        assert_eq!(told.hints.len(), 1, "{told:?}");
        assert!(told.hints[0].contains("landfall recover"), "{told:?}");
        let before = Before {
            release: release(),
            ..Before::default()
        };
        dir.keep(name::BEFORE, &before).unwrap();
        let told = by_hand(&plan, &dir, false, Failure::new("no"));
        assert!(told.hints[1].contains("was not touched"), "{told:?}");
        assert_eq!(told.hints.len(), 2, "{told:?}");
        assert!(by_hand(&plan, &dir, true, Failure::new("no")).hints.len() > 3);
    }
}
