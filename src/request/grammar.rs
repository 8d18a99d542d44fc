//! What one value may look like: numbers, words, names, paths, URLs, globs, timestamps.
//!
//! Each function reads one text and gives the value or one fault about it. It refuses to know
//! which input the text came from and how the inputs bear on each other.

use std::ops::RangeInclusive;
use std::path::PathBuf;

use chrono::NaiveDateTime;

use crate::words::event::Failure;

use super::fault::{shown, unknown_word};

type Read<T> = Result<T, Failure>;

/// The longest wait that makes sense, a year: beyond it lie typing errors and overflows.
pub(super) const SECONDS: RangeInclusive<u64> = 1..=31_536_000;

/// The same, where no wait at all makes sense too.
pub(super) const SECONDS_OR_NONE: RangeInclusive<u64> = 0..=31_536_000;

/// A text in one line.
pub(super) fn one_line(text: &str) -> Read<&str> {
    if text.contains(['\n', '\r']) {
        return Err(
            Failure::new(format!("{} has more than one line", shown(text)))
                .hint("give a single line"),
        );
    }
    if text.chars().any(char::is_control) {
        return Err(
            Failure::new(format!("{} has a control character", shown(text)))
                .hint("take the invisible character out"),
        );
    }
    Ok(text)
}

/// A whole number within bounds, in decimal digits alone.
pub(super) fn number(text: &str, bounds: RangeInclusive<u64>) -> Read<u64> {
    let (least, most) = (*bounds.start(), *bounds.end());
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let number = if digits { text.parse().ok() } else { None };
    number
        .filter(|number| bounds.contains(number))
        .ok_or_else(|| {
            let fault = if digits {
                format!("{} is not between {least} and {most}", shown(text))
            } else {
                format!("{} is not a whole number", shown(text))
            };
            Failure::new(fault).hint(format!(
                "give a whole number from {least} to {most}, in digits alone"
            ))
        })
}

/// `true` or `false`.
pub(super) fn switch(text: &str) -> Read<bool> {
    match text {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(Failure::new(format!("{} is not a switch", shown(text)))
            .hint("use `true` or `false`, in lower case")),
    }
}

/// One of several words.
pub(super) fn choice<T: Copy>(text: &str, of: &[(&'static str, T)]) -> Read<T> {
    if let Some((_, value)) = of.iter().find(|(word, _)| *word == text) {
        return Ok(*value);
    }
    let words: Vec<_> = of.iter().map(|(word, _)| *word).collect();
    Err(unknown_word("there is no", text, &words))
}

/// A directory on the server: absolute, not `/`, without `..`; tidied of `//`, `/./` and a last `/`.
pub(super) fn directory(text: &str) -> Read<PathBuf> {
    let text = one_line(text)?;
    let fault = |what: &str, hint: &str| Failure::new(format!("{} {what}", shown(text))).hint(hint);
    if text.starts_with(['~', '$']) {
        return Err(fault(
            "is not expanded",
            "write the absolute path, such as `/home/deploy/app`",
        ));
    }
    let Some(below_root) = text.strip_prefix('/') else {
        return Err(fault(
            "is not absolute",
            "write the whole path, such as `/opt/app`",
        ));
    };
    let parts: Vec<_> = parts(below_root).collect();
    if parts.contains(&"..") {
        return Err(fault("contains `..`", "write the path without `..`"));
    }
    if parts.is_empty() {
        return Err(fault(
            "is the root of the file system",
            "name a directory of its own, such as `/opt/app`",
        ));
    }
    if belongs_to_the_system(&parts) {
        return Err(fault(
            "belongs to the operating system",
            "name a directory of its own, such as `/opt/app`",
        ));
    }
    Ok(PathBuf::from(format!("/{}", parts.join("/"))))
}

/// A rollback removes what a backup lacks, so these are never anybody's application.
fn belongs_to_the_system(parts: &[&str]) -> bool {
    const ITSELF: [&str; 9] = [
        "bin", "boot", "etc", "lib", "lib64", "run", "sbin", "usr", "var",
    ];
    const AND_BELOW: [&str; 3] = ["dev", "proc", "sys"];
    match parts {
        [only] => ITSELF.contains(only) || AND_BELOW.contains(only),
        [first, ..] => AND_BELOW.contains(first),
        [] => false,
    }
}

/// A path relative to some directory that stays inside it; tidied, `.` for the directory itself.
pub(super) fn relative(text: &str) -> Read<String> {
    let text = one_line(text)?;
    let fault = |what: &str, hint: &str| Failure::new(format!("{} {what}", shown(text))).hint(hint);
    if text.starts_with('/') {
        return Err(fault(
            "is absolute",
            "write it relative, such as `config/app.yml`",
        ));
    }
    if text.starts_with("~/") || text == "~" {
        return Err(fault(
            "is not expanded",
            "write it relative, such as `config/app.yml`",
        ));
    }
    let parts: Vec<_> = parts(text).collect();
    if parts.contains(&"..") {
        return Err(fault(
            "contains `..`",
            "name something inside the directory",
        ));
    }
    if parts.first().is_some_and(|first| first.starts_with('-')) {
        return Err(fault(
            "begins with `-`, as an option of a command would",
            "name a file or a directory that does not, or rename it",
        ));
    }
    Ok(if parts.is_empty() {
        ".".to_owned()
    } else {
        parts.join("/")
    })
}

/// A relative path that names a file: it is not the directory itself and does not end in `/`.
pub(super) fn relative_file(text: &str) -> Read<String> {
    let path = relative(text)?;
    if path == "." || text.ends_with('/') {
        return Err(
            Failure::new(format!("{} is a directory", shown(text))).hint("name a file in it")
        );
    }
    Ok(path)
}

fn parts(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter(|part| !matches!(*part, "" | "."))
}

/// A glob that is relative and stays inside.
pub(super) fn glob(text: &str) -> Read<String> {
    if let Some(pattern) = text.strip_prefix('!') {
        return Err(Failure::new(format!(
            "{} begins with `!`, which excludes nothing back",
            shown(text)
        ))
        .hint(format!(
            "leave {} out, or narrow the other globs",
            shown(pattern)
        )));
    }
    let pattern = relative(text)?;
    globset::Glob::new(&pattern).map_err(|error| {
        Failure::new(format!("{} is not a glob", shown(text)))
            .because(error.kind())
            .hint("escape a literal `[` or `{` with a backslash")
    })?;
    Ok(pattern)
}

/// A Compose project's name.
pub(super) fn project(text: &str) -> Read<String> {
    let text = one_line(text)?;
    let begins_well = text.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
    let goes_on_well = text
        .bytes()
        .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'-'));
    if begins_well && goes_on_well {
        return Ok(text.to_owned());
    }
    Err(
        Failure::new(format!("{} is not a Compose project name", shown(text))).hint(
            "use lower-case letters, digits, `-` and `_`, beginning with a letter or a digit",
        ),
    )
}

/// The name of a variable in an env file.
pub(super) fn variable(text: &str) -> Read<String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    if text.chars().all(plain) {
        return Ok(text.to_owned());
    }
    Err(Failure::new("it has a line that is no variable's name")
        .hint("write names alone, one a line, such as `GREETING`"))
}

/// A Compose service's name.
pub(super) fn service(text: &str) -> Read<String> {
    let begins_well = text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
    let goes_on_well = text
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'));
    if begins_well && goes_on_well {
        return Ok(text.to_owned());
    }
    Err(
        Failure::new(format!("{} is not a service name", shown(text)))
            .hint("use letters, digits, `.`, `-` and `_`, beginning with a letter, a digit or `_`"),
    )
}

/// An http or https URL without a login in it; the text stays as it was typed.
pub(super) fn url(text: &str) -> Read<String> {
    let text = one_line(text)?;
    // What stands before an `@` may be a password.
    let subject = if text.contains('@') {
        "it".to_owned()
    } else {
        shown(text)
    };
    match fault_of_url(text) {
        None => Ok(text.to_owned()),
        Some(fault) => Err(Failure::new(format!("{subject} {fault}"))
            .hint("give an http or https URL, such as `https://example.org/health`")),
    }
}

/// A URL that is itself a secret: the same grammar, and no fault shows it.
pub(super) fn secret_url(text: &str) -> Read<&str> {
    fault_of_url(text).map_or(Ok(text), |fault| {
        Err(Failure::new(format!("it {fault}"))
            .hint("give the webhook's URL as its maker shows it"))
    })
}

/// Says whether a URL goes over a network on which others could listen in.
pub(super) fn is_overheard(text: &str) -> bool {
    reqwest::Url::parse(text).is_ok_and(|url| url.scheme() == "http" && !is_this_machine(&url))
}

fn is_this_machine(url: &reqwest::Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_matches(['[', ']']).parse::<std::net::IpAddr>();
    host == "localhost" || address.is_ok_and(|a| a.is_loopback())
}

fn fault_of_url(text: &str) -> Option<String> {
    if text.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return Some("has white space in it".to_owned());
    }
    let url = match reqwest::Url::parse(text) {
        Ok(url) => url,
        Err(error) => return Some(format!("is not a URL: {error}")),
    };
    if !matches!(url.scheme(), "http" | "https") {
        return Some("is neither http nor https".to_owned());
    }
    let after_scheme = text.get(url.scheme().len()..).unwrap_or_default();
    if !after_scheme.starts_with("://") || after_scheme.starts_with(":///") {
        return Some("lacks a host after `//`".to_owned());
    }
    let login = !url.username().is_empty() || url.password().is_some();
    login.then(|| "holds a login, which logs would show".to_owned())
}

/// Which backup: by how far back, by a moment, by a commit or by a tag.
pub(super) fn backup(text: &str) -> Read<String> {
    let is_moment = text.len() == 15
        && text.bytes().enumerate().all(|(i, b)| {
            if i == 8 {
                b == b'_'
            } else {
                b.is_ascii_digit()
            }
        })
        && NaiveDateTime::parse_from_str(text, "%Y%m%d_%H%M%S").is_ok();
    let is_further =
        |n: &str| !n.is_empty() && n.len() < 4 && n.bytes().all(|b| b.is_ascii_digit());
    let is_latest = text == "latest" || text.strip_prefix("latest~").is_some_and(is_further);
    if is_moment || is_latest || (is_tag(text) && !looks_like_a_moment(text)) {
        return Ok(text.to_owned());
    }
    Err(
        Failure::new(format!("{} names no backup", shown(text))).hint(
            "use `latest`, `latest~2` for two releases further back, a timestamp (UTC) such as \
         `20251017_143025`, a commit of 7 digits or more, or a tag",
        ),
    )
}

/// The distribution specification's grammar of a tag, which a commit's hash meets too.
fn is_tag(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    let first = text.bytes().next().is_some_and(plain);
    first && text.len() <= 128 && text.bytes().all(|b| plain(b) || b == b'.' || b == b'-')
}

/// A moment, or `latest`, that was mistyped.
fn looks_like_a_moment(text: &str) -> bool {
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    let is_of_digits = text
        .bytes()
        .all(|b| b.is_ascii_digit() || b"_-".contains(&b));
    (is_of_digits && (12..=16).contains(&digits)) || text.eq_ignore_ascii_case("latest")
}

#[cfg(test)]
mod tests;
