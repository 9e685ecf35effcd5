//! What the features stage took in, dropped and changed, by reason.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Why a counter rose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Count {
    /// Spans taken in.
    SpansTaken,
    /// Log records taken in.
    LinesTaken,
    /// Metric points taken in.
    PointsTaken,
    /// Spans that ended before the closed event time.
    LateSpans,
    /// Log records from before the closed event time.
    LateLines,
    /// Points from before the closed event time.
    LatePoints,
    /// Spans further ahead of their arrival than the clock skew allows.
    FutureSpans,
    /// Log records further ahead of their arrival than the clock skew allows.
    FutureLines,
    /// Points further ahead of their arrival than the clock skew allows.
    FuturePoints,
    /// Spans seen before (trace id and span id).
    DuplicateSpans,
    /// Log records seen before in another request.
    DuplicateLines,
    /// Points seen before (series and time).
    DuplicatePoints,
    /// Rows without a time.
    Timeless,
    /// Rows whose resource names no service and no workload.
    Nameless,
    /// Points that are no number.
    NotFinite,
    /// Points of streams whose sender ran over its own limit of attribute sets: totals only.
    SenderOverflow,
    /// Rows dropped because too many seconds' worth of them were open.
    OpenRowsOverflow,
    /// Calls named `_other` because their service has too many operations.
    OperationOverflow,
    /// Spans that found no room to wait for their other half.
    HalvesOverflow,
    /// Calls to `_other` because their caller has too many callees.
    CalleeOverflow,
    /// Points dropped because too many counters are known.
    CounterOverflow,
    /// Points dropped because the service, or all of them, have too many other series.
    SeriesOverflow,
    /// Signs of life dropped because too many pods are known.
    PodOverflow,
    /// Rows dropped because too many services are known.
    ServiceOverflow,
    /// Times a counter began anew.
    CounterResets,
    /// First points of counters, which say nothing about an interval.
    CounterBaselines,
    /// Times a service's numbers began to come from another source.
    SourceChanges,
    /// Call cells not used, because a better source speaks for the service.
    OtherSourceCells,
    /// Client spans for which no server span came.
    UnmatchedClients,
    /// Log templates found.
    TemplatesFound,
    /// Log templates that had to go for others.
    TemplatesEvicted,
    /// Log lines without a template, because their second or their service had too many.
    ShapeOverflow,
}

impl Count {
    /// Its name as a label.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::SpansTaken => "spans_taken",
            Self::LinesTaken => "lines_taken",
            Self::PointsTaken => "points_taken",
            Self::LateSpans => "late_spans",
            Self::LateLines => "late_lines",
            Self::LatePoints => "late_points",
            Self::FutureSpans => "future_spans",
            Self::FutureLines => "future_lines",
            Self::FuturePoints => "future_points",
            Self::DuplicateSpans => "duplicate_spans",
            Self::DuplicateLines => "duplicate_lines",
            Self::DuplicatePoints => "duplicate_points",
            Self::Timeless => "timeless",
            Self::Nameless => "nameless",
            Self::NotFinite => "not_finite",
            Self::SenderOverflow => "sender_overflow",
            Self::OpenRowsOverflow => "open_rows_overflow",
            Self::OperationOverflow => "operation_overflow",
            Self::HalvesOverflow => "halves_overflow",
            Self::CalleeOverflow => "callee_overflow",
            Self::CounterOverflow => "counter_overflow",
            Self::SeriesOverflow => "series_overflow",
            Self::PodOverflow => "pod_overflow",
            Self::ServiceOverflow => "service_overflow",
            Self::CounterResets => "counter_resets",
            Self::CounterBaselines => "counter_baselines",
            Self::SourceChanges => "source_changes",
            Self::OtherSourceCells => "other_source_cells",
            Self::UnmatchedClients => "unmatched_clients",
            Self::TemplatesFound => "templates_found",
            Self::TemplatesEvicted => "templates_evicted",
            Self::ShapeOverflow => "shape_overflow",
        }
    }
}

/// How often each of them happened; part of the state, so that a restart does not set them back.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct FeatureCounts(BTreeMap<Count, u64>);

impl FeatureCounts {
    pub(crate) fn add(&mut self, what: Count, n: u64) {
        if n > 0 {
            let count = self.0.entry(what).or_default();
            *count = count.saturating_add(n);
        }
    }

    /// How often.
    #[must_use]
    pub fn get(&self, what: Count) -> u64 {
        self.0.get(&what).copied().unwrap_or(0)
    }

    /// What happened at all, in a fixed order.
    pub fn iter(&self) -> impl Iterator<Item = (Count, u64)> + '_ {
        self.0.iter().map(|(what, n)| (*what, *n))
    }
}
