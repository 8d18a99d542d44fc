//! Finds containers that share the network, processes or volumes of one that is gone.
//!
//! Such a container runs on and serves nobody: what it shares was of the container, not of the
//! service. The file refuses to know who replaced it.

use crate::host::Container;

/// Names the services with a container that shares something of one that is gone.
#[must_use]
pub fn adrift(containers: &[Container]) -> Vec<String> {
    let gone = |id: &String| !containers.iter().any(|c| c.id == *id);
    let adrift = containers.iter().filter(|c| c.joins.iter().any(gone));
    adrift.map(|c| c.service.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_is_adrift_once_the_one_that_it_joined_is_gone() {
        let container = |id: &str, service: &str, joins: &[&str]| Container {
            id: id.into(),
            service: service.into(),
            joins: joins.iter().map(ToString::to_string).collect(),
            ..Container::default()
        };
        let (old, new) = (container("1", "web", &[]), container("2", "web", &[]));
        let sidecar = container("3", "sidecar", &["1"]);
        assert!(adrift(&[old, sidecar.clone()]).is_empty());
        assert_eq!(adrift(&[new, sidecar]), ["sidecar"]);
    }
}
