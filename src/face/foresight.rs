//! Has the server tell what a run would change, without a trace of the question on it.
//!
//! The agent is borrowed for it: it asks Compose, the registry and the disk as a run would, and
//! refuses in the same words. The file refuses to know what comes of it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::face::errand::Errand;
use crate::face::target;
use crate::remote::binary::Binaries;
use crate::remote::borrowed::Borrowed;
use crate::remote::payload::Payload;
use crate::request::Request;
use crate::words::error::Error;
use crate::words::event::Failure;
use crate::words::plan::{Plan, PlannedFile, Private};
use crate::words::report::foreseen::Foreseen;

/// How long the look may take beside what the run's own registries and files take.
const LOOK: Duration = Duration::from_mins(5);

/// What the plan would change on its server, or every reason to refuse it.
pub async fn of(request: &Request, plan: &Plan, private: &Private) -> Result<Foreseen, Error> {
    let binaries = Binaries::this().map_err(|e| {
        Error::Local(Failure::new("this program cannot find its own file").because(e))
    })?;
    let files = request.files.iter();
    let files: Vec<(PlannedFile, PathBuf)> = files
        .map(|f| (f.planned.clone(), f.source.clone()))
        .collect();
    let payload = Payload::pack(plan, private, files).map_err(Error::Local)?;
    let transport = Arc::new(target::transport(request).await?);
    let sudo = request.sudo;
    let borrowed = Borrowed::new(transport.clone(), &request.site, sudo, &binaries).await?;
    let site = serde_json::to_string(&request.site).unwrap_or_default();
    let args = [site.as_str(), plan.id.as_str()];
    let answer = borrowed.look(Errand::Foresee.word(), &args, &payload, LOOK);
    let answer = answer.await;
    let refused = borrowed.refused.clone();
    borrowed.give_back().await;
    transport.hang_up().await;
    let mut foreseen: Foreseen = serde_json::from_value(answer?)
        .map_err(|e| Error::Agent(Failure::new("the agent's answer cannot be read").because(e)))?;
    if let Some(refused) = refused {
        foreseen.refusals.insert(0, refused);
    }
    Ok(foreseen)
}
