//! Whose a container is: this deploy directory's, or that of another application which Compose calls
//! by the same name.
//!
//! Compose names a project after its directory, so two directories of one name share it, and
//! everything that asks for a project's containers gets those of both. Where a container was made
//! decides, and only where that is elsewhere, from which files. The file refuses to know what
//! becomes of a container, and reads no file but `.env`.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::files::foreign;
use crate::files::rundir;
use crate::files::tree::scope::OWN_NAME;
use crate::words::plan::Site;

/// How much of `.env` is looked at, in bytes.
const ENV: u64 = 1024 * 1024;

/// Where Compose made a container, as it noted there; a Compose of the past noted nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Made {
    /// The directory.
    pub dir: Option<PathBuf>,
    /// The compose files.
    pub files: Vec<PathBuf>,
}

/// Whose a container is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Whose {
    /// This deploy directory's.
    Ours,
    /// This deploy directory's, when it was called by this name.
    Earlier(PathBuf),
    /// Of another directory, which is this.
    Foreign(PathBuf),
}

/// Where a path leads on the server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Lead {
    /// To this path without links, and to this device and inode.
    There(PathBuf, u64, u64),
    /// Nowhere; whether the directory that it lay in is there.
    Gone {
        /// It is.
        parent: bool,
    },
    /// Nobody can say.
    Hidden,
}

/// The deploy directory, and what its `.env` names as compose files elsewhere.
#[derive(Debug, Clone)]
pub struct Base {
    dir: PathBuf,
    own: PathBuf,
    lead: Lead,
    elsewhere: Vec<PathBuf>,
}

impl Base {
    /// The base of a site on this machine.
    #[must_use]
    pub fn of(site: &Site) -> Self {
        let env = foreign::text(&site.deploy_dir.join(".env"), ENV).unwrap_or_default();
        Self::seen(site, lead(&site.deploy_dir), &env)
    }

    /// The base of a site as somebody has seen it: where its directory leads, and its `.env`.
    #[must_use]
    pub fn seen(site: &Site, lead: Lead, env: &str) -> Self {
        Self {
            dir: site.deploy_dir.clone(),
            own: site.backup_dir.join(OWN_NAME),
            elsewhere: elsewhere(&site.deploy_dir, env),
            lead,
        }
    }

    /// Says whose a container is; `lead` says where a path leads.
    #[must_use]
    pub fn whose(&self, made: &Made, lead: impl Fn(&Path) -> Lead) -> Whose {
        let mut files = made
            .files
            .iter()
            .filter(|file| !rundir::is_list_of_images(file));
        let first = files.clone().next();
        let Some(dir) = made
            .dir
            .as_deref()
            .or_else(|| first.and_then(|file| file.parent()))
            .filter(|dir| dir.is_absolute())
        else {
            return Whose::Ours;
        };
        if self.is_written(dir) {
            return Whose::Ours;
        }
        let there = lead(dir);
        if self.is_home(&there) {
            return Whose::Earlier(dir.to_owned());
        }
        let at = |file: &PathBuf| dir.join(file);
        if first.is_some() && files.all(|file| self.holds(&at(file), &lead)) {
            return Whose::Ours;
        }
        if self.was(dir, &there) {
            return Whose::Earlier(dir.to_owned());
        }
        Whose::Foreign(dir.to_owned())
    }

    /// Says whether a path lies in the deploy directory by its name alone, or where `.env` points.
    fn is_written(&self, path: &Path) -> bool {
        let real = match &self.lead {
            Lead::There(real, ..) => real,
            _ => &self.dir,
        };
        let path = plain(path);
        let below = [&self.dir, real, &self.own].into_iter();
        below
            .chain(&self.elsewhere)
            .any(|own| path.starts_with(own))
    }

    /// Says whether what a path leads to lies in the deploy directory.
    fn is_home(&self, led: &Lead) -> bool {
        match (led, &self.lead) {
            (Lead::There(real, dev, inode), Lead::There(_, own_dev, own_inode)) => {
                self.is_written(real) || (dev, inode) == (own_dev, own_inode)
            }
            _ => false,
        }
    }

    fn holds(&self, file: &Path, lead: impl Fn(&Path) -> Lead) -> bool {
        let dir = file.parent().unwrap_or(file);
        self.is_written(file) || self.is_home(&lead(dir))
    }

    /// A directory that is gone was moved here, where nothing speaks against it: it lay in one that
    /// is there, or had this name. What a container of Compose's saw as its directory did not.
    fn was(&self, dir: &Path, led: &Lead) -> bool {
        match led {
            Lead::Gone { parent } => *parent || dir.file_name() == self.dir.file_name(),
            _ => false,
        }
    }
}

/// Says whose a container is, on this machine.
#[must_use]
pub fn whose(base: &Base, made: &Made) -> Whose {
    base.whose(made, lead)
}

/// Where a path leads on this machine.
fn lead(path: &Path) -> Lead {
    let found = path.canonicalize().and_then(|real| {
        let of = fs::metadata(&real)?;
        Ok(Lead::There(real, of.dev(), of.ino()))
    });
    match found {
        Ok(led) => led,
        Err(e) if e.kind() == io::ErrorKind::NotFound => Lead::Gone {
            parent: path.parent().is_some_and(Path::is_dir),
        },
        Err(_) => Lead::Hidden,
    }
}

/// A path without `.` and `..`, as Compose notes it.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => drop(plain.pop()),
            Component::CurDir => {}
            other => plain.push(other),
        }
    }
    plain
}

/// The directories that `COMPOSE_FILE` in `.env` points to and that lie elsewhere: Compose takes the
/// first file's for its own.
fn elsewhere(dir: &Path, env: &str) -> Vec<PathBuf> {
    let set = |name: &str| {
        let lines = env.lines().map(str::trim);
        let mut values = lines.filter_map(|l| l.strip_prefix(name)?.trim_start().strip_prefix('='));
        let value = values.next_back()?.trim();
        Some(value.trim_matches(['"', '\'']).to_owned())
    };
    let separator = set("COMPOSE_PATH_SEPARATOR").unwrap_or_else(|| ":".into());
    let files = set("COMPOSE_FILE").unwrap_or_default();
    let files = files.split(separator.as_str()).filter(|f| !f.is_empty());
    let dirs = files.filter_map(|file| dir.join(file).parent().map(plain));
    dirs.filter(|d| !d.starts_with(dir) && d.parent().is_some())
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::os::unix::fs::symlink;

    use super::*;
    use crate::words::plan::sample;

    fn made(dir: &Path, files: &[&str]) -> Made {
        Made {
            dir: Some(dir.to_owned()),
            files: files.iter().map(|file| dir.join(file)).collect(),
        }
    }

    /// Two applications of one name, `alpha/app` and `beta/app`; the second is ours.
    fn scene() -> (tempfile::TempDir, Site) {
        let root = tempfile::tempdir().unwrap();
        for dir in ["alpha/app/docker", "beta/app/docker", "beta/app-backups"] {
            fs::create_dir_all(root.path().join(dir)).unwrap();
        }
        let mut site = sample::deploy().site;
        site.deploy_dir = root.path().join("beta/app");
        site.backup_dir = root.path().join("beta/app-backups");
        (root, site)
    }

    fn asked(site: &Site, made: &Made) -> Whose {
        whose(&Base::of(site), made)
    }

    #[test]
    fn a_container_of_another_directory_of_the_same_name_is_foreign() {
        let (root, site) = scene();
        for dir in ["alpha/app", "alpha/app/docker"] {
            let dir = root.path().join(dir);
            let whose = asked(&site, &made(&dir, &["compose.yml"]));
            assert_eq!(whose, Whose::Foreign(dir));
        }
        // A name that only begins alike is another directory.
        let dir = root.path().join("beta/app-2");
        fs::create_dir(&dir).unwrap();
        assert_eq!(asked(&site, &made(&dir, &[])), Whose::Foreign(dir));
    }

    #[test]
    fn other_files_of_the_same_directory_and_those_below_it_are_ours() {
        let (root, site) = scene();
        let home = root.path().join("beta/app");
        for (dir, files) in [
            (home.clone(), &["compose.yml"][..]),
            (home.clone(), &["compose.yml", "prod.yml"]),
            (home.clone(), &["/etc/other.yml"]),
            (home.join("docker"), &["compose.yml"]),
            (site.backup_dir.join(".landfall/runs/r/stage/x"), &["c.yml"]),
        ] {
            assert_eq!(asked(&site, &made(&dir, files)), Whose::Ours, "{dir:?}");
        }
        let nothing_noted = Made::default();
        assert_eq!(asked(&site, &nothing_noted), Whose::Ours);
        let by_files = Made {
            dir: None,
            files: vec![root.path().join("alpha/app/compose.yml")],
        };
        let alpha = root.path().join("alpha/app");
        assert_eq!(asked(&site, &by_files), Whose::Foreign(alpha));
    }

    #[test]
    fn our_files_make_it_ours_from_wherever_somebody_called_compose_and_a_file_of_ours_does_not() {
        let (root, site) = scene();
        let elsewhere = root.path().join("alpha/app");
        let ours = root.path().join("beta/app/docker/compose.yml");
        let with = |files: Vec<PathBuf>| Made {
            dir: Some(elsewhere.clone()),
            files,
        };
        assert_eq!(asked(&site, &with(vec![ours.clone()])), Whose::Ours);
        let images = site
            .backup_dir
            .join(".landfall/runs/r/landfall-images.json");
        let theirs = elsewhere.join("compose.yml");
        for files in [
            vec![images.clone()],
            vec![theirs.clone(), images],
            vec![ours, theirs],
        ] {
            let whose = asked(&site, &with(files));
            assert_eq!(whose, Whose::Foreign(elsewhere.clone()));
        }
    }

    #[test]
    fn a_link_to_our_directory_and_one_that_it_is_reached_by_lead_home() {
        let (root, mut site) = scene();
        let (link, home) = (root.path().join("link"), root.path().join("beta/app"));
        symlink("beta/app", &link).unwrap();
        let through = Whose::Earlier(link.clone());
        assert_eq!(asked(&site, &made(&link, &["compose.yml"])), through);
        site.deploy_dir = link;
        assert_eq!(asked(&site, &made(&home, &["compose.yml"])), Whose::Ours);
        // A link of another application's is no way home.
        let other = root.path().join("alpha/link");
        symlink("app", &other).unwrap();
        let whose = asked(&site, &made(&other, &["compose.yml"]));
        assert_eq!(whose, Whose::Foreign(other));
    }

    #[test]
    fn a_directory_that_was_moved_here_is_ours_from_earlier_and_what_nobody_could_see_here_is_not()
    {
        let (root, site) = scene();
        for (dir, is_ours) in [
            (root.path().join("gone"), true),
            (root.path().join("not/there/app"), true),
            (PathBuf::from("/data/compose/5"), false),
        ] {
            let whose = asked(&site, &made(&dir, &["compose.yml"]));
            let wanted = if is_ours {
                Whose::Earlier(dir)
            } else {
                Whose::Foreign(dir)
            };
            assert_eq!(whose, wanted);
        }
    }

    #[test]
    fn compose_files_that_the_env_file_points_to_make_their_directory_ours() {
        let (root, site) = scene();
        let dir = root.path().join("alpha/app");
        let env = "A=b\nCOMPOSE_FILE=../../alpha/app/compose.yml:prod.yml\n";
        let base = Base::seen(&site, lead(&site.deploy_dir), env);
        assert_eq!(base.whose(&made(&dir, &["compose.yml"]), lead), Whose::Ours);
        let absolute = format!("COMPOSE_FILE=\"{}/compose.yml\"\n", dir.display());
        let base = Base::seen(&site, lead(&site.deploy_dir), &absolute);
        assert_eq!(base.whose(&made(&dir, &["compose.yml"]), lead), Whose::Ours);
    }
}
