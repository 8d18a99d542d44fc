//! What goes from the server with the backups that are not kept.
//!
//! It refuses to know how many backups anybody wants.

use serde_json::Value;

use crate::harness::app::App;
use crate::harness::compose;
use crate::harness::done::Done;

/// Says whether the server has an image under a tag of its own.
fn has(app: &App, version: &str) -> bool {
    let ask = format!("docker image inspect {}", compose::beacon(version));
    let asked = app.slot.try_sh_as("root", &ask, b"");
    asked.status.success()
}

#[test]
fn the_image_of_a_commit_goes_with_the_last_backup_that_names_it() {
    let app = App::empty();
    app.furnish(&compose::web(&format!("{}:${{TAG}}", compose::BEACON)));
    let ships = |version: &str| {
        let done = app
            .deploy()
            .image(&compose::beacon(version))
            .input("env_file", &format!("TAG={version}\n"))
            .input("keep_backups", "1")
            .run();
        done.ends("deployed", 0);
        app.container("web").image_id
    };
    let first = ships("v1");
    ships("v2");
    assert!(has(&app, "v1"));
    ships("writes-data");
    assert!(!has(&app, "v1"));
    assert!(has(&app, "v2"));
    let images = app.slot.sh("docker images -aq --no-trunc");
    assert!(!images.contains(&first), "{images}");
    app.rollback().run().ends("restored", 0);
    assert_eq!(app.version().as_deref(), Some("v2"));
}

const COMMITS: [&str; 3] = [
    "1111111a0000000000000000000000000000000a",
    "2222222b0000000000000000000000000000000b",
    "3333333c0000000000000000000000000000000c",
];

/// Deploys a tag as a workflow that builds a commit does; the compose file says `latest`.
fn pushed(app: &App, tag: &str, commit: &str) -> Done {
    app.deploy()
        .image(&compose::beacon(tag))
        .variable("GITHUB_SHA", commit)
        .run()
}

/// What `landfall backups` tells, newest first.
fn told(app: &App) -> Vec<Value> {
    let listed = app.cli(&["backups", "--json"]).run();
    listed.exits(0);
    serde_json::from_str(&listed.log).unwrap()
}

#[test]
fn releases_are_kept_and_not_runs_and_a_second_rollback_goes_further_back() {
    let app = App::beacon();
    for (tag, commit) in ["v1", "v2", "v3"].into_iter().zip(COMMITS) {
        pushed(&app, tag, commit).ends("deployed", 0);
    }
    for _ in 0..3 {
        pushed(&app, "exits-at-start", "4444444d").ends("rolled_back", 1);
    }
    // Where fewer are wanted than there are, the next good one drops the oldest, and no failed one does.
    let fewer = app.deploy().image(&compose::beacon("exits-at-start"));
    let fewer = fewer.input("keep_backups", "2").run();
    fewer
        .ends("rolled_back", 1)
        .says(&["holds the same release"]);
    let all = told(&app);
    let commits = |all: &[Value]| -> Vec<String> {
        let commits = all.iter().map(|b| &b["made_by"]["origin"]["commit"]);
        commits
            .filter_map(|c| Some(c.as_str()?[..7].to_owned()))
            .collect()
    };
    assert_eq!(commits(&all), ["3333333", "2222222", "1111111"], "{all:?}");
    assert_eq!(all[0]["runs_now"], true);
    assert_eq!(all[1]["is_latest"], true);
    let table = app.cli(&["backups"]).run();
    table.says(&["beacon:v3", "3333333", "runs now", "beacon:v2", "latest"]);
    let back = |to: &str| app.rollback().input("backup_timestamp", to).run();
    let runs = |version: &str| assert_eq!(app.version().as_deref(), Some(version));
    back("latest")
        .ends("restored", 0)
        .says(&["beacon:v2, commit 2222222"]);
    runs("v2");
    back("latest")
        .ends("restored", 0)
        .says(&["beacon:v1, commit 1111111"]);
    runs("v1");
    let before = app.untouched();
    back("latest")
        .ends("refused", 2)
        .says(&["no good backup of an older release"]);
    app.is_untouched(&before);
    back("v3").ends("restored", 0);
    runs("v3");
    back("1111111a").ends("restored", 0);
    runs("v1");
    back("v3").ends("restored", 0);
    back("latest~1").ends("restored", 0);
    runs("v1");
    let unknown = app.cli(&["rollback", "5555555"]).run();
    unknown
        .exits(2)
        .says(&["no backup of `5555555`", " backups --host "]);
}
