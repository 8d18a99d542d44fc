//! `GITHUB_OUTPUT` and `GITHUB_STATE`: values for later steps, in the runner's file format.
//!
//! Every value is written as `name<<DELIMITER`, value, delimiter, so it may hold anything; a
//! delimiter that the value holds is refused. It refuses to know what a value is used for.

use std::fs::{File, OpenOptions};
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

use super::json;
use super::named::OUTPUTS;
use crate::words::event::{ServiceImage, Status};
use crate::words::report::{Report, seconds};

/// The longest `report` output, in bytes: it has to fit into a variable of a later step's
/// environment, which Linux bounds at 128 KiB.
pub const REPORT_LIMIT: usize = 100_000;

/// Every output with its value, in the order of [`OUTPUTS`].
///
/// # Errors
/// When the report cannot be written as JSON.
pub fn values(report: &Report) -> io::Result<Vec<(&'static str, String)>> {
    let backup = report.backup.as_ref();
    let first = report.images.first();
    let digest = |image: &ServiceImage| image.digest.clone();
    let (now, tried) = match report.status {
        Status::Deployed | Status::Restored | Status::Healthy | Status::Unhealthy => {
            (first.and_then(digest), None)
        }
        Status::Planned | Status::RolledBack | Status::Refused => (
            first.and_then(|i| i.previous_digest.clone()),
            first.and_then(digest),
        ),
        Status::RollbackFailed | Status::Unknown => (None, first.and_then(digest)),
    };
    let values = [
        report.status.word().to_owned(),
        report.id.clone(),
        backup.map(|b| b.timestamp.clone()).unwrap_or_default(),
        backup.map(|b| b.file.clone()).unwrap_or_default(),
        now.unwrap_or_default(),
        first
            .and_then(|i| i.previous_digest.clone())
            .unwrap_or_default(),
        tried.unwrap_or_default(),
        json::compact(&report.images)?,
        report
            .failed_step
            .map(|s| s.word().to_owned())
            .unwrap_or_default(),
        report.reason.clone(),
        seconds(report.duration_ms),
        report.downtime_ms.map(seconds).unwrap_or_default(),
        json::bounded(report, REPORT_LIMIT)?,
    ];
    let mut values = values.into_iter();
    Ok(OUTPUTS
        .iter()
        .map(|output| (output.name, values.next().unwrap_or_default()))
        .collect())
}

/// Appends every output of a report to the runner's file.
///
/// # Errors
/// When the file cannot be written.
pub fn write(path: &Path, report: &Report) -> io::Result<()> {
    append(path, &values(report)?)
}

/// Appends state for the action's `post-entrypoint`, which sees it as `STATE_name`.
///
/// # Errors
/// When the file cannot be written.
pub fn save_state(path: &Path, state: &[(&str, String)]) -> io::Result<()> {
    append(path, state)
}

/// Appends in one write, so that a reader never finds half an entry.
fn append(path: &Path, values: &[(&str, String)]) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .read(true)
        .append(true)
        .create(true)
        .open(path)?;
    let mut text = String::new();
    if !ends_in_a_line(&mut file)? {
        text.push('\n');
    }
    for (name, value) in values {
        text.push_str(&entry(name, value, &delimiter())?);
    }
    file.write_all(text.as_bytes())
}

/// Says whether what an earlier writer left is empty or ends with a newline.
fn ends_in_a_line(file: &mut File) -> io::Result<bool> {
    if file.seek(SeekFrom::End(0))? == 0 {
        return Ok(true);
    }
    file.seek(SeekFrom::End(-1))?;
    let mut last = [0];
    file.read_exact(&mut last)?;
    Ok(last == *b"\n")
}

fn entry(name: &str, value: &str, delimiter: &str) -> io::Result<String> {
    if value.contains(delimiter) {
        let what = format!("the value of `{name}` holds its own delimiter");
        return Err(io::Error::new(io::ErrorKind::InvalidData, what));
    }
    Ok(format!("{name}<<{delimiter}\n{value}\n{delimiter}\n"))
}

/// A word that no value can foresee: std seeds each thread's `RandomState` from the system's
/// source of randomness, and two of its keyed hashes give 128 bits.
fn delimiter() -> String {
    let half = || RandomState::new().hash_one(std::process::id());
    format!("landfall_{:016x}{:016x}", half(), half())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::*;
    use crate::words::report::sample;

    /// Reads a file as the runner does, with the runner's own complaints.
    fn parse(text: &str) -> Result<Vec<(String, String)>, String> {
        let mut pairs = Vec::new();
        let mut rest = text;
        while let Some((line, after)) = take_line(rest) {
            rest = after;
            if line.is_empty() {
                continue;
            }
            let equals = line.find('=').unwrap_or(usize::MAX);
            let heredoc = line.find("<<").unwrap_or(usize::MAX);
            if equals == heredoc {
                return Err(format!("invalid format {line:?}"));
            }
            if equals < heredoc {
                pairs.push((line[..equals].into(), line[equals + 1..].into()));
                continue;
            }
            let (name, delimiter) = (&line[..heredoc], &line[heredoc + 2..]);
            if name.is_empty() || delimiter.is_empty() {
                return Err(format!("invalid format {line:?}"));
            }
            let mut value = Vec::new();
            loop {
                let (line, after) = take_line(rest).ok_or("no matching delimiter")?;
                let whole = rest.len() > line.len();
                rest = after;
                if line == delimiter {
                    break;
                }
                if !whole {
                    return Err("the last line has no newline".into());
                }
                value.push(line);
            }
            pairs.push((name.into(), value.join("\n")));
        }
        Ok(pairs)
    }

    fn take_line(text: &str) -> Option<(&str, &str)> {
        if text.is_empty() {
            return None;
        }
        Some(text.split_once('\n').unwrap_or((text, "")))
    }

    fn written(before: &str, values: &[(&str, String)]) -> Vec<(String, String)> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), before).unwrap();
        append(file.path(), values).unwrap();
        let text = std::fs::read_to_string(file.path()).unwrap();
        assert!(text.ends_with('\n'));
        parse(&text).unwrap()
    }

    #[test]
    fn any_value_reads_back_as_it_was_written() {
        let hard = [
            "",
            "a\nb\n",
            "EOF\nstatus=deployed",
            "x=y",
            "name<<EOF\nz\nEOF",
            "\r\n tail ",
            "\n",
            "status<<landfall_\nlandfall_",
        ];
        let values: Vec<_> = hard.iter().map(|v| ("reason", (*v).to_owned())).collect();
        let read = written("", &values);
        let read: Vec<_> = read.iter().map(|(_, v)| v.as_str()).collect();
        assert_eq!(read, hard);
    }

    #[test]
    fn every_output_of_the_contract_is_written() {
        let report = Report::fold(&sample::rolled_back());
        let file = tempfile::NamedTempFile::new().unwrap();
        write(file.path(), &report).unwrap();
        let read = parse(&std::fs::read_to_string(file.path()).unwrap()).unwrap();
        assert_eq!(
            read.iter().map(|(n, _)| n).collect::<Vec<_>>(),
            OUTPUTS.iter().map(|o| o.name).collect::<Vec<_>>()
        );
        let shown = read.iter().take(12).map(|(n, v)| format!("{n}={v}"));
        insta::assert_snapshot!(shown.collect::<Vec<_>>().join("\n"), @r#"
        status=rolled_back
        deployment_id=20251017_143025-0a1b2c
        backup_timestamp=20251017_143025
        backup_file=/opt/mcp-backups/mcp-backup-20251017_143025.tar.gz
        image_digest=sha256:fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210
        previous_image_digest=sha256:fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210
        tried_image_digest=sha256:abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789
        images=[{"service":"web","image":"ghcr.io/acme/app:2","image_id":"sha256:2222222222222222222222222222222222222222222222222222222222222222","digest":"sha256:abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789","previous_image_id":"sha256:1111111111111111111111111111111111111111111111111111111111111111","previous_digest":"sha256:fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210"}]
        failed_step=verify
        reason=`verify` failed: service `web` exited with code 1 three seconds after the start: panic: no database.
        duration_seconds=8.015
        downtime_seconds=
        "#);
        let whole: serde_json::Value = serde_json::from_str(&read[12].1).unwrap();
        assert_eq!(whole["steps"][0]["result"], "acted");
        assert!(whole["steps"][0]["ended_at"].is_string());
    }

    #[test]
    fn what_was_not_measured_is_empty() {
        let report = Report::of_origin(sample::origin());
        let values = values(&report).unwrap();
        let empty = values.iter().filter(|(_, v)| v.is_empty()).map(|(n, _)| *n);
        insta::assert_snapshot!(empty.collect::<Vec<_>>().join(" "), @"deployment_id backup_timestamp backup_file image_digest previous_image_digest tried_image_digest failed_step reason downtime_seconds");
    }

    #[test]
    fn a_last_line_that_somebody_left_open_is_closed_first() {
        let read = written("theirs=1", &[("status", "deployed".into())]);
        assert_eq!(read[0], ("theirs".into(), "1".into()));
        assert_eq!(read[1], ("status".into(), "deployed".into()));
    }

    #[test]
    fn a_delimiter_that_the_value_holds_is_refused() {
        assert!(entry("reason", "a\nword\nb", "word").is_err());
    }

    #[test]
    fn no_two_delimiters_are_alike() {
        assert_ne!(delimiter(), delimiter());
        assert_eq!(delimiter().len(), "landfall_".len() + 32);
    }

    #[test]
    fn a_file_that_is_not_there_is_made_and_a_missing_folder_is_told() {
        let dir = tempfile::tempdir().unwrap();
        save_state(&dir.path().join("state"), &[("id", "x".into())]).unwrap();
        assert!(save_state(&dir.path().join("no/state"), &[]).is_err());
    }
}
