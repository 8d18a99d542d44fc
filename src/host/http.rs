//! Asks a URL or opens a connection, and says whether the answer is what was expected.
//!
//! It refuses to know who wants to know, and how often.

pub mod silence;

use std::time::{Duration, Instant};

use reqwest::header::LOCATION;
use reqwest::{Client, StatusCode, redirect};
use serde_json::Value;

use crate::words::Result;
use crate::words::clean;
use crate::words::event::Failure;
use crate::words::plan::Expect;
use crate::words::report::span;

/// How what was answered begins, and nothing else.
const ANSWERED: &str = "answered ";

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

/// Says whether somebody answered, if not as expected.
#[must_use]
pub fn is_an_answer(failure: &Failure) -> bool {
    failure.what.starts_with(ANSWERED)
}

/// Asks a URL; what was seen, or why it is not what was expected.
pub async fn ask(client: &Client, url: &str, expect: &Expect) -> Result<String> {
    let start = Instant::now();
    let mut response = match client.get(url).send().await {
        Ok(response) => response,
        Err(error) => return Err(silence::no_answer(&error, url).await),
    };
    let status = response.status();
    let leads = response.headers().get(LOCATION).cloned();
    let mut body = Vec::new();
    while body.len() < BODY {
        match response.chunk().await {
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Ok(None) => break,
            Err(error) => return Err(silence::no_answer(&error, url).await),
        }
    }
    let ms = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
    let leads = leads.as_ref().and_then(|leads| leads.to_str().ok());
    meets(expect, status, &body, ms).map_err(|failure| advised(failure, status, leads))?;
    Ok(format!("answered {} in {}", status.as_u16(), span(ms)))
}

/// What an answer means that was not as expected, where its number alone tells.
fn advised(failure: Failure, status: StatusCode, leads: Option<&str>) -> Failure {
    match status.as_u16() {
        300..=399 => {
            let leads = leads.map(|to| to.split(['?', '#']).next().unwrap_or(to).to_owned());
            let failure = match leads {
                Some(to) => {
                    failure.because(format!("it leads to `{}`", clean::beginning(&to, 200)))
                }
                None => failure,
            };
            failure.hint("ask the address that it leads to, for no redirect is followed; in a smoke test it may be what is expected: `expect: { status: 301 }`")
        }
        401 | 403 => failure.hint("ask a path that needs no login"),
        404 => failure.hint("see that the path is right, and that this port is the application's"),
        502..=504 => {
            failure.hint("that is most often a proxy's word: what is behind it did not answer")
        }
        _ => failure,
    }
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
    silence::dial(address).await.map(|_| "connected".into())
}

fn meets(expect: &Expect, status: StatusCode, body: &[u8], ms: u64) -> Result<()> {
    let text = String::from_utf8_lossy(body);
    let answered = format!("{ANSWERED}{}", status.as_u16());
    match expect.status {
        Some(wanted) if status.as_u16() != wanted => {
            return Err(odd(format!("{answered} instead of {wanted}"), &text));
        }
        None if !status.is_success() => return Err(odd(answered, &text)),
        _ => {}
    }
    if let Some(part) = expect.body.as_ref().filter(|part| !text.contains(*part)) {
        let what = format!("{answered}, and the body does not contain `{part}`");
        return Err(odd(what, &text));
    }
    meets_json(expect, body, &text, &answered)?;
    match expect.max_ms {
        Some(most) if ms > most => Err(Failure::new(format!(
            "{answered} in {ms} ms, which is more than the {most} ms of `max_ms`"
        ))),
        _ => Ok(()),
    }
}

fn meets_json(expect: &Expect, body: &[u8], text: &str, answered: &str) -> Result<()> {
    if expect.json.is_empty() {
        return Ok(());
    }
    let value: Value = serde_json::from_slice(body)
        .map_err(|e| odd(format!("{answered}, and the body is not JSON"), text).because(e))?;
    for (pointer, wanted) in &expect.json {
        let found = value.pointer(pointer);
        if found != Some(wanted) {
            let found = found.map_or_else(|| "nothing".into(), ToString::to_string);
            let what = format!("{answered}, and `{pointer}` is {found} instead of {wanted}");
            return Err(odd(what, text));
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
            "answered 200, and `/status` is \"ill\" instead of \"healthy\": it said: {\"status\":\"ill\"}"
        );
        let slow = Expect {
            max_ms: Some(4),
            ..Expect::default()
        };
        assert_eq!(
            verdict(&slow, 200, ""),
            "answered 200 in 5 ms, which is more than the 4 ms of `max_ms`"
        );
    }

    #[test]
    fn a_redirect_says_where_it_leads_and_a_number_says_what_to_look_at() {
        let told = |status: u16, leads| {
            let status = StatusCode::from_u16(status).unwrap();
            advised(Failure::new("answered"), status, leads)
        };
        let moved = told(308, Some("https://x.org/?token=s3cret"));
        assert_eq!(moved.because, ["it leads to `https://x.org/`"]);
        assert!(moved.hints[0].contains("no redirect is followed"));
        assert!(told(404, None).hints[0].contains("path"));
        assert!(told(401, None).hints[0].contains("login"));
        assert!(told(500, None).hints.is_empty());
    }
}
