//! What the binary promises, one module a behaviour.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod action_yml;
mod command_line;
mod inputs;
