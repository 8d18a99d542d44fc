//! What the Slack message promises.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::*;
use crate::words::event::Failure;
use crate::words::report::sample;

fn pretty(report: &Report) -> String {
    serde_json::to_string_pretty(&message(report)).unwrap()
}

#[test]
fn a_deployment_says_who_what_and_where() {
    insta::assert_snapshot!(pretty(&Report::fold(&sample::deployed())), @r#"
    {
      "text": "Deployment to production: success · Commit: 0123456 Serve the new page · Author: Ada L. · URL: https://app.example.org · Image: ghcr.io/acme/app:2@sha256:abcdef012345… · Duration: 8.5 s · Downtime: 0.18 s",
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
            "text": "Deployed ghcr.io/acme/app:2@sha256:abcdef012345… to production in 8.5 s.",
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
              "text": "*Image*\nghcr.io/acme/app:2@sha256:abcdef012345…",
              "verbatim": true
            },
            {
              "type": "mrkdwn",
              "text": "*Duration*\n8.5 s",
              "verbatim": true
            },
            {
              "type": "mrkdwn",
              "text": "*Downtime*\n0.18 s",
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
      "text": "Deployment to production: failed, rolled back · Commit: 0123456 Serve the new page · Author: Ada L. · URL: https://app.example.org · Image: ghcr.io/acme/app:2@sha256:abcdef012345… · Duration: 8.0 s",
      "blocks": [
        {
          "type": "header",
          "text": {
            "type": "plain_text",
            "text": "↩️ Deployment to production: failed, rolled back",
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
              "text": "*Image*\nghcr.io/acme/app:2@sha256:abcdef012345…",
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
            "text": "• read what `web` printed last",
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
    Rollback of production: success · Commit: 0123456 Serve the new page · Author: Ada L. · URL: https://app.example.org · Duration: 4.0 s
    Deployment to production: refused, nothing touched · Commit: 0123456 Serve the new page · Author: Ada L. · URL: https://app.example.org · Duration: 0.09 s
    Deployment to production: ROLLBACK FAILED · Commit: 0123456 Serve the new page · Author: Ada L. · URL: https://app.example.org · Image: ghcr.io/acme/app:2@sha256:abcdef012345… · Duration: 7.2 s
    Deployment to production: outcome unknown · Commit: 0123456 Serve the new page · Author: Ada L. · URL: https://app.example.org
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
