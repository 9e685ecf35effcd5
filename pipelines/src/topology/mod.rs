//! Who calls whom, and which arms each service runs: learned from feature rows, never configured.
//!
//! Promises: bounded, expiring by event time, and a function of the rows' content. What it does not do: say what a new
//! arm means, or which service is at fault.

mod arms;
mod graph;

pub use arms::{ArmRegistry, ArmSeen, ArmStep};
pub use graph::CallGraph;
