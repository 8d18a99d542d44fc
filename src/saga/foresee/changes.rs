//! What would become of each service, and why.
//!
//! It asks Compose what the files say now and what they would say, and compares. What a value is it
//! never tells: only which part of a service differs.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value;

use crate::host::{Container, Deed, Host};
use crate::saga::facts::Before;
use crate::saga::release::{mounts, predecessors};
use crate::saga::steps::Run;
use crate::words::Result;
use crate::words::backup::Release;
use crate::words::event::ServiceImage;
use crate::words::report::foreseen::{Change, ServiceForeseen};

/// What a deployment with these images and files would do to services; `known` is the state directory
/// that has the runs so far.
pub async fn of<H: Host>(
    run: &Run<'_, H>,
    known: &Path,
    images: &[ServiceImage],
    files: &[String],
) -> Result<Vec<ServiceForeseen>> {
    let (before, wanted) = (run.before()?, run.wanted()?);
    let containers = &before.containers;
    let dir = &run.plan.site.deploy_dir;
    let staged = run.host.lay_stage(run.plan, run.private, run.dir).await?;
    let stage = run.dir.stage();
    let said = Said {
        // Before the first deployment there may be no file that says anything.
        now: run.host.services_in(dir, &stage).await.unwrap_or_default(),
        then: run.host.services_in(&staged, &stage).await?,
        mounting: mounts::mounting(dir, &wanted.config, files),
        drifted: drifted(run, &wanted.config.project, containers).await,
    };
    let deployed: BTreeSet<&str> = wanted.deployed().map(|s| s.name.as_str()).collect();
    let mut all = Vec::new();
    for name in wanted.config.services.iter().map(|s| s.name.as_str()) {
        let own: Vec<&Container> = of_service(containers, name).collect();
        if deployed.contains(name) {
            all.push(judged(name, &own, said.reasons(name, images)));
        } else if !own.is_empty() {
            let because = vec!["it is not deployed".to_owned()];
            all.push(told(name, Change::Stays, because));
        }
    }
    join(containers, &mut all);
    let dropped = predecessors::dropped(run, &wanted, known, &staged).await?;
    drop_others(containers, &dropped, &mut all);
    Ok(all)
}

/// What Compose and the files say of the services.
struct Said {
    now: BTreeMap<String, Value>,
    then: BTreeMap<String, Value>,
    mounting: Vec<String>,
    drifted: BTreeSet<String>,
}

impl Said {
    /// Why a service's containers would be replaced.
    fn reasons(&self, name: &str, images: &[ServiceImage]) -> Vec<String> {
        let mut images = images.iter().filter(|i| i.service == name);
        let mut because: Vec<String> = images.find_map(image).into_iter().collect();
        because.extend(differing(self.now.get(name), self.then.get(name)));
        if self.mounting.iter().any(|service| service == name) {
            because.push("a mounted file changes".to_owned());
        }
        if because.is_empty() && self.drifted.contains(name) {
            because.push("it runs otherwise than its files say".to_owned());
        }
        because
    }
}

/// Adds the services that the release does not have: those that go, and those that stay.
fn drop_others(containers: &[Container], dropped: &[Container], all: &mut Vec<ServiceForeseen>) {
    let known: BTreeSet<String> = all.iter().map(|s| s.service.clone()).collect();
    let others = containers.iter().map(|c| c.service.as_str());
    let others: BTreeSet<&str> = others.filter(|name| !known.contains(*name)).collect();
    all.extend(others.into_iter().map(|name| {
        let goes = dropped.iter().any(|c| c.service == name);
        let change = if goes { Change::Removed } else { Change::Stays };
        let because = vec!["the release does not have it".to_owned()];
        told(name, change, because)
    }));
}

/// What a rollback would do to services.
#[must_use]
pub fn of_target(before: &Before, target: &Release) -> Vec<ServiceForeseen> {
    let mut all: Vec<ServiceForeseen> = Vec::new();
    for will in &target.services {
        let was = before.release.services.iter();
        let was = was.into_iter().find(|s| s.service == will.service);
        let mut because = Vec::new();
        if was.is_some_and(|was| was.image_id != will.image_id) {
            because.push("image".to_owned());
        }
        if was.is_some_and(|was| was.config_hash != will.config_hash) {
            because.push("configuration".to_owned());
        }
        let own: Vec<&Container> = of_service(&before.containers, &will.service).collect();
        all.push(judged(&will.service, &own, because));
    }
    let is_kept = |name: &str| target.services.iter().any(|s| s.service == name);
    let gone = before
        .release
        .services
        .iter()
        .filter(|s| !is_kept(&s.service));
    all.extend(gone.map(|s| {
        let because = vec!["the backup does not have it".to_owned()];
        told(&s.service, Change::Removed, because)
    }));
    all
}

fn told(service: &str, change: Change, because: Vec<String>) -> ServiceForeseen {
    ServiceForeseen {
        service: service.to_owned(),
        change,
        because,
    }
}

fn of_service<'c>(all: &'c [Container], name: &str) -> impl Iterator<Item = &'c Container> {
    all.iter().filter(move |c| c.service == name)
}

fn judged(name: &str, own: &[&Container], because: Vec<String>) -> ServiceForeseen {
    if own.is_empty() {
        return told(
            name,
            Change::Starts,
            vec!["it has no container yet".to_owned()],
        );
    }
    if !because.is_empty() {
        return told(name, Change::Recreated, because);
    }
    // What ran once and ended well is not run again.
    let rests = |c: &&Container| !c.state.is_at_work() && (c.always_restarts || c.exit_code != 0);
    if own.iter().any(rests) {
        return told(name, Change::Starts, vec!["it does not run".to_owned()]);
    }
    told(name, Change::Stays, Vec::new())
}

/// Whether a service's image becomes another; one that nobody knows yet will.
fn image(image: &ServiceImage) -> Option<String> {
    let same_id = image.previous_image_id.as_deref() == Some(image.image_id.as_str());
    let same_digest = image.digest.is_some() && image.digest == image.previous_digest;
    (image.previous_image_id.is_some() && !same_id && !same_digest).then(|| "image".to_owned())
}

/// The parts of a service that differ, the image aside, whose content decides and not its name.
fn differing(was: Option<&Value>, will: Option<&Value>) -> Vec<String> {
    let (Some(Value::Object(was)), Some(Value::Object(will))) = (was, will) else {
        return Vec::new();
    };
    let keys: BTreeSet<&String> = was.keys().chain(will.keys()).collect();
    let changed = keys
        .into_iter()
        .filter(|key| was.get(*key) != will.get(*key));
    changed
        .filter_map(|key| match (key.as_str(), was.get(key), will.get(key)) {
            ("image", ..) => (name_of(was) != name_of(will)).then(|| "image's name".to_owned()),
            ("environment", Some(was), Some(will)) => {
                Some(format!("environment{}", names(was, will)))
            }
            _ => Some(key.clone()),
        })
        .collect()
}

fn name_of(service: &serde_json::Map<String, Value>) -> Option<&str> {
    service.get("image").and_then(Value::as_str)
}

/// Which variables differ, by name.
fn names(was: &Value, will: &Value) -> String {
    let (Value::Object(was), Value::Object(will)) = (was, will) else {
        return String::new();
    };
    let keys: BTreeSet<&String> = was.keys().chain(will.keys()).collect();
    let changed = keys
        .into_iter()
        .filter(|key| was.get(*key) != will.get(*key));
    let changed: Vec<&str> = changed.map(String::as_str).collect();
    format!(" ({})", changed.join(", "))
}

/// The services whose containers `up` would replace even if nothing came.
async fn drifted<H: Host>(
    run: &Run<'_, H>,
    project: &str,
    containers: &[Container],
) -> BTreeSet<String> {
    let rehearsed = run.host.rehearse(project, &run.plan.site.services).await;
    let remade = rehearsed.unwrap_or_default().into_iter();
    let remade: Vec<String> = remade
        .filter(|r| r.deed == Deed::Remake)
        .map(|r| r.container)
        .collect();
    let hit = containers
        .iter()
        .filter(|c| remade.iter().any(|name| name.ends_with(&c.name)));
    hit.map(|c| c.service.clone()).collect()
}

/// What shares the network or the volumes of a container that is replaced is replaced as well.
fn join(containers: &[Container], all: &mut [ServiceForeseen]) {
    let replaced: BTreeMap<&str, &str> = containers
        .iter()
        .filter(|c| {
            let mut known = all.iter();
            known.any(|s| s.service == c.service && s.change == Change::Recreated)
        })
        .map(|c| (c.id.as_str(), c.service.as_str()))
        .collect();
    for service in all.iter_mut().filter(|s| s.change == Change::Stays) {
        let mut joins = of_service(containers, &service.service).flat_map(|c| &c.joins);
        if let Some(with) = joins.find_map(|id| replaced.get(id.as_str())) {
            service.change = Change::Recreated;
            service.because = vec![format!("it shares what is `{with}`'s")];
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::host::State;

    #[test]
    fn the_parts_that_differ_are_named_and_never_their_values() {
        let was =
            json!({ "image": "a:1", "environment": { "A": "1", "PASSWORD": "one" }, "ports": [] });
        let will =
            json!({ "image": "a:1", "environment": { "A": "1", "PASSWORD": "two", "B": "" } });
        assert_eq!(
            differing(Some(&was), Some(&will)),
            ["environment (B, PASSWORD)", "ports"]
        );
        assert_eq!(differing(Some(&was), Some(&was)), Vec::<String>::new());
        let renamed =
            json!({ "image": "a:2", "environment": { "A": "1", "PASSWORD": "one" }, "ports": [] });
        assert_eq!(differing(Some(&was), Some(&renamed)), ["image's name"]);
        assert_eq!(differing(None, Some(&will)), Vec::<String>::new());
    }

    #[test]
    fn a_service_is_made_replaced_started_or_left_as_its_containers_are() {
        let container = |state, exit_code, always_restarts| Container {
            state,
            exit_code,
            always_restarts,
            ..Container::default()
        };
        let runs = container(State::Running, 0, true);
        let ended = container(State::Exited, 0, false);
        let stopped = container(State::Exited, 0, true);
        let change = |own: &[&Container], because: &[&str]| {
            let because = because.iter().map(|b| (*b).to_owned()).collect();
            judged("web", own, because).change
        };
        assert_eq!(change(&[], &[]), Change::Starts);
        assert_eq!(change(&[&runs], &["image"]), Change::Recreated);
        assert_eq!(change(&[&runs], &[]), Change::Stays);
        assert_eq!(change(&[&ended], &[]), Change::Stays);
        assert_eq!(change(&[&stopped], &[]), Change::Starts);
    }

    #[test]
    fn what_joins_a_replaced_container_is_replaced_with_it() {
        let container = |id: &str, service: &str, joins: &[&str]| Container {
            id: id.into(),
            service: service.into(),
            joins: joins.iter().map(|j| (*j).to_owned()).collect(),
            ..Container::default()
        };
        let containers = [
            container("1", "web", &[]),
            container("2", "sidecar", &["1"]),
            container("3", "db", &[]),
        ];
        let mut all = vec![
            told("web", Change::Recreated, vec!["image".into()]),
            told("sidecar", Change::Stays, Vec::new()),
            told("db", Change::Stays, Vec::new()),
        ];
        join(&containers, &mut all);
        let changes: Vec<Change> = all.iter().map(|s| s.change).collect();
        assert_eq!(
            changes,
            [Change::Recreated, Change::Recreated, Change::Stays]
        );
    }

    #[test]
    fn an_image_that_is_the_same_by_id_or_by_digest_is_no_change() {
        let of = |id: &str, digest: Option<&str>| {
            image(&ServiceImage {
                service: "web".into(),
                image: "a".into(),
                image_id: id.into(),
                digest: digest.map(Into::into),
                previous_image_id: Some("sha256:1".into()),
                previous_digest: Some("sha256:d1".into()),
            })
        };
        assert_eq!(of("sha256:1", None), None);
        assert_eq!(of("", Some("sha256:d1")), None);
        assert!(of("", Some("sha256:d2")).is_some());
        assert!(of("sha256:2", None).is_some());
    }
}
