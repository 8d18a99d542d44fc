//! The journal's bytes: cut off anywhere, changed anywhere, of a newer format.
//!
//! What is left must still take the server to its old or its new release, and `deployed` is only
//! ever read where it was written.

use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::explore::{self, Trail};
use super::life::{Keep, State};
use super::scenes::Scene;
use crate::saga::journal;
use crate::words::event::{Event, Outcome, RECORD_VERSION, Status};
use crate::words::line;

/// How many bytes are passed over from one change to the next; a build that is not optimised is
/// too slow for all of them.
const STEP: usize = if cfg!(debug_assertions) { 17 } else { 1 };

/// The journal of a run, and what the server and its disk were when it was that long.
struct Recording {
    journal: Vec<u8>,
    lengths: Vec<(usize, State)>,
}

/// A deployment, recorded; its facts are there to the end.
fn record(scene: &Rc<Scene>) -> Recording {
    let (lived, after) = explore::life(scene, &explore::fresh(scene), 0, &[], Keep::Points);
    let path = explore::journal_of(scene);
    let length = |state: &State| state.disk.content(&path).map_or(0, <[u8]>::len);
    let lengths = lived
        .points
        .iter()
        .map(|p| (length(&p.state), p.state.clone()));
    Recording {
        lengths: lengths.collect(),
        journal: after.state.disk.content(&path).expect("a journal").to_vec(),
    }
}

impl Recording {
    /// The server as it was when the journal had come so far.
    fn state_at(&self, bytes: usize) -> &State {
        let mut states = self.lengths.iter().rev();
        let found = states.find(|(length, _)| *length <= bytes);
        &found.unwrap_or(&self.lengths[0]).1
    }
}

/// A run that has this journal, on the server as it is.
fn trail(scene: &Scene, state: &State, journal: Vec<u8>) -> Trail {
    let disk = state.disk.with(&explore::journal_of(scene), journal);
    Trail {
        state: State {
            disk: disk.into(),
            world: state.world.clone(),
        },
        ..explore::fresh(scene)
    }
}

fn has_event(journal: &[u8], is: impl Fn(&Event) -> bool) -> bool {
    let mut lines = journal.split_inclusive(|b| *b == b'\n');
    lines.any(|line| line::parse(line).is_some_and(|record| is(&record.event)))
}

fn says_deployed(journal: &[u8]) -> bool {
    has_event(journal, |e| {
        matches!(
            e,
            Event::Finished {
                outcome: Outcome::Deployed
            }
        )
    })
}

fn says_committed(journal: &[u8]) -> bool {
    let step = crate::words::event::Step::Commit;
    has_event(journal, |e| *e == Event::Succeeded { step })
}

/// Settles a run with such a journal in place of what was written until then; the server must end
/// new where the commit can still be read, and old where it never was or cannot.
fn settles(scene: &Rc<Scene>, recording: &Recording, written: usize, bad: Vec<u8>, what: &str) {
    let good = &recording.journal[..written];
    let readable = says_committed(&bad) || says_deployed(&bad);
    let before = trail(scene, recording.state_at(written), bad);
    match explore::settle(scene, before, 1, Keep::End) {
        Ok(Some(Status::Deployed)) => {
            assert!(
                says_committed(good),
                "{what}: `deployed` for what was never committed"
            );
        }
        Ok(Some(Status::RolledBack | Status::Refused) | None) => {
            assert!(!readable, "{what}: what was committed was taken back");
        }
        other => panic!("{what}: {other:?}"),
    }
}

fn journal_now(scene: &Scene, trail: &Trail) -> Vec<u8> {
    let path = explore::journal_of(scene);
    trail.state.disk.content(&path).unwrap_or_default().to_vec()
}

fn upgrade(dir: &std::path::Path) -> Rc<Scene> {
    Scene::of("upgrade", dir)
}

#[test]
fn a_journal_cut_off_at_any_byte_takes_the_server_to_its_old_or_its_new_release() {
    let dir = tempfile::tempdir().unwrap();
    let scene = upgrade(dir.path());
    let recording = record(&scene);
    for cut in 0..recording.journal.len() {
        let bad = recording.journal[..cut].to_vec();
        settles(&scene, &recording, cut, bad, &format!("cut at byte {cut}"));
    }
}

/// How far the journal had come when the damage is found: the line itself, the one behind it, the
/// last before the commit, all of it.
fn ends(journal: &[u8], at: usize) -> Vec<usize> {
    let newlines = journal.iter().enumerate().skip(at);
    let ends = newlines.filter(|(_, b)| **b == b'\n').map(|(at, _)| at + 1);
    let commit = find(journal, b"\"started\",\"step\":\"commit\"");
    let commit = journal[..commit].iter().rposition(|b| *b == b'\n');
    let late = commit.map(|at| at + 1).filter(|end| *end > at);
    let mut ends: Vec<usize> = ends.take(2).chain(late).chain([journal.len()]).collect();
    ends.dedup();
    ends
}

fn find(text: &[u8], part: &[u8]) -> usize {
    let mut windows = text.windows(part.len());
    windows.position(|w| w == part).unwrap()
}

fn change(scene: &Rc<Scene>, recording: &Recording, at: usize) {
    let good = recording.journal[at];
    let changes = [good ^ (1 << (at % 8)), b'\n'];
    for (nth, new) in changes
        .into_iter()
        .enumerate()
        .filter(|(_, new)| *new != good)
    {
        for (which, end) in ends(&recording.journal, at).into_iter().enumerate() {
            // Either change at every other end.
            if (at + nth + which).is_multiple_of(2) {
                continue;
            }
            let mut bad = recording.journal[..end].to_vec();
            bad[at] = new;
            let what = format!("byte {at} of {end} is {new:#04x} instead of {good:#04x}");
            settles(scene, recording, end, bad, &what);
        }
    }
}

#[test]
fn a_journal_with_any_byte_changed_takes_the_server_to_its_old_or_its_new_release() {
    let next = AtomicUsize::new(0);
    let work = || {
        let dir = tempfile::tempdir().unwrap();
        let scene = upgrade(dir.path());
        let recording = record(&scene);
        loop {
            let at = next.fetch_add(STEP, Ordering::Relaxed);
            if at >= recording.journal.len() {
                break;
            }
            change(&scene, &recording, at);
        }
    };
    std::thread::scope(|threads| {
        let both = [threads.spawn(work), threads.spawn(work)];
        for thread in both {
            thread.join().unwrap();
        }
    });
}

#[test]
fn a_journal_of_a_newer_format_is_refused_and_left_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let scene = upgrade(dir.path());
    let recording = record(&scene);
    let lines: Vec<&[u8]> = recording.journal.split_inclusive(|b| *b == b'\n').collect();
    for newer in 0..lines.len() {
        let mut bad: Vec<u8> = lines[..newer].concat();
        bad.extend(newer_line(lines[newer]));
        let state = recording.state_at(bad.len());
        let before = trail(&scene, state, bad.clone());
        let (lived, after) = explore::life(&scene, &before, 1, &[], Keep::Calls);
        assert_eq!(journal_now(&scene, &after), bad, "line {newer}");
        assert_eq!(after.told, None, "line {newer}");
        assert_eq!(after.state.world, state.world, "line {newer}");
        let names: Vec<&str> = lived.calls.iter().map(|c| c.name).collect();
        assert_eq!(names, Vec::<&str>::new(), "line {newer}");
    }
}

/// A record as a later version might write it, with words that this one does not know.
fn newer_line(line: &[u8]) -> Vec<u8> {
    let text = std::str::from_utf8(line).unwrap();
    let json = text.split_once(' ').unwrap().1.trim_end();
    let json = json
        .replacen("\"v\":1", &format!("\"v\":{}", RECORD_VERSION + 1), 1)
        .replacen("\"event\":\"", "\"event\":\"re", 1);
    let sum = crc32fast::hash(json.as_bytes());
    format!("{sum:08x} {json}\n").into_bytes()
}

#[test]
fn an_end_is_only_read_where_one_was_written() {
    let dir = tempfile::tempdir().unwrap();
    let scene = upgrade(dir.path());
    let recording = record(&scene);
    let path = dir.path().join("journal");
    for cut in 0..recording.journal.len() {
        std::fs::write(&path, &recording.journal[..cut]).unwrap();
        let last = journal::last(&path).map(|r| r.event);
        assert!(
            !matches!(last, Some(Event::Finished { .. })),
            "cut at {cut}"
        );
    }
}
