//! Lets Compose make containers of the images that ran where the files in place name others.
//!
//! A variable of somebody's shell (`TAG=1.2 docker compose up -d`) is gone by the time anybody goes
//! back, and the files then name another image, or none. A file of ours says behind them which it
//! was. It refuses to know how containers are made, and that its images are there.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;

use crate::archive::{Release, Running};
use crate::host::{Config, Result};
use crate::plan::Site;
use crate::saga::facts::{RunDir, name};
use crate::saga::release::record;

/// A compose file that names images and nothing else.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
struct Names {
    services: BTreeMap<String, Named>,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
struct Named {
    image: String,
}

/// A site whose compose files name what ran; none where those in place do, or where Compose is left
/// to find them.
pub fn site(dir: &RunDir, site: &Site, release: &Release, config: &Config) -> Result<Option<Site>> {
    let names = names(release, config);
    if names.services.is_empty() || site.compose_files.is_empty() {
        return Ok(None);
    }
    dir.keep(name::IMAGES, &names)?;
    let own = dir.fact(name::IMAGES).to_string_lossy().into_owned();
    let mut site = site.clone();
    site.compose_files.push(own);
    Ok(Some(site))
}

/// Says whether a compose file that a container was made from is such a file of ours, and gone with
/// its run.
#[must_use]
pub fn is_ours(file: &Path) -> bool {
    file.file_stem().is_some_and(|stem| stem == name::IMAGES)
}

fn names(release: &Release, config: &Config) -> Names {
    let image = |of: &Running| config.service(&of.service).and_then(|s| s.image.clone());
    let is_named = |of: &&Running| image(of).is_none_or(|image| image == of.image);
    let odd = release.services.iter().filter(|of| !is_named(of));
    let odd = odd.filter(|of| !of.image.is_empty() && !record::is_image_id(&of.image));
    let named = odd.map(|of| {
        let image = of.image.clone();
        (of.service.clone(), Named { image })
    });
    Names {
        services: named.collect(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::host::ServiceConfig;
    use crate::plan::sample;

    fn release(services: &[(&str, &str)]) -> Release {
        let running = |(service, image): &(&str, &str)| Running {
            service: (*service).into(),
            image: (*image).into(),
            ..Running::default()
        };
        Release {
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

    #[test]
    fn only_services_whose_files_name_another_image_are_named() {
        let ran = release(&[
            ("web", "acme/app:1.2"),
            ("job", "acme/app:1.2"),
            ("site", "mcp-site"),
            ("db", "sha256:0123"),
            ("gone", "acme/gone:1"),
        ]);
        let files = config(&[
            ("web", Some("acme/app:")),
            ("job", Some("acme/app:1.2")),
            ("site", None),
            ("db", Some("postgres")),
        ]);
        let text = serde_json::to_string(&names(&ran, &files)).unwrap();
        insta::assert_snapshot!(text, @r#"{"services":{"web":{"image":"acme/app:1.2"}}}"#);
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
        let named = site(&dir, &own, &ran, &files).unwrap().unwrap();
        let [theirs, ours] = &named.compose_files[..] else {
            panic!("{:?}", named.compose_files);
        };
        assert!(Path::new(ours).is_file());
        assert!(is_ours(Path::new(ours)) && !is_ours(Path::new(theirs)));
        let same = config(&[("web", Some("acme/app:1.2"))]);
        assert_eq!(site(&dir, &own, &ran, &same).unwrap(), None);
    }
}
