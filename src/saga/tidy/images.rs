//! Which references go with the backups that were dropped, and their going.
//!
//! One image a commit would pile up otherwise. It refuses to touch what a container on the server,
//! a remaining backup or the compose files in place use, and references that no backup named.

use std::collections::BTreeSet;

use crate::host::compose::built_names;
use crate::host::{Config, Host};
use crate::saga::steps::Run;
use crate::words::Result;
use crate::words::backup::{Description, Release};
use crate::words::event::Outcome;
use crate::words::reference;

/// Lets go of what only the dropped backups named: tags first, then images without any.
pub async fn let_go<H: Host>(
    run: &Run<'_, H>,
    outcome: &Outcome,
    dropped: &[&Description],
    kept: &[&Description],
) -> Result<()> {
    let Some(used) = used(run, outcome, kept).await? else {
        return Ok(());
    };
    for (reference, id) in spent_tags(dropped, &used) {
        let means = run.host.image(&reference).await?.map(|i| i.id);
        if means.as_ref() == Some(&id) {
            untag(run, &reference).await;
        }
    }
    let repositories = repositories(dropped);
    for id in spent_images(dropped, &used) {
        let Some(image) = run.host.image(&id).await?.filter(|i| i.tags.is_empty()) else {
            continue;
        };
        let named = |d: &&String| repositories.contains(&reference::parse(d).repository);
        for digest in image.digests.iter().filter(named) {
            untag(run, digest).await;
        }
    }
    Ok(())
}

async fn untag<H: Host>(run: &Run<'_, H>, reference: &str) {
    if let Err(failure) = run.host.untag(reference).await {
        run.warn(failure.to_string());
    }
}

/// Everything that is still used, IDs and completed references; none if Compose cannot say.
async fn used<H: Host>(
    run: &Run<'_, H>,
    outcome: &Outcome,
    kept: &[&Description],
) -> Result<Option<BTreeSet<String>>> {
    let config = match outcome {
        Outcome::Deployed => run.wanted().map(|wanted| wanted.config),
        _ => run.host.config(&run.plan.site.deploy_dir).await,
    };
    let Ok(config) = config else {
        return Ok(None);
    };
    let mut used: BTreeSet<String> = kept.iter().flat_map(|d| names(&d.release)).collect();
    for name in run.host.images_in_use().await? {
        used.insert(completed(&name));
    }
    for name in composed(&config) {
        used.extend(run.host.image(&name).await?.map(|i| i.id));
        used.insert(completed(&name));
    }
    Ok(Some(used))
}

/// The references that a configuration uses; what is built without a name has Compose's.
fn composed(config: &Config) -> Vec<String> {
    let services = config.services.iter();
    let own = |name: &String| built_names(&config.project, name).to_vec();
    services
        .flat_map(|s| s.image.clone().map_or_else(|| own(&s.name), |i| vec![i]))
        .collect()
}

/// The IDs and completed references that a release names.
fn names(release: &Release) -> BTreeSet<String> {
    let services = release.services.iter();
    let services = services.flat_map(|s| [Some(&s.image), Some(&s.image_id), s.digest.as_ref()]);
    let references = release.references.iter();
    let references =
        references.flat_map(|r| [Some(&r.reference), r.image_id.as_ref(), r.digest.as_ref()]);
    let all = services.chain(references).flatten();
    all.map(|name| completed(name)).collect()
}

/// The tags of dropped releases that nothing uses, each with the image that it meant.
fn spent_tags(dropped: &[&Description], used: &BTreeSet<String>) -> BTreeSet<(String, String)> {
    let references = dropped.iter().flat_map(|d| &d.release.references);
    references
        .filter(|r| reference::parse(&r.reference).digest.is_none())
        .filter(|r| !used.contains(&completed(&r.reference)))
        .filter_map(|r| Some((r.reference.clone(), r.image_id.clone()?)))
        .collect()
}

/// The images of dropped releases that nothing uses.
fn spent_images(dropped: &[&Description], used: &BTreeSet<String>) -> BTreeSet<String> {
    let releases = dropped.iter().map(|d| &d.release);
    let ids = releases.flat_map(|r| {
        let running = r.services.iter().map(|s| s.image_id.clone());
        running.chain(r.references.iter().filter_map(|r| r.image_id.clone()))
    });
    ids.filter(|id| !used.contains(id)).collect()
}

/// The repositories that dropped releases had images of.
fn repositories(dropped: &[&Description]) -> BTreeSet<String> {
    let all = dropped.iter().flat_map(|d| names(&d.release));
    all.filter(|name| !name.starts_with("sha256:"))
        .map(|name| reference::parse(&name).repository)
        .collect()
}

/// A reference as Docker completes it; an ID stays as it is.
fn completed(name: &str) -> String {
    if name.starts_with("sha256:") {
        return name.to_owned();
    }
    let parsed = reference::parse(name);
    match &parsed.digest {
        Some(digest) => format!("{}@{digest}", parsed.repository),
        None => format!("{}:{}", parsed.repository, parsed.tag_or_latest()),
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;
    use crate::host::ServiceConfig;
    use crate::words::backup::{ArchiveFact, DESCRIPTION_VERSION, Purpose, Reference, Running};

    fn described(images: &[(&str, &str)]) -> Description {
        let references = images.iter().map(|(reference, id)| Reference {
            reference: (*reference).into(),
            image_id: Some((*id).into()),
            digest: None,
        });
        let services = images.iter().map(|(reference, id)| Running {
            image: (*reference).into(),
            image_id: (*id).into(),
            ..Running::default()
        });
        Description {
            v: DESCRIPTION_VERSION,
            timestamp: "20251017_143025".into(),
            sequence: 1,
            project: "mcp".into(),
            needs: Vec::new(),
            created_at: DateTime::UNIX_EPOCH,
            deployment_id: "20251017_143025-c0ffee".into(),
            purpose: Purpose::Deploy,
            deploy_dir: "/opt/mcp".into(),
            release: Release {
                project: "mcp".into(),
                compose_files: Vec::new(),
                services: services.collect(),
                references: references.collect(),
            },
            archive: ArchiveFact::default(),
            data: Vec::new(),
            brings: Vec::new(),
            ships: Vec::new(),
            exclude: Vec::new(),
            origin: crate::words::plan::Origin::default(),
            made_by: None,
            made_of: Vec::new(),
            fingerprint: None,
            first: 0,
        }
    }

    fn used(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|n| completed(n)).collect()
    }

    #[test]
    fn a_commits_tag_goes_with_its_last_backup() {
        let old = described(&[("acme/app:abc", "sha256:1"), ("postgres", "sha256:2")]);
        let used = used(&["docker.io/library/postgres:latest", "sha256:2"]);
        let tags = spent_tags(&[&old], &used);
        assert_eq!(
            tags,
            BTreeSet::from([("acme/app:abc".to_owned(), "sha256:1".to_owned())])
        );
        assert_eq!(
            spent_images(&[&old], &used),
            BTreeSet::from(["sha256:1".to_owned()])
        );
    }

    #[test]
    fn what_a_remaining_backup_names_stays() {
        let old = described(&[("acme/app:abc", "sha256:1")]);
        let kept = names(&described(&[("docker.io/acme/app:abc", "sha256:1")]).release);
        assert!(spent_tags(&[&old], &kept).is_empty());
        assert!(spent_images(&[&old], &kept).is_empty());
    }

    #[test]
    fn a_moved_tag_stays_and_the_image_that_it_meant_goes() {
        let old = described(&[("acme/app:latest", "sha256:1")]);
        let used = used(&["acme/app", "sha256:9"]);
        assert!(spent_tags(&[&old], &used).is_empty());
        assert_eq!(spent_images(&[&old], &used).len(), 1);
    }

    #[test]
    fn what_compose_builds_without_a_name_is_used_by_its_own() {
        let service = |name: &str, image: Option<&str>| ServiceConfig {
            name: name.into(),
            image: image.map(Into::into),
            ..ServiceConfig::default()
        };
        let config = Config {
            project: "mcp".into(),
            services: vec![service("db", Some("postgres")), service("site", None)],
            ..Config::default()
        };
        assert_eq!(composed(&config), ["postgres", "mcp-site", "mcp_site"]);
    }
}
