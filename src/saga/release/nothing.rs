//! The state before the first deployment, where nothing ran: a rollback goes there upon a person's
//! word alone, for it removes the application.
//!
//! It refuses to choose among releases.

use crate::files::archive::catalogue::Listed;
use crate::files::archive::choice::Standings;
use crate::words::Result;
use crate::words::backup::{Description, Purpose};
use crate::words::event::Failure;

/// What gives the word.
const WORD: &str = "`to_nothing: true`, or `--to-nothing` on the command line";

/// Refuses a backup in which nothing runs, unless the word was given.
pub fn refuse(target: &Description, to_nothing: bool) -> Result<()> {
    if to_nothing || ran(target) {
        return Ok(());
    }
    Err(Failure::new(format!(
        "nothing ran when the backup `{}` was taken, so that a rollback to it removes the application",
        target.timestamp
    ))
    .hint(format!("if that is what you want, say so: {WORD}"))
    .hint("otherwise name another one: `landfall backups` lists them"))
}

/// Says whether something ran when a backup was taken.
fn ran(target: &Description) -> bool {
    !target.release.services.is_empty()
}

/// What `latest` comes to: without a release to go back to, the newest state in which nothing ran, if
/// the word was given.
pub fn or_nothing<'l>(
    standings: &Standings<'l>,
    listed: &'l [Listed],
    project: &str,
    to_nothing: bool,
) -> Result<&'l Listed> {
    let failure = match standings.latest() {
        Ok(chosen) => return Ok(chosen),
        Err(failure) => failure,
    };
    let is_before_the_first = |listed: &&Listed| {
        let described = listed.description.as_ref();
        described
            .is_ok_and(|d| d.purpose == Purpose::Deploy && !ran(d) && d.release.project == project)
    };
    match listed.iter().find(is_before_the_first) {
        Some(first) if to_nothing => Ok(first),
        Some(_) => Err(failure.hint(format!(
            "before the first deployment nothing ran; to remove the application, say so: {WORD}"
        ))),
        None => Err(failure),
    }
}
