//! Landfall as its users run it, on real servers: one module a behaviour, one test a promise.
#![allow(clippy::unwrap_used, reason = "a scene that cannot go on has failed")]

mod archive;
mod connection;
mod deployment;
mod features;
mod harness;
mod misbehaviour;
mod promises;
mod refusal;
mod rights;
mod variants;
