//! Which backup a rollback goes to: by a timestamp, a commit, a tag, or by how far back.
//!
//! `latest` is the newest good release that is older than the one that runs, so that a second rollback
//! goes further back and never forward. It goes by places, never by a clock, and opens no archive.

use std::collections::BTreeSet;

use super::catalogue::{self, Listed};
use super::lineage::{self, Held};
use super::naming;
use crate::words::backup::{Description, Purpose, Release};
use crate::words::event::Failure;
use crate::words::reference;

/// How few characters of a commit's hash are taken for one.
const SHORT: usize = 7;

/// What runs now, to compare backups with.
pub struct Current<'a> {
    /// What runs.
    pub release: &'a Release,
    /// Says whether what makes up a release is in the deploy directory as a backup has it; only asked
    /// where the same runs.
    pub has_tree_of: &'a mut dyn FnMut(&Description) -> Result<bool, Failure>,
}

/// How backups stand to what runs.
#[derive(Debug, PartialEq)]
pub struct Standings<'l> {
    /// A good backup of each release that is older than what runs, the newest release first.
    pub older: Vec<&'l Listed>,
    /// The backups of what runs, the newest first.
    pub running: Vec<&'l Listed>,
    /// Why each of the others is passed over, in words.
    pub passed_over: Vec<String>,
}

impl<'l> Standings<'l> {
    /// What `latest` means.
    pub fn latest(&self) -> Result<&'l Listed, Failure> {
        self.back(0)
    }

    /// The same, so many releases further back.
    pub fn back(&self, further: usize) -> Result<&'l Listed, Failure> {
        if let Some(listed) = self.older.get(further) {
            return Ok(listed);
        }
        let mut failure = match self.older.len() {
            0 => Failure::new("there is no good backup of an older release than what is running"),
            n => Failure::new(format!(
                "`latest~{further}` goes further back than there are backups: there {} {n} of older releases",
                if n == 1 { "is" } else { "are" }
            )),
        };
        if self.older.is_empty() && self.passed_over.is_empty() {
            return Err(failure
                .because("there is no backup at all")
                .hint("deploy first: a deployment makes one"));
        }
        if self.older.is_empty() {
            failure = failure.because(self.passed_over.join("; "));
        }
        Err(failure.hint("name one by `backup_timestamp`; `landfall backups` lists them"))
    }
}

/// Holds backups against what runs. It fails where that cannot be done.
pub fn standings<'l>(list: &'l [Listed], current: &mut Current) -> Result<Standings<'l>, Failure> {
    let project = &current.release.project;
    let is_own = |l: &&Listed| {
        let described = l.description.as_ref();
        described.is_ok_and(|d| d.release.project == *project)
    };
    let releases = lineage::releases(list.iter().filter(is_own));
    let running = running(&releases, current)?;
    let place = running.iter().map(|held| held.place.clone()).min();
    let mut of_running: Vec<_> = running.iter().flat_map(|held| &held.copies).collect();
    of_running.sort_by(|(_, a), (_, b)| b.order().cmp(&a.order()));
    let is_running = |listed: &Listed| {
        of_running
            .iter()
            .any(|(l, _)| l.timestamp == listed.timestamp)
    };
    let mut standings = Standings {
        older: Vec::new(),
        running: of_running.iter().map(|(listed, _)| *listed).collect(),
        passed_over: Vec::new(),
    };
    for held in &releases {
        if let Some(good) = good_copy(held)
            && !is_running(good)
            && place.as_ref().is_none_or(|place| held.place < *place)
        {
            standings.older.push(good);
        }
    }
    let passed = list.iter().filter(|l| !standings.older.contains(l));
    let why = |l: &Listed| {
        format!(
            "`{}`: {}",
            l.timestamp,
            objection(l, project, is_running(l))
        )
    };
    standings.passed_over = passed.map(why).collect();
    Ok(standings)
}

/// The releases that are what is running; several where it is not known that they are one.
fn running<'h, 'l>(
    releases: &'h [Held<'l>],
    current: &mut Current,
) -> Result<Vec<&'h Held<'l>>, Failure> {
    let mut found = Vec::new();
    for held in releases {
        let (_, description) = held.newest();
        if runs_the_same(&description.release, current.release)
            && (current.has_tree_of)(description)?
        {
            found.push(held);
        }
    }
    Ok(found)
}

/// The newest copy that somebody would go back to without being asked to.
fn good_copy<'l>(held: &Held<'l>) -> Option<&'l Listed> {
    let mut copies = held.copies.iter();
    let good = copies.find(|(_, description)| unfit(description).is_none());
    good.map(|(listed, _)| *listed)
}

/// Why a backup is not what `latest` means.
fn objection(listed: &Listed, project: &str, is_running: bool) -> String {
    let description = match &listed.description {
        Ok(description) => description,
        Err(why) => return why.to_string(),
    };
    let of = &description.release.project;
    if of != project {
        return format!("it is of the project `{of}`");
    }
    if let Some(why) = unfit(description) {
        return why;
    }
    if is_running {
        "it is what is running".to_owned()
    } else {
        "it is of a release that came after the one that is running, or an older copy".to_owned()
    }
}

/// Why nobody would go back to a backup without being asked to, whatever runs now.
fn unfit(description: &Description) -> Option<String> {
    if description.purpose == Purpose::Safety {
        return Some("it is the safety copy of a rollback".to_owned());
    }
    if description.release.services.is_empty() {
        return Some("nothing ran when it was taken".to_owned());
    }
    if description.release.is_good() {
        return None;
    }
    let bad = description.release.services.iter().filter(|s| !s.well);
    let bad: Vec<String> = bad.map(|s| format!("`{}`", s.service)).collect();
    Some(format!("{} did not run well in it", bad.join(", ")))
}

/// Says whether two releases run the same images with the same configuration.
fn runs_the_same(one: &Release, other: &Release) -> bool {
    let running = |release: &Release| -> BTreeSet<(String, String, String)> {
        let services = release.services.iter();
        services
            .map(|s| (s.service.clone(), s.image_id.clone(), s.config_hash.clone()))
            .collect()
    };
    running(one) == running(other)
}

/// How far back `latest` or `latest~2` goes; none for any other word.
#[must_use]
pub fn how_far(word: &str) -> Option<usize> {
    match word.strip_prefix("latest")? {
        "" => Some(0),
        further => further.strip_prefix('~')?.parse().ok(),
    }
}

/// The backup of a project that a timestamp, a commit or a tag names; the failure lists what there is.
pub fn named<'l>(list: &'l [Listed], project: &str, word: &str) -> Result<&'l Listed, Failure> {
    if naming::is_timestamp(word) {
        return catalogue::find(list, word);
    }
    let is_meant = |l: &&Listed| {
        let described = l.description.as_ref();
        described.is_ok_and(|d| d.release.project == project && answers_to(d, word))
    };
    let releases = lineage::releases(list.iter().filter(is_meant));
    match &releases[..] {
        [] => Err(Failure::new(format!("there is no backup of `{word}`"))
            .because("no release that was backed up here has that commit or that tag")
            .hint("`landfall backups` lists them, each with its tag and its commit")),
        [held] => {
            let newest = || held.deployed_over().unwrap_or_else(|| held.newest());
            Ok(good_copy(held).unwrap_or_else(|| newest().0))
        }
        several => Err(several_of(word, several)),
    }
}

fn several_of(word: &str, several: &[Held]) -> Failure {
    let newest = several
        .iter()
        .map(|held| held.newest().0.timestamp.as_str());
    let stamps: Vec<&str> = newest.collect();
    Failure::new(format!("`{word}` names {} releases", several.len()))
        .because("they differ by their images, their files or their env files")
        .hint(format!(
            "choose one by its timestamp: {}",
            stamps.join(", ")
        ))
}

/// Says whether a backup's release was made from a commit, or of an image with a tag.
fn answers_to(description: &Description, word: &str) -> bool {
    is_commit(description, word) || tags(description).any(|tag| tag == word)
}

fn is_commit(description: &Description, word: &str) -> bool {
    let made = description.made_by.as_ref();
    let commit = made.and_then(|made| made.origin.commit.as_deref());
    let begins = |commit: &str| {
        let begin = commit.get(..word.len());
        begin.is_some_and(|begin| begin.eq_ignore_ascii_case(word))
    };
    word.len() >= SHORT && commit.is_some_and(begins)
}

/// The tags of what was asked for, and of what ran.
fn tags(description: &Description) -> impl Iterator<Item = String> {
    let made = description.made_by.iter();
    let asked = made.flat_map(|made| &made.asked);
    let ran = description.release.services.iter().map(|s| &s.image);
    asked.chain(ran).filter_map(|r| reference::parse(r).tag)
}
