//! The name and the place of a new backup: after all that there are, whatever the clock says.
//!
//! It refuses to know what is in a backup.

use std::io::{self, Write};
use std::path::Path;

use chrono::{DateTime, TimeDelta, Utc};

use super::naming::{self, Role};
use super::{catalogue, manifest};
use crate::files::foreign;
use crate::files::tree::dir::Dir;
use crate::files::tree::scope::OWN_NAME;
use crate::files::tree::{Act, cannot};
use crate::words::event::Failure;

/// What the highest place is noted in, in the state directory: the backup that had it may be gone.
const FILE: &str = "sequence";
/// From how far on a clock that lies behind the newest backup is told of.
const BEHIND: TimeDelta = TimeDelta::seconds(10);

/// Where a new backup stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    /// Its timestamp, later than all others.
    pub timestamp: String,
    /// One more than the highest that there was.
    pub sequence: u64,
    /// What is to be said of a clock that lies behind.
    pub told: Option<String>,
}

/// The place of a backup that is made now.
pub(crate) fn next(backup_dir: &Path, base: &str, now: DateTime<Utc>) -> Result<Place, Failure> {
    let names = catalogue::names(backup_dir)?;
    let newest = names
        .iter()
        .filter_map(|name| naming::stamp_in(base, name))
        .max();
    let (timestamp, told) = later_than(newest, now)?;
    let described = names.iter().filter(|name| {
        naming::parse(base, name).is_some_and(|(_, role)| role == Role::Description)
    });
    let heads = described.filter_map(|name| manifest::head(&backup_dir.join(name)).ok());
    let highest = heads.map(|head| head.sequence).max();
    Ok(Place {
        timestamp,
        sequence: highest
            .max(noted(backup_dir))
            .unwrap_or(0)
            .saturating_add(1),
        told,
    })
}

fn later_than(
    newest: Option<&str>,
    now: DateTime<Utc>,
) -> Result<(String, Option<String>), Failure> {
    let stamp = naming::stamp(now);
    let Some(newest) = newest.filter(|newest| **newest >= *stamp) else {
        return Ok((stamp, None));
    };
    let moment = naming::moment(newest);
    let next = moment.and_then(|at| at.checked_add_signed(TimeDelta::seconds(1)));
    let next = next
        .map(naming::stamp)
        .filter(|next| naming::is_timestamp(next));
    let next = next.ok_or_else(|| {
        Failure::new("no name is left for a backup")
            .because(format!(
                "one has the last timestamp that there is, `{newest}`"
            ))
            .hint("move that backup to another directory")
    })?;
    let behind = moment.is_some_and(|at| at - now >= BEHIND);
    let told = behind.then(|| {
        format!(
            "the server's clock says {stamp}, and there is a backup of {newest}: one of both is \
             wrong; the new backup is named {next}, so that it is the newest"
        )
    });
    Ok((next, told))
}

fn noted(backup_dir: &Path) -> Option<u64> {
    let text = foreign::read(&backup_dir.join(OWN_NAME).join(FILE), 64).ok()?;
    std::str::from_utf8(&text).ok()?.trim().parse().ok()
}

/// Notes the place of a backup that is about to have its name.
pub(crate) fn keep(backup_dir: &Path, place: &Place) -> Result<(), Failure> {
    let state = backup_dir.join(OWN_NAME);
    let write = || -> io::Result<()> {
        let top = Dir::open(backup_dir)?;
        if top.look(OWN_NAME.as_ref())?.is_none() {
            top.make_dir(OWN_NAME.as_ref(), 0o700)?;
        }
        let dir = top.enter(OWN_NAME.as_ref())?;
        let staged = ".sequence";
        dir.remove(staged.as_ref())?;
        let mut file = dir.create(staged.as_ref())?;
        file.write_all(format!("{}\n", place.sequence).as_bytes())?;
        file.sync_all()?;
        dir.rename(staged.as_ref(), &dir, FILE.as_ref())?;
        dir.sync()
    };
    write().map_err(|e| cannot(Act::Write, &state.join(FILE).display(), &e))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use chrono::TimeZone;

    use super::*;

    #[test]
    fn a_new_timestamp_is_later_than_every_other_and_a_clock_far_behind_is_told_of() {
        let now = Utc.with_ymd_and_hms(2025, 10, 17, 14, 30, 25).unwrap();
        let later = |newest: &str| later_than(Some(newest), now).unwrap();
        assert_eq!(later("20251017_143024"), ("20251017_143025".into(), None));
        assert_eq!(later("20251017_143025"), ("20251017_143026".into(), None));
        assert_eq!(later("20251017_143027").0, "20251017_143028");
        let (stamp, told) = later("20251017_153025");
        assert_eq!(stamp, "20251017_153026");
        assert!(told.unwrap().contains("one of both is wrong"));
        assert_eq!(later("20991231_235959").0, "21000101_000000");
        assert!(later_than(Some("99991231_235959"), now).is_err());
        assert_eq!(later_than(None, now).unwrap().0, "20251017_143025");
    }
}
