//! The names of the files in a backup directory, and the times in them.
//!
//! It refuses to look into any file.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use chrono::{DateTime, NaiveDateTime, Utc};

use crate::files::tree::name::escape;

/// How a timestamp is written, in UTC.
pub const TIMESTAMP: &str = "%Y%m%d_%H%M%S";

const ARCHIVE: &str = ".tar.gz";
const DESCRIPTION: &str = ".json";
const PARTIAL: &str = ".partial-";

/// One of the files of a backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The tar.gz.
    Archive,
    /// What it is.
    Description,
}

impl Role {
    fn ending(self) -> &'static str {
        match self {
            Self::Archive => ARCHIVE,
            Self::Description => DESCRIPTION,
        }
    }
}

/// The base name of a deploy directory: `mcp` of `/opt/mcp`.
#[must_use]
pub fn base(deploy_dir: &Path) -> String {
    deploy_dir
        .file_name()
        .map_or_else(|| "root".to_owned(), |name| escape(name.as_bytes()))
}

/// The timestamp of a moment.
#[must_use]
pub fn stamp(at: DateTime<Utc>) -> String {
    at.format(TIMESTAMP).to_string()
}

/// Says whether a text is a timestamp as this program writes it.
#[must_use]
pub fn is_timestamp(text: &str) -> bool {
    NaiveDateTime::parse_from_str(text, TIMESTAMP)
        .is_ok_and(|t| t.format(TIMESTAMP).to_string() == text)
}

/// The moment of a timestamp.
#[must_use]
pub fn moment(timestamp: &str) -> Option<DateTime<Utc>> {
    let moment = NaiveDateTime::parse_from_str(timestamp, TIMESTAMP).ok()?;
    Some(moment.and_utc())
}

/// The timestamp in a file's name, half-written or whole; none in a foreign one.
#[must_use]
pub fn stamp_in<'a>(base: &str, name: &'a str) -> Option<&'a str> {
    let whole = parse(base, name).map(|(timestamp, _)| timestamp);
    whole.or_else(|| parse_partial(base, name).map(|partial| partial.timestamp))
}

/// The name of a file of a backup: `mcp-backup-20251017_143025.tar.gz`.
#[must_use]
pub fn file(base: &str, timestamp: &str, role: Role) -> String {
    format!("{base}-backup-{timestamp}{}", role.ending())
}

/// The name of the same file while the run `id` writes it.
#[must_use]
pub fn partial(base: &str, timestamp: &str, role: Role, id: &str) -> String {
    format!(".{}{PARTIAL}{id}", file(base, timestamp, role))
}

/// The timestamp and the role that a file's name tells; none for a foreign file.
#[must_use]
pub fn parse<'a>(base: &str, name: &'a str) -> Option<(&'a str, Role)> {
    let rest = name.strip_prefix(base)?.strip_prefix("-backup-")?;
    [Role::Archive, Role::Description]
        .into_iter()
        .find_map(|role| {
            let timestamp = rest.strip_suffix(role.ending())?;
            is_timestamp(timestamp).then_some((timestamp, role))
        })
}

/// The run that a partial file belongs to; none for any other file.
#[must_use]
pub fn parse_partial<'a>(base: &str, name: &'a str) -> Option<Partial<'a>> {
    let (whole, id) = name.strip_prefix('.')?.split_once(PARTIAL)?;
    parse(base, whole).map(|(timestamp, _)| Partial { timestamp, id })
}

/// What the name of a half-written file tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Partial<'a> {
    /// The backup's timestamp.
    pub timestamp: &'a str,
    /// The run that writes it.
    pub id: &'a str,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_tells_its_time_and_role_and_a_foreign_one_tells_nothing() {
        let t = "20251017_143025";
        assert_eq!(
            parse("mcp", "mcp-backup-20251017_143025.tar.gz"),
            Some((t, Role::Archive))
        );
        assert_eq!(
            parse("mcp", "mcp-backup-20251017_143025.json"),
            Some((t, Role::Description))
        );
        for foreign in [
            "mcp-backup-20251317_143025.tar.gz",
            "mcp-backup-2025101_143025.json",
            "mcp-backup-20251017_143025.tar",
            "mcp2-backup-20251017_143025.tar.gz",
            "mcp-backup-20251017_143025.tar.gz.bak",
            ".mcp-backup-20251017_143025.json.partial-x",
            "notes.txt",
        ] {
            assert_eq!(parse("mcp", foreign), None, "{foreign}");
        }
        let partial = partial("mcp", t, Role::Archive, "20251017_143025-abcdef");
        assert_eq!(
            parse_partial("mcp", &partial).map(|p| (p.timestamp, p.id)),
            Some((t, "20251017_143025-abcdef"))
        );
        assert_eq!(parse_partial("mcp", ".landfall"), None);
    }
}
