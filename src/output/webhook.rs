//! Sends a message to an incoming webhook.
//!
//! The address is a secret: it is in no error, not even one of the HTTP client. It refuses to know
//! what the message says, and to keep anybody waiting.

use std::time::Duration;

use reqwest::{Client, Response, StatusCode, redirect};
use serde_json::Value;

use super::clean;
use crate::event::{Failure, FailureKind, Status};
use crate::secret::{REDACTED, Secret};

/// When a message is sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Notify {
    /// After every run that touched a server or meant to.
    #[default]
    Always,
    /// After a run that did not end as asked.
    Failure,
    /// Not at all.
    Never,
}

impl Notify {
    /// Says whether a run that ended so is told. A dry run touches nothing and tells nobody.
    #[must_use]
    pub fn wants(self, status: Status) -> bool {
        let good = matches!(status, Status::Deployed | Status::Restored);
        match self {
            Self::Always => status != Status::Planned,
            Self::Failure => status != Status::Planned && !good,
            Self::Never => false,
        }
    }
}

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
            let what = format!("the webhook did not answer within {:?}", self.deadline);
            Err(Failure::new(what).of(FailureKind::TimedOut))
        })
        .map_err(|failure| self.redacted(failure))
    }

    async fn post_twice(&self, message: &Value) -> Result<(), Failure> {
        let client = self.client()?;
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

    fn client(&self) -> Result<Client, Failure> {
        // A second installation is refused, which is as good as the first.
        rustls::crypto::ring::default_provider()
            .install_default()
            .ok();
        Client::builder()
            .timeout(self.deadline)
            // A message is not handed on to wherever an answer points.
            .redirect(redirect::Policy::none())
            .user_agent(concat!("landfall/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(cannot_send)
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
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use std::time::Instant;

    use serde_json::json;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};
    use tokio::task::JoinHandle;

    use super::*;

    const PATH: &str = "services/T000/B000/XyZsecretXyZ";

    /// A server that gives these answers, one a connection, and then returns what it was asked.
    /// An empty answer closes the connection; `hang` never answers.
    async fn server(answers: &'static [&'static str]) -> (Webhook, JoinHandle<Vec<String>>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}/{PATH}\n", listener.local_addr().unwrap());
        let served = tokio::spawn(async move {
            let mut asked = Vec::new();
            for answer in answers {
                let (mut stream, _) = listener.accept().await.unwrap();
                asked.push(request(&mut stream).await);
                if *answer == "hang" {
                    tokio::time::sleep(Duration::from_secs(5)).await;
                }
                stream.write_all(answer.as_bytes()).await.ok();
            }
            asked
        });
        let webhook = Webhook {
            deadline: Duration::from_millis(1_500),
            pause: Duration::from_millis(50),
            ..Webhook::new(Secret::new(address))
        };
        (webhook, served)
    }

    async fn request(stream: &mut TcpStream) -> String {
        let mut seen = Vec::new();
        let mut chunk = [0; 4_096];
        loop {
            let n = stream.read(&mut chunk).await.unwrap();
            seen.extend_from_slice(&chunk[..n]);
            let text = String::from_utf8_lossy(&seen).to_ascii_lowercase();
            let length = text.split("content-length: ").nth(1);
            let length = length.and_then(|l| l.split("\r\n").next()?.parse::<usize>().ok());
            let body = text.split_once("\r\n\r\n").map(|(_, body)| body.len());
            if n == 0 || body.is_some() && body >= length {
                return String::from_utf8_lossy(&seen).into_owned();
            }
        }
    }

    const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok";
    const BUSY: &str = "HTTP/1.1 429 Too Many Requests\r\nretry-after: 3600\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    const BROKEN: &str = "HTTP/1.1 500 Oh\r\ncontent-length: 4\r\nconnection: close\r\n\r\noops";
    const GONE: &str =
        "HTTP/1.1 404 Gone\r\ncontent-length: 10\r\nconnection: close\r\n\r\nno_service";
    const ELSEWHERE: &str = "HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:9/x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

    async fn fails(answers: &'static [&'static str]) -> String {
        let (webhook, _served) = server(answers).await;
        let failure = webhook.post(&json!({"text": "x"})).await.unwrap_err();
        let shown = format!("{failure} {failure:?} {webhook:?}");
        assert!(
            !shown.contains("secret") && !shown.contains("T000"),
            "{shown}"
        );
        failure.to_string()
    }

    #[tokio::test]
    async fn the_message_arrives_as_json() {
        let (webhook, served) = server(&[OK]).await;
        webhook.post(&json!({"text": "hello"})).await.unwrap();
        let asked = served.await.unwrap().remove(0);
        assert!(
            asked.starts_with(&format!("POST /{PATH} HTTP/1.1\r\n")),
            "{asked}"
        );
        assert!(asked.contains("content-type: application/json"), "{asked}");
        assert!(asked.ends_with(r#"{"text":"hello"}"#), "{asked}");
    }

    #[tokio::test]
    async fn a_busy_or_broken_server_is_asked_once_more_and_not_waited_for_too_long() {
        for answers in [&[BUSY, OK], &[BROKEN, OK]] {
            let (webhook, served) = server(answers).await;
            let start = Instant::now();
            webhook.post(&json!({})).await.unwrap();
            assert!(start.elapsed() < Duration::from_secs(1));
            assert_eq!(served.await.unwrap().len(), 2);
        }
    }

    #[tokio::test]
    async fn a_message_that_is_not_accepted_is_a_failure_that_hides_the_address() {
        insta::assert_snapshot!(fails(&[BROKEN, BROKEN]).await, @"the webhook answered 500 Internal Server Error: oops");
        insta::assert_snapshot!(fails(&[BUSY, BUSY]).await, @"the webhook answered 429 Too Many Requests");
        insta::assert_snapshot!(fails(&[GONE]).await, @"the webhook answered 404 Not Found: no_service");
        insta::assert_snapshot!(fails(&[ELSEWHERE]).await, @"the webhook answered 302 Found");
        insta::assert_snapshot!(fails(&["hang"]).await, @"the webhook did not answer within 1.5s");
        let closed = fails(&[""]).await;
        assert!(closed.starts_with("the message cannot be sent"), "{closed}");
    }

    #[tokio::test]
    async fn an_address_that_is_none_is_not_shown() {
        for address in [
            "not a url XyZ",
            "ftp://h/XyZ",
            "http://127.0.0.1:1/XyZsecret",
            "",
        ] {
            let webhook = Webhook::new(Secret::new(address));
            let failure = webhook.post(&json!({})).await.unwrap_err();
            assert!(!format!("{failure:?}").contains("XyZ"), "{failure:?}");
        }
    }

    #[test]
    fn who_asked_for_failures_only_hears_of_nothing_else() {
        let heard = |notify: Notify| {
            let wanted = Status::ALL.iter().filter(|s| notify.wants(**s));
            wanted.map(|s| s.word()).collect::<Vec<_>>().join(" ")
        };
        let lines = [Notify::Always, Notify::Failure, Notify::Never].map(heard);
        insta::assert_snapshot!(lines.join("\n"), @r"
        deployed restored rolled_back refused rollback_failed unknown
        rolled_back refused rollback_failed unknown
        ");
    }
}
