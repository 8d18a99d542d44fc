//! What the step summary promises.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::*;
use crate::report::ServiceLog;
use crate::report::sample;

#[test]
fn a_deployment_tells_images_steps_checks_and_the_way_back() {
    insta::assert_snapshot!(page(&Report::fold(&sample::deployed())), @r"
    ## ✅ Deployed ghcr.io/acme/app@<!-- -->sha256:abcdef012345… to production in 8.5 s.

    ### What to do next

    - To put back what ran before: `mode: rollback` with `backup_timestamp: 20251017_143025`, or `landfall rollback --deploy-dir /opt/mcp --backup-timestamp 20251017_143025` on the server ([how](https://github.com/landfall-deploy/landfall#rollback)).

    ### Services

    | Service | Image | Before | After |
    | --- | --- | --- | --- |
    | `web` | `ghcr.io/acme/app:2` | `fedcba987654` | `abcdef012345` |

    ### Timeline

    ```mermaid
    gantt
        title production in 8.5 s
        dateFormat x
        axisFormat %H:%M:%S
        section Forward
        preflight 120 ms :done, 1760711425000, 1760711425120
        stage 80 ms :done, 1760711425120, 1760711425200
        pull 2.5 s :done, 1760711425200, 1760711427700
        backup 900 ms :done, 1760711427700, 1760711428600
        files 5 ms :done, 1760711428600, 1760711428605
        up 1.9 s :done, 1760711428605, 1760711430505
        verify 3.0 s :done, 1760711430505, 1760711433505
        confirm 20 ms :done, 1760711433505, 1760711433525
        commit 5 ms :done, 1760711433525, 1760711433530
    ```

    ### Checks

    |  | Check | Kind | Seen | Took |
    | --- | --- | --- | --- | --- |
    | ✅ | `web` | service | running | 40 ms |
    | ✅ | `health_url` | http | 200 OK | 40 ms |

    Deployment `20251017_143025-0a1b2c` · Backup `/opt/mcp-backups/mcp-backup-20251017_143025.tar.gz` · Downtime 180 ms · Docker 28.5.1, Compose 2.40.3 · [Open the application](https://app.example.org)
    ");
}

#[test]
fn a_rollback_tells_the_cause_and_the_log_of_what_failed() {
    insta::assert_snapshot!(page(&Report::fold(&sample::rolled_back())), @r"
    ## ↩️ Rolled back: service `web` exited with code 1 three seconds after the start; production runs what it ran before.

    `verify` failed: service `web` exited with code 1 three seconds after the start: panic: no database.

    ### What to do next

    - read the log of `web` below

    ### Services

    | Service | Image | Before | Tried |
    | --- | --- | --- | --- |
    | `web` | `ghcr.io/acme/app:2` | `fedcba987654` | `abcdef012345` |

    ### Timeline

    ```mermaid
    gantt
        title production in 8.0 s
        dateFormat x
        axisFormat %H:%M:%S
        section Forward
        preflight 120 ms :done, 1760711425000, 1760711425120
        stage 80 ms :done, 1760711425120, 1760711425200
        pull 2.5 s :done, 1760711425200, 1760711427700
        backup 900 ms :done, 1760711427700, 1760711428600
        files 5 ms :done, 1760711428600, 1760711428605
        up 1.9 s :done, 1760711428605, 1760711430505
        verify 1.0 s :crit, 1760711430505, 1760711431505
        section Back
        up 1.2 s :done, 1760711431505, 1760711432705
        files 10 ms :done, 1760711432705, 1760711432715
        backup 300 ms :done, 1760711432715, 1760711433015
    ```

    ### Checks

    |  | Check | Kind | Seen | Took |
    | --- | --- | --- | --- | --- |
    | ❌ | `web` | service | exited (1) | 40 ms |

    ### Checks after the rollback

    |  | Check | Kind | Seen | Took |
    | --- | --- | --- | --- | --- |
    | ✅ | `web` | service | running | 40 ms |

    ### Last 2 lines of `web`

    ```text
    booting
    panic: no database
    ```

    Deployment `20251017_143025-0a1b2c` · Backup `/opt/mcp-backups/mcp-backup-20251017_143025.tar.gz` · Docker 28.5.1, Compose 2.40.3 · [Open the application](https://app.example.org)
    ");
}

#[test]
fn a_rollback_that_failed_says_which_command_mends_it() {
    let page = page(&Report::fold(&sample::stuck()));
    insta::assert_snapshot!(page.split("### Services").next().unwrap(), @r"
    ## 🚨 Rollback failed: `compose up` failed; production needs a person (it began with: service `web` exited with code 1 three seconds after the start).

    `verify` failed: service `web` exited with code 1 three seconds after the start: panic: no database. Putting back failed too: `compose up` failed: no space left on device.

    ### What to do next

    - read the log of `web` below
    - free some space, then run `landfall recover --deploy-dir /opt/mcp`
    ");
}

#[test]
fn a_refusal_a_restored_backup_a_plan_and_a_lost_contact_have_their_page() {
    let lost = crate::event::Failure::new("the connection was cut");
    let pages = [
        Report::fold(&sample::refused()),
        Report::of_plan(&sample::plan()).planned(vec!["pull ghcr.io/acme/app:2".into()]),
        Report::of_plan(&sample::plan()).lost(&lost),
    ]
    .map(|report| page(&report));
    insta::assert_snapshot!(pages.join("\n----\n"), @r"
    ## 🚫 Refused: `compose.yml` does not parse; nothing was touched.

    `preflight` failed: `compose.yml` does not parse: line 3: did not find expected key.

    ### What to do next

    - run `docker compose config` in `/opt/mcp`

    ### Timeline

    ```mermaid
    gantt
        title production in 90 ms
        dateFormat x
        axisFormat %H:%M:%S
        section Forward
        preflight 90 ms :crit, 1760711425000, 1760711425090
    ```

    Deployment `20251017_143025-0a1b2c` · [Open the application](https://app.example.org)


    ----
    ## 📝 Planned a deployment to production: nothing was touched.

    ### What would happen

    ```text
    pull ghcr.io/acme/app:2
    ```

    Deployment `20251017_143025-0a1b2c` · [Open the application](https://app.example.org)


    ----
    ## ❔ Unknown: the connection was cut; the server settles by itself, and `landfall status` tells how.

    The connection was cut.

    ### What to do next

    - Ask the server how it ended: `landfall status --deploy-dir /opt/mcp`.

    Deployment `20251017_143025-0a1b2c` · [Open the application](https://app.example.org)
    ");
    let restored = page(&Report::fold(&sample::restored()));
    assert!(
        restored.contains("Restored the backup `20251016_101010`"),
        "{restored}"
    );
}

#[test]
fn all_faults_of_the_inputs_are_listed() {
    let faults = ["unknown input `x`", "`port` is <b>"].map(crate::event::Failure::new);
    let error = crate::error::Error::Input(faults.to_vec());
    insta::assert_snapshot!(page(&Report::of_origin(sample::origin()).stopped(&error)), @r"
    ## 🚫 Refused: the inputs have 2 faults; nothing was touched.

    - unknown input `x`
    - `port` is &lt;b&gt;

    [Open the application](https://app.example.org)
    ");
}

#[test]
fn text_from_a_server_never_becomes_markup() {
    let attack = "```\n</details><img src=x onerror=y> | [a](b) @octocat\n## h\n```mermaid";
    let mut report = Report::fold(&sample::rolled_back());
    report = report.scrubbed(|_| attack.to_owned());
    report.images[0].service = attack.into();
    report.logs[0].service = attack.into();
    let page = page(&report);
    let outside = outside_of_code(&page);
    for bad in ["<img", "</details>", "@octocat", "[a](b)", "\n## h"] {
        assert!(!outside.contains(bad), "{bad} in\n{outside}");
    }
    let tables = page.lines().filter(|l| l.starts_with("| ❌"));
    for row in tables {
        assert_eq!(row.replace("\\|", "").matches('|').count(), 6, "{row}");
    }
}

/// What a reader takes for text: fences and code spans are cut out.
fn outside_of_code(page: &str) -> String {
    let mut outside = String::new();
    let mut fence: Option<usize> = None;
    for line in page.lines() {
        let run = line.len() - line.trim_start_matches('`').len();
        match fence {
            Some(open) if run >= open && line.len() == run => fence = None,
            Some(_) => {}
            None if run >= 3 => fence = Some(run),
            None => outside += &(without_spans(line) + "\n"),
        }
    }
    assert_eq!(fence, None, "a fence stays open");
    outside
}

fn without_spans(line: &str) -> String {
    let mut out = String::new();
    let mut rest = line;
    while let Some(at) = rest.find('`') {
        let escaped = rest[..at].ends_with('\\');
        let run = rest[at..].len() - rest[at..].trim_start_matches('`').len();
        let (fence, after) = rest[at..].split_at(run);
        out += &rest[..at];
        let close = (!escaped).then(|| after.find(fence)).flatten();
        rest = close.map_or(after, |end| &after[end + run..]);
    }
    out + rest
}

#[test]
fn a_page_over_a_mebibyte_loses_log_lines_first() {
    let mut report = Report::fold(&sample::rolled_back());
    let line = "x".repeat(1_900);
    report.logs = (0..40)
        .map(|n| ServiceLog {
            service: format!("service-{n}"),
            lines: vec![line.clone(); 50],
        })
        .collect();
    let page = page(&report);
    assert!(page.len() < LIMIT, "{}", page.len());
    assert!(page.contains("Last 5 lines") || page.contains("Last 20 lines"));
    assert!(page.contains("```mermaid"), "the timeline stays");
}

#[test]
fn what_matters_least_goes_first_and_the_outcome_stays() {
    let mut report = Report::fold(&sample::rolled_back());
    report.logs[0].lines = vec!["y".repeat(1_900); 3_000];
    report.warnings = vec!["z".repeat(1_900); 3_000];
    let page = page(&report);
    assert!(page.len() < LIMIT, "{}", page.len());
    assert!(page.starts_with("## ↩️ Rolled back"), "{}", &page[..80]);
    assert!(page.contains("too long"));
}

#[test]
fn the_file_is_appended_to_and_never_grows_beyond_the_limit() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "before\n").unwrap();
    let report = Report::fold(&sample::deployed());
    write(file.path(), &report).unwrap();
    assert!(
        std::fs::read_to_string(file.path())
            .unwrap()
            .starts_with("before\n## ✅")
    );
    std::fs::write(file.path(), "x".repeat(LIMIT)).unwrap();
    assert!(write(file.path(), &report).is_err());
}
