//! The steps: each file one step, its act and its undo.
//!
//! A step decides nothing about the run: it acts, or says why it cannot. What it finds out goes to
//! the facts and to the records; an undo is idempotent and finds its facts on disk.

pub mod backup;
pub mod commit;
pub mod confirm;
pub mod files;
pub mod post_deploy;
pub mod pre_deploy;
pub mod preflight;
pub mod pull;
pub mod restore;
pub mod stage;
pub mod up;
pub mod verify;

use crate::files::rundir::{RunDir, name};
use crate::host::{Container, Host, Login};
use crate::saga::facts::{Before, Pulled, Shared, Wanted};
use crate::saga::lock::Lock;
use crate::words::Result;
use crate::words::backup::Description;
use crate::words::backup::Parts;
use crate::words::event::{Failure, Note, Step};
use crate::words::plan::{Goal, Plan, Private};
use crate::words::reference;
use crate::words::registry;

/// The login that travels beside a plan, for an image of its one registry: no other may hear it,
/// whatever the files on the server name.
fn login_for(private: &Private, reference: &str) -> Option<Login> {
    let of_image = reference::parse(reference);
    let ours = private.registry.as_deref()?;
    if !registry::is_same(ours, of_image.registry()) {
        return None;
    }
    Some(Login {
        username: private.registry_username.clone()?,
        password: private.registry_password.clone()?,
    })
}

/// What every step has at hand.
pub struct Run<'a, H> {
    /// What is to be done.
    pub plan: &'a Plan,
    /// The secrets of it.
    pub private: &'a Private,
    /// The server.
    pub host: &'a H,
    /// Where facts lie.
    pub dir: &'a RunDir,
    /// The lock, once preflight has it.
    pub lock: &'a std::cell::RefCell<Option<Lock>>,
    /// Where notes go.
    pub tell: &'a dyn Fn(Note),
    /// Whether the release has been touched so far.
    pub changed: bool,
}

impl<H: Host> Run<'_, H> {
    /// Carries a step out.
    pub async fn act(&self, step: Step) -> Result<()> {
        match step {
            Step::Preflight => preflight::act(self).await,
            Step::Stage => stage::act(self).await,
            Step::Pull => pull::act(self).await,
            Step::Backup => backup::act(self).await,
            Step::Files => files::act(self).await,
            Step::Restore => restore::act(self).await,
            Step::PreDeploy => pre_deploy::act(self).await,
            Step::Up => Box::pin(up::act(self)).await,
            Step::Verify => Box::pin(verify::act(self)).await,
            Step::Confirm => confirm::act(self).await,
            Step::Commit => commit::act(self).await,
            Step::PostDeploy => post_deploy::act(self).await,
        }
    }

    /// Takes a step back; also after a failed or interrupted act.
    pub async fn undo(&self, step: Step) -> Result<()> {
        if matches!(step, Step::Up | Step::Pull) {
            // Whoever deploys where the path leads by now has containers and images of these names.
            self.host.confirm().await?;
        }
        match step {
            Step::Stage => stage::undo(self).await,
            Step::Pull => pull::undo(self).await,
            Step::Backup => backup::undo(self).await,
            Step::Files | Step::Restore => restore::undo(self).await,
            Step::PreDeploy => pre_deploy::undo(self).await,
            Step::Up => up::undo(self).await,
            Step::Preflight | Step::Verify | Step::Confirm | Step::Commit | Step::PostDeploy => {
                Ok(())
            }
        }
    }

    /// Says one line.
    pub fn say(&self, text: impl Into<String>) {
        (self.tell)(Note::Said { text: text.into() });
    }

    /// Warns in one line.
    pub fn warn(&self, text: impl Into<String>) {
        (self.tell)(Note::Warned { text: text.into() });
    }

    /// The login of this run, if it is for the registry of a reference and no other.
    #[must_use]
    pub fn login(&self, reference: &str) -> Option<Login> {
        login_for(self.private, reference)
    }

    /// The project's name, once a step has found it.
    pub fn project(&self) -> Result<String> {
        Ok(self.before()?.release.project)
    }

    /// What ran before.
    pub fn before(&self) -> Result<Before> {
        self.needed(name::BEFORE)
    }

    /// What is to run.
    pub fn wanted(&self) -> Result<Wanted> {
        self.needed(name::WANTED)
    }

    /// What was pulled.
    pub fn pulled(&self) -> Result<Pulled> {
        Ok(self.dir.recall(name::PULLED)?.unwrap_or_default())
    }

    /// Which paths belong to whom.
    pub fn parts(&self) -> Result<Parts> {
        self.needed(name::PARTS)
    }

    /// The backup that this run made.
    pub fn backup(&self) -> Result<Option<Description>> {
        self.dir.recall(name::BACKUP)
    }

    /// The backup that a rollback goes to.
    pub fn target(&self) -> Result<Description> {
        self.needed(name::TARGET)
    }

    /// What runs have brought since that backup was taken; older agents noted none of it.
    pub fn brought(&self) -> Result<Vec<String>> {
        Ok(self.dir.recall(name::BROUGHT)?.unwrap_or_default())
    }

    /// What a rollback takes back and leaves; nothing in a deployment.
    pub fn shared(&self) -> Result<Shared> {
        Ok(self.dir.recall(name::SHARED)?.unwrap_or_default())
    }

    /// Containers with the restarts that happened since this run began.
    pub fn since_before(&self, mut containers: Vec<Container>) -> Result<Vec<Container>> {
        let before = self.before()?.containers;
        for container in &mut containers {
            if let Some(was) = before.iter().find(|b| b.id == container.id) {
                container.restarts = (container.restarts - was.restarts).max(0);
            }
        }
        Ok(containers)
    }

    /// Says whether this run goes back rather than forward.
    #[must_use]
    pub fn is_rollback(&self) -> bool {
        matches!(self.plan.goal, Goal::Rollback { .. })
    }

    fn needed<T: serde::de::DeserializeOwned>(&self, name: &str) -> Result<T> {
        self.dir.recall(name)?.ok_or_else(|| {
            Failure::new(format!(
                "`{name}` is missing from `{}`",
                self.dir.path().display()
            ))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::secret::Secret;

    #[test]
    fn the_login_is_for_its_one_registry_and_no_other_hears_it() {
        let private = |registry: Option<&str>| Private {
            registry: registry.map(ToOwned::to_owned),
            registry_username: Some("ana".into()),
            registry_password: Some(Secret::new("made-up-99")),
            ..Private::default()
        };
        let hears = |registry, image| login_for(&private(registry), image).is_some();
        let ghcr = Some("ghcr.io");
        assert!(hears(ghcr, "ghcr.io/acme/app:1"));
        assert!(hears(ghcr, "GHCR.io/acme/app@sha256:ab"));
        for other in [
            "acme/app",
            "redis",
            "evil.example/ghcr.io/app",
            "ghcr.io:5000/app",
            "ghcr.io.evil.example/app",
            "localhost:5000/app",
        ] {
            assert!(!hears(ghcr, other), "{other}");
            assert!(!hears(None, other), "{other}");
        }
        let hub = Some("docker.io");
        for image in [
            "redis",
            "acme/app:1",
            "index.docker.io/acme/app",
            "docker.io/a/b",
        ] {
            assert!(hears(hub, image), "{image}");
        }
        assert!(!hears(hub, "evil.example/redis"));
    }
}
