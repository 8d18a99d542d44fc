//! The agent's executable on this machine: this very program, or its twin for another processor.
//!
//! It refuses to know how a file gets to a server.

use std::fmt::Write;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use sha2::{Digest, Sha256};

use crate::words::event::Failure;

/// Where an installation keeps the twins.
const LIBRARY: &str = "/usr/local/lib/landfall";

/// The executables at hand.
#[derive(Debug, Clone)]
pub struct Binaries {
    own: PathBuf,
    all: Arc<OnceLock<Vec<(Arch, Binary)>>>,
}

/// An executable: its file, its digest, its size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binary {
    /// The file on this machine.
    pub path: PathBuf,
    /// Hex SHA-256 of its content.
    pub sha256: String,
    /// Bytes.
    pub size: u64,
}

/// A processor that servers have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arch {
    /// `x86_64`.
    X86,
    /// `aarch64`, also called `arm64`.
    Arm,
}

impl Arch {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::X86, Self::Arm];

    /// Reads what `uname -m` prints.
    #[must_use]
    pub fn parse(machine: &str) -> Option<Self> {
        match machine {
            "x86_64" | "amd64" => Some(Self::X86),
            "aarch64" | "arm64" => Some(Self::Arm),
            _ => None,
        }
    }

    /// The name in a twin's file name.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::X86 => "x86_64",
            Self::Arm => "aarch64",
        }
    }
}

impl Binaries {
    /// The executables beside and including a program.
    #[must_use]
    pub fn of(program: impl Into<PathBuf>) -> Self {
        Self {
            own: program.into(),
            all: Arc::default(),
        }
    }

    /// This program and its twins.
    pub fn this() -> io::Result<Self> {
        std::env::current_exe().map(Self::of)
    }

    /// The file for a processor, if there is one.
    #[must_use]
    pub fn file(&self, arch: Arch) -> Option<PathBuf> {
        if Some(arch) == Arch::parse(std::env::consts::ARCH) {
            return Some(self.own.clone());
        }
        let name = format!("landfall-{}", arch.word());
        let beside = self.own.parent().map(|dir| dir.join(&name));
        [beside, Some(Path::new(LIBRARY).join(&name))]
            .into_iter()
            .flatten()
            .find(|path| path.is_file())
    }

    /// Every executable that is at hand, with its digest, computed once for all clones. One that
    /// cannot be read is left out: [`Binaries::pick`] says why once it is wanted.
    #[must_use]
    pub fn all(&self) -> &[(Arch, Binary)] {
        self.all.get_or_init(|| {
            Arch::ALL
                .into_iter()
                .filter_map(|arch| Some((arch, Binary::read(&self.file(arch)?).ok()?)))
                .collect()
        })
    }

    /// The executable for a processor; refuses one for which there is none, by name.
    pub fn pick(&self, arch: Arch) -> Result<Binary, Failure> {
        let path = self.file(arch).ok_or_else(|| self.missing(arch))?;
        Binary::read(&path)
            .map_err(|e| Failure::new(format!("`{}` cannot be read", path.display())).because(e))
    }

    fn missing(&self, arch: Arch) -> Failure {
        let (own, theirs) = (std::env::consts::ARCH, arch.word());
        let beside = self.own.with_file_name(format!("landfall-{theirs}"));
        Failure::new(format!(
            "the server is {theirs}, and this landfall is built for {own} alone"
        ))
        .hint(format!(
            "put a landfall for {theirs} at `{}` or `{LIBRARY}/landfall-{theirs}`; the released image holds both",
            beside.display()
        ))
    }
}

impl Binary {
    /// Reads a file's digest and size.
    pub fn read(path: &Path) -> io::Result<Self> {
        let mut file = File::open(path)?;
        let mut hash = Sha256::new();
        let mut size = 0;
        let mut buffer = vec![0; 128 * 1024];
        loop {
            let n = file.read(&mut buffer)?;
            if n == 0 {
                break;
            }
            hash.update(&buffer[..n]);
            size += n as u64;
        }
        let mut sha256 = String::new();
        for byte in hash.finalize() {
            let _ = write!(sha256, "{byte:02x}");
        }
        Ok(Self {
            path: path.to_owned(),
            sha256,
            size,
        })
    }

    /// Its name on a server, which says exactly which one it is.
    #[must_use]
    pub fn name(&self) -> String {
        format!("landfall-{}", &self.sha256[..16])
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_processor_without_an_executable_is_refused_by_name() {
        let dir = tempfile::tempdir().unwrap();
        let own = Arch::parse(std::env::consts::ARCH).unwrap();
        let other = Arch::ALL.into_iter().find(|arch| *arch != own).unwrap();
        let binaries = Binaries::of(dir.path().join("landfall"));
        let refusal = binaries.pick(other).unwrap_err();
        assert_eq!(
            refusal.what,
            format!(
                "the server is {}, and this landfall is built for {} alone",
                other.word(),
                own.word()
            )
        );
        let twin = dir.path().join(format!("landfall-{}", other.word()));
        std::fs::write(&twin, b"twin").unwrap();
        assert_eq!(binaries.pick(other).unwrap().path, twin);
    }

    #[test]
    fn a_name_says_which_executable_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("landfall");
        std::fs::write(&path, b"").unwrap();
        let binary = Binary::read(&path).unwrap();
        assert_eq!(
            (binary.name().as_str(), binary.size),
            ("landfall-e3b0c44298fc1c14", 0)
        );
    }
}
