//! How this program is called on this machine, for whoever is told a command to type.
//!
//! It refuses to know which command that is.

use std::path::{Path, PathBuf};

use crate::words::reader::NAME;
use crate::words::shell::path;

/// This program as it is called on this machine: by its name where the path leads to it.
#[must_use]
pub fn name() -> String {
    let own = std::env::current_exe().unwrap_or_else(|_| NAME.into());
    let dirs = std::env::var_os("PATH").unwrap_or_default();
    called(&own, std::env::split_paths(&dirs))
}

fn called(own: &Path, mut dirs: impl Iterator<Item = PathBuf>) -> String {
    let first = dirs.find_map(|dir| dir.join(NAME).canonicalize().ok());
    let is_own = first.is_some_and(|first| own.canonicalize().is_ok_and(|own| own == first));
    if is_own { NAME.into() } else { path(own) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_program_is_called_by_its_name_only_where_that_leads_to_it() {
        let dir = tempfile::tempdir().unwrap();
        let (bin, other) = (dir.path().join("bin"), dir.path().join("other"));
        for place in [&bin, &other] {
            std::fs::create_dir(place).unwrap();
            std::fs::write(place.join(NAME), "").unwrap();
        }
        let own = bin.join(NAME);
        let on = |dirs: &[&PathBuf]| called(&own, dirs.iter().map(|dir| (*dir).clone()));
        assert_eq!(on(&[&bin, &other]), NAME);
        assert_eq!(on(&[&other, &bin]), own.to_string_lossy());
        assert_eq!(on(&[]), own.to_string_lossy());
    }
}
