//! A stand-in for Slack on this machine: it takes messages, refuses them, or never answers.
//!
//! It refuses to know what is in a message.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// How the stand-in behaves.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Mood {
    Takes,
    Fails,
    Hangs,
}

/// The stand-in; it listens until the process ends.
pub struct Slack {
    port: u16,
    heard: Arc<Mutex<Vec<String>>>,
}

impl Slack {
    /// Begins to listen.
    pub fn that(mood: Mood) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let ears = Arc::clone(&heard);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let ears = Arc::clone(&ears);
                thread::spawn(move || serve(stream, mood, &ears));
            }
        });
        Self { port, heard }
    }

    /// The webhook's address with a secret path.
    pub fn url(&self, secret: &str) -> String {
        format!("http://127.0.0.1:{}/services/{secret}", self.port)
    }

    /// Every request that arrived, headers and body.
    pub fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap().clone()
    }
}

fn serve(mut stream: TcpStream, mood: Mood, heard: &Mutex<Vec<String>>) {
    let Some(request) = read_request(&mut stream) else {
        return;
    };
    heard.lock().unwrap().push(request);
    let answer: &[u8] = match mood {
        Mood::Takes => b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok",
        Mood::Fails => b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        Mood::Hangs => return thread::sleep(Duration::from_mins(5)),
    };
    let _ = stream.write_all(answer);
}

fn read_request(stream: &mut TcpStream) -> Option<String> {
    let mut request = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let n = stream.read(&mut buffer).ok()?;
        request.extend_from_slice(&buffer[..n]);
        let text = String::from_utf8_lossy(&request).into_owned();
        if n == 0 || is_whole(&text) {
            return Some(text);
        }
    }
}

fn is_whole(request: &str) -> bool {
    let Some((head, body)) = request.split_once("\r\n\r\n") else {
        return false;
    };
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length")
            .then(|| value.trim().parse().ok())?
    });
    body.len() >= length.unwrap_or(0)
}
