//! `up` is refused half-way: what it had made by then goes, whatever it is, so that the same push
//! ends the same again.
//!
//! It refuses to know what was wrong with the release.

use crate::harness::app::App;
use crate::harness::compose;

/// Services that are fine, each with a volume and a network of its own, and one that is not.
fn with(odd: &str, networks: &str) -> String {
    let image = compose::beacon("latest");
    let six = |line: &dyn Fn(u32) -> String| (1..=6).map(line).collect::<String>();
    let fine = six(&|n| {
        format!(
            "  fine{n}:\n    image: {image}\n    volumes: [\"store{n}:/store\"]\n    networks: [net{n}]\n"
        )
    });
    let stores = six(&|n| format!("  store{n}: {{}}\n"));
    let nets = six(&|n| format!("  net{n}: {{}}\n"));
    format!(
        "{}{fine}  odd:\n    image: {image}\n{odd}volumes:\n{stores}networks:\n{nets}{networks}",
        compose::web(&image)
    )
}

#[track_caller]
fn leaves_nothing(app: &App, broken: &str) {
    let before = app.release();
    for _ in 0..2 {
        let act = app.deploy().ship("compose.yaml", broken);
        act.run().ends("rolled_back", 1);
        app.is_again(&before);
    }
}

const NO_SOURCE: &str = "    volumes:\n      - {type: bind, source: /nowhere/there, target: /x, bind: {create_host_path: false}}\n";

#[test]
fn what_a_half_way_up_made_goes_also_where_nothing_ran_before() {
    let app = App::beacon();
    app.latest("v1");
    leaves_nothing(&app, &with(NO_SOURCE, ""));
}

#[test]
fn what_a_half_way_up_made_beside_a_release_goes_and_what_was_there_stays() {
    let app = App::running("v1");
    app.slot
        .sh("docker volume create app_store1; docker volume create mine");
    leaves_nothing(&app, &with(NO_SOURCE, ""));
    // The engine sees that a directory cannot be a file only when it starts the container.
    leaves_nothing(&app, &with("    volumes: [\"./config:/beacon\"]\n", ""));
    let pool = "  one: &pool {ipam: {config: [{subnet: 10.213.0.0/24}]}}\n  two: *pool\n";
    leaves_nothing(&app, &with("    networks: [one, two]\n", pool));
    assert_eq!(app.version().as_deref(), Some("v1"));
}
