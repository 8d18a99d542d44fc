//! What version 1 left on a server is read for ever: journals, facts, records and backups.
//!
//! It refuses to know how they were made; `tests/fixtures/v1/README.md` does.

use std::fs;
use std::path::{Path, PathBuf};

use landfall::files::archive::catalogue::{self, Listed};
use landfall::files::archive::restore::{self, Data, Options, Source};
use landfall::files::archive::verify::verify;
use landfall::files::rundir::{RunDir, name};
use landfall::files::tail::Tail;
use landfall::files::tree::{Home, Scope};
use landfall::output::summary;
use landfall::saga::facts::{Before, Pulled, Wanted};
use landfall::saga::journal::{self, Journal};
use landfall::saga::{History, Next, next};
use landfall::words::backup::Parts;
use landfall::words::event::{Event, Outcome, Record, Step};
use landfall::words::report::Report;
use landfall::words::wire::Line;
use tempfile::TempDir;

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/v1");

fn fixture(path: &str) -> PathBuf {
    Path::new(FIXTURES).join(path)
}

/// The names of all journals, without their extension.
fn runs() -> Vec<String> {
    let entries = fs::read_dir(fixture("runs")).unwrap().flatten();
    let name = |path: PathBuf| path.file_stem().unwrap().to_str().unwrap().to_owned();
    let mut names: Vec<String> = entries.map(|e| name(e.path())).collect();
    names.sort();
    names
}

fn records(run: &str) -> Vec<Record> {
    journal::read(&fixture(&format!("runs/{run}.journal"))).unwrap()
}

fn folded(records: &[Record]) -> History {
    let mut history = History::default();
    for record in records {
        history.push(&record.event).unwrap();
    }
    history
}

fn step(word: &str) -> Step {
    serde_json::from_value(word.into()).unwrap()
}

/// What is decided first when a run is taken up again whose agent died.
fn decided(records: &[Record]) -> Next {
    let mut history = folded(records);
    if let Some(cut) = history.interruption() {
        history.push(&cut).unwrap();
    }
    next(&history)
}

#[test]
fn a_run_of_version_1_that_was_cut_off_is_taken_back_from_the_step_that_it_came_to() {
    let mut steps = 0;
    for run in runs() {
        let Some((what, cut)) = run.split_once("-cut-at-") else {
            continue;
        };
        steps += 1;
        let expected = match (what, cut) {
            ("deploy", "post_deploy") => Next::Finish(Outcome::Deployed),
            _ => Next::Undo(step(cut)),
        };
        assert_eq!(decided(&records(&run)), expected, "{run}");
    }
    assert_eq!(steps, 11 + 8 + 3);
}

#[test]
fn a_run_of_version_1_that_ended_is_over_and_told_as_it_ended() {
    for (run, status) in [
        ("deployed", "deployed"),
        ("restored", "restored"),
        ("rolled_back", "rolled_back"),
    ] {
        let Next::Stop(outcome) = decided(&records(run)) else {
            panic!("{run} goes on");
        };
        assert_eq!(outcome.status().word(), status);
        let report = Report::fold(&records(run));
        assert!(report.is_finished());
        let page = summary::page(&report);
        for word in ["registry.lab:5000/beacon", &report.id] {
            assert!(page.contains(word), "{run} does not tell {word}: {page}");
        }
    }
    let page = summary::page(&Report::fold(&records("rolled_back")));
    assert!(page.contains("service `web` exited with code 1"), "{page}");
}

#[test]
fn every_journal_of_version_1_is_told_and_can_be_gone_on_with() {
    let state = tempfile::tempdir().unwrap();
    for run in runs() {
        let records = records(&run);
        assert!(summary::page(&Report::fold(&records)).contains("production"));
        let path = state.path().join(&run);
        fs::copy(fixture(&format!("runs/{run}.journal")), &path).unwrap();
        let mut journal = Journal::open(&path, "r").unwrap();
        if let Some(cut) = journal.history().interruption() {
            journal.append(cut).unwrap();
        }
        let now = journal::read(&path).unwrap();
        assert!(now.starts_with(&records), "{run}");
        assert_eq!(Tail::new(path).more().unwrap(), now, "{run}");
    }
}

#[test]
fn a_record_of_version_1_is_the_same_on_the_wire_and_in_the_journal() {
    for run in ["deployed", "restored", "rolled_back"] {
        let wire = fs::read_to_string(fixture(&format!("wire/{run}.jsonl"))).unwrap();
        let lines = wire.lines().map(|line| Line::parse(line).unwrap());
        let told: Vec<Record> = lines
            .map(|line| match line {
                Line::Record(record) => *record,
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(told, records(run), "{run}");
    }
}

/// A run directory with the facts of a run.
fn facts(run: &str) -> (TempDir, RunDir) {
    let state = tempfile::tempdir().unwrap();
    let dir = RunDir::of(state.path(), run);
    fs::create_dir_all(dir.path()).unwrap();
    for fact in fs::read_dir(fixture(&format!("facts/{run}"))).unwrap() {
        let fact = fact.unwrap();
        fs::copy(fact.path(), dir.path().join(fact.file_name())).unwrap();
    }
    (state, dir)
}

#[test]
fn the_facts_of_version_1_are_read() {
    for run in ["deploy-cut-at-confirm", "rollback-cut-at-confirm"] {
        let (_state, dir) = facts(run);
        let Event::Planned { plan } = &records(run)[0].event else {
            panic!("no plan");
        };
        assert_eq!(dir.recall(name::PLAN).unwrap().as_ref(), Some(&**plan));
        let before: Before = dir.recall(name::BEFORE).unwrap().unwrap();
        assert_eq!(before.release.project, "app");
        assert_eq!(before.containers[0].name, "app-web-1");
        let parts: Parts = dir.recall(name::PARTS).unwrap().unwrap();
        assert_eq!(parts.data, ["data"]);
        let pulled: Pulled = dir.recall(name::PULLED).unwrap().unwrap();
        assert_eq!(pulled.images[0].service, "web");
        let backup: landfall::words::backup::Description =
            dir.recall(name::BACKUP).unwrap().unwrap();
        assert_eq!(backup.deployment_id, plan.id);
        let changed: Vec<String> = dir.recall(name::CHANGED).unwrap().unwrap();
        assert!(changed.contains(&"compose.yaml".to_owned()), "{changed:?}");
        let wanted: Option<Wanted> = dir.recall(name::WANTED).unwrap();
        assert_eq!(wanted.is_some(), run.starts_with("deploy"));
    }
}

/// The backups of version 1 in a directory of their own, with entries that belong to whoever runs
/// this: nobody else may give files away.
fn backups() -> (TempDir, Vec<Listed>) {
    let home = tempfile::tempdir().unwrap();
    fs::create_dir(home.path().join("app")).unwrap();
    let ours = fs::metadata(home.path()).unwrap();
    let ours = {
        use std::os::unix::fs::MetadataExt;
        (ours.uid(), ours.gid())
    };
    for file in fs::read_dir(fixture("backups")).unwrap() {
        let file = file.unwrap();
        let to = home.path().join(file.file_name());
        if to.extension() == Some("json".as_ref()) {
            let text = fs::read_to_string(file.path()).unwrap();
            let text = text.replace("\"uid\": 1000", &format!("\"uid\": {}", ours.0));
            let text = text.replace("\"gid\": 1000", &format!("\"gid\": {}", ours.1));
            fs::write(to, text).unwrap();
        } else {
            fs::copy(file.path(), to).unwrap();
        }
    }
    let listed = catalogue::list(home.path(), Path::new("/srv/app")).unwrap();
    (home, listed)
}

#[test]
fn the_backups_of_version_1_are_listed_in_the_order_of_their_stamps_and_are_whole() {
    let (_home, listed) = backups();
    let stamps: Vec<&str> = listed.iter().map(|l| l.timestamp.as_str()).collect();
    assert_eq!(
        stamps,
        ["20261129_132314", "20261129_132312", "20261129_132308"]
    );
    for backup in &listed {
        let description = backup.description.as_ref().unwrap();
        assert_eq!(description.release.project, "app");
        let archive = fixture("backups").join(&description.archive.file);
        verify(&archive).unwrap();
    }
}

#[test]
fn a_backup_of_version_1_is_restored() {
    let (temp, listed) = backups();
    let (oldest, deploy_dir) = (listed.last().unwrap(), temp.path().join("app"));
    let description = oldest.description.as_ref().unwrap();
    let scope = Scope::default();
    let options = Options {
        data: Data::LeaveAlone,
        scope: &scope,
        snapshot: None,
    };
    let home = Home::open(&deploy_dir).unwrap();
    let from = Source {
        archive: &oldest.archive,
        listing: &oldest
            .archive
            .with_file_name(description.archive.file.replace("tar.gz", "json")),
        description,
        others: &[],
    };
    let restored = restore::restore(from, &home, &options).unwrap();
    assert!(restored.replaced.contains(&"compose.yaml".to_owned()));
    let read = |path: &str| fs::read_to_string(deploy_dir.join(path)).unwrap();
    assert_eq!(read("link"), "lamp = v1\n");
    assert!(read("compose.yaml").contains("beacon:v1"));
    assert_eq!(read(".env"), "LAMP=v1\n");
}
