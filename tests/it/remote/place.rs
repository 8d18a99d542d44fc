//! A server with a site on it, and a program that plays the agent.
//!
//! It refuses to know what is tried there.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, OnceLock};

use landfall::remote::agent::{Agent, state_dir};
use landfall::remote::binary::Binaries;
use landfall::remote::rundir::RunDir;
use landfall::remote::transport::Transport;
use landfall::words::choices::Sudo;
use landfall::words::error::Error;
use landfall::words::plan::{Backups, Checks, Goal, Hooks, Origin, PLAN_VERSION, Plan, Site};

use crate::sshd::Sshd;

/// The program that plays the agent; built here if only this test binary was asked for.
pub fn stand_in() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["build", "--quiet", "--offline", "--example", "stand_in"]);
        // What the outer cargo says about this package would make the inner one build others anew.
        let told = std::env::vars().map(|(name, _)| name);
        for name in told
            .filter(|name| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_"))
        {
            cargo.env_remove(name);
        }
        assert!(
            cargo
                .current_dir(env!("CARGO_MANIFEST_DIR"))
                .status()
                .unwrap()
                .success()
        );
        let target = Path::new(env!("CARGO_BIN_EXE_landfall")).parent().unwrap();
        target.join("examples/stand_in")
    })
}

/// A server with a site on it.
pub struct Place {
    /// It counts its logins.
    pub server: Sshd,
    /// Where the deploy directory `app` lies.
    pub dir: tempfile::TempDir,
    /// The connection to it.
    pub transport: Arc<Transport>,
}

impl Place {
    /// A fresh one, connected to.
    pub async fn new() -> Self {
        Self::on(Sshd::start(&[])).await
    }

    /// The same on a server of one's choice.
    pub async fn on(server: Sshd) -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("app")).unwrap();
        let transport = Transport::there(server.pinned()).await.unwrap();
        Self {
            server,
            dir,
            transport: Arc::new(transport),
        }
    }

    /// An application without anything in it.
    pub fn site(&self) -> Site {
        Site {
            deploy_dir: self.dir.path().join("app"),
            backup_dir: self.dir.path().join("it's app-backups"),
            compose_files: Vec::new(),
            project_name: None,
            services: Vec::new(),
        }
    }

    /// Places the stand-in for a site.
    pub async fn try_install(&self, site: &Site) -> Result<Agent, Error> {
        let binaries = Binaries::of(stand_in());
        Agent::install(Arc::clone(&self.transport), site, Sudo::Auto, &binaries).await
    }

    /// Places the stand-in, which must work.
    pub async fn install(&self) -> Agent {
        self.try_install(&self.site()).await.unwrap()
    }

    /// A run that says so many notes, with a pause between them.
    pub fn plan(&self, notes: u64, pause_ms: u64) -> Plan {
        Plan {
            v: PLAN_VERSION,
            id: "20251017_143025-abcdef".into(),
            goal: Goal::Deploy { images: Vec::new() },
            site: self.site(),
            files: Vec::new(),
            env_file_path: None,
            public_env: Vec::new(),
            required: None,
            hooks: Hooks::default(),
            checks: Checks::default(),
            backups: Backups::default(),
            lock_timeout: pause_ms,
            timeout: notes,
            origin: Origin::default(),
        }
    }

    /// Where a run of its site lies.
    pub fn run_dir(&self, plan: &Plan) -> RunDir {
        RunDir::new(&state_dir(&self.site()), &plan.id).unwrap()
    }

    /// Kills the connection.
    pub async fn cut(&self) {
        let connection = self.transport.connection().await.unwrap();
        let master = connection.master().unwrap().to_string();
        assert!(
            Command::new("kill")
                .args(["-9", &master])
                .status()
                .unwrap()
                .success()
        );
    }
}
