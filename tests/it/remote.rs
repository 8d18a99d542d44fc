//! The way to a server: pins, keys, and that nothing stays behind.

mod agent;
mod connection;
mod pins;
