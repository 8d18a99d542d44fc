//! What Compose says that it would do, without doing it.
//!
//! It builds a command and reads lines; what follows from them is for others to say.

use std::time::Duration;

use super::Compose;
use crate::host::cmd::{Cmd, Output};
use crate::host::{Deed, Rehearsed};
use crate::words::plan::Site;

impl Compose {
    /// `up` of services that only tells what it would do; Compose 1 has no such thing.
    #[must_use]
    pub fn rehearse(&self, site: &Site, project: &str, services: &[String]) -> Cmd {
        self.base(site, &site.deploy_dir, Some(project))
            .args(["--dry-run", "up", "-d", "--no-build", "--pull", "never"])
            .args(services)
            .within(Duration::from_mins(1))
    }
}

/// What the lines of a rehearsal say.
#[must_use]
pub fn read(output: &Output) -> Vec<Rehearsed> {
    let lines = output.stdout.lines().chain(output.stderr.lines());
    lines.filter_map(one).collect()
}

fn one(line: &str) -> Option<Rehearsed> {
    let (_, told) = line.split_once("Container ")?;
    let mut words = told.split_whitespace();
    let (container, verb) = (words.next()?.to_owned(), words.next()?);
    let deed = match verb {
        "Recreate" | "Recreated" => Deed::Remake,
        "Create" | "Creating" | "Created" => Deed::Make,
        "Starting" | "Started" => Deed::Start,
        _ => return None,
    };
    Some(Rehearsed { container, deed })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_be_made_anew_or_started_is_read_and_what_runs_is_not() {
        let stderr = " DRY-RUN MODE -  Container exp-db-1  Recreate\n\
             DRY-RUN MODE -  Container exp-web-1  Running\n\
             DRY-RUN MODE -  Network exp_default  Created\n\
             DRY-RUN MODE -  Container exp-job-1  Starting\n";
        let output = Output {
            stdout: String::new(),
            stderr: stderr.into(),
        };
        let read: Vec<_> = read(&output)
            .into_iter()
            .map(|r| (r.container, r.deed))
            .collect();
        let expected = [("exp-db-1", Deed::Remake), ("exp-job-1", Deed::Start)];
        assert_eq!(read, expected.map(|(name, deed)| (name.to_owned(), deed)));
    }
}
