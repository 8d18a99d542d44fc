//! Stage: lays the new files beside the old ones and asks Compose about the result.
//!
//! Its act also writes down what runs, before anything can change. Its undo removes the stage.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::files::rundir::name;
use crate::host::compose;
use crate::host::{Access, Config, Host, Kept, ServiceConfig};
use crate::saga::facts::{Policy, Source, Wanted};
use crate::saga::release::{
    advice, data, endless, held, left_behind, record, strangers, unpublished,
};
use crate::saga::steps::Run;
use crate::words::Result;
use crate::words::event::Failure;
use crate::words::plan::Goal;
use crate::words::reference;

/// Lays the stage, reads the configuration, matches images to services and records what runs.
pub async fn act<H: Host>(run: &Run<'_, H>) -> Result<()> {
    expect_pulls(run).await?;
    let stage = run.dir.stage();
    let dir = run.host.lay_stage(run.plan, run.private, run.dir).await?;
    let (config, every) = tokio::join!(run.host.config(&dir), every_profile(run, &dir));
    let (mut config, mut every) = (config?, data::known(run, every));
    if !config.unset.is_empty() {
        let env_file = run.plan.env_file_path.as_deref();
        return Err(compose::env_files::refuse_unset(
            &config.unset,
            &run.plan.site,
            &dir,
            env_file,
        ));
    }
    unstage_paths(&mut config, &stage);
    unstage_paths(&mut every, &stage);
    strangers::refuse(run, &config.project).await?;
    let mut wanted = want(run, config)?;
    wanted.written = data::written(&every).collect();
    let named = wanted.config.services.iter();
    let references = named.filter_map(|s| s.image.clone()).collect();
    let before = record::of(run.host, &wanted.config.project, references).await?;
    left_behind::refuse(run, &wanted, &before.containers).await?;
    held::refuse(run, &wanted, &before.containers).await?;
    unpublished::warn(run, &wanted).await;
    record::tell_server(run, &wanted.config.project).await?;
    strangers::tell_earlier(run, &before.containers);
    endless::warn(run, &before.containers);
    warn_of_policies(run, &wanted);
    tell_of_the_plain_command(run, &wanted.config.project).await?;
    run.dir.keep(name::BEFORE, &before)?;
    run.dir.keep(name::WANTED, &wanted)
}

/// Has the registries asked while Compose reads.
async fn expect_pulls<H: Host>(run: &Run<'_, H>) -> Result<()> {
    if let Goal::Deploy { images } = &run.plan.goal {
        for image in first_of_each_registry(images) {
            let login = run.login(image);
            run.host.expect_pull(image, login.as_ref()).await?;
        }
    }
    Ok(())
}

/// A registry that refuses a password is not to be given it for several images at once; what is
/// named by its digest is not asked for.
fn first_of_each_registry(images: &[String]) -> impl Iterator<Item = &String> {
    let mut asked = BTreeSet::new();
    let registry = |image: &String| reference::parse(image).registry().to_owned();
    let is_tag = |image: &String| reference::parse(image).digest.is_none();
    images
        .iter()
        .filter(move |image| is_tag(image) && asked.insert(registry(image)))
}

/// Removes the stage.
pub async fn undo<H: Host>(run: &Run<'_, H>) -> Result<()> {
    if let Err(failure) = run.host.strike_stage(run.dir).await {
        run.warn(format!("the stage could not be removed: {failure}"));
    }
    Ok(())
}

/// What the files that come say of all profiles; those that are there already, the backup asks.
async fn every_profile<H: Host>(run: &Run<'_, H>, dir: &Path) -> Result<Option<Config>> {
    if *dir == run.plan.site.deploy_dir {
        return Ok(None);
    }
    run.host.every_profile(dir).await
}

/// Compose saw the stage; everybody else means the deploy directory.
fn unstage_paths(config: &mut Config, stage: &Path) {
    let unstage = |path: &mut PathBuf| {
        if let Ok(real) = path.strip_prefix(stage) {
            *path = PathBuf::from("/").join(real);
        }
    };
    for service in &mut config.services {
        service
            .binds
            .iter_mut()
            .for_each(|b| unstage(&mut b.source));
        for mount in &mut service.mounts {
            if let Kept::At(path) = &mut mount.kept {
                unstage(path);
            }
        }
    }
}

fn want<H: Host>(run: &Run<'_, H>, config: Config) -> Result<Wanted> {
    let services = run.plan.site.services.clone();
    refuse_unknown(&services, &config)?;
    let images = match &run.plan.goal {
        Goal::Deploy { images } => images.as_slice(),
        Goal::Rollback { .. } => &[],
    };
    let mut shipped: Vec<String> = run.plan.files.iter().map(|f| f.path.clone()).collect();
    shipped.extend(run.plan.env_file_path.clone());
    Ok(Wanted {
        sources: sources(&config, &services, images)?,
        services,
        shipped,
        config,
        written: Vec::new(),
    })
}

fn refuse_unknown(services: &[String], config: &Config) -> Result<()> {
    let unknown: Vec<String> = services
        .iter()
        .filter(|name| config.service(name).is_none())
        .map(|name| format!("`{name}`"))
        .collect();
    if unknown.is_empty() {
        return Ok(());
    }
    let known: Vec<&str> = config.services.iter().map(|s| s.name.as_str()).collect();
    Err(Failure::new(format!(
        "the compose file has no service {}",
        unknown.join(", ")
    ))
    .because(format!("its services are: {}", known.join(", ")))
    .hint("mend the input `services`, or activate the profile that the service belongs to"))
}

/// Matches the images that were asked for to services by repository.
fn sources(config: &Config, services: &[String], images: &[String]) -> Result<Vec<Source>> {
    let mut sources = Vec::new();
    let mut used = vec![false; images.len()];
    let deployed = |s: &&ServiceConfig| services.is_empty() || services.contains(&s.name);
    for service in config.services.iter().filter(deployed) {
        let Some(reference) = &service.image else {
            continue;
        };
        let wanted = reference::parse(reference);
        let found = images
            .iter()
            .position(|i| reference::parse(i).repository == wanted.repository);
        if found.is_none() && service.build {
            continue;
        }
        if let Some(i) = found {
            used[i] = true;
            refuse_other_digest(service, reference, &images[i])?;
        }
        let own = images.is_empty();
        let policy = Policy::of(service.pull_policy.as_deref());
        sources.push(Source {
            service: service.name.clone(),
            reference: reference.clone(),
            pull: match found {
                Some(i) => Some(images[i].clone()),
                None => (own && policy == Policy::Always).then(|| reference.clone()),
            },
            platform: service.platform.clone(),
            policy,
        });
    }
    refuse_unused(images, &used, config)?;
    Ok(sources)
}

/// A compose file that names a digest cannot be given another image by tagging.
fn refuse_other_digest(service: &ServiceConfig, reference: &str, image: &str) -> Result<()> {
    let (written, asked) = (reference::parse(reference), reference::parse(image));
    match (&written.digest, &asked.digest) {
        (Some(written), Some(asked)) if written == asked => Ok(()),
        (Some(_), _) => Err(Failure::new(format!(
            "service `{}` names its image by digest, `{reference}`, and `{image}` was asked for",
            service.name
        ))
        .hint("ship a compose file with the new digest (input `files`) and leave `image` empty")
        .hint("or name a tag in the compose file; Landfall pins what the tag means")),
        _ => Ok(()),
    }
}

fn refuse_unused(images: &[String], used: &[bool], config: &Config) -> Result<()> {
    let unused = images.iter().zip(used).find(|(_, used)| !**used);
    let Some((image, _)) = unused else {
        return Ok(());
    };
    let named: Vec<String> = config
        .services
        .iter()
        .map(|s| {
            format!(
                "{} ({})",
                s.image.as_deref().unwrap_or("built here"),
                s.name
            )
        })
        .collect();
    Err(Failure::new(format!(
        "no deployed service has an image of the repository of `{image}`"
    ))
    .because(format!("the compose file names: {}", named.join(", ")))
    .hint("mend the input `image`, or the `image:` of the service in the compose file"))
}

/// Whoever types in the deploy directory should hit what this run hits.
async fn tell_of_the_plain_command<H: Host>(run: &Run<'_, H>, project: &str) -> Result<()> {
    let here = run.host.surroundings(project, None).await?;
    if here.plain_differs {
        let dir = run.plan.site.deploy_dir.display();
        run.say(format!(
            "`docker compose` typed by hand in `{dir}` would act on other files or another project; \
             type `{}` there",
            advice::typed(&run.plan.site, project)
        ));
    }
    Ok(())
}

fn warn_of_policies<H: Host>(run: &Run<'_, H>, wanted: &Wanted) {
    let dir = &run.plan.site.deploy_dir;
    for service in &wanted.config.services {
        if service
            .binds
            .iter()
            .any(|b| b.source == *dir && b.access == Access::ReadWrite)
        {
            run.warn(format!(
                "service `{}` mounts the deploy directory itself: what it writes there is rolled \
                 back with the release",
                service.name
            ));
        }
        if service.pull_policy.as_deref() == Some("always") {
            run.warn(format!(
                "service `{}` has `pull_policy: always`: Landfall does not pull again, but \
                 `docker compose up -d` typed by hand does, and may fetch another image",
                service.name
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn config(services: &[(&str, Option<&str>)]) -> Config {
        Config {
            project: "mcp".into(),
            unset: Vec::new(),
            services: services
                .iter()
                .map(|(name, image)| ServiceConfig {
                    name: (*name).into(),
                    image: image.map(Into::into),
                    build: image.is_none(),
                    ..ServiceConfig::default()
                })
                .collect(),
        }
    }

    #[test]
    fn a_registry_is_asked_ahead_for_one_image_alone() {
        let pinned = format!("ghcr.io/a/job@sha256:{}", "0".repeat(64));
        let images = [
            &pinned,
            "ghcr.io/a/web:1",
            "nginx:1",
            "ghcr.io/a/db:2",
            "redis",
        ];
        let images = images.map(str::to_owned);
        let first: Vec<_> = first_of_each_registry(&images).collect();
        assert_eq!(first, ["ghcr.io/a/web:1", "nginx:1"]);
    }

    #[test]
    fn an_image_goes_to_every_service_of_its_repository() {
        let config = config(&[
            ("api", Some("ghcr.io/acme/app:latest")),
            ("db", Some("postgres:16")),
            ("worker", Some("ghcr.io/acme/app:latest")),
        ]);
        let sources = sources(&config, &[], &["ghcr.io/acme/app:v2".into()]).unwrap();
        let pulls: Vec<_> = sources.iter().map(|s| s.pull.as_deref()).collect();
        let new = Some("ghcr.io/acme/app:v2");
        assert_eq!(pulls, [new, None, new]);
    }

    #[test]
    fn without_an_image_every_named_one_is_pulled_and_built_ones_are_not() {
        let config = config(&[("api", Some("acme/app")), ("site", None)]);
        let sources = sources(&config, &[], &[]).unwrap();
        assert_eq!(sources.len(), 1);
        assert_eq!(sources[0].pull.as_deref(), Some("acme/app"));
    }

    #[test]
    fn a_service_that_must_not_or_need_not_be_pulled_is_not_unless_its_image_was_asked_for() {
        let mut config = config(&[
            ("api", Some("acme/app")),
            ("db", Some("postgres:16")),
            ("tool", Some("acme/tool")),
        ]);
        for (nth, policy) in ["never", "missing", "always"].into_iter().enumerate() {
            config.services[nth].pull_policy = Some(policy.into());
        }
        let pulls = |images: &[String]| {
            let sources = sources(&config, &[], images).unwrap().into_iter();
            sources.map(|s| s.pull).collect::<Vec<_>>()
        };
        assert_eq!(pulls(&[]), [None, None, Some("acme/tool".into())]);
        let asked = ["acme/app:2".to_owned()];
        assert_eq!(pulls(&asked), [Some("acme/app:2".into()), None, None]);
    }

    #[test]
    fn an_image_that_no_service_has_is_refused_with_those_that_they_have() {
        let config = config(&[("db", Some("postgres:16"))]);
        let failure = sources(&config, &[], &["acme/app:1".into()]).unwrap_err();
        assert_eq!(
            failure.to_string(),
            "no deployed service has an image of the repository of `acme/app:1`: the compose file names: postgres:16 (db)"
        );
    }

    #[test]
    fn a_compose_file_that_names_another_digest_is_refused() {
        let config = config(&[("api", Some("acme/app@sha256:aa"))]);
        assert!(sources(&config, &[], &["acme/app@sha256:aa".into()]).is_ok());
        let failure = sources(&config, &[], &["acme/app@sha256:bb".into()]).unwrap_err();
        assert!(failure.what.contains("by digest"), "{failure}");
    }
}
