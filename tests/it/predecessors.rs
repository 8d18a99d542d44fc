//! A release that renames or drops a service: what ran under the old name gives its port and its name
//! free, comes back with everything else, and is gone once the release is final.
//!
//! It refuses to know what a rollback by hand does with such services.

use crate::harness::app::App;
use crate::harness::compose;

/// A service of `beacon:latest` that has port 8000 and a name of its own.
fn named(service: &str) -> String {
    let text = compose::service(service, &compose::beacon("latest"), 8000);
    format!("services:\n{text}    container_name: lighthouse\n")
}

#[test]
fn a_renamed_service_takes_over_the_port_and_the_name_of_its_predecessor() {
    let app = App::beacon();
    app.put("compose.yaml", &named("web"));
    app.ships("v1");
    let before = app.release();
    app.latest("exits-at-start");
    let act = app.deploy().ship("compose.yaml", &named("lamp"));
    act.run().ends("rolled_back", 1);
    app.is_again(&before);
    assert_eq!(app.version().as_deref(), Some("v1"));
    app.latest("v2");
    let act = app.deploy().ship("compose.yaml", &named("lamp"));
    act.run()
        .ends("deployed", 0)
        .says(&["stopping `lighthouse`"]);
    assert_eq!(app.version().as_deref(), Some("v2"));
    assert_eq!(app.container("lamp").name, "/lighthouse");
    assert!(!app.containers().contains_key("web"));
    app.rollback().run().ends("restored", 0);
    assert_eq!(app.version().as_deref(), Some("v1"));
    assert_eq!(app.container("web").name, "/lighthouse");
}

#[test]
fn a_dropped_service_goes_with_its_release_and_what_others_files_made_or_profiles_hold_stays() {
    let app = App::beacon();
    let latest = compose::beacon("latest");
    let plain = |name: &str| format!("  {name}:\n    image: {latest}\n");
    let all = format!(
        "{}{}{}    profiles: [tools]\n",
        compose::web(&latest),
        plain("worker"),
        plain("tool")
    );
    app.put("compose.yaml", &all);
    app.ships("v1");
    app.put("other.yaml", &format!("services:\n{}", plain("lodger")));
    app.by_hand(
        "docker compose --profile tools up -d tool; docker compose -f other.yaml up -d 2>&1",
    );
    let (tool, lodger) = (app.container("tool"), app.container("lodger"));
    let of_subset = app.container("worker");
    let fewer = format!(
        "{}{}    profiles: [tools]\n",
        compose::web(&latest),
        plain("tool")
    );
    let act = app.deploy().ship("compose.yaml", &fewer);
    act.input("services", "web").run().ends("deployed", 0);
    assert_eq!(app.container("worker"), of_subset);
    let done = app.deploy().ship("compose.yaml", &fewer).run();
    done.ends("deployed", 0).says(&[
        "`app-lodger-1` of service `lodger` is not in the new release",
        "docker rm -f app-lodger-1",
    ]);
    assert!(
        !done.log.contains("docker rm -f app-worker"),
        "{}",
        done.log
    );
    assert!(!app.containers().contains_key("worker"));
    assert_eq!(app.container("tool"), tool);
    assert_eq!(app.container("lodger"), lodger);
}

#[test]
fn a_service_is_renamed_together_with_its_compose_file() {
    let app = App::empty();
    let web = compose::web(&compose::beacon("latest"));
    app.put("base.yaml", &web);
    app.latest("v1");
    let act = app.deploy().input("compose_file", "base.yaml");
    act.run().ends("deployed", 0);
    let renamed = compose::service("lamp", &compose::beacon("latest"), 8000);
    let act = app.deploy().input("compose_file", "prod.yaml");
    let act = act.ship("prod.yaml", &format!("services:\n{renamed}"));
    act.run().ends("deployed", 0);
    assert!(!app.containers().contains_key("web"));
    assert_eq!(app.version().as_deref(), Some("v1"));
}
