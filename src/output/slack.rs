//! A run as a Slack message: Block Kit, with a plain text for notifications.
//!
//! It refuses to know where the message is sent. Text from elsewhere is escaped as Slack asks and
//! marked verbatim, so it mentions nobody, links nothing and calls no channel.

use serde_json::{Value, json};

use super::clean;
use super::markdown::web_address;
use crate::event::Status;
use crate::plan::{Goal, Origin};
use crate::report::{Report, span};

/// Slack's limit for a header, in characters.
const HEADER: usize = 150;
/// Slack's limit for the text of a section.
const SECTION: usize = 3_000;
/// Slack's limit for a field of a section.
const FIELD: usize = 2_000;
/// Slack's limit for blocks in a message.
const BLOCKS: usize = 50;
/// Hints that are shown; the rest is in the summary.
const HINTS: usize = 5;

/// The message of a report, for an incoming webhook.
#[must_use]
pub fn message(report: &Report) -> Value {
    let mut blocks = vec![header(report), section(&headline(report))];
    if !report.went_well() && !report.reason.is_empty() {
        blocks.push(section(&escape(&report.reason, SECTION)));
    }
    let facts = facts(report);
    if !facts.is_empty() {
        let fields: Vec<_> = facts
            .iter()
            .map(|(name, value)| field(name, value))
            .collect();
        blocks.push(json!({ "type": "section", "fields": fields }));
    }
    let hints = report.hints.iter().take(HINTS);
    blocks.extend(hints.map(|h| section(&format!("• {}", escape(h, SECTION - 2)))));
    blocks.extend(footer(report));
    blocks.truncate(BLOCKS);
    json!({ "text": text(report), "blocks": blocks })
}

/// The line for notifications:
/// `Deployment to production: success · Commit: … · Author: … · URL: …`.
#[must_use]
pub fn text(report: &Report) -> String {
    let title = escape(&title(report), HEADER);
    let facts = facts(report);
    let told = facts
        .iter()
        .map(|(name, value)| format!(" · {name}: {value}"));
    clip_escaped(&(title + &told.collect::<String>()), SECTION)
}

fn title(report: &Report) -> String {
    let what = match &report.goal {
        Some(Goal::Rollback { .. }) => "Rollback of",
        _ => "Deployment to",
    };
    format!("{what} {}: {}", report.place(), result(report.status))
}

fn result(status: Status) -> &'static str {
    match status {
        Status::Deployed | Status::Restored => "success",
        Status::Planned => "planned",
        Status::RolledBack => "failed, rolled back",
        Status::Refused => "refused, nothing touched",
        Status::RollbackFailed => "ROLLBACK FAILED",
        Status::Unknown => "outcome unknown",
    }
}

fn sign(status: Status) -> &'static str {
    match status {
        Status::Deployed | Status::Restored => "✅",
        Status::Planned => "📝",
        Status::RolledBack => "↩️",
        Status::Refused => "🚫",
        Status::RollbackFailed => "🚨",
        Status::Unknown => "❔",
    }
}

fn header(report: &Report) -> Value {
    let text = format!("{} {}", sign(report.status), title(report));
    let text = escape(&text, HEADER);
    json!({ "type": "header", "text": { "type": "plain_text", "text": text, "emoji": true } })
}

fn headline(report: &Report) -> String {
    escape(&report.headline(), SECTION)
}

fn section(mrkdwn: &str) -> Value {
    json!({ "type": "section", "text": markup(mrkdwn) })
}

fn field(name: &str, value: &str) -> Value {
    markup(&format!("*{name}*\n{value}"))
}

fn markup(mrkdwn: &str) -> Value {
    json!({ "type": "mrkdwn", "text": mrkdwn, "verbatim": true })
}

/// What a reader asks next, ready for Slack.
fn facts(report: &Report) -> Vec<(&'static str, String)> {
    let origin = &report.origin;
    let short = |value: &String| escape(value, 300);
    let duration = (report.duration_ms > 0).then(|| span(report.duration_ms));
    let image = report.images_in_words();
    let facts = [
        ("Commit", commit(origin)),
        (
            "Author",
            origin
                .commit_author
                .as_ref()
                .or(origin.actor.as_ref())
                .map(short),
        ),
        ("URL", origin.url.as_ref().map(|url| linked(url, url))),
        ("Image", image.as_ref().map(short)),
        ("Duration", duration),
        ("Downtime", report.downtime_ms.map(span)),
    ];
    facts
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
        .collect()
}

fn commit(origin: &Origin) -> Option<String> {
    let hash = origin.commit.as_ref()?;
    let short: String = hash.chars().take(7).collect();
    let hash = match commit_address(origin, hash) {
        Some(address) => linked(&address, &short),
        None => escape(&short, 7),
    };
    match &origin.commit_title {
        Some(title) => Some(format!("{hash} {}", escape(title, 300))),
        None => Some(hash),
    }
}

/// The commit's page, beside the run's on the same server.
fn commit_address(origin: &Origin, hash: &str) -> Option<String> {
    let (repository, _) = origin.run_url.as_ref()?.split_once("/actions/runs/")?;
    let is_hash = hash.chars().all(|c| c.is_ascii_hexdigit());
    is_hash.then(|| format!("{repository}/commit/{hash}"))
}

fn footer(report: &Report) -> Option<Value> {
    let run = report
        .origin
        .run_url
        .as_ref()
        .map(|url| linked(url, "Open the run"));
    let id = Some(escape(&report.id, 100)).filter(|id| !id.is_empty());
    let backup = report
        .backup
        .as_ref()
        .map(|b| format!("backup {}", escape(&b.timestamp, 100)));
    let told: Vec<_> = [run, id, backup].into_iter().flatten().collect();
    if told.is_empty() {
        return None;
    }
    Some(json!({ "type": "context", "elements": [markup(&told.join(" · "))] }))
}

/// A link, if the address is one that a browser may follow and short enough for a field.
fn linked(address: &str, label: &str) -> String {
    let label = escape(label, 300);
    match web_address(address).map(|a| escape(&a, FIELD)) {
        Some(url) if url.len() < 1_000 => format!("<{url}|{label}>"),
        _ => label,
    }
}

/// Text in one line of at most `limit` characters once it is escaped.
fn escape(untrusted: &str, limit: usize) -> String {
    let line = clean::one_line(untrusted);
    let quiet = ["everyone", "channel", "here"]
        .iter()
        // Not even the plain text may call everybody; a word joiner parts the sign from the word.
        .fold(line, |line, word| {
            line.replace(&format!("@{word}"), &format!("@\u{2060}{word}"))
        });
    let whole = quiet.chars().map(entity).collect::<String>();
    clip_escaped(&whole, limit)
}

fn entity(c: char) -> String {
    match c {
        '&' => "&amp;".to_owned(),
        '<' => "&lt;".to_owned(),
        '>' => "&gt;".to_owned(),
        c => c.to_string(),
    }
}

/// Escaped text of at most `limit` characters, cut between two entities or links.
fn clip_escaped(escaped: &str, limit: usize) -> String {
    if escaped.chars().count() <= limit {
        return escaped.to_owned();
    }
    let kept: String = escaped.chars().take(limit.saturating_sub(1)).collect();
    let mut end = kept.len();
    for (open, close) in [('&', ';'), ('<', '>')] {
        let opened = kept.rfind(open);
        if let Some(at) = opened.filter(|at| !kept[*at..].contains(close)) {
            end = end.min(at);
        }
    }
    format!("{}…", &kept[..end])
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::*;
    use crate::event::Failure;
    use crate::report::sample;

    fn pretty(report: &Report) -> String {
        serde_json::to_string_pretty(&message(report)).unwrap()
    }

    #[test]
    fn a_deployment_says_who_what_and_where() {
        insta::assert_snapshot!(pretty(&Report::fold(&sample::deployed())), @r#"
        {
          "text": "Deployment to production: success · Commit: <https://github.com/acme/app/commit/0123456789abcdef0123456789abcdef01234567|0123456> Serve the new page · Author: Ada L. · URL: <https://app.example.org|https://app.example.org> · Image: ghcr.io/acme/app@sha256:abcdef012345… · Duration: 8.5 s · Downtime: 180 ms",
          "blocks": [
            {
              "type": "header",
              "text": {
                "type": "plain_text",
                "text": "✅ Deployment to production: success",
                "emoji": true
              }
            },
            {
              "type": "section",
              "text": {
                "type": "mrkdwn",
                "text": "Deployed ghcr.io/acme/app@sha256:abcdef012345… to production in 8.5 s.",
                "verbatim": true
              }
            },
            {
              "type": "section",
              "fields": [
                {
                  "type": "mrkdwn",
                  "text": "*Commit*\n<https://github.com/acme/app/commit/0123456789abcdef0123456789abcdef01234567|0123456> Serve the new page",
                  "verbatim": true
                },
                {
                  "type": "mrkdwn",
                  "text": "*Author*\nAda L.",
                  "verbatim": true
                },
                {
                  "type": "mrkdwn",
                  "text": "*URL*\n<https://app.example.org|https://app.example.org>",
                  "verbatim": true
                },
                {
                  "type": "mrkdwn",
                  "text": "*Image*\nghcr.io/acme/app@sha256:abcdef012345…",
                  "verbatim": true
                },
                {
                  "type": "mrkdwn",
                  "text": "*Duration*\n8.5 s",
                  "verbatim": true
                },
                {
                  "type": "mrkdwn",
                  "text": "*Downtime*\n180 ms",
                  "verbatim": true
                }
              ]
            },
            {
              "type": "context",
              "elements": [
                {
                  "type": "mrkdwn",
                  "text": "<https://github.com/acme/app/actions/runs/7|Open the run> · 20251017_143025-0a1b2c · backup 20251017_143025",
                  "verbatim": true
                }
              ]
            }
          ]
        }
        "#);
    }

    #[test]
    fn a_rollback_says_why() {
        insta::assert_snapshot!(pretty(&Report::fold(&sample::rolled_back())), @r#"
        {
          "text": "Deployment to production: failed, rolled back · Commit: <https://github.com/acme/app/commit/0123456789abcdef0123456789abcdef01234567|0123456> Serve the new page · Author: Ada L. · URL: <https://app.example.org|https://app.example.org> · Image: ghcr.io/acme/app@sha256:abcdef012345… · Duration: 8.0 s",
          "blocks": [
            {
              "type": "header",
              "text": {
                "type": "plain_text",
                "text": "↩ Deployment to production: failed, rolled back",
                "emoji": true
              }
            },
            {
              "type": "section",
              "text": {
                "type": "mrkdwn",
                "text": "Rolled back: service `web` exited with code 1 three seconds after the start; production runs what it ran before.",
                "verbatim": true
              }
            },
            {
              "type": "section",
              "text": {
                "type": "mrkdwn",
                "text": "`verify` failed: service `web` exited with code 1 three seconds after the start: panic: no database.",
                "verbatim": true
              }
            },
            {
              "type": "section",
              "fields": [
                {
                  "type": "mrkdwn",
                  "text": "*Commit*\n<https://github.com/acme/app/commit/0123456789abcdef0123456789abcdef01234567|0123456> Serve the new page",
                  "verbatim": true
                },
                {
                  "type": "mrkdwn",
                  "text": "*Author*\nAda L.",
                  "verbatim": true
                },
                {
                  "type": "mrkdwn",
                  "text": "*URL*\n<https://app.example.org|https://app.example.org>",
                  "verbatim": true
                },
                {
                  "type": "mrkdwn",
                  "text": "*Image*\nghcr.io/acme/app@sha256:abcdef012345…",
                  "verbatim": true
                },
                {
                  "type": "mrkdwn",
                  "text": "*Duration*\n8.0 s",
                  "verbatim": true
                }
              ]
            },
            {
              "type": "section",
              "text": {
                "type": "mrkdwn",
                "text": "• read the log of `web` below",
                "verbatim": true
              }
            },
            {
              "type": "context",
              "elements": [
                {
                  "type": "mrkdwn",
                  "text": "<https://github.com/acme/app/actions/runs/7|Open the run> · 20251017_143025-0a1b2c · backup 20251017_143025",
                  "verbatim": true
                }
              ]
            }
          ]
        }
        "#);
    }

    #[test]
    fn every_other_outcome_has_its_line() {
        let lost = Failure::new("the connection was cut");
        let lines = [
            Report::fold(&sample::restored()),
            Report::fold(&sample::refused()),
            Report::fold(&sample::stuck()),
            Report::of_plan(&sample::plan()).lost(&lost),
        ]
        .map(|report| text(&report));
        insta::assert_snapshot!(lines.join("\n"), @r"
        Rollback of production: success · Commit: <https://github.com/acme/app/commit/0123456789abcdef0123456789abcdef01234567|0123456> Serve the new page · Author: Ada L. · URL: <https://app.example.org|https://app.example.org> · Duration: 4.0 s
        Deployment to production: refused, nothing touched · Commit: <https://github.com/acme/app/commit/0123456789abcdef0123456789abcdef01234567|0123456> Serve the new page · Author: Ada L. · URL: <https://app.example.org|https://app.example.org> · Duration: 90 ms
        Deployment to production: ROLLBACK FAILED · Commit: <https://github.com/acme/app/commit/0123456789abcdef0123456789abcdef01234567|0123456> Serve the new page · Author: Ada L. · URL: <https://app.example.org|https://app.example.org> · Image: ghcr.io/acme/app@sha256:abcdef012345… · Duration: 7.2 s
        Deployment to production: outcome unknown · Commit: <https://github.com/acme/app/commit/0123456789abcdef0123456789abcdef01234567|0123456> Serve the new page · Author: Ada L. · URL: <https://app.example.org|https://app.example.org>
        ");
    }

    #[test]
    fn nobody_is_called_by_what_somebody_else_wrote() {
        let attack = "<!everyone> <!channel>\n@here <@U1> <https://evil|click> & done";
        let mut report = Report::fold(&sample::stuck()).scrubbed(|_| attack.to_owned());
        report.origin.run_url = Some("https://x/a>|<!here>/actions/runs/1".into());
        report.origin.commit = Some("<!here>".into());
        let told = message(&report).to_string();
        for bad in ["<!", "<@", "@here", "<https://evil", "javascript"] {
            assert!(!told.contains(bad), "{bad} in {told}");
        }
        assert!(!text(&report).contains('\n'));
    }

    #[test]
    fn an_endless_message_stays_within_the_limits_of_slack() {
        let mut report = Report::fold(&sample::stuck()).scrubbed(|_| "<&>".repeat(5_000));
        report.hints = vec!["<&>".repeat(5_000); 100];
        let message = message(&report);
        let blocks = message["blocks"].as_array().unwrap();
        assert!(blocks.len() <= 50);
        for block in blocks {
            let text = block["text"]["text"].as_str().unwrap_or_default();
            let most = if block["type"] == "header" {
                150
            } else {
                3_000
            };
            assert!(text.chars().count() <= most, "{}", text.len());
            assert!(!text.contains("&am…") && !text.contains("&…"), "{text}");
            for field in block["fields"].as_array().into_iter().flatten() {
                assert!(field["text"].as_str().unwrap().chars().count() <= 2_000);
            }
        }
    }

    #[test]
    fn every_markup_is_verbatim() {
        let told = message(&Report::fold(&sample::stuck())).to_string();
        let all = told.matches(r#""type":"mrkdwn""#).count();
        assert_eq!(told.matches(r#""verbatim":true"#).count(), all);
    }
}
