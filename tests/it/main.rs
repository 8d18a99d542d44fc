//! What the binary promises: one test binary, one module a behaviour.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on has failed"
)]

mod action_yml;
mod command_line;
mod inputs;
mod remote;
mod sshd;
