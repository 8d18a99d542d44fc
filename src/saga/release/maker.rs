//! Who made the release that runs: the run that its deploy directory is noted for.
//!
//! Somebody who changed what runs since then is noted nowhere, so that nobody is named. It refuses to
//! know what a release is called.

use std::path::Path;

use crate::files::rundir::RunDir;
use crate::host::Host;
use crate::saga::journal;
use crate::words::backup::Release;
use crate::words::event::{Event, Note, Record};
use crate::words::plan::{Goal, Made, Plan};

/// Who made what runs; none where that is not known.
pub async fn of<H: Host>(host: &H, state: &Path, release: &Release) -> Option<Made> {
    let run = host.generation().await.ok()??;
    let records = journal::read(&RunDir::of(state, &run).journal()).ok()?;
    told_by(&records).filter(|_| still_runs(&records, release))
}

/// Who made what a run put in place: itself, or whoever made what it went back to.
fn told_by(records: &[Record]) -> Option<Made> {
    let planned = records.iter().find_map(|record| match &record.event {
        Event::Planned { plan } => Some((record, plan)),
        _ => None,
    });
    let (record, plan) = planned?;
    match &plan.goal {
        Goal::Deploy { images } => Some(made(plan, record, images)),
        Goal::Rollback { .. } => records.iter().find_map(|record| match &record.event {
            Event::Note {
                note: Note::Target { made_by, .. },
                ..
            } => made_by.as_deref().cloned(),
            _ => None,
        }),
    }
}

fn made(plan: &Plan, record: &Record, images: &[String]) -> Made {
    Made {
        run: plan.id.clone(),
        at: record.at,
        asked: images.to_vec(),
        origin: plan.origin.clone(),
    }
}

/// Says whether the services that a run deployed are of the images that it gave them.
fn still_runs(records: &[Record], release: &Release) -> bool {
    let noted = records.iter().rev().find_map(|record| match &record.event {
        Event::Note {
            note: Note::Images { services },
            ..
        } => Some(services),
        _ => None,
    });
    noted.into_iter().flatten().all(|given| {
        let mut services = release.services.iter();
        let runs = services.find(|s| s.service == given.service);
        runs.is_none_or(|runs| runs.image_id == given.image_id)
    })
}
