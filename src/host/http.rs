//! Asks a URL or opens a connection, and says whether the answer is what was expected.
//!
//! It refuses to know who wants to know, and how often.

use std::time::{Duration, Instant};

use reqwest::{Client, StatusCode, redirect};
use serde_json::Value;

use crate::clean;
use crate::event::Failure;
use crate::host::Result;
use crate::plan::Expect;

/// The longest that one question may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// When the question is asked again while the first hangs, in milliseconds.
const HEDGES: [u64; 3] = [100, 250, 500];

/// The most of a body that is read, in bytes.
const BODY: usize = 1 << 20;

/// Makes the client that asks; it follows no redirect, for 301 is an answer too.
pub fn client() -> Result<Client> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder()
        .timeout(PATIENCE)
        .redirect(redirect::Policy::none())
        .user_agent(concat!("landfall/", env!("CARGO_PKG_VERSION")))
        .pool_max_idle_per_host(0)
        .no_proxy()
        .build()
        .map_err(|e| Failure::new("cannot make an HTTP client").because(e.without_url()))
}

/// The port that a URL names, or its scheme's own.
#[must_use]
pub fn port_of(url: &str) -> Option<u16> {
    reqwest::Url::parse(url).ok()?.port_or_known_default()
}

/// Asks a URL; what was seen, or why it is not what was expected.
pub async fn ask(client: &Client, url: &str, expect: &Expect) -> Result<String> {
    let start = Instant::now();
    let mut response = client.get(url).send().await.map_err(|e| no_answer(&e))?;
    let status = response.status();
    let mut body = Vec::new();
    while body.len() < BODY {
        match response.chunk().await.map_err(|e| no_answer(&e))? {
            Some(chunk) => body.extend_from_slice(&chunk),
            None => break,
        }
    }
    let ms = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
    meets(expect, status, &body, ms)?;
    Ok(format!("{} in {ms} ms", status.as_u16()))
}

/// Asks like [`ask`], and again while the first question hangs; the first good answer counts.
///
/// A container's first packets can get lost while its network comes up, and TCP repeats them only
/// after a second; a slow but good answer still counts.
pub async fn ask_hedged(client: &Client, url: &str, expect: &Expect) -> Result<String> {
    let later = |ms| async move {
        tokio::time::sleep(Duration::from_millis(ms)).await;
        ask(client, url, expect).await
    };
    let first = ask(client, url, expect);
    let rest = futures_util::future::select_ok(HEDGES.map(|ms| Box::pin(later(ms))));
    tokio::pin!(first);
    tokio::select! {
        answer = &mut first => answer,
        Ok((answer, _)) = rest => Ok(answer),
    }
}

/// Opens a TCP connection.
pub async fn connect(address: &str) -> Result<String> {
    let opened = tokio::net::TcpStream::connect(address);
    match tokio::time::timeout(Duration::from_secs(5), opened).await {
        Ok(Ok(_)) => Ok("connected".into()),
        Ok(Err(e)) => Err(Failure::new(format!("no connection to `{address}`")).because(e)),
        Err(_) => Err(Failure::new(format!(
            "no connection to `{address}` within 5 s"
        ))),
    }
}

fn meets(expect: &Expect, status: StatusCode, body: &[u8], ms: u64) -> Result<()> {
    let text = String::from_utf8_lossy(body);
    match expect.status {
        Some(wanted) if status.as_u16() != wanted => {
            return Err(odd(
                format!("answered {} instead of {wanted}", status.as_u16()),
                &text,
            ));
        }
        None if !status.is_success() => {
            return Err(odd(format!("answered {}", status.as_u16()), &text));
        }
        _ => {}
    }
    if let Some(part) = expect.body.as_ref().filter(|part| !text.contains(*part)) {
        return Err(odd(format!("the body does not contain `{part}`"), &text));
    }
    meets_json(expect, body, &text)?;
    match expect.max_ms {
        Some(most) if ms > most => Err(Failure::new(format!(
            "answered in {ms} ms, which is more than {most} ms"
        ))),
        _ => Ok(()),
    }
}

fn meets_json(expect: &Expect, body: &[u8], text: &str) -> Result<()> {
    if expect.json.is_empty() {
        return Ok(());
    }
    let value: Value = serde_json::from_slice(body)
        .map_err(|e| odd("the body is not JSON".into(), text).because(e))?;
    for (pointer, wanted) in &expect.json {
        let found = value.pointer(pointer);
        if found != Some(wanted) {
            let found = found.map_or_else(|| "nothing".into(), ToString::to_string);
            return Err(odd(
                format!("`{pointer}` is {found} instead of {wanted}"),
                text,
            ));
        }
    }
    Ok(())
}

/// A failure that quotes the beginning of the answer.
fn odd(what: String, body: &str) -> Failure {
    let body = clean::beginning(body.trim(), 200);
    let failure = Failure::new(what);
    if body.is_empty() {
        failure
    } else {
        failure.because(format!("it said: {body}"))
    }
}

/// Why there was no answer, down to the operating system's word, without the URL.
fn no_answer(error: &reqwest::Error) -> Failure {
    if error.is_timeout() {
        return Failure::new(format!("no answer within {} s", PATIENCE.as_secs()));
    }
    let mut cause: &dyn std::error::Error = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    Failure::new("no answer").because(cause)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn verdict(expect: &Expect, status: u16, body: &str) -> String {
        let status = StatusCode::from_u16(status).unwrap();
        match meets(expect, status, body.as_bytes(), 5) {
            Ok(()) => "fine".into(),
            Err(failure) => failure.to_string(),
        }
    }

    #[test]
    fn an_answer_is_held_against_every_expectation() {
        let any = Expect::default();
        assert_eq!(verdict(&any, 204, ""), "fine");
        assert_eq!(verdict(&any, 301, ""), "answered 301");
        assert_eq!(verdict(&any, 500, "boom"), "answered 500: it said: boom");
        let moved = Expect {
            status: Some(301),
            ..Expect::default()
        };
        assert_eq!(verdict(&moved, 301, ""), "fine");
        assert_eq!(verdict(&moved, 200, ""), "answered 200 instead of 301");
        let json = Expect {
            json: serde_json::from_str(r#"{"/status":"healthy"}"#).unwrap(),
            ..Expect::default()
        };
        assert_eq!(verdict(&json, 200, r#"{"status":"healthy"}"#), "fine");
        assert_eq!(
            verdict(&json, 200, r#"{"status":"ill"}"#),
            "`/status` is \"ill\" instead of \"healthy\": it said: {\"status\":\"ill\"}"
        );
        let slow = Expect {
            max_ms: Some(4),
            ..Expect::default()
        };
        assert_eq!(
            verdict(&slow, 200, ""),
            "answered in 5 ms, which is more than 4 ms"
        );
    }
}
