//! Values that are not of their kind: words, switches, numbers, moments, URLs, single lines.
//!
//! It refuses to know what a value is for.

use super::Row;

pub const ROWS: &[Row] = &[
    (
        "a mistyped mode",
        &[("MODE", "deplyo")],
        &["`mode`: there is no `deplyo`; did you mean `deploy`?"],
    ),
    (
        "words that are none",
        &[
            ("MODE", "restart"),
            ("SMOKE_SUITE", "all"),
            ("SUDO", "yes"),
            ("NOTIFY", "on_failure"),
        ],
        &[
            "`mode`: there is no `restart`; use `deploy`, `rollback`, `plan` or `status`",
            "`smoke_suite`: there is no `all`; use `basic` or `full`",
            "`sudo`: there is no `yes`; use `auto`, `always` or `never`",
            "`notify`: there is no `on_failure`; did you mean `failure`?",
        ],
    ),
    (
        "switches that are none",
        &[("DRY_RUN", "True"), ("RESTORE_DATA", "yes")],
        &[
            "`dry_run`: `True` is not a switch; use `true` or `false`, in lower case",
            "`restore_data`: `yes` is not a switch; use `true` or `false`, in lower case",
            "`restore_data` is for rollbacks alone; leave it out, or ask for a rollback; `dry_run` shows one beforehand",
        ],
    ),
    (
        "ports out of range",
        &[("PORT", "70000")],
        &[
            "`port`: `70000` is not between 1 and 65535; give a whole number from 1 to 65535, in digits alone",
        ],
    ),
    (
        "numbers that are none",
        &[
            ("PORT", "ssh"),
            ("HEALTH_TIMEOUT", "2m"),
            ("WATCH", "-1"),
            ("KEEP_BACKUPS", "0"),
            ("LOCK_TIMEOUT", "1.5"),
            ("TIMEOUT", "0x10"),
        ],
        &[
            "`port`: `ssh` is not a whole number; give a whole number from 1 to 65535, in digits alone",
            "`health_timeout`: `2m` is not a whole number; give a whole number from 1 to 31536000, in digits alone",
            "`watch`: `-1` is not a whole number; give a whole number from 0 to 31536000, in digits alone",
            "`keep_backups`: `0` is not between 1 and 4294967295; give a whole number from 1 to 4294967295, in digits alone",
            "`lock_timeout`: `1.5` is not a whole number; give a whole number from 0 to 31536000, in digits alone",
            "`timeout`: `0x10` is not a whole number; give a whole number from 1 to 31536000, in digits alone",
        ],
    ),
    (
        "URLs that are none",
        &[
            ("HEALTH_URL", "localhost:8000/health"),
            ("URL", "ftp://example.org"),
            ("SLACK_WEBHOOK_URL", "hunter2.example/x"),
        ],
        &[
            "`health_url`: `localhost:8000/health` is neither http nor https; give an http or https URL, such as `https://example.org/health`",
            "`url`: `ftp://example.org` is neither http nor https; give an http or https URL, such as `https://example.org/health`",
            "`slack_webhook_url`: it is not a URL: relative URL without a base; give the webhook's URL as its maker shows it",
        ],
    ),
    (
        "a URL with a password in it",
        &[("HEALTH_URL", "http://admin:hunter2@localhost/health")],
        &[
            "`health_url`: it holds a login, which logs would show; give an http or https URL, such as `https://example.org/health`",
        ],
    ),
    (
        "a day that never was",
        &[
            ("MODE", "rollback"),
            ("BACKUP_TIMESTAMP", "20250230_120000"),
        ],
        &[
            "`backup_timestamp`: `20250230_120000` names no backup; use `latest`, `latest~2` for two releases further back, a timestamp (UTC) such as `20251017_143025`, a commit of 7 digits or more, or a tag",
        ],
    ),
    (
        "an environment of two lines",
        &[("ENVIRONMENT", "prod\nuction")],
        &["`environment`: `prod\\nuction` has more than one line; give a single line"],
    ),
    (
        "what a workflow command looks like",
        &[("MODE", "::error::x"), ("USER", "##[error]x")],
        &[
            "`mode`: there is no `::error::x`; use `deploy`, `rollback`, `plan` or `status`",
            "`user`: `## [error]x` is not a user name; use letters, digits, `_`, `-` and `.`, beginning with a letter, a digit or `_`",
        ],
    ),
];
