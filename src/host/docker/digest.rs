//! Which digest a tag has in its registry now: a question that may be asked ahead of its need.
//!
//! It refuses to know what is done with the answer.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bollard::Docker;
use bollard::auth::DockerCredentials;
use tokio::task::JoinHandle;

use crate::host::Login;
use crate::host::docker::registry::{credentials, unpullable};
use crate::host::docker::{Engine, said};
use crate::words::Result;
use crate::words::event::Failure;
use crate::words::reference;

/// A digest, and the login that the registry told it to.
pub(super) type Told = (String, Option<DockerCredentials>);

/// A question that is on its way.
type Asking = JoinHandle<Result<Told>>;

/// The questions that were asked ahead, by reference.
pub(super) type Asked = Arc<Mutex<HashMap<String, Asking>>>;

impl Engine {
    /// Begins to ask for the digest of a reference that is about to be pulled.
    pub fn expect(&self, text: &str, login: Option<&Login>) {
        if reference::parse(text).digest.is_some() {
            return;
        }
        let asking = ask(self.docker.clone(), text.to_owned(), login.cloned());
        self.asked().insert(text.to_owned(), tokio::spawn(asking));
    }

    /// The digest that a tag has now: the answer that was asked for ahead, once, or a new one.
    pub(super) async fn digest(&self, text: &str, login: Option<&Login>) -> Result<Told> {
        let ahead = self.asked().remove(text);
        if let Some(ahead) = ahead
            && let Ok(answer) = ahead.await
        {
            return answer;
        }
        ask(self.docker.clone(), text.to_owned(), login.cloned()).await
    }

    /// The reference by the digest that its registry has for it now.
    pub async fn by_digest(&self, text: &str, login: Option<&Login>) -> Result<String> {
        let (digest, _) = self.digest(text, login).await?;
        Ok(format!("{}@{digest}", reference::parse(text).written))
    }

    fn asked(&self) -> MutexGuard<'_, HashMap<String, Asking>> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Asks the registry through the engine.
async fn ask(docker: Docker, text: String, login: Option<Login>) -> Result<Told> {
    let reference = reference::parse(&text);
    let name = match &reference.digest {
        Some(digest) => format!("{}@{digest}", reference.written),
        None => format!("{}:{}", reference.written, reference.tag_or_latest()),
    };
    let credentials = credentials(&reference, login.as_ref()).await?;
    let answer = docker
        .inspect_registry_image(&name, credentials.clone())
        .await
        .map_err(|e| unpullable(&text, &reference, &said(&e)))?;
    match answer.descriptor.digest {
        Some(digest) => Ok((digest, credentials)),
        None => Err(Failure::new(format!(
            "the registry gave no digest for `{text}`"
        ))),
    }
}
