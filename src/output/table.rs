//! Aligned plain text for the command line: backups.
//!
//! It refuses to know the terminal's width or colours; a program that wants more takes the JSON.

use chrono::{DateTime, Utc};

use crate::words::backup::Purpose;
use crate::words::clean;
use crate::words::plan::Site;
use crate::words::report::kept::Kept;
use crate::words::report::made;

/// The widest cell; more is in the JSON.
const WIDEST: usize = 80;
/// How much of a release's name and of its commit fits beside the rest into 80 columns.
const NAME: usize = 14;
const COMMIT: usize = 16;

/// Backups, in the order given: what is in each of them, and who made that when.
#[must_use]
pub fn backups(backups: &[Kept], now: DateTime<Utc>, site: &Site) -> String {
    if backups.is_empty() {
        return none(site);
    }
    table(
        ["TIMESTAMP", "RELEASE", "COMMIT", "AGE", "SIZE", "NOTE"],
        backups.iter().map(|kept| backup(kept, now)),
    )
}

/// A list without anything in it leaves open whether it is the right one.
fn none(site: &Site) -> String {
    format!(
        "There is no backup of `{}` in `{}`: each deployment makes one of what it replaces.\n\
         hint: if it was deployed with another `backup_dir` or `project_name`, name that as well\n",
        site.deploy_dir.display(),
        site.backup_dir.display()
    )
}

fn backup(kept: &Kept, now: DateTime<Utc>) -> [String; 6] {
    let backup = &kept.description;
    let made = backup.made_by.as_ref();
    let asked = made.map_or(&[][..], |made| &made.asked);
    let ran = backup.release.services.iter().map(|s| s.image.as_str());
    let name = match asked {
        [] => made::in_short(ran),
        asked => made::in_short(asked.iter().map(String::as_str)),
    };
    let commit = made.and_then(|made| made::commit(&made.origin));
    [
        backup.timestamp.clone(),
        clean::clip(&name, NAME),
        clean::clip(&commit.unwrap_or_default(), COMMIT),
        made.map_or(String::new(), |made| made::age(made.at, now)),
        clean::size(backup.archive.bytes),
        note(kept).to_owned(),
    ]
}

/// What is to be known of a backup, in a word or two.
fn note(kept: &Kept) -> &'static str {
    let backup = &kept.description;
    match (kept.is_latest, kept.runs_now, backup.purpose) {
        (true, ..) => "latest",
        _ if backup.release.services.is_empty() => "nothing ran",
        (_, true, _) => "runs now",
        _ if !backup.release.is_good() => "unhealthy",
        (_, _, Purpose::Safety) => "rolled back",
        (_, _, Purpose::Deploy) => "",
    }
}

pub(super) fn table<const N: usize>(
    head: [&str; N],
    rows: impl Iterator<Item = [String; N]>,
) -> String {
    let head = head.map(str::to_owned).to_vec();
    let rows = rows.map(|row| row.to_vec());
    aligned(
        &std::iter::once(head).chain(rows).collect::<Vec<_>>(),
        WIDEST,
    )
}

/// Rows of cells, each column as wide as its widest cell, two spaces between them.
pub(super) fn aligned(rows: &[Vec<String>], widest: usize) -> String {
    let shown = |cell: &String| clean::clip(&clean::one_line(cell), widest);
    let rows: Vec<Vec<_>> = rows.iter().map(|r| r.iter().map(shown).collect()).collect();
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|r| r.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<_> = (0..columns).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells = row
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::backup::{ArchiveFact, DESCRIPTION_VERSION, Description, Release, Running};
    use crate::words::plan::Made;
    use crate::words::report::sample;

    fn release() -> Release {
        let web = Running {
            service: "web".into(),
            image: "ghcr.io/acme/app:2".into(),
            image_id: sample::NEW.into(),
            replicas: 2,
            well: true,
            running: true,
            ..Running::default()
        };
        let migrate = Running {
            service: "migrate".into(),
            image: "ghcr.io/acme/app:2".into(),
            image_id: sample::NEW.into(),
            replicas: 1,
            well: true,
            ..Running::default()
        };
        Release {
            compose_files: Vec::new(),
            project: "mcp".into(),
            services: vec![migrate, web],
            references: Vec::new(),
        }
    }

    fn description(timestamp: &str, purpose: Purpose) -> Description {
        Description {
            v: DESCRIPTION_VERSION,
            timestamp: timestamp.into(),
            sequence: 1,
            project: "mcp".into(),
            needs: Vec::new(),
            created_at: chrono::DateTime::default(),
            deployment_id: String::new(),
            purpose,
            deploy_dir: "/opt/mcp".into(),
            release: release(),
            archive: ArchiveFact {
                bytes: 851_300_000,
                ..ArchiveFact::default()
            },
            data: Vec::new(),
            brings: Vec::new(),
            ships: Vec::new(),
            exclude: Vec::new(),
            origin: sample::origin(),
            made_by: None,
            made_of: Vec::new(),
            fingerprint: None,
            first: 0,
        }
    }

    #[test]
    fn a_backup_is_told_by_what_is_in_it_and_by_who_made_that_in_80_columns() {
        let at: DateTime<Utc> = "2025-10-17T14:30:25Z".parse().unwrap_or_default();
        let kept = |timestamp: &str, purpose, tag: &str| Kept {
            description: Description {
                made_by: Some(Made {
                    run: "run".into(),
                    at,
                    asked: vec![format!("ghcr.io/acme/app:{tag}")],
                    origin: sample::origin(),
                }),
                ..description(timestamp, purpose)
            },
            runs_now: false,
            is_latest: false,
        };
        let mut all = [
            kept("20251017_143025", Purpose::Safety, "v3"),
            kept("20251016_101010", Purpose::Deploy, "v2"),
            kept("20251015_101010", Purpose::Deploy, "2f0a9c1e77b04d5a9d"),
            kept("20251014_101010", Purpose::Deploy, "v0"),
            kept("20251013_101010", Purpose::Deploy, "v0"),
        ];
        all[1].runs_now = true;
        all[2].is_latest = true;
        all[3].description.made_by = None;
        all[4].description.release.services.clear();
        all[4].description.made_by = None;
        let site = crate::words::plan::sample::deploy().site;
        let told = backups(&all, at + chrono::TimeDelta::hours(30), &site);
        assert!(
            told.lines().all(|line| line.chars().count() <= 80),
            "{told}"
        );
        insta::assert_snapshot!(told, @r"
        TIMESTAMP        RELEASE         COMMIT            AGE  SIZE      NOTE
        20251017_143025  app:v3          0123456 Serve t…  1 d  851.3 MB  rolled back
        20251016_101010  app:v2          0123456 Serve t…  1 d  851.3 MB  runs now
        20251015_101010  app:2f0a9c1e7…  0123456 Serve t…  1 d  851.3 MB  latest
        20251014_101010  app:2                                  851.3 MB
        20251013_101010                                         851.3 MB  nothing ran
        ");
    }

    #[test]
    fn a_list_without_a_backup_says_where_it_looked() {
        let site = crate::words::plan::sample::deploy().site;
        let told = backups(&[], crate::clock::now(), &site);
        assert!(told.contains("`/opt/mcp` in `/opt/mcp-backups`"), "{told}");
        assert!(told.contains("\nhint: "), "{told}");
    }
}
