//! What the binary promises: one test binary, one module a behaviour, one test a promise.
//!
//! The modules that need the laboratory lease one of its servers; see `harness`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on has failed"
)]

mod action_yml;
mod adoption;
mod archive;
mod boot;
mod by_hand;
mod by_root;
mod command_line;
mod connection;
mod crash_points;
mod crowd;
mod deployment;
mod diagnosis;
mod features;
mod first_release;
mod ground;
mod half_way;
mod harness;
mod held;
mod hooks;
mod inputs;
mod local_images;
mod misbehaviour;
mod namesakes;
mod neighbours;
mod pages;
mod patience;
mod plan;
mod post;
mod predecessors;
mod printed;
mod projects;
mod promises;
mod refusal;
mod remote;
mod restarts;
mod retention;
mod rights;
mod services;
mod settle;
mod since;
mod sshd;
mod standing;
mod stuck;
mod theirs;
mod transcripts;
mod variants;
mod version_1;
mod word;
