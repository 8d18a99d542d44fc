//! Tells of containers whose service the new release does not have: Compose lets them run on.
//!
//! Which they are is Compose's word, for it knows the services of inactive profiles too. The file
//! removes nothing: only a person knows whether somebody still wants them.

use std::cell::RefCell;

use crate::host::{Container, Host};
use crate::saga::steps::Run;
use crate::words::Result;
use crate::words::event::Failure;

/// How Compose begins to name them.
const SAID: &str = "Found orphan containers (";
/// What the engine says where such a container may be in the way.
const IN_THE_WAY: [&str; 3] = [
    "port is already allocated",
    "address already in use",
    "is already in use by container",
];

/// The names of the containers that Compose has called orphans.
#[derive(Debug, Default)]
pub struct Orphans(RefCell<Vec<String>>);

impl Orphans {
    /// Listens to a line of Compose's.
    pub fn hear(&self, line: &str) {
        let said = line.split_once(SAID).and_then(|(_, s)| s.split_once(')'));
        let names = said.map(|(names, _)| names).unwrap_or_default();
        let names = names.split([' ', ',', '[', ']']).filter(|n| !n.is_empty());
        self.0.borrow_mut().extend(names.map(ToOwned::to_owned));
    }

    /// Warns of those that are there.
    pub fn tell<H: Host>(&self, run: &Run<'_, H>) -> Result<()> {
        let before = run.before()?.containers;
        let found = self.among(&before);
        if let Some((who, command)) = described(&found) {
            run.warn(format!(
                "{who} not in the new release, and left as it is; to remove it: `{command}`"
            ));
        }
        Ok(())
    }

    /// A failed `up` with a hint at those that may hold its port or its name.
    #[must_use]
    pub fn suspect<H: Host>(&self, run: &Run<'_, H>, failure: Failure) -> Failure {
        let before = run.before().unwrap_or_default().containers;
        self.hint(&before, failure)
    }

    fn hint(&self, before: &[Container], failure: Failure) -> Failure {
        let said = failure.to_string();
        let in_the_way = IN_THE_WAY.iter().any(|words| said.contains(words));
        match described(&self.among(before)) {
            Some((who, command)) if in_the_way => failure.hint(format!(
                "{who} not in the new release; if that holds the port or the name, remove it: `{command}`"
            )),
            _ => failure,
        }
    }

    fn among<'c>(&self, containers: &'c [Container]) -> Vec<&'c Container> {
        let named = self.0.borrow();
        let named = containers.iter().filter(|c| named.contains(&c.name));
        named.collect()
    }
}

/// Who they are, up to a verb, and the command that removes them.
fn described(orphans: &[&Container]) -> Option<(String, String)> {
    let who = orphans
        .iter()
        .map(|c| format!("`{}` of service `{}`", c.name, c.service));
    let who: Vec<String> = who.collect();
    let verb = match who.len() {
        0 => return None,
        1 => "is",
        _ => "are",
    };
    let names: Vec<&str> = orphans.iter().map(|c| c.name.as_str()).collect();
    let command = format!("docker rm -f {}", names.join(" "));
    Some((format!("{} {verb}", who.join(", ")), command))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn there() -> [Container; 2] {
        [("app-old-1", "old"), ("app-web-1", "web")].map(|(name, service)| Container {
            name: name.into(),
            service: service.into(),
            ..Container::default()
        })
    }

    fn heard(line: &str) -> Orphans {
        let orphans = Orphans::default();
        orphans.hear(line);
        orphans
    }

    #[test]
    fn both_composes_name_their_orphans() {
        let of_two = "time=\"x\" level=warning msg=\"Found orphan containers ([app-old-1 app-b-1]) for this project. If you removed\"";
        let of_one = "WARNING: Found orphan containers (app-old-1, app-b-1) for this project.";
        for line in [of_two, of_one] {
            assert_eq!(*heard(line).0.borrow(), ["app-old-1", "app-b-1"]);
        }
        assert!(heard("Container app-old-1  Running").0.borrow().is_empty());
    }

    #[test]
    fn an_orphan_is_suspected_only_where_something_is_in_the_way() {
        let orphans = heard("Found orphan containers ([app-old-1]) for this project.");
        let taken = Failure::new("Bind for 0.0.0.0:8000 failed: port is already allocated");
        let told = orphans.hint(&there(), taken).hints;
        assert_eq!(
            told,
            [
                "`app-old-1` of service `old` is not in the new release; if that holds the port or the name, remove it: `docker rm -f app-old-1`"
            ]
        );
        let other = Failure::new("no such image");
        assert!(orphans.hint(&there(), other).hints.is_empty());
    }
}
