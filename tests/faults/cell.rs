//! The vocabulary: a cell is a scenario, a fault and a moment, and has a text that replays it.
//!
//! It refuses to know how any of them is brought about.

use std::fmt;
use std::str::FromStr;

use super::actor::Actor;

/// What is deployed over what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scenario {
    /// A good release under a tag of its own, with a new compose file.
    Good,
    /// A release whose container exits at once.
    Exits,
    /// A release that answers 500.
    Unwell,
    /// Back to the newest good backup.
    Rollback,
    /// Nothing runs yet.
    First,
    /// Two services at once.
    Two,
    /// A good release under the tag that the old one has.
    Mutable,
}

/// What happens to a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// SIGKILL of the agent.
    Kill,
    /// The same, of its children too.
    KillGroup,
    /// SIGSTOP of the agent for a while.
    Stop,
    /// What the agent is about to do, or has just done, fails.
    Error,
    /// A system call of the agent finds the disk full.
    Enospc,
    /// A system call of the agent finds the disk broken.
    Eio,
    /// SIGKILL of the runner.
    Runner,
    /// SIGTERM of the runner, as when somebody cancels the workflow.
    Cancel,
    /// SIGKILL of the agent, its children and its runner: nobody is left who would settle.
    Both,
    /// Nothing but what somebody does.
    Somebody,
    /// SIGKILL of the runner's ssh.
    SshKill,
    /// Packets of SSH vanish for a while.
    SshDrop,
    /// SSH connections are reset for a while.
    SshReset,
    /// The engine is restarted, in order.
    Dockerd,
    /// The whole server is killed and comes back.
    Power,
    /// The backup directory's disk is full until the run has ended.
    Disk,
    /// The disk of Docker's own data is full until the run has ended.
    DockerDisk,
    /// The registry goes away until the run has ended.
    Registry,
}

/// Which thread of the agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Thread {
    /// The one that decides and keeps the journal.
    Main,
    /// The one that works on files.
    Files,
}

/// When it happens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Moment {
    /// When a process of Landfall comes by a crash point for the n-th time.
    Point(String, u64),
    /// When a thread of the agent makes a system call for the n-th time.
    Call(Thread, String, u64),
    /// When so many hundredths have passed of the time that a run without a fault takes.
    Share(u64),
}

/// One run with one fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cell {
    pub scenario: Scenario,
    pub fault: Fault,
    pub moment: Moment,
    /// A crash point at which a process of Landfall dies besides: as a rule, the one that recovers.
    pub again: Option<(String, u64)>,
    /// Who does something: as the fault itself, or after it and before anybody settles.
    pub who: Option<Actor>,
}

impl Scenario {
    pub const ALL: [(Self, &'static str); 7] = [
        (Self::Good, "good"),
        (Self::Exits, "exits"),
        (Self::Unwell, "unwell"),
        (Self::Rollback, "rollback"),
        (Self::First, "first"),
        (Self::Two, "two"),
        (Self::Mutable, "mutable"),
    ];
}

impl Fault {
    pub const ALL: [(Self, &'static str); 18] = [
        (Self::Kill, "kill"),
        (Self::KillGroup, "kill-group"),
        (Self::Stop, "stop"),
        (Self::Error, "error"),
        (Self::Enospc, "enospc"),
        (Self::Eio, "eio"),
        (Self::Runner, "runner"),
        (Self::Cancel, "cancel"),
        (Self::Both, "both"),
        (Self::Somebody, "somebody"),
        (Self::SshKill, "ssh-kill"),
        (Self::SshDrop, "ssh-drop"),
        (Self::SshReset, "ssh-reset"),
        (Self::Dockerd, "dockerd"),
        (Self::Power, "power"),
        (Self::Disk, "disk"),
        (Self::DockerDisk, "docker-disk"),
        (Self::Registry, "registry"),
    ];

    /// What an agent does at a crash point; one that has something done to it waits for that.
    pub fn order(self) -> &'static str {
        match self {
            Self::Kill => "kill",
            Self::KillGroup => "kill-group",
            Self::Error => "error",
            _ => "stop",
        }
    }
}

impl Thread {
    pub const ALL: [(Self, &'static str); 2] = [(Self::Main, "main"), (Self::Files, "files")];
}

fn word<T: Copy + PartialEq>(all: &[(T, &'static str)], one: T) -> &'static str {
    let mut words = all.iter().filter(|(each, _)| *each == one);
    words.next().map_or("", |(_, word)| word)
}

fn of_word<T: Copy>(all: &[(T, &'static str)], word: &str) -> Option<T> {
    all.iter().find(|(_, w)| *w == word).map(|(each, _)| *each)
}

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(word(&Self::ALL, *self))
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(word(&Self::ALL, *self))
    }
}

impl fmt::Display for Thread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(word(&Self::ALL, *self))
    }
}

impl fmt::Display for Cell {
    /// Such as `two/kill/act.after:up#1`, `good/eio/files:fsync()#7` or `good/power/62%`,
    /// with `+undo.before#1` where something dies again and `&edit` where somebody does something.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/", self.scenario, self.fault)?;
        match &self.moment {
            Moment::Point(point, nth) => write!(f, "{point}#{nth}"),
            Moment::Call(thread, call, nth) => write!(f, "{thread}:{call}()#{nth}"),
            Moment::Share(percent) => write!(f, "{percent}%"),
        }?;
        if let Some((point, nth)) = &self.again {
            write!(f, "+{point}#{nth}")?;
        }
        match self.who {
            Some(who) => write!(f, "&{}", word(&Actor::ALL, who)),
            None => Ok(()),
        }
    }
}

impl FromStr for Actor {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        of_word(&Self::ALL, text).ok_or_else(|| format!("`{text}` is nobody; see actor.rs"))
    }
}

impl FromStr for Cell {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let read = || {
            let (scenario, rest) = text.split_once('/')?;
            let (fault, moment) = rest.split_once('/')?;
            let (moment, who) = match moment.split_once('&') {
                Some((moment, who)) => (moment, Some(of_word(&Actor::ALL, who)?)),
                None => (moment, None),
            };
            let (moment, again) = match moment.split_once('+') {
                Some((moment, again)) => (moment, Some(again.rsplit_once('#')?)),
                None => (moment, None),
            };
            let again = match again {
                Some((point, nth)) => Some((point.to_owned(), nth.parse().ok()?)),
                None => None,
            };
            let moment = match moment.rsplit_once('#') {
                Some((place, nth)) => match place.strip_suffix("()") {
                    Some(call) => {
                        let (thread, call) = call.split_once(':')?;
                        let thread = of_word(&Thread::ALL, thread)?;
                        Moment::Call(thread, call.to_owned(), nth.parse().ok()?)
                    }
                    None => Moment::Point(place.to_owned(), nth.parse().ok()?),
                },
                None => Moment::Share(moment.strip_suffix('%')?.parse().ok()?),
            };
            Some(Self {
                scenario: of_word(&Scenario::ALL, scenario)?,
                fault: of_word(&Fault::ALL, fault)?,
                moment,
                again,
                who,
            })
        };
        read().ok_or_else(|| {
            format!("`{text}` is no cell; take one like `two/kill/compose.up.before#1` or `good/both/62%&edit`")
        })
    }
}
