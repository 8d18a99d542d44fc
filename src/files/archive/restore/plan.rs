//! What has to happen to make one manifest of another, pure.
//!
//! It refuses to touch anything.

use super::left::Left;
use super::renames_over;
use crate::files::tree::difference::{Aspect, Beside, aspects};
use crate::words::backup::{Entry, EntryKind};

/// The steps from a tree to a backup's, each list in the order of a walk.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    /// What has to go, and what takes its place if anything does.
    pub remove: Vec<(Entry, Option<Entry>)>,
    /// Directories to make.
    pub dirs: Vec<Entry>,
    /// Files whose content comes from the archive.
    pub files: Vec<Entry>,
    /// Links to make.
    pub links: Vec<Entry>,
    /// What only needs its permissions or its owner.
    pub dress: Vec<Entry>,
    /// Every directory of the backup: permissions come last, when nothing is changed in it any more.
    pub all_dirs: Vec<Entry>,
    /// How many paths are right already.
    pub untouched: u64,
}

impl Plan {
    /// The steps from `now` to `want`, both in the order of a walk, but for what is left as it is. What
    /// is right is not kept.
    pub(crate) fn of<E>(
        want: impl Iterator<Item = Result<Entry, E>>,
        now: impl Iterator<Item = Result<Entry, E>>,
        left: &Left,
    ) -> Result<Self, E> {
        let mut plan = Self::default();
        for pair in Beside::of(want, now) {
            let (want, is) = pair?;
            let is_left = |entry: &Entry| left.contains_key(&entry.path);
            if want.iter().chain(&is).any(is_left) {
                continue;
            }
            if let Some(is) = &is {
                plan.make_room(is, want.as_ref());
            }
            if let Some(want) = want {
                plan.settle(want, is.as_ref());
            }
        }
        Ok(plan)
    }

    fn make_room(&mut self, is: &Entry, want: Option<&Entry>) {
        if want.is_none_or(|w| w.kind != is.kind && !renames_over(is.kind, w.kind)) {
            self.remove.push((is.clone(), want.cloned()));
        }
    }

    /// Says whether nothing has to happen.
    pub(crate) fn is_empty(&self) -> bool {
        self.remove.is_empty()
            && self.dirs.is_empty()
            && self.files.is_empty()
            && self.links.is_empty()
            && self.dress.is_empty()
    }

    fn settle(&mut self, want: Entry, is: Option<&Entry>) {
        if want.kind == EntryKind::Dir {
            self.all_dirs.push(want.clone());
        }
        let list = match is.filter(|is| is.kind == want.kind) {
            None => self.made(want.kind),
            Some(is) => match aspects(&want, is).as_slice() {
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

    fn made(&mut self, kind: EntryKind) -> Option<&mut Vec<Entry>> {
        match kind {
            EntryKind::File => Some(&mut self.files),
            EntryKind::Dir => Some(&mut self.dirs),
            EntryKind::Link => Some(&mut self.links),
            // No archive holds one; whoever made it makes it again.
            EntryKind::Other => None,
        }
    }
}
