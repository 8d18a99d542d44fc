//! A pipe between two threads of one process: bytes in chunks, a few of them under way.
//!
//! It refuses to know what the bytes are. Whoever waits, waits for the slower side.

use std::io::{self, Read, Write};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

const CHUNK: usize = 128 * 1024;
const UNDER_WAY: usize = 8;

/// Both ends of a new pipe.
pub(crate) fn pipe() -> (Inlet, Outlet) {
    let (sender, receiver) = sync_channel(UNDER_WAY);
    let inlet = Inlet {
        sender,
        chunk: Vec::with_capacity(CHUNK),
    };
    let outlet = Outlet {
        receiver,
        chunk: Vec::new(),
        read: 0,
    };
    (inlet, outlet)
}

/// The end that is written to. What is not flushed when it is dropped never arrives.
pub(crate) struct Inlet {
    sender: SyncSender<Vec<u8>>,
    chunk: Vec<u8>,
}

impl Write for Inlet {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = bytes.len().min(CHUNK - self.chunk.len());
        self.chunk.extend_from_slice(&bytes[..n]);
        if self.chunk.len() == CHUNK {
            self.flush()?;
        }
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        let chunk = std::mem::replace(&mut self.chunk, Vec::with_capacity(CHUNK));
        if chunk.is_empty() {
            return Ok(());
        }
        let closed = |_| io::Error::from(io::ErrorKind::BrokenPipe);
        self.sender.send(chunk).map_err(closed)
    }
}

/// The end that is read from; it ends when the other end is dropped.
pub(crate) struct Outlet {
    receiver: Receiver<Vec<u8>>,
    chunk: Vec<u8>,
    read: usize,
}

impl Read for Outlet {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.read == self.chunk.len() {
            self.chunk = self.receiver.recv().unwrap_or_default();
            self.read = 0;
        }
        let n = buffer.len().min(self.chunk.len() - self.read);
        buffer[..n].copy_from_slice(&self.chunk[self.read..self.read + n]);
        self.read += n;
        Ok(n)
    }
}
