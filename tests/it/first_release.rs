//! A first release: what is behind it, and what its env file has to set.
//!
//! It refuses to know what comes after.

use serde_json::Value;

use crate::harness::app::App;

#[test]
fn nothing_is_behind_a_first_release_and_it_is_removed_upon_a_persons_word_alone() {
    let app = App::beacon();
    app.latest("v1");
    let done = app.deploy().run();
    done.ends("deployed", 0);
    let offered = " rollback --to-nothing --deploy-dir /srv/app`";
    for part in ["Nothing ran before", offered] {
        assert!(done.summary.contains(part), "{part}:\n{}", done.summary);
    }
    let before = app.untouched();
    let refused = app.rollback().run();
    refused.ends("refused", 2).says(&["`to_nothing: true`"]);
    let by_name = app
        .rollback()
        .input("backup_timestamp", done.output("backup_timestamp"))
        .run();
    by_name
        .ends("refused", 2)
        .says(&["a rollback to it removes the application"]);
    app.is_untouched(&before);
    assert_eq!(app.version().as_deref(), Some("v1"));
    app.cli(&["rollback", "--to-nothing"]).run().exits(0);
    assert!(app.containers().is_empty());
}

#[test]
fn the_word_is_for_where_there_is_no_release_to_go_back_to() {
    let app = App::running("v1");
    app.ships("v2");
    let done = app.rollback().input("to_nothing", "true").run();
    done.ends("restored", 0);
    assert_eq!(app.version().as_deref(), Some("v1"));
}

#[test]
fn the_outputs_of_a_release_that_was_taken_back_say_what_runs_and_what_was_tried() {
    let app = App::running("v1");
    let (good, bad) = (
        app.slot.registry_digest("v1"),
        app.slot.registry_digest("exits-at-start"),
    );
    app.latest("exits-at-start");
    let done = app.deploy().run();
    done.ends("rolled_back", 1);
    assert_eq!(done.output("image_digest"), good);
    assert_eq!(done.output("previous_image_digest"), good);
    assert_eq!(done.output("tried_image_digest"), bad);
    let report: Value = serde_json::from_str(done.output("report")).unwrap();
    assert_eq!(report["images"][0]["digest"], bad);
}

#[test]
fn what_the_env_file_must_set_is_asked_of_the_one_on_the_server_where_none_comes() {
    let app = App::running("v1");
    app.put(".env", "DATABASE=here\nTOKEN=\n");
    let before = app.untouched();
    let asks = |names: &str| app.deploy().input("require_env", names);
    let done = asks("DATABASE\nTOKEN\nSECRET_KEY\nADMIN").run();
    done.ends("refused", 2)
        .says(&["does not set `SECRET_KEY`, `ADMIN`, and sets to nothing `TOKEN`"]);
    app.is_untouched(&before);
    asks("DATABASE").run().ends("deployed", 0);
}

#[test]
fn an_env_file_whose_secret_is_not_set_does_not_keep_the_old_one_in_silence() {
    let app = App::running("v1");
    app.put(".env", "DATABASE=here\n");
    let before = app.untouched();
    let done = app.deploy().input("env_file", "").run();
    done.ends("refused", 2)
        .says(&["`env_file` is given and empty", "to keep the file"]);
    app.is_untouched(&before);
}
