//! Asks the application that runs in the same container how it is. An empty
//! image has no curl to do that.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(2);

/// Succeeds if `/health` answers 200.
pub fn check() -> io::Result<()> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, crate::port()));
    let status = ask(address)?;
    if status.starts_with("HTTP/1.1 200 ") {
        return Ok(());
    }
    Err(io::Error::other(format!("/health answered `{status}`")))
}

/// Gets `/health` and gives back the status line.
fn ask(address: SocketAddr) -> io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer.lines().next().unwrap_or_default().into())
}
