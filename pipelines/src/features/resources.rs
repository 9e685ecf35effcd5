//! Resources of pods: CPU, memory and the like, with their limits.
//!
//! A pod's value is the sum over what is reported at once (containers, pools, CPU modes). Of several metric names for
//! one signal the one that speaks best of the pod is used and never mixed with another.

use std::collections::BTreeMap;
use std::sync::Arc;

use engine::batch::SeriesId;
use engine::record::UnixNanos;
use serde::{Deserialize, Serialize};

use super::identity::Who;
use super::names::Part;
use super::row::{ResourceRow, ResourceSignal};

/// A name that is not heard for so long makes room for the next one.
const STEP_DOWN_SECS: i64 = 300;

/// One value of one series.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sample {
    pub(crate) signal: ResourceSignal,
    pub(crate) part: Part,
    pub(crate) rank: u8,
    pub(crate) at: UnixNanos,
    pub(crate) value: f64,
    /// What a rate was measured over; 0 for a level.
    pub(crate) secs: f64,
}

impl Sample {
    /// Both in one second: of levels the later one, of rates the mean over their time, or what came in is lost.
    fn then(self, later: Self) -> Self {
        let secs = self.secs + later.secs;
        if self.secs <= 0.0 || later.secs <= 0.0 {
            return later;
        }
        Self { value: (self.value * self.secs + later.value * later.secs) / secs, secs, ..later }
    }
}

/// What each series says in a second.
type BySeries = BTreeMap<SeriesId, Sample>;

/// Samples of one second.
#[derive(Debug, Default)]
pub(crate) struct Samples(BTreeMap<(Who, Part, ResourceSignal, u8), BySeries>);

impl Samples {
    /// Adds a sample; those of a series come in the order of their time.
    pub(crate) fn add(&mut self, who: Who, series: SeriesId, sample: Sample) {
        let series_of = self.0.entry((who, sample.part, sample.signal, sample.rank)).or_default();
        series_of.entry(series).and_modify(|known| *known = known.then(sample)).or_insert(sample);
    }
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Known {
    rank: u8,
    second: i64,
    value: f64,
}

/// Which name speaks for which signal of a pod, and the limits.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Resources(BTreeMap<(Who, Part, ResourceSignal), Known>);

impl Resources {
    /// Rows of one second.
    pub(crate) fn close(&mut self, samples: Samples, second: i64) -> Vec<ResourceRow> {
        let mut values = Vec::new();
        for ((who, part, signal, rank), series) in samples.0 {
            let value: f64 = series.values().map(|sample| sample.value).sum();
            let at = series.values().map(|sample| sample.at).max().unwrap_or_default();
            let known = self.0.entry((who.clone(), part, signal)).or_insert(Known { rank, second, value });
            if rank > known.rank && second - known.second < STEP_DOWN_SECS {
                continue;
            }
            *known = Known { rank, second, value };
            if part == Part::Used {
                values.push((who, signal, at, value));
            }
        }
        let limit_of =
            |who: &Who, signal| self.0.get(&(who.clone(), Part::Limit, signal)).map(|known| known.value);
        let row = |(who, signal, at, value): (Who, ResourceSignal, UnixNanos, f64)| ResourceRow {
            limit: limit_of(&who, signal),
            subject: Arc::clone(&who.subject),
            signal,
            at,
            value,
        };
        values.into_iter().map(row).collect()
    }

    /// Forgets what was not heard since `second`.
    pub(crate) fn forget(&mut self, second: i64) {
        self.0.retain(|_, known| known.second >= second);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scenario: two exports of a pod fall into one second; it used 0.2 cores and then 0.6, and its memory rose.
    /// Guarantees: the processor time of both counts, of the memory the later value.
    #[test]
    fn a_rate_is_the_mean_over_the_second() {
        let sample = |signal, value, secs| Sample { signal, part: Part::Used, rank: 0, at: 0, value, secs };
        let cpu = |value| sample(ResourceSignal::Cpu, value, 1.0);
        assert!((cpu(0.2).then(cpu(0.6)).value - 0.4).abs() < 1e-12);
        assert_eq!(cpu(0.2).then(cpu(0.6)).then(cpu(0.7)).secs, 3.0);
        let memory = |value| sample(ResourceSignal::Memory, value, 0.0);
        assert_eq!(memory(1e8).then(memory(2e8)).value, 2e8);
    }
}
