//! A disk in memory for the runs of this thread: it knows what a power cut would leave of it.
//!
//! A file that was written and not synced, and a name that was not synced into its directory, are
//! lost then. Reads do not fail here.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::path::Path;
use std::rc::Rc;

use super::life::{self, Effect};

/// Below this path, files are imagined.
pub const ROOT: &str = "/memory";

type Bytes = Rc<Vec<u8>>;

/// A name, what it means now and what it would mean after a power cut.
#[derive(Debug, Clone, Default, PartialEq)]
struct Name {
    now: Option<Bytes>,
    durable: Option<Bytes>,
    /// Bytes were appended that no sync has seen.
    unsynced: bool,
}

/// The files of all runs, by their paths.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Disk(BTreeMap<String, Name>);

impl Disk {
    /// What a file holds now.
    pub fn content(&self, path: &str) -> Option<&[u8]> {
        Some(self.0.get(path)?.now.as_ref()?.as_slice())
    }

    /// The paths of all files that are there.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        let there = self.0.iter().filter(|(_, name)| name.now.is_some());
        there.map(|(path, _)| path.as_str())
    }

    /// The same disk with one file's content laid down.
    pub fn with(&self, path: &str, content: Vec<u8>) -> Self {
        let mut disk = self.clone();
        let content = Some(Rc::new(content));
        let name = disk.name(path);
        (name.now, name.durable) = (content.clone(), content);
        disk
    }

    /// What is left when the power goes: all that was synced. A death alone loses nothing.
    pub fn cut_off(&self) -> Self {
        let lose = |name: &Name| Name {
            now: name.durable.clone(),
            durable: name.durable.clone(),
            unsynced: false,
        };
        let names = self.0.iter();
        Self(names.map(|(path, n)| (path.clone(), lose(n))).collect())
    }

    /// Says whether a power cut would lose anything.
    pub fn is_synced(&self) -> bool {
        self.0.values().all(|name| name.now == name.durable)
    }

    /// A number that two disks share only when the next life finds the same on them; what an append
    /// left torn is cut off by it, and is nothing.
    pub fn print(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        for (path, name) in &self.0 {
            let whole =
                |content: &Option<Bytes>| content.as_ref().map(|c| whole_lines(path, c).len());
            name.now
                .as_ref()
                .map(|c| whole_lines(path, c))
                .hash(&mut hasher);
            // What would be lost is at the end, and everything there in the end comes of appends.
            (whole(&name.durable), name.now == name.durable).hash(&mut hasher);
            (path, name.unsynced).hash(&mut hasher);
        }
        hasher.finish()
    }

    fn name(&mut self, path: &str) -> &mut Name {
        self.0.entry(path.to_owned()).or_default()
    }

    fn append(&mut self, path: &str, bytes: &[u8]) {
        let name = self.name(path);
        let content = name.now.get_or_insert_default();
        Rc::make_mut(content).extend_from_slice(bytes);
        name.unsynced = true;
    }

    fn cut(&mut self, path: &str, length: usize) {
        if let Some(content) = &mut self.name(path).now {
            Rc::make_mut(content).truncate(length);
        }
    }

    /// A sync of the file reaches its content; its name is another matter.
    fn sync(&mut self, path: &str) {
        let name = self.name(path);
        if name.durable.is_some() {
            name.durable.clone_from(&name.now);
            name.unsynced = false;
        }
    }

    /// A sync of the directory reaches its names, not what is appended to their files.
    fn sync_names(&mut self) {
        for name in self.0.values_mut() {
            match (&name.now, &name.durable) {
                (Some(_), Some(_)) if name.unsynced => {}
                (Some(_), None) if name.unsynced => name.durable = Some(Rc::default()),
                _ => name.durable.clone_from(&name.now),
            }
        }
    }
}

fn whole_lines<'a>(path: &str, content: &'a [u8]) -> &'a [u8] {
    let end = content
        .iter()
        .rposition(|b| *b == b'\n')
        .map_or(0, |at| at + 1);
    if path.ends_with("/journal") {
        &content[..end]
    } else {
        content
    }
}

fn text(path: &Path) -> String {
    path.to_str().expect("a plain path").to_owned()
}

fn full() -> io::Error {
    io::ErrorKind::StorageFull.into()
}

fn change(effect: impl FnOnce(&mut Disk) + 'static) -> Effect {
    Effect::Disk(Box::new(effect))
}

fn sync_of(effect: impl FnOnce(&mut Disk) + 'static) -> Effect {
    Effect::Sync(Box::new(effect))
}

/// Says whether a life is at work on this thread.
pub fn is_here() -> bool {
    life::is_here()
}

/// Says whether a path is imagined; asked of every file, so it looks at the bytes alone.
pub fn has(path: &Path) -> bool {
    let bytes = path.as_os_str().as_encoded_bytes();
    bytes.starts_with(ROOT.as_bytes())
}

pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    let path = path.to_str().expect("a plain path");
    let content = life::look(|life| life.state.disk.content(path).map(<[u8]>::to_vec));
    content.ok_or_else(|| io::ErrorKind::NotFound.into())
}

pub fn names(dir: &Path) -> Vec<String> {
    let dir = format!("{}/", text(dir));
    life::look(|life| {
        let below = life.state.disk.paths().filter_map(|p| p.strip_prefix(&dir));
        let first = below.map(|p| p.split('/').next().unwrap_or(p).to_owned());
        let mut names: Vec<String> = first.collect();
        names.dedup();
        names
    })
}

pub fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let (path, content) = (text(path), Rc::new(content.to_vec()));
    let rename = change(move |disk| {
        let name = disk.name(&path);
        (name.now, name.unsynced) = (Some(content), false);
    });
    life::call("fact", vec![rename, sync_of(Disk::sync_names)]).map_err(|()| full())
}

pub fn link(path: &Path, name: &Path) -> io::Result<()> {
    let (path, name) = (text(path), text(name));
    let link = change(move |disk| disk.name(&name).now = disk.name(&path).now.clone());
    life::call("link", vec![link]).map_err(|()| full())
}

pub fn remove(path: &Path) {
    let path = text(path);
    let below = format!("{path}/");
    let there = |p: &str| p == path || p.starts_with(&below);
    if !life::look(|life| life.state.disk.paths().any(there)) {
        return;
    }
    let removal = change(move |disk| {
        let names = disk.0.iter_mut();
        let hit = names.filter(|(p, _)| **p == path || p.starts_with(&below));
        hit.for_each(|(_, name)| name.now = None);
    });
    let _ = life::call("remove file", vec![removal]);
}

pub fn open(path: &Path, length: u64) -> io::Result<()> {
    let path = text(path);
    let length = usize::try_from(length).expect("a short file");
    let name = path.clone();
    let make = change(move |disk| {
        disk.name(&path).now.get_or_insert_default();
        disk.cut(&path, length);
    });
    let sync = sync_of(move |disk| {
        disk.sync_names();
        disk.sync(&name);
    });
    life::call("journal open", vec![make, sync]).map_err(|()| full())
}

pub fn append(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let path = text(path);
    let is_note = life::event_of(bytes) == Some("note");
    let torn = if is_note { 0 } else { bytes.len() / 2 };
    let (half, rest) = (bytes[..torn].to_vec(), bytes[torn..].to_vec());
    let first = path.clone();
    let mut effects = vec![change(move |disk| disk.append(&first, &half))];
    if is_note {
        effects.clear();
    }
    effects.push(change(move |disk| disk.append(&path, &rest)));
    let name = if is_note {
        "journal note"
    } else {
        "journal append"
    };
    // What could not be written before comes along with the next line.
    bytes.split_inclusive(|b| *b == b'\n').for_each(life::heard);
    life::call(name, effects).map_err(|()| full())
}

pub fn sync(path: &Path) -> io::Result<()> {
    let path = text(path);
    life::call("journal sync", vec![sync_of(move |disk| disk.sync(&path))]).map_err(|()| full())
}

pub fn cut(path: &Path, length: u64) -> io::Result<()> {
    let path = text(path);
    let length = usize::try_from(length).expect("a short file");
    let cut = change(move |disk| disk.cut(&path, length));
    life::call("journal cut", vec![cut]).map_err(|()| full())
}
