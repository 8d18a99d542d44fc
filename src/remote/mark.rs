//! Where a command's own output begins: behind a line that no login shell prints.
//!
//! What a login shell prints before it runs a command, with or without a last newline, is kept apart
//! and up to a bound. It refuses to know what either of the two says.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncBufRead, AsyncRead, BufReader, ReadBuf};

/// The line.
const MARK: &str = "landfall-begins";
/// How much of what comes before is kept, in bytes.
const KEPT: usize = 8 * 1024;

/// A script that says where its output begins.
#[must_use]
pub fn marked(script: &str) -> String {
    format!("echo; echo {MARK}; {script}")
}

/// What was said before the mark.
#[derive(Debug, Clone, Default)]
pub struct Before(Arc<Mutex<Noise>>);

#[derive(Debug, Default)]
struct Noise {
    begun: bool,
    text: Vec<u8>,
}

impl Before {
    /// Of a command that needs no mark: it has begun.
    #[must_use]
    pub fn nothing() -> Self {
        let before = Self::default();
        before.noise().begun = true;
        before
    }

    /// Says whether the mark came.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        self.noise().begun
    }

    /// What was printed before it, or instead of it.
    #[must_use]
    pub fn text(&self) -> Vec<u8> {
        self.noise().text.clone()
    }

    fn noise(&self) -> MutexGuard<'_, Noise> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn hear(&self, line: &[u8]) {
        let mut noise = self.noise();
        if line.trim_ascii() == MARK.as_bytes() {
            noise.begun = true;
        } else {
            let room = KEPT.saturating_sub(noise.text.len());
            noise.text.extend(&line[..line.len().min(room)]);
        }
    }
}

/// An output from behind its mark on; without a mark, nothing.
pub struct Behind<R> {
    inner: BufReader<R>,
    line: Vec<u8>,
    before: Before,
}

impl<R: AsyncRead + Unpin> Behind<R> {
    /// Listens to an output; what comes before the mark goes to `before`.
    pub fn new(output: R, before: Before) -> Self {
        Self {
            inner: BufReader::new(output),
            line: Vec::new(),
            before,
        }
    }

    /// Reads up to the mark or the end.
    fn seek(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.before.has_begun() {
            let heard = ready!(Pin::new(&mut self.inner).poll_fill_buf(cx))?;
            let is_end = heard.is_empty();
            let line_end = heard.iter().position(|b| *b == b'\n');
            let read = line_end.map_or(heard.len(), |at| at + 1);
            let room = KEPT.saturating_sub(self.line.len());
            self.line.extend(&heard[..read.min(room)]);
            Pin::new(&mut self.inner).consume(read);
            if is_end || line_end.is_some() {
                self.before.hear(&self.line);
                self.line.clear();
            }
            if is_end {
                break;
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl<R: AsyncRead + Unpin> AsyncRead for Behind<R> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        ready!(self.seek(cx))?;
        Pin::new(&mut self.inner).poll_read(cx, buf)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use tokio::io::AsyncReadExt;

    /// What is heard behind the mark, what before it, and whether it came.
    async fn heard(output: &[u8]) -> (String, String, bool) {
        let before = Before::default();
        let mut text = String::new();
        let mut behind = Behind::new(output, before.clone());
        behind.read_to_string(&mut text).await.unwrap();
        let noise = String::from_utf8(before.text()).unwrap();
        (text, noise, before.has_begun())
    }

    #[tokio::test]
    async fn what_a_login_shell_prints_is_kept_apart_with_and_without_a_last_newline() {
        for (noise, kept) in [("", "\n"), ("hi\n", "hi\n\n"), ("hi", "hi\n")] {
            let output = format!("{noise}\n{MARK}\n{{}}\nmore");
            let (text, before, begun) = heard(output.as_bytes()).await;
            assert_eq!((&*text, &*before, begun), ("{}\nmore", kept, true));
        }
    }

    #[tokio::test]
    async fn without_a_mark_nothing_is_heard_and_what_was_printed_is_kept_up_to_a_bound() {
        let (text, before, begun) = heard(b"go away").await;
        assert_eq!((&*text, &*before, begun), ("", "go away", false));
        let (text, before, _) = heard(&b"x".repeat(3 * KEPT)).await;
        assert_eq!((text.len(), before.len()), (0, KEPT));
        let lines = "a line\n".repeat(KEPT);
        assert_eq!(heard(lines.as_bytes()).await.1.len(), KEPT);
    }

    #[tokio::test]
    async fn a_mark_in_the_middle_of_a_line_is_none() {
        let output = format!("not {MARK}\n\n{MARK}\nyes");
        assert_eq!(heard(output.as_bytes()).await.0, "yes");
    }
}
