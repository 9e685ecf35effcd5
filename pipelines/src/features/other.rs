//! Series without a meaning of their own, at workload level: the mean over the pods in a window, of the value (gauges)
//! or of the rate (counters).

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::counts::{Count, FeatureCounts};
use super::params::{FeatureParams, nanos_of};
use super::row::{SeriesRow, ServiceKey};

/// A series that is not heard for so long makes room.
const FORGET_SECS: i64 = 3_600;

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Mean {
    sum: f64,
    n: u32,
    second: i64,
}

/// # Invariants
/// At most `series_max` series, and `series_per_service_max` of one service.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Others {
    services: BTreeMap<ServiceKey, BTreeMap<Arc<str>, Mean>>,
    n_series: usize,
}

impl Others {
    pub(crate) fn is_empty(&self) -> bool {
        self.services.values().flat_map(BTreeMap::values).all(|mean| mean.n == 0)
    }

    /// Adds a value; values must come in a fixed order, because they are real numbers.
    pub(crate) fn add(
        &mut self,
        (service, name): (&ServiceKey, &Arc<str>),
        (second, value): (i64, f64),
        params: &FeatureParams,
        counts: &mut FeatureCounts,
    ) {
        if let Some(mean) = self.services.get_mut(service).and_then(|known| known.get_mut(name)) {
            *mean = Mean { sum: mean.sum + value, n: mean.n.saturating_add(1), second };
            return;
        }
        let n_of_service = self.services.get(service).map_or(0, BTreeMap::len);
        if n_of_service >= params.series_per_service_max || self.n_series >= params.series_max {
            counts.add(Count::SeriesOverflow, 1);
            return;
        }
        let first = Mean { sum: value, n: 1, second };
        self.services.entry(service.clone()).or_default().insert(Arc::clone(name), first);
        self.n_series += 1;
    }

    /// Rows of the window that ends with `second`.
    pub(crate) fn close(&mut self, second: i64) -> Vec<SeriesRow> {
        let mut rows = Vec::new();
        for (service, known) in &mut self.services {
            for (name, mean) in known.iter_mut().filter(|(_, mean)| mean.n > 0) {
                rows.push(SeriesRow {
                    service: service.clone(),
                    name: Arc::clone(name),
                    at: nanos_of(second + 1),
                    value: mean.sum / f64::from(mean.n),
                });
                (mean.sum, mean.n) = (0.0, 0);
            }
            known.retain(|_, mean| second - mean.second < FORGET_SECS);
        }
        self.services.retain(|_, known| !known.is_empty());
        self.n_series = self.services.values().map(BTreeMap::len).sum();
        rows
    }
}
