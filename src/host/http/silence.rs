//! Why a URL or an address did not answer, in words that somebody can act on.
//!
//! It refuses to know who asked, how often, and which answers are good.

use std::error::Error;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpStream, lookup_host};

use super::PATIENCE;
use crate::words::event::Failure;

/// The longest that one address may take to open a connection.
const DIAL: Duration = Duration::from_secs(5);
/// What stands behind the address of one at which nobody listens.
const REFUSED: &str = " (connection refused)";

/// Says whether nobody listened at an address.
#[must_use]
pub fn is_refused(failure: &Failure) -> bool {
    failure.what.ends_with(REFUSED)
}

/// Opens a TCP connection to `host:port`.
///
/// A name may have several addresses, and the last of them need not tell the most: a server
/// without IPv6 has `localhost` mean `::1` as well.
pub async fn dial(address: &str) -> Result<TcpStream, Failure> {
    let found = match lookup_host(address).await {
        Ok(found) => found.collect::<Vec<_>>(),
        Err(error) => return Err(unresolved(address, &error)),
    };
    let mut worst: Option<io::Error> = None;
    for one in found {
        match dial_one(one).await {
            Ok(stream) => return Ok(stream),
            Err(error) if worst.as_ref().is_none_or(|w| tells_more(&error, w)) => {
                worst = Some(error);
            }
            Err(_) => {}
        }
    }
    Err(worst.map_or_else(
        || nameless(address),
        |error| unreached(address, &error, DIAL),
    ))
}

async fn dial_one(address: SocketAddr) -> io::Result<TcpStream> {
    let opened = tokio::time::timeout(DIAL, TcpStream::connect(address)).await;
    opened.unwrap_or_else(|_| Err(ErrorKind::TimedOut.into()))
}

/// One that says no tells more than one that cannot be reached at all.
fn tells_more(error: &io::Error, than: &io::Error) -> bool {
    let rank = |e: &io::Error| match e.kind() {
        ErrorKind::ConnectionRefused => 2,
        ErrorKind::TimedOut => 1,
        _ => 0,
    };
    rank(error) > rank(than)
}

/// Why a URL had no answer. Where no connection came about, its addresses are tried once more, one
/// by one, for the client tells only of the last.
pub async fn no_answer(error: &reqwest::Error, url: &str) -> Failure {
    let address = address_of(url);
    if error.is_timeout() && !error.is_connect() {
        return Failure::new(format!(
            "`{address}` takes connections, and did not answer within {} s",
            PATIENCE.as_secs()
        ));
    }
    let said = Said::by(error);
    if let Some(failure) = told(&said, &address) {
        return failure;
    }
    if error.is_connect()
        && let Err(failure) = dial(&address).await
    {
        return failure;
    }
    Failure::new("no answer").because(without_number(&said.root))
}

/// What an error and those behind it say.
struct Said {
    all: String,
    root: String,
    kind: Option<ErrorKind>,
}

impl Said {
    fn by(error: &reqwest::Error) -> Self {
        let (mut all, mut kind) = (String::new(), None);
        let mut cause: &dyn Error = error;
        while let Some(deeper) = cause.source() {
            cause = deeper;
            all = format!("{all}{cause}\n");
            kind = cause
                .downcast_ref::<io::Error>()
                .map(io::Error::kind)
                .or(kind);
        }
        Self {
            root: cause.to_string(),
            all,
            kind,
        }
    }
}

/// What is behind words that are no mere lack of a connection.
fn told(said: &Said, address: &str) -> Option<Failure> {
    let has = |words: &[&str]| words.iter().any(|w| said.all.contains(w));
    let broke = matches!(
        said.kind,
        Some(ErrorKind::ConnectionReset | ErrorKind::BrokenPipe | ErrorKind::UnexpectedEof)
    );
    if has(&["dns error", "failed to lookup address"]) {
        return Some(unresolved(address, &said.root));
    }
    if has(&["corrupt message", "InvalidContentType"]) {
        return Some(
            Failure::new(format!("`{address}` does not speak TLS"))
                .hint("ask it with `http://` in place of `https://`"),
        );
    }
    if has(&["certificate", "CertificateRequired", "UnknownIssuer"]) {
        return Some(
            Failure::new(format!("the certificate of `{address}` is not accepted"))
                .because(without_number(&said.root))
                .hint("ask a name that the certificate has, or ask behind the proxy: `http://localhost` and a published port"),
        );
    }
    if broke || has(&["connection closed before message completed"]) {
        return Some(closed(address));
    }
    None
}

/// The engine takes the connections of a published port, whoever listens in the container.
fn closed(address: &str) -> Failure {
    Failure::new(format!(
        "`{address}` takes connections and closes them without an answer"
    ))
    .hint("see that the application listens on the container's port that is published, and on `0.0.0.0`, not on `127.0.0.1`")
}

fn unresolved(address: &str, error: &dyn std::fmt::Display) -> Failure {
    let failure = nameless(address);
    match without_number(error) {
        said if said.contains("not known") => failure,
        said => failure.because(said),
    }
}

fn nameless(address: &str) -> Failure {
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    Failure::new(format!("the name `{host}` has no address"))
        .hint("the names of services are known inside of their network alone: ask `localhost` and a published port, or a name that DNS knows")
}

fn unreached(address: &str, error: &io::Error, patience: Duration) -> Failure {
    match error.kind() {
        ErrorKind::ConnectionRefused => {
            Failure::new(format!("nothing listens at `{address}`{REFUSED}"))
        }
        ErrorKind::TimedOut => Failure::new(format!(
            "no connection to `{address}` within {} s",
            patience.as_secs()
        ))
        .hint("see that no firewall keeps its packets back"),
        _ => Failure::new(format!("no connection to `{address}`")).because(without_number(error)),
    }
}

/// The system's word without its number, which means nothing to anybody who only deploys.
fn without_number(error: &dyn std::fmt::Display) -> String {
    let text = error.to_string();
    match text.split_once(" (os error ") {
        Some((words, _)) => words.to_lowercase(),
        None => text,
    }
}

/// Host and port of a URL; its path may hold what is nobody's business.
fn address_of(url: &str) -> String {
    let Ok(url) = reqwest::Url::parse(url) else {
        return "the server".to_owned();
    };
    let port = url.port_or_known_default().unwrap_or_default();
    format!("{}:{port}", url.host_str().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use tokio::io::AsyncReadExt;
    use tokio::net::TcpListener;

    use super::super::{ask, client};
    use super::*;
    use crate::words::plan::Expect;

    async fn asked(url: &str) -> Failure {
        let client = client().unwrap();
        ask(&client, url, &Expect::default()).await.unwrap_err()
    }

    /// A port that nobody has, on any address of `localhost`.
    async fn free() -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap().port()
    }

    #[tokio::test]
    async fn a_port_at_which_nobody_listens_is_said_so_without_the_systems_number() {
        let port = free().await;
        let url = asked(&format!("http://localhost:{port}/health")).await;
        let tcp = dial(&format!("localhost:{port}")).await.unwrap_err();
        for failure in [url, tcp] {
            let words = format!("nothing listens at `localhost:{port}` (connection refused)");
            assert_eq!(failure.to_string(), words);
            assert!(is_refused(&failure));
        }
    }

    #[tokio::test]
    async fn a_name_that_nobody_knows_is_said_with_what_to_ask_in_its_place() {
        for failure in [
            asked("http://web.invalid:8000/").await,
            dial("web.invalid:6379").await.unwrap_err(),
        ] {
            assert!(
                failure.what.contains("`web.invalid` has no address"),
                "{failure}"
            );
            assert!(failure.hints[0].contains("`localhost`"), "{failure:?}");
            assert!(!failure.to_string().contains("os error"), "{failure}");
        }
    }

    /// Takes one connection after another and does this with each.
    async fn serving(answer: &'static [u8]) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let _ = stream.read(&mut [0; 1024]).await;
                let _ = tokio::io::AsyncWriteExt::write_all(&mut stream, answer).await;
            }
        });
        port
    }

    #[tokio::test]
    async fn what_closes_a_connection_or_speaks_no_tls_is_told_apart() {
        let port = serving(b"").await;
        let closed = asked(&format!("http://127.0.0.1:{port}/")).await;
        assert!(
            closed.what.contains("closes them without an answer"),
            "{closed}"
        );
        let plain = serving(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        let tls = asked(&format!("https://127.0.0.1:{plain}/")).await;
        assert!(tls.what.ends_with("does not speak TLS"), "{tls}");
    }

    #[test]
    fn of_several_addresses_the_one_that_says_no_tells_the_most() {
        let refused = io::Error::from(ErrorKind::ConnectionRefused);
        let absent = io::Error::from(ErrorKind::AddrNotAvailable);
        assert!(tells_more(&refused, &absent) && !tells_more(&absent, &refused));
    }
}
