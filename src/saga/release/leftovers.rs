//! Mends what an interrupted `up` left: containers named `<12 hex>_name`.
//!
//! Such a name blocks the next `up`. The file refuses to know which release they belong to.

use crate::host::{Host, Result, State, Volumes};
use crate::saga::steps::Run;

/// Gives containers that an interrupted `up` left as `<12 hex>_name` their place again.
pub async fn mend<H: Host>(run: &Run<'_, H>, project: &str) -> Result<()> {
    let containers = run.host.containers(project).await?;
    for leftover in &containers {
        let Some(proper) = proper_name(&leftover.name) else {
            continue;
        };
        let other = containers.iter().find(|c| c.name == proper);
        match other {
            Some(other) if leftover.state == State::Running && other.state != State::Running => {
                let other = std::slice::from_ref(&other.id);
                run.host.remove(other, Volumes::Go).await?;
                run.host.rename(&leftover.id, proper).await?;
            }
            Some(_) => {
                let leftover = std::slice::from_ref(&leftover.id);
                run.host.stop(leftover).await?;
                run.host.remove(leftover, Volumes::Go).await?;
            }
            None => run.host.rename(&leftover.id, proper).await?,
        }
        run.say(format!(
            "mended `{}`, left by an interrupted `up`",
            leftover.name
        ));
    }
    Ok(())
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
