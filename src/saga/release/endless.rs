//! Warns of containers whose lines are kept without a bound: one day they fill the disk.
//!
//! It changes nothing, and refuses to know what is printed.

use std::collections::BTreeSet;

use crate::host::{Container, Host};
use crate::saga::steps::Run;

/// Warns of them in one line.
pub fn warn<H: Host>(run: &Run<'_, H>, containers: &[Container]) {
    if let Some(line) = line(containers) {
        run.warn(line);
    }
}

fn line(containers: &[Container]) -> Option<String> {
    let endless = containers.iter().filter(|c| c.endless_log);
    let names: BTreeSet<String> = endless.map(|c| format!("`{}`", c.service)).collect();
    let names: Vec<String> = names.into_iter().collect();
    (!names.is_empty()).then(|| {
        format!(
            "the log of {} grows without a bound; give it one: `logging: {{ driver: json-file, options: {{ max-size: 10m, max-file: \"3\" }} }}`",
            names.join(", ")
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_whose_log_has_no_bound_are_named_once_and_others_are_not() {
        let container = |service: &str, endless_log| Container {
            service: service.into(),
            endless_log,
            ..Container::default()
        };
        let all = [
            container("web", true),
            container("web", true),
            container("db", false),
            container("api", true),
        ];
        let told = line(&all).unwrap_or_default();
        assert!(told.starts_with("the log of `api`, `web` grows"), "{told}");
        assert_eq!(line(&all[2..3]), None);
    }
}
