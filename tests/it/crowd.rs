//! Many deployments of one directory at once.
//!
//! It refuses to know how the lock is made.

use crate::harness::act;
use crate::harness::app::App;
use crate::harness::compose;

/// How many come at once.
const CROWD: usize = 20;

/// Puts the program under test on the server and lets a crowd of it deploy there at once.
#[track_caller]
fn a_crowd_deploys(app: &App) -> String {
    let program = std::fs::read(act::landfall()).unwrap();
    app.slot.sh_as(
        "root",
        "cat > /tmp/landfall; chmod 755 /tmp/landfall",
        &program,
    );
    let script = format!(
        "cd /tmp; read -r LANDFALL_REGISTRY_PASSWORD; export LANDFALL_REGISTRY_PASSWORD
        for n in $(seq {CROWD}); do
            ( set +e; /tmp/landfall deploy --deploy-dir {dir} --lock-timeout 500 \
                --registry-username {user} --image {image} > /tmp/crowd-$n.log 2>&1 < /dev/null
              echo \"code $?\"; tail -n 1 /tmp/crowd-$n.log ) &
        done; wait",
        dir = app.dir,
        user = app.slot.fact("REGISTRY_USER"),
        image = compose::beacon("latest"),
    );
    let password = format!("{}\n", app.slot.fact("REGISTRY_PASSWORD"));
    app.slot.sh_as("deploy", &script, password.as_bytes())
}

/// When a run of a journal held the lock for certain, and how it ended.
fn interval(journal: &str) -> (String, String, String) {
    let field = |line: &str| {
        let json = line.split_once(' ').unwrap().1;
        let record: serde_json::Value = serde_json::from_str(json).unwrap();
        record["at"].as_str().unwrap().to_owned()
    };
    let held = "\"event\":\"succeeded\",\"step\":\"preflight\"";
    let begun = journal.lines().find(|line| line.contains(held));
    let last = journal.lines().last().unwrap();
    assert!(last.contains("\"event\":\"finished\""), "no end: {last}");
    let begun = field(begun.unwrap_or_else(|| panic!("it never held the lock: {last}")));
    (begun, field(last), last.to_owned())
}

#[test]
fn twenty_deployments_at_once_go_strictly_one_after_another_and_none_is_lost() {
    let app = App::running("v1");
    let codes = a_crowd_deploys(&app);
    assert_eq!(codes.matches("code 0").count(), CROWD, "{codes}");
    let runs = app.slot.sh("ls /srv/app-backups/.landfall/runs");
    let mut intervals: Vec<_> = runs
        .lines()
        .map(|id| {
            interval(
                &app.slot
                    .sh(&format!("cat /srv/app-backups/.landfall/runs/{id}/journal")),
            )
        })
        .collect();
    assert_eq!(intervals.len(), CROWD + 1);
    intervals.sort();
    for pair in intervals.windows(2) {
        assert!(pair[0].1 <= pair[1].0, "two at once: {pair:#?}");
    }
    assert!(intervals.iter().all(|run| run.2.contains("\"deployed\"")));
    assert_eq!(app.version().as_deref(), Some("v1"));
    assert_eq!(app.containers()["web"].len(), 1);
    app.nothing_lingers();
}
