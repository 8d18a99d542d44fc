//! What the live log promises.

use super::*;
use crate::error::Error;
use crate::report::sample::{self, Story};
use crate::secret::Secret;

fn told(style: Style, records: &[Record]) -> String {
    told_of(style, records, Masks::default())
}

fn told_of(style: Style, records: &[Record], masks: Masks) -> String {
    let mut log = Log::new(Vec::new(), style);
    log.mask(masks);
    for record in records {
        log.record(record);
    }
    log.finish(&Report::fold(records));
    String::from_utf8_lossy(&log.into_inner()).into_owned()
}

#[test]
fn a_deployment_folds_its_steps_into_groups() {
    insta::assert_snapshot!(told(Style::Github, &sample::deployed()), @r"
    20251017_143025-0a1b2c: a deployment to production, in /opt/mcp
    ::group::preflight
      Docker 28.5.1, Compose 2.40.3, project mcp
    ::endgroup::
    preflight: done after 120 ms
    ::group::stage
    ::endgroup::
    stage: done after 80 ms
    ::group::pull
      ghcr.io/acme/app:2: 10 % of 100.0 MB
      ghcr.io/acme/app:2: 60 % of 100.0 MB
      ghcr.io/acme/app:2: 100 % of 100.0 MB
      web: ghcr.io/acme/app:2 (111111111111 becomes 222222222222)
    ::endgroup::
    pull: done after 2.5 s
    ::group::backup
      backup 20251017_143025: /opt/mcp-backups/mcp-backup-20251017_143025.tar.gz, 2.0 kB
    ::endgroup::
    backup: done after 900 ms
    ::group::files
    ::endgroup::
    files: done after 5 ms
    ::group::up
    ::endgroup::
    up: done after 1.9 s
    ::group::verify
      passed: web (service): running
      passed: health_url (http): 200 OK
      health_url did not answer for 180 ms
    ::endgroup::
    verify: done after 3.0 s
    ::group::confirm
    ::endgroup::
    confirm: done after 20 ms
    ::group::commit
    ::endgroup::
    commit: done after 5 ms
    Deployed ghcr.io/acme/app@sha256:abcdef012345… to production in 8.5 s.
    ");
}

#[test]
fn a_rollback_shows_what_the_service_printed_and_one_annotation() {
    insta::assert_snapshot!(told(Style::Github, &sample::rolled_back()), @r"
    20251017_143025-0a1b2c: a deployment to production, in /opt/mcp
    ::group::preflight
      Docker 28.5.1, Compose 2.40.3, project mcp
    ::endgroup::
    preflight: done after 120 ms
    ::group::stage
    ::endgroup::
    stage: done after 80 ms
    ::group::pull
      ghcr.io/acme/app:2: 10 % of 100.0 MB
      ghcr.io/acme/app:2: 60 % of 100.0 MB
      ghcr.io/acme/app:2: 100 % of 100.0 MB
      web: ghcr.io/acme/app:2 (111111111111 becomes 222222222222)
    ::endgroup::
    pull: done after 2.5 s
    ::group::backup
      backup 20251017_143025: /opt/mcp-backups/mcp-backup-20251017_143025.tar.gz, 2.0 kB
    ::endgroup::
    backup: done after 900 ms
    ::group::files
    ::endgroup::
    files: done after 5 ms
    ::group::up
    ::endgroup::
    up: done after 1.9 s
    ::group::verify
      not yet: web (service): exited (1)
    ::endgroup::
    verify: failed after 1.0 s: service `web` exited with code 1 three seconds after the start: panic: no database
    ::group::take back up
    ::endgroup::
    up: taken back after 1.2 s
    ::group::take back files
    ::endgroup::
    files: taken back after 10 ms
    ::group::take back backup
      passed: web (service): running
    ::endgroup::
    backup: taken back after 300 ms
    ::group::last lines of web
      web | booting
      web | panic: no database
    ::endgroup::
    Rolled back: service `web` exited with code 1 three seconds after the start; production runs what it ran before.
    ::error title=Landfall%3A rolled back::`verify` failed: service `web` exited with code 1 three seconds after the start: panic: no database.%0Ahint: read the log of `web` below
    ");
}

#[test]
fn a_plain_log_has_no_command_in_it() {
    let log = told(Style::Plain, &sample::rolled_back());
    assert!(!log.contains("::"), "{log}");
    insta::assert_snapshot!(log, @r"
    20251017_143025-0a1b2c: a deployment to production, in /opt/mcp
    preflight
      Docker 28.5.1, Compose 2.40.3, project mcp
    preflight: done after 120 ms
    stage
    stage: done after 80 ms
    pull
      ghcr.io/acme/app:2: 10 % of 100.0 MB
      ghcr.io/acme/app:2: 60 % of 100.0 MB
      ghcr.io/acme/app:2: 100 % of 100.0 MB
      web: ghcr.io/acme/app:2 (111111111111 becomes 222222222222)
    pull: done after 2.5 s
    backup
      backup 20251017_143025: /opt/mcp-backups/mcp-backup-20251017_143025.tar.gz, 2.0 kB
    backup: done after 900 ms
    files
    files: done after 5 ms
    up
    up: done after 1.9 s
    verify
      not yet: web (service): exited (1)
    verify: failed after 1.0 s: service `web` exited with code 1 three seconds after the start: panic: no database
    take back up
    up: taken back after 1.2 s
    take back files
    files: taken back after 10 ms
    take back backup
      passed: web (service): running
    backup: taken back after 300 ms
    last lines of web
      web | booting
      web | panic: no database
    Rolled back: service `web` exited with code 1 three seconds after the start; production runs what it ran before.
    error: `verify` failed: service `web` exited with code 1 three seconds after the start: panic: no database.
    hint: read the log of `web` below
    ");
}

#[test]
fn a_rollback_that_fails_tells_both_failures() {
    let log = told(Style::Github, &sample::stuck());
    let last = log.lines().last().unwrap_or_default();
    insta::assert_snapshot!(last, @"::error title=Landfall%3A rollback failed::`verify` failed: service `web` exited with code 1 three seconds after the start: panic: no database. Putting back failed too: `compose up` failed: no space left on device.%0Ahint: read the log of `web` below%0Ahint: free some space, then run `landfall recover --deploy-dir /opt/mcp`");
}

#[test]
fn a_refusal_and_a_restored_backup_are_told() {
    insta::assert_snapshot!(told(Style::Plain, &sample::refused()), @r"
    20251017_143025-0a1b2c: a deployment to production, in /opt/mcp
    preflight
    preflight: failed after 90 ms: `compose.yml` does not parse: line 3: did not find expected key
    Refused: `compose.yml` does not parse; nothing was touched.
    error: `preflight` failed: `compose.yml` does not parse: line 3: did not find expected key.
    hint: run `docker compose config` in `/opt/mcp`
    ");
    let restored = told(Style::Plain, &sample::restored());
    insta::assert_snapshot!(restored.lines().last().unwrap_or_default(), @"Restored the backup `20251016_101010` on production in 4.0 s.");
}

#[test]
fn all_faults_of_the_inputs_are_one_annotation_with_a_line_each() {
    let faults = vec![
        Failure::new("unknown input `deploydir`").hint("did you mean `deploy_dir`?"),
        Failure::new("`port` is not a number"),
    ];
    let report = Report::of_origin(sample::origin()).stopped(&Error::Input(faults));
    let mut log = Log::new(Vec::new(), Style::Github);
    log.finish(&report);
    insta::assert_snapshot!(String::from_utf8_lossy(&log.into_inner()), @r"
    Refused: the inputs have 2 faults; nothing was touched.
    ::error title=Landfall%3A refused::unknown input `deploydir`; did you mean `deploy_dir`?%0A`port` is not a number
    ");
}

#[test]
fn exactly_one_error_annotation_tells_the_cause() {
    for records in [sample::rolled_back(), sample::stuck(), sample::refused()] {
        let log = told(Style::Github, &records);
        let errors = log.lines().filter(|l| l.starts_with("::error")).count();
        assert_eq!(errors, 1, "{log}");
    }
    assert!(!told(Style::Github, &sample::deployed()).contains("::error"));
}

#[test]
fn groups_are_never_nested_and_always_ended() {
    for records in [sample::deployed(), sample::stuck(), sample::rolled_back()] {
        let mut open = 0;
        for line in told(Style::Github, &records).lines() {
            open += i32::from(line.starts_with("::group::"));
            open -= i32::from(line.starts_with("::endgroup::"));
            assert!((0..=1).contains(&open), "{line}");
        }
        assert_eq!(open, 0);
    }
}

#[test]
fn nothing_that_a_server_prints_is_obeyed_by_the_runner() {
    let attack = "x\n::set-output name=status::deployed\r##[error]boom\n  ::add-mask::a";
    let failure = Failure::new(attack).because(attack).hint(attack);
    let lines = vec![attack.to_owned(), "::error::x".to_owned()];
    let service = "::error::web".to_owned();
    let records = Story::deploy()
        .said(Step::Up, attack)
        .start(Step::Verify)
        .note(Step::Verify, sample::check(attack, attack, false, attack))
        .note(Step::Verify, Note::Logs { service, lines })
        .note(
            Step::Verify,
            Note::Warned {
                text: attack.into(),
            },
        )
        .fails(Step::Verify, 1, &failure)
        .ends(crate::event::Outcome::RolledBack {
            cause: failure,
            step: Step::Verify,
        });
    let ours = [
        "::group::",
        "::endgroup::",
        "::warning::",
        "::error title=Landfall%3A ",
    ];
    for line in told(Style::Github, &records).lines() {
        let command = line.trim_start().starts_with("::");
        let known = ours.iter().any(|prefix| line.starts_with(prefix));
        assert!(!line.contains("##[") && (!command || known), "{line}");
    }
}

#[test]
fn secrets_are_masked_first_and_never_shown() {
    let mut masks = Masks::default();
    masks.add(&Secret::new("hunter2\n  line two  \nab\n"));
    let failure = Failure::new("login with hunter2 failed");
    let records = Story::deploy()
        .said(Step::Pull, "hunter2 line two")
        .start(Step::Pull)
        .fails(Step::Pull, 1, &failure)
        .ends(crate::event::Outcome::Refused {
            cause: failure,
            step: Step::Pull,
        });
    let log = told_of(Style::Github, &records, masks.clone());
    let rest = log
        .strip_prefix("::add-mask::line two\n::add-mask::hunter2\n")
        .unwrap_or_default();
    assert!(!rest.is_empty() && !rest.contains("hunter2"), "{log}");
    let plain = told_of(Style::Plain, &records, masks);
    assert!(
        !plain.contains("hunter2") && !plain.contains("add-mask"),
        "{plain}"
    );
}

#[test]
fn a_check_that_is_made_every_second_is_told_once() {
    let check = || sample::check("web", "service", false, "starting");
    let records = Story::deploy()
        .start(Step::Verify)
        .note(Step::Verify, check())
        .note(Step::Verify, check())
        .stops();
    assert_eq!(told(Style::Plain, &records).matches("starting").count(), 1);
}

#[test]
fn a_reader_that_went_away_stops_nothing() {
    struct Gone;
    impl Write for Gone {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
    }
    let records = sample::deployed();
    let mut log = Log::new(Gone, Style::Github);
    for record in &records {
        log.record(record);
    }
    log.finish(&Report::fold(&records));
}

#[test]
fn a_terminal_shows_bars_in_place_of_lines() {
    let log = told(Style::Terminal, &sample::deployed());
    assert!(!log.contains('%') && log.contains("pull: done"), "{log}");
}

#[test]
fn a_group_is_ended_when_contact_is_lost_inside_it() {
    let log = told(Style::Github, &Story::deploy().start(Step::Up).stops());
    let end = log.find("::endgroup::").unwrap_or(usize::MAX);
    assert!(
        end < log.find("No end of a deployment").unwrap_or(0),
        "{log}"
    );
}
