//! The control's own trailing latency quantiles: what counts as slow is decided before the tick that is judged.

use std::collections::VecDeque;

use engine::record::{NANOS_PER_SEC, UnixNanos};
use serde::{Deserialize, Serialize};

use crate::features::LatencySketch;

const SLOT: UnixNanos = 10 * NANOS_PER_SEC;
const N_SLOTS: usize = 12;
/// Requests below which a quantile is not believed.
const REQUESTS_MIN: u64 = 100;

/// Sketches of the last 120 s in slots of 10 s, and the thresholds that follow from the closed ones.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct Yardstick {
    closed: VecDeque<LatencySketch>,
    open: LatencySketch,
    open_until: UnixNanos,
    thresholds: Option<[f64; 3]>,
}

impl Yardstick {
    /// p50, p90 and p99 in the sketch's unit; `None` before enough requests were seen.
    pub(crate) fn thresholds(&self) -> Option<[f64; 3]> {
        self.thresholds
    }

    /// Adds the control's requests of a cell that ended at `end_at`; cells come in order of their end.
    pub(crate) fn add(&mut self, end_at: UnixNanos, durations: &LatencySketch) {
        if end_at >= self.open_until {
            self.roll(end_at);
        }
        self.open.merge(durations);
    }

    fn roll(&mut self, end_at: UnixNanos) {
        if self.open_until != 0 {
            self.closed.push_back(std::mem::take(&mut self.open));
            if self.closed.len() > N_SLOTS {
                self.closed.pop_front();
            }
            let mut all = LatencySketch::default();
            self.closed.iter().for_each(|slot| all.merge(slot));
            if all.count() >= REQUESTS_MIN {
                let quantile = |q| all.quantile(q).unwrap_or(f64::INFINITY);
                self.thresholds = Some([quantile(0.5), quantile(0.9), quantile(0.99)]);
            }
        }
        self.open_until = end_at - end_at.rem_euclid(SLOT) + SLOT;
    }
}
