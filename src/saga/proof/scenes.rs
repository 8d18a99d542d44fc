//! What the proof deploys, from what to what: a world before, a plan, and the world it is to end in.
//!
//! It refuses to know what goes wrong on the way.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::rc::Rc;

use super::explore;
use super::life::State;
use super::world::{
    Backup, COMPOSE, CONF, Case, DATA, Files, Img, NETWORK, Owner, Service, World, compose,
};
use crate::words::plan::{Goal, Hooks, Plan, PlannedFile, Private, sample};
use crate::words::secret::Secret;

/// The names of all scenes.
pub const ALL: [&str; 24] = [
    "name-taken-bad",
    "name-lost-bad",
    "stranger-bad",
    "fewer-services",
    "fewer-services-bad",
    "rollback-retention",
    "rollback-fewer",
    "restarting-bad",
    "stopped-bad",
    "sidecar-bad",
    "drifted-bad",
    "two-services",
    "two-services-one-bad",
    "more-services",
    "retention",
    "rollback-pruned",
    "rollback",
    "mutable-tag-bad",
    "tag-moved-by-hand-bad",
    "upgrade-bad",
    "upgrade",
    "config-only",
    "first-bad",
    "first",
];

/// One scene.
#[derive(Debug)]
pub struct Scene {
    pub name: &'static str,
    pub plan: Plan,
    pub old: World,
    pub new: World,
    /// The files that travel with the plan.
    pub shipped: Files,
    /// Images that go with the backups that retention drops.
    pub spent: Vec<&'static str>,
    /// What the registry has: its digest and the image's ID.
    pub registry: BTreeMap<String, (String, String)>,
    /// A service of somebody else's, whose container takes a name once Compose gives that free.
    pub intruder: Option<Service>,
    /// One of another directory with the same project, which comes with the hook before the switch.
    pub stranger: Option<Service>,
}

impl Scene {
    pub fn is_rollback(&self) -> bool {
        matches!(self.plan.goal, Goal::Rollback { .. })
    }

    /// What travels beside the plan.
    pub fn private(&self) -> Private {
        let hooks = &self.plan.hooks;
        Private {
            pre_deploy: hooks.pre_deploy.then(|| Secret::new("true")),
            post_deploy: hooks.post_deploy.then(|| Secret::new("true")),
            ..Private::default()
        }
    }

    /// The state before anything has happened.
    pub fn before(&self) -> State {
        State {
            world: Rc::new(self.old.clone()),
            ..State::default()
        }
    }

    /// The scene of that name, in a deploy directory that is there to be locked.
    pub fn of(name: &'static str, dir: &Path) -> Rc<Self> {
        let two = |web: &str, worker: &str| format!("web {web} conf data\nworker {worker} conf\n");
        let scene = match name {
            "first" => deploy(name, dir, "", "web acme/web:1 conf data\n"),
            "first-bad" => deploy(name, dir, "", "web acme/web:bad conf data\n"),
            "upgrade" => with_hooks(deploy(name, dir, &one("1"), &one("2"))),
            "upgrade-bad" => deploy(name, dir, &one("1"), &one("bad")),
            "config-only" => deploy(name, dir, &one("1"), &one("1")),
            "two-services" => {
                let (old, new) = (
                    two("acme/web:1", "acme/job:1"),
                    two("acme/web:2", "acme/job:2"),
                );
                deploy(name, dir, &old, &new)
            }
            "two-services-one-bad" => {
                let (old, new) = (
                    two("acme/web:1", "acme/job:1"),
                    two("acme/web:2", "acme/job:bad"),
                );
                deploy(name, dir, &old, &new)
            }
            "more-services" => deploy(name, dir, &one("1"), &two("acme/web:1", "acme/job:bad")),
            "mutable-tag-bad" => moved_tag(deploy(name, dir, &one("latest"), &one("latest"))),
            "tag-moved-by-hand-bad" => moved_by_hand(deploy(name, dir, &one("1"), &one("bad"))),
            "sidecar-bad" => {
                let with = |web: &str, own: &str| {
                    format!("web acme/web:{web} conf\nsidecar acme/job:{own} with:web\n")
                };
                deploy(name, dir, &with("1", "1"), &with("2", "bad"))
            }
            "drifted-bad" => drifted(moved_by_hand(deploy(name, dir, &one("1"), &one("bad")))),
            "restarting-bad" => deploy(name, dir, &one("loops"), &one("bad")),
            "stopped-bad" => {
                let with = |web: &str| format!("web acme/web:{web} conf\nworker acme/job:1\n");
                stopped(deploy(name, dir, &with("1"), &with("bad")))
            }
            "name-taken-bad" => {
                let named = "web acme/web:2 conf data name:taken\n";
                name_taken(with_hooks(deploy(name, dir, &one("1"), named)))
            }
            "name-lost-bad" => {
                let mut scene = deploy(name, dir, &one("1"), &one("2"));
                scene.plan.site.compose_files = vec![COMPOSE.into()];
                scene.intruder = compose("web acme/other:1").pop();
                scene
            }
            "stranger-bad" => {
                let mut scene = with_hooks(deploy(name, dir, &one("1"), &one("2")));
                scene.stranger = compose("web acme/other:1").pop();
                scene
            }
            "fewer-services" => deploy(name, dir, &two("acme/web:1", "acme/job:1"), &one("2")),
            "fewer-services-bad" => {
                deploy(name, dir, &two("acme/web:1", "acme/job:1"), &one("bad"))
            }
            "retention" => retention(name, dir),
            "rollback" => rollback(name, dir, &one("1"), &one("2")),
            "rollback-fewer" => rollback(name, dir, &one("1"), &two("acme/web:2", "acme/job:1")),
            "rollback-retention" => rollback_again(name, dir),
            "rollback-pruned" => pruned(rollback(name, dir, &one("1"), &one("2"))),
            _ => panic!("there is no scene `{name}`"),
        };
        Rc::new(scene.expecting())
    }

    /// Works out what is to be there when all goes well.
    fn expecting(mut self) -> Self {
        let mut new = self.old.clone();
        new.files.extend(self.shipped.clone());
        let target = self
            .old
            .backups
            .values()
            .next_back()
            .filter(|_| self.is_rollback());
        if let Some(Backup {
            description: Some(description),
            files: Some(files),
        }) = target
        {
            new.files = (**files).clone();
            let references = description.release.references.iter();
            let nothing = references.filter(|r| r.image_id.is_none());
            nothing.for_each(|r| new.untag(&r.reference));
        }
        for spent in &self.spent {
            new.images.retain(|i| i.id != *spent);
        }
        new.networks.insert(NETWORK.into());
        let services = compose(&new.files[COMPOSE]);
        let is_there = |c: &Case| services.iter().any(|s| s.name == c.service.name);
        new.containers
            .retain(|c| c.owner != Owner::Ours || is_there(c));
        for service in compose(&new.files[COMPOSE]) {
            let (digest, id) = self.registry[&service.image].clone();
            new.fetch(&id, &digest);
            new.tag(&id, &service.image);
            let name = service.called();
            let right = |c: &Case| c.name == name && c.service == service && c.image_id == id;
            if !new.containers.iter().any(right) {
                new.containers.retain(|c| c.name != name);
                new.make(&service, name.clone());
            }
            let made = new
                .containers
                .iter()
                .find(|c| c.name == name)
                .map(|c| c.made);
            if let Some(made) = made {
                new.start(made);
            }
        }
        self.new = new;
        self
    }
}

fn one(tag: &str) -> String {
    format!("web acme/web:{tag} conf data\n")
}

fn files(compose: &str, conf: &str) -> Files {
    let all = [(COMPOSE, compose), (CONF, conf)];
    all.map(|(path, content)| (path.to_owned(), content.to_owned()))
        .into()
}

/// What the registry has of a reference such as `acme/web:2`.
fn published(reference: &str) -> (String, String) {
    let (repository, tag) = reference.split_once(':').expect("a tag");
    let short = repository.trim_start_matches("acme/");
    let digest = format!("{repository}@sha256:d{short}{tag}");
    (digest, format!("sha256:{short}{tag}"))
}

fn registry(texts: [&str; 2]) -> BTreeMap<String, (String, String)> {
    let services = texts.into_iter().flat_map(compose);
    let all = services.flat_map(|s| {
        let (digest, id) = published(&s.image);
        [
            (s.image, (digest.clone(), id.clone())),
            (digest.clone(), (digest, id)),
        ]
    });
    all.collect()
}

/// A server on which these services run.
fn running(text: &str) -> World {
    let mut world = World {
        files: files(text, "conf 1"),
        ..World::default()
    };
    if text.is_empty() {
        world.files.clear();
    } else {
        world.networks.insert(NETWORK.into());
    }
    world.files.insert("README".into(), "kept by hand".into());
    world.files.insert(DATA.into(), "rows".into());
    for service in compose(text) {
        let (digest, id) = published(&service.image);
        world.images.push(Img {
            id,
            tags: BTreeSet::from([service.image.clone()]),
            digests: BTreeSet::from([digest]),
        });
        let made = world.make(&service, Case::proper_name(&service.name));
        world.start(made);
    }
    world.images.sort_by(|a, b| a.id.cmp(&b.id));
    world
}

fn plan(dir: &Path, shipped: &Files) -> Plan {
    let mut plan = sample::deploy();
    dir.clone_into(&mut plan.site.deploy_dir);
    plan.site.backup_dir = dir.join("backups");
    // Whoever would wait for the lock in a proof would wait for ever.
    plan.lock_timeout = 0;
    // What is in a file stands for its sum here.
    let file = |(path, content): (&String, &String)| PlannedFile {
        path: path.clone(),
        mode: 0o644,
        size: 1,
        sha256: content.clone(),
    };
    plan.files = shipped.iter().map(file).collect();
    plan
}

fn deploy(name: &'static str, dir: &Path, old: &str, new: &str) -> Scene {
    let shipped = files(new, "conf 2");
    Scene {
        name,
        plan: plan(dir, &shipped),
        old: running(old),
        new: World::default(),
        shipped,
        spent: Vec::new(),
        registry: registry([old, new]),
        intruder: None,
        stranger: None,
    }
}

/// The operator has commands of their own before the switch and after the commit.
fn with_hooks(mut scene: Scene) -> Scene {
    scene.plan.hooks = Hooks {
        pre_deploy: true,
        post_deploy: true,
    };
    scene
}

/// Somebody else's container has the name that the new release wants.
fn name_taken(mut scene: Scene) -> Scene {
    let lodger = compose("lodger acme/other:1").pop().expect("a service");
    scene.old.settle(Owner::Nobody, &lodger, "taken");
    scene
}

/// The tag means another image in the registry by now.
fn moved_tag(mut scene: Scene) -> Scene {
    let (digest, id) = ("acme/web@sha256:dwebbad", "sha256:webbad");
    let moved = (digest.to_owned(), id.to_owned());
    scene
        .registry
        .insert("acme/web:latest".into(), moved.clone());
    scene.registry.insert(digest.into(), moved);
    scene
}

/// Somebody has pulled the tag by hand and not yet brought it up.
fn moved_by_hand(mut scene: Scene) -> Scene {
    scene
        .old
        .fetch("sha256:webhand", "acme/web@sha256:dwebhand");
    scene.old.tag("sha256:webhand", "acme/web:1");
    scene
}

/// Somebody has stopped the second service by hand.
fn stopped(mut scene: Scene) -> Scene {
    let made = scene.old.containers[1].made;
    scene.old.stop(made);
    scene
}

/// Somebody has edited the files by hand and not yet brought them up.
fn drifted(mut scene: Scene) -> Scene {
    let edited = format!("{} edited\n", one("1").trim_end());
    scene.old.files.insert(COMPOSE.into(), edited);
    scene
}

/// What a clean run of a scene leaves, for the next plan to begin with.
fn left_by(scene: Scene) -> World {
    let scene = Rc::new(scene.expecting());
    let life = explore::live(&scene, scene.before());
    let mut world = (*life.state.world).clone();
    assert_eq!(world.dangers, [], "a clean run of `{}`", scene.name);
    for made in 0..world.made {
        let hit = world.containers.iter_mut().find(|c| c.made == made);
        if let Some(container) = hit {
            container.exit_code = 0;
        }
    }
    world
}

/// A deployment that pushes the oldest of three backups out, with the image that only it needs.
fn retention(name: &'static str, dir: &Path) -> Scene {
    let mut world = running(&one("1"));
    for (tag, id) in [
        ("2", "20251015_143025-c0ffee"),
        ("3", "20251016_143025-c0ffee"),
    ] {
        let mut earlier = deploy(name, dir, "", &one(tag));
        earlier.old = world;
        earlier.plan.id = id.into();
        world = left_by(earlier);
    }
    let mut scene = deploy(name, dir, &one("3"), &one("4"));
    scene.old = world;
    scene.plan.backups.keep = 1;
    scene.spent = vec!["sha256:web1", "sha256:web2"];
    scene
}

/// A manual rollback to what ran before an upgrade.
fn rollback(name: &'static str, dir: &Path, old: &str, new: &str) -> Scene {
    taken_back(deploy(name, dir, old, new))
}

/// A manual rollback whose safety copy takes the only place that there is for a backup: the one
/// that another rollback would go to stays all the same.
fn rollback_again(name: &'static str, dir: &Path) -> Scene {
    let mut first = deploy(name, dir, &one("1"), &one("2"));
    first.plan.id = "20251015_143025-c0ffee".into();
    let mut second = deploy(name, dir, &one("2"), &one("3"));
    second.old = left_by(first);
    let mut scene = taken_back(second);
    scene.plan.backups.keep = 1;
    scene
}

/// The manual rollback of a deployment.
fn taken_back(mut earlier: Scene) -> Scene {
    earlier.plan.id = "20251016_143025-c0ffee".into();
    let (name, registry) = (earlier.name, earlier.registry.clone());
    let mut plan = earlier.plan.clone();
    plan.id = sample::deploy().id;
    plan.files.clear();
    plan.goal = Goal::Rollback {
        to: "latest".into(),
        restore_data: false,
        to_nothing: false,
    };
    Scene {
        name,
        plan,
        old: left_by(earlier),
        new: World::default(),
        shipped: Files::new(),
        spent: Vec::new(),
        registry,
        intruder: None,
        stranger: None,
    }
}

/// The image that the backup needs has been pruned by hand.
fn pruned(mut scene: Scene) -> Scene {
    scene.old.images.retain(|i| i.id != "sha256:web1");
    scene
}
