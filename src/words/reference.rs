//! Image references taken apart: repository, tag, digest.
//!
//! It refuses to know whether an image exists anywhere.

use crate::words::registry;
pub use crate::words::registry::DOCKER_HUB;

/// A reference's parts; the repository as Docker completes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// `docker.io/library/redis`, `ghcr.io/acme/app`.
    pub repository: String,
    /// The repository as it was written.
    pub written: String,
    /// The tag, if one was written.
    pub tag: Option<String>,
    /// `sha256:…`, if one was written.
    pub digest: Option<String>,
}

/// Takes a reference apart.
#[must_use]
pub fn parse(text: &str) -> Reference {
    let (named, digest) = match text.split_once('@') {
        Some((named, digest)) => (named, Some(digest.to_owned())),
        None => (text, None),
    };
    let last_slash = named.rfind('/').map_or(0, |i| i + 1);
    let (written, tag) = match named[last_slash..].rfind(':') {
        Some(colon) => (
            &named[..last_slash + colon],
            Some(named[last_slash + colon + 1..].to_owned()),
        ),
        None => (named, None),
    };
    Reference {
        repository: completed(written),
        written: written.to_owned(),
        tag,
        digest,
    }
}

impl Reference {
    /// The tag in force: `latest` unless a tag or a digest was written.
    #[must_use]
    pub fn tag_or_latest(&self) -> &str {
        self.tag.as_deref().unwrap_or("latest")
    }

    /// The registry's host and port, under its one name.
    #[must_use]
    pub fn registry(&self) -> &str {
        registry::known_as(self.repository.split('/').next().unwrap_or_default())
    }
}

fn completed(written: &str) -> String {
    let first = written.split('/').next().unwrap_or_default();
    let has_host = written.contains('/')
        && (first.contains('.') || first.contains(':') || first == "localhost");
    if has_host {
        return written.to_owned();
    }
    if written.contains('/') {
        return format!("docker.io/{written}");
    }
    format!("docker.io/library/{written}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_come_apart_as_docker_reads_them() {
        let cases = [
            ("redis", "docker.io/library/redis", None, None),
            ("acme/app:1", "docker.io/acme/app", Some("1"), None),
            (
                "ghcr.io/acme/app:1@sha256:ab",
                "ghcr.io/acme/app",
                Some("1"),
                Some("sha256:ab"),
            ),
            ("localhost:5000/app", "localhost:5000/app", None, None),
            ("reg:5000/a/b:t", "reg:5000/a/b", Some("t"), None),
        ];
        for (text, repository, tag, digest) in cases {
            let reference = parse(text);
            assert_eq!(reference.repository, repository, "{text}");
            assert_eq!(reference.tag.as_deref(), tag, "{text}");
            assert_eq!(reference.digest.as_deref(), digest, "{text}");
        }
    }
}
