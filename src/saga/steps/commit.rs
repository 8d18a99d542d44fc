//! Commit: the point of no return. The act is the append of its success, and nothing else.

use crate::host::Host;
use crate::saga::steps::Run;
use crate::words::Result;

/// Does nothing: the record that follows is the commit.
#[allow(clippy::unused_async, reason = "every step has the same shape")]
pub async fn act<H: Host>(_run: &Run<'_, H>) -> Result<()> {
    Ok(())
}
