//! Faulty inputs: every fault is told at once, the run ends as `refused`, and nobody is contacted.
//!
//! Each table of faulty inputs is a module of its own.

mod checks;
mod given;
mod release;
mod run;
mod server;
mod site;
mod words;

use run::Run;

/// A row: a name, inputs that replace or join those without a fault, and every fault to be told.
type Row = (
    &'static str,
    &'static [(&'static str, &'static str)],
    &'static [&'static str],
);

const TABLES: [&[Row]; 6] = [
    given::ROWS,
    words::ROWS,
    server::ROWS,
    site::ROWS,
    release::ROWS,
    checks::ROWS,
];

fn rows() -> impl Iterator<Item = &'static Row> {
    TABLES.into_iter().flatten()
}

#[test]
fn every_fault_is_told_at_once_and_nobody_is_contacted() {
    assert!(rows().count() >= 30);
    for (name, inputs, expected) in rows() {
        let refused = Run::of(inputs).refused();
        assert_eq!(refused.faults, *expected, "{name}");
    }
}

#[test]
fn a_fault_is_one_line_with_a_hint() {
    for (name, _, faults) in rows() {
        for fault in *faults {
            assert!(
                !fault.contains('\n') && fault.contains("; "),
                "{name}: {fault}"
            );
        }
    }
}

#[test]
fn no_secret_is_told_however_wrong_it_is() {
    let secrets = [
        ("SSH_KEY", "hunter2-key"),
        ("SSH_KEY_PASSPHRASE", "hunter2\nphrase"),
        ("HOST_KEY", "hunter2-host-key"),
        ("ENV_FILE", "hunter2=env"),
        ("REGISTRY_USERNAME", "robot"),
        ("REGISTRY_PASSWORD", "hunter2\npassword"),
        ("SLACK_WEBHOOK_URL", "hunter2-hook"),
        ("USER", "root:hunter2-hook"),
    ];
    let refused = Run::of(&secrets).refused();
    let told = format!("{}{}", refused.stdout, refused.stderr);
    assert!(!told.contains("hunter2"), "{told}");
    assert_eq!(refused.faults.len(), 6, "{:?}", refused.faults);
}

#[test]
fn a_workflow_command_in_an_input_stays_text() {
    let refused = Run::of(&[("MODE", "##[error]x"), ("USER", "::warning::x")]).refused();
    assert!(!refused.stdout.contains("##["), "{}", refused.stdout);
    assert!(
        !refused.stdout.contains("\n::warning"),
        "{}",
        refused.stdout
    );
}

#[test]
fn inputs_without_a_fault_pass_the_border() {
    let run = Run::of(&[("FILES", "*.yml"), ("ARGS", ""), ("ENTRYPOINT", "")]);
    let told = String::from_utf8(run.start().stdout).unwrap();
    for input in ["`files`", "`args`", "`entrypoint`", "unknown input"] {
        assert!(!told.contains(input), "{told}");
    }
}
