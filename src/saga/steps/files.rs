//! Files: puts the staged files and the env file in place, each by rename.
//!
//! Its undo is the same as that of `Restore`: the tree is reconciled to this run's backup.

use sha2::{Digest, Sha256};

use crate::files::rundir::name;
use crate::files::tree;
use crate::host::Host;
use crate::saga::release::generation;
use crate::saga::steps::Run;
use crate::words::Result;

/// Puts the new files in place and writes down which ones differ from what was there.
pub async fn act<H: Host>(run: &Run<'_, H>) -> Result<()> {
    if let Some(text) = &run.private.env_file {
        let sum = tree::hex(&Sha256::digest(text.expose().as_bytes()));
        run.dir.keep(name::ENV_FILE, &sum)?;
    }
    generation::take(run).await?;
    let changed = run.host.put_files(run.plan, run.private, run.dir).await?;
    if !changed.is_empty() {
        run.say(format!("changed {}", changed.join(", ")));
    }
    run.dir.keep(name::CHANGED, &changed)
}
