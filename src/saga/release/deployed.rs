//! What was deployed last: the run whose release should be in place, as the journals tell.
//!
//! It reads journals alone, and refuses to know what runs.

use std::path::Path;

use crate::files::rundir::RunDir;
use crate::host::judge;
use crate::saga::{journal, runs};
use crate::words::event::{Event, ServiceImage, Status};
use crate::words::plan::{Plan, Site};
use crate::words::report::Report;

/// A release that was deployed or gone back to.
#[derive(Debug, Clone)]
pub struct Deployed {
    /// What the run was to do.
    pub plan: Plan,
    /// What it did.
    pub report: Report,
    /// The services that should be there; those that the run left alone come from runs before it.
    pub services: Vec<Expected>,
}

/// A service of a release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    /// Its image as it was deployed.
    pub image: ServiceImage,
    /// Whether it had ended, and ended well, when its release was judged.
    pub ended: bool,
}

/// The last run of a site that ended with a release in place.
#[must_use]
pub fn last(state: &Path, site: &Site) -> Option<Deployed> {
    let ids = runs::ids(state);
    let mut runs = ids.iter().rev().filter_map(|id| finished(state, id, site));
    let mut last = runs.next()?;
    let mut is_of_some = !last.plan.site.services.is_empty();
    while is_of_some && let Some(earlier) = runs.next() {
        is_of_some = !earlier.plan.site.services.is_empty();
        for service in earlier.services {
            if last.service(&service.image.service).is_none() {
                last.services.push(service);
            }
        }
    }
    Some(last)
}

/// A run of a site, if it ended with a release in place.
fn finished(state: &Path, id: &str, site: &Site) -> Option<Deployed> {
    let records = journal::read(&RunDir::of(state, id).journal()).ok()?;
    let plan = match &records.first()?.event {
        Event::Planned { plan } => (**plan).clone(),
        _ => return None,
    };
    let report = Report::fold(&records);
    let is_in_place = matches!(report.status, Status::Deployed | Status::Restored);
    let project = report.server.as_ref().map(|server| &server.project);
    let named = site.project_name.as_ref();
    let is_ours = plan.site.deploy_dir == site.deploy_dir
        && (named.is_none() || project.is_none() || named == project);
    (is_in_place && is_ours).then(|| Deployed {
        services: expected(&report),
        plan,
        report,
    })
}

fn expected(report: &Report) -> Vec<Expected> {
    let ended = |service: &str| {
        let mut checks = report.checks.iter();
        checks.any(|c| c.kind == "service" && c.name == service && judge::tells_an_end(&c.detail))
    };
    let services = report.images.iter().map(|image| Expected {
        ended: ended(&image.service),
        image: image.clone(),
    });
    services.collect()
}

impl Deployed {
    /// The service of that name.
    #[must_use]
    pub fn service(&self, name: &str) -> Option<&Expected> {
        self.services.iter().find(|s| s.image.service == name)
    }

    /// The project that it is of, once the run had found out.
    #[must_use]
    pub fn project(&self) -> Option<&str> {
        let server = self.report.server.as_ref()?;
        Some(&server.project)
    }

    /// Where it lies, named as the run named it.
    #[must_use]
    pub fn site(&self) -> &Site {
        &self.plan.site
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::saga::runs::sample::begun;
    use crate::saga::{Next, next};
    use crate::words::event::{Check, Failure, Note, Step};
    use crate::words::plan::sample;

    fn images(services: &[&str], id: &str) -> Note {
        let image = |service: &&str| ServiceImage {
            service: (*service).to_owned(),
            image_id: id.into(),
            ..ServiceImage::default()
        };
        Note::Images {
            services: services.iter().map(image).collect(),
        }
    }

    fn judged(service: &str, detail: &str) -> Note {
        Note::Checked {
            check: Check {
                name: service.into(),
                kind: "service".into(),
                passed: true,
                detail: detail.into(),
                ms: 1,
            },
        }
    }

    /// A run of some services, or of all, which ends well or is taken back.
    fn ran(state: &Path, id: &str, services: &[&str], well: bool) {
        let mut plan = sample::deploy();
        plan.site.deploy_dir = "/a".into();
        plan.site.services = services.iter().map(|s| (*s).to_owned()).collect();
        let all = if services.is_empty() {
            &["web", "job"]
        } else {
            services
        };
        let mut journal = begun(state, id, plan);
        loop {
            let event = match next(journal.history()) {
                Next::Act(step) => {
                    journal.append(Event::Started { step }).unwrap();
                    if step == Step::Up {
                        let note = images(all, id);
                        journal.append(Event::Note { step, note }).unwrap();
                        let note = judged("job", "ran once and exited with code 0");
                        journal.append(Event::Note { step, note }).unwrap();
                    }
                    match step {
                        Step::Verify if !well => Event::Failed {
                            step,
                            failure: Failure::new("no"),
                        },
                        step => Event::Succeeded { step },
                    }
                }
                Next::Undo(step) => {
                    journal.append(Event::UndoStarted { step }).unwrap();
                    Event::Undone { step }
                }
                Next::Finish(outcome) => Event::Finished { outcome },
                Next::Stop(_) => return,
            };
            journal.append(event).unwrap();
        }
    }

    fn site() -> Site {
        let mut site = sample::deploy().site;
        site.deploy_dir = "/a".into();
        site.project_name = None;
        site
    }

    #[test]
    fn what_was_deployed_last_is_no_run_that_was_taken_back_and_keeps_what_others_deployed_before()
    {
        let state = tempfile::tempdir().unwrap();
        let state = state.path();
        assert!(last(state, &site()).is_none());
        ran(state, "1", &[], true);
        ran(state, "2", &[], true);
        ran(state, "3", &["web"], true);
        ran(state, "4", &[], false);
        let found = last(state, &site()).unwrap();
        let service = |name| found.service(name).unwrap();
        assert_eq!(service("web").image.image_id, "3");
        assert_eq!(service("job").image.image_id, "2");
        assert!(service("job").ended && !service("web").ended);
        let elsewhere = Site {
            deploy_dir: "/b".into(),
            ..site()
        };
        assert!(last(state, &elsewhere).is_none());
    }
}
