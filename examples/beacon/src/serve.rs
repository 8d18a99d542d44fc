//! The HTTP server, and how it acts out its behaviour. It refuses to know
//! what it says about itself.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::process::exit;
use std::thread;
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::behaviour::Behaviour;
use crate::{data, identity};

const FIVE_SECONDS: Duration = Duration::from_secs(5);

/// Serves until a signal ends the process, or its behaviour does.
pub fn serve(behaviour: Behaviour) -> io::Result<()> {
    if behaviour != Behaviour::IgnoresSigterm {
        obey_signals()?;
    }
    prepare(behaviour)?;
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, crate::port()))?;
    eprintln!(
        "beacon: {} listens on {}",
        identity::version(),
        listener.local_addr()?
    );
    let started = Instant::now();
    for stream in listener.incoming() {
        let stream = stream?;
        thread::spawn(move || answer(&stream, health(behaviour, started.elapsed())));
    }
    Ok(())
}

/// What happens before, or instead of, listening.
fn prepare(behaviour: Behaviour) -> io::Result<()> {
    match behaviour {
        Behaviour::ExitsAtStart => {
            return Err(io::Error::other("exits at start, as it was told to"));
        }
        Behaviour::NeverBinds => loop {
            thread::park();
        },
        Behaviour::BindsAfter5s => thread::sleep(FIVE_SECONDS),
        Behaviour::ExitsAfter5s => exit_later(),
        Behaviour::WritesData => data::write(Path::new("/data"), &identity::version())?,
        _ => {}
    }
    Ok(())
}

/// The first process of a container is not ended by SIGTERM unless it
/// listens for it.
fn obey_signals() -> io::Result<()> {
    let mut signals = Signals::new([SIGTERM, SIGINT])?;
    thread::spawn(move || signals.forever().next().map(|_| exit(0)));
    Ok(())
}

fn exit_later() {
    thread::spawn(|| {
        thread::sleep(FIVE_SECONDS);
        eprintln!("beacon: exits after 5 s, as it was told to");
        exit(1)
    });
}

#[derive(Clone, Copy)]
enum Health {
    Healthy,
    Unhealthy,
}

fn health(behaviour: Behaviour, age: Duration) -> Health {
    match behaviour {
        Behaviour::Health500 => Health::Unhealthy,
        Behaviour::Health500After5s if age >= FIVE_SECONDS => Health::Unhealthy,
        _ => Health::Healthy,
    }
}

/// Answers one request. A client that hangs up early is its own affair.
fn answer(stream: &TcpStream, health: Health) -> Option<()> {
    stream.set_read_timeout(Some(FIVE_SECONDS)).ok()?;
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    let request = lines.next()?;
    lines.take_while(|line| !line.is_empty()).for_each(drop);
    let (status, body) = respond(request.split(' ').nth(1)?, health);
    let length = body.len();
    let mut stream = stream;
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    )
    .ok()
}

fn respond(path: &str, health: Health) -> (&'static str, String) {
    match (path, health) {
        ("/" | "/version", _) => ("200 OK", identity::as_json()),
        ("/health", Health::Healthy) => ("200 OK", status("healthy")),
        ("/health", Health::Unhealthy) => ("500 Internal Server Error", status("unhealthy")),
        _ => ("404 Not Found", status("not found")),
    }
}

fn status(word: &str) -> String {
    format!("{{\"status\":\"{word}\"}}\n")
}
