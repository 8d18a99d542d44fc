//! Which backups hold the same release, and which release came before which.
//!
//! Releases differ by what runs, by the files that make them up, or by their env files; a log that grows
//! makes no new one. It goes by what heads tell, and refuses to know which release is a good one.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::io;
use std::path::Path;

use sha2::{Digest, Sha256};

use super::catalogue::Listed;
use crate::files::tree::hex;
use crate::words::backup::{Description, Entry, Purpose, READ_BY_COMPOSE, Release};

/// Where a release stands among all: by its first backup, whatever any clock said.
pub type Place = (u64, String);

/// One release and the backups that hold it.
#[derive(Debug)]
pub struct Held<'l> {
    /// Where it stands.
    pub place: Place,
    /// Its copies, the newest first; there is at least one.
    pub copies: Vec<(&'l Listed, &'l Description)>,
}

impl<'l> Held<'l> {
    /// The newest copy.
    #[must_use]
    pub fn newest(&self) -> (&'l Listed, &'l Description) {
        self.copies[0]
    }

    /// The newest copy that was made before a deployment, rather than for a rollback to be undone.
    #[must_use]
    pub fn deployed_over(&self) -> Option<(&'l Listed, &'l Description)> {
        let mut copies = self.copies.iter();
        copies.find(|(_, d)| d.purpose == Purpose::Deploy).copied()
    }
}

/// The releases of usable backups, the newest first.
#[must_use]
pub fn releases<'l>(list: impl IntoIterator<Item = &'l Listed>) -> Vec<Held<'l>> {
    let mut held: BTreeMap<String, Held<'l>> = BTreeMap::new();
    for listed in list {
        let Ok(description) = &listed.description else {
            continue;
        };
        let place = place_of(description);
        let release = held.entry(identity(description)).or_insert_with(|| Held {
            place: place.clone(),
            copies: Vec::new(),
        });
        release.place = place.min(release.place.clone());
        release.copies.push((listed, description));
    }
    let mut held: Vec<_> = held.into_values().collect();
    for release in &mut held {
        release
            .copies
            .sort_by(|(_, a), (_, b)| b.order().cmp(&a.order()));
    }
    held.sort_by(|a, b| b.place.cmp(&a.place));
    held
}

fn place_of(description: &Description) -> Place {
    let first = match description.first {
        0 => description.sequence,
        first => first,
    };
    (first, description.timestamp.clone())
}

/// What is the same in all backups of a release. Of what an older program made that cannot be said, so
/// each of its backups counts as another.
fn identity(description: &Description) -> String {
    let project = &description.release.project;
    match &description.fingerprint {
        Some(fingerprint) => format!("{project} {fingerprint}"),
        None => format!("{project} at {}", description.timestamp),
    }
}

/// The paths that make up a project's release: those that its backups name, and more, sorted.
#[must_use]
pub fn made_of<'l>(
    list: impl IntoIterator<Item = &'l Listed>,
    release: &Release,
    deploy_dir: &Path,
    more: impl IntoIterator<Item = String>,
) -> Vec<String> {
    let described = list.into_iter().filter_map(|l| l.description.as_ref().ok());
    let own = described.filter(|d| d.release.project == release.project);
    let told = own.flat_map(|d| d.made_of.iter().chain(&d.ships).cloned());
    let files = release.compose_files.iter().filter_map(|file| {
        let below = Path::new(file).strip_prefix(deploy_dir).ok()?;
        Some(below.to_string_lossy().into_owned())
    });
    let all = told.chain(files).chain(more);
    let all = all.chain(READ_BY_COMPOSE.map(ToOwned::to_owned));
    let all: BTreeSet<String> = all.filter(|path| path != "." && !path.is_empty()).collect();
    all.into_iter().collect()
}

/// Those of the paths that a description does not tell otherwise.
#[must_use]
pub fn untold(made_of: &[String], ships: &[String]) -> Vec<String> {
    let ships: HashSet<&String> = ships.iter().collect();
    let is_told = |path: &&String| ships.contains(path) || READ_BY_COMPOSE.contains(&path.as_str());
    made_of
        .iter()
        .filter(|path| !is_told(path))
        .cloned()
        .collect()
}

/// The paths that make up a release, to be asked for many paths of a tree.
pub struct Among<'p>(HashSet<&'p str>);

impl<'p> Among<'p> {
    /// Of these paths.
    #[must_use]
    pub fn of(made_of: &'p [String]) -> Self {
        Self(made_of.iter().map(String::as_str).collect())
    }

    /// Says whether a path is one of them, or below one.
    #[must_use]
    pub fn holds(&self, path: &str) -> bool {
        let ends = path.match_indices('/').map(|(end, _)| end);
        ends.chain([path.len()])
            .any(|end| self.0.contains(&path[..end]))
    }
}

/// The checksum of a release: of what runs, and of what is there of the paths that make it up. What is
/// not there adds nothing, so that a path that is named later makes no other release of an old one.
pub fn fingerprint(
    release: &Release,
    made_of: &[String],
    tree: impl IntoIterator<Item = io::Result<Entry>>,
) -> io::Result<String> {
    let among = Among::of(made_of);
    let mut hash = Sha256::new();
    for service in &release.services {
        let (name, image) = (&service.service, &service.image_id);
        hash.update(format!("{name}\0{image}\0{}\n", service.config_hash));
    }
    for entry in tree {
        let entry = entry?;
        if among.holds(&entry.path) {
            let content = entry.hmac.as_ref().or(entry.sha256.as_ref());
            let content = content.or(entry.target.as_ref());
            let content = content.map_or("", String::as_str);
            let (path, kind, mode) = (&entry.path, entry.kind, entry.mode);
            hash.update(format!("{path}\0{kind:?}\0{mode:o}\0{content}\n"));
        }
    }
    Ok(hex(&hash.finalize()))
}

/// The place of a release's first backup: that of an equal one, or the new one's own.
#[must_use]
pub fn first<'l>(
    list: impl IntoIterator<Item = &'l Listed>,
    project: &str,
    fingerprint: &str,
    sequence: u64,
) -> u64 {
    let described = list.into_iter().filter_map(|l| l.description.as_ref().ok());
    let equal = described
        .filter(|d| d.release.project == project && d.fingerprint.as_deref() == Some(fingerprint));
    equal.map(|d| place_of(d).0).min().unwrap_or(sequence)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::words::backup::{EntryKind, Running};

    fn entry(path: &str, content: &str) -> Entry {
        Entry {
            path: path.into(),
            kind: EntryKind::File,
            mode: 0o644,
            uid: 0,
            gid: 0,
            size: 0,
            sha256: Some(content.into()),
            hmac: None,
            target: None,
        }
    }

    fn of(release: &Release, tree: &[(&str, &str)]) -> String {
        let made_of = [
            "compose.yml".to_owned(),
            "conf".to_owned(),
            ".env".to_owned(),
        ];
        let tree = tree.iter().map(|(path, content)| Ok(entry(path, content)));
        fingerprint(release, &made_of, tree).unwrap()
    }

    fn running(image: &str, config: &str) -> Release {
        let web = Running {
            service: "web".into(),
            image_id: image.into(),
            config_hash: config.into(),
            ..Running::default()
        };
        Release {
            services: vec![web],
            ..Release::default()
        }
    }

    #[test]
    fn releases_differ_by_images_settings_and_their_own_files_and_by_nothing_else() {
        let v1 = running("one", "same");
        let tree = [
            ("compose.yml", "a"),
            ("conf/site.conf", "b"),
            ("cron.log", "c"),
        ];
        let was = of(&v1, &tree);
        let mut grown = tree;
        grown[2].1 = "c and more";
        assert_eq!(of(&v1, &grown), was);
        assert_eq!(of(&v1, &tree[..2]), was);
        let well = Running {
            well: true,
            replicas: 3,
            ..v1.services[0].clone()
        };
        let scaled = Release {
            services: vec![well],
            ..v1.clone()
        };
        assert_eq!(of(&scaled, &tree), was);
        for other in [running("two", "same"), running("one", "other")] {
            assert_ne!(of(&other, &tree), was);
        }
        let mut edited = tree;
        edited[1].1 = "edited";
        assert_ne!(of(&v1, &edited), was);
        assert_ne!(of(&v1, &[tree[0], tree[1], (".env", "e")]), was);
        assert_ne!(of(&v1, &tree[1..]), was);
    }
}
