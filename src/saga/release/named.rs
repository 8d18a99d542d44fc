//! Lets Compose make containers of the images that ran where the files in place name others.
//!
//! A variable of somebody's shell (`TAG=1.2 docker compose up -d`) is gone by the time anybody goes
//! back, and the files then name another image, or none. A file of ours says behind them which it
//! was. It refuses to know how containers are made, and that its images are there.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::files::rundir::{RunDir, name};
use crate::host::compose::built_names;
use crate::host::{Config, Host};
use crate::saga::release::record;
use crate::saga::steps::Run;
use crate::words::Result;
use crate::words::backup::{Release, Running};
use crate::words::plan::Site;

/// A compose file that names images, and containers whose own name is another's by now.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
struct Names {
    services: BTreeMap<String, Named>,
}

#[derive(Debug, Default, PartialEq, Eq, Serialize)]
struct Named {
    #[serde(skip_serializing_if = "Option::is_none")]
    image: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    container_name: Option<String>,
}

/// What the files in place say, and the same server with a file that names what ran, where those name
/// something else. Where Compose takes that file no more than theirs, there is nothing to go by.
pub async fn files<H: Host>(
    run: &Run<'_, H>,
    host: &H,
    theirs: &Site,
    release: &Release,
    lost: &BTreeMap<String, String>,
) -> (Config, Option<H>) {
    let dir = &run.plan.site.deploy_dir;
    let read = host.config(dir).await;
    let named = match site(run.dir, theirs, release, read.as_ref().ok(), lost) {
        Ok(None) => return (read.unwrap_or_default(), None),
        Ok(Some(site)) => {
            let host = run.host.at(&site);
            host.config(dir).await.map(|config| (config, Some(host)))
        }
        Err(failure) => Err(failure),
    };
    named.unwrap_or_else(|failure| {
        run.warn(format!(
            "Compose cannot be told which images ran: {failure}"
        ));
        (read.unwrap_or_default(), None)
    })
}

/// A site whose compose files name what ran; none where those in place do, or where Compose is left
/// to find them. `files` is what those in place say, if Compose can make anything of them.
fn site(
    dir: &RunDir,
    site: &Site,
    release: &Release,
    files: Option<&Config>,
    lost: &BTreeMap<String, String>,
) -> Result<Option<Site>> {
    let mut names = names(release, files);
    for (service, name) in lost {
        let of_it = names.services.entry(service.clone()).or_default();
        of_it.container_name = Some(name.clone());
    }
    if names.services.is_empty() || site.compose_files.is_empty() {
        dir.forget(name::IMAGES);
        return Ok(None);
    }
    dir.keep(name::IMAGES, &names)?;
    let own = dir.fact(name::IMAGES).to_string_lossy().into_owned();
    let mut site = site.clone();
    site.compose_files.push(own);
    Ok(Some(site))
}

fn names(release: &Release, files: Option<&Config>) -> Names {
    let has_a_name = |of: &&Running| !of.image.is_empty() && !record::is_image_id(&of.image);
    let services = release.services.iter().filter(has_a_name);
    let odd: Vec<&Running> = services
        .filter(|of| files.is_none_or(|files| !is_named(of, &release.project, files)))
        .collect();
    let own = odd.iter().map(|of| (of.service.clone(), &of.image));
    let others = files.map(|files| alike(release, files, &odd));
    let all = own.chain(others.into_iter().flatten());
    let named = all.map(|(service, image)| {
        let image = Some(image.clone());
        let named = Named {
            image,
            ..Named::default()
        };
        (service, named)
    });
    Names {
        services: named.collect(),
    }
}

/// Says whether the files name the image that a service ran, or do not have the service.
fn is_named(of: &Running, project: &str, files: &Config) -> bool {
    let Some(service) = files.service(&of.service) else {
        return true;
    };
    match &service.image {
        Some(image) => *image == of.image,
        None => built_names(project, &of.service).contains(&of.image),
    }
}

/// Services that had no container any more and are of an image that is named for another: Compose
/// makes what a service depends on as well.
fn alike<'r>(release: &Release, files: &Config, odd: &[&'r Running]) -> Vec<(String, &'r String)> {
    let ran = |name: &str| release.services.iter().any(|of| of.service == name);
    let gone = files.services.iter().filter(|s| !ran(&s.name));
    let image = |name: &str| files.service(name).and_then(|s| s.image.as_ref());
    gone.filter_map(|s| {
        let written = s.image.as_ref()?;
        let like = odd.iter().find(|of| image(&of.service) == Some(written))?;
        Some((s.name.clone(), &like.image))
    })
    .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::path::Path;

    use super::*;
    use crate::files::rundir;
    use crate::host::ServiceConfig;
    use crate::words::plan::sample;

    fn release(services: &[(&str, &str)]) -> Release {
        let running = |(service, image): &(&str, &str)| Running {
            service: (*service).into(),
            image: (*image).into(),
            ..Running::default()
        };
        Release {
            project: "mcp".into(),
            services: services.iter().map(running).collect(),
            ..Release::default()
        }
    }

    fn config(services: &[(&str, Option<&str>)]) -> Config {
        let service = |(name, image): &(&str, Option<&str>)| ServiceConfig {
            name: (*name).into(),
            image: image.map(ToOwned::to_owned),
            ..ServiceConfig::default()
        };
        Config {
            services: services.iter().map(service).collect(),
            ..Config::default()
        }
    }

    fn told(release: &Release, files: Option<&Config>) -> String {
        serde_json::to_string(&names(release, files)).unwrap()
    }

    #[test]
    fn only_services_whose_files_name_another_image_are_named() {
        let ran = release(&[
            ("web", "acme/app:1.2"),
            ("job", "acme/app:1.2"),
            ("site", "mcp-site"),
            ("tool", "acme/tool:3"),
            ("db", "sha256:0123"),
            ("gone", "acme/gone:1"),
        ]);
        let files = config(&[
            ("web", Some("acme/app:")),
            ("job", Some("acme/app:1.2")),
            ("site", None),
            ("tool", None),
            ("db", Some("postgres")),
        ]);
        insta::assert_snapshot!(told(&ran, Some(&files)), @r#"{"services":{"tool":{"image":"acme/tool:3"},"web":{"image":"acme/app:1.2"}}}"#);
    }

    #[test]
    fn a_migration_whose_container_is_gone_is_named_like_the_service_that_waits_for_it() {
        let ran = release(&[("web", "acme/app:1.2")]);
        let files = config(&[
            ("web", Some("acme/app:")),
            ("migrate", Some("acme/app:")),
            ("cache", Some("redis")),
        ]);
        insta::assert_snapshot!(told(&ran, Some(&files)), @r#"{"services":{"migrate":{"image":"acme/app:1.2"},"web":{"image":"acme/app:1.2"}}}"#);
    }

    #[test]
    fn where_compose_makes_nothing_of_the_files_all_that_ran_is_named() {
        let ran = release(&[("web", "acme/app:1.2"), ("db", "sha256:0123")]);
        insta::assert_snapshot!(told(&ran, None), @r#"{"services":{"web":{"image":"acme/app:1.2"}}}"#);
    }

    #[test]
    fn the_file_of_ours_comes_behind_the_releases_own_and_is_known_again() {
        let state = tempfile::tempdir().unwrap();
        let dir = RunDir::of(state.path(), "r");
        std::fs::create_dir_all(dir.path()).unwrap();
        let mut own = sample::deploy().site;
        own.compose_files = vec!["/opt/mcp/compose.yaml".into()];
        let (ran, files) = (
            release(&[("web", "acme/app:1.2")]),
            config(&[("web", Some("acme/app:latest"))]),
        );
        let none = BTreeMap::new();
        let named = site(&dir, &own, &ran, Some(&files), &none)
            .unwrap()
            .unwrap();
        let [theirs, ours] = &named.compose_files[..] else {
            panic!("{:?}", named.compose_files);
        };
        let ours = Path::new(ours);
        assert!(ours.is_file());
        assert!(rundir::is_list_of_images(ours) && !rundir::is_list_of_images(Path::new(theirs)));
        let same = config(&[("web", Some("acme/app:1.2"))]);
        assert_eq!(site(&dir, &own, &ran, Some(&same), &none).unwrap(), None);
        assert!(!ours.exists(), "nobody is told of it any more");
        let lost = BTreeMap::from([("web".to_owned(), "mcp-web-1-kept".to_owned())]);
        site(&dir, &own, &ran, Some(&same), &lost).unwrap().unwrap();
        let text = std::fs::read_to_string(ours).unwrap();
        assert_eq!(
            text,
            r#"{"services":{"web":{"container_name":"mcp-web-1-kept"}}}"#
        );
    }
}
