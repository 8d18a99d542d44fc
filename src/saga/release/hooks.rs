//! What a hook is given: who calls it, the new release's images, and a `docker compose` that means
//! this project, with the run's login.
//!
//! Before the switch no reference means the new images yet, and none is made to: Compose is given
//! one more file, which names them by digest. The file refuses to know what a hook does.

use std::collections::BTreeMap;

use serde_json::json;

use crate::files::rundir::{RunDir, name};
use crate::host::{Host, Login};
use crate::saga::steps::Run;
use crate::words::Result;
use crate::words::event::{ServiceImage, Step};
use crate::words::reference;

/// The variables of a hook.
pub async fn environment<H: Host>(run: &Run<'_, H>, step: Step) -> Result<Vec<(String, String)>> {
    let mut known = about(run, step);
    let images = images(run).await?;
    known.extend(images.values().next().map(|_| first(run, &images)));
    for (service, image) in &images {
        known.push((variable(service), image.clone()));
    }
    let wanted = run.wanted()?;
    let project = &wanted.config.project;
    let ours = if step == Step::PreDeploy && !images.is_empty() {
        let policy = |service: &String| {
            let asked = wanted.config.service(service);
            asked.and_then(|s| s.pull_policy.as_ref()).is_some()
        };
        let named = images.iter().map(|(service, image)| {
            let named = if policy(service) {
                json!({ "image": image, "pull_policy": "missing" })
            } else {
                json!({ "image": image })
            };
            (service.clone(), named)
        });
        let named: serde_json::Map<String, serde_json::Value> = named.collect();
        run.dir
            .keep(name::HOOK_IMAGES, &json!({ "services": named }))?;
        Some(run.dir.fact(name::HOOK_IMAGES))
    } else {
        None
    };
    let here = run.host.surroundings(project, ours.as_deref()).await?;
    known.extend(here.variables);
    Ok(known)
}

/// The registries of the release's images that the run's login is for.
pub fn logins<H: Host>(run: &Run<'_, H>) -> Result<Vec<(String, Login)>> {
    let wanted = run.wanted()?;
    let services = wanted.config.services.iter();
    let named = services.filter_map(|s| s.image.as_ref());
    let pulled = wanted.sources.iter().filter_map(|s| s.pull.as_ref());
    let mut logins = BTreeMap::new();
    for text in named.chain(pulled) {
        let registry = reference::parse(text).registry().to_owned();
        if let Some(login) = run.login(text) {
            logins.insert(registry, login);
        }
    }
    Ok(logins.into_iter().collect())
}

/// Removes what must not outlive a hook, also one that its agent did not.
pub fn clear(dir: &RunDir) {
    dir.remove(name::LOGINS);
    dir.forget(name::HOOK_IMAGES);
}

fn about<H: Host>(run: &Run<'_, H>, step: Step) -> Vec<(String, String)> {
    let origin = &run.plan.origin;
    vec![
        ("LANDFALL_HOOK".into(), step.word().into()),
        ("LANDFALL_DEPLOYMENT_ID".into(), run.plan.id.clone()),
        ("LANDFALL_ENVIRONMENT".into(), origin.environment.clone()),
        (
            "LANDFALL_DEPLOY_DIR".into(),
            run.plan.site.deploy_dir.display().to_string(),
        ),
    ]
}

/// The image of each deployed service: by its digest where the server knows it so, else by its ID.
async fn images<H: Host>(run: &Run<'_, H>) -> Result<BTreeMap<String, String>> {
    let mut images = BTreeMap::new();
    for image in run.pulled()?.images {
        let by_digest = by_digest(&image);
        let is_known = match &by_digest {
            Some(text) => {
                let found = run.host.image(text).await?;
                found.is_some_and(|found| found.id == image.image_id)
            }
            None => false,
        };
        let text = by_digest.filter(|_| is_known);
        images.insert(image.service, text.unwrap_or(image.image_id));
    }
    Ok(images)
}

fn by_digest(image: &ServiceImage) -> Option<String> {
    let digest = image.digest.as_ref()?;
    let written = reference::parse(&image.image).written;
    Some(format!("{written}@{digest}"))
}

/// The image of the first deployed service, as the outputs have it.
fn first<H: Host>(run: &Run<'_, H>, images: &BTreeMap<String, String>) -> (String, String) {
    let pulled = run.pulled().unwrap_or_default().images;
    let image = pulled.first().and_then(|first| images.get(&first.service));
    ("LANDFALL_IMAGE".into(), image.cloned().unwrap_or_default())
}

/// `web-app` is `LANDFALL_IMAGE_WEB_APP`.
fn variable(service: &str) -> String {
    let plain = |c: char| {
        if c.is_ascii_alphanumeric() {
            c.to_ascii_uppercase()
        } else {
            '_'
        }
    };
    let service: String = service.chars().map(plain).collect();
    format!("LANDFALL_IMAGE_{service}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_services_variable_has_a_name_that_a_shell_takes() {
        assert_eq!(variable("web"), "LANDFALL_IMAGE_WEB");
        assert_eq!(variable("web-app.2"), "LANDFALL_IMAGE_WEB_APP_2");
    }
}
