//! The bounds of the features stage, as plain checked values.

use engine::record::{NANOS_PER_SEC, UnixNanos};

/// How much the stage keeps, and for how long. Everything that runs over is counted in
/// [`super::FeatureCounts`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FeatureParams {
    /// Rows further ahead of their arrival are set aside.
    pub skew_secs: i64,
    /// Window of edges and other series.
    pub window_secs: i64,
    /// How long an edge window waits for server spans that end after their client span (skewed clocks).
    pub join_grace_secs: i64,
    /// How long a server span waits for its client span.
    pub join_secs: i64,
    /// A pod, and the state of its series, is forgotten after so long without a sign of life.
    pub pod_expiry_secs: i64,
    /// Pods known at a time.
    pub pods_max: usize,
    /// Resources and series whose meaning is kept in the cache.
    pub cached_max: usize,
    /// Operations per service; the rest is `_other`.
    pub operations_max: usize,
    /// Rows (spans, lines, points) in open seconds.
    pub open_rows_max: usize,
    /// Spans that wait for their other half.
    pub halves_max: usize,
    /// Callees per caller and window; the rest is `_other`.
    pub callees_max: usize,
    /// Counter states.
    pub counters_max: usize,
    /// Other series per service.
    pub series_per_service_max: usize,
    /// Other series in all.
    pub series_max: usize,
    /// Services with a source of truth and operations.
    pub services_max: usize,
}

impl Default for FeatureParams {
    fn default() -> Self {
        Self {
            skew_secs: 60,
            window_secs: 10,
            join_grace_secs: 2,
            join_secs: 30,
            pod_expiry_secs: 900,
            pods_max: 20_000,
            cached_max: 200_000,
            operations_max: 64,
            open_rows_max: 1_000_000,
            halves_max: 200_000,
            callees_max: 64,
            counters_max: 200_000,
            series_per_service_max: 200,
            series_max: 20_000,
            services_max: 5_000,
        }
    }
}

/// The second in which `at` lies.
pub(crate) const fn second_of(at: UnixNanos) -> i64 {
    at.div_euclid(NANOS_PER_SEC)
}

/// First instant of a second.
pub(crate) const fn nanos_of(second: i64) -> UnixNanos {
    second.saturating_mul(NANOS_PER_SEC)
}
