//! Requests of one pod, operation and family in one cell of time, added up in integers.

use std::cmp::Reverse;

use engine::record::UnixNanos;
use serde::{Deserialize, Serialize};

use super::counters::{Gain, Value};
use super::own_time::ServedFor;
use super::sketch::LatencySketch;

/// Traces kept per cell.
const EXEMPLARS_MAX: usize = 3;

/// A trace by its worth as an example: errors first, then the slow ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Exemplar {
    fine: bool,
    duration_us: Reverse<u64>,
    trace_id: [u8; 16],
}

/// What one server span adds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ServedSpan {
    pub(crate) trace_id: [u8; 16],
    pub(crate) duration_us: u64,
    pub(crate) is_error: bool,
    /// How many requests it stands for.
    pub(crate) n: u64,
    pub(crate) whole: ServedFor,
}

/// # Invariants
/// Adding commutes: the sums are integers, and the examples are the first of a total order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct CallCell {
    pub(crate) start_at: UnixNanos,
    pub(crate) end_at: UnixNanos,
    pub(crate) requests: u64,
    pub(crate) errors: u64,
    pub(crate) duration_us_sum: u64,
    pub(crate) duration: LatencySketch,
    /// Time spent in the service itself; spans tell it, metrics do not.
    pub(crate) own: LatencySketch,
    /// Calls made meanwhile.
    pub(crate) calls: u64,
    exemplars: Vec<Exemplar>,
}

impl CallCell {
    pub(crate) fn new(start_at: UnixNanos, end_at: UnixNanos) -> Self {
        Self {
            start_at,
            end_at,
            requests: 0,
            errors: 0,
            duration_us_sum: 0,
            duration: LatencySketch::default(),
            own: LatencySketch::default(),
            calls: 0,
            exemplars: Vec::new(),
        }
    }

    pub(crate) fn add_span(&mut self, span: &ServedSpan) {
        self.requests = self.requests.saturating_add(span.n);
        self.errors = self.errors.saturating_add(if span.is_error { span.n } else { 0 });
        self.duration_us_sum = self.duration_us_sum.saturating_add(span.duration_us.saturating_mul(span.n));
        self.duration.add(span.duration_us, span.n);
        self.keep(Exemplar {
            fine: !span.is_error,
            duration_us: Reverse(span.duration_us),
            trace_id: span.trace_id,
        });
    }

    /// Adds what a duration histogram or a call counter gained. `to_micros` turns its unit into ours.
    pub(crate) fn add_gain(&mut self, gain: &Gain, is_error: bool, to_micros: f64) {
        let (n, sum_us, duration) = match &gain.value {
            // a counter of calls is whole, whatever its type
            Value::Number(calls) => (libm::round(*calls) as u64, 0.0, LatencySketch::default()),
            Value::Histogram { count, sum, buckets } => {
                let sketch = buckets.sketch(to_micros);
                let sum_us = if sum.is_finite() { sum * to_micros } else { sketch.approximate_sum() };
                (*count, sum_us, sketch)
            }
        };
        self.start_at = self.start_at.min(gain.from);
        self.end_at = self.end_at.max(gain.to);
        self.requests = self.requests.saturating_add(n);
        self.errors = self.errors.saturating_add(if is_error { n } else { 0 });
        self.duration_us_sum = self.duration_us_sum.saturating_add(libm::round(sum_us) as u64);
        self.duration.merge(&duration);
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        self.start_at = self.start_at.min(other.start_at);
        self.end_at = self.end_at.max(other.end_at);
        self.requests = self.requests.saturating_add(other.requests);
        self.errors = self.errors.saturating_add(other.errors);
        self.duration_us_sum = self.duration_us_sum.saturating_add(other.duration_us_sum);
        self.duration.merge(&other.duration);
        self.own.merge(&other.own);
        self.calls = self.calls.saturating_add(other.calls);
        for exemplar in &other.exemplars {
            self.keep(*exemplar);
        }
    }

    /// Keeps the worthiest traces, each once with its worthiest span.
    fn keep(&mut self, new: Exemplar) {
        // most spans are worth less than what a full list holds, whichever of its traces they belong to
        if self.exemplars.len() == EXEMPLARS_MAX && self.exemplars.last() <= Some(&new) {
            return;
        }
        if let Some(same) = self.exemplars.iter_mut().find(|known| known.trace_id == new.trace_id) {
            *same = new.min(*same);
        } else {
            self.exemplars.push(new);
        }
        self.exemplars.sort_unstable();
        self.exemplars.truncate(EXEMPLARS_MAX);
    }

    pub(crate) fn exemplar_trace_ids(&self) -> Vec<[u8; 16]> {
        self.exemplars.iter().map(|exemplar| exemplar.trace_id).collect()
    }
}
