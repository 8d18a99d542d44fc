//! What the webhook promises, held against a server that misbehaves.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::*;

const PATH: &str = "services/T000/B000/XyZsecretXyZ";

/// A server that gives these answers, one a connection, and then returns what it was asked.
/// An empty answer closes the connection; `hang` never answers, and `stall` keeps this thread, the
/// client's too, from looking at its clock in time.
async fn server(answers: &'static [&'static str]) -> (Webhook, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}/{PATH}\n", listener.local_addr().unwrap());
    let served = tokio::spawn(async move {
        let mut asked = Vec::new();
        for answer in answers {
            let (mut stream, _) = listener.accept().await.unwrap();
            asked.push(request(&mut stream).await);
            match *answer {
                "hang" => {}
                "stall" => std::thread::sleep(Duration::from_millis(800)),
                answer => {
                    stream.write_all(answer.as_bytes()).await.ok();
                    continue;
                }
            }
            tokio::time::sleep(Duration::from_secs(5)).await;
        }
        asked
    });
    let webhook = Webhook {
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
const GONE: &str = "HTTP/1.1 404 Gone\r\ncontent-length: 10\r\nconnection: close\r\n\r\nno_service";
const ELSEWHERE: &str = "HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:9/x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

async fn fails(answers: &'static [&'static str]) -> String {
    let (mut webhook, _served) = server(answers).await;
    if ["hang", "stall"].contains(&answers[0]) {
        webhook.deadline = Duration::from_millis(500);
    }
    let failure = webhook.post(&json!({"text": "x"})).await.unwrap_err();
    let shown = format!("{failure} {failure:?} {webhook:?}");
    assert!(
        ["secret", "T000", "127.0.0.1", "url ("]
            .iter()
            .all(|part| !shown.contains(part)),
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
        // The server asks for an hour; the deadline of ten seconds would make that a failure.
        webhook.post(&json!({})).await.unwrap();
        assert_eq!(served.await.unwrap().len(), 2);
    }
}

#[tokio::test]
async fn a_message_that_is_not_accepted_is_a_failure_that_hides_the_address() {
    insta::assert_snapshot!(fails(&[BROKEN, BROKEN]).await, @"the webhook answered 500 Internal Server Error: oops");
    insta::assert_snapshot!(fails(&[BUSY, BUSY]).await, @"the webhook answered 429 Too Many Requests");
    insta::assert_snapshot!(fails(&[GONE]).await, @"the webhook answered 404 Not Found: no_service");
    insta::assert_snapshot!(fails(&[ELSEWHERE]).await, @"the webhook answered 302 Found");
    insta::assert_snapshot!(fails(&["hang"]).await, @"the webhook did not answer within 0.50 s");
    insta::assert_snapshot!(fails(&["stall"]).await, @"the webhook did not answer within 0.50 s");
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
