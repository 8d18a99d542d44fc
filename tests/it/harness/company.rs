//! Who shares an application's own directories: root's cron, whose log lies below `deploy_dir`, and
//! pipes and sockets there and among the backups.
//!
//! `LANDFALL_COMPANY="cron pipes"` invites others than are always there. It refuses to know what a
//! release is.

use std::collections::BTreeMap;

use super::app::App;

/// Who is there in every scene; cells invite everybody.
const ALWAYS: &str = "";

/// The corner of the deploy directory that is not the application's.
pub const CORNER: &str = "log";

/// Appends a number five times a second through a descriptor that it keeps, for a quarter of an hour.
const CRON: &str = "install -d -o deploy -g deploy DIR/CORNER
pkill -f '^sh -c .* lab-cron$' || true
rm -f DIR/CORNER/*.log
echo 'of root alone' > DIR/CORNER/private.log
chmod 600 DIR/CORNER/private.log
setsid sh -c 'exec >> DIR/CORNER/cron.log; n=0
    while [ $n -lt 4500 ]; do n=$((n + 1)); echo $n; sleep 0.2; done' lab-cron </dev/null >/dev/null 2>&1 &
until [ -s DIR/CORNER/cron.log ]; do sleep 0.01; done";

/// A pipe and a socket of somebody's.
const PIPES: &str = "[ -p PLACE/a-pipe ] || {
    mkfifo PLACE/a-pipe
    perl -MSocket -e 'socket(S, PF_UNIX, SOCK_STREAM, 0); bind(S, sockaddr_un(shift)) or die' PLACE/a-socket
    chown --reference=PLACE PLACE/a-pipe PLACE/a-socket
}";

/// The same in the backup directory, if it is there: the pipe is named like a description.
const AMONG_BACKUPS: &str = "[ ! -d PLACE ] || [ -p PLACE/NAME-backup-20200101_000000.json ] || {
    mkfifo PLACE/NAME-backup-20200101_000000.json
    chown --reference=PLACE PLACE/NAME-backup-20200101_000000.json
}";

impl App {
    /// Invites whoever is always there.
    #[track_caller]
    pub fn with_company(self) -> Self {
        let asked = std::env::var("LANDFALL_COMPANY");
        let words = asked.unwrap_or_else(|_| ALWAYS.into());
        for word in words.split_whitespace() {
            self.invite(word);
        }
        self
    }

    /// Invites `cron` or `pipes`.
    #[track_caller]
    pub fn invite(&self, word: &str) {
        let known = ["cron", "pipes"].into_iter().find(|known| *known == word);
        let known = known.unwrap_or_else(|| panic!("there is no company `{word}`"));
        self.company.borrow_mut().insert(known, BTreeMap::new());
        self.company_comes_again();
    }

    /// Sends everybody away, for a scene that counts files or in which a person clears the directory.
    #[allow(dead_code, reason = "cells always have company")]
    #[must_use]
    #[track_caller]
    pub fn alone(self) -> Self {
        self.company.borrow_mut().clear();
        let gone = "pkill -f '^sh -c .* lab-cron$' || true
            rm -rf DIR/CORNER PLACE/NAME-backup-20200101_000000.json";
        let gone = gone.replace("PLACE", &self.backups());
        self.slot.sh(&self.placed(&gone));
        self
    }

    /// Lets those who were invited in again, as after the directory was cleared.
    #[track_caller]
    pub fn company_comes_again(&self) {
        let words: Vec<_> = self.company.borrow().keys().copied().collect();
        for word in words {
            let script = match word {
                "cron" => CRON.to_owned(),
                _ => format!(
                    "install -d -o deploy -g deploy DIR/CORNER\n{}",
                    PIPES.replace("PLACE", "DIR/CORNER")
                ),
            };
            self.slot.sh(&self.placed(&script));
            let facts = self.facts_of(word);
            self.company.borrow_mut().insert(word, facts);
        }
        self.company_among_backups();
    }

    /// Puts a pipe among the backups as soon as there is a place for it.
    #[track_caller]
    pub fn company_among_backups(&self) {
        if self.company.borrow().contains_key("pipes") {
            let script = AMONG_BACKUPS.replace("PLACE", &self.backups());
            self.slot.sh(&self.placed(&script));
        }
    }

    /// What is wrong with the company's files: other ones, or lines that got lost.
    #[track_caller]
    pub fn trespasses_on_company(&self) -> Vec<String> {
        let company = self.company.borrow().clone();
        let mut wrong = Vec::new();
        for (word, before) in company {
            let (mut before, mut now) = (before, self.facts_of(word));
            // A power cut ends cron too.
            if !now.contains_key("written") {
                before.remove("written");
            }
            now.remove("line lost")
                .inspect(|line| wrong.push(format!("{word} lost line {line}")));
            if now != before {
                wrong.push(format!("{word}: {now:?} was {before:?}"));
            }
        }
        wrong
    }

    fn placed(&self, script: &str) -> String {
        let name = self.dir.rsplit('/').next().unwrap_or_default();
        let script = script.replace("DIR", &self.dir).replace("NAME", name);
        script.replace("CORNER", CORNER)
    }

    /// Inode, owner and mode of each file; of the log also whether it is written to and whole.
    fn facts_of(&self, word: &str) -> BTreeMap<String, String> {
        let script = match word {
            "cron" => {
                "cd DIR/CORNER && stat -c '%n\t%i %a %U' *.log
                sha256sum < private.log | sed 's/^/content\t/'
                awk '$1 != NR {print \"line lost\t\" NR; exit}' cron.log
                writes=$(pgrep -f '^sh -c .* lab-cron$') && readlink /proc/$writes/fd/1 | sed 's/^/written\t/'"
            }
            _ => "cd DIR/CORNER && stat -c '%n\t%i %a %U %F' a-pipe a-socket",
        };
        let output = self.slot.try_sh_as("root", &self.placed(script), b"");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let facts = text.lines().filter_map(|line| line.split_once('\t'));
        facts.map(|(k, v)| (k.to_owned(), v.to_owned())).collect()
    }
}
