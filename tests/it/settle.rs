//! Who settles what a dead agent left: whoever looks, the boot, the action's look.
//!
//! It refuses to know how the agent died, and how a step is taken back.

use crate::harness::act::Act;
use crate::harness::app::App;

#[test]
fn a_look_at_how_it_stands_settles_what_a_dead_agent_left_and_says_so() {
    let (app, before, _) = App::left_by_the_dead();
    let look = app.cli(&["status"]).run();
    look.exits(0).says(&[
        "was interrupted; settling it first",
        "is settled: rolled_back",
    ]);
    app.is_again(&before);
    app.nothing_to_settle();
}

#[test]
fn a_recovery_at_boot_ends_with_the_code_of_what_it_settled() {
    let (app, before, _) = App::left_by_the_dead();
    let recovery = app.cli(&["recover", "--boot"]).run();
    recovery
        .exits(1)
        .says(&["Settled an earlier run: rolled_back"]);
    app.is_again(&before);
}

#[test]
fn the_status_mode_of_the_action_settles_too() {
    let (app, before, _) = App::left_by_the_dead();
    let look = Act::action(&app, "status").run();
    look.ends("healthy", 0).says(&["is settled: rolled_back"]);
    app.is_again(&before);
}
