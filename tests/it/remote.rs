//! The way to a server: pins, keys, the agent and its runs, and that nothing stays behind.
//!
//! It refuses to know Docker and the laboratory: its servers are `sshd`s of this machine.

mod agent;
mod connection;
mod install;
mod login;
mod pins;
mod place;
