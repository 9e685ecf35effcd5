//! Time to exhaustion: when will a resource that grows reach its limit, and is that worth a warning.
//!
//! One model per series (memory, file descriptors, connections, disk, threads, a pool, a quota), fed with what is used and what
//! may be used. Everything is counted in samples, so that the same settings hold for one value a second and one a minute.
//! What it does not do: name a culprit, or decide what is done about it.

mod cycles;
mod forecast;
mod limit;
mod model;
mod params;
mod pyramid;
mod rise;
mod sampling;
mod trend;

#[cfg(test)]
mod tests;

pub use forecast::{Certainty, Exhaustion, posterior};
pub use limit::{KillSource, LastRun, LearnedLimit, LimitEstimate};
pub use model::ExhaustionModel;
pub use params::{ExhaustionParams, ExhaustionValidParams, TrendOf};
