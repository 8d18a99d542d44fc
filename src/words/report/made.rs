//! What a release is called: by the tag that was asked for, its commit, and who made it when.
//!
//! It refuses to know markup: what it returns is untrusted text that each output escapes.

use chrono::{DateTime, Utc};

use crate::words::clean;
use crate::words::plan::{Made, Origin};
use crate::words::reference;

/// How many digits of a commit are shown.
const DIGITS: usize = 7;
/// How much of its title.
const TITLE: usize = 60;

/// The reference that was asked for instead of the one in the compose file; that one if none was.
#[must_use]
pub fn asked_for<'a>(image: &'a str, asked: &'a [String]) -> &'a str {
    let repository = |text: &str| reference::parse(text).repository;
    let own = repository(image);
    let of_it = asked.iter().find(|asked| repository(asked) == own);
    of_it.map_or(image, String::as_str)
}

/// References in short, each once: `beacon:v1, worker:v1`. A digest is no name and is left out where
/// there is a tag.
#[must_use]
pub fn in_short<'a>(references: impl IntoIterator<Item = &'a str>) -> String {
    let mut names: Vec<String> = Vec::new();
    for text in references {
        let parts = reference::parse(text);
        let last = parts.written.rsplit('/').next().unwrap_or_default();
        let name = match (&parts.tag, &parts.digest) {
            (Some(tag), _) => format!("{last}:{tag}"),
            (None, Some(digest)) => format!("{last}@{}", clean::short(digest)),
            (None, None) => last.to_owned(),
        };
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names.join(", ")
}

/// A commit's hash as people write it.
#[must_use]
pub fn short(commit: &str) -> String {
    commit.chars().take(DIGITS).collect()
}

/// A commit in short with its title: `1a2b3c4 Say hello`; nothing where no commit is known.
#[must_use]
pub fn commit(origin: &Origin) -> Option<String> {
    let short = short(origin.commit.as_ref()?);
    Some(match &origin.commit_title {
        Some(title) => format!("{short} {}", clean::clip(&clean::one_line(title), TITLE)),
        None => short,
    })
}

/// A release in a phrase: `beacon:v1, commit 1a2b3c4 Say hello, deployed 2025-10-17 14:30 UTC by ada`.
#[must_use]
pub fn in_words(made: &Made) -> String {
    let name = in_short(made.asked.iter().map(String::as_str));
    let name = (!name.is_empty()).then_some(name);
    let commit = commit(&made.origin).map(|commit| format!("commit {commit}"));
    let by = made.origin.actor.iter().map(|actor| format!(" by {actor}"));
    let by: String = by.collect();
    let when = format!("deployed {}{by}", made.at.format("%Y-%m-%d %H:%M UTC"));
    let all: Vec<String> = name.into_iter().chain(commit).chain([when]).collect();
    all.join(", ")
}

/// How long ago a moment was, in its largest unit: `5 min`, `3 h`, `12 d`.
#[must_use]
pub fn age(at: DateTime<Utc>, now: DateTime<Utc>) -> String {
    let minutes = (now - at).num_minutes().max(0);
    match minutes {
        0 => "now".to_owned(),
        1..60 => format!("{minutes} min"),
        60..1440 => format!("{} h", minutes / 60),
        _ => format!("{} d", minutes / 1440),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_release_is_called_by_what_was_asked_for_and_not_by_the_compose_files_tag() {
        let image = "ghcr.io/acme/beacon:latest";
        let asked = [
            "ghcr.io/acme/beacon:abc123".to_owned(),
            "redis:8".to_owned(),
        ];
        assert_eq!(asked_for(image, &asked), "ghcr.io/acme/beacon:abc123");
        assert_eq!(asked_for(image, &asked[1..]), "ghcr.io/acme/beacon:latest");
        let all = asked.iter().map(String::as_str);
        assert_eq!(in_short(all.chain(["redis:8"])), "beacon:abc123, redis:8");
        assert_eq!(in_short(["a/b@sha256:0123456789abcdef"]), "b@0123456789ab");
        let made = Made {
            run: "r".into(),
            at: "2025-10-17T14:30:25Z".parse().unwrap(),
            asked: asked.to_vec(),
            origin: Origin {
                actor: Some("ada".into()),
                commit: Some("1a2b3c4d5e".into()),
                commit_title: Some("Say hello".into()),
                ..Origin::default()
            },
        };
        assert_eq!(
            in_words(&made),
            "beacon:abc123, redis:8, commit 1a2b3c4 Say hello, deployed 2025-10-17 14:30 UTC by ada"
        );
    }

    #[test]
    fn an_age_is_in_its_largest_unit() {
        let at: DateTime<Utc> = "2025-10-17T14:30:25Z".parse().unwrap();
        let after = |minutes| age(at, at + chrono::TimeDelta::minutes(minutes));
        assert_eq!(
            [-5, 0, 59, 60, 1439, 1440 * 3].map(after),
            ["now", "now", "59 min", "1 h", "23 h", "3 d"]
        );
    }
}
