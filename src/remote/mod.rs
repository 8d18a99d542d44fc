//! The way to a server, as the runner walks it.
//!
//! [`target`] says where; [`ssh`] makes one connection, with the key of [`identity`] and the pins of
//! [`hostkey`]; [`transport`] runs commands there or here; [`agent`] places and starts the agent;
//! [`run`] listens to it in the words of [`crate::words::wire`]. It refuses to know what the agent does.

pub mod agent;
pub mod binary;
pub mod borrowed;
pub mod config;
pub mod dir;
pub mod explain;
pub mod hostkey;
pub mod identity;
pub mod key;
pub mod login;
mod mark;
pub mod payload;
pub mod presented;
pub mod probe;
pub mod role;
pub mod run;
pub mod rundir;
mod shell;
pub mod ssh;
pub mod target;
pub mod transport;
