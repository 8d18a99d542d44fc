//! All that a run could change on a server, as one map, and what differs between two looks at it.
//!
//! Landfall's own corner of the backup directory is apart: a run that touches nothing is noted there.
//! It refuses to know whether a difference is wrong.

use std::collections::BTreeMap;

use super::app::App;
use super::neighbours::STAGING;

/// Images, networks and volumes; then every file but those of company, cron and Landfall itself.
const LOOK: &str = "docker images -a --no-trunc --format 'image {{.Repository}}:{{.Tag}} {{.ID}}\tthere'
docker network ls --format 'network {{.Name}}\t{{.ID}}'
docker volume ls --format 'volume {{.Name}}\tthere'
set -f
but='( -path /srv/*/log -o -name .landfall ) -prune -o ! -type p ! ( -path /srv/*-backups -type d )'
find /srv $but -printf 'file %p\\t%y %m %U:%G %l\\n'
find /srv $but -type f -print0 | xargs -0 -r sha256sum | awk '{print \"file \" substr($0, 67) \"\\t\" $1}'";

/// What lies in Landfall's own corner, by name; when its program was last called is nobody's concern.
const OWN: &str = "find /srv -path '*-backups' -type d -print -o -path '*/.landfall/*' ! -name '.seen-*' \
    ! -path '*/.landfall/*/*/*' -print 2>/dev/null | sort";

/// A server at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Whole {
    /// What is there, by kind and name.
    pub things: BTreeMap<String, String>,
    /// What Landfall keeps for itself.
    pub own: Vec<String>,
}

impl App {
    /// Looks at everything.
    #[allow(dead_code, reason = "cells look otherwise")]
    #[track_caller]
    pub fn whole(&self) -> Whole {
        let all = self.slot.sh(LOOK);
        let lines = all.lines().filter_map(|line| line.split_once('\t'));
        let mut things: BTreeMap<String, String> = BTreeMap::new();
        for (name, fact) in
            lines.filter(|(name, _)| !name.starts_with(&format!("image {STAGING} ")))
        {
            things.entry(name.to_owned()).or_default().push_str(fact);
        }
        for seen in self.containers().into_values().flatten() {
            let name = format!("container {}", seen.name.trim_start_matches('/'));
            things.insert(name, format!("{seen:?}"));
        }
        let own = self.slot.sh(OWN);
        Whole {
            things,
            own: own.lines().map(ToOwned::to_owned).collect(),
        }
    }
}

impl Whole {
    /// What is new, gone or another since an earlier look, a line each.
    #[allow(dead_code, reason = "cells look otherwise")]
    pub fn since(&self, before: &Self) -> Vec<String> {
        let mut all: Vec<_> = before.things.keys().chain(self.things.keys()).collect();
        all.sort();
        all.dedup();
        let word = |name: &str| match (before.things.get(name), self.things.get(name)) {
            (None, _) => Some("new"),
            (_, None) => Some("gone"),
            (then, now) => (then != now).then_some("another"),
        };
        let told = all
            .into_iter()
            .filter_map(|name| Some(format!("{}: {name}", word(name)?)));
        told.collect()
    }

    /// What is new or gone in Landfall's own corner, a line each.
    #[allow(dead_code, reason = "cells look otherwise")]
    pub fn noted_since(&self, before: &Self) -> Vec<String> {
        let new = self.own.iter().filter(|one| !before.own.contains(one));
        let gone = before.own.iter().filter(|one| !self.own.contains(one));
        let new = new.map(|one| format!("new: {one}"));
        new.chain(gone.map(|one| format!("gone: {one}"))).collect()
    }
}
