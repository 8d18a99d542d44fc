//! How the proof's server is called and looked at.
//!
//! Every call goes through a life, which may let it fail or die there. It refuses to know what a
//! call is for.

use std::rc::Rc;

use crate::saga::proof::life::{self, Effect, Phase};
use crate::saga::proof::scenes::Scene;
use crate::saga::proof::world::World;
use crate::words::Result;
use crate::words::event::{Failure, FailureKind};

pub fn effect(change: impl FnOnce(&mut World) + 'static) -> Effect {
    Effect::World(Box::new(change))
}

pub fn act(name: &'static str, effects: Vec<Effect>) -> Result<()> {
    life::call(name, effects).map_err(|()| Failure::new(format!("`{name}` was made to fail")))
}

/// A call that takes the path: made only while that leads where the agent stands.
pub fn by_path<T>(call: impl FnOnce() -> Result<T>) -> Result<T> {
    lead_here()?;
    let done = call();
    lead_here()?;
    done
}

/// Refuses where the path leads elsewhere than the agent stands.
pub fn lead_here() -> Result<()> {
    if life::leads_here() {
        return Ok(());
    }
    Err(Failure::new("the path leads elsewhere").of(FailureKind::Moved))
}

/// A call that changes nothing, and can fail all the same.
pub fn see<T>(name: &'static str, at: impl FnOnce(&World) -> T) -> Result<T> {
    act(name, Vec::new())?;
    Ok(peek(at))
}

pub fn peek<T>(at: impl FnOnce(&World) -> T) -> T {
    life::look(|life| at(&life.state.world))
}

pub fn phase() -> Phase {
    life::look(|life| life.phase)
}

pub fn scene() -> Rc<Scene> {
    life::look(|life| life.scene.clone())
}
