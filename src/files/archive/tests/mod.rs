//! What backups promise, shown on odd trees in temporary directories.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod choosing;
mod restoring;
mod verifying;
mod writing;

use std::path::{Path, PathBuf};

use chrono::{DateTime, TimeZone, Utc};
use tempfile::TempDir;

use super::manifest;
use super::restore::{Data, Options, Report, Source, restore};
use super::verify::listing_of;
use super::write::{Request, Written, write};
use crate::files::tree::odd::{self, lay};
use crate::files::tree::scope::OWN_NAME;
use crate::files::tree::{Home, Key, Scope, Tree};
use crate::words::backup::{Description, Entry, Purpose, Release, Running};
use crate::words::event::Failure;
use crate::words::plan::Origin;

/// A deploy directory with its backup directory beside it.
struct Scene {
    home: TempDir,
    scope: Scope,
}

impl Scene {
    /// An empty one.
    #[must_use]
    fn bare() -> Self {
        let home = tempfile::tempdir().unwrap();
        std::fs::create_dir(home.path().join("mcp")).unwrap();
        let scope = Scope::of(&home.path().join("mcp"), &home.path().join("mcp-backups")).unwrap();
        Self { home, scope }
    }

    /// One with these files.
    #[must_use]
    fn with(files: &[(&str, &str)]) -> Self {
        let scene = Self::bare();
        lay(&scene.deploy(), files);
        scene
    }

    /// One with everything that trees have in the field, `data` being data.
    #[must_use]
    fn odd() -> Self {
        let scene = Self::bare().data(&["data"]);
        odd::plant(&scene.deploy());
        scene
    }

    #[must_use]
    fn data(mut self, paths: &[&str]) -> Self {
        self.scope = self.scope.with_data(paths);
        self
    }

    #[must_use]
    fn own(mut self, paths: &[&str]) -> Self {
        self.scope = self.scope.with_own(paths);
        self
    }

    /// One whose guarded files are summed by a key.
    #[must_use]
    fn keyed(mut self) -> Self {
        let state = self.backups().join(OWN_NAME);
        std::fs::create_dir_all(&state).unwrap();
        self.scope = self.scope.with_key(Some(Key::made(&state).unwrap()));
        self
    }

    /// The same without the key.
    #[must_use]
    fn without_key(mut self) -> Self {
        std::fs::remove_file(self.backups().join(OWN_NAME).join("key")).unwrap();
        self.scope = self.scope.with_key(None);
        self
    }

    #[must_use]
    fn excluding(mut self, globs: &[&str]) -> Self {
        self.scope = self.scope.excluding(globs).unwrap();
        self
    }

    fn deploy(&self) -> PathBuf {
        self.home.path().join("mcp")
    }

    /// The deploy directory, opened.
    fn opened(&self) -> Home {
        Home::open(&self.deploy()).unwrap()
    }

    fn at(&self, path: &str) -> PathBuf {
        self.deploy().join(path)
    }

    fn backups(&self) -> PathBuf {
        self.home.path().join("mcp-backups")
    }

    fn read(&self, path: &str) -> String {
        std::fs::read_to_string(self.at(path)).unwrap()
    }

    fn tree(&self) -> Vec<Entry> {
        Tree::read(&self.opened(), &self.scope).unwrap()
    }

    /// Everything that is there, data and excluded paths too.
    fn everything(&self) -> Vec<Entry> {
        Tree::read(&self.opened(), &Scope::default()).unwrap()
    }

    #[track_caller]
    fn back_up(&self) -> Written {
        self.try_back_up(&|_| ()).unwrap()
    }

    #[track_caller]
    fn back_up_at(&self, at: DateTime<Utc>) -> Written {
        self.try_back_up_at(at, &|_| ()).unwrap()
    }

    fn try_back_up(&self, progress: &dyn Fn(u64)) -> Result<Written, Failure> {
        self.try_back_up_at(moment(25), progress)
    }

    fn try_back_up_at(
        &self,
        at: DateTime<Utc>,
        progress: &dyn Fn(u64),
    ) -> Result<Written, Failure> {
        write(&Request {
            deploy_dir: &self.opened(),
            backup_dir: &self.backups(),
            scope: &self.scope,
            deployment_id: "20251017_143025-abcdef",
            purpose: Purpose::Deploy,
            release: &release("sha256:one"),
            origin: &Origin::default(),
            made_by: None,
            made_of: &self.scope.own().map(ToOwned::to_owned).collect::<Vec<_>>(),
            at,
            progress,
        })
    }

    #[track_caller]
    fn restore(&self, written: &Written, data: Data) -> Report {
        self.try_restore(&written.archive, &written.description, data)
            .unwrap()
    }

    fn try_restore(
        &self,
        archive: &Path,
        description: &Description,
        data: Data,
    ) -> Result<Report, Failure> {
        let options = Options {
            data,
            scope: &self.scope,
            snapshot: None,
        };
        self.restore_with(archive, description, &options)
    }

    fn restore_with(
        &self,
        archive: &Path,
        description: &Description,
        options: &Options,
    ) -> Result<Report, Failure> {
        let from = Source {
            archive,
            listing: &self.listing(description),
            description,
            others: &[],
        };
        restore(from, &self.opened(), options)
    }

    /// Where a description lies.
    fn listing(&self, description: &Description) -> PathBuf {
        listing_of(&self.backups().join(&description.archive.file)).unwrap()
    }

    /// The tree that a description lists.
    fn listed(&self, written: &Written) -> Vec<Entry> {
        manifest::tree(&self.listing(&written.description)).unwrap()
    }

    /// Writes a description anew, as somebody might who knows the format.
    fn rewrite(
        &self,
        written: &mut Written,
        change: impl FnOnce(&mut Description, &mut Vec<Entry>),
    ) {
        let path = self.listing(&written.description);
        let mut tree = self.listed(written);
        change(&mut written.description, &mut tree);
        let file = std::fs::File::create(path).unwrap();
        let tree = tree.into_iter().map(Ok);
        manifest::inscribe(file, &written.description, tree).unwrap();
    }

    /// The names in the backup directory.
    fn kept(&self) -> Vec<String> {
        let mut names = super::catalogue::names(&self.backups()).unwrap();
        names.retain(|name| name != OWN_NAME);
        names.sort();
        names
    }
}

fn moment(second: u32) -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2025, 10, 17, 14, 30, second).unwrap()
}

/// A release of one service that runs well.
fn release(image_id: &str) -> Release {
    Release {
        compose_files: Vec::new(),
        project: "mcp".to_owned(),
        services: vec![Running {
            service: "api".to_owned(),
            image_id: image_id.to_owned(),
            well: true,
            running: true,
            replicas: 1,
            ..Running::default()
        }],
        references: Vec::new(),
    }
}
