//! Checkpoints: positions and operator states as one atomic unit, written so that a crash leaves the old or the new.
//!
//! What this module does not do: decide when ([`crate::runtime`] does), or know what a state means.

mod manifest;
mod protocol;
mod store;

pub use manifest::{Checkpoint, FORMAT_VERSION};
pub use protocol::{Decision, Found, KEPT, decide};
pub use store::{Blobs, Checkpoints, Directory, Needed};
