//! Many deployments of one directory at once, and a way back that cannot be gone.
//!
//! It refuses to know how the lock is made.

use crate::harness::act;
use crate::harness::app::App;
use crate::harness::compose;
use crate::harness::poll::seconds;

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

#[test]
fn an_old_image_that_is_gone_everywhere_is_told_with_what_mends_it_and_what_can_serve_serves() {
    let app = App::empty();
    app.furnish(&compose::pair(
        &compose::beacon("v1"),
        &compose::beacon("v3"),
    ));
    app.deploy().image("").run().ends("deployed", 0);
    let before = app.release();
    let v1 = app.container("web").image_id;
    let new = compose::pair(&compose::beacon("v2"), &compose::beacon("v2"));
    let mut run = app
        .deploy()
        .image("")
        .ship("compose.yaml", &new)
        .input(
            "smoke_tests",
            "- name: outside\n  http: http://127.0.0.1:9/\n  from: runner\n",
        )
        .input("health_timeout", "12")
        .start();
    run.until_it_says("waits for the runner's", seconds(60));
    app.slot.sh(&format!("docker rmi -f {v1}"));
    app.slot.lab("registry", &["stop"]);
    let done = run.wait();
    done.ends("rollback_failed", 3).says(&[
        "check `outside`",
        "service `web` cannot have its old image back",
        "tar -xzpf /srv/app-backups/app-backup-",
        &format!("docker tag {v1} registry.lab:5000/beacon:v1"),
        "docker pull registry.lab:5000/beacon@sha256:",
        "docker compose -p app -f /srv/app/compose.yaml up -d",
        "landfall rollback 20",
    ]);
    assert_eq!(app.tree(), before.tree);
    assert_eq!(
        app.version_on(8001).as_deref(),
        Some("v3"),
        "the worker is not back"
    );
    assert_eq!(
        app.version().as_deref(),
        Some("v2"),
        "nothing answers for `web`"
    );
    let status = app.cli(&["status"]).run();
    status
        .exits(0)
        .says(&["rollback_failed", "check `outside`", "to do", "docker tag"]);
    // The commands do mend it, once the cause is gone.
    app.slot.lab("registry", &["start"]);
    let timestamp = done.output("backup_timestamp");
    app.rollback()
        .with_registry()
        .input("backup_timestamp", timestamp)
        .run()
        .ends("restored", 0);
    assert_eq!(app.version().as_deref(), Some("v1"));
    assert_eq!(app.release().services, before.services);
}
