//! How much room a backup needs and how much there is.
//!
//! It refuses to guess at compression: what it says a backup needs is enough.

use std::path::Path;

use crate::files::tree::scope::{Part, Scope};
use crate::files::tree::snapshot::{is_kept_from_us, unread};
use crate::files::tree::walk::{Found, walk};
use crate::files::tree::{Act, Home, cannot};
use crate::words::backup::EntryKind;
use crate::words::event::Failure;

/// What a tar entry takes besides its content: its header, its padding and a fair part of a name.
const OVERHEAD: u64 = 1536;

/// What is free on a file system for whoever asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    /// Bytes.
    pub bytes: u64,
    /// Files; `u64::MAX` where the file system does not count them.
    pub inodes: u64,
}

/// The most bytes that an archive of this tree can take, data included. Data that cannot be looked
/// into counts as nothing, and so does what others keep from us.
pub fn estimate(root: &Home, scope: &Scope) -> Result<u64, Failure> {
    let mut total = 2 * OVERHEAD;
    for part in [Part::Release, Part::Data] {
        let mut visit = |found: &Found| {
            let file = found.mark.kind == EntryKind::File;
            total += OVERHEAD + if file { found.mark.size } else { 0 };
            Ok(())
        };
        walk(root, scope, part, &mut visit, &mut |path, error| {
            if part == Part::Data || is_kept_from_us(&error, scope, root, path) {
                return Ok(());
            }
            Err(unread(root.path(), path, &error))
        })?;
    }
    // Noise grows by a few bytes a block when it is compressed.
    Ok(total + total / 1000)
}

/// What is free where `path` lies, or will lie once it exists.
pub fn free_space(path: &Path) -> Result<Space, Failure> {
    let existing = path.ancestors().find(|p| p.exists()).unwrap_or(path);
    let stat = rustix::fs::statvfs(existing)
        .map_err(|e| cannot(Act::Read, &existing.display(), &e.into()))?;
    let counted = stat.f_files > 0;
    Ok(Space {
        bytes: stat.f_bavail.saturating_mul(stat.f_frsize),
        inodes: if counted { stat.f_favail } else { u64::MAX },
    })
}

/// Says whether an error means that there is no room.
pub(crate) fn full_disk(error: &std::io::Error) -> bool {
    use std::io::ErrorKind as Kind;
    matches!(error.kind(), Kind::StorageFull | Kind::QuotaExceeded)
}

/// The failure of a backup that found no room in `backup_dir`.
pub(crate) fn full(deploy_dir: &Home, backup_dir: &Path, scope: &Scope) -> Failure {
    let failure = Failure::new(format!(
        "there is no room for the backup in `{}`",
        backup_dir.display()
    ));
    let failure = match (estimate(deploy_dir, scope), free_space(backup_dir)) {
        (Ok(_), Ok(free)) if free.inodes == 0 => failure.because("no more files can be created"),
        (Ok(needed), Ok(free)) => failure.because(format!(
            "it needs up to {} and {} are free",
            in_words(needed),
            in_words(free.bytes)
        )),
        _ => failure.because("the disk is full"),
    };
    failure.hint("free space there, lower `keep_backups`, name what need not be kept in `backup_exclude`, or set another `backup_dir`")
}

/// A size as people say it: `1.4 GB`.
#[must_use]
pub fn in_words(bytes: u64) -> String {
    let steps = [("GB", 1_000_000_000), ("MB", 1_000_000), ("kB", 1000)];
    for (unit, size) in steps {
        if bytes >= size {
            let tenths = bytes / (size / 10);
            return format!("{}.{} {unit}", tenths / 10, tenths % 10);
        }
    }
    format!("{bytes} bytes")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    #[test]
    fn sizes_are_told_as_people_say_them() {
        assert_eq!(in_words(999), "999 bytes");
        assert_eq!(in_words(1_450), "1.4 kB");
        assert_eq!(in_words(12_000_000), "12.0 MB");
        assert_eq!(in_words(3_999_999_999), "3.9 GB");
    }

    #[test]
    fn space_is_told_for_a_directory_that_does_not_exist_yet() {
        let temp = tempfile::tempdir().unwrap();
        let here = free_space(temp.path()).unwrap();
        assert!(here.bytes > 0 && here.inodes > 0);
        free_space(&temp.path().join("not/yet")).unwrap();
    }
}
