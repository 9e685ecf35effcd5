//! For tests of this and other crates: seeded worlds in which a canary is watched, and what a detector must keep to.
//!
//! Promises: the same seed gives the same world on every machine. Nothing in here is compiled into a product.
//! The worlds are synthetic; what they show about false stops is a measurement, not a proof.

mod conformance;
mod draws;
#[cfg(test)]
mod false_stops;
mod simulator;
mod trial;
mod world;

pub use conformance::{Breach, breaches, calibration_breaches};
pub use draws::Draws;
pub use simulator::{RELEASE_AT, SimTick, Simulator};
pub use trial::{Outcome, trial};
pub use world::{Harm, Noise, Weights, World};
