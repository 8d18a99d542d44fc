//! How a server stands, for the action: healthy or not, and why not.
//!
//! The agent is asked where a release of this directory could be, which first settles what an
//! interrupted run left. Where nothing was ever deployed and nothing runs, it is not placed.

use crate::face::errand::Errand;
use crate::face::{operator, shell};
use crate::output::status;
use crate::request::Request;
use crate::words::error::Error;
use crate::words::event::{Failure, Status};
use crate::words::plan::Plan;
use crate::words::report::Report;
use crate::words::report::standing::Standing;
use crate::words::shell::path;

/// What the shell says where there may be a release.
const RELEASE: &str = "landfall has been here, or something runs";

/// Shows how the server stands, and reports it as healthy or unhealthy.
pub async fn show(request: &Request, plan: &Plan) -> Report {
    let mut report = Report::of_plan(plan);
    report.goal = None;
    match standing(request).await {
        Ok((mut lines, standing)) => {
            lines.extend(status::status(&standing).lines().map(ToOwned::to_owned));
            report.looked(&standing, lines)
        }
        Err(error) => report.stopped(&error),
    }
}

async fn standing(request: &Request) -> Result<(Vec<String>, Standing), Error> {
    let mut lines = shell::lines(request, &script(request)).await?;
    if lines.pop_if(|line| line == RELEASE).is_none() {
        return Ok((lines, nothing(request)));
    }
    let value = operator::ask(request, Errand::Status, &[]).await?;
    let standing = serde_json::from_value(value)
        .map_err(|e| Error::Agent(Failure::new("the agent's answer cannot be read").because(e)))?;
    Ok((lines, standing))
}

/// How it stands where nothing was deployed and nothing runs.
fn nothing(request: &Request) -> Standing {
    Standing {
        status: Some(Status::Unhealthy),
        reasons: vec![Standing::nothing_at(&request.site.deploy_dir)],
        v: Standing::VERSION,
        deploy_dir: request.site.deploy_dir.clone(),
        ..Standing::default()
    }
}

/// One line of shell that reads and writes nothing. An engine that does not answer may have had a
/// release: the agent says what is known of it.
fn script(request: &Request) -> String {
    let site = &request.site;
    let backups = path(&site.backup_dir);
    [
        shell::entered(site),
        shell::compose(site),
        format!(
            "if test -d {backups}/.landfall/runs || test -n \"$(compose ps -aq 2>/dev/null)\"; \
             then echo '{RELEASE}'; fi"
        ),
    ]
    .join("; ")
}
