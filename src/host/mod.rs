//! What acts on the server.
//!
//! It refuses to know why: `saga` decides, and what is here does.

pub mod tree;
