//! Image references, by the distribution specification's grammar.
//!
//! It refuses to know registries: nothing is looked up, and whether the image exists is somebody
//! else's question.

use std::fmt;

use crate::words::event::Failure;

use super::fault::shown;
use crate::words::registry::{self, DOCKER_HUB};

/// An image reference: `[registry/]path[:tag][@digest]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    text: String,
    registry: Option<String>,
    path: String,
    tag: Option<String>,
    digest: Option<String>,
}

impl Reference {
    /// Reads a reference; the fault says which part of it is wrong.
    pub fn parse(text: &str) -> Result<Self, Failure> {
        read(text)
            .map_err(|(what, hint)| Failure::new(format!("{} {what}", shown(text))).hint(hint))
    }

    /// The repository under its full name: `docker.io/library/nginx` for `nginx`.
    #[must_use]
    pub fn repository(&self) -> String {
        let registry = self.registry.as_deref().unwrap_or(DOCKER_HUB);
        let registry = registry::known_as(registry);
        let official = registry == "docker.io" && !self.path.contains('/');
        let library = if official { "library/" } else { "" };
        format!("{registry}/{library}{}", self.path)
    }

    /// The registry under its one name: `docker.io` for `nginx`.
    #[must_use]
    pub fn registry(&self) -> String {
        let registry = self.registry.as_deref().unwrap_or(DOCKER_HUB);
        registry::known_as(registry).to_ascii_lowercase()
    }

    /// The tag, if it names one; neither tag nor digest means `latest`.
    #[must_use]
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// The digest, `sha256:…`, if it names one.
    #[must_use]
    pub fn digest(&self) -> Option<&str> {
        self.digest.as_deref()
    }
}

impl fmt::Display for Reference {
    /// The reference as it was typed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// A registry by itself, under its one name; the address that Docker's files have for Docker Hub is
/// one too.
pub(super) fn registry(text: &str) -> Result<String, Failure> {
    const EXAMPLE: &str = "write the host alone, with its port if it has one: `ghcr.io`, \
         `registry.example.org:5000`, `docker.io`";
    let bare = text.strip_prefix("https://").unwrap_or(text);
    let bare = bare
        .strip_suffix("/v1/")
        .unwrap_or(bare)
        .trim_end_matches('/');
    if !is_registry(bare) {
        return Err(Failure::new(format!("{} is no registry", shown(text))).hint(EXAMPLE));
    }
    Ok(registry::known_as(bare).to_ascii_lowercase())
}

type Wrong = (&'static str, &'static str);

fn read(text: &str) -> Result<Reference, Wrong> {
    const EXAMPLE: &str = "write it like `ghcr.io/acme/app:1.2.3`";
    if text.contains("://") {
        return Err(("has a scheme", "leave `https://` out"));
    }
    if !text.chars().all(|c| c.is_ascii_graphic()) {
        return Err(("is not an image reference", EXAMPLE));
    }
    let (rest, digest) = match text.split_once('@') {
        Some((rest, digest)) => (rest, Some(digest)),
        None => (text, None),
    };
    let (name, tag) = match rest.rfind(':').filter(|at| !rest[*at..].contains('/')) {
        Some(at) => (&rest[..at], Some(&rest[at + 1..])),
        None => (rest, None),
    };
    let (registry, path) = split_registry(name);
    if path.bytes().any(|b| b.is_ascii_uppercase()) {
        return Err((
            "has an upper-case letter in its name",
            "write the name in lower case",
        ));
    }
    if path.is_empty() || !path.split('/').all(is_component) {
        return Err(("is not an image reference", EXAMPLE));
    }
    if registry.is_some_and(|registry| !is_registry(registry)) {
        return Err(("names no registry that could exist", EXAMPLE));
    }
    if name.len() > 255 {
        return Err(("has a name of more than 255 characters", EXAMPLE));
    }
    if is_image_id(path, tag) {
        return Err((
            "is an image ID, which no registry can be asked for",
            "name the image by its repository, with a tag or `@sha256:…`",
        ));
    }
    if tag.is_some_and(|tag| !is_tag(tag)) {
        return Err((
            "has a tag that is none",
            "use up to 128 letters, digits, `_`, `.` and `-`; is a variable empty?",
        ));
    }
    if digest.is_some_and(|digest| !is_digest(digest)) {
        return Err((
            "has a digest that is none",
            "write `@sha256:` and 64 hex digits",
        ));
    }
    Ok(Reference {
        text: text.to_owned(),
        registry: registry.map(str::to_owned),
        path: path.to_owned(),
        tag: tag.map(str::to_owned),
        digest: digest.map(str::to_owned),
    })
}

/// The first component is a registry when it could be nothing else: a dot, a port or `localhost`.
fn split_registry(name: &str) -> (Option<&str>, &str) {
    match name.split_once('/') {
        Some((first, path)) if first == "localhost" || first.contains(['.', ':']) => {
            (Some(first), path)
        }
        _ => (None, name),
    }
}

fn is_registry(text: &str) -> bool {
    let (host, port) = match text.rfind(':').filter(|at| !text[*at..].contains(']')) {
        Some(at) => (&text[..at], Some(&text[at + 1..])),
        None => (text, None),
    };
    let is_label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    let is_address = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .is_some_and(|host| host.parse::<std::net::Ipv6Addr>().is_ok());
    (is_address || host.split('.').all(is_label))
        && port.is_none_or(|port| super::host::port(port).is_ok())
}

/// Letters and digits, held together by `.`, `_`, `__` or any number of `-`.
fn is_component(text: &str) -> bool {
    let is_alphanumeric = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let mut separators = text.split(is_alphanumeric).filter(|part| !part.is_empty());
    text.starts_with(is_alphanumeric)
        && text.ends_with(is_alphanumeric)
        && separators
            .all(|part| matches!(part, "." | "_" | "__") || part.bytes().all(|b| b == b'-'))
}

fn is_tag(text: &str) -> bool {
    (1..=128).contains(&text.len())
        && !text.starts_with(['.', '-'])
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'))
}

fn is_digest(text: &str) -> bool {
    text.strip_prefix("sha256:").is_some_and(is_sha256)
        || text
            .strip_prefix("sha512:")
            .is_some_and(|hex| is_hex(hex, 128))
}

fn is_image_id(path: &str, tag: Option<&str>) -> bool {
    is_sha256(path) || path == "sha256" && tag.is_some_and(is_sha256)
}

fn is_sha256(text: &str) -> bool {
    is_hex(text, 64)
}

fn is_hex(text: &str, length: usize) -> bool {
    text.len() == length && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const HEX: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn references_are_read_as_a_registry_would() {
        let digest = format!("ghcr.io/acme/app@sha256:{HEX}");
        let both = format!("ghcr.io/acme/app:1.2@sha256:{HEX}");
        for good in [
            "nginx",
            "nginx:1.27",
            "library/nginx",
            "acme/app_x",
            "a__b",
            "a---b",
            "a.b/c-d_e",
            "ghcr.io/acme/app:latest",
            "localhost/app",
            "localhost:5000/app:v1",
            "127.0.0.1:5000/a",
            "registry.example:5000/a/b/c/d:T_a.g-1",
            "GHCR.io/acme/app",
            "[::1]:5000/app:1",
            "host:443/app",
            "a/b:_x",
            "0",
            "app:V1",
            &digest,
            &both,
        ] {
            assert_eq!(Reference::parse(good).unwrap().to_string(), good);
        }
    }

    #[test]
    fn what_no_registry_would_take_is_refused() {
        let long_tag = format!("app:{}", "t".repeat(129));
        let long_name = format!("ghcr.io/{}", "a".repeat(250));
        let short_digest = format!("app@sha256:{}", &HEX[1..]);
        let upper_digest = format!("app@sha256:{}", HEX.to_uppercase());
        let id = format!("sha256:{HEX}");
        for bad in [
            "",
            ":",
            ":1",
            "@",
            "/",
            "/app",
            "app/",
            "a//b",
            "App",
            "acme/App:1",
            "ghcr.io/Acme/app",
            "Acme/app",
            "app:",
            "app: 1",
            "app:a b",
            "app:-1",
            "app:.1",
            "app:a/b:",
            "app:é",
            "ápp",
            "app@",
            "app@sha256:",
            "app@md5:00",
            "a@b@c",
            "-app",
            "app-",
            "_app",
            "app_",
            "a___b",
            "a..b",
            "a._b",
            "https://ghcr.io/acme/app",
            "ghcr.io:99999/app",
            "ghcr.io:/app",
            "ghcr.io:x/app",
            "-x.io/app",
            "a\nb",
            "app:1\u{0}",
            "[::g]:1/app",
            "${IMAGE}",
            "$IMAGE",
            "--help",
            &long_tag,
            &long_name,
            &short_digest,
            &upper_digest,
            HEX,
            &id,
        ] {
            assert!(Reference::parse(bad).is_err(), "{bad:?} is let through");
        }
    }

    #[test]
    fn repositories_are_known_by_their_full_name() {
        let repository = |text| Reference::parse(text).unwrap().repository();
        for same in [
            "nginx",
            "library/nginx:1",
            "docker.io/nginx",
            "index.docker.io/library/nginx",
        ] {
            assert_eq!(repository(same), "docker.io/library/nginx");
        }
        assert_eq!(repository("acme/app:1"), "docker.io/acme/app");
        assert_eq!(repository("localhost:5000/app:1"), "localhost:5000/app");
    }

    #[test]
    fn the_fault_says_which_part_is_wrong() {
        let fault = |text| super::super::fault::one_line(&Reference::parse(text).unwrap_err());
        insta::assert_snapshot!(
            ["ghcr.io/Acme/App:1", "ghcr.io/acme/app:", "app@sha256:12", "https://ghcr.io/a", "a b"]
                .map(fault)
                .join("\n"),
            @r"
            `ghcr.io/Acme/App:1` has an upper-case letter in its name; write the name in lower case
            `ghcr.io/acme/app:` has a tag that is none; use up to 128 letters, digits, `_`, `.` and `-`; is a variable empty?
            `app@sha256:12` has a digest that is none; write `@sha256:` and 64 hex digits
            `https://ghcr.io/a` has a scheme; leave `https://` out
            `a b` is not an image reference; write it like `ghcr.io/acme/app:1.2.3`
            ",
        );
    }
}
