//! Compose and the engine of the proof, as the small effects that a death can come between.
//!
//! Compose's own order is kept: make the new container under a borrowed name, stop the old one,
//! remove it, rename, start. It refuses to know who calls.

use super::call::{act, effect, peek, scene};
use crate::event::Failure;
use crate::host::{Making, Recreate, Result, State, Volumes};
use crate::saga::proof::danger;
use crate::saga::proof::life::Effect;
use crate::saga::proof::world::{Case, NETWORK, Service, World};

/// Starts one container.
fn starting(made: usize) -> Effect {
    let scene = scene();
    effect(move |world| {
        danger::start(world, &scene, made);
        world.start(made);
    })
}

/// Stops, makes or removes something of the release.
fn touching(what: &'static str, change: impl FnOnce(&mut World) + 'static) -> Effect {
    let scene = scene();
    effect(move |world| {
        danger::release_change(world, &scene, what);
        change(world);
    })
}

fn numbers(ids: &[String]) -> Vec<usize> {
    let found = |id: &String| peek(|w| w.container(id).map(|c| c.made));
    ids.iter().filter_map(found).collect()
}

/// Which containers a service gets, and whether the one that stands is right already.
fn is_right(world: &World, service: &Service, recreate: Recreate) -> bool {
    let name = Case::proper_name(&service.name);
    let wanted = world.image(&service.image).map(|i| i.id.as_str());
    let joined = world.to_join(service);
    let alike = |c: &&Case| c.name == name && c.service == *service && c.joined == joined;
    let same = world.containers.iter().find(alike);
    recreate == Recreate::Changed && same.is_some_and(|c| Some(c.image_id.as_str()) == wanted)
}

/// Compose's small steps to give a service the container that the files say.
fn making(world: &mut World, service: &Service, effects: &mut Vec<Effect>) {
    let name = Case::proper_name(&service.name);
    let old = world.containers.iter().find(|c| c.name == name).cloned();
    let borrowed = old.as_ref().map(|o| format!("{}_{name}", &o.id()[..12]));
    let (made, service) = (world.made, service.clone());
    world.make(&service, borrowed.clone().unwrap_or_else(|| name.clone()));
    let volume = old.as_ref().map_or(made, |old| old.volume);
    world.inherit(made, volume);
    effects.push(touching("a new container", move |w| {
        let name = borrowed.unwrap_or_else(|| Case::proper_name(&service.name));
        let made = w.make(&service, name);
        w.inherit(made, volume);
    }));
    let Some(old) = old else { return };
    world.remove(old.made);
    world.rename(made, &name);
    effects.push(touching("a stop", move |w| w.stop(old.made)));
    effects.push(touching("a removal", move |w| w.remove(old.made)));
    effects.push(touching("a new name", move |w| w.rename(made, &name)));
}

/// The services that were asked for, by the files in place.
fn asked(world: &World, services: &[String]) -> Result<Vec<Service>> {
    let all = world.services();
    let known = |name: &&String| all.iter().any(|s| s.name == **name);
    if let Some(unknown) = services.iter().find(|s| !known(s)) {
        return Err(Failure::new(format!("no such service: {unknown}")));
    }
    let wanted = |s: &Service| services.is_empty() || services.contains(&s.name);
    let asked: Vec<Service> = all.into_iter().filter(wanted).collect();
    let missing = asked.iter().find(|s| world.image(&s.image).is_none());
    match missing {
        Some(service) => Err(Failure::new(format!("no such image: {}", service.image))),
        None => Ok(asked),
    }
}

/// What `up` and `create` do; only one of them starts.
fn compose_call(services: &[String], recreate: Recreate, starts: bool) -> Result<Vec<Effect>> {
    let mut world = peek(World::clone);
    let asked = asked(&world, services)?;
    let mut effects = Vec::new();
    if !world.networks.contains(NETWORK) {
        effects.push(touching("a network", |w| {
            w.networks.insert(NETWORK.into());
        }));
    }
    for service in &asked {
        if !is_right(&world, service, recreate) {
            making(&mut world, service, &mut effects);
        }
    }
    let standing = |s: &Service| {
        let name = Case::proper_name(&s.name);
        world.containers.iter().find(move |c| c.name == name)
    };
    if starts {
        let idle = asked.iter().filter_map(standing);
        let idle = idle.filter(|c| !c.state.is_at_work());
        effects.extend(idle.map(|c| starting(c.made)));
    }
    Ok(effects)
}

pub fn up(services: &[String], recreate: Recreate) -> Result<()> {
    act("up", compose_call(services, recreate, true)?)
}

pub fn create(making: &Making) -> Result<()> {
    act(
        "create",
        compose_call(&making.services, making.recreate, false)?,
    )
}

/// The engine refuses to start what shares the network of a container that does not run.
fn can_join(made: usize) -> bool {
    peek(|w| {
        let of = |made: usize| w.containers.iter().find(move |c| c.made == made);
        let other = of(made).and_then(|c| c.joined);
        other.is_none_or(|other| of(other).is_some_and(|c| c.state == State::Running))
    })
}

pub fn start(containers: &[String]) -> Result<()> {
    if !numbers(containers).into_iter().all(can_join) {
        return Err(Failure::new(
            "cannot join the network of a container that does not run",
        ));
    }
    act(
        "start",
        numbers(containers).into_iter().map(starting).collect(),
    )
}

pub fn start_service(service: &str) -> Result<()> {
    let idle = |c: &&Case| c.service.name == service && c.state != State::Running;
    let idle: Vec<usize> = peek(|w| w.containers.iter().filter(idle).map(|c| c.made).collect());
    act(
        "start through Compose",
        idle.into_iter().map(starting).collect(),
    )
}

pub fn stop(containers: &[String]) -> Result<()> {
    let stop = |made| touching("a stop", move |w: &mut World| w.stop(made));
    act("stop", numbers(containers).into_iter().map(stop).collect())
}

pub fn remove(containers: &[String], volumes: Volumes) -> Result<()> {
    let runs = |made: &usize| {
        peek(|w| {
            w.containers
                .iter()
                .any(|c| c.made == *made && c.state.is_at_work())
        })
    };
    let numbers = numbers(containers);
    if numbers.iter().any(runs) {
        return Err(Failure::new("a container that runs cannot be removed"));
    }
    let scene = scene();
    let remove = |made| {
        let scene = scene.clone();
        touching("a removal", move |w: &mut World| {
            if volumes == Volumes::Go {
                danger::volume_goes(w, &scene, made);
            }
            w.remove(made);
        })
    };
    act("remove", numbers.into_iter().map(remove).collect())
}

pub fn remove_network(name: &str) -> Result<()> {
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

pub fn rename(container: &str, name: &str) -> Result<()> {
    let Some(made) = peek(|w| w.container(container).map(|c| c.made)) else {
        return Err(Failure::new("no such container"));
    };
    let name = name.to_owned();
    act(
        "rename",
        vec![touching("a new name", move |w| w.rename(made, &name))],
    )
}
