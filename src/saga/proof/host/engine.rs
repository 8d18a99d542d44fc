//! Compose and the engine of the proof, as the small effects that a death can come between.
//!
//! Compose's own order is kept: make the new container under a borrowed name, stop the old one,
//! remove it, rename, start. It refuses to know who calls.

use super::call::{act, effect, peek, scene};
use super::names::Names;
use crate::host::{Making, Recreate, State, Volumes};
use crate::saga::proof::danger;
use crate::saga::proof::life::Effect;
use crate::saga::proof::world::{Case, NETWORK, Owner, Service, World};
use crate::words::Result;
use crate::words::event::Failure;

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

/// Stops, renames or removes a container of the release.
fn handling(what: &'static str, made: usize, change: impl FnOnce(&mut World) + 'static) -> Effect {
    touching(what, move |world| {
        danger::touch(world, made, what);
        change(world);
    })
}

fn numbers(ids: &[String]) -> Vec<usize> {
    let found = |id: &String| peek(|w| w.container(id).map(|c| c.made));
    ids.iter().filter_map(found).collect()
}

/// The container that Compose takes for a service's: by its name, else by the project and service
/// that it carries, whoever made it.
fn standing<'w>(world: &'w World, service: &Service, name: &str) -> Option<&'w Case> {
    let of_it = |c: &&Case| c.owner != Owner::Nobody && c.service.name == service.name;
    // What was set aside has a name that Compose would not give.
    let mut all = world.containers.iter().filter(|c| !c.name.contains('.'));
    let mut named = all.clone().filter(of_it);
    let exact = named.find(|c| c.name == name);
    exact.or_else(|| all.find(of_it))
}

/// Which containers a service gets, and whether the one that stands is right already.
fn is_right(world: &World, service: &Service, name: &str, recreate: Recreate) -> bool {
    let wanted = world.image(&service.image).map(|i| i.id.as_str());
    let joined = world.to_join(service);
    let alike = |c: &&Case| c.name == name && c.service == *service && c.joined == joined;
    let same = standing(world, service, name).filter(|c| alike(c) && c.owner == Owner::Ours);
    recreate == Recreate::Changed && same.is_some_and(|c| Some(c.image_id.as_str()) == wanted)
}

/// Somebody takes a name as soon as Compose has given it free.
fn intruding(world: &mut World, name: &str) -> Option<Effect> {
    let scene = scene();
    let lodger = scene.intruder.clone().filter(|s| s.called() == name)?;
    let name = name.to_owned();
    if world.containers.iter().any(|c| c.owner != Owner::Ours) {
        return None;
    }
    world.settle(Owner::Nobody, &lodger, &name);
    Some(effect(move |w| w.settle(Owner::Nobody, &lodger, &name)))
}

/// Compose's small steps to give a service the container that the files say; fails where the name
/// is somebody's, as far as it has come.
fn making(
    world: &mut World,
    service: &Service,
    name: &str,
    effects: &mut Vec<Effect>,
) -> Result<()> {
    let old = standing(world, service, name).cloned();
    let borrowed = old.as_ref().map(|o| format!("{}_{name}", &o.id()[..12]));
    let first = borrowed.unwrap_or_else(|| name.to_owned());
    is_free(world, &first)?;
    let made = world.make(service, first.clone());
    let volume = old.as_ref().map_or(made, |old| old.volume);
    world.inherit(made, volume);
    let service = service.clone();
    effects.push(touching("a new container", move |w| {
        let made = w.make(&service, first);
        w.inherit(made, volume);
    }));
    let Some(old) = old else { return Ok(()) };
    world.remove(old.made);
    effects.push(handling("a stop", old.made, move |w| w.stop(old.made)));
    effects.push(handling("a removal", old.made, move |w| w.remove(old.made)));
    effects.extend(intruding(world, &old.name));
    is_free(world, name)?;
    world.rename(made, name);
    let name = name.to_owned();
    effects.push(handling("a new name", made, move |w| w.rename(made, &name)));
    Ok(())
}

/// A name is one container's.
fn is_free(world: &World, name: &str) -> Result<()> {
    if world.containers.iter().any(|c| c.name == name) {
        return Err(Failure::new(format!(
            "the name `{name}` is already in use by container"
        )));
    }
    Ok(())
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

/// What `up` and `create` do, as far as they come, and how they end; only one of them starts.
fn compose_call(
    services: &[String],
    recreate: Recreate,
    starts: bool,
    names: &Names,
) -> Result<(Vec<Effect>, Result<()>)> {
    let mut world = peek(World::clone);
    let asked = asked(&world, services)?;
    let mut effects = Vec::new();
    if !world.networks.contains(NETWORK) {
        effects.push(touching("a network", |w| {
            w.networks.insert(NETWORK.into());
        }));
    }
    let called = |s: &Service| names.get(&s.name).cloned().unwrap_or_else(|| s.called());
    for service in &asked {
        let name = called(service);
        if is_right(&world, service, &name, recreate) {
            continue;
        }
        if let Err(failure) = making(&mut world, service, &name, &mut effects) {
            return Ok((effects, Err(failure)));
        }
    }
    if starts {
        let idle = asked.iter().filter_map(|s| standing(&world, s, &called(s)));
        let idle = idle.filter(|c| !c.state.is_at_work());
        effects.extend(idle.map(|c| starting(c.made)));
    }
    Ok((effects, Ok(())))
}

pub fn up(services: &[String], recreate: Recreate, names: &Names) -> Result<()> {
    let (effects, end) = compose_call(services, recreate, true, names)?;
    act("up", effects).and(end)
}

pub fn create(making: &Making, names: &Names) -> Result<()> {
    let (effects, end) = compose_call(&making.services, making.recreate, false, names)?;
    act("create", effects).and(end)
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
    let idle: Vec<usize> = peek(|w| w.own().filter(idle).map(|c| c.made).collect());
    act(
        "start through Compose",
        idle.into_iter().map(starting).collect(),
    )
}

pub fn stop(containers: &[String]) -> Result<()> {
    let stop = |made| handling("a stop", made, move |w: &mut World| w.stop(made));
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
        handling("a removal", made, move |w: &mut World| {
            if volumes == Volumes::Go {
                danger::volume_goes(w, &scene, made);
            }
            w.remove(made);
        })
    };
    act("remove", numbers.into_iter().map(remove).collect())
}

pub fn remove_network(name: &str) -> Result<()> {
    if peek(|w| w.own().next().is_some()) {
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
    let other = |c: &Case| c.name == name && c.made != made;
    if peek(|w| w.containers.iter().any(other)) {
        act("rename", Vec::new())?;
        return Err(Failure::new(format!(
            "the name `{name}` is already in use by container"
        )));
    }
    let name = name.to_owned();
    act(
        "rename",
        vec![handling("a new name", made, move |w| w.rename(made, &name))],
    )
}
