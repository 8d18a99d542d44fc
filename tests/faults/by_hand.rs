//! The same for what people do by hand: `docker compose pull && docker compose up -d` over ssh.
//!
//! Nobody comes back to mend it: what the fault left after a while is what counts.

use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::cell::Fault;
use super::draw::Dice;
use super::harness::app::App;
use super::judge::{self, Verdict};
use super::play::cut_power;
use super::scene::{Scene, answers};
use super::watch::Watch;

const SCRIPT: &str = "cd /srv/app && echo 'lamp = green' > config/beacon.conf \
    && docker compose pull -q && docker compose up -d";
const FAULTS: [Fault; 4] = [
    Fault::KillGroup,
    Fault::SshKill,
    Fault::Dockerd,
    Fault::Power,
];

/// What became of one deployment by hand.
pub struct ByHand {
    pub verdict: Verdict,
    pub gap: Duration,
    pub cell: String,
}

/// Makes a scene one for deployments by hand: a login, and what one makes without a fault.
pub fn set_up(scene: &mut Scene) {
    let slot = &scene.app.slot;
    let (user, password) = (slot.fact("REGISTRY_USER"), slot.fact("REGISTRY_PASSWORD"));
    let login = format!("docker login -u {user} --password-stdin registry.lab:5000 2>&1");
    slot.sh_as("deploy", &login, password.as_bytes());
    let begun = Instant::now();
    assert!(start(&scene.app).wait().unwrap().success());
    scene.took = begun.elapsed();
    scene.new = Some(scene.app.release());
    scene.app.comes_to_answer("v2");
    scene.answers[1] = answers(&scene.app);
}

/// Deploys with a fault at any time; none where it did not strike.
pub fn play(scene: &Scene, dice: &mut Dice) -> Option<ByHand> {
    let fault = *dice.one(&FAULTS);
    let percent = u32::try_from(dice.below(100)).unwrap();
    let watch = Watch::of(&scene.app);
    let mut deployment = start(&scene.app);
    sleep(scene.took.mul_f64(f64::from(percent) / 100.0));
    let at_work = deployment.try_wait().unwrap().is_none();
    strike(scene, fault, &mut deployment);
    let _ = deployment.wait();
    let (verdict, _) = judge::world(scene, None, None);
    let gap = watch.longest_gap();
    at_work.then(|| ByHand {
        verdict,
        gap,
        cell: format!("by hand/{fault}/{percent}%"),
    })
}

fn start(app: &App) -> Child {
    let slot = &app.slot;
    Command::new("ssh")
        .args([
            "-F",
            "none",
            "-o",
            "IdentitiesOnly=yes",
            "-o",
            "BatchMode=yes",
        ])
        .args(["-o", "ServerAliveInterval=1", "-o", "ServerAliveCountMax=3"])
        .args(["-i", slot.fact("SSH_KEY"), "-p", slot.fact("SSH_PORT")])
        .args([
            "-o",
            &format!("UserKnownHostsFile={}", slot.fact("KNOWN_HOSTS")),
        ])
        .args(["deploy@127.0.0.1", SCRIPT])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

fn strike(scene: &Scene, fault: Fault, deployment: &mut Child) {
    let slot = &scene.app.slot;
    match fault {
        Fault::KillGroup => {
            let compose = "pkill -KILL -f 'docker[ -]compose' || true";
            slot.try_sh_as("deploy", compose, b"");
        }
        Fault::Dockerd => {
            slot.lab("dockerd", &["stop"]);
            slot.lab("dockerd", &["start"]);
        }
        Fault::Power => cut_power(slot),
        _ => drop(deployment.kill()),
    }
}
