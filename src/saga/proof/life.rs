//! One agent's life on this thread: every call it makes, where it fails, and every state in which
//! it could have died.
//!
//! It refuses to know what a call means: a call is a row of effects, and a death lies between two.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use super::disk::Disk;
use super::scenes::Scene;
use super::world::World;

/// Everything that outlives an agent.
#[derive(Debug, Clone, Default)]
pub struct State {
    pub world: Rc<World>,
    pub disk: Rc<Disk>,
}

/// Calls that clean up wherever they are made: one that fails is warned of and leaves litter.
const CLEANING: [&str; 3] = ["untag", "remove network", "strike stage"];

/// More calls than any life makes that comes to an end.
const ENDLESS: usize = 10_000;

/// One thing that a call does.
pub enum Effect {
    /// Changes the server.
    World(Box<dyn FnOnce(&mut World)>),
    /// Changes a run's files, as far as the kernel knows.
    Disk(Box<dyn FnOnce(&mut Disk)>),
    /// Brings such a change to the disk itself; only a power cut tells the difference.
    Sync(Box<dyn FnOnce(&mut Disk)>),
}

/// A call that fails: which one of a life, and after how many of its effects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Fault {
    pub call: usize,
    pub after: usize,
}

/// What the journal said last when a call was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// On the way to the new release.
    Forward,
    /// While a step is taken back.
    Undo,
    /// Behind the last step, or between two that are taken back.
    End,
}

/// A call as it was made.
#[derive(Debug, Clone)]
pub struct Call {
    pub name: &'static str,
    pub effects: usize,
    pub phase: Phase,
    /// The step of the journal's last durable line.
    pub step: String,
}

/// A state in which the agent could have died.
#[derive(Debug, Clone)]
pub struct Point {
    pub state: State,
    pub phase: Phase,
    /// Only what the disk holds differs from the point before.
    pub synced: bool,
    pub struck: Struck,
}

/// Where faults have struck so far, deaths aside.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Struck {
    /// Nowhere, or on the way forward.
    #[default]
    Forward,
    /// While cleaning up, which may warn and leave litter.
    End,
    /// While something was taken back.
    Undo,
}

/// What is written down of a life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// Nothing but its end.
    End,
    /// Its calls.
    Calls,
    /// Its calls and every state.
    Points,
    /// The same, told as they come.
    Told,
}

impl Keep {
    fn has_points(self) -> bool {
        matches!(self, Self::Points | Self::Told)
    }
}

/// One life.
pub struct Life {
    pub scene: Rc<Scene>,
    pub state: State,
    pub calls: Vec<Call>,
    pub points: Vec<Point>,
    pub struck: Struck,
    pub phase: Phase,
    made: usize,
    /// How many calls were made when it took its stand.
    pub stands: Option<usize>,
    step: String,
    faults: Vec<Fault>,
    keep: Keep,
}

thread_local! {
    /// The call, counted from where the agent stands, in which the path of the deploy directory comes
    /// to lead elsewhere.
    static MOVES: Cell<Option<usize>> = const { Cell::new(None) };
    /// Where the agent stands: `true` where the path leads to another directory than the run's own.
    static ASTRAY: Cell<bool> = const { Cell::new(false) };
    /// How often the agent was told that the path leads elsewhere.
    static NOTICED: Cell<usize> = const { Cell::new(0) };
    static LIFE: RefCell<Option<Life>> = const { RefCell::new(None) };
}

/// Begins a life on this thread.
pub fn begin(scene: &Rc<Scene>, state: State, faults: &[Fault], keep: Keep) {
    let first = Point {
        state: state.clone(),
        phase: Phase::Forward,
        synced: false,
        struck: Struck::default(),
    };
    let points = if keep.has_points() {
        vec![first]
    } else {
        Vec::new()
    };
    ASTRAY.set(false);
    LIFE.replace(Some(Life {
        scene: scene.clone(),
        state,
        calls: Vec::new(),
        points,
        struck: Struck::default(),
        phase: Phase::Forward,
        made: 0,
        stands: None,
        step: String::new(),
        faults: faults.to_vec(),
        keep,
    }));
}

/// Lets the path lead elsewhere from a call of this thread's next lives on.
pub fn moves_at(call: Option<usize>) {
    MOVES.set(call);
}

/// Lets the agent stand where the path leads now.
pub fn stand() {
    NOTICED.set(0);
    ASTRAY.set(look(|life| life.state.world.elsewhere));
    LIFE.with_borrow_mut(|life| {
        let life = life.as_mut().expect("a life");
        life.stands = Some(life.made);
    });
}

/// Says whether the agent stands in another directory than the run's own.
pub fn is_astray() -> bool {
    ASTRAY.get()
}

/// Says whether the path still leads where the agent stands, and notes that it was asked in vain.
pub fn leads_here() -> bool {
    let here = look(|life| life.state.world.elsewhere) == is_astray();
    // Once all is taken back, there is nobody to be asked any more.
    let counts = !here && look(|life| life.phase) != Phase::End;
    NOTICED.set(NOTICED.get() + usize::from(counts));
    here
}

/// How often it did not in this thread's last life.
pub fn noticed() -> usize {
    NOTICED.get()
}

/// Ends the life on this thread.
pub fn end() -> Life {
    LIFE.take().expect("a life")
}

/// Says whether there is a life on this thread.
pub fn is_here() -> bool {
    LIFE.with_borrow(Option::is_some)
}

/// Looks at the life on this thread.
pub fn look<T>(at: impl FnOnce(&Life) -> T) -> T {
    LIFE.with_borrow(|life| at(life.as_ref().expect("a life")))
}

/// Makes a call: its effects one after the other, up to where it is to fail.
pub fn call(name: &'static str, effects: Vec<Effect>) -> Result<(), ()> {
    LIFE.with_borrow_mut(|life| life.as_mut().expect("a life").call(name, effects))
}

/// Notes what the journal has been told.
pub fn heard(line: &[u8]) {
    LIFE.with_borrow_mut(|life| life.as_mut().expect("a life").hear(line));
}

/// The event that a line of a journal tells, and what follows its name.
pub fn named_event(line: &[u8]) -> Option<(&str, &str)> {
    let text = std::str::from_utf8(line).ok()?;
    // The end of the line may be long: what comes before the event is not.
    let (_, event) = text.split_once("\"event\":\"")?;
    event.split_once('"')
}

/// The name of the event that a line of a journal tells.
pub fn event_of(line: &[u8]) -> Option<&str> {
    named_event(line).map(|(event, _)| event)
}

impl Life {
    fn call(&mut self, name: &'static str, effects: Vec<Effect>) -> Result<(), ()> {
        let number = self.made;
        self.made += 1;
        assert!(self.made < ENDLESS, "a life of {ENDLESS} calls has no end");
        self.note(name, effects.len());
        if self.stands.zip(MOVES.get()).map(|(from, at)| from + at) == Some(number) {
            Rc::make_mut(&mut self.state.world).elsewhere = true;
        }
        let fails = self.faults.iter().find(|f| f.call == number).copied();
        let done = fails.map_or(effects.len(), |f| f.after);
        for effect in effects.into_iter().take(done) {
            self.take(effect);
        }
        if fails.is_none() {
            return Ok(());
        }
        self.struck = self.struck.max(match self.phase {
            Phase::Forward if CLEANING.contains(&name) => Struck::End,
            Phase::Forward => Struck::Forward,
            Phase::Undo => Struck::Undo,
            Phase::End => Struck::End,
        });
        if self.keep == Keep::Told {
            println!("      … which fails after {done} of its effects");
        }
        Err(())
    }

    fn note(&mut self, name: &'static str, effects: usize) {
        if self.keep == Keep::Told {
            println!("    {:3} {name}", self.made - 1);
        }
        if self.keep != Keep::End {
            self.calls.push(Call {
                name,
                effects,
                phase: self.phase,
                step: self.step.clone(),
            });
        }
    }

    fn take(&mut self, effect: Effect) {
        let synced = matches!(effect, Effect::Sync(_));
        match effect {
            Effect::World(change) => change(Rc::make_mut(&mut self.state.world)),
            Effect::Disk(change) | Effect::Sync(change) => {
                change(Rc::make_mut(&mut self.state.disk));
            }
        }
        if self.keep == Keep::Told {
            println!("        point {}", self.points.len());
        }
        if self.keep.has_points() {
            self.points.push(Point {
                state: self.state.clone(),
                phase: self.phase,
                synced,
                struck: self.struck,
            });
        }
    }

    fn hear(&mut self, line: &[u8]) {
        let Some((event, rest)) = named_event(line) else {
            return;
        };
        if self.keep == Keep::Told {
            let text = String::from_utf8_lossy(line);
            println!(
                "  {}",
                text.trim_end().get(..300).unwrap_or(text.trim_end())
            );
        }
        self.phase = match event {
            "undo_started" => Phase::Undo,
            "note" => return,
            "undone" | "undo_failed" | "finished" => Phase::End,
            _ => Phase::Forward,
        };
        let step = rest.strip_prefix(",\"step\":\"");
        let step = step.and_then(|s| s.split_once('"')).map(|(step, _)| step);
        let last = self.scene.plan.steps().last().map(|s| s.word());
        if event == "succeeded" && step == last {
            self.phase = Phase::End;
        }
        if self.keep != Keep::End {
            self.step = format!("{event} {}", step.unwrap_or_default());
        }
    }
}
