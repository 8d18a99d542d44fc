//! What a run takes along: the plan, its secrets, and the files as a plain tar.
//!
//! It refuses to know the connection: it is written to whatever takes bytes, again if need be.

use std::path::{Path, PathBuf};

use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt};
use zeroize::Zeroizing;

use crate::words::event::Failure;
use crate::words::plan::{Plan, PlannedFile, Private};
use crate::words::wire::Cargo;

/// A tar stream consists of blocks of this many bytes, and ends with two empty ones.
const BLOCK: u64 = 512;
/// One empty block.
const EMPTY: [u8; 512] = [0; 512];

/// Everything that is sent to start a run. Its text is wiped when it is dropped.
pub struct Payload {
    head: Zeroizing<Vec<u8>>,
    files: Vec<Packed>,
}

struct Packed {
    header: Vec<u8>,
    path: PathBuf,
    size: u64,
}

/// How sending ended, if nothing on this machine stood in the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sent {
    /// To the last byte.
    Whole,
    /// The other side stopped listening.
    Broken,
}

impl Payload {
    /// Packs a plan with its secrets and the local paths of its files, in the plan's order.
    pub fn pack(
        plan: &Plan,
        private: &Private,
        files: impl IntoIterator<Item = (PlannedFile, PathBuf)>,
    ) -> Result<Self, Failure> {
        let files = files
            .into_iter()
            .map(|(file, path)| packed(&file, path))
            .collect::<Result<Vec<_>, _>>()?;
        let tar_bytes = files.iter().map(Packed::length).sum::<u64>() + 2 * BLOCK;
        let mut head = Zeroizing::new(Vec::new());
        let lines = [
            serde_json::to_vec(plan),
            serde_json::to_vec(private),
            serde_json::to_vec(&Cargo { tar_bytes }),
        ];
        for line in lines {
            let line = Zeroizing::new(line.map_err(|e| unpackable().because(e))?);
            head.extend_from_slice(&line);
            head.push(b'\n');
        }
        Ok(Self { head, files })
    }

    /// All of it, for whoever sends a whole input at once.
    pub async fn bytes(&self) -> Result<Zeroizing<Vec<u8>>, Failure> {
        let mut bytes = Zeroizing::new(Vec::new());
        self.send(&mut *bytes).await?;
        Ok(bytes)
    }

    /// Writes all of it. An error is this machine's: a file that changed or vanished.
    pub async fn send(&self, to: &mut (dyn AsyncWrite + Send + Unpin)) -> Result<Sent, Failure> {
        if to.write_all(&self.head).await.is_err() {
            return Ok(Sent::Broken);
        }
        for file in &self.files {
            if file.send(to).await? == Sent::Broken {
                return Ok(Sent::Broken);
            }
        }
        let end = [EMPTY, EMPTY].concat();
        let ended = to.write_all(&end).await.is_ok() && to.shutdown().await.is_ok();
        Ok(if ended { Sent::Whole } else { Sent::Broken })
    }
}

impl Packed {
    /// Its bytes in the stream.
    fn length(&self) -> u64 {
        self.header.len() as u64 + self.size.next_multiple_of(BLOCK)
    }

    async fn send(&self, to: &mut (dyn AsyncWrite + Send + Unpin)) -> Result<Sent, Failure> {
        let odd = |cause: &str| changed(&self.path).because(cause);
        let file = tokio::fs::File::open(&self.path).await;
        let mut file = file.map_err(|e| odd(&e.to_string()))?.take(self.size);
        if to.write_all(&self.header).await.is_err() {
            return Ok(Sent::Broken);
        }
        let mut buffer = vec![0; 64 * 1024];
        let mut left = self.size;
        while left > 0 {
            let n = file
                .read(&mut buffer)
                .await
                .map_err(|e| odd(&e.to_string()))?;
            if n == 0 {
                return Err(odd("it became shorter"));
            }
            if to.write_all(&buffer[..n]).await.is_err() {
                return Ok(Sent::Broken);
            }
            left -= n as u64;
        }
        let padding = self.size.next_multiple_of(BLOCK) - self.size;
        let padded = to
            .write_all(&EMPTY[..usize::try_from(padding).unwrap_or(0)])
            .await;
        Ok(if padded.is_ok() {
            Sent::Whole
        } else {
            Sent::Broken
        })
    }
}

/// The header blocks of one file, long names included.
fn packed(file: &PlannedFile, path: PathBuf) -> Result<Packed, Failure> {
    let mut header = tar::Header::new_gnu();
    header.set_size(file.size);
    header.set_mode(file.mode);
    header.set_mtime(0);
    let mut blocks = tar::Builder::new(Vec::new());
    blocks
        .append_data(&mut header, &file.path, std::io::empty())
        .map_err(|e| unpackable().because(format!("`{}`", file.path)).because(e))?;
    Ok(Packed {
        header: std::mem::take(blocks.get_mut()),
        path,
        size: file.size,
    })
}

fn unpackable() -> Failure {
    Failure::new("the run cannot be packed for the server")
}

fn changed(path: &Path) -> Failure {
    Failure::new(format!(
        "`{}` changed while it was being sent",
        path.display()
    ))
    .hint("let nothing write to the workspace during a deployment")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::io::Read;

    fn file(dir: &Path, name: &str, content: &[u8]) -> (PlannedFile, PathBuf) {
        let local = dir.join(
            name.replace('/', "_")
                .split_off(name.len().saturating_sub(20)),
        );
        std::fs::write(&local, content).unwrap();
        let planned = PlannedFile {
            path: name.to_owned(),
            mode: 0o640,
            size: content.len() as u64,
            sha256: String::new(),
        };
        (planned, local)
    }

    #[tokio::test]
    async fn the_stream_is_a_plain_tar_of_the_announced_length() {
        let dir = tempfile::tempdir().unwrap();
        let long = "deep/".repeat(40) + "config.yml";
        let files = [("a.txt", &b"one"[..]), (&long, &[7; 1024]), ("empty", b"")];
        let files: Vec<_> = files.iter().map(|(n, c)| file(dir.path(), n, c)).collect();
        let payload = Payload {
            head: Zeroizing::new(vec![]),
            files: files
                .iter()
                .map(|(f, p)| packed(f, p.clone()).unwrap())
                .collect(),
        };
        let mut bytes = Vec::new();
        assert_eq!(payload.send(&mut bytes).await.unwrap(), Sent::Whole);
        let announced = payload.files.iter().map(Packed::length).sum::<u64>() + 2 * BLOCK;
        assert_eq!(bytes.len() as u64, announced);
        let mut archive = tar::Archive::new(&*bytes);
        let mut seen = Vec::new();
        for entry in archive.entries().unwrap() {
            let mut entry = entry.unwrap();
            let mut content = Vec::new();
            entry.read_to_end(&mut content).unwrap();
            seen.push((
                entry.path().unwrap().to_string_lossy().into_owned(),
                entry.header().mode().unwrap(),
                content,
            ));
        }
        let wanted: Vec<_> = [("a.txt", &b"one"[..]), (&long, &[7; 1024]), ("empty", b"")]
            .map(|(n, c)| (n.to_owned(), 0o640, c.to_vec()))
            .into();
        assert_eq!(seen, wanted);
    }

    #[tokio::test]
    async fn a_file_that_changes_while_it_is_sent_stops_the_run_here() {
        let dir = tempfile::tempdir().unwrap();
        let (planned, path) = file(dir.path(), "a.txt", b"content");
        let packed = packed(&planned, path.clone()).unwrap();
        std::fs::write(&path, b"c").unwrap();
        let error = packed.send(&mut Vec::new()).await.unwrap_err();
        assert!(
            error
                .to_string()
                .ends_with("changed while it was being sent: it became shorter"),
            "{error}"
        );
    }
}
