//! Who shares an application's own directories, and its repository: root's cron, whose log lies below
//! `deploy_dir`; pipes and sockets there and among the backups; and whoever keeps the copy for staging,
//! and moves a local tag of the repository that deployments come from.
//!
//! They are there in every scene and cell unless one says that it is alone; `LANDFALL_COMPANY="cron"`
//! invites fewer. It refuses to know what a release is.

use std::collections::BTreeMap;

use super::app::App;

/// Who is always there.
const ALWAYS: &str = "cron pipes staging";

/// The corner of the deploy directory that is not the application's.
pub const CORNER: &str = "log";

/// Those who are there, what is known of each one's files, and where they live.
#[derive(Debug, Default)]
pub struct Company {
    facts: BTreeMap<&'static str, BTreeMap<String, String>>,
    dir: String,
    backups: String,
    /// Whether there was a place among the backups for the pipe.
    is_among_backups: bool,
}

/// Appends a number five times a second through a descriptor that it keeps, for a quarter of an hour.
/// A language that starts no process for a pause or a question leaves the machine to the scenes.
const CRON: &str = r#"pkill -f '^perl .* lab-cron$' || true
rm -f DIR/CORNER/*.log
echo 'of root alone' > DIR/CORNER/private.log
chmod 600 DIR/CORNER/private.log
setsid perl -e '
    open(STDOUT, ">>", $ARGV[0]) or die;
    $| = 1;
    for my $n (1 .. 4500) { print "$n\n"; select(undef, undef, undef, 0.2) }
' DIR/CORNER/cron.log lab-cron </dev/null >/dev/null 2>&1 &
until [ -s DIR/CORNER/cron.log ]; do sleep 0.01; done"#;

/// A pipe and a socket of somebody's.
const PIPES: &str = "[ -p DIR/CORNER/a-pipe ] || {
    mkfifo DIR/CORNER/a-pipe
    perl -MSocket -e 'socket(S, PF_UNIX, SOCK_STREAM, 0); bind(S, sockaddr_un(shift)) or die' DIR/CORNER/a-socket
    chown --reference=DIR/CORNER DIR/CORNER/a-pipe DIR/CORNER/a-socket
}";

/// The same in the backup directory, if it is there: the pipe is named like a description.
const AMONG_BACKUPS: &str = "if [ -d BACKUPS ]; then
    [ -p BACKUPS/NAME-backup-20200101_000000.json ] || {
        mkfifo -m 600 BACKUPS/NAME-backup-20200101_000000.json
        chown --reference=BACKUPS BACKUPS/NAME-backup-20200101_000000.json
    }
    echo is among backups
fi";

/// Moves `beacon:staging` from one of its two images to the other and back, every other second. If
/// it means something else by then than what it was made to mean, somebody else moved it.
const STAGING: &str = r#"pkill -f '^perl .* lab-staging$' || true
rm -f /tmp/staging-moved
setsid perl -MIO::Socket::UNIX -e '
    # The code and the text of an answer of the engine; nothing where none comes.
    sub ask {
        my ($method, $path) = @_;
        my $answer = eval {
            local $SIG{ALRM} = sub { die };
            alarm 5;
            my $engine = IO::Socket::UNIX->new("/var/run/docker.sock") or die;
            print $engine "$method $path HTTP/1.0\r\nContent-Length: 0\r\n\r\n";
            local $/;
            my $text = <$engine>;
            alarm 0;
            $text;
        };
        alarm 0;
        return ($answer // "") =~ m{^HTTP/1\.\d (\d+)(.*)}s ? ($1, $2) : (0, "");
    }
    sub image {
        my ($code, $text) = ask("GET", "/images/$_[0]/json");
        return ($code, $text =~ m{"Id":"(sha256:[0-9a-f]+)"} ? $1 : "");
    }
    my (undef, $one) = image("neighbours.lab/staging:1");
    my (undef, $two) = image("neighbours.lab/staging:2");
    my $is = "";
    while (1) {
        sleep 2;
        my ($code, $now) = image("registry.lab:5000/beacon:staging");
        next if $code != 200 && $code != 404;
        if ($is ne "" && $now ne $is) {
            open(my $noted, ">>", "/tmp/staging-moved") or die;
            print $noted "$now\n";
        }
        $is = $now eq $one ? $two : $one;
        my ($done) = ask("POST", "/images/$is/tag?repo=registry.lab:5000/beacon&tag=staging");
        $is = "" if $done != 201;
    }
' lab-staging </dev/null >/dev/null 2>&1 &"#;

/// Inode, owner and mode of each file; of the log also whether it is written to and whole.
const CRON_NOW: &str = "cd DIR/CORNER && stat -c 'cron\t%n\t%i %a %U' *.log
sha256sum < private.log | sed 's/^/cron\tcontent\t/'
awk '$1 != NR {print \"cron\tline lost\t\" NR; exit}' cron.log
writes=$(pgrep -o -f '^perl .* lab-cron$') && stat -L -c 'cron\twritten\t%i' /proc/$writes/fd/1";
const PIPES_NOW: &str = "cd DIR/CORNER && stat -c 'pipes\t%n\t%i %a %U %F' a-pipe a-socket";
const STAGING_NOW: &str = "sed 's/^/staging\tmoved to\t/' /tmp/staging-moved 2>/dev/null";

/// Whoever there is, how they come, and how they are looked at.
const ALL: [(&str, &str, &str); 3] = [
    ("cron", CRON, CRON_NOW),
    ("pipes", PIPES, PIPES_NOW),
    ("staging", STAGING, STAGING_NOW),
];

/// What stands between how they came and what they are.
const THEY_ARE: &str = "----\n";

impl App {
    /// Makes the deploy directory with a script and lets those in who are always there.
    #[track_caller]
    pub fn with_company(self, script: &str) -> Self {
        let asked = std::env::var("LANDFALL_COMPANY");
        let words = asked.unwrap_or_else(|_| ALWAYS.into());
        self.comes(&words.split_whitespace().collect::<Vec<_>>(), script);
        self
    }

    /// Invites `cron`, `pipes` or `staging`.
    #[track_caller]
    pub fn invite(&self, word: &str) {
        self.comes(&[word], "");
    }

    #[track_caller]
    fn comes(&self, words: &[&str], before: &str) {
        let known: Vec<_> = words.iter().map(|word| known(word)).collect();
        {
            let mut company = self.company.borrow_mut();
            company.dir.clone_from(&self.dir);
            company.backups = self.backups();
            let facts = known.iter().map(|word| (*word, BTreeMap::new()));
            company.facts.extend(facts);
        }
        self.comes_with(&known, before);
    }

    /// Sends everybody away, for a scene that counts files or in which a person clears the directory.
    #[allow(dead_code, reason = "cells always have company")]
    #[must_use]
    #[track_caller]
    pub fn alone(self) -> Self {
        let gone = "pkill -f '^perl .* lab-(cron|staging)$' || true
            rm -rf DIR/CORNER BACKUPS/NAME-backup-20200101_000000.json";
        self.slot.sh(&self.placed(gone));
        self.company_is_forgotten();
        self
    }

    /// Looks at nobody's files any more.
    #[allow(dead_code, reason = "cells always have company")]
    pub fn company_is_forgotten(&self) {
        self.company.borrow_mut().facts.clear();
    }

    /// The application's directories are elsewhere by now, with everybody who is in them.
    #[allow(dead_code, reason = "cells stay where they are")]
    pub fn lives_at(&mut self, dir: &str) {
        dir.clone_into(&mut self.dir);
        let backups = self.backups();
        let mut company = self.company.borrow_mut();
        dir.clone_into(&mut company.dir);
        company.backups = backups;
    }

    /// Lets those who were invited in again, as after the directory was cleared.
    #[allow(dead_code, reason = "scenes have a server of their own")]
    #[track_caller]
    pub fn company_comes_again(&self) {
        let words: Vec<_> = self.company.borrow().facts.keys().copied().collect();
        self.comes_with(&words, "");
    }

    /// One script, since each costs as much as it takes to enter the server.
    #[track_caller]
    fn comes_with(&self, words: &[&'static str], before: &str) {
        let each = ALL.iter().filter(|(word, ..)| words.contains(word));
        let come: Vec<&str> = each.map(|(_, comes, _)| *comes).collect();
        let come = come.join("\n");
        let corner = "install -d -o USER -g USER DIR/CORNER";
        let corner = if words.is_empty() { "" } else { corner };
        let among = self.has("pipes").then_some(AMONG_BACKUPS);
        let among = among.unwrap_or_default();
        let script = format!(
            "{before}\n{corner}\n{come}\n{among}\nprintf -- '{THEY_ARE}'\n{}",
            self.look()
        );
        let text = self.slot.sh(&self.placed(&script));
        let (said, found) = text.split_once(THEY_ARE).unwrap();
        let mut company = self.company.borrow_mut();
        company.is_among_backups = said.contains("is among backups");
        company.facts = facts(found, company.facts.keys());
    }

    /// Puts a pipe among the backups as soon as there is a place for it.
    #[track_caller]
    pub fn company_among_backups(&self) {
        if self.has("pipes") && !self.company.borrow().is_among_backups {
            let said = self.slot.sh(&self.placed(AMONG_BACKUPS));
            self.company.borrow_mut().is_among_backups = !said.is_empty();
        }
    }

    /// What is wrong with the company's files: other ones, or lines that got lost.
    #[track_caller]
    pub fn trespasses_on_company(&self) -> Vec<String> {
        let company = self.company.borrow();
        let before = &company.facts;
        if before.is_empty() {
            return Vec::new();
        }
        let look = self.placed(&self.look());
        let mut output = self.slot.try_sh_as("root", &look, b"");
        if !output.status.success() {
            self.slot.comes_back();
            output = self.slot.try_sh_as("root", &look, b"");
        }
        let now = facts(&String::from_utf8_lossy(&output.stdout), before.keys());
        let each = before.iter().zip(now);
        each.flat_map(|((word, before), (_, now))| wrong(word, before.clone(), now))
            .collect()
    }

    fn has(&self, word: &str) -> bool {
        self.company.borrow().facts.contains_key(word)
    }

    /// A script that says what is known of everybody.
    fn look(&self) -> String {
        let there = ALL.iter().filter(|(word, ..)| self.has(word));
        let looks: Vec<String> = there
            .map(|(.., now)| format!("({now}) || true\n"))
            .collect();
        looks.concat()
    }

    fn placed(&self, script: &str) -> String {
        let company = self.company.borrow();
        let name = company.dir.rsplit('/').next().unwrap_or_default();
        let script = script
            .replace("BACKUPS", &company.backups)
            .replace("DIR", &company.dir);
        let script = script.replace("USER", &self.user).replace("NAME", name);
        script.replace("CORNER", CORNER)
    }
}

/// One who is known by that word.
#[track_caller]
fn known(word: &str) -> &'static str {
    let known = ALL.into_iter().find(|(known, ..)| *known == word);
    known
        .unwrap_or_else(|| panic!("there is no company `{word}`"))
        .0
}

/// What a look said of each of some words.
fn facts<'w>(
    text: &str,
    words: impl Iterator<Item = &'w &'static str>,
) -> BTreeMap<&'static str, BTreeMap<String, String>> {
    let of = |word: &str| {
        let lines = text.lines().filter_map(|line| line.split_once('\t'));
        let lines = lines.filter(|(of, _)| *of == word);
        let facts = lines.filter_map(|(_, fact)| fact.split_once('\t'));
        facts.map(|(k, v)| (k.to_owned(), v.to_owned())).collect()
    };
    words.map(|word| (*word, of(word))).collect()
}

/// What is wrong with the files of one.
fn wrong(
    word: &str,
    mut before: BTreeMap<String, String>,
    mut now: BTreeMap<String, String>,
) -> Vec<String> {
    // A power cut ends cron too.
    if !now.contains_key("written") {
        before.remove("written");
    }
    let lost = now.remove("line lost");
    let lost = lost.map(|line| format!("{word} lost line {line}"));
    let other = (now != before).then(|| format!("{word}: {now:?} was {before:?}"));
    lost.into_iter().chain(other).collect()
}
