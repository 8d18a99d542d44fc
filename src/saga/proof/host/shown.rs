//! The world in the words in which a server tells the steps about itself.
//!
//! It refuses to change anything.

use std::path::{Path, PathBuf};

use super::call::scene;
use crate::host::{Access, Bind, Config, Container, Image, Occupant, ServiceConfig, State, Writer};
use crate::saga::proof::world::{COMPOSE, Case, PROJECT, Service, World, compose, id};

pub fn config_of(text: &str) -> Config {
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
            container_name: s.container_name,
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

fn mounts(service: &Service) -> Vec<PathBuf> {
    let dir = scene().plan.site.deploy_dir.clone();
    let conf = service.mounts_conf.then(|| dir.join("app.conf"));
    let data = service.writes_data.then(|| dir.join("data"));
    conf.into_iter().chain(data).collect()
}

pub fn container(c: &Case) -> Container {
    Container {
        id: id(c.made),
        name: c.name.clone(),
        service: c.service.name.clone(),
        image: c.service.image.clone(),
        image_id: c.image_id.clone(),
        config_hash: match c.joined {
            Some(other) => format!("{} with {other}", c.service.line),
            None => c.service.line.clone(),
        },
        joins: c.joined.map(id).into_iter().collect(),
        mounts: mounts(&c.service),
        state: c.state,
        exit_code: c.exit_code,
        up_ms: Some(5000),
        compose_files: vec![scene().plan.site.deploy_dir.join(COMPOSE)],
        ..Container::default()
    }
}

pub fn occupant(c: &Case) -> Occupant {
    Occupant {
        id: c.id(),
        name: c.name.clone(),
        ..Occupant::default()
    }
}

pub fn writer(c: &Case, dir: &Path) -> Writer {
    let data = c.service.writes_data.then(|| dir.join("data"));
    Writer {
        id: c.id(),
        name: c.name.clone(),
        service: Some((PROJECT.into(), c.service.name.clone())),
        is_up: c.state == State::Running,
        made: crate::host::whose::Made::default(),
        writes: data.into_iter().collect(),
    }
}

pub fn image(world: &World, reference: &str) -> Option<Image> {
    world.image(reference).map(|i| Image {
        id: i.id.clone(),
        digests: i.digests.iter().cloned().collect(),
        tags: i.tags.iter().cloned().collect(),
        bytes: 1,
        tagged_at: None,
    })
}
