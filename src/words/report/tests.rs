//! What a report promises.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::sample::{self, Story};
use super::*;
use crate::words::event::{FailureKind, Outcome};

fn fold(records: &[Record]) -> Report {
    Report::fold(records)
}

#[test]
fn every_status_has_a_headline_that_a_person_understands() {
    let lost = Failure::new("the connection was cut");
    let input = Error::Input(vec![Failure::new("a"), Failure::new("b")]);
    let lines = [
        fold(&sample::deployed()),
        fold(&sample::restored()),
        Report::of_plan(&sample::plan()).planned(Vec::new()),
        fold(&sample::rolled_back()),
        fold(&sample::refused()),
        Report::of_origin(sample::origin()).stopped(&input),
        fold(&sample::stuck()),
        fold(&Story::deploy().start(Step::Up).stops()).lost(&lost),
        fold(&Story::deploy().start(Step::Up).stops()),
    ]
    .map(|report| report.headline());
    insta::assert_snapshot!(lines.join("\n"), @r"
    Deployed ghcr.io/acme/app:2@sha256:abcdef012345… to production in 8.5 s.
    Restored the backup `20251016_101010` on production in 4.0 s.
    Planned a deployment to production: nothing was touched.
    Rolled back: service `web` exited with code 1 three seconds after the start; production runs what it ran before.
    Refused: `compose.yml` does not parse; nothing was touched.
    Refused: the inputs have 2 faults; nothing was touched.
    Rollback failed: `compose up` failed; production needs a person (it began with: service `web` exited with code 1 three seconds after the start).
    Unknown: the connection was cut while `up` was at work; the server settles by itself, and `landfall status` tells how.
    No end of a deployment to production is recorded while `up` was at work.
    ");
}

#[test]
fn the_reason_is_one_paragraph_with_both_failures() {
    insta::assert_snapshot!(fold(&sample::stuck()).reason, @"`verify` failed: service `web` exited with code 1 three seconds after the start: panic: no database. Putting back failed too: `compose up` failed: no space left on device.");
    insta::assert_snapshot!(fold(&sample::deployed()).reason, @"");
}

#[test]
fn a_record_that_is_seen_twice_counts_once() {
    let records = sample::rolled_back();
    let mut report = fold(&records[..9]);
    for record in &records {
        report.push(record);
    }
    assert_eq!(report, fold(&records));
}

#[test]
fn what_is_checked_while_going_back_never_hides_what_failed() {
    let report = fold(&sample::rolled_back());
    assert!(!report.checks[0].passed);
    assert!(report.checks_after_rollback[0].passed);
}

#[test]
fn steps_keep_their_order_with_what_was_taken_back_behind_what_acted() {
    let report = fold(&sample::stuck());
    let told = report
        .steps
        .iter()
        .map(|s| format!("{} {} {} ms", s.step, s.result.words(), s.duration_ms));
    insta::assert_snapshot!(told.collect::<Vec<_>>().join("\n"), @r"
    preflight done 120 ms
    stage done 80 ms
    pull done 2500 ms
    backup done 900 ms
    files done 5 ms
    up done 1900 ms
    verify failed 1000 ms
    up could not be taken back 700 ms
    ");
}

#[test]
fn downtime_is_empty_without_a_health_url() {
    let mut plan = sample::plan();
    plan.checks.health_url = None;
    let story = |plan| {
        Story::of(plan)
            .note(Step::Verify, Note::Downtime { ms: 5 })
            .stops()
    };
    assert_eq!(fold(&story(plan)).downtime_ms, None);
    assert_eq!(fold(&story(sample::plan())).downtime_ms, Some(5));
}

#[test]
fn a_hook_that_fails_after_the_commit_is_told_under_a_good_status() {
    let hook = Failure::new("`post_deploy` exited with code 3");
    let report = fold(
        &Story::deploy()
            .start(Step::PostDeploy)
            .fails(Step::PostDeploy, 10, &hook)
            .ends(Outcome::Deployed),
    );
    assert_eq!(report.status, Status::Deployed);
    assert_eq!(report.failed_step, Some(Step::PostDeploy));
    insta::assert_snapshot!(report.headline(), @"Deployed to production in 0.01 s, but `post_deploy` failed: `post_deploy` exited with code 3.");
}

#[test]
fn contact_that_is_lost_after_the_end_changes_nothing() {
    let report = fold(&sample::deployed());
    assert_eq!(report.clone().lost(&Failure::new("cut")), report);
}

#[test]
fn contact_that_is_lost_on_the_way_is_unknown_and_keeps_what_was_heard() {
    let cut = Failure::new("the connection was cut").of(FailureKind::TimedOut);
    let heard = fold(&Story::deploy().until_up().stops());
    let report = heard.stopped(&Error::Lost(cut));
    assert_eq!(report.status, Status::Unknown);
    assert_eq!(report.backup.unwrap().timestamp, "20251017_143025");
}

/// A deployment that was taken back, whose services had no images before.
fn taken_back_with_new_services(anything_ran: Option<bool>) -> Report {
    let mut records = sample::rolled_back();
    for record in &mut records {
        let Event::Note { note, .. } = &mut record.event else {
            continue;
        };
        match note {
            Note::Images { services } => services[0].previous_image_id = None,
            Note::Backup { ran, .. } => *ran = anything_ran,
            _ => {}
        }
    }
    fold(&records)
}

#[test]
fn a_first_deployment_that_fails_says_that_nothing_runs() {
    for ran in [Some(false), None] {
        let told = taken_back_with_new_services(ran).headline();
        assert!(told.ends_with("nothing runs now."), "{ran:?}: {told}");
    }
}

#[test]
fn services_that_are_new_beside_others_are_no_first_deployment() {
    let report = taken_back_with_new_services(Some(true));
    assert!(!report.is_the_first());
    let told = report.headline();
    assert!(told.ends_with("runs what it ran before."), "{told}");
}

#[test]
fn a_report_written_by_version_1_is_read() {
    let line = r#"{"v":1,"id":"20251017_143025-0a1b2c","status":"rolled_back",
        "goal":{"goal":"deploy","images":[]},
        "steps":[{"step":"up","result":"undone","started_at":"2025-10-17T14:30:25Z","ended_at":null,"duration_ms":0}],
        "failed_step":"verify","failures":[{"what":"no answer"}],"reason":"`verify` failed: no answer."}"#;
    let report: Report = serde_json::from_str(line).unwrap();
    assert_eq!(report.status, Status::RolledBack);
    assert_eq!(report.steps[0].result, StepResult::Undone);
}

#[test]
fn a_report_reads_back_what_it_wrote() {
    for records in [sample::deployed(), sample::stuck(), sample::restored()] {
        let written = serde_json::to_string(&fold(&records)).unwrap();
        let read: Report = serde_json::from_str(&written).unwrap();
        assert_eq!(serde_json::to_string(&read).unwrap(), written);
    }
}

#[test]
fn scrubbing_reaches_every_text_that_somebody_else_wrote() {
    let mut report = fold(&sample::stuck());
    report.warnings.push("hunter2".into());
    report.preview.push("hunter2".into());
    report.logs[0].lines.push("pw=hunter2".into());
    report.failures[0].because.push("hunter2".into());
    report.hints.push("hunter2".into());
    report.checks[0].detail = "hunter2".into();
    report.reason.push_str("hunter2");
    report.origin.commit_title = Some("hunter2".into());
    let clean = report.scrubbed(|text| text.replace("hunter2", "*"));
    let written = serde_json::to_string(&clean).unwrap();
    assert!(!written.contains("hunter2"), "{written}");
}

#[test]
fn spans_are_readable() {
    let spans = [0, 850, 12_345, 125_900].map(span);
    assert_eq!(spans, ["0 s", "0.85 s", "12.3 s", "125 s"]);
    assert_eq!(seconds(12_045), "12.045");
}
