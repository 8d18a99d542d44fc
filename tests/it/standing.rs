//! How a server stands: healthy or not, who deployed what and when, what is not as that run left it,
//! and that the commands which are printed do what they say.
//!
//! It refuses to know how a look is made.

use crate::harness::act::Act;
use crate::harness::app::App;
use crate::harness::compose;
use crate::harness::done::Done;

/// Two services that hang together by nothing, deployed.
#[track_caller]
fn two() -> App {
    let app = App::empty();
    app.furnish(&compose::pair(
        &compose::beacon("latest"),
        &compose::beacon("v2"),
    ));
    app.latest("v1");
    app.deploy().image("").run().ends("deployed", 0);
    app
}

/// The command in backticks behind some words of what was printed.
#[track_caller]
fn printed(done: &Done, words: &str) -> String {
    let Some((_, rest)) = done.log.split_once(words) else {
        panic!("{words:?} is not in {}", done.log);
    };
    let command = rest.split('`').nth(1).unwrap_or_default();
    assert!(!command.is_empty(), "no command behind {words:?}: {rest}");
    command.to_owned()
}

/// Types a command that was printed, as whoever deploys, and expects the application to be healthy.
#[track_caller]
fn is_mended_by(app: &App, command: &str) {
    app.slot.sh_as(&app.user, &format!("{command} 2>&1"), b"");
    app.cli(&["status"]).run().exits(0);
}

#[test]
fn a_status_is_unhealthy_as_soon_as_a_service_is_and_what_it_prints_mends_it() {
    let app = two();
    let well = app.cli(&["status"]).run();
    well.exits(0).says(&[
        "status     healthy",
        "deployed   20",
        "running    since 20",
        " by ",
    ]);
    assert!(!well.log.contains("drift"), "{}", well.log);
    let web = app.container("web").image_id;
    let look = Act::action(&app, "status").run();
    look.ends("healthy", 0);
    assert!(
        look.output("images").contains(&web),
        "{}",
        look.output("images")
    );
    assert!(look.output("image_digest").starts_with("sha256:"));
    for (hand, word) in [
        ("docker compose stop worker", "service `worker` is stopped"),
        (
            "docker compose rm -sf worker",
            "service `worker` was deployed and has no container",
        ),
    ] {
        app.by_hand(&format!("{hand} 2>&1"));
        let ill = app.cli(&["status"]).run();
        ill.exits(1).says(&["status     unhealthy", word]);
        is_mended_by(&app, &printed(&ill, "start it: "));
    }
    app.by_hand("docker compose pause web 2>&1");
    let ill = Act::action(&app, "status").run();
    ill.ends("unhealthy", 1).says(&["service `web` is paused"]);
    assert!(ill.output("reason").contains("ervice `web` is paused"));
    let last = printed(&ill, "read what it printed last: ");
    assert!(app.slot.sh_as(&app.user, &last, b"").contains("beacon"));
    app.by_hand("docker compose unpause web 2>&1");
    app.slot.lab("dockerd", &["stop"]);
    app.cli(&["status"])
        .run()
        .exits(1)
        .says(&["status     unhealthy", "deployed   20"]);
    Act::action(&app, "status").run().ends("unhealthy", 1);
    app.slot.lab("dockerd", &["start"]);
}

#[test]
fn what_is_not_as_the_last_deployment_left_it_is_told_and_what_is_printed_brings_it_back() {
    let app = App::beacon();
    app.put("notes.conf", "first\n");
    app.latest("v1");
    let first = app.deploy().ship("config/beacon.conf", "lamp = red\n");
    first.run().ends("deployed", 0);
    let drift = |words: &[&str]| {
        let look = app.cli(&["status"]).run();
        look.exits(0).says(words);
        look
    };
    app.put("config/beacon.conf", "lamp = by hand\n");
    drift(&["`config/beacon.conf` is not as the last deployment brought it"]);
    app.put("config/beacon.conf", "lamp = red\n");
    app.put("notes.conf", "second\n");
    let look = drift(&["`notes.conf` is not as the last deployment left it"]);
    is_mended_by(&app, &printed(&look, "to have back what was there: "));
    assert_eq!(app.read("notes.conf"), "first\n");
    // A tag that means another image by now, and then that image at work.
    let (latest, other) = (compose::beacon("latest"), compose::beacon("by-hand"));
    app.by_hand(&format!(
        "made=$(docker create {latest})
        docker export $made | docker import --change 'ENTRYPOINT [\"/beacon\"]' - {other}
        docker rm $made; docker tag {other} {latest}"
    ));
    let look = drift(&["`registry.lab:5000/beacon:latest` means the image"]);
    is_mended_by(
        &app,
        &printed(&look, "let it mean what was deployed again: "),
    );
    app.by_hand(&format!(
        "docker tag {other} {latest}; docker compose up -d 2>&1"
    ));
    let look = drift(&["service `web` runs the image"]);
    is_mended_by(&app, &printed(&look, "to have what was deployed: "));
    // Files that say something else than what runs.
    let more = compose::web(&latest).replace("8000:8000", "8002:8000");
    let text = app.read("compose.yaml");
    app.put("compose.yaml", &more);
    let look = drift(&["the files in place say something else than what runs"]);
    is_mended_by(&app, &printed(&look, "to have what they say: "));
    app.put("compose.yaml", &text);
    app.by_hand("docker compose up -d 2>&1");
    let well = drift(&["status     healthy"]);
    assert!(!well.log.contains("drift"), "{}", well.log);
}

#[test]
fn where_nothing_was_ever_deployed_a_look_says_so_and_what_runs_there_is_judged_all_the_same() {
    let app = App::beacon();
    let nothing = "nothing was ever deployed to `/srv/app`, and nothing runs there";
    let look = Act::action(&app, "status").run();
    look.ends("unhealthy", 1).says(&[nothing]);
    let made = app.slot.sh("ls -d /srv/app-backups 2>/dev/null || true");
    assert_eq!(made, "");
    app.cli(&["status"]).run().exits(1).says(&[nothing]);
    // Somebody's own, by hand, of an image that no registry has.
    let latest = compose::beacon("latest");
    app.by_hand(&format!(
        "made=$(docker create $(docker images -q registry.lab:5000/beacon | head -n 1))
        docker export $made | docker import --change 'ENTRYPOINT [\"/beacon\"]' - {latest}
        docker rm $made; docker compose up -d --pull never 2>&1"
    ));
    let look = Act::action(&app, "status").run();
    look.ends("healthy", 0);
    app.cli(&["status"])
        .run()
        .exits(0)
        .says(&["status     healthy", "web"]);
    app.by_hand("docker compose down 2>&1");
    app.cli(&["status"]).run().exits(1).says(&[nothing]);
}
