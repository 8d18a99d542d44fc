//! Plays a cell: starts the run, strikes, lets everything end, mends, and makes the next contact.
//!
//! It refuses to judge what it then finds.

use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::actor::Left;
use super::calls;
use super::cell::{Cell, Fault, Moment};
use super::harness::act::Started;
use super::harness::done::Done;
use super::harness::slot::Slot;
use super::scene::Scene;
use super::watch::Watch;

/// How often a run that is to be struck is looked at.
const LOOK: Duration = Duration::from_millis(40);
/// How long an agent on its own may take to end.
const ENDING: Duration = Duration::from_secs(100);
/// Within how many ms a runner ends that was told to, the time aside that the laboratory takes to
/// see that the moment has come.
const CANCELLED: i64 = 5_500;
/// Longer than any run here may take; the harness ends it some time later.
const LONGEST: Duration = Duration::from_secs(200);
/// How often an engine came back with a port of a container that it had lost.
pub static LOST_PORTS: AtomicUsize = AtomicUsize::new(0);
const BACKUPS: &str = "/srv/app-backups";
const DOCKER: &str = "/mnt/docker";

/// What a run and its fault left to judge.
pub struct Played {
    /// When the cell began, in ms since 1970.
    pub began: i64,
    /// When the fault struck, in ms since 1970; none where it provably did not.
    pub struck: Option<i64>,
    /// The status that the runner told, if it told one.
    pub told: Option<String>,
    /// What hung, if anything did.
    pub hung: Option<String>,
    /// What somebody left: after the run had died, or a release beside it.
    pub left: Option<Left>,
    /// Whether something died again.
    pub again: bool,
    /// The longest time without an answer.
    pub gap: Duration,
    /// What the run and the next contact printed.
    pub log: String,
    /// What the next contact left on this machine.
    pub leftovers: Vec<String>,
}

/// Plays a cell to its end; `pause` is how long what passes lasts, a SIGSTOP for one.
pub fn play(scene: &Scene, cell: &Cell, pause: Duration) -> Played {
    prepare(scene, cell);
    scene.left.take();
    let began = now_ms();
    let watch = Watch::of(&scene.app);
    let mut run = scene.act().start();
    let struck = strike(scene, cell, &mut run, pause);
    let done = run.wait();
    acts_after_it(scene, cell, struck);
    mend(scene, cell.fault);
    let over = now_ms();
    let late = |at: i64| cell.fault == Fault::Cancel && over - at > CANCELLED;
    let mut hung = (done.took > LONGEST).then(|| "the runner".to_owned());
    if struck.is_some_and(late) {
        hung = Some(format!(
            "the runner, more than {CANCELLED} ms after SIGTERM"
        ));
    }
    hung = hung.or_else(|| agents_end(scene));
    let mut contact = recover(scene, cell.fault);
    // Where somebody acted, the answer may be that a person is needed.
    let person = cell.who.is_some() && contact.code == Some(3);
    if cell.who.is_some_and(|who| who.puts_right(scene)) {
        let mut by_hand = settle(scene, &["recover"]);
        by_hand.log.insert_str(0, &contact.log);
        contact = by_hand;
    }
    if contact.code != Some(0) && !person {
        hung = hung.or_else(|| Some("the next contact".to_owned()));
    }
    Played {
        began,
        struck,
        told: done.outputs.get("status").cloned(),
        hung: hung.or_else(|| lock_is_held(scene)),
        left: scene.left.take(),
        again: scene.fired(1).is_some(),
        gap: watch.longest_gap(),
        log: format!("{}\n---- recover\n{}", done.log, contact.log),
        leftovers: contact.leftovers,
    }
}

/// Somebody acts between the death of a run and its settling, and leaves what is there then.
fn acts_after_it(scene: &Scene, cell: &Cell, struck: Option<i64>) {
    if let Some(who) = cell.who
        && cell.fault != Fault::Somebody
        && struck.is_some()
    {
        who.act(scene);
        scene.left.replace(Left::by(scene));
    }
}

fn prepare(scene: &Scene, cell: &Cell) {
    let slot = &scene.app.slot;
    if cell.fault == Fault::Disk {
        slot.sh(&format!("cp -a {BACKUPS} /var/lib/golden/kept"));
        slot.lab("small", &[BACKUPS, "150m"]);
        slot.sh(&format!(
            "cp -a /var/lib/golden/kept/. {BACKUPS}; rm -r /var/lib/golden/kept"
        ));
    }
    if cell.fault == Fault::DockerDisk {
        slot.lab("dockerd", &["cramp", "60m"]);
        scene.await_the_old();
        // The engine's data was copied to another disk, the neighbours' volumes too.
        slot.meet_the_neighbours();
    }
    match &cell.moment {
        Moment::Point(point, nth) => {
            let again = cell.again.iter().map(|(p, n)| (p.as_str(), *n, "kill"));
            let first = (point.as_str(), *nth, cell.fault.order());
            scene.order(&std::iter::once(first).chain(again).collect::<Vec<_>>());
        }
        Moment::Call(thread, ..) => calls::order(scene, *thread),
        Moment::Share(_) => {}
    }
}

/// Brings the fault about; when it struck, if it did.
fn strike(scene: &Scene, cell: &Cell, run: &mut Started, pause: Duration) -> Option<i64> {
    let begun = Instant::now();
    match &cell.moment {
        Moment::Point(..) => at_a_point(scene, cell, run, pause),
        Moment::Call(thread, name, nth) => calls::strike(scene, cell.fault, *thread, name, *nth),
        Moment::Share(percent) => {
            let after = scene
                .took
                .mul_f64(f64::from(u32::try_from(*percent).unwrap()) / 100.0);
            while begun.elapsed() < after && !run.is_over() {
                sleep(Duration::from_millis(5));
            }
            let at = now_ms();
            let alive = !run.is_over();
            (alive && at_once(scene, cell, run, pause)).then_some(at)
        }
    }
}

/// Waits for the agent at its point and brings about there what comes from outside.
///
/// An agent goes on behind the end that it has told, so the runner's end is not that of the wait.
fn at_a_point(scene: &Scene, cell: &Cell, run: &mut Started, pause: Duration) -> Option<i64> {
    let begun = Instant::now();
    loop {
        let over = run.is_over() && agents(scene).is_empty();
        if let Some((pid, at)) = scene.fired(0) {
            if cell.fault.order() != "stop" {
                return Some(at);
            }
            let had_a_victim = around(scene, cell, run, pause);
            let go_on = format!("kill -CONT {pid} 2>/dev/null || true");
            scene.app.slot.sh(&go_on);
            return had_a_victim.then_some(at);
        }
        if over || begun.elapsed() > LONGEST {
            return None;
        }
        sleep(LOOK);
    }
}

fn now_ms() -> i64 {
    let now = std::time::UNIX_EPOCH.elapsed().unwrap();
    i64::try_from(now.as_millis()).unwrap()
}

/// A fault at any time: those of the agent come from outside. Says whether there was a victim.
fn at_once(scene: &Scene, cell: &Cell, run: &mut Started, pause: Duration) -> bool {
    match cell.fault {
        Fault::Kill => signal_agent(scene, "KILL", ""),
        Fault::KillGroup => signal_agent(scene, "KILL", "below"),
        Fault::Stop => {
            let stopped = signal_agent(scene, "STOP", "");
            sleep(pause);
            signal_agent(scene, "CONT", "") && stopped
        }
        _ => around(scene, cell, run, pause),
    }
}

/// Sends the agent a signal; says whether there was one.
fn signal_agent(scene: &Scene, signal: &str, below: &str) -> bool {
    let script = format!(
        "below() {{ for p in $(pgrep -P $1); do below $p; kill -{signal} $p 2>/dev/null || true; done; }}
        agents=$(pgrep -f 'landfall-[0-9a-f]* agent run') || exit 3
        for agent in $agents; do
            [ -z '{below}' ] || {{ kill -STOP $agent; below $agent; }}
            kill -{signal} $agent
        done"
    );
    let done = scene.app.slot.try_sh_as("root", &script, b"");
    done.status.success()
}

/// A fault of what is around the agent. Says whether there was a victim.
fn around(scene: &Scene, cell: &Cell, run: &mut Started, pause: Duration) -> bool {
    let slot = &scene.app.slot;
    let port = |verb: &str, target: &str| {
        slot.sh(&format!(
            "iptables -{verb} INPUT -p tcp --dport 22 -j {target}"
        ));
    };
    match cell.fault {
        Fault::Runner | Fault::Cancel | Fault::Both if run.is_over() => return false,
        Fault::Both => {
            run.signal("KILL");
            return signal_agent(scene, "KILL", "below");
        }
        Fault::Somebody => match cell.who {
            Some(who) if who.act(scene) => drop(scene.left.replace(Left::by(scene))),
            Some(_) => {}
            None => return false,
        },
        Fault::Runner => run.signal("KILL"),
        Fault::Cancel => run.signal("TERM"),
        Fault::SshKill => return kill_ssh(run),
        Fault::SshDrop => {
            port("I", "DROP");
            sleep(pause);
            port("D", "DROP");
        }
        Fault::SshReset => {
            port("I", "REJECT --reject-with tcp-reset");
            sleep(pause / 2);
            port("D", "REJECT --reject-with tcp-reset");
        }
        Fault::Dockerd => {
            slot.lab("dockerd", &["stop"]);
            slot.lab("dockerd", &["start"]);
        }
        Fault::Power => cut_power(slot),
        Fault::Disk => drop(slot.lab("fill", &[BACKUPS])),
        Fault::DockerDisk => drop(slot.lab("fill", &[DOCKER])),
        Fault::Registry => drop(slot.lab("registry", &["stop"])),
        Fault::Stop
        | Fault::Kill
        | Fault::KillGroup
        | Fault::Error
        | Fault::Enospc
        | Fault::Eio => sleep(pause),
    }
    true
}

/// Switches a server off and on.
///
/// An engine that was about to start a container may come back with that container's port taken
/// and no container: a fault of its own (Docker 20.10, plain `docker compose up` shows it too)
/// that only its restart mends. It gets that, as from an operator, and is counted.
pub fn cut_power(slot: &Slot) {
    slot.lab("server", &["kill"]);
    slot.lab("server", &["start"]);
    let lost =
        "for port in $(pgrep -a docker-proxy | sed -n 's/.*-host-port \\([0-9]*\\).*/\\1/p'); do
            docker ps --format '{{.Ports}}' | grep -q \":$port->\" || exit 7
        done";
    if slot.try_sh_as("root", lost, b"").status.code() == Some(7) {
        LOST_PORTS.fetch_add(1, Ordering::Relaxed);
        slot.lab("dockerd", &["stop"]);
        slot.lab("dockerd", &["start"]);
    }
}

fn kill_ssh(run: &Started) -> bool {
    let mut victims = run.children();
    victims.retain(|(_, arguments)| arguments.contains("ssh"));
    if victims.is_empty() {
        return false;
    }
    let pids = victims.iter().map(|(pid, _)| pid.to_string());
    let killed = Command::new("kill").arg("-KILL").args(pids).status();
    killed.is_ok_and(|status| status.success())
}

/// What an operator sees to before the next contact.
fn mend(scene: &Scene, fault: Fault) {
    let slot = &scene.app.slot;
    match fault {
        Fault::Registry => drop(slot.lab("registry", &["start"])),
        Fault::Disk => drop(slot.sh(&format!("rm -f {BACKUPS}/.filled"))),
        Fault::DockerDisk => drop(slot.sh(&format!("rm -f {DOCKER}/.filled"))),
        _ => {}
    }
}

/// The agents on the server, by number and arguments.
fn agents(scene: &Scene) -> String {
    let look = "pgrep -af 'landfall-[0-9a-f]* agent (run|look|start)' || true";
    scene.app.slot.sh(look).trim().to_owned()
}

/// Waits for agents that go on alone; what hangs.
fn agents_end(scene: &Scene) -> Option<String> {
    let begun = Instant::now();
    loop {
        let agents = agents(scene);
        if agents.is_empty() {
            return None;
        }
        if begun.elapsed() > ENDING {
            return Some(format!("an agent: {agents}"));
        }
        sleep(Duration::from_millis(100));
    }
}

/// The next contact, three times at most; one is enough where there is no directory, for which a boot
/// would wait for minutes: it may lie on a disk that comes late. It only settles what has no end: a way back that failed
/// is tried again for nobody but the person who has made room on Docker's disk.
fn recover(scene: &Scene, fault: Fault) -> Done {
    match fault {
        Fault::DockerDisk => settle(scene, &["recover"]),
        _ if !scene.app.is_there() => scene.app.cli(&["status"]).run(),
        _ => settle(scene, &["recover", "--boot"]),
    }
}

fn settle(scene: &Scene, words: &[&str]) -> Done {
    let mut log = String::new();
    let mut leftovers = Vec::new();
    for last in [false, false, true] {
        let mut done = scene.app.cli(words).run();
        log.push_str(&done.log);
        leftovers.append(&mut done.leftovers);
        if last || done.code == Some(0) {
            done.log = log;
            done.leftovers = leftovers;
            return done;
        }
        sleep(Duration::from_secs(2));
    }
    unreachable!("the last one returned")
}

fn lock_is_held(scene: &Scene) -> Option<String> {
    let free = scene
        .app
        .slot
        .try_sh_as("root", "flock -n /srv/app true", b"");
    (!free.status.success()).then(|| "the lock".to_owned())
}
