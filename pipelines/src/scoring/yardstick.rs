//! The control's own trailing latency quantiles: what counts as slow is decided before the tick that is judged.

use std::collections::VecDeque;

use engine::record::{NANOS_PER_SEC, UnixNanos};
use serde::{Deserialize, Serialize};

use crate::features::LatencySketch;

const SLOT: UnixNanos = 10 * NANOS_PER_SEC;
const N_SLOTS: usize = 12;
/// Requests below which a quantile is not believed.
const REQUESTS_MIN: u64 = 100;

/// What counts as slow, in microseconds; `None` before enough requests were seen.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct Limits {
    /// p50, p90 and p99 of whole durations.
    pub(crate) whole: Option<[f64; 3]>,
    /// p90 of the service's own time.
    pub(crate) own: Option<f64>,
    /// The factor by which that is stretched.
    pub(crate) own_excused: Option<f64>,
    /// The factor that is to be expected.
    pub(crate) own_expected: Option<f64>,
}

impl Limits {
    /// The same limits times a factor each for whole durations and for own time, of which this factor is to be expected.
    pub(crate) fn stretched(&self, whole: f64, own: f64, own_expected: f64) -> Self {
        Self {
            whole: self.whole.map(|limits| limits.map(|limit| limit * whole)),
            own: self.own.map(|limit| limit * own),
            own_excused: Some(own),
            own_expected: Some(own_expected),
        }
    }
}

/// Sketches of ten seconds.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
struct Slot {
    whole: LatencySketch,
    own: LatencySketch,
}

/// Sketches of the last 120 s in slots of 10 s, and the limits that follow from the closed ones.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct Yardstick {
    closed: VecDeque<Slot>,
    open: Slot,
    open_until: UnixNanos,
    limits: Limits,
}

impl Yardstick {
    /// What counts as slow.
    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Adds the control's requests of a cell that ended at `end_at`, whole and own; cells come in order of their end.
    pub(crate) fn add(&mut self, end_at: UnixNanos, whole: &LatencySketch, own: &LatencySketch) {
        if end_at >= self.open_until {
            self.roll(end_at);
        }
        self.open.whole.merge(whole);
        self.open.own.merge(own);
    }

    fn roll(&mut self, end_at: UnixNanos) {
        if self.open_until != 0 {
            self.closed.push_back(std::mem::take(&mut self.open));
            if self.closed.len() > N_SLOTS {
                self.closed.pop_front();
            }
            let mut all = Slot::default();
            for slot in &self.closed {
                all.whole.merge(&slot.whole);
                all.own.merge(&slot.own);
            }
            if all.whole.count() >= REQUESTS_MIN {
                self.limits.whole = Some([0.5, 0.9, 0.99].map(|q| quantile(&all.whole, q)));
            }
            if all.own.count() >= REQUESTS_MIN {
                self.limits.own = Some(quantile(&all.own, 0.9));
            }
        }
        self.open_until = end_at - end_at.rem_euclid(SLOT) + SLOT;
    }
}

fn quantile(durations: &LatencySketch, q: f64) -> f64 {
    durations.quantile(q).unwrap_or(f64::INFINITY)
}
