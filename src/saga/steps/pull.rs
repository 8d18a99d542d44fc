//! Pull: fetches every image by digest while the old release serves on.
//!
//! No reference changes its meaning here; that is `Up`'s. The undo removes what was fetched.

use std::cell::RefCell;

use chrono::Utc;

use crate::files::rundir::name;
use crate::host::{Host, Image, Telling};
use crate::saga::facts::{Before, Policy, Pulled, Source};
use crate::saga::release::record;
use crate::saga::steps::Run;
use crate::words::Result;
use crate::words::backup::Running;
use crate::words::event::{Failure, FailureKind, Note, ServiceImage};
use crate::words::plan::Goal;
use crate::words::reference;

/// Fetches the images of a deployment, or those that a rollback's target lacks.
pub async fn act<H: Host>(run: &Run<'_, H>) -> Result<()> {
    let before = run.before()?;
    let pulled = if run.is_rollback() {
        fetch_target(run, &before).await?
    } else {
        fetch_sources(run, &before).await?
    };
    (run.tell)(Note::Images {
        services: pulled.images.clone(),
    });
    run.dir.keep(name::PULLED, &pulled)
}

/// Removes what this run fetched, unless something uses it by now: a container that is made by its
/// digest, of whatever project, is only made again where the digest is known.
pub async fn undo<H: Host>(run: &Run<'_, H>) -> Result<()> {
    let new = run.pulled()?.new;
    if new.is_empty() {
        return Ok(());
    }
    let used = run.host.images_in_use().await;
    for reference in new {
        let why = match &used {
            Ok(used) if !is_used(used, &reference) => run.host.untag(&reference).await.err(),
            Ok(_) => Some(Failure::new("a container uses it by now")),
            Err(failure) => Some(failure.clone()),
        };
        if let Some(why) = why {
            run.warn(format!("`{reference}` stays on the server: {why}"));
        }
    }
    Ok(())
}

/// Says whether a container was made by a digest, however its repository is written.
fn is_used(used: &[String], by_digest: &str) -> bool {
    let named = reference::parse(by_digest);
    let mut used = used.iter().map(|name| reference::parse(name));
    used.any(|one| one.repository == named.repository && one.digest == named.digest)
}

async fn fetch_sources<H: Host>(run: &Run<'_, H>, before: &Before) -> Result<Pulled> {
    let mut pulled = Pulled::default();
    let mut known: Vec<(Source, Image, Option<String>)> = Vec::new();
    for source in run.wanted()?.sources {
        let same = |k: &&(Source, Image, Option<String>)| {
            (&k.0.pull, &k.0.reference, &k.0.platform)
                == (&source.pull, &source.reference, &source.platform)
        };
        let (image, digest) = match known.iter().find(same) {
            Some((_, image, digest)) => (image.clone(), digest.clone()),
            None => fetch(run, &source, &mut pulled).await?,
        };
        pulled
            .images
            .push(service_image(&source, &image, digest.clone(), before));
        known.push((source, image, digest));
    }
    Ok(pulled)
}

/// Fetches one source; without a wish for a pull, the image that is there, if there is one. Where the
/// file says nothing about pulling, an image that is only on the server is as good.
async fn fetch<H: Host>(
    run: &Run<'_, H>,
    source: &Source,
    pulled: &mut Pulled,
) -> Result<(Image, Option<String>)> {
    let reference = source.pull.as_ref().unwrap_or(&source.reference);
    let there = run.host.image(&source.reference).await?;
    if let Some(at_hand) = at_hand(run, source, there.as_ref()).await? {
        return Ok(at_hand);
    }
    let fetched = pull(run, reference, source.platform.as_deref(), pulled).await;
    match (fetched, there) {
        (Ok((image, digest)), _) => Ok((image, Some(digest))),
        (Err(failure), Some(image)) if may_be_local(run, source, &image, &failure) => {
            Ok(local(run, source, &image))
        }
        (Err(failure), _) => Err(failure),
    }
}

/// The image that is there, where nobody has to be asked for another.
async fn at_hand<H: Host>(
    run: &Run<'_, H>,
    source: &Source,
    there: Option<&Image>,
) -> Result<Option<(Image, Option<String>)>> {
    match there {
        Some(image) if source.pull.is_none() && is_fresh(source, image) => {
            Ok(Some(local(run, source, image)))
        }
        Some(image) => {
            run.host.check_image_room(image.bytes).await?;
            Ok(None)
        }
        None if source.pull.is_none() && source.policy == Policy::Never => Err(forbidden(source)),
        None => Ok(None),
    }
}

/// The images that a deployment would fetch, asked of their registries and not fetched; and every
/// reason why it would get none.
pub async fn foreseen<H: Host>(
    run: &Run<'_, H>,
    before: &Before,
) -> Result<(Vec<ServiceImage>, Vec<Failure>)> {
    let (mut images, mut refusals) = (Vec::new(), Vec::new());
    for source in run.wanted()?.sources {
        match asked(run, &source).await {
            Ok((image, digest)) => images.push(service_image(&source, &image, digest, before)),
            Err(failure) if refusals.contains(&failure) => {}
            Err(failure) => refusals.push(failure),
        }
    }
    Ok((images, refusals))
}

/// What would be fetched for a source: its digest, and the image itself where the server has it.
async fn asked<H: Host>(run: &Run<'_, H>, source: &Source) -> Result<(Image, Option<String>)> {
    let reference = source.pull.as_ref().unwrap_or(&source.reference);
    let there = run.host.image(&source.reference).await?;
    if let Some(at_hand) = at_hand(run, source, there.as_ref()).await? {
        return Ok(at_hand);
    }
    let login = run.login(reference);
    match (run.host.digest(reference, login.as_ref()).await, there) {
        (Ok(digest), _) => {
            let known = run.host.image(&digest).await?;
            Ok((known.unwrap_or_default(), Some(digest)))
        }
        (Err(failure), Some(image)) if may_be_local(run, source, &image, &failure) => {
            Ok(local(run, source, &image))
        }
        (Err(failure), _) => Err(failure),
    }
}

/// The images that a rollback would put back; those that it could not get are refused.
pub async fn foreseen_of_target<H: Host>(
    run: &Run<'_, H>,
    before: &Before,
) -> Result<Vec<ServiceImage>> {
    let mut images = Vec::new();
    for running in run.target()?.release.services {
        if run.host.image(&running.image_id).await?.is_none() {
            let digest = running.digest.as_deref().ok_or_else(|| gone(&running))?;
            run.host.digest(digest, run.login(digest).as_ref()).await?;
        }
        images.push(of_running(running, before));
    }
    Ok(images)
}

/// Says whether the image that is there need not be asked for again.
fn is_fresh(source: &Source, image: &Image) -> bool {
    let Policy::Every(seconds) = source.policy else {
        return true;
    };
    let tagged = image.tagged_at.map(|at| (Utc::now() - at).num_seconds());
    let age = tagged.and_then(|age| u64::try_from(age).ok());
    age.is_some_and(|age| age < seconds)
}

/// Says whether the image on the server will do though no registry has it: nobody asked for it by
/// the input, and it came from no registry itself.
fn may_be_local<H: Host>(
    run: &Run<'_, H>,
    source: &Source,
    image: &Image,
    failure: &Failure,
) -> bool {
    let asked = matches!(&run.plan.goal, Goal::Deploy { images } if !images.is_empty());
    let repository = reference::parse(&source.reference).repository;
    let mut pulled = image.digests.iter().map(|d| reference::parse(d).repository);
    !asked && failure.kind == FailureKind::Failed && !pulled.any(|own| own == repository)
}

fn local<H: Host>(run: &Run<'_, H>, source: &Source, image: &Image) -> (Image, Option<String>) {
    let digest = record::digest_for(image, &source.reference);
    let text = format!(
        "service `{}` runs the server's own `{}`, which is not pulled",
        source.service, source.reference
    );
    run.say(text);
    (image.clone(), digest)
}

fn forbidden(source: &Source) -> Failure {
    Failure::new(format!(
        "the image `{}` of service `{}` is not on the server",
        source.reference, source.service
    ))
    .because("its `pull_policy: never` keeps it from being pulled")
    .hint("build or load it on the server under that name, or name another `pull_policy`")
}

/// Pulls by digest; what was not on the server before is noted before it is there.
async fn pull<H: Host>(
    run: &Run<'_, H>,
    reference: &str,
    platform: Option<&str>,
    pulled: &mut Pulled,
) -> Result<(Image, String)> {
    // Layers that are all there already have nothing to be told.
    let progress = |what: &str, done, total| {
        if total > 0 {
            let what = what.to_owned();
            (run.tell)(Note::Progress { what, done, total });
        }
    };
    let pulled = RefCell::new(pulled);
    let new = |digest: &str| {
        let mut pulled = pulled.borrow_mut();
        pulled.new.push(digest.to_owned());
        run.dir.keep(name::PULLED, &**pulled)
    };
    let telling = Telling {
        new: &new,
        progress: &progress,
    };
    let login = run.login(reference);
    let fetched = run.host.pull(reference, platform, login.as_ref(), telling);
    fetched.await.map(|fetched| (fetched.image, fetched.digest))
}

/// The images of a rollback's target are put back by ID; one that is gone is pulled by digest.
async fn fetch_target<H: Host>(run: &Run<'_, H>, before: &Before) -> Result<Pulled> {
    let mut pulled = Pulled::default();
    for running in run.target()?.release.services {
        if run.host.image(&running.image_id).await?.is_none() {
            let digest = running.digest.as_deref().ok_or_else(|| gone(&running))?;
            let (image, _) = pull(run, digest, None, &mut pulled).await?;
            refuse_other(&running, &image)?;
        }
        pulled.images.push(of_running(running, before));
    }
    Ok(pulled)
}

/// The image of a service as a backup has it.
fn of_running(running: Running, before: &Before) -> ServiceImage {
    let source = Source {
        service: running.service,
        reference: running.image,
        ..Source::default()
    };
    let image = Image {
        id: running.image_id,
        ..Image::default()
    };
    service_image(&source, &image, running.digest, before)
}

fn gone(running: &Running) -> Failure {
    Failure::new(format!(
        "the image {} of service `{}` is gone from the server",
        running.image_id, running.service
    ))
    .because("it came from no registry, so it cannot be pulled again")
    .hint("choose another backup (`landfall backups`), or build and deploy that version again")
}

fn refuse_other(running: &Running, image: &Image) -> Result<()> {
    if image.id == running.image_id {
        return Ok(());
    }
    Err(Failure::new(format!(
        "the registry's image for service `{}` is {}, and {} was recorded",
        running.service, image.id, running.image_id
    )))
}

fn service_image(
    source: &Source,
    image: &Image,
    digest: Option<String>,
    before: &Before,
) -> ServiceImage {
    let old = before
        .release
        .services
        .iter()
        .find(|s| s.service == source.service);
    let bare = |d: String| d.rsplit('@').next().unwrap_or_default().to_owned();
    ServiceImage {
        service: source.service.clone(),
        image: source.reference.clone(),
        image_id: image.id.clone(),
        digest: digest.map(bare),
        previous_image_id: old.map(|s| s.image_id.clone()),
        previous_digest: old.and_then(|s| s.digest.clone()).map(bare),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_that_a_container_was_made_by_is_used_however_its_repository_is_written() {
        let used = ["redis@sha256:aa", "ghcr.io/acme/app:1", "sha256:cc"].map(str::to_owned);
        assert!(is_used(&used, "redis@sha256:aa"));
        assert!(is_used(&used, "docker.io/library/redis@sha256:aa"));
        for other in [
            "redis@sha256:bb",
            "ghcr.io/acme/app@sha256:aa",
            "ghcr.io/acme/app@sha256:cc",
        ] {
            assert!(!is_used(&used, other), "{other}");
        }
    }
}
