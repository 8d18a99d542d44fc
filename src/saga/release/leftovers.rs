//! Mends what an interrupted `up` left: containers named `<12 hex>_name`.
//!
//! Such a name blocks the next `up`. The file refuses to know which release they belong to.

use crate::host::{Container, Host, State, Volumes};
use crate::saga::release::names;
use crate::saga::steps::Run;
use crate::words::Result;

/// Gives containers that an interrupted `up` left as `<12 hex>_name` their place again. One whose
/// name somebody else holds stays what it is: Compose replaces it under the name of its service.
pub async fn mend<H: Host>(run: &Run<'_, H>, project: &str) -> Result<()> {
    let containers = run.host.containers(project).await?;
    let mut failed = Ok(());
    for leftover in &containers {
        if let Some(proper) = proper_name(&leftover.name) {
            let mended = mend_one(run, &containers, leftover, proper).await;
            failed = failed.and(mended);
        }
    }
    failed
}

async fn mend_one<H: Host>(
    run: &Run<'_, H>,
    containers: &[Container],
    leftover: &Container,
    proper: &str,
) -> Result<()> {
    let own = std::slice::from_ref(&leftover.id);
    match containers.iter().find(|c| c.name == proper) {
        Some(other) if leftover.state == State::Running && other.state != State::Running => {
            let other = std::slice::from_ref(&other.id);
            run.host.remove(other, Volumes::Go).await?;
            run.host.rename(&leftover.id, proper).await?;
        }
        Some(_) => {
            run.host.stop(own).await?;
            run.host.remove(own, Volumes::Go).await?;
        }
        None => {
            if !names::give(run, leftover, proper).await? {
                return remove_spare(run, containers, leftover).await;
            }
        }
    }
    run.say(format!(
        "mended `{}`, left by an interrupted `up`",
        leftover.name
    ));
    Ok(())
}

/// One that this run made and whose service has a whole one besides is of no use.
async fn remove_spare<H: Host>(
    run: &Run<'_, H>,
    containers: &[Container],
    leftover: &Container,
) -> Result<()> {
    let before = run.before().unwrap_or_default().containers;
    let is_whole = |c: &Container| c.service == leftover.service && proper_name(&c.name).is_none();
    let was_there = before.iter().any(|b| b.id == leftover.id);
    if was_there || !containers.iter().any(is_whole) {
        return Ok(());
    }
    let own = std::slice::from_ref(&leftover.id);
    run.host.stop(own).await?;
    run.host.remove(own, Volumes::Go).await
}

/// The name behind `<12 hex>_name`.
#[must_use]
pub fn proper_name(name: &str) -> Option<&str> {
    let (prefix, proper) = name.split_once('_')?;
    let is_hex = prefix.len() == 12 && prefix.bytes().all(|b| b.is_ascii_hexdigit());
    (is_hex && !proper.is_empty()).then_some(proper)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_twelve_hex_digits_before_an_underscore_are_a_leftover() {
        assert_eq!(proper_name("0123456789ab_mcp-web-1"), Some("mcp-web-1"));
        assert_eq!(proper_name("mcp_web_1"), None);
        assert_eq!(proper_name("0123456789ab"), None);
        assert_eq!(proper_name("0123456789xy_web"), None);
    }
}
