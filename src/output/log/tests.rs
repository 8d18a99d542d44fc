//! What the live log promises.

use super::*;
use crate::words::error::Error;
use crate::words::event::Step;
use crate::words::report::sample::{self, Story};
use crate::words::secret::Secret;

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
    ::group::ok      preflight                0.12 s
      Docker 28.5.1, Compose 2.40.3, project mcp
    ::endgroup::
    ok      stage                    0.08 s
    ::group::pull …
      ghcr.io/acme/app:2: 10 % of 100.0 MB
      ghcr.io/acme/app:2: 60 % of 100.0 MB
      ghcr.io/acme/app:2: 100 % of 100.0 MB
      web: ghcr.io/acme/app:2 (111111111111 becomes 222222222222)
    ::endgroup::
    ok      pull                     2.5 s
    ::group::ok      backup                   0.90 s
      backup 20251017_143025: /opt/mcp-backups/mcp-backup-20251017_143025.tar.gz, 2.0 kB
    ::endgroup::
    ok      files                    0.01 s
    ok      up                       1.9 s
    ::group::ok      verify                   3.0 s
      ok      web (service): running
      ok      health_url (http): 200 OK
      health_url did not answer for 0.18 s
    ::endgroup::
    ok      confirm                  0.02 s
    ok      commit                   0.01 s
    Deployed ghcr.io/acme/app:2@sha256:abcdef012345… to production in 8.5 s.
    ");
}

#[test]
fn a_rollback_shows_what_the_service_printed_and_one_annotation() {
    insta::assert_snapshot!(told(Style::Github, &sample::rolled_back()), @r"
    20251017_143025-0a1b2c: a deployment to production, in /opt/mcp
    ::group::ok      preflight                0.12 s
      Docker 28.5.1, Compose 2.40.3, project mcp
    ::endgroup::
    ok      stage                    0.08 s
    ::group::pull …
      ghcr.io/acme/app:2: 10 % of 100.0 MB
      ghcr.io/acme/app:2: 60 % of 100.0 MB
      ghcr.io/acme/app:2: 100 % of 100.0 MB
      web: ghcr.io/acme/app:2 (111111111111 becomes 222222222222)
    ::endgroup::
    ok      pull                     2.5 s
    ::group::ok      backup                   0.90 s
      backup 20251017_143025: /opt/mcp-backups/mcp-backup-20251017_143025.tar.gz, 2.0 kB
    ::endgroup::
    ok      files                    0.01 s
    ok      up                       1.9 s
    ::group::failed  verify                   1.0 s   service `web` exited with code 1 three seconds after the start
      failed  web (service): exited (1)
    ::endgroup::
    ok      stop the new containers  1.2 s
    ok      put the files back       0.01 s
    ::group::ok      start the old release    0.30 s
      ok      web (service): running
    ::endgroup::
    ::group::last lines of web
      web | booting
      web | panic: no database
    ::endgroup::
    Rolled back: service `web` exited with code 1 three seconds after the start; production runs what it ran before.
    ::error title=Landfall%3A rolled back::`verify` failed: service `web` exited with code 1 three seconds after the start: panic: no database.%0Ahint: read what `web` printed last
    ");
}

#[test]
fn a_plain_log_has_no_command_in_it() {
    let log = told(Style::Plain, &sample::rolled_back());
    assert!(!log.contains("::"), "{log}");
    insta::assert_snapshot!(log, @r"
    20251017_143025-0a1b2c: a deployment to production, in /opt/mcp
    ok      preflight                0.12 s
      Docker 28.5.1, Compose 2.40.3, project mcp
    ok      stage                    0.08 s
    pull …
      ghcr.io/acme/app:2: 10 % of 100.0 MB
      ghcr.io/acme/app:2: 60 % of 100.0 MB
      ghcr.io/acme/app:2: 100 % of 100.0 MB
      web: ghcr.io/acme/app:2 (111111111111 becomes 222222222222)
    ok      pull                     2.5 s
    ok      backup                   0.90 s
      backup 20251017_143025: /opt/mcp-backups/mcp-backup-20251017_143025.tar.gz, 2.0 kB
    ok      files                    0.01 s
    ok      up                       1.9 s
    failed  verify                   1.0 s   service `web` exited with code 1 three seconds after the start
      failed  web (service): exited (1)
    ok      stop the new containers  1.2 s
    ok      put the files back       0.01 s
    ok      start the old release    0.30 s
      ok      web (service): running
    last lines of web
      web | booting
      web | panic: no database
    Rolled back: service `web` exited with code 1 three seconds after the start; production runs what it ran before.
    error: `verify` failed: service `web` exited with code 1 three seconds after the start: panic: no database.
    hint: read what `web` printed last
    ");
}

#[test]
fn a_rollback_that_fails_tells_both_failures() {
    let log = told(Style::Github, &sample::stuck());
    let last = log.lines().last().unwrap_or_default();
    insta::assert_snapshot!(last, @"::error title=Landfall%3A rollback failed::`verify` failed: service `web` exited with code 1 three seconds after the start: panic: no database. Putting back failed too: `compose up` failed: no space left on device.%0Ahint: read what `web` printed last%0Ahint: free some space, then run `landfall recover`");
}

#[test]
fn a_refusal_and_a_restored_backup_are_told() {
    insta::assert_snapshot!(told(Style::Plain, &sample::refused()), @r"
    20251017_143025-0a1b2c: a deployment to production, in /opt/mcp
    failed  preflight                0.09 s  `compose.yml` does not parse
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
        .ends(crate::words::event::Outcome::RolledBack {
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
        .ends(crate::words::event::Outcome::Refused {
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

fn step_by_step(style: Style, records: &[Record], between: impl Fn(&mut Log<Vec<u8>>)) -> String {
    let mut log = Log::new(Vec::new(), style);
    for record in records {
        log.record(record);
        between(&mut log);
    }
    String::from_utf8_lossy(&log.into_inner()).into_owned()
}

#[test]
fn a_quick_step_is_one_line_and_its_details_are_folded_below_it() {
    let quick = Story::deploy()
        .acts(Step::Preflight, 80)
        .start(Step::Stage)
        .said(Step::Stage, "one")
        .said(Step::Stage, "two")
        .done(Step::Stage, 120)
        .stops();
    insta::assert_snapshot!(step_by_step(Style::Github, &quick, |_| {}), @r"
    20251017_143025-0a1b2c: a deployment to production, in /opt/mcp
    ok      preflight                0.08 s
    ::group::ok      stage                    0.12 s
      one
      two
    ::endgroup::
    ");
    insta::assert_snapshot!(step_by_step(Style::Plain, &quick, |_| {}), @r"
    20251017_143025-0a1b2c: a deployment to production, in /opt/mcp
    ok      preflight                0.08 s
    ok      stage                    0.12 s
      one
      two
    ");
}

#[test]
fn a_step_that_takes_its_time_is_shown_while_it_works() {
    let slow = Story::deploy()
        .start(Step::Verify)
        .said(Step::Verify, "early")
        .after(5_000)
        .said(Step::Verify, "late")
        .stops();
    let log = step_by_step(Style::Github, &slow, |_| {});
    assert!(
        log.contains("::group::verify …\n  early\n  late\n"),
        "{log}"
    );
    let silent = Story::deploy().start(Step::Pull).stops();
    let log = step_by_step(Style::Github, &silent, |log| {
        if log.hides_a_step() {
            log.show();
        }
        assert!(!log.hides_a_step());
    });
    assert!(
        log.ends_with("pull …\n") && !log.contains("::group"),
        "{log}"
    );
}

#[test]
fn words_of_ours_are_coloured_and_nothing_else_is() {
    let mut log = Log::new(Vec::new(), Style::Github).painted(Paint::On);
    for record in &sample::rolled_back() {
        log.record(record);
    }
    log.finish(&Report::fold(&sample::rolled_back()));
    let log = String::from_utf8_lossy(&log.into_inner()).into_owned();
    assert!(log.contains("\u{1b}[32mok\u{1b}[0m      stage"), "{log}");
    assert!(
        log.contains("\u{1b}[1;31mfailed\u{1b}[0m  web (service)"),
        "{log}"
    );
    assert!(
        log.lines().any(|l| l.starts_with("::error title=")),
        "{log}"
    );
    let plain = told(Style::Github, &sample::rolled_back());
    assert_eq!(clean::lines(&log), clean::lines(&plain));
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
    assert!(!log.contains('%') && log.contains("ok      pull "), "{log}");
}

#[test]
fn a_group_is_ended_when_contact_is_lost_inside_it() {
    let slow = Story::deploy().start(Step::Up).after(2_000);
    let log = told(Style::Github, &slow.said(Step::Up, "Pulling").stops());
    let end = log.find("::endgroup::").unwrap_or(usize::MAX);
    assert!(
        end < log.find("No end of a deployment").unwrap_or(0),
        "{log}"
    );
}
