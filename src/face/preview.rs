//! What would happen, shown. Nothing on the server is touched.
//!
//! What a run would change, an agent tells that is only lent a place. What runs is looked at with the
//! shell's own commands, because placing the agent would be a touch. How a directory stands is another
//! question, for `look`.

use crate::face::{foresight, look, shell};
use crate::output;
use crate::request::{Mode, Request};
use crate::words::plan::{Plan, Private};
use crate::words::report::Report;
use crate::words::shell::path;

/// Shows what a run would change, and reports it as planned; or how the server stands, which is no
/// preview.
pub async fn show(request: &Request, plan: &Plan, private: &Private) -> Report {
    if request.mode == Mode::Status && !request.dry_run {
        return look::show(request, plan).await;
    }
    if request.mode != Mode::Status {
        return foreseen(request, plan, private).await;
    }
    let report = about(request.mode, plan);
    match shell::lines(request, &script(request)).await {
        Ok(seen) => report.planned(seen),
        Err(error) => report.stopped(&error),
    }
}

/// What a run would change, and by which steps; or why it would be refused.
async fn foreseen(request: &Request, plan: &Plan, private: &Private) -> Report {
    let mut report = about(request.mode, plan);
    let foreseen = match foresight::of(request, plan, private).await {
        Ok(foreseen) => foreseen,
        Err(error) => return report.stopped(&error),
    };
    report.server.clone_from(&foreseen.server);
    report.warnings.clone_from(&foreseen.warnings);
    if !foreseen.refusals.is_empty() {
        return report.refused(foreseen.refusals);
    }
    let mut lines = output::foreseen::lines(&foreseen, report.asked());
    lines.push(String::new());
    lines.extend(plan.to_string().lines().map(ToOwned::to_owned));
    report.planned(lines)
}

/// A report to fill in: who only asks how the server stands has no goal.
fn about(mode: Mode, plan: &Plan) -> Report {
    let mut report = Report::of_plan(plan);
    if mode == Mode::Status {
        report.goal = None;
    }
    report
}

/// One line of shell that reads and writes nothing.
fn script(request: &Request) -> String {
    let site = &request.site;
    let backups = path(&site.backup_dir);
    [
        shell::entered(site),
        "docker version --format 'Docker {{.Server.Version}}' || exit 1".to_owned(),
        shell::compose(site),
        "compose version || exit 1".to_owned(),
        "echo 'Running now:'".to_owned(),
        "compose ps -a 2>/dev/null || echo 'nothing that Compose knows of'".to_owned(),
        format!(
            "echo \"Backups: $(ls -1 {backups} 2>/dev/null | grep -c 'backup-.*[.]tar[.]gz$')\""
        ),
        format!(
            "if test -e {backups}/.landfall/frozen.json; then echo 'Deployments are frozen.'; fi"
        ),
    ]
    .join("; ")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::words::event::Event;
    use crate::words::report::sample;

    #[test]
    fn a_look_at_the_server_is_no_planned_deployment() {
        let records = sample::deployed();
        let plan = records.iter().find_map(|record| match &record.event {
            Event::Planned { plan } => Some(plan),
            _ => None,
        });
        let plan = plan.unwrap();
        let looked = about(Mode::Status, plan).planned(Vec::new());
        assert_eq!(
            looked.headline(),
            "Looked at production: nothing was deployed."
        );
        let planned = about(Mode::Deploy, plan).planned(Vec::new());
        assert!(planned.headline().starts_with("Planned a deployment"));
    }
}
