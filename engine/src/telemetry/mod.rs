//! What the engine says about itself: numbers by name, and whether it is alive and ready.
//!
//! Promises: a bound counter costs one atomic addition; the number of label sets of a metric is bounded; every name
//! stands in one list ([`names`]). What this module does not do: serve HTTP, or write logs.

pub mod export;
pub mod health;
pub mod names;

pub use export::{Counter, Gauge, Telemetry, Timer};
pub use health::{Liveness, LivenessVerdict, Port, PortFacts, STALL_LIMIT_SECS, readiness};
pub use names::{Metric, MetricKind, MetricSpec};
