//! What is shipped cannot be told to die.
//!
//! It refuses to know what crash points are for; `make faults` does.

#![cfg(not(feature = "faults"))]

use crate::harness::act::landfall;

#[test]
fn a_build_without_the_feature_knows_no_crash_point() {
    let binary = std::fs::read(landfall()).unwrap();
    let holds = |text: &str| {
        binary
            .windows(text.len())
            .any(|part| part == text.as_bytes())
    };
    assert!(holds("word-"), "the search finds what is there");
    for name in ["journal.append.before", "compose.up.before", "kill-group"] {
        assert!(!holds(name), "`{name}` is in the binary");
    }
}
