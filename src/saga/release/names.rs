//! Gives a container a name, unless somebody else holds it: a name is no reason to serve nobody.
//!
//! It refuses to know what the container is for, and never touches who holds the name.

use std::collections::BTreeMap;

use crate::host::{Container, Host, Occupant};
use crate::saga::steps::Run;
use crate::words::Result;

/// Services that serve under another name meanwhile, and which.
pub type Lost = BTreeMap<String, String>;

/// Gives a container a name; says whether it has it now. Where another holds it, that is told.
pub async fn give<H: Host>(run: &Run<'_, H>, container: &Container, name: &str) -> Result<bool> {
    let Err(failure) = run.host.rename(&container.id, name).await else {
        return Ok(true);
    };
    let holder = run.host.occupants().await?;
    let holder = holder.into_iter().find(|o| o.name == name);
    match holder.filter(|o| o.id != container.id) {
        Some(holder) => {
            run.warn(format!(
                "`{}` cannot have its name `{name}`, which {} holds; it keeps this one",
                container.name,
                holder.described()
            ));
            Ok(false)
        }
        None => Err(failure),
    }
}

/// The services whose one container is gone and whose name somebody else holds by now, each with a
/// name to serve under meanwhile. Where nobody can say, the names are taken for free.
pub async fn lost<H: Host>(run: &Run<'_, H>) -> Lost {
    let lost = try_lost(run).await;
    lost.unwrap_or_else(|failure| {
        run.warn(format!(
            "whose the old containers' names are is not known: {failure}"
        ));
        Lost::new()
    })
}

async fn try_lost<H: Host>(run: &Run<'_, H>) -> Result<Lost> {
    let before = run.before()?;
    let standing = run.host.containers(&before.release.project).await?;
    let stands = |id: &str| standing.iter().any(|c| c.id == id);
    let is_one = |b: &Container| {
        let of_it = before.containers.iter().filter(|o| o.service == b.service);
        of_it.count() == 1
    };
    let gone = before.containers.iter();
    let gone: Vec<_> = gone.filter(|b| !stands(&b.id) && is_one(b)).collect();
    if gone.is_empty() {
        return Ok(Lost::new());
    }
    let mut others = run.host.occupants().await?;
    others.retain(|o| !stands(&o.id));
    let held = gone.into_iter().filter_map(|container| {
        let holder = others.iter().find(|o| o.name == container.name)?;
        Some((container, holder))
    });
    Ok(held
        .map(|(c, holder)| (c.service.clone(), next_best(run, c, holder)))
        .collect())
}

fn next_best<H: Host>(run: &Run<'_, H>, container: &Container, holder: &Occupant) -> String {
    let name = format!("{}-kept", container.name);
    run.warn(format!(
        "the name `{}` is held by {}: service `{}` serves as `{name}` until that name is free and \
         somebody types `docker compose up -d`",
        container.name,
        holder.described(),
        container.service
    ));
    name
}
