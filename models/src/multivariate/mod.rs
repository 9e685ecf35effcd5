//! Anomalies of a host or a service: many metrics together, and which of them is to blame.
//!
//! [`VectorDetector`] takes one vector a time step. Eight kinds of deviation of every metric, one of them being what
//! its fellow metrics do not explain, are turned into decades of rarity; the mean of the three largest, smoothed, is
//! the score. Promises: no scale is assumed and none is learned from the future; metrics may be missing, appear and
//! disappear; the state is bounded ([`MAX_WIDTH`] metrics, about 3.3 KB each and `8 D^2` bytes for the scatter).
//! Deliberately absent: names of metrics, thresholds, alarms.

mod detector;
mod metric;
mod params;
mod profile;
mod scatter;
pub(crate) mod tail;

pub use detector::{Learning, Suspect, VectorDetector};
pub use metric::Kind;
pub use params::{VectorParams, VectorValidParams};

/// Metrics that one vector may have.
pub const MAX_WIDTH: usize = 64;

/// Whether a value can be used: finite, and of a size whose sums and products stay finite.
fn usable(value: f64) -> bool {
    value.abs() <= 1e30
}
