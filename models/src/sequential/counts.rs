//! What the canary test is fed: requests and bad events per pod and tick.
//!
//! Counts are integers so that sums do not depend on their order. How spans or exports become ticks is
//! the caller's work; in [`Mode::Metrics`] a tick ends with the export of the first canary pod.

use serde::{Deserialize, Serialize};

/// Signals per tick: 0 is errors, 1, 2 and 3 are requests slower than the control's trailing p50, p90, p99.
pub const N_SIGNALS: usize = 4;

/// A pod's number, the same over the whole rollout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PodIdx(pub u32);

/// How telemetry reaches the test.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum Mode {
    /// Spans or logs, sorted into aligned ticks of one second.
    Events,
    /// Counters exported by each pod in its own phase; a tick is decided when the next one is known.
    Metrics {
        /// Seconds between two exports of one pod.
        export_interval_secs: f64,
    },
}

impl Mode {
    /// True for exported counters, whose arms are never aligned.
    #[must_use]
    pub fn is_metrics(self) -> bool {
        matches!(self, Self::Metrics { .. })
    }
}

/// One pod's counts in one tick.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct PodCounts {
    /// Which pod.
    pub pod: PodIdx,
    /// Requests that ended in the tick.
    pub requests: u64,
    /// Bad ones among them, per signal; a number above `requests` counts as `requests`.
    pub bad: [u64; N_SIGNALS],
    /// Seconds since the pod became ready, at the end of what it reported here.
    pub age_secs: f64,
}

/// Both arms in one tick. `control` is the old version, `canary` the new one.
///
/// ```
/// use models::sequential::{PodCounts, PodIdx, Tick};
/// let pod = PodCounts { pod: PodIdx(0), requests: 25, bad: [0, 12, 2, 0], age_secs: 900.0 };
/// let tick = Tick { at: 1_000_000_000, span_secs: 1.0, control: &[pod], canary: &[] };
/// assert_eq!(tick.control.len(), 1);
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Tick<'a> {
    /// End of the tick, nanoseconds since 1970.
    pub at: i64,
    /// Length of the tick.
    pub span_secs: f64,
    /// Pods of the old version.
    pub control: &'a [PodCounts],
    /// Pods of the new version.
    pub canary: &'a [PodCounts],
}
