//! What backups promise, shown on odd trees in temporary directories.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod choosing;
mod restoring;
mod verifying;
mod writing;

use std::path::{Path, PathBuf};

use chrono::{DateTime, TimeZone, Utc};
use tempfile::TempDir;

use super::restore::{Data, Options, Report, restore};
use super::write::{Request, Written, write};
use super::{Description, Entry, Purpose, Release, Running};
use crate::event::Failure;
use crate::host::tree::odd::{self, lay};
use crate::host::tree::{Home, Scope, Tree};
use crate::plan::Origin;

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

    fn try_back_up(&self, progress: &dyn Fn(u64)) -> Result<Written, Failure> {
        write(&Request {
            deploy_dir: &self.opened(),
            backup_dir: &self.backups(),
            scope: &self.scope,
            deployment_id: "20251017_143025-abcdef",
            purpose: Purpose::Deploy,
            release: &release("sha256:one"),
            origin: &Origin::default(),
            at: moment(25),
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
        restore(archive, description, &self.opened(), &options)
    }

    /// The names in the backup directory.
    fn kept(&self) -> Vec<String> {
        let mut names = super::catalogue::names(&self.backups()).unwrap();
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
