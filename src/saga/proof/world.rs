//! A server in memory: files, containers, images, backups and networks, and how each can change.
//!
//! A compose file here is a line a service: `name image [conf] [data] [with:name] [name:taken]`. The
//! line is its hash, with the container that it shares a network with, which Compose notes there too.
//! It refuses to know who changes it, and whether that is wise.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::rc::Rc;

use super::danger::Danger;
use crate::host::State;
use crate::words::backup::Description;

pub const COMPOSE: &str = "docker-compose.yml";
pub const CONF: &str = "app.conf";
pub const DATA: &str = "data/db";
pub const PROJECT: &str = "mcp";
pub const NETWORK: &str = "mcp_default";
/// The repository of the references that keep a backup's images.
pub const KEEPER: &str = "landfall.backup/";

/// A path below the deploy directory and what it holds.
pub type Files = BTreeMap<String, String>;

/// The server.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct World {
    pub files: Files,
    pub containers: Vec<Case>,
    pub images: Vec<Img>,
    pub backups: BTreeMap<String, Backup>,
    /// Runs whose half-written archive lies about.
    pub partial: BTreeSet<String>,
    pub networks: BTreeSet<String>,
    /// The run whose release the deploy directory says it is.
    pub generation: Option<String>,
    /// Runs whose stage lies beside the release.
    pub staged: BTreeSet<String>,
    /// How many containers were ever made.
    pub made: usize,
    /// The path of the deploy directory leads to another directory than when the run began.
    pub elsewhere: bool,
    pub dangers: Vec<Danger>,
}

/// A container.
#[derive(Debug, Clone, PartialEq)]
pub struct Case {
    pub made: usize,
    pub name: String,
    pub service: Service,
    pub image_id: String,
    pub state: State,
    pub exit_code: i64,
    /// What the mounted configuration held when it was started.
    pub mounted: Option<String>,
    /// The container whose network it shares.
    pub joined: Option<usize>,
    /// Its anonymous volume: the container that it was made with, or for.
    pub volume: usize,
    pub owner: Owner,
}

/// Whose a container is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Owner {
    /// The application's.
    Ours,
    /// Another directory's, which Compose takes for the application's by the project's name.
    SameProject,
    /// Somebody's who only has a name.
    Nobody,
}

/// An image and what means it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Img {
    pub id: String,
    pub tags: BTreeSet<String>,
    pub digests: BTreeSet<String>,
}

/// A backup: what is described, and the files in its archive.
#[derive(Debug, Clone, PartialEq)]
pub struct Backup {
    pub description: Option<Rc<Description>>,
    pub files: Option<Rc<Files>>,
}

/// A service as a line of the compose file says it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Service {
    pub name: String,
    pub image: String,
    pub line: String,
    pub mounts_conf: bool,
    pub writes_data: bool,
    /// The service whose container's network it shares.
    pub joins: Option<String>,
    /// The name that its container is to have, whatever the project's.
    pub container_name: Option<String>,
}

impl Service {
    /// What its container is called.
    pub fn called(&self) -> String {
        let proper = || Case::proper_name(&self.name);
        self.container_name.clone().unwrap_or_else(proper)
    }
}

/// Reads a compose file.
pub fn compose(text: &str) -> Vec<Service> {
    text.lines().filter_map(service).collect()
}

fn service(line: &str) -> Option<Service> {
    let mut words = line.split(' ');
    let (name, image) = (words.next()?, words.next()?);
    let more: Vec<&str> = words.collect();
    let mut named = more.iter().filter_map(|word| word.strip_prefix("name:"));
    let mut with = more.iter().filter_map(|word| word.strip_prefix("with:"));
    Some(Service {
        name: name.into(),
        image: image.into(),
        line: line.into(),
        mounts_conf: more.contains(&"conf"),
        writes_data: more.contains(&"data"),
        joins: with.next().map(ToOwned::to_owned),
        container_name: named.next().map(ToOwned::to_owned),
    })
}

impl World {
    /// A number that two worlds share only when they are the same.
    pub fn print(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.files.hash(&mut hasher);
        for c in &self.containers {
            let state = format!("{:?} {}", c.state, c.exit_code);
            (c.made, &c.name, &c.service, &c.image_id, state).hash(&mut hasher);
            (&c.mounted, c.joined, c.volume, c.owner).hash(&mut hasher);
        }
        for image in &self.images {
            (&image.id, &image.tags, &image.digests).hash(&mut hasher);
        }
        for (timestamp, backup) in &self.backups {
            let halves = (backup.description.is_some(), backup.files.is_some());
            (timestamp, halves).hash(&mut hasher);
        }
        (
            &self.partial,
            &self.networks,
            &self.staged,
            self.made,
            self.elsewhere,
        )
            .hash(&mut hasher);
        self.generation.hash(&mut hasher);
        self.dangers.iter().for_each(|d| d.what.hash(&mut hasher));
        hasher.finish()
    }
}

/// The ID of the container that was made as that one.
pub fn id(made: usize) -> String {
    format!("{made:012x}{:052}", 0)
}

impl Case {
    pub fn id(&self) -> String {
        id(self.made)
    }

    pub fn proper_name(service: &str) -> String {
        format!("{PROJECT}-{service}-1")
    }
}

impl Img {
    fn is(&self, reference: &str) -> bool {
        self.id == reference || self.tags.contains(reference) || self.digests.contains(reference)
    }
}

impl World {
    pub fn services(&self) -> Vec<Service> {
        compose(self.files.get(COMPOSE).map_or("", String::as_str))
    }

    pub fn image(&self, reference: &str) -> Option<&Img> {
        self.images.iter().find(|i| i.is(reference))
    }

    pub fn container(&self, id: &str) -> Option<&Case> {
        self.containers.iter().find(|c| c.id() == id)
    }

    pub fn tag(&mut self, id: &str, reference: &str) {
        for image in &mut self.images {
            image.tags.remove(reference);
            if image.id == id {
                image.tags.insert(reference.to_owned());
            }
        }
    }

    pub fn fetch(&mut self, id: &str, digest: &str) {
        if self.image(id).is_none() {
            self.images.push(Img {
                id: id.to_owned(),
                ..Img::default()
            });
            self.images.sort_by(|a, b| a.id.cmp(&b.id));
        }
        let image = self.images.iter_mut().find(|i| i.id == id);
        if let Some(image) = image {
            image.digests.insert(digest.to_owned());
        }
    }

    /// Takes a reference away; the image goes with its last one.
    pub fn untag(&mut self, reference: &str) {
        for image in &mut self.images {
            if image.is(reference) {
                image.tags.remove(reference);
                image.digests.remove(reference);
            }
        }
        let used: BTreeSet<String> = self.used_images();
        let unnamed = |i: &Img| i.tags.is_empty() && i.digests.is_empty();
        self.images.retain(|i| !unnamed(i) || used.contains(&i.id));
    }

    pub fn used_images(&self) -> BTreeSet<String> {
        self.containers.iter().map(|c| c.image_id.clone()).collect()
    }

    /// The container that one of a service made now would share a network with.
    pub fn to_join(&self, service: &Service) -> Option<usize> {
        let name = Case::proper_name(service.joins.as_ref()?);
        let found = self.own().find(|c| c.name == name);
        found.map(|c| c.made)
    }

    /// Makes a container of a service and of what its reference means; its identity.
    pub fn make(&mut self, service: &Service, name: String) -> usize {
        let joined = self.to_join(service);
        let image_id = self.image(&service.image).map(|i| i.id.clone());
        let made = self.made;
        self.made += 1;
        self.containers.push(Case {
            made,
            name,
            service: service.clone(),
            image_id: image_id.unwrap_or_default(),
            state: State::Created,
            exit_code: 0,
            mounted: None,
            joined,
            volume: made,
            owner: Owner::Ours,
        });
        self.containers.sort_by(|a, b| a.name.cmp(&b.name));
        made
    }

    /// The application's own containers.
    pub fn own(&self) -> impl Iterator<Item = &Case> + Clone {
        self.containers.iter().filter(|c| c.owner == Owner::Ours)
    }

    /// Somebody else makes a container that runs.
    pub fn settle(&mut self, owner: Owner, service: &Service, name: &str) {
        let made = self.make(service, name.to_owned());
        let hit = self.containers.iter_mut().find(|c| c.made == made);
        if let Some(container) = hit {
            container.owner = owner;
            container.image_id = "sha256:foreign".into();
            container.joined = None;
            container.state = State::Running;
        }
    }

    /// Gives a container the anonymous volume of the one that it replaces.
    pub fn inherit(&mut self, made: usize, volume: usize) {
        let hit = self.containers.iter_mut().find(|c| c.made == made);
        if let Some(container) = hit {
            container.volume = volume;
        }
    }

    pub fn rename(&mut self, made: usize, name: &str) {
        let hit = self.containers.iter_mut().find(|c| c.made == made);
        if let Some(container) = hit {
            name.clone_into(&mut container.name);
        }
        self.containers.sort_by(|a, b| a.name.cmp(&b.name));
    }

    pub fn remove(&mut self, made: usize) {
        self.containers.retain(|c| c.made != made);
    }

    pub fn stop(&mut self, made: usize) {
        let hit = self.containers.iter_mut().find(|c| c.made == made);
        if let Some(container) = hit {
            container.state = State::Exited;
        }
    }

    /// Starts a container; an image that is bad exits at once, one that loops again and again.
    pub fn start(&mut self, made: usize) {
        let conf = self.files.get(CONF).cloned();
        let hit = self.containers.iter_mut().find(|c| c.made == made);
        if let Some(container) = hit {
            let is = |kind: &str| container.image_id.contains(kind);
            let (bad, loops) = (is("bad"), is("loops"));
            container.exit_code = i64::from(bad || loops);
            container.state = match (bad, loops) {
                (true, _) => State::Exited,
                (_, true) => State::Restarting,
                _ => State::Running,
            };
            container.mounted = conf.clone().filter(|_| container.service.mounts_conf);
        }
    }

    /// The files that the release answers for.
    pub fn release_files(&self) -> Files {
        let files = self.files.iter().filter(|(path, _)| !is_data(path));
        files.map(|(p, c)| (p.clone(), c.clone())).collect()
    }
}

pub fn is_data(path: &str) -> bool {
    path.starts_with("data/")
}
