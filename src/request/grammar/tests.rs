//! Values that pass, and values that only look as if they should.

#![allow(clippy::unwrap_used)]

use super::*;

#[track_caller]
fn all<T>(read: impl Fn(&str) -> Read<T>, good: &[&str], bad: &[&str]) {
    for text in good {
        assert!(read(text).is_ok(), "{text:?} is refused");
    }
    for text in bad {
        assert!(read(text).is_err(), "{text:?} is let through");
    }
}

#[test]
fn numbers_are_digits_within_bounds() {
    all(
        |text| number(text, 1..=65_535),
        &["1", "22", "65535", "022"],
        &[
            "",
            "0",
            "65536",
            "-1",
            "+1",
            "1.0",
            "1e3",
            "0x16",
            "٣",
            "99999999999999999999999",
        ],
    );
}

#[test]
fn switches_are_two_words() {
    all(switch, &["true", "false"], &["True", "yes", "1", "", "on"]);
}

#[test]
fn directories_are_absolute_and_somebodys_own() {
    all(
        directory,
        &[
            "/opt/mcp",
            "/opt/mcp/",
            "/srv",
            "/home/deploy/my app",
            "/tmp/x",
            "/var/www",
        ],
        &[
            "",
            "opt/mcp",
            "/",
            "//",
            "/.",
            "/opt/../etc",
            "/opt/..",
            "~/app",
            "$HOME/app",
            "/opt/a\nb",
            "/opt/\u{7f}",
            "/etc",
            "/proc/1",
            "/usr/",
        ],
    );
    let tidy = directory("//opt/./mcp//").unwrap();
    assert_eq!(tidy, PathBuf::from("/opt/mcp"));
}

#[test]
fn relative_paths_stay_inside() {
    all(
        relative,
        &["a", "./a/b", ".", "a/.env", "a..b", "...", "a b", "a/-x"],
        &["/a", "..", "a/..", "../a", "a/../b", "~/a", "~", "a\tb"],
    );
    all(
        relative_file,
        &[".env", "config/.env"],
        &[".", "./", "config/"],
    );
    assert_eq!(relative("./a//b/").unwrap(), "a/b");
}

#[test]
fn what_a_command_would_read_as_an_option_is_refused_however_it_is_written() {
    let options = [
        "-",
        "--help",
        "-x",
        "./-",
        ".//--help",
        "-/a",
        "--",
        "-a/b.yml",
    ];
    all(relative, &[], &options);
    all(relative_file, &[], &options);
    all(glob, &[], &["-*", "./--exclude=*", "-x/**"]);
    all(project, &[], &["-", "-p", "--help"]);
    all(service, &[], &["-", "-T", "--help"]);
    let fault = relative_file("--help").unwrap_err();
    assert_eq!(
        fault.to_string(),
        "`--help` begins with `-`, as an option of a command would"
    );
}

#[test]
fn names_follow_composes_rules() {
    all(
        project,
        &["mcp", "0a", "a_b-c"],
        &["", "Mcp", "-a", "_a", "a.b", "a b", "ä"],
    );
    all(
        service,
        &["api", "Api.v2", "a-b_c", "_x"],
        &["", "-api", ".a", "a b", "a/b", "a\nb"],
    );
}

#[test]
fn urls_are_http_without_a_login() {
    all(
        url,
        &[
            "http://localhost:8000/health",
            "https://example.org",
            "https://[::1]/x?y=1#z",
        ],
        &[
            "localhost:8000",
            "/health",
            "ftp://example.org",
            "http://",
            "http:example.org",
            "http:///x",
            "https://a b/",
            "https://u:p@example.org",
            "https://u@example.org",
            "http://x:99999/",
            "https://exa\nmple.org",
            "javascript:alert(1)",
        ],
    );
    let fault = url("https://u:hunter2@example.org").unwrap_err();
    assert!(!format!("{fault:?}").contains("hunter2"));
    all(
        |text| secret_url(text).map(str::to_owned),
        &["https://hooks.slack.com/services/T/B/x", "http://x.org"],
        &["x", "a\nb"],
    );
    assert!(is_overheard("http://x.org/T"));
    for safe in ["https://x.org/T", "http://127.0.0.1:8/T", "http://[::1]/T"] {
        assert!(!is_overheard(safe), "{safe}");
    }
}

#[test]
fn globs_compile_and_stay_inside() {
    all(
        glob,
        &["*.log", "data/**", "{a,b}/*"],
        &["[", "{a", "../x", "/x", "!keep"],
    );
}

#[test]
fn a_backup_is_named_by_latest_a_real_moment_a_commit_or_a_tag() {
    all(
        backup,
        &[
            "latest",
            "latest~2",
            "20251017_143025",
            "20240229_000000",
            "1a2b3c4",
            "1a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d",
            "v1.2.3",
            "2025-10-17",
        ],
        &[
            "",
            "Latest",
            "latest~",
            "latest~x",
            "latest~99999",
            "20250229_000000",
            "20251317_143025",
            "20251017_250000",
            "2025101_7143025",
            "20251017143025",
            "20251017-143025",
            "+0251017_143025",
            "acme/app:v1",
            "-v",
        ],
    );
}
