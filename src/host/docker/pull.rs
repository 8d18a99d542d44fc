//! Pulls by digest: how far a pull has come, and that it brought what was asked for.
//!
//! No reference changes its meaning here.

use std::collections::HashMap;

use bollard::auth::DockerCredentials;
use bollard::models::CreateImageInfo;
use bollard::query_parameters as query;
use futures_util::StreamExt;

use crate::host::docker::registry::{credentials, unpullable};
use crate::host::docker::{Engine, said};
use crate::host::{Fetched, Login, Telling};
use crate::words::Result;
use crate::words::event::Failure;
use crate::words::reference::{self, Reference};

impl Engine {
    /// Pulls a reference by the digest it has in the registry now.
    pub async fn pull(
        &self,
        text: &str,
        platform: Option<&str>,
        login: Option<&Login>,
        telling: Telling<'_>,
    ) -> Result<Fetched> {
        let reference = reference::parse(text);
        let (digest, credentials) = match &reference.digest {
            Some(digest) => (digest.clone(), credentials(&reference, login).await?),
            None => self.digest(text, login).await?,
        };
        let by_digest = format!("{}@{digest}", reference.written);
        if self.image(&by_digest).await?.is_none() {
            (telling.new)(&by_digest)?;
            fault!("pull.asked");
            self.fetch(text, &reference, &digest, platform, credentials, telling)
                .await?;
            fault!("pull.fetched");
        }
        match self.image(&by_digest).await? {
            Some(image) => Ok(Fetched {
                image,
                digest: by_digest,
            }),
            None => Err(Failure::new(format!(
                "`{by_digest}` was pulled and is not there"
            ))),
        }
    }

    async fn fetch(
        &self,
        text: &str,
        reference: &Reference,
        digest: &str,
        platform: Option<&str>,
        credentials: Option<DockerCredentials>,
        telling: Telling<'_>,
    ) -> Result<()> {
        let mut options = query::CreateImageOptionsBuilder::new()
            .from_image(&reference.written)
            .tag(digest);
        if let Some(platform) = platform {
            options = options.platform(platform);
        }
        let mut layers = Layers::default();
        let mut stream = self
            .docker
            .create_image(Some(options.build()), None, credentials);
        while let Some(step) = stream.next().await {
            let info = step.map_err(|e| unpullable(text, reference, &said(&e)))?;
            if let Some(detail) = &info.error_detail {
                let why = detail.message.clone().unwrap_or_default();
                return Err(unpullable(text, reference, &why));
            }
            let (done, total) = layers.take(&info);
            (telling.progress)(text, done, total);
        }
        Ok(())
    }
}

/// Bytes of the layers of one pull.
#[derive(Default)]
struct Layers(HashMap<String, (u64, u64)>);

impl Layers {
    fn take(&mut self, info: &CreateImageInfo) -> (u64, u64) {
        let size = |n: Option<i64>| n.and_then(|n| u64::try_from(n).ok()).unwrap_or(0);
        let downloading = info.status.as_deref() == Some("Downloading");
        if let (Some(id), Some(detail), true) = (&info.id, &info.progress_detail, downloading) {
            let layer = (size(detail.current), size(detail.total));
            self.0.insert(id.clone(), layer);
        }
        let done = info.status.as_deref() == Some("Download complete");
        if let (Some(layer), true) = (info.id.as_ref().and_then(|id| self.0.get_mut(id)), done) {
            layer.0 = layer.1;
        }
        let sum = |f: fn(&(u64, u64)) -> u64| self.0.values().map(f).sum();
        (sum(|l| l.0), sum(|l| l.1))
    }
}
