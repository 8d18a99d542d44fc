//! What registries are called: Docker Hub goes by several names, every other one by its own.
//!
//! It refuses to know images and logins.

/// The registry of references that name none.
pub const DOCKER_HUB: &str = "docker.io";

/// What else Docker Hub is called, by Docker's own files and by people.
const ALIASES: [&str; 5] = [
    "docker.io",
    "index.docker.io",
    "registry-1.docker.io",
    "registry.hub.docker.com",
    "hub.docker.com",
];

/// The one name of a registry, `docker.io` for Docker Hub.
#[must_use]
pub fn known_as(registry: &str) -> &str {
    if ALIASES.iter().any(|a| a.eq_ignore_ascii_case(registry)) {
        return DOCKER_HUB;
    }
    registry
}

/// Says whether two names mean one registry; another port is another registry.
#[must_use]
pub fn is_same(one: &str, other: &str) -> bool {
    known_as(one).eq_ignore_ascii_case(known_as(other))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn docker_hub_is_one_registry_and_every_other_name_is_its_own() {
        assert!(is_same("index.docker.io", "docker.io"));
        assert!(is_same("Registry-1.docker.io", "hub.docker.com"));
        assert!(is_same("GHCR.io", "ghcr.io"));
        assert!(!is_same("ghcr.io", "ghcr.io:5000"));
        assert!(!is_same("ghcr.io", "ghcr.io.evil.example"));
        assert!(!is_same("evil-docker.io", "docker.io"));
    }
}
