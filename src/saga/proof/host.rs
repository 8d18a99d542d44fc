//! The server of a proof: each call is a row of small effects on the world in memory.
//!
//! It refuses to decide anything, and to fail by itself where the server would not.

use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use super::danger;
use super::engine::{compose_call, numbers, starting, touching};
use super::life::{self, Effect, Phase};
use super::world::{Case, Files, PROJECT, Service, World, compose, is_data};
use crate::archive::catalogue::{self, Listed, Unusable};
use crate::archive::restore::Data;
use crate::archive::{ArchiveFact, DESCRIPTION_VERSION, Description, Entry, EntryKind, Release};
use crate::event::Failure;
use crate::host::compose::Version;
use crate::host::{
    Access, Bind, Config, Container, Engine, Fetched, Host, Image, Lines, Login, Making, Recreate,
    Result, ServiceConfig, State, Telling,
};
use crate::plan::{Expect, Plan, Private, Site};
use crate::saga::facts::{Parts, RunDir};
use crate::saga::steps::backup::Order;
use crate::secret::Secret;

/// The server of this thread's life.
pub struct Fake;

pub fn effect(change: impl FnOnce(&mut World) + 'static) -> Effect {
    Effect::World(Box::new(change))
}

fn act(name: &'static str, effects: Vec<Effect>) -> Result<()> {
    life::call(name, effects).map_err(|()| Failure::new(format!("`{name}` was made to fail")))
}

/// A call that changes nothing, and can fail all the same.
fn see<T>(name: &'static str, at: impl FnOnce(&World) -> T) -> Result<T> {
    act(name, Vec::new())?;
    Ok(peek(at))
}

pub fn peek<T>(at: impl FnOnce(&World) -> T) -> T {
    life::look(|life| at(&life.state.world))
}

fn phase() -> Phase {
    life::look(|life| life.phase)
}

pub fn scene() -> Rc<super::scenes::Scene> {
    life::look(|life| life.scene.clone())
}

fn config_of(text: &str) -> Config {
    let dir = scene().plan.site.deploy_dir.clone();
    let bind = |path: &str, access| Bind {
        source: dir.join(path),
        access,
    };
    let service = |s: Service| {
        let conf = s.mounts_conf.then(|| bind("app.conf", Access::ReadOnly));
        let data = s.writes_data.then(|| bind("data", Access::ReadWrite));
        ServiceConfig {
            name: s.name,
            image: Some(s.image),
            binds: conf.into_iter().chain(data).collect(),
            ..ServiceConfig::default()
        }
    };
    Config {
        project: PROJECT.into(),
        services: compose(text).into_iter().map(service).collect(),
        unset: Vec::new(),
    }
}

fn container(c: &Case, dir: &Path) -> Container {
    Container {
        id: c.id(),
        name: c.name.clone(),
        service: c.service.name.clone(),
        image: c.service.image.clone(),
        image_id: c.image_id.clone(),
        config_hash: c.service.line.clone(),
        state: c.state,
        exit_code: c.exit_code,
        up_ms: Some(5000),
        writes: c
            .service
            .writes_data
            .then(|| dir.join("data"))
            .into_iter()
            .collect(),
        ..Container::default()
    }
}

fn image(world: &World, reference: &str) -> Option<Image> {
    world.image(reference).map(|i| Image {
        id: i.id.clone(),
        digests: i.digests.iter().cloned().collect(),
        tags: i.tags.iter().cloned().collect(),
        bytes: 1,
    })
}

fn tree(files: &Files) -> Vec<Entry> {
    let files = files.iter().filter(|(path, _)| !is_data(path));
    let entry = |(path, content): (&String, &String)| Entry {
        path: path.clone(),
        kind: EntryKind::File,
        mode: 0o644,
        uid: 0,
        gid: 0,
        size: content.len() as u64,
        sha256: Some(content.clone()),
        target: None,
    };
    files.map(entry).collect()
}

fn describe(plan: &Plan, order: &Order<'_>, files: &Files) -> Description {
    let timestamp = plan.id.split_once('-').map_or("", |(t, _)| t);
    Description {
        v: DESCRIPTION_VERSION,
        timestamp: timestamp.into(),
        created_at: chrono::DateTime::UNIX_EPOCH,
        deployment_id: plan.id.clone(),
        purpose: order.purpose,
        deploy_dir: plan.site.deploy_dir.clone(),
        release: order.release.clone(),
        archive: ArchiveFact::default(),
        tree: tree(files),
        data: order.parts.data.clone(),
        exclude: Vec::new(),
        origin: plan.origin.clone(),
    }
}

/// Writes or removes one file.
fn filing(path: String, content: Option<String>) -> Effect {
    let (scene, phase) = (scene(), phase());
    effect(move |world| {
        danger::file_change(world, &scene, &path, phase);
        match content {
            Some(content) => world.files.insert(path, content),
            None => world.files.remove(&path),
        };
    })
}

/// What makes the files in place these, the data aside.
fn reconciling(wanted: &Files) -> Vec<(String, Option<String>)> {
    let now = peek(|w| w.files.clone());
    let differs = |(path, c): &(&String, &String)| !is_data(path) && now.get(*path) != Some(*c);
    let put = wanted.iter().filter(differs);
    let put = put.map(|(path, c)| (path.clone(), Some(c.clone())));
    let extra = now
        .keys()
        .filter(|p| !is_data(p) && !wanted.contains_key(*p));
    put.chain(extra.map(|p| (p.clone(), None))).collect()
}

fn put(name: &'static str, changes: Vec<(String, Option<String>)>) -> Result<Vec<String>> {
    let paths = changes.iter().map(|(path, _)| path.clone()).collect();
    act(
        name,
        changes.into_iter().map(|(p, c)| filing(p, c)).collect(),
    )?;
    Ok(paths)
}

fn stage_of(run: &RunDir) -> String {
    run.stage().display().to_string()
}

impl Host for Fake {
    fn at(&self, _: &Site) -> Self {
        Self
    }

    async fn check_site(&self) -> Result<()> {
        act("check site", Vec::new())
    }

    async fn check_room(&self, _: &[String]) -> Result<()> {
        act("check room", Vec::new())
    }

    async fn check_image_room(&self, _: u64) -> Result<()> {
        act("check image room", Vec::new())
    }

    async fn lay_stage(&self, _: &Plan, _: &Private, run: &RunDir) -> Result<PathBuf> {
        let (scene, stage) = (scene(), stage_of(run));
        act(
            "lay stage",
            vec![effect(move |world| {
                danger::any_change(world, &scene, "the stage");
                world.staged.insert(stage);
            })],
        )?;
        Ok(run.stage())
    }

    async fn strike_stage(&self, run: &RunDir) -> Result<()> {
        let stage = stage_of(run);
        if !peek(|w| w.staged.contains(&stage)) {
            return act("strike stage", Vec::new());
        }
        let strike = effect(move |world| {
            world.staged.remove(&stage);
        });
        act("strike stage", vec![strike])
    }

    async fn put_files(&self, _: &Plan, _: &Private, _: &RunDir) -> Result<Vec<String>> {
        let mut wanted = peek(|w| w.files.clone());
        wanted.extend(scene().shipped.clone());
        put("put files", reconciling(&wanted))
    }

    async fn backup(
        &self,
        plan: &Plan,
        order: &Order<'_>,
        _: &RunDir,
    ) -> Result<(Description, Vec<String>)> {
        let scene = scene();
        let files = Rc::new(peek(|w| w.files.clone()));
        let made = describe(plan, order, &files);
        let (id, description) = (plan.id.clone(), Rc::new(made.clone()));
        let (timestamp, again) = (made.timestamp.clone(), made.timestamp.clone());
        act(
            "backup",
            vec![
                effect(move |world| {
                    danger::any_change(world, &scene, "a backup");
                    world.partial.insert(id);
                }),
                effect(move |world| {
                    let backup = super::world::Backup {
                        description: None,
                        files: Some(files),
                    };
                    world.backups.insert(timestamp, backup);
                }),
                effect(move |world| {
                    let backup = world.backups.get_mut(&again);
                    if let Some(backup) = backup {
                        backup.description = Some(description);
                    }
                    world.partial.clear();
                }),
            ],
        )?;
        Ok((made, Vec::new()))
    }

    fn archive_path(&self, description: &Description) -> PathBuf {
        PathBuf::from(&description.timestamp)
    }

    async fn restore(
        &self,
        description: &Description,
        _: &Parts,
        _: Data,
        _: &RunDir,
    ) -> Result<Vec<String>> {
        let files = peek(|w| w.backups.get(&description.timestamp)?.files.clone());
        let files = files.ok_or_else(|| Failure::new("the archive is gone"))?;
        put("restore", reconciling(&files))
    }

    async fn backups(&self) -> Result<Vec<Listed>> {
        see("backups", |world| {
            let newest_first = world.backups.iter().rev();
            let listed = newest_first.map(|(timestamp, backup)| {
                let whole = backup
                    .description
                    .as_ref()
                    .filter(|_| backup.files.is_some());
                let broken = || Unusable::Broken("half of it is missing".into());
                Listed {
                    timestamp: timestamp.clone(),
                    description: whole.map(|d| (**d).clone()).ok_or_else(broken),
                    archive: PathBuf::from(timestamp),
                    bytes: 1,
                }
            });
            listed.collect()
        })
    }

    async fn check_backup(&self, description: &Description) -> Result<()> {
        let timestamp = description.timestamp.clone();
        let whole = see("check backup", |w| {
            let backup = w.backups.get(&timestamp);
            backup.is_some_and(|b| b.files.is_some())
        })?;
        if whole {
            return Ok(());
        }
        Err(Failure::new("the archive is gone"))
    }

    async fn latest<'l>(&self, listed: &'l [Listed], release: &Release) -> Result<&'l Listed> {
        let tree = see("latest", |w| tree(&w.files))?;
        catalogue::latest(
            listed,
            &catalogue::Current {
                release,
                tree: &tree,
            },
        )
    }

    async fn clear_partial(&self, last: &str) -> Result<()> {
        let left = peek(|w| w.partial.iter().find(|id| id.as_str() <= last).cloned());
        let Some(id) = left else {
            return act("clear partial", Vec::new());
        };
        let timestamp = id.split_once('-').map_or("", |(t, _)| t).to_owned();
        let nameless = peek(|w| {
            w.backups
                .get(&timestamp)
                .is_some_and(|b| b.description.is_none())
        });
        let archive = nameless.then(|| {
            effect(move |world| {
                world.backups.remove(&timestamp);
            })
        });
        let partial = effect(move |world| {
            world.partial.remove(&id);
        });
        act(
            "clear partial",
            archive.into_iter().chain([partial]).collect(),
        )
    }

    async fn drop_backup(&self, timestamp: &str) -> Result<()> {
        let (first, second) = (timestamp.to_owned(), timestamp.to_owned());
        let Some(backup) = peek(|w| w.backups.get(timestamp).cloned()) else {
            return act("drop backup", Vec::new());
        };
        let undescribe = effect(move |world| {
            let backup = world.backups.get_mut(&first);
            if let Some(backup) = backup {
                backup.description = None;
            }
        });
        let remove = effect(move |world| {
            world.backups.remove(&second);
        });
        let described = backup.description.map(|_| undescribe);
        act(
            "drop backup",
            described.into_iter().chain([remove]).collect(),
        )
    }

    async fn references(&self, repository: &str) -> Result<Vec<String>> {
        let of = format!("{repository}:");
        see("references", |world| {
            let tags = world.images.iter().flat_map(|i| &i.tags);
            tags.filter(|t| t.starts_with(&of)).cloned().collect()
        })
    }

    async fn engine(&self) -> Result<Engine> {
        act("engine", Vec::new())?;
        let compose = Version::parse("2.40.3").expect("a version");
        Ok(Engine {
            docker: "28.5.0".into(),
            compose,
        })
    }

    async fn config(&self, dir: &Path) -> Result<Config> {
        let scene = scene();
        let staged = (*dir != scene.plan.site.deploy_dir).then(|| scene.shipped.clone());
        let text = see("config", |world| {
            let mut files = world.files.clone();
            files.extend(staged.unwrap_or_default());
            files.remove(super::world::COMPOSE)
        })?;
        text.map(|text| config_of(&text))
            .ok_or_else(|| Failure::new("no compose file"))
    }

    async fn hashes(&self, _: &str) -> Result<Vec<(String, String)>> {
        see("hashes", |w| {
            w.services().into_iter().map(|s| (s.name, s.line)).collect()
        })
    }

    async fn containers(&self, _: &str) -> Result<Vec<Container>> {
        let dir = scene().plan.site.deploy_dir.clone();
        see("containers", |w| {
            w.containers.iter().map(|c| container(c, &dir)).collect()
        })
    }

    async fn networks(&self, _: &str) -> Result<Vec<String>> {
        see("networks", |w| w.networks.iter().cloned().collect())
    }

    async fn image(&self, reference: &str) -> Result<Option<Image>> {
        see("image", |w| image(w, reference))
    }

    async fn pull(
        &self,
        reference: &str,
        _: Option<&str>,
        _: Option<&Login>,
        telling: Telling<'_>,
    ) -> Result<Fetched> {
        let (scene, phase, asked) = (scene(), phase(), reference.to_owned());
        let Some((digest, id)) = scene.registry.get(reference).cloned() else {
            act("pull", Vec::new())?;
            return Err(Failure::new(format!("the registry has no `{reference}`")));
        };
        if peek(|w| w.image(&digest).is_none()) {
            (telling.new)(&digest)?;
        }
        let by = digest.clone();
        act(
            "pull",
            vec![effect(move |world| {
                danger::pull(world, &scene, &asked, phase);
                world.fetch(&id, &by);
            })],
        )?;
        let image = peek(|w| image(w, &digest)).unwrap_or_default();
        Ok(Fetched { image, digest })
    }

    async fn tag(&self, id: &str, reference: &str) -> Result<()> {
        if peek(|w| w.image(id).is_none()) {
            act("tag", Vec::new())?;
            return Err(Failure::new(format!("no such image: {id}")));
        }
        let (scene, id, reference) = (scene(), id.to_owned(), reference.to_owned());
        act(
            "tag",
            vec![effect(move |world| {
                danger::tag_change(world, &scene, &reference);
                world.tag(&id, &reference);
            })],
        )
    }

    async fn untag(&self, reference: &str) -> Result<()> {
        if peek(|w| w.image(reference).is_none()) {
            return act("untag", Vec::new());
        }
        let (scene, reference) = (scene(), reference.to_owned());
        act(
            "untag",
            vec![effect(move |world| {
                danger::any_change(world, &scene, "the end of a reference");
                let before = world.clone();
                world.untag(&reference);
                danger::image_gone(world, &scene, &before, &reference);
            })],
        )
    }

    async fn build(&self, _: &str, _: &[String], _: Lines<'_>) -> Result<()> {
        act("build", Vec::new())
    }

    async fn up(
        &self,
        _: &str,
        services: &[String],
        recreate: Recreate,
        _: Lines<'_>,
    ) -> Result<()> {
        act("up", compose_call(services, recreate, true)?)
    }

    async fn create(&self, _: &str, making: &Making, _: Lines<'_>) -> Result<()> {
        act(
            "create",
            compose_call(&making.services, making.recreate, false)?,
        )
    }

    async fn start(&self, containers: &[String]) -> Result<()> {
        act(
            "start",
            numbers(containers).into_iter().map(starting).collect(),
        )
    }

    async fn make_way(&self, _: &[String]) -> Result<()> {
        Ok(())
    }

    async fn remove_empty(&self, _: &[String]) -> Result<()> {
        Ok(())
    }

    async fn stop(&self, containers: &[String]) -> Result<()> {
        let stop = |made| touching("a stop", move |w: &mut World| w.stop(made));
        act("stop", numbers(containers).into_iter().map(stop).collect())
    }

    async fn remove(&self, containers: &[String]) -> Result<()> {
        let runs = |made: &usize| {
            peek(|w| {
                w.containers
                    .iter()
                    .any(|c| c.made == *made && c.state == State::Running)
            })
        };
        let numbers = numbers(containers);
        if numbers.iter().any(runs) {
            return Err(Failure::new("a container that runs cannot be removed"));
        }
        let remove = |made| touching("a removal", move |w: &mut World| w.remove(made));
        act("remove", numbers.into_iter().map(remove).collect())
    }

    async fn remove_network(&self, name: &str) -> Result<()> {
        if peek(|w| !w.containers.is_empty()) {
            return Err(Failure::new(format!("the network `{name}` is in use")));
        }
        let name = name.to_owned();
        act(
            "remove network",
            vec![touching("a network's end", move |w| {
                w.networks.remove(&name);
            })],
        )
    }

    async fn rename(&self, container: &str, name: &str) -> Result<()> {
        let Some(made) = peek(|w| w.container(container).map(|c| c.made)) else {
            return Err(Failure::new("no such container"));
        };
        let name = name.to_owned();
        act(
            "rename",
            vec![touching("a new name", move |w| w.rename(made, &name))],
        )
    }

    async fn logs(&self, _: &str, _: u32) -> Result<Vec<String>> {
        see("logs", |_| Vec::new())
    }

    async fn exec(&self, _: &str, _: &[String]) -> Result<(i64, String)> {
        see("exec", |_| (0, String::new()))
    }

    async fn hook(
        &self,
        _: &RunDir,
        _: &Secret,
        _: &[(String, String)],
        _: Lines<'_>,
    ) -> Result<()> {
        act("hook", Vec::new())
    }

    async fn http(&self, _: &str, _: &Expect) -> Result<String> {
        see("http", |_| String::new())
    }

    async fn tcp(&self, _: &str) -> Result<String> {
        see("tcp", |_| String::new())
    }

    async fn stop_grace(&self, _: &[String]) -> Result<Duration> {
        see("stop grace", |_| Duration::ZERO)
    }

    async fn images_in_use(&self) -> Result<Vec<String>> {
        see("images in use", |w| w.used_images().into_iter().collect())
    }
}
