//! Runs with faults and deaths picked at random, each told by its seed; and a second agent that
//! comes at any moment.
//!
//! It refuses to be lucky: the numbers come from a fixed start, or from `LANDFALL_RANDOM`.

use super::explore::{self, Trail, died, fresh, settle};
use super::life::{Fault, Keep};
use super::scenes;
use super::search::scene_in;
use super::seed::{self, Death, Loss, Lot};
use crate::saga::lock;
use crate::words::event::Status;

/// How many runs are made where nobody asks for more.
const RUNS: u64 = 300;
/// The most lives of a run.
const LIVES: usize = 3;

/// Numbers that look like chance (xorshift).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % sides.max(1) as u64).unwrap()
    }

    fn fault(&mut self) -> Fault {
        Fault {
            call: self.roll(130),
            after: self.roll(4),
        }
    }

    fn loss(&mut self) -> Loss {
        match self.roll(2) {
            0 => Loss::Nothing,
            _ => Loss::Unsynced,
        }
    }
}

/// How many runs, and the number to begin with: `LANDFALL_RANDOM="100000 7"`.
fn asked() -> (u64, u64) {
    let text = std::env::var("LANDFALL_RANDOM").unwrap_or_default();
    let mut words = text.split(' ').filter_map(|word| word.parse().ok());
    (words.next().unwrap_or(RUNS), words.next().unwrap_or(1))
}

#[test]
fn faults_picked_at_random_end_old_or_new_too() {
    let dir = tempfile::tempdir().unwrap();
    let all: Vec<_> = scenes::ALL.map(|name| scene_in(dir.path(), name)).into();
    let (runs, first) = asked();
    for number in first..first + runs {
        let mut dice = Dice(number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let scene = &all[dice.roll(all.len())];
        let (mut trail, mut lots) = (fresh(scene), Vec::new());
        for nth in 0..=dice.roll(LIVES) {
            let faults: Vec<Fault> = (0..dice.roll(3)).map(|_| dice.fault()).collect();
            let (lived, after) = explore::life(scene, &trail, nth, &faults, Keep::Points);
            let death = Death {
                point: dice.roll(lived.points.len()),
                loss: dice.loss(),
            };
            let dies = dice.roll(2) == 0;
            trail = if dies {
                died(scene, &trail, &lived.points[death.point], death.loss)
            } else {
                after
            };
            lots.push(Lot {
                faults,
                death: dies.then_some(death),
            });
        }
        let seed = seed::write(scene.name, &lots);
        let verdict = settle(scene, trail, lots.len(), Keep::End);
        assert!(
            verdict.is_ok(),
            "number {number}: {}\n  LANDFALL_SEED=\"{seed}\" cargo test --lib proof::replay -- --nocapture",
            verdict.unwrap_err()
        );
    }
}

#[test]
fn a_second_agent_that_comes_at_any_moment_changes_nothing_and_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let scene = scene_in(dir.path(), "upgrade-bad");
    let (lived, _) = explore::life(&scene, &fresh(&scene), 0, &[], Keep::Points);
    let _first = lock::try_take(&scene.plan.site.deploy_dir)
        .unwrap()
        .unwrap();
    for (at, point) in lived.points.iter().enumerate() {
        let trail = Trail {
            state: point.state.clone(),
            ..fresh(&scene)
        };
        let second = explore::second(&scene, &trail);
        assert_eq!(second.told, Some(Status::Refused), "at point {at}");
        assert_eq!(second.state.world, point.state.world, "at point {at}");
        let journal = explore::journal_of(&scene);
        let content = |trail: &Trail| trail.state.disk.content(&journal).map(<[u8]>::to_vec);
        assert_eq!(content(&second), content(&trail), "at point {at}");
    }
}
