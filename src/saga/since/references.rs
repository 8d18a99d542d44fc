//! References that somebody gave another image since a run's agent died.
//!
//! A copy of the application on the same server may do that with every pull of its own: the release
//! is taken back all the same, and the reference then means what somebody had it mean. It refuses to
//! know how a release is brought back.

use super::Known;
use crate::files::rundir::name;
use crate::host::Host;
use crate::saga::steps::Run;
use crate::words::Result;
use crate::words::backup::Reference;

/// Notes which references mean neither what they meant before nor what this run gives them; those
/// that were noted already may mean something of this run's by now.
pub async fn note_moved<H: Host>(run: &Run<'_, H>, known: &Known) -> Result<()> {
    let mut moved = moved(run)?;
    let had = moved.clone();
    for reference in known.before.release.references.iter().map(|r| &r.reference) {
        let Some(now) = run.host.image(reference).await? else {
            continue;
        };
        if !known.means(reference, &now.id) {
            moved.retain(|m| m.reference != *reference);
            moved.push(Reference {
                reference: reference.clone(),
                image_id: Some(now.id),
                digest: None,
            });
        }
    }
    if moved == had {
        return Ok(());
    }
    run.dir.keep(name::MOVED, &moved)
}

/// The references that were given another image since.
pub fn moved<H: Host>(run: &Run<'_, H>) -> Result<Vec<Reference>> {
    Ok(run.dir.recall(name::MOVED)?.unwrap_or_default())
}

/// Lets them mean again what somebody had them mean.
pub async fn leave_moved<H: Host>(run: &Run<'_, H>) -> Result<()> {
    for reference in moved(run)? {
        let (name, id) = (&reference.reference, reference.image_id.unwrap_or_default());
        let now = run.host.image(name).await?.map(|image| image.id);
        if now.as_ref() != Some(&id) && run.host.image(&id).await?.is_some() {
            run.host.tag(&id, name).await?;
        }
        run.warn(format!(
            "somebody gave `{name}` another image since this run was cut off, and it keeps that: \
             `docker compose up -d` typed by hand would run it"
        ));
    }
    Ok(())
}
