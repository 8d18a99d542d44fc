//! The data directory of a version that keeps one: each start appends a line
//! and rewrites the schema, as a migration would. It refuses to know who
//! else reads it.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

/// Appends to `journal` and alters `schema` below `directory`.
pub fn write(directory: &Path, version: &str) -> io::Result<()> {
    fs::create_dir_all(directory)?;
    let mut journal = OpenOptions::new()
        .create(true)
        .append(true)
        .open(directory.join("journal"))?;
    writeln!(journal, "started {version}")?;
    fs::write(directory.join("schema"), format!("{version}\n"))
}

#[cfg(test)]
mod tests {
    use super::write;
    use std::{fs, io};

    #[test]
    fn every_start_leaves_a_line_and_its_own_schema() -> io::Result<()> {
        let directory = std::env::temp_dir().join(format!("beacon-{}", std::process::id()));
        write(&directory, "v1")?;
        write(&directory, "v2")?;
        assert_eq!(
            fs::read_to_string(directory.join("journal"))?,
            "started v1\nstarted v2\n"
        );
        assert_eq!(fs::read_to_string(directory.join("schema"))?, "v2\n");
        fs::remove_dir_all(directory)
    }
}
