//! What the canary test is fed: requests and bad events per pod and tick.
//!
//! Counts are integers so that sums do not depend on their order. How spans or exports become ticks is
//! the caller's work; in [`Mode::Metrics`] a tick ends with the export of the first canary pod.

use serde::{Deserialize, Serialize};

/// Signals of bad events: 0 is errors, 1, 2 and 3 are requests slower than the control's trailing p50, p90, p99; 4 is
/// requests on which the service itself, its calls left out, spent more time than the control's trailing p90.
pub const N_COUNTED: usize = 5;
/// All signals: those that are counted, and the mean log of the service's own time.
pub const N_SIGNALS: usize = N_COUNTED + 1;
/// The first of the signals of a service's own time; they count only where it can be
/// compared ([`CanaryTest::judge_own_time`](super::CanaryTest::judge_own_time)).
pub(crate) const OWN_TIME: usize = 4;

/// Whether the time that requests took in the service itself can be compared between the arms.
///
/// ```
/// use models::sequential::OwnTime;
/// assert_ne!(OwnTime::Comparable, OwnTime::Untold);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum OwnTime {
    /// Both arms tell it in the same way.
    Comparable,
    /// It is not told, or the arms are instrumented differently.
    Untold,
}

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

/// Sums over the logarithms of the times that requests took in the service itself, in millionths, so that sums do not
/// depend on their order.
///
/// ```
/// use models::sequential::OwnTimes;
/// let mut times = OwnTimes::default();
/// times.add(2.5, 4);
/// assert_eq!((times.requests, times.ln_micros, times.ln_squares_micros), (4, 10_000_000, 25_000_000));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct OwnTimes {
    /// Requests whose own time is known.
    pub requests: u64,
    /// Sum of the natural logarithms, in any unit of time that both arms share.
    pub ln_micros: i64,
    /// Sum of their squares.
    pub ln_squares_micros: i64,
    /// What the pod's age excuses (in the control: what is to be expected of it), per request.
    pub excused_ln_micros: i64,
    /// How much of that goes beyond what is to be expected of the pod, per request: two standard deviations.
    pub unsure_ln_micros: i64,
}

impl OwnTimes {
    /// Adds a logarithm `n` times.
    pub fn add(&mut self, ln: f64, n: u64) {
        let micros = |value: f64| libm::round(value * 1e6) as i64;
        let times = i64::try_from(n).unwrap_or(i64::MAX);
        self.requests = self.requests.saturating_add(n);
        self.ln_micros = self.ln_micros.saturating_add(micros(ln).saturating_mul(times));
        self.ln_squares_micros = self.ln_squares_micros.saturating_add(micros(ln * ln).saturating_mul(times));
    }

    /// The same of a pod whose age excuses this factor, `expected` being the one that is to be expected of it.
    ///
    /// ```
    /// let young = models::sequential::OwnTimes::default().excused(1.3, 1.1);
    /// assert_eq!((young.excused_ln_micros, young.unsure_ln_micros), (262_364, 167_054));
    /// ```
    #[must_use]
    pub fn excused(self, factor: f64, expected: f64) -> Self {
        let ln_micros = |factor: f64| libm::round(libm::log(factor.max(1.0)) * 1e6) as i64;
        let excused_ln_micros = ln_micros(factor);
        Self { excused_ln_micros, unsure_ln_micros: (excused_ln_micros - ln_micros(expected)).max(0), ..self }
    }
}

/// One pod's counts in one tick.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct PodCounts {
    /// Which pod.
    pub pod: PodIdx,
    /// Requests that ended in the tick.
    pub requests: u64,
    /// Bad ones among them, per signal; the limits of latencies stretched by what the pod's age excuses
    /// ([`WarmupCurve`](super::WarmupCurve)). A number above `requests` counts as `requests`.
    pub bad: [u64; N_COUNTED],
    /// How long they took in the service itself; empty where that is not told.
    pub own: OwnTimes,
    /// Seconds since the pod became ready, at the end of what it reported here.
    pub age_secs: f64,
}

/// Both arms in one tick. `control` is the old version, `canary` the new one.
///
/// ```
/// use models::sequential::{OwnTimes, PodCounts, PodIdx, Tick};
/// let own = OwnTimes::default();
/// let pod = PodCounts { pod: PodIdx(0), requests: 25, bad: [0, 12, 2, 0, 0], own, age_secs: 900.0 };
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
