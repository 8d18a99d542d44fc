//! Notes and failures as the log's lines.
//!
//! It refuses to know where a line goes, and hides nothing: the log does.

use crate::words::clean;
use crate::words::event::{Failure, Note, ServiceImage};
use crate::words::plan::Plan;
use crate::words::report::{Report, made, span};

/// The first line of a run.
pub fn begins(plan: &Plan) -> String {
    let report = Report::of_plan(plan);
    let dir = plan.site.deploy_dir.display();
    format!("{}: {}, in {dir}", plan.id, report.aim())
}

/// A note in a line; empty for one that has others.
pub fn fact(note: &Note) -> String {
    match note {
        Note::Said { text } => text.clone(),
        Note::Waiting { holder } => format!("waiting for another deployment: {holder}"),
        Note::Server {
            docker,
            compose,
            project,
        } => format!("Docker {docker}, Compose {compose}, project {project}"),
        Note::Backup {
            timestamp,
            file,
            bytes,
            ..
        } => format!("backup {timestamp}: {file}, {}", clean::size(*bytes)),
        Note::Target { timestamp, made_by } => {
            let made = made_by
                .iter()
                .map(|made| format!(": {}", made::in_words(made)));
            format!(
                "going back to the backup {timestamp}{}",
                made.collect::<String>()
            )
        }
        Note::Downtime { ms } => format!("health_url did not answer for {}", span(*ms)),
        Note::AwaitingRunner { until } => format!(
            "the server has passed its own checks and waits for the runner's until {}",
            until.format("%H:%M:%S UTC")
        ),
        _ => String::new(),
    }
}

/// What becomes of a service's image.
pub fn image(service: &ServiceImage) -> String {
    let now = clean::short(&service.image_id);
    let before = service.previous_image_id.as_deref().map(clean::short);
    let change = match before {
        None => format!("{now}, nothing before"),
        Some(before) if before == now => format!("{now}, as before"),
        Some(before) => format!("{before} becomes {now}"),
    };
    format!("{}: {} ({change})", service.service, service.image)
}

/// The cause in full, one line a fault, and what to do about it.
pub fn cause(report: &Report) -> String {
    if report.failures.len() > 1 {
        let faults = report.failures.iter().map(fault);
        return faults.collect::<Vec<_>>().join("\n");
    }
    let hints = report.hints.iter().map(|hint| format!("\nhint: {hint}"));
    format!("{}{}", report.reason, hints.collect::<String>())
}

fn fault(failure: &Failure) -> String {
    let hints = failure.hints.iter().map(|hint| format!("; {hint}"));
    format!("{failure}{}", hints.collect::<String>())
}
