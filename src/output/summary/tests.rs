//! What the step summary promises.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::*;
use crate::words::backup::Release;
use crate::words::error::Error;
use crate::words::event::Failure;
use crate::words::reader::Reader;
use crate::words::report::sample;
use crate::words::report::standing::ServiceStanding;
use crate::words::report::{ServiceLog, Standing};

/// The page as it is told to somebody.
fn page(report: &Report) -> String {
    let site = sample::plan().site;
    let reader = Reader::on_server("landfall".into(), &site);
    super::page(&report.clone().read_by(reader))
}

/// A run of each outcome, by its name.
fn outcomes() -> Vec<(&'static str, Report)> {
    let lost = Failure::new("the connection was cut");
    let plan = sample::plan();
    let preview = vec!["pull ghcr.io/acme/app:2".into(), "replace `web`".into()];
    vec![
        ("deployed", Report::fold(&sample::deployed())),
        ("restored", Report::fold(&sample::restored())),
        ("planned", Report::of_plan(&plan).planned(preview)),
        ("rolled_back", Report::fold(&sample::rolled_back())),
        ("refused", Report::fold(&sample::refused())),
        ("refused_inputs", missing_host_key()),
        ("rollback_failed", Report::fold(&sample::stuck())),
        ("unknown", Report::of_plan(&plan).lost(&lost)),
        ("healthy", looked(Status::Healthy, &[])),
        ("unhealthy", looked(Status::Unhealthy, &[silent_web()])),
    ]
}

/// Why a release is not healthy.
fn silent_web() -> Failure {
    Failure::new("service `web` is not there: it was stopped 5 minutes ago")
        .hint("start it again: `docker compose up -d --no-deps web` in `/opt/mcp`")
}

/// A look at a server on which all is well, or not for these reasons.
fn looked(status: Status, reasons: &[Failure]) -> Report {
    let web = ServiceStanding {
        service: "web".into(),
        healthy: reasons.is_empty(),
        detail: if reasons.is_empty() {
            "running"
        } else {
            "stopped"
        }
        .into(),
        image: "ghcr.io/acme/app:2".into(),
        image_id: format!("sha256:{}", "2".repeat(64)),
        replicas: 1,
        ..ServiceStanding::default()
    };
    let standing = Standing {
        v: Standing::VERSION,
        deploy_dir: "/opt/mcp".into(),
        status: Some(status),
        reasons: reasons.to_vec(),
        release: Release {
            project: "mcp".into(),
            ..Release::default()
        },
        services: vec![web],
        deployed: Some(Report::fold(&sample::deployed())),
        ..Standing::default()
    };
    let lines = crate::output::status::status(&standing);
    let lines = lines.lines().map(ToOwned::to_owned).collect();
    let mut report = Report::of_plan(&sample::plan());
    report.goal = None;
    report.looked(&standing, lines)
}

/// A run that was stopped because nothing proves who the server is.
fn missing_host_key() -> Report {
    let failure = Failure::new("`host_key` is missing, so nothing proves who the server is")
        .because("presented: ED25519 SHA256:+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU")
        .hint("compare with what the server itself says: `ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub`")
        .hint("if they are the same, add to the inputs:\nhost_key: |\n  example.org ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl");
    Report::of_origin(sample::origin()).stopped(&Error::Connect(failure))
}

#[test]
fn each_outcome_has_its_page() {
    for (name, report) in outcomes() {
        insta::assert_snapshot!(name, page(&report));
    }
}

#[test]
fn every_page_says_what_happened_first_whose_it_was_and_what_to_do_next() {
    for (name, report) in outcomes() {
        let page = page(&report);
        let lines: Vec<&str> = page.lines().filter(|line| !line.is_empty()).collect();
        assert!(lines[0].starts_with("## "), "{name}: {page}");
        let whose = lines
            .iter()
            .position(|line| line.contains("Serve the new page"));
        assert!(whose.is_some_and(|at| at <= 2), "{name}: {page}");
        assert!(lines[..4].concat().contains("Ada L."), "{name}: {page}");
        let is_well = report.status == Status::Healthy;
        assert_eq!(
            page.contains("### What to do next"),
            !is_well,
            "{name}: {page}"
        );
    }
}

#[test]
fn what_a_failed_service_printed_last_stands_right_below_what_happened() {
    let mut report = Report::fold(&sample::rolled_back());
    report.logs[0].lines = (1..=30).map(|n| format!("line {n}")).collect();
    let page = page(&report);
    let (above, below) = page.split_once("### What to do next").unwrap();
    assert!(
        above.contains("line 30") && above.contains("line 21"),
        "{above}"
    );
    assert!(!above.contains("line 20"), "{above}");
    assert!(below.contains("### Last 30 lines of `web`"), "{below}");
    assert!(below.contains("line 1\n"), "{below}");
}

#[test]
fn the_lines_of_a_missing_host_key_can_be_pasted_from_the_page() {
    let page = page(&missing_host_key());
    let block = "  ```text\n  host_key: |\n    example.org ssh-ed25519 AAAA";
    assert!(page.contains(block), "{page}");
}

#[test]
fn all_faults_of_the_inputs_are_listed() {
    let faults = ["unknown input `x`", "`port` is <b>"].map(Failure::new);
    let error = Error::Input(faults.to_vec());
    insta::assert_snapshot!(page(&Report::of_origin(sample::origin()).stopped(&error)), @r"
    ## 🚫 Refused: the inputs have 2 faults; nothing was touched.

    - unknown input `x`
    - `port` is &lt;b&gt;

    [`0123456`](https://github.com/acme/app/commit/0123456789abcdef0123456789abcdef01234567) · Serve the new page · by Ada L. · started by ada

    ### What to do next

    - Mend that and run it again: nothing was touched.

    [Open the application](https://app.example.org) · [This run](https://github.com/acme/app/actions/runs/7)
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
        // What is to be pasted stands in a list.
        let line = line.strip_prefix("  ").unwrap_or(line);
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
