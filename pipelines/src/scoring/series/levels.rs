//! Resources of pods to one level a workload: the mean over its pods, each counted once.
//!
//! Pods report out of phase. The first pod of a point sets its pace: when it reports again, the point is complete. A pod that
//! sets the pace and stops is replaced by the next one to speak. What it does not do: look at single pods.

use std::collections::BTreeMap;
use std::sync::Arc;

use engine::record::{NANOS_PER_SEC, UnixNanos};
use serde::{Deserialize, Serialize};

use super::name::{Point, SeriesName};
use crate::features::{ResourceRow, ResourceSignal};

/// A pod that has not reported for so long does not set the pace any more.
const STALLED: UnixNanos = 180 * NANOS_PER_SEC;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Mean {
    pacer: Arc<str>,
    opened_at: UnixNanos,
    sum: f64,
    n: u32,
}

/// The open points of one workload.
///
/// # Invariants
/// One a signal, at the most.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct Levels(BTreeMap<ResourceSignal, Mean>);

impl Levels {
    /// Takes in a value; gives the point that it completes. Restarts and kills are events, not a level.
    pub(crate) fn add(&mut self, row: &ResourceRow, window_secs: u64) -> Option<Point> {
        let is_event = matches!(row.signal, ResourceSignal::Restarts | ResourceSignal::OomKills);
        if is_event || !row.value.is_finite() {
            return None;
        }
        let pod = &row.subject.pod.id;
        let Some(mean) = self.0.get_mut(&row.signal) else {
            self.0.insert(row.signal, Mean::begun(pod, row));
            return None;
        };
        let passed = row.at - mean.opened_at;
        let is_paced = *mean.pacer == **pod && passed >= window_secs as i64 * NANOS_PER_SEC;
        if !is_paced && passed < STALLED {
            mean.sum += row.value;
            mean.n = mean.n.saturating_add(1);
            return None;
        }
        let value = mean.sum / f64::from(mean.n.max(1));
        *mean = Mean::begun(pod, row);
        Some(Point { name: SeriesName::Resource(row.signal), at: row.at, value })
    }
}

impl Mean {
    fn begun(pod: &Arc<str>, row: &ResourceRow) -> Self {
        Self { pacer: Arc::clone(pod), opened_at: row.at, sum: row.value, n: 1 }
    }
}
