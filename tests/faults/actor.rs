//! Somebody who does something on the server while a run is at work, or after it died: what, and
//! what may be there in the end.
//!
//! It refuses to know how a run is struck.

use std::collections::BTreeSet;

use super::cell::Scenario;
use super::harness::act::Act;
use super::harness::compose;
use super::harness::oracle::Release;
use super::judge::Verdict;
use super::scene::{FAULTS, Scene, answers};

/// Who does something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Actor {
    /// Types `docker compose up -d`.
    Up,
    /// Edits a file that no release ships.
    Edit,
    /// Deploys v3 by hand.
    Hand,
    /// Types `docker compose pull`.
    Pull,
    /// Types `docker system prune -f`.
    Prune,
    /// Moves the directory away.
    Move,
    /// Moves it away and puts a link to another application in its place.
    Link,
    /// Sets the clock back by an hour.
    Clock,
    /// Deploys v3 through another `backup_dir`.
    Second,
    /// Deploys v3 with the program of an earlier version.
    Older,
}

/// What somebody left: the release, and what answers.
pub struct Left {
    release: Release,
    answers: Vec<Option<String>>,
}

/// The file that somebody edits.
const NOTES: &str = "notes";
/// Says whether a backup has it.
const BACKED_UP: &str = "for all in /srv/app-backups/app-backup-*.tar.gz; do
    tar -tzf $all | grep -qx ./notes && exit 0
    done; exit 1";
/// The application that a link leads to, which is none of ours.
const VICTIM: &str = "/srv/victim";
/// Where the directory went.
const AWAY: &str = "/srv/app.away";
/// Where `tests/lab/older` puts the program.
const OLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/.lab/older/landfall");
const OLDER_ACTION: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/.lab/older/source/action.yml");

impl Actor {
    pub const ALL: [(Self, &'static str); 10] = [
        (Self::Up, "up"),
        (Self::Edit, "edit"),
        (Self::Hand, "hand"),
        (Self::Pull, "pull"),
        (Self::Prune, "prune"),
        (Self::Move, "move"),
        (Self::Link, "link"),
        (Self::Clock, "clock"),
        (Self::Second, "second"),
        (Self::Older, "older"),
    ];

    /// Says whether what this one needs is there.
    pub fn is_there(self) -> bool {
        self != Self::Older || std::path::Path::new(OLDER).exists()
    }

    /// Does it; says whether a whole release of theirs came of it.
    pub fn act(self, scene: &Scene) -> bool {
        let app = &scene.app;
        let typed = |script: &str| {
            let script = format!("cd /srv/app\n{script}");
            drop(app.slot.try_sh_as("deploy", &script, b""));
        };
        match self {
            Self::Up => typed("docker compose up -d --pull never"),
            Self::Edit => typed(&format!("echo 'call the harbour' > {NOTES}")),
            Self::Hand => logged_in(
                scene,
                "sed -i 's,beacon:[a-z0-9-]*,beacon:v3,' compose.yaml
                docker compose up -d",
            ),
            Self::Pull => logged_in(scene, "docker compose pull"),
            Self::Prune => typed("docker system prune -f"),
            Self::Clock => typed(&format!("echo -3600 > {FAULTS}/clock")),
            Self::Move => drop(app.slot.sh(&format!("mv /srv/app {AWAY}"))),
            Self::Link => drop(app.slot.sh(&format!(
                "cp -a /srv/app {VICTIM}
                rm -rf {VICTIM}/log
                mv /srv/app {AWAY}; ln -s {VICTIM} /srv/app
                {SUM} > /var/lib/golden/victim"
            ))),
            Self::Second => return lands(third(scene).input("backup_dir", "/srv/elsewhere")),
            Self::Older => {
                // That one waits for ever for somebody to write to a pipe.
                let pipes = "find /srv/app-backups -maxdepth 1 -type p -delete";
                app.slot.sh(pipes);
                return lands(third(scene).program(OLDER, OLDER_ACTION));
            }
        }
        false
    }

    /// What a person puts right before anybody can go on; says whether there was something.
    pub fn puts_right(self, scene: &Scene) -> bool {
        let moved = matches!(self, Self::Move | Self::Link);
        if moved {
            let back = format!(
                "[ ! -L /srv/app ] || rm /srv/app
                [ ! -d {AWAY} ] || {{ rm -rf /srv/app; mv {AWAY} /srv/app; }}"
            );
            scene.app.slot.sh(&back);
        }
        moved
    }

    /// What was done to what somebody left; none is right.
    pub fn undone(self, scene: &Scene, scenario: Scenario, world: Verdict) -> Option<String> {
        let slot = &scene.app.slot;
        let has = |test: &str| slot.try_sh_as("root", test, b"").status.success();
        match self {
            Self::Link if !has(&format!("{SUM} | cmp - /var/lib/golden/victim")) => {
                Some(format!("{VICTIM} is not as it was"))
            }
            Self::Edit if world != Verdict::Old && !has(&format!("test -e /srv/app/{NOTES}")) => {
                // A rollback makes the directory what a backup holds, and keeps what was there before.
                let is_kept = scenario == Scenario::Rollback && has(BACKED_UP);
                (!is_kept).then(|| format!("{NOTES} is gone"))
            }
            _ => None,
        }
    }

    /// The verdicts that are right after a run died, this one acted, and somebody settled.
    pub fn may_be(self) -> &'static [Verdict] {
        match self {
            // It is somebody's release by then.
            Self::Hand | Self::Second => &[Verdict::Theirs],
            _ => &[Verdict::Old, Verdict::New, Verdict::Theirs],
        }
    }

    /// A release without what this one may have changed in it, whoever wins.
    pub fn aside(self, release: &Release) -> Release {
        let mut release = release.clone();
        match self {
            Self::Edit => drop(release.tree.remove(&format!("./{NOTES}"))),
            // An image that somebody fetched, or let go of, is there or not.
            Self::Pull | Self::Prune | Self::Hand | Self::Second | Self::Older => {
                release.tags = BTreeSet::new();
            }
            _ => {}
        }
        release
    }
}

/// Every file of the victim.
const SUM: &str = "find /srv/victim -type f -print0 | sort -z | xargs -0 sha256sum";

impl Left {
    /// Looks at what there is; nothing where the directory was moved away.
    pub fn by(scene: &Scene) -> Option<Self> {
        let slot = &scene.app.slot;
        let there = slot.try_sh_as("root", "test -d /srv/app", b"");
        there.status.success().then(|| Self {
            release: scene.app.release(),
            answers: answers(&scene.app),
        })
    }

    /// Says whether it is still there, but for what this actor may have changed.
    pub fn is(&self, actor: Actor, now: &Release, says: &[Option<String>]) -> bool {
        actor.aside(&self.release) == actor.aside(now) && self.answers == says
    }
}

/// Types something in the deploy directory with a login that lasts as long.
fn logged_in(scene: &Scene, script: &str) {
    let slot = &scene.app.slot;
    let (user, password) = (slot.fact("REGISTRY_USER"), slot.fact("REGISTRY_PASSWORD"));
    let script = format!(
        "cd /srv/app; export DOCKER_CONFIG=$(mktemp -d)
        docker login -u {user} --password-stdin registry.lab:5000
        {script}
        rm -r $DOCKER_CONFIG"
    );
    slot.try_sh_as("deploy", &script, password.as_bytes());
}

fn lands(act: Act) -> bool {
    act.run()
        .outputs
        .get("status")
        .is_some_and(|s| s == "deployed")
}

/// A deployment of v3 by another workflow, which does not wait long for anybody.
fn third(scene: &Scene) -> Act<'_> {
    let web = compose::web(&compose::beacon("v3"));
    let act = scene.app.deploy().image("").ship("compose.yaml", &web);
    act.input("lock_timeout", "1")
        .input("health_timeout", "8")
        .input("timeout", "60")
}
