//! Numbers in, scores out: per-series detectors and the sequential tests that judge a release.
//!
//! Promises: no input panics, every state is bounded and serialisable, and the same calls give the same
//! bits (all transcendental functions come from `libm`, sums run in a fixed order, time is an argument).
//! Deliberately absent: streams, batches, clocks, files and names of services.

pub mod absence;
pub mod accuracy;
pub mod bank;
pub mod calibrate;
pub mod detector;
pub mod exhaustion;
pub mod families;
mod median;
pub mod multivariate;
pub mod params;
pub mod sequential;
pub mod siblings;
mod snapshot;
pub mod text;
pub mod univariate;

#[cfg(any(test, feature = "testkit"))]
pub mod testkit;

pub use detector::{Detector, Maturity, Probability, RawScore};
pub use params::{ParamFault, ParamFaults};
pub use snapshot::{Snapshot, SnapshotError};
