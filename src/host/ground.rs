//! Where a run stands: its deploy directory and its backup directory, opened when it took the lock.
//!
//! It refuses to know what is done there.

use std::path::{Path, PathBuf};

use crate::files::tree::{Home, Scope, scope};
use crate::words::Result;
use crate::words::plan::Site;

/// The directories of a run; clones are the same ones.
#[derive(Debug, Clone)]
pub struct Ground {
    deploy: Home,
    /// None as long as there is none.
    backups: Option<Home>,
}

impl Ground {
    /// The deploy directory as it was opened to be locked, with the backup directory of its site.
    #[must_use]
    pub fn of(deploy: &Home, site: &Site) -> Self {
        Self {
            deploy: deploy.clone(),
            backups: Home::open(&site.backup_dir).ok(),
        }
    }

    /// What the paths of a site lead to now: for whoever only looks.
    pub fn open(site: &Site) -> std::io::Result<Self> {
        Ok(Self::of(&Home::open(&site.deploy_dir)?, site))
    }

    /// The deploy directory.
    #[must_use]
    pub fn deploy(&self) -> &Home {
        &self.deploy
    }

    /// Refuses where a path leads elsewhere by now than when its directory was opened.
    pub fn confirm(&self) -> Result<()> {
        self.deploy.confirm()?;
        self.confirm_backups()
    }

    /// The same of the backup directory alone.
    pub fn confirm_backups(&self) -> Result<()> {
        self.backups.iter().try_for_each(Home::confirm)
    }

    /// The backup directory for this process alone: the open one, wherever its path leads by now.
    /// Before there is one, its path.
    #[must_use]
    pub fn backups(&self, backup_dir: &Path) -> PathBuf {
        let opened = self.backups.as_ref().map(Home::within);
        opened.unwrap_or_else(|| backup_dir.to_owned())
    }

    /// The whole of the deploy directory but for what is Landfall's own, wherever it is by now.
    pub fn scope(&self, backup_dir: &Path) -> Result<Scope> {
        let backups = self.backups.as_ref().map(|home| home.real().to_owned());
        let backups = backups.unwrap_or_else(|| scope::resolved(backup_dir));
        Scope::around(self.deploy.real(), &backups)
    }
}
