//! Counters to what came in between two points: cumulative and delta, with resets, first points and gaps.
//!
//! Points must be given in the order of their time; the open seconds see to that. What it does not do: give the
//! numbers a meaning.

use engine::batch::{Histogram, Number, SeriesId};
use engine::record::{NANOS_PER_SEC, UnixNanos};
use serde::{Deserialize, Serialize};

use super::buckets::Buckets;
use super::counts::{Count, FeatureCounts};
use super::keyed::Keyed;
use super::meaning::{Counting, Meaning};

/// Points of one metric that are not further apart belong to one export.
const SAME_EXPORT: UnixNanos = NANOS_PER_SEC / 2;
/// Export interval of a sender that is not known yet: the default of the SDKs.
const DEFAULT_INTERVAL: UnixNanos = 60 * NANOS_PER_SEC;

/// What a point says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum Value {
    Number(f64),
    Histogram { count: u64, sum: f64, buckets: Buckets },
}

impl Value {
    /// What came in after `earlier`; `None` if it fell.
    fn since(&self, earlier: &Self) -> Option<Self> {
        match (self, earlier) {
            (Self::Number(new), Self::Number(old)) => (new >= old).then(|| Self::Number(new - old)),
            (
                Self::Histogram { count, sum, buckets },
                Self::Histogram { count: old_count, sum: old_sum, buckets: old },
            ) => Some(Self::Histogram {
                count: count.checked_sub(*old_count)?,
                sum: (sum - old_sum).max(0.0),
                buckets: buckets.since(old)?,
            }),
            _ => None,
        }
    }

    /// An order among values, to choose one of two points that claim the same time.
    fn rank(&self) -> (u64, u64) {
        match self {
            Self::Number(number) => (0, number.to_bits()),
            Self::Histogram { count, sum, .. } => (*count, sum.to_bits()),
        }
    }
}

/// A point of a series.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Point {
    pub(crate) start_at: UnixNanos,
    pub(crate) at: UnixNanos,
    pub(crate) value: Value,
}

impl Point {
    pub(crate) fn of_number(number: &Number) -> Self {
        Self { start_at: number.start_at, at: number.at, value: Value::Number(number.value) }
    }

    pub(crate) fn of_histogram(row: &Histogram<'_>) -> Self {
        let value = Value::Histogram { count: row.count, sum: row.sum, buckets: Buckets::of(&row.buckets) };
        Self { start_at: row.start_at, at: row.at, value }
    }

    /// Whether it is to be kept of two that claim the same time.
    pub(crate) fn outranks(&self, other: &Self) -> bool {
        (self.start_at, self.value.rank()) > (other.start_at, other.value.rank())
    }
}

/// What came in over (from, to].
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Gain {
    pub(crate) from: UnixNanos,
    pub(crate) to: UnixNanos,
    pub(crate) value: Value,
}

impl Gain {
    /// Its length.
    pub(crate) fn secs(&self) -> f64 {
        (self.to - self.from) as f64 / NANOS_PER_SEC as f64
    }

    /// Per second, of a number.
    pub(crate) fn rate(&self) -> Option<f64> {
        match self.value {
            Value::Number(number) if self.secs() > 0.0 => Some(number / self.secs()),
            _ => None,
        }
    }

    /// Of a histogram with a sum: the mean of what was measured (`None` if nothing was), and the sum per second.
    pub(crate) fn mean_and_rate(&self) -> Option<(Option<f64>, f64)> {
        match self.value {
            Value::Histogram { count, sum, .. } if sum.is_finite() && self.secs() > 0.0 => {
                Some(((count > 0).then(|| sum / count as f64), sum / self.secs()))
            }
            _ => None,
        }
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct State {
    stream: u128,
    point: Point,
}

/// All series of one metric of one resource. A sender exports all of them each time: a series that was not there at
/// the export before stood at zero then.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Stream {
    last_at: UnixNanos,
    before_last: Option<UnixNanos>,
    /// A series of it was refused, so that a new one may have been there before.
    lossy: bool,
}

impl Stream {
    fn see(&mut self, at: UnixNanos) {
        if at - self.last_at > SAME_EXPORT {
            self.before_last = Some(self.last_at);
        }
        self.last_at = self.last_at.max(at);
    }
}

/// Last points of all counters.
///
/// # Invariants
/// A state's stream is known as long as the state is.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Counters {
    states: Keyed<SeriesId, State>,
    streams: Keyed<u128, Stream>,
}

impl Counters {
    /// What came in since the point before. `interval` is the sender's export interval, 0 if not known.
    pub(crate) fn gain(
        &mut self,
        (id, meaning): (SeriesId, &Meaning),
        point: Point,
        interval: UnixNanos,
        (counts, counters_max): (&mut FeatureCounts, usize),
    ) -> Option<Gain> {
        let new = || Stream { last_at: point.at, before_last: None, lossy: false };
        let stream = self.streams.of(meaning.stream, new);
        stream.see(point.at);
        let stream_before = stream.before_last.filter(|_| !stream.lossy);
        let before = self.states.get(&id).map(|state| &state.point);
        if before.is_none() && self.states.len() >= counters_max {
            stream.lossy = true;
            counts.add(Count::CounterOverflow, 1);
            return None;
        }
        let gain = if meaning.counting == Counting::Delta {
            Some(delta(&point, before, interval))
        } else {
            cumulative(&point, before, (stream_before, interval), counts)
        };
        self.states.insert(id, State { stream: meaning.stream, point });
        gain
    }

    /// Forgets streams without a point since `before`, with their series.
    pub(crate) fn forget(&mut self, before: UnixNanos) {
        self.streams.retain(|_, stream| stream.last_at >= before);
        let streams = &self.streams;
        self.states.retain(|_, state| streams.contains_key(&state.stream));
    }
}

fn delta(point: &Point, before: Option<&Point>, interval: UnixNanos) -> Gain {
    let told = Some(point.start_at).filter(|start| *start > 0 && *start < point.at);
    let guessed = point.at - if interval > 0 { interval } else { DEFAULT_INTERVAL };
    let from = told.or(before.map(|before| before.at)).unwrap_or(guessed);
    Gain { from, to: point.at, value: point.value.clone() }
}

fn cumulative(
    point: &Point,
    before: Option<&Point>,
    (stream_before, interval): (Option<UnixNanos>, UnixNanos),
    counts: &mut FeatureCounts,
) -> Option<Gain> {
    let whole = |from| Some(Gain { from, to: point.at, value: point.value.clone() });
    let Some(before) = before else {
        if let Some(export_before) = stream_before {
            return whole(export_before.max(point.start_at.min(point.at)));
        }
        let recent = 2 * if interval > 0 { interval } else { DEFAULT_INTERVAL };
        let started = Some(point.start_at).filter(|start| *start > 0 && *start < point.at);
        if let Some(start) = started.filter(|start| point.at - start <= recent) {
            return whole(start);
        }
        counts.add(Count::CounterBaselines, 1);
        return None;
    };
    let restarted = point.start_at >= before.at && point.start_at < point.at;
    match point.value.since(&before.value).filter(|_| !restarted) {
        Some(value) => Some(Gain { from: before.at, to: point.at, value }),
        None => {
            counts.add(Count::CounterResets, 1);
            whole(if restarted { point.start_at } else { before.at })
        }
    }
}
