//! Integration tests: one binary, a module a behaviour.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on has failed"
)]

mod remote;
mod sshd;
