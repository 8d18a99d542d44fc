//! Which backups there are, which one is meant, and which ones go.

use std::fs;

use super::*;
use crate::files::archive::catalogue::{
    Listed, Unusable, brought_since, find, in_order, list, of_others,
};
use crate::files::archive::choice::{Current, how_far, named, standings};
use crate::files::archive::retention::{self, Keep, clear_partial, drop, to_drop};
use crate::files::archive::verify::verify;
use crate::files::foreign::odd;
use crate::host::ground::Ground;
use crate::host::site;
use crate::words::plan::{Made, Site, sample};

fn listed(second: u32, image_id: &str, purpose: Purpose) -> Listed {
    let timestamp = format!("20251017_1430{second:02}");
    Listed {
        description: Ok(Description {
            v: 1,
            timestamp: timestamp.clone(),
            sequence: second.into(),
            project: "mcp".to_owned(),
            needs: Vec::new(),
            created_at: moment(second),
            deployment_id: "id".to_owned(),
            purpose,
            deploy_dir: "/opt/mcp".into(),
            release: release(image_id),
            archive: crate::words::backup::ArchiveFact::default(),
            data: Vec::new(),
            brings: Vec::new(),
            ships: Vec::new(),
            exclude: Vec::new(),
            origin: Origin::default(),
            made_by: None,
            made_of: Vec::new(),
            fingerprint: None,
            first: 0,
        }),
        archive: PathBuf::new(),
        bytes: 0,
        timestamp,
    }
}

/// The same of another project, which ships two files.
fn of_other(second: u32) -> Listed {
    let mut other = listed(second, "other", Purpose::Deploy);
    if let Ok(description) = &mut other.description {
        description.release.project = "other".into();
        description.release.compose_files = vec!["/opt/mcp/other.yml".into()];
        description.ships = vec![".env".into(), "other.conf".into()];
        description.brings = vec!["new.conf".into()];
    }
    other
}

#[test]
fn latest_and_what_runs_brought_are_of_one_project_alone() {
    let list = [
        of_other(29),
        listed(27, "new", Purpose::Deploy),
        of_other(26),
        listed(25, "old", Purpose::Deploy),
    ];
    let running = release("new");
    let mut current = Current {
        release: &running,
        has_tree_of: &mut |_| Ok(true),
    };
    let standings = standings(&list, &mut current).unwrap();
    let chosen = standings.latest().unwrap();
    assert_eq!(chosen.timestamp, "20251017_143025");
    let target = list[3].description.as_ref().unwrap();
    assert_eq!(brought_since(&list, target), Vec::<String>::new());
    let others = of_others(&list, target);
    assert_eq!(others, [".env", "new.conf", "other.conf", "other.yml"]);
    // What was shipped before the backup is in it, and its compose file is nobody else's all the same.
    let newest = listed(30, "newest", Purpose::Deploy).description.unwrap();
    assert_eq!(of_others(&list, &newest), ["other.yml"]);
}

#[test]
fn a_compose_file_that_both_projects_were_made_from_belongs_to_both() {
    let mut own = listed(25, "old", Purpose::Deploy).description.unwrap();
    own.release.compose_files = vec!["/opt/mcp/other.yml".into()];
    let others = of_others(&[of_other(26)], &own);
    assert_eq!(others, [".env", "new.conf", "other.conf"]);
}

fn broken(second: u32) -> Listed {
    Listed {
        description: Err(Unusable::Broken("it has no description".to_owned())),
        ..listed(second, "", Purpose::Deploy)
    }
}

fn stamps(list: &[Listed]) -> Vec<&str> {
    list.iter().map(|l| l.timestamp.as_str()).collect()
}

#[test]
fn backups_are_listed_by_name_newest_first_and_foreign_files_are_not() {
    let scene = Scene::with(&[("compose.yaml", "")]);
    for _ in 0..3 {
        scene.back_up();
    }
    for foreign in [
        "notes.txt",
        "mcp-backup-latest.tar.gz",
        "other-backup-20251017_143025.json",
    ] {
        fs::write(scene.backups().join(foreign), "").unwrap();
    }
    fs::create_dir_all(scene.backups().join(".landfall")).unwrap();
    let now = std::time::SystemTime::now() + std::time::Duration::from_secs(999);
    let oldest = scene.backups().join("mcp-backup-20251017_143025.json");
    fs::File::options()
        .write(true)
        .open(&oldest)
        .unwrap()
        .set_modified(now)
        .unwrap();
    let all = list(&scene.backups(), &scene.deploy()).unwrap();
    assert_eq!(
        stamps(&all),
        ["20251017_143027", "20251017_143026", "20251017_143025"]
    );
    assert!(all.iter().all(|l| l.description.is_ok() && l.bytes > 0));
    assert_eq!(
        list(&scene.home.path().join("none"), &scene.deploy()).unwrap(),
        []
    );
}

#[test]
fn a_backup_that_is_not_whole_is_listed_with_the_reason() {
    let scene = Scene::with(&[("compose.yaml", "")]);
    let mut written: Vec<Written> = (0..5).map(|_| scene.back_up()).collect();
    let stamps: Vec<String> = written
        .iter()
        .map(|w| w.description.timestamp.clone())
        .collect();
    let path = |i: usize, end: &str| {
        scene
            .backups()
            .join(format!("mcp-backup-{}{end}", stamps[i]))
    };
    fs::remove_file(path(0, ".json")).unwrap();
    fs::remove_file(path(1, ".tar.gz")).unwrap();
    fs::write(path(2, ".tar.gz"), "short").unwrap();
    scene.rewrite(&mut written[3], |description, _| {
        description.deploy_dir = "/srv/mcp".into();
    });
    let all = list(&scene.backups(), &scene.deploy()).unwrap();
    let why = |i: usize| all[4 - i].description.as_ref().unwrap_err().to_string();
    assert_eq!(why(0), "it has no description");
    assert_eq!(why(1), "its archive is missing");
    assert!(why(2).contains("its archive has 5 bytes"), "{}", why(2));
    assert_eq!(why(3), "it was taken of `/srv/mcp`");
    assert!(all[0].description.is_ok());

    let error = find(&all, &all[4].timestamp).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("cannot be used: it has no description"),
        "{error}"
    );
    let error = find(&all, "20200101_000000").unwrap_err();
    assert_eq!(
        error.hints,
        [format!(
            "choose one of those that exist: {}",
            all[0].timestamp
        )]
    );
    assert_eq!(find(&all, &all[0].timestamp).unwrap(), &all[0]);
}

fn chosen<'a>(list: &'a [Listed], running: &str) -> Result<&'a str, Failure> {
    let mut current = Current {
        release: &release(running),
        has_tree_of: &mut |_| Ok(true),
    };
    Ok(standings(list, &mut current)?.latest()?.timestamp.as_str())
}

#[test]
fn latest_is_the_newest_good_backup_that_is_not_what_runs() {
    let mut bad = listed(8, "sha256:crashed", Purpose::Deploy);
    bad.description.as_mut().unwrap().release.services[0].well = false;
    let all = [
        broken(9),
        bad,
        listed(7, "sha256:safety", Purpose::Safety),
        listed(6, "sha256:running", Purpose::Deploy),
        listed(5, "sha256:good", Purpose::Deploy),
        listed(4, "sha256:older", Purpose::Deploy),
    ];
    assert_eq!(chosen(&all, "sha256:running").unwrap(), "20251017_143005");
    assert_eq!(chosen(&all, "sha256:good").unwrap(), "20251017_143004");
    assert_eq!(chosen(&all, "sha256:new").unwrap(), "20251017_143006");
    let error = chosen(&all[..4], "sha256:running").unwrap_err();
    let why = [
        "`20251017_143009`: it has no description",
        "`20251017_143008`: `api` did not run well in it",
        "`20251017_143007`: it is the safety copy of a rollback",
        "`20251017_143006`: it is what is running",
    ];
    assert_eq!(error.because, [why.join("; ")]);
    let error = chosen(&[], "x").unwrap_err();
    assert_eq!(error.because, ["there is no backup at all"]);
}

#[test]
fn what_was_brought_among_data_since_a_backup_makes_the_tree_another_and_a_restore_removes_it() {
    let scene = Scene::with(&[("conf.d/app.conf", "old"), ("conf.d/session", "1")])
        .data(&["conf.d"])
        .own(&["conf.d/app.conf", "conf.d/new.conf"]);
    let earlier = scene.back_up();
    assert_eq!(earlier.description.brings, ["conf.d/new.conf"]);
    lay(&scene.deploy(), &[("conf.d/new.conf", "")]);
    let later = scene.back_up();
    assert_eq!(later.description.brings, [""; 0]);
    assert_eq!(latest_of(&scene).unwrap(), earlier.description.timestamp);
    let all = list(&scene.backups(), &scene.deploy()).unwrap();
    let since = |written: &Written| brought_since(&all, &written.description);
    assert_eq!(since(&earlier), ["conf.d/new.conf"]);
    assert_eq!(since(&later), [""; 0]);
    let report = scene.restore(&earlier, Data::LeaveAlone);
    assert_eq!(report.removed, ["conf.d/new.conf"]);
}

#[test]
fn a_directory_that_stays_for_what_lies_in_it_does_not_make_the_tree_another() {
    let scene = Scene::with(&[("compose.yaml", "")])
        .data(&["volumes/db"])
        .excluding(&["node_modules"]);
    let mut written = scene.back_up();
    // An older program's, of which it is not known what made it up.
    scene.rewrite(&mut written, |description, _| {
        description.fingerprint = None;
    });
    lay(
        &scene.deploy(),
        &[("volumes/db/1", ""), ("web/app/node_modules/a", "")],
    );
    latest_of(&scene).unwrap_err();
    let report = scene.restore(&written, Data::LeaveAlone);
    assert_eq!(report.kept, ["volumes", "web", "web/app"]);
    latest_of(&scene).unwrap_err();
    fs::create_dir(scene.at("web/empty")).unwrap();
    assert_eq!(latest_of(&scene).unwrap(), written.description.timestamp);
}

/// What `latest` means while the same runs as when the backups were taken.
fn latest_of(scene: &Scene) -> Result<String, Failure> {
    let site = Site {
        deploy_dir: scene.deploy(),
        backup_dir: scene.backups(),
        ..sample::deploy().site
    };
    let all = list(&scene.backups(), &scene.deploy()).unwrap();
    let standings = site::standings(
        &Ground::open(&site).unwrap(),
        &site,
        &all,
        &release("sha256:one"),
    );
    Ok(standings?.latest()?.timestamp.clone())
}

#[test]
fn a_backup_whose_tree_differs_is_not_what_runs() {
    let scene = Scene::with(&[("compose.yaml", "old")]);
    let written = scene.back_up();
    latest_of(&scene).unwrap_err();
    fs::write(scene.at("compose.yaml"), "new").unwrap();
    assert_eq!(latest_of(&scene).unwrap(), written.description.timestamp);
}

#[test]
fn a_backup_is_compared_without_what_it_excludes_and_with_what_the_release_owns_within_data() {
    let scene = Scene::with(&[("compose.yaml", "old"), ("conf.d/app.conf", "old")]);
    let earlier = scene.back_up();
    fs::write(scene.at("compose.yaml"), "new").unwrap();
    lay(
        &scene.deploy(),
        &[("node_modules/a", ""), ("conf.d/session", "")],
    );
    let scene = scene
        .data(&["conf.d"])
        .own(&["conf.d/app.conf"])
        .excluding(&["node_modules"]);
    let newer = scene.back_up();
    assert_eq!(latest_of(&scene).unwrap(), earlier.description.timestamp);
    fs::write(scene.at("conf.d/app.conf"), "newer").unwrap();
    assert_eq!(latest_of(&scene).unwrap(), newer.description.timestamp);
}

#[test]
fn the_newest_stay_and_so_does_what_is_protected() {
    let all = [
        listed(9, "a", Purpose::Safety),
        broken(8),
        listed(7, "b", Purpose::Deploy),
        listed(6, "c", Purpose::Deploy),
        broken(5),
        listed(4, "d", Purpose::Deploy),
        Listed {
            description: Err(Unusable::Foreign("/srv/mcp".into())),
            ..listed(3, "", Purpose::Deploy)
        },
    ];
    let drops = |keep, protect: &[&str]| to_drop(&all, Keep::newest(keep), protect);
    assert_eq!(
        drops(2, &[]),
        ["20251017_143006", "20251017_143005", "20251017_143004"]
    );
    assert_eq!(
        drops(2, &["20251017_143004"]),
        ["20251017_143006", "20251017_143005"]
    );
    assert_eq!(drops(9, &[]), [""; 0]);
    assert_eq!(to_drop(&[broken(1)], Keep::newest(3), &[]), [""; 0]);
}

#[test]
fn dropped_backups_are_gone_and_nothing_else_is() {
    let scene = Scene::with(&[("compose.yaml", "")]);
    for _ in 0..3 {
        scene.back_up();
    }
    fs::write(scene.backups().join("notes.txt"), "").unwrap();
    let all = list(&scene.backups(), &scene.deploy()).unwrap();
    drop(
        &scene.backups(),
        &scene.deploy(),
        &to_drop(&all, Keep::newest(1), &[]),
    )
    .unwrap();
    assert_eq!(
        scene.kept(),
        [
            "mcp-backup-20251017_143027.json",
            "mcp-backup-20251017_143027.tar.gz",
            "notes.txt"
        ]
    );
    drop(&scene.backups(), &scene.deploy(), &["20251017_143025"]).unwrap();
}

#[test]
fn a_drop_that_dies_half_way_leaves_no_backup_that_looks_whole() {
    let scene = Scene::with(&[("compose.yaml", "")]);
    let timestamp = scene.back_up().description.timestamp;
    crate::files::tree::dir::faults::after(Some(1));
    let done = drop(&scene.backups(), &scene.deploy(), &[&timestamp]);
    crate::files::tree::dir::faults::after(None);
    done.unwrap_err();
    let all = list(&scene.backups(), &scene.deploy()).unwrap();
    let why = all[0].description.as_ref().unwrap_err().to_string();
    assert_eq!(why, "it has no description");
}

#[test]
fn what_runs_left_half_written_is_cleared_and_what_one_at_work_writes_is_not() {
    let scene = Scene::with(&[("compose.yaml", "")]);
    scene.back_up();
    let old = ".mcp-backup-20251016_000000.tar.gz.partial-20251016_000000-aaaaaa";
    let ours = ".mcp-backup-20251017_000000.tar.gz.partial-20251017_000000-bbbbbb";
    let later = ".mcp-backup-20251018_000000.tar.gz.partial-20251018_000000-cccccc";
    for name in [old, ours, later] {
        fs::write(scene.backups().join(name), "").unwrap();
    }
    // Its clock is ahead of ours, or it is another directory's; what counts is that it is at work.
    let run = scene
        .backups()
        .join(".landfall/runs/20251018_000000-cccccc");
    fs::create_dir_all(&run).unwrap();
    let alive = fs::File::create(run.join("alive")).unwrap();
    alive.lock().unwrap();
    let mut cleared =
        clear_partial(&scene.backups(), &scene.deploy(), "20251017_000000-bbbbbb").unwrap();
    cleared.sort();
    assert_eq!(cleared, [old, ours]);
    assert_eq!(scene.kept().len(), 3);
    std::mem::drop(alive);
    let cleared = clear_partial(&scene.backups(), &scene.deploy(), "20251017_000000-bbbbbb");
    assert_eq!(
        cleared.unwrap(),
        [later],
        "a dead run's, whatever its clock said"
    );
}

#[test]
fn an_archive_that_got_its_name_before_its_description_did_is_cleared_too() {
    let scene = Scene::with(&[("compose.yaml", "")]);
    scene.back_up();
    let archive = "mcp-backup-20251016_000000.tar.gz";
    let partial = ".mcp-backup-20251016_000000.json.partial-20251016_000000-aaaaaa";
    for name in [archive, partial] {
        fs::write(scene.backups().join(name), "").unwrap();
    }
    let cleared =
        clear_partial(&scene.backups(), &scene.deploy(), "20251016_000000-aaaaaa").unwrap();
    assert_eq!(cleared, [archive, partial]);
    assert_eq!(scene.kept().len(), 2);
}

#[test]
fn whatever_lies_under_a_backups_name_holds_nobody_and_is_no_backup() {
    for (what, end) in odd::ALL
        .iter()
        .flat_map(|what| [(*what, ".json"), (*what, ".tar.gz")])
    {
        let scene = Scene::with(&[("compose.yaml", "")]);
        let written = scene.back_up();
        let stamp = written.description.timestamp.clone();
        odd::put(
            what,
            &scene.backups().join(format!("mcp-backup-{stamp}{end}")),
        );
        let (backups, deploy) = (scene.backups(), scene.deploy());
        let all = odd::ends(what, move || list(&backups, &deploy)).unwrap();
        assert!(all[0].description.is_err(), "{what}{end}: {all:?}");
        let archive = written.archive.clone();
        odd::ends(what, move || verify(&archive)).unwrap_err();
        let sound = scene.back_up();
        drop(&scene.backups(), &scene.deploy(), &[&stamp]).unwrap();
        let left = scene.kept().len();
        assert_eq!(left, if what == "directory" { 3 } else { 2 }, "{what}{end}");
        verify(&sound.archive).unwrap();
    }
}

#[test]
fn a_clock_that_was_set_back_changes_neither_the_order_nor_what_is_kept() {
    let scene = Scene::with(&[("compose.yaml", "")]);
    let made: Vec<Written> = [25, 10, 10, 50, 5]
        .map(|second| scene.back_up_at(moment(second)))
        .into();
    let all = list(&scene.backups(), &scene.deploy()).unwrap();
    let newest_first: Vec<&str> = made
        .iter()
        .rev()
        .map(|w| w.description.timestamp.as_str())
        .collect();
    assert_eq!(stamps(&all), newest_first);
    let mut sorted = newest_first.clone();
    sorted.sort_by(|a, b| b.cmp(a));
    assert_eq!(sorted, newest_first, "the names are in the same order");
    let sequences = all.iter().map(|l| l.description.as_ref().unwrap().sequence);
    assert_eq!(sequences.collect::<Vec<_>>(), [5, 4, 3, 2, 1]);
    assert_eq!(
        to_drop(&all, Keep::newest(2), &[]),
        newest_first[1..],
        "all are one release"
    );
    drop(&scene.backups(), &scene.deploy(), &newest_first).unwrap();
    let next = scene.back_up_at(moment(1));
    assert_eq!(next.description.sequence, 6, "the highest is remembered");
}

#[test]
fn a_backup_of_version_1_comes_before_all_others_by_its_timestamp() {
    let stamp = |second: u32| format!("20251017_1430{second:02}");
    let old = |second| {
        let mut listed = listed(second, "", Purpose::Deploy);
        listed.description.as_mut().unwrap().sequence = 0;
        listed
    };
    let mut future = old(59);
    future.timestamp = stamp(59);
    let all = [old(7), listed(8, "", Purpose::Deploy), future, broken(30)];
    let ordered = in_order(all.to_vec());
    assert_eq!(stamps(&ordered), [stamp(30), stamp(8), stamp(59), stamp(7)]);
}

#[test]
fn what_a_newer_landfall_made_is_told_and_never_dropped() {
    let scene = Scene::with(&[("compose.yaml", "")]);
    let mut written = scene.back_up();
    scene.rewrite(&mut written, |description, _| {
        description.needs = vec!["time-travel".to_owned()];
    });
    scene.back_up();
    let all = list(&scene.backups(), &scene.deploy()).unwrap();
    let why = all[1].description.as_ref().unwrap_err().to_string();
    assert!(why.contains("needs `time-travel`"), "{why}");
    assert_eq!(to_drop(&all, Keep::newest(1), &[]), [""; 0]);
    let path = scene.listing(&written.description);
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("\"version\":2", "\"version\":3")).unwrap();
    let all = list(&scene.backups(), &scene.deploy()).unwrap();
    assert!(
        matches!(all[1].description, Err(Unusable::Newer(_))),
        "{all:?}"
    );
}

/// A good backup of a release that a fingerprint tells, made from a commit.
fn of_release(second: u32, release: &str, commit: &str, purpose: Purpose) -> Listed {
    let mut listed = listed(second, &format!("sha256:{release}"), purpose);
    let description = listed.description.as_mut().unwrap();
    description.fingerprint = Some(release.to_owned());
    description.made_by = Some(Made {
        run: "run".into(),
        at: moment(second),
        asked: vec![format!("ghcr.io/acme/api:{release}")],
        origin: Origin {
            commit: Some(commit.to_owned()),
            ..Origin::default()
        },
    });
    listed
}

#[test]
fn releases_are_kept_and_not_runs_and_what_failed_evicts_none() {
    use Purpose::{Deploy, Safety};
    let all = [
        of_release(9, "v3", "ccc", Deploy),
        of_release(8, "v3", "ccc", Deploy),
        of_release(7, "v3", "ccc", Safety),
        of_release(6, "v3", "ccc", Deploy),
        of_release(5, "v2", "bbb", Deploy),
        of_release(4, "v1", "aaa", Deploy),
    ];
    let drops = |keep| to_drop(&all, Keep::newest(keep), &[]);
    assert_eq!(
        drops(3),
        ["20251017_143008", "20251017_143007", "20251017_143006"]
    );
    assert_eq!(drops(2).last().unwrap(), "20251017_143004");
    let why = |timestamp| retention::why(&all, &drops(2), timestamp);
    assert_eq!(
        why("20251017_143006"),
        "`20251017_143009` holds the same release"
    );
    assert!(why("20251017_143004").contains("`keep_backups`"));
    // The newest copy may be one that `latest` never means; then the newest other one stays too.
    let mut rolled_back = all.to_vec();
    rolled_back[0] = of_release(9, "v3", "ccc", Safety);
    let kept = to_drop(&rolled_back, Keep::newest(3), &[]);
    assert_eq!(kept, ["20251017_143007", "20251017_143006"]);
}

#[test]
fn attempts_that_fail_evict_no_release_and_do_not_heap_up() {
    let nothing = |second| {
        let mut listed = listed(second, "sha256:none", Purpose::Deploy);
        listed
            .description
            .as_mut()
            .unwrap()
            .release
            .services
            .clear();
        listed
    };
    let failed = (2..10).rev().map(nothing);
    let mut all: Vec<Listed> = failed.collect();
    all.push(of_release(1, "v1", "aaa", Purpose::Deploy));
    let drops = |keep| to_drop(&all, keep, &[]);
    let stamps = |seconds: &[u32]| -> Vec<String> {
        let stamp = |s: &u32| format!("20251017_14300{s}");
        seconds.iter().map(stamp).collect()
    };
    assert_eq!(drops(Keep::every_release(3)), stamps(&[6, 5, 4, 3, 2]));
    all[0] = of_release(9, "v3", "ccc", Purpose::Deploy);
    all[1] = of_release(8, "v2", "bbb", Purpose::Deploy);
    let drops = |keep| to_drop(&all, keep, &[]);
    assert_eq!(drops(Keep::every_release(1)), stamps(&[6, 5, 4, 3, 2]));
    assert_eq!(drops(Keep::newest(1)).last().unwrap(), "20251017_143001");
}

#[test]
fn what_was_no_good_release_stays_beside_the_good_ones_and_goes_once_it_is_older_than_they() {
    let mut nothing = listed(1, "", Purpose::Deploy);
    nothing
        .description
        .as_mut()
        .unwrap()
        .release
        .services
        .clear();
    let mut bad = listed(5, "sha256:bad", Purpose::Deploy);
    bad.description.as_mut().unwrap().release.services[0].well = false;
    let all = [
        of_release(7, "v3", "ccc", Purpose::Deploy),
        bad,
        of_release(4, "v2", "bbb", Purpose::Deploy),
        of_release(2, "v1", "aaa", Purpose::Deploy),
        nothing,
    ];
    assert_eq!(to_drop(&all, Keep::newest(4), &[]), [""; 0]);
    assert_eq!(to_drop(&all, Keep::newest(3), &[]), ["20251017_143001"]);
    assert_eq!(
        to_drop(&all, Keep::newest(1), &[]),
        [
            "20251017_143005",
            "20251017_143004",
            "20251017_143002",
            "20251017_143001"
        ]
    );
}

#[test]
fn every_rollback_goes_further_back_and_none_goes_forward() {
    use Purpose::{Deploy, Safety};
    let mut all = vec![
        of_release(6, "v3", "ccc", Safety),
        of_release(5, "v2", "bbb", Deploy),
        of_release(4, "v1", "aaa", Deploy),
    ];
    let latest = |all: &[Listed], runs: &str| {
        let chosen = chosen(all, &format!("sha256:{runs}"));
        chosen.map(ToOwned::to_owned)
    };
    assert_eq!(latest(&all, "v2").unwrap(), "20251017_143004");
    // The safety copy of v2, made by the next rollback, is of a release that came before v3.
    let mut again = of_release(7, "v2", "bbb", Safety);
    again.description.as_mut().unwrap().first = 5;
    all.insert(0, again);
    let error = latest(&all, "v1").unwrap_err();
    assert!(error.what.contains("older release"), "{error}");
    assert_eq!(error.because[0].split("; ").count(), 4, "{error:?}");
    // A release that no backup holds is the newest; what was rolled back from is never meant.
    assert_eq!(latest(&all, "v4").unwrap(), "20251017_143005");
    let of = |all: &[Listed], further| {
        let running = release("sha256:v4");
        let mut current = Current {
            release: &running,
            has_tree_of: &mut |_| Ok(true),
        };
        let standings = standings(all, &mut current).unwrap();
        standings.back(further).map(|l| l.timestamp.clone())
    };
    assert_eq!(of(&all, 1).unwrap(), "20251017_143004");
    let error = of(&all, 2).unwrap_err();
    assert!(
        error.what.contains("`latest~2` goes further back"),
        "{error}"
    );
}

#[test]
fn a_backup_is_named_by_its_time_its_commit_or_its_tag() {
    use Purpose::{Deploy, Safety};
    let commits = ["1a2b3c4d5e6f", "1a2b3c4fffff", "9999999aaaaa"];
    let all = [
        of_release(9, "v3", commits[2], Safety),
        of_release(8, "v3", commits[2], Deploy),
        of_release(7, "v2", commits[1], Deploy),
        of_release(6, "v1", commits[0], Deploy),
    ];
    let found = |word: &str| named(&all, "mcp", word).map(|l| l.timestamp.clone());
    assert_eq!(found("20251017_143007").unwrap(), "20251017_143007");
    assert_eq!(found("v1").unwrap(), "20251017_143006");
    assert_eq!(found("1A2B3C4D").unwrap(), "20251017_143006");
    assert_eq!(
        found("9999999").unwrap(),
        "20251017_143008",
        "what was deployed over"
    );
    for nobody in ["999999", "v4", "9999998", "20251017_143001"] {
        let error = found(nobody).unwrap_err();
        assert!(error.what.contains("there is no backup"), "{error}");
    }
    let error = found("1a2b3c4").unwrap_err();
    assert!(error.what.contains("names 2 releases"), "{error}");
    assert!(
        error.hints[0].contains("20251017_143007, 20251017_143006"),
        "{error:?}"
    );
    assert_eq!(named(&all, "other", "v1").unwrap_err().hints.len(), 1);
    let far = ["latest", "latest~0", "latest~2", "latest~", "latest2", "v1"].map(how_far);
    assert_eq!(far, [Some(0), Some(0), Some(2), None, None, None]);
}

#[test]
fn a_log_that_grows_makes_no_new_release_and_an_edited_file_of_its_own_does() {
    let scene = Scene::with(&[
        ("compose.yaml", "old"),
        ("app.conf", "old"),
        ("cron.log", "1"),
    ])
    .own(&["app.conf"]);
    let first = scene.back_up().description;
    lay(&scene.deploy(), &[("cron.log", "1 and 2")]);
    let second = scene.back_up().description;
    assert_eq!(first.fingerprint, second.fingerprint);
    assert_eq!((first.first, second.first), (1, 1));
    latest_of(&scene).unwrap_err();
    for (path, was, edited) in [("app.conf", "old", "new"), ("compose.yaml", "old", "new")] {
        fs::write(scene.at(path), edited).unwrap();
        assert!(latest_of(&scene).is_ok(), "{path}");
        let third = scene.back_up().description;
        assert_eq!(third.first, third.sequence, "{path}");
        fs::write(scene.at(path), was).unwrap();
        assert_eq!(scene.back_up().description.first, 1, "{path}");
    }
}
