//! The application answers until all that takes long is done: images pulled, a backup made.
//!
//! It refuses to know what happens once something has been stopped.

use crate::harness::app::App;
use crate::harness::snoop::Client;

#[test]
fn images_are_pulled_and_the_backup_is_made_before_anything_is_stopped() {
    let app = App::running("v1");
    let old = app.container("web");
    app.latest("v2");
    let client = Client::of(&app);
    let run = app.deploy().start_held();
    client.never_waited();
    assert_eq!(app.container("web"), old);
    let v2 = format!(
        "registry.lab:5000/beacon@{}",
        app.slot.registry_digest("v2")
    );
    assert!(app.image(&v2).is_some(), "v2 is not on the server yet");
    assert_eq!(app.backup_timestamps().len(), 2);
    run.let_go();
    run.wait().ends("deployed", 0);
}

#[test]
fn a_pull_that_hangs_is_given_up_and_the_application_never_stops_answering() {
    let app = App::running("v1");
    app.latest("v2");
    let before = app.untouched();
    app.slot.lab("cut", &["drop"]);
    let client = Client::of(&app);
    let done = app.deploy().input("timeout", "12").run();
    client.never_waited();
    done.ends("refused", 2);
    app.is_untouched(&before);
}
