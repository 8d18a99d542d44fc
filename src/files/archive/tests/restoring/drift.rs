//! What became of a tree since its backup: what says that somebody made a release, and what does not.

use std::fs;
use std::io::Write;
use std::os::unix::fs::chown;

use super::*;
use crate::files::archive::restore::differing;
use crate::files::tree::Drift;
use crate::words::backup::EntryKind;

/// What became of each path that is not as the backup has it.
fn drifts(scene: &Scene, written: &Written) -> Vec<(String, Drift)> {
    let options = Options {
        data: Data::LeaveAlone,
        scope: &scene.scope,
        snapshot: None,
    };
    let from = Source {
        archive: &written.archive,
        listing: &scene.listing(&written.description),
        description: &written.description,
        others: &[],
    };
    let found = differing(from, &scene.opened(), &options).unwrap();
    let files = found.into_iter().filter(|d| {
        let kind = d.now.as_ref().map(|now| now.kind);
        kind != Some(EntryKind::Dir)
    });
    files.map(|d| (d.path, d.kind)).collect()
}

#[test]
fn a_log_that_grew_and_what_another_user_wrote_lie_beside_a_release_and_what_is_gone_is_none() {
    let scene = Scene::with(&[
        ("compose.yaml", "services: {}\n"),
        ("app.log", "one\n"),
        ("cron.log", "one\n"),
        ("gone", "one\n"),
        ("mode", "one\n"),
        ("same", "one\n"),
    ]);
    let written = scene.back_up();
    fs::write(scene.at("compose.yaml"), "services: {web: {}}\n").unwrap();
    let mut log = fs::File::options()
        .append(true)
        .open(scene.at("app.log"))
        .unwrap();
    log.write_all(b"two\n").unwrap();
    fs::write(scene.at("cron.log"), "another\n").unwrap();
    fs::remove_file(scene.at("gone")).unwrap();
    chmod(scene.at("mode"), 0o600);
    fs::write(scene.at("more"), "new\n").unwrap();
    // Half of a file that is being put in place, by us.
    fs::write(scene.at(".landfall-tmp-0011223344556677"), "half").unwrap();
    let wanted = [
        ("app.log".to_owned(), Drift::Aside),
        ("compose.yaml".to_owned(), Drift::Content),
        ("cron.log".to_owned(), Drift::Content),
        ("gone".to_owned(), Drift::Other),
        ("mode".to_owned(), Drift::Other),
        ("more".to_owned(), Drift::Content),
    ];
    assert_eq!(drifts(&scene, &written), wanted);
    // Only root can give a file to another; whoever cannot give it back leaves it out.
    if chown(scene.at("cron.log"), Some(4711), None).is_ok() {
        let found = drifts(&scene, &written);
        let cron = found.iter().find(|(path, _)| path == "cron.log");
        assert!(cron.is_none_or(|(_, drift)| *drift == Drift::Aside));
    }
}
