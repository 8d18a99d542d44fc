//! A run as a Slack message: Block Kit, with a plain text for notifications.
//!
//! It refuses to know where the message is sent. Text from elsewhere is escaped as Slack asks and
//! marked verbatim, so it mentions nobody, links nothing and calls no channel.

use serde_json::{Value, json};

use super::markdown::web_address;
use crate::words::clean;
use crate::words::event::Status;
use crate::words::plan::{Goal, Origin};
use crate::words::report::{Report, made, span};

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
    let mut blocks = vec![
        header(report),
        section(&escape(&report.headline(), SECTION)),
    ];
    if !report.went_well() && !report.reason.is_empty() {
        blocks.push(section(&escape(&report.reason, SECTION)));
    }
    let fields: Vec<_> = facts(report).iter().map(field).collect();
    if !fields.is_empty() {
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
    let fact = |fact: Fact| format!("{}: {}", fact.name, fact.plain);
    let told = facts(report).into_iter().map(fact);
    let told: Vec<_> = std::iter::once(title).chain(told).collect();
    clip_escaped(&told.join(" · "), SECTION)
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
        Status::Healthy => "healthy",
        Status::Unhealthy => "UNHEALTHY",
        Status::RolledBack => "failed, rolled back",
        Status::Refused => "refused, nothing touched",
        Status::RollbackFailed => "ROLLBACK FAILED",
        Status::Unknown => "outcome unknown",
    }
}

fn sign(status: Status) -> &'static str {
    match status {
        Status::Deployed | Status::Restored | Status::Healthy => "✅",
        Status::Planned => "📝",
        Status::RolledBack => "↩️",
        Status::Refused => "🚫",
        Status::RollbackFailed | Status::Unhealthy => "🚨",
        Status::Unknown => "❔",
    }
}

fn header(report: &Report) -> Value {
    let text = format!(
        "{} {}",
        sign(report.status),
        escape(&title(report), HEADER - 3)
    );
    json!({ "type": "header", "text": { "type": "plain_text", "text": text, "emoji": true } })
}

fn section(mrkdwn: &str) -> Value {
    json!({ "type": "section", "text": markup(mrkdwn) })
}

fn field(fact: &Fact) -> Value {
    let value = fact.linked.as_ref().unwrap_or(&fact.plain);
    markup(&format!("*{}*\n{value}", fact.name))
}

fn markup(mrkdwn: &str) -> Value {
    json!({ "type": "mrkdwn", "text": mrkdwn, "verbatim": true })
}

/// What a reader asks next, escaped.
struct Fact {
    name: &'static str,
    plain: String,
    linked: Option<String>,
}

fn facts(report: &Report) -> Vec<Fact> {
    let origin = &report.origin;
    let fact = |name, value: Option<&String>| {
        let plain = escape(value?, 300);
        Some(Fact {
            name,
            plain,
            linked: None,
        })
    };
    let author = origin.commit_author.as_ref().or(origin.actor.as_ref());
    let duration = Some(report.duration_ms).filter(|ms| *ms > 0).map(span);
    let facts = [
        commit(origin),
        fact("Author", author),
        fact("URL", origin.url.as_ref()).map(|fact| Fact {
            linked: origin.url.as_ref().map(|url| linked(url, url)),
            ..fact
        }),
        fact("Image", report.images_in_words().as_ref()),
        fact("Duration", duration.as_ref()),
        fact("Downtime", report.downtime_ms.map(span).as_ref()),
    ];
    facts.into_iter().flatten().collect()
}

fn commit(origin: &Origin) -> Option<Fact> {
    let hash = origin.commit.as_ref()?;
    let short = made::short(hash);
    let title = origin
        .commit_title
        .as_ref()
        .map(|title| format!(" {}", escape(title, 300)));
    let title = title.unwrap_or_default();
    let link = origin
        .commit_address()
        .map(|address| linked(&address, &short));
    Some(Fact {
        name: "Commit",
        plain: format!("{}{title}", escape(&short, 30)),
        linked: link.map(|link| format!("{link}{title}")),
    })
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
mod tests;
