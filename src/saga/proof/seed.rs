//! A run's faults as a short text that replays them: `upgrade 12.1,40.0@88! @7`.
//!
//! After the scene, a word a life: calls that fail as `call.effects done`, and the point of the
//! death, with `!` when the power goes too. The last life has none.

use super::life::Fault;

/// One life of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lot {
    pub faults: Vec<Fault>,
    pub death: Option<Death>,
}

/// Where an agent dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Death {
    pub point: usize,
    pub loss: Loss,
}

/// What a death loses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// Nothing that was written.
    Nothing,
    /// What was not synced.
    Unsynced,
}

/// Writes a run down.
pub fn write(scene: &str, lots: &[Lot]) -> String {
    let lots = lots.iter().map(word);
    let words: Vec<String> = std::iter::once(scene.to_owned()).chain(lots).collect();
    words.join(" ")
}

fn word(lot: &Lot) -> String {
    let faults = lot.faults.iter().map(|f| format!("{}.{}", f.call, f.after));
    let faults = faults.collect::<Vec<_>>().join(",");
    let death = lot.death.map_or(String::new(), |d| {
        let mark = if d.loss == Loss::Unsynced { "!" } else { "" };
        format!("@{}{mark}", d.point)
    });
    match format!("{faults}{death}") {
        word if word.is_empty() => "-".into(),
        word => word,
    }
}

/// Reads a run back; none if it is no seed.
pub fn read(seed: &str) -> Option<(String, Vec<Lot>)> {
    let mut words = seed.split_whitespace();
    let scene = words.next()?.to_owned();
    let lots: Option<Vec<Lot>> = words.map(lot).collect();
    Some((scene, lots?))
}

fn lot(word: &str) -> Option<Lot> {
    let (faults, death) = match word.split_once('@') {
        Some((faults, death)) => (faults, Some(death)),
        None => (word, None),
    };
    let faults = faults.split(',').filter(|f| !f.is_empty() && *f != "-");
    let fault = |text: &str| {
        let (call, after) = text.split_once('.')?;
        Some(Fault {
            call: call.parse().ok()?,
            after: after.parse().ok()?,
        })
    };
    let death = death.map(|text| {
        let loss = if text.ends_with('!') {
            Loss::Unsynced
        } else {
            Loss::Nothing
        };
        let point = text.trim_end_matches('!').parse().ok()?;
        Some(Death { point, loss })
    });
    Some(Lot {
        faults: faults.map(fault).collect::<Option<_>>()?,
        death: match death {
            Some(death) => Some(death?),
            None => None,
        },
    })
}
