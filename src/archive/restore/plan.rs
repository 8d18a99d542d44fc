//! What has to happen to make one manifest of another, pure.
//!
//! It refuses to touch anything.

use std::collections::HashMap;

use super::left::Left;
use super::renames_over;
use crate::archive::{Entry, EntryKind};
use crate::host::tree::difference::{Aspect, aspects};

/// The steps from a tree to a backup's, each list sorted by path.
#[derive(Debug, Default)]
pub(crate) struct Plan<'a> {
    /// What has to go, and what takes its place if anything does.
    pub remove: Vec<(&'a Entry, Option<&'a Entry>)>,
    /// Directories to make.
    pub dirs: Vec<&'a Entry>,
    /// Files whose content comes from the archive.
    pub files: Vec<&'a Entry>,
    /// Links to make.
    pub links: Vec<&'a Entry>,
    /// What only needs its permissions or its owner.
    pub dress: Vec<&'a Entry>,
    /// Every directory of the backup: permissions come last, when nothing is changed in it any more.
    pub all_dirs: Vec<&'a Entry>,
    /// How many paths are right already.
    pub untouched: u64,
}

impl<'a> Plan<'a> {
    /// The steps from `now` to `want`, both sorted by path, but for what is left as it is.
    pub(crate) fn of(want: &'a [Entry], now: &'a [Entry], left: &Left) -> Self {
        let wanted: HashMap<&str, &Entry> = want.iter().map(|e| (e.path.as_str(), e)).collect();
        let there: HashMap<&str, &Entry> = now.iter().map(|e| (e.path.as_str(), e)).collect();
        let mut plan = Self::default();
        for is in now.iter().filter(|is| !left.contains_key(&is.path)) {
            let then = wanted.get(is.path.as_str()).copied();
            if then.is_none_or(|w| w.kind != is.kind && !renames_over(is.kind, w.kind)) {
                plan.remove.push((is, then));
            }
        }
        for entry in want.iter().filter(|e| !left.contains_key(&e.path)) {
            plan.settle(entry, there.get(entry.path.as_str()).copied());
        }
        plan
    }

    /// Says whether nothing has to happen.
    pub(crate) fn is_empty(&self) -> bool {
        self.remove.is_empty()
            && self.dirs.is_empty()
            && self.files.is_empty()
            && self.links.is_empty()
            && self.dress.is_empty()
    }

    fn settle(&mut self, want: &'a Entry, is: Option<&Entry>) {
        if want.kind == EntryKind::Dir {
            self.all_dirs.push(want);
        }
        let list = match is.filter(|is| is.kind == want.kind) {
            None => self.made(want.kind),
            Some(is) => match aspects(want, is).as_slice() {
                [] => None,
                [Aspect::Content | Aspect::Target(..), ..] => self.made(want.kind),
                _ => Some(&mut self.dress),
            },
        };
        match list {
            Some(list) => list.push(want),
            None => self.untouched += 1,
        }
    }

    fn made(&mut self, kind: EntryKind) -> Option<&mut Vec<&'a Entry>> {
        match kind {
            EntryKind::File => Some(&mut self.files),
            EntryKind::Dir => Some(&mut self.dirs),
            EntryKind::Link => Some(&mut self.links),
            // No archive holds one; whoever made it makes it again.
            EntryKind::Other => None,
        }
    }
}
