//! Every output, once: its name and what its value is.
//!
//! `action.yml` and the README's table are held to it by a test. It refuses to know who computes
//! a value and who writes it down.

/// One output of the action.
#[derive(Debug, PartialEq, Eq)]
pub struct Output {
    /// Its name, such as `deployment_id`.
    pub name: &'static str,
    /// What its value is, in Markdown, without a line break.
    pub doc: &'static str,
}

const fn output(name: &'static str, doc: &'static str) -> Output {
    Output { name, doc }
}

/// Every output, in the order of the documentation.
pub const OUTPUTS: &[Output] = &[
    output(
        "status",
        "How the run ended: `deployed`, `restored`, `planned`, `healthy`, `unhealthy` (`mode: status`), `rolled_back`, `refused`, `rollback_failed` or `unknown`.",
    ),
    output(
        "deployment_id",
        "The run's id: sortable by time, and unique.",
    ),
    output(
        "backup_timestamp",
        "The timestamp of the backup that this run made, such as `20251017_143025`.",
    ),
    output(
        "backup_file",
        "The path of that backup's archive on the server.",
    ),
    output(
        "image_digest",
        "The digest of the image that the first deployed service runs now, however the run ended; empty where nobody knows.",
    ),
    output(
        "previous_image_digest",
        "The digest of the image that it ran before.",
    ),
    output(
        "tried_image_digest",
        "The digest of the image that it was to run and does not, or does not for sure; empty after `deployed` and `restored`.",
    ),
    output(
        "images",
        "Every deployed service with its image before and after, as JSON: `[{\"service\",\"image\",\"image_id\",\"digest\",\"previous_image_id\",\"previous_digest\"}]`.",
    ),
    output("failed_step", "The step that failed; empty when none did."),
    output(
        "reason",
        "Why it failed, in one line; empty when nothing did.",
    ),
    output("duration_seconds", "How long the run took."),
    output(
        "downtime_seconds",
        "How long `health_url` did not answer, measured on the server; empty without a `health_url`, and where it did not answer before the switch.",
    ),
    output(
        "report",
        "The whole run as JSON: every step with its start, its end and its result.",
    ),
];
