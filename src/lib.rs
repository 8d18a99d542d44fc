//! Landfall: Docker Compose deploys that land, or turn back.
//!
//! Data flows one way: inputs → [`plan::Plan`] → [`event::Record`]s → outputs.
//! `face` asks, `saga` decides, `host` and `remote` act, `output` tells.

pub mod archive;
pub mod error;
pub mod event;
pub mod face;
pub mod plan;
pub mod request;
pub mod secret;
