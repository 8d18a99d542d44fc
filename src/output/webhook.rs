//! Sends a message to an incoming webhook.
//!
//! The address is a secret: it is in no error, not even one of the HTTP client. It refuses to know
//! what the message says, and to keep anybody waiting.

use std::time::Duration;

use reqwest::{Client, Response, StatusCode, redirect};
use serde_json::Value;

use crate::words::clean;
use crate::words::event::{Failure, FailureKind};
use crate::words::report::span;
use crate::words::secret::{REDACTED, Secret};

/// An incoming webhook and how long it may take.
#[derive(Debug, Clone)]
pub struct Webhook {
    /// Its address.
    pub address: Secret,
    /// For everything, a second try included.
    pub deadline: Duration,
    /// The longest pause before that second try.
    pub pause: Duration,
}

impl Webhook {
    /// A webhook that may take ten seconds in all.
    #[must_use]
    pub fn new(address: Secret) -> Self {
        Self {
            address,
            deadline: Duration::from_secs(10),
            pause: Duration::from_secs(3),
        }
    }

    /// Posts a message; once more after `429` or a server's error.
    ///
    /// # Errors
    /// When it was not accepted in time; the failure never shows the address.
    pub async fn post(&self, message: &Value) -> Result<(), Failure> {
        let sent = tokio::time::timeout(self.deadline, self.post_twice(message)).await;
        sent.unwrap_or_else(|_| {
            let ms = u64::try_from(self.deadline.as_millis()).unwrap_or(u64::MAX);
            let what = format!("the webhook did not answer within {}", span(ms));
            Err(Failure::new(what).of(FailureKind::TimedOut))
        })
        .map_err(|failure| self.redacted(failure))
    }

    async fn post_twice(&self, message: &Value) -> Result<(), Failure> {
        let client = client()?;
        let first = self.post_once(&client, message).await?;
        let Some(pause) = self.second_chance(&first) else {
            return verdict(first).await;
        };
        tokio::time::sleep(pause).await;
        verdict(self.post_once(&client, message).await?).await
    }

    async fn post_once(&self, client: &Client, message: &Value) -> Result<Response, Failure> {
        let request = client.post(self.address.expose().trim()).json(message);
        request.send().await.map_err(cannot_send)
    }

    /// How long to wait before a second try, if one makes sense.
    fn second_chance(&self, answer: &Response) -> Option<Duration> {
        let status = answer.status();
        if status != StatusCode::TOO_MANY_REQUESTS && !status.is_server_error() {
            return None;
        }
        let asked = answer.headers().get("retry-after");
        let seconds = asked.and_then(|v| v.to_str().ok()?.trim().parse().ok());
        Some(Duration::from_secs(seconds.unwrap_or(1)).min(self.pause))
    }

    fn redacted(&self, mut failure: Failure) -> Failure {
        let address = self.address.expose().trim();
        let path = address.splitn(4, '/').nth(3).filter(|p| p.len() > 3);
        for text in std::iter::once(&mut failure.what).chain(&mut failure.because) {
            for secret in [Some(address), path].into_iter().flatten() {
                if !secret.is_empty() {
                    *text = text.replace(secret, REDACTED);
                }
            }
        }
        failure
    }
}

/// The client has no deadline of its own: of two clocks that end at once, either might speak first.
fn client() -> Result<Client, Failure> {
    // A second installation is refused, which is as good as the first.
    rustls::crypto::ring::default_provider()
        .install_default()
        .ok();
    Client::builder()
        // A message is not handed on to wherever an answer points.
        .redirect(redirect::Policy::none())
        .user_agent(concat!("landfall/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(cannot_send)
}

async fn verdict(mut answer: Response) -> Result<(), Failure> {
    let status = answer.status();
    if status.is_success() {
        return Ok(());
    }
    let what = format!("the webhook answered {status}");
    let said = match answer.chunk().await {
        Ok(Some(body)) => clean::clip(&clean::one_line(&String::from_utf8_lossy(&body)), 200),
        _ => String::new(),
    };
    let failure = Failure::new(what).hint("check that the webhook still exists");
    Err(if said.is_empty() {
        failure
    } else {
        failure.because(said)
    })
}

fn cannot_send(error: reqwest::Error) -> Failure {
    let error = anyhow::Error::new(error.without_url());
    let causes = error.chain().map(ToString::to_string).collect();
    Failure {
        because: causes,
        ..Failure::new("the message cannot be sent")
    }
}

#[cfg(test)]
mod tests;
