//! Aligned plain text for the command line: history, backups.
//!
//! It refuses to know the terminal's width or colours; a program that wants more takes the JSON.

use crate::archive::{Description, Purpose};
use crate::clean;
use crate::plan::Goal;
use crate::report::{Report, span};

/// The widest cell; more is in the JSON.
const WIDEST: usize = 80;

/// Past runs, in the order given.
#[must_use]
pub fn history(reports: &[Report]) -> String {
    if reports.is_empty() {
        return "no run is recorded\n".to_owned();
    }
    table(
        [
            "STARTED (UTC)",
            "ID",
            "WHAT",
            "STATUS",
            "TOOK",
            "BY",
            "REASON",
        ],
        reports.iter().map(run),
    )
}

/// Backups, in the order given.
#[must_use]
pub fn backups(backups: &[Description]) -> String {
    if backups.is_empty() {
        return "there is no backup yet\n".to_owned();
    }
    table(
        [
            "TIMESTAMP",
            "SIZE",
            "PURPOSE",
            "STATE",
            "SERVICES",
            "COMMIT",
        ],
        backups.iter().map(backup),
    )
}

fn run(report: &Report) -> [String; 7] {
    let started = report.started_at.map(|t| t.format("%Y-%m-%d %H:%M:%S"));
    let what = match &report.goal {
        Some(Goal::Rollback { to, .. }) => format!("rollback to {to}"),
        _ => report
            .images_in_words()
            .unwrap_or_else(|| "deploy".to_owned()),
    };
    [
        started.map(|t| t.to_string()).unwrap_or_default(),
        report.id.clone(),
        what,
        report.status.to_string(),
        span(report.duration_ms),
        report.origin.actor.clone().unwrap_or_default(),
        report.reason.clone(),
    ]
}

fn backup(backup: &Description) -> [String; 6] {
    let purpose = match backup.purpose {
        Purpose::Deploy => "deploy",
        Purpose::Safety => "safety",
    };
    let state = match (&backup.release.services[..], backup.release.is_good()) {
        ([], _) => "nothing ran",
        (_, true) => "good",
        (_, false) => "not good",
    };
    let services = backup.release.services.iter().map(|s| {
        let id = clean::short(&s.image_id);
        format!("{}={id}", s.service)
    });
    let commit = backup
        .origin
        .commit
        .iter()
        .map(|c| c.chars().take(7).collect());
    let words: Vec<String> = commit.chain(backup.origin.commit_title.clone()).collect();
    [
        backup.timestamp.clone(),
        clean::size(backup.archive.bytes),
        purpose.to_owned(),
        state.to_owned(),
        services.collect::<Vec<_>>().join(" "),
        words.join(" "),
    ]
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
    use crate::archive::{ArchiveFact, DESCRIPTION_VERSION, Release, Running};
    use crate::report::sample;

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
        }
    }

    #[test]
    fn a_history_is_one_line_a_run() {
        let runs = [
            sample::deployed(),
            sample::rolled_back(),
            sample::restored(),
        ];
        insta::assert_snapshot!(history(&runs.map(|r| Report::fold(&r))), @r"
        STARTED (UTC)        ID                      WHAT                                   STATUS       TOOK   BY   REASON
        2025-10-17 14:30:25  20251017_143025-0a1b2c  ghcr.io/acme/app@sha256:abcdef012345…  deployed     8.5 s  ada
        2025-10-17 14:30:25  20251017_143025-0a1b2c  ghcr.io/acme/app@sha256:abcdef012345…  rolled_back  8.0 s  ada  `verify` failed: service `web` exited with code 1 three seconds after the start…
        2025-10-17 14:30:25  20251017_143025-0a1b2c  rollback to latest                     restored     4.0 s  ada
        ");
        insta::assert_snapshot!(history(&[]), @"no run is recorded");
    }

    #[test]
    fn backups_are_one_line_each() {
        let all = [
            description("20251017_143025", Purpose::Deploy),
            description("20251016_101010", Purpose::Safety),
        ];
        insta::assert_snapshot!(backups(&all), @r"
        TIMESTAMP        SIZE      PURPOSE  STATE  SERVICES                               COMMIT
        20251017_143025  851.3 MB  deploy   good   migrate=222222222222 web=222222222222  0123456 Serve the new page
        20251016_101010  851.3 MB  safety   good   migrate=222222222222 web=222222222222  0123456 Serve the new page
        ");
    }
}
