//! What a request costs in the service itself: a server span less the calls that its process made meanwhile.
//!
//! A version that gets slower shows it here in full, however long its callees take, and a slow callee does not show
//! here at all. Calls that overlap count once; calls made under internal spans count for the server span above them.
//! Promises: what comes out depends on event time only. What it does not do: follow a trace into another process, or
//! wait for spans that end after their server span's second was closed.

use engine::record::UnixNanos;
use serde::{Deserialize, Serialize};

use super::counts::{Count, FeatureCounts};
use super::edges::SpanKey;
use super::keyed::Keyed;

/// Internal spans between a server span and its calls, at the most.
const DEPTH_MAX: usize = 16;

/// What was seen under one span of a process.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
struct Below {
    calls: Vec<(UnixNanos, UnixNanos)>,
    internal: Vec<[u8; 8]>,
    last_at: UnixNanos,
}

/// A server span whose second is open.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct ServedFor {
    pub(crate) key: SpanKey,
    pub(crate) start_at: UnixNanos,
    pub(crate) end_at: UnixNanos,
    /// How many requests it stands for.
    pub(crate) n: u64,
}

/// Calls and internal spans that wait for the server span above them.
///
/// # Invariants
/// At most `halves_max` calls and internal spans together.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct OwnTime {
    below: Keyed<SpanKey, Below>,
    n_kept: usize,
}

impl OwnTime {
    /// A call, or an internal span (`call` is `None`), `under` its parent.
    pub(crate) fn add(
        &mut self,
        under: SpanKey,
        (span_id, call): ([u8; 8], Option<(UnixNanos, UnixNanos)>),
        (end_at, halves_max): (UnixNanos, usize),
        counts: &mut FeatureCounts,
    ) {
        if self.n_kept >= halves_max {
            counts.add(Count::HalvesOverflow, 1);
            return;
        }
        self.n_kept += 1;
        let below = self.below.of(under, Below::default);
        below.last_at = below.last_at.max(end_at);
        match call {
            Some(call) => below.calls.push(call),
            None => below.internal.push(span_id),
        }
    }

    /// Microseconds of a server span that no call of its process covers, and the number of those calls.
    pub(crate) fn settle(&mut self, span: &ServedFor) -> (u64, u64) {
        let whole = span.end_at.saturating_sub(span.start_at).max(0);
        let own_us = |away: UnixNanos| u64::try_from(whole - away).unwrap_or(0) / 1_000;
        if !self.below.contains_key(&span.key) {
            return (own_us(0), 0);
        }
        let mut calls = Vec::new();
        let mut frontier = vec![span.key.1];
        for _ in 0..DEPTH_MAX {
            let mut deeper = Vec::new();
            for span_id in frontier {
                let Some(below) = self.below.remove(&(span.key.0, span_id)) else { continue };
                self.n_kept -= below.calls.len() + below.internal.len();
                calls.extend(below.calls);
                deeper.extend(below.internal);
            }
            frontier = deeper;
            if frontier.is_empty() {
                break;
            }
        }
        let away = covered(&mut calls, (span.start_at, span.end_at));
        (own_us(away), calls.len() as u64)
    }

    /// Forgets what ended before; its server span never came.
    pub(crate) fn forget(&mut self, before: UnixNanos) {
        self.below.retain(|_, below| below.last_at >= before);
        self.n_kept = self.below.values().map(|below| below.calls.len() + below.internal.len()).sum();
    }
}

/// Nanoseconds of `within` that the spans cover.
fn covered(spans: &mut [(UnixNanos, UnixNanos)], within: (UnixNanos, UnixNanos)) -> UnixNanos {
    spans.sort_unstable();
    let (mut sum, mut upto) = (0, within.0);
    for &(start_at, end_at) in spans.iter() {
        let (from, to) = (start_at.max(upto), end_at.min(within.1));
        if to > from {
            sum += to - from;
            upto = to;
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: UnixNanos = 1_000_000;

    /// Scenario: a request of 100 ms with two calls that overlap, one under two internal spans, one that outlasts it,
    /// and calls of another request. Guarantees: what no call covers is its own, and nothing is kept afterwards.
    #[test]
    fn calls_are_taken_out_once() {
        let mut own = OwnTime::default();
        let mut counts = FeatureCounts::default();
        let mut add = |under: u8, id: u8, call: Option<(i64, i64)>| {
            let call = call.map(|(from, to)| (from * MS, to * MS));
            own.add((7, [under; 8]), ([id; 8], call), (100 * MS, 100), &mut counts);
        };
        add(1, 2, Some((10, 40)));
        add(1, 3, Some((30, 50)));
        add(1, 4, None);
        add(4, 5, None);
        add(5, 6, Some((60, 70)));
        add(1, 8, Some((95, 120)));
        add(9, 10, Some((0, 90)));
        let request = |id: u8| ServedFor { key: (7, [id; 8]), start_at: 0, end_at: 100 * MS, n: 1 };
        assert_eq!(own.settle(&request(1)), (45_000, 4));
        assert_eq!(own.settle(&request(9)), (10_000, 1));
        assert_eq!(own.settle(&request(11)), (100_000, 0));
        assert_eq!(own, OwnTime::default());
    }

    /// Scenario: more calls than may be kept, whose server spans never come. Guarantees: the bound holds, what is over
    /// it is counted, and time empties it.
    #[test]
    fn what_waits_in_vain_is_bounded_and_forgotten() {
        let mut own = OwnTime::default();
        let mut counts = FeatureCounts::default();
        for nth in 0..5_u8 {
            own.add((7, [nth; 8]), ([nth; 8], Some((0, MS))), (i64::from(nth) * MS, 4), &mut counts);
        }
        assert_eq!((own.n_kept, counts.get(Count::HalvesOverflow)), (4, 1));
        own.forget(2 * MS);
        assert_eq!(own.n_kept, 2);
    }
}
