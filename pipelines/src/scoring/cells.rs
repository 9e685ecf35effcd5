//! Call rows to ticks: who served how many requests, how many of them bad, in one second or one export.

use std::collections::BTreeMap;

use engine::record::{NANOS_PER_SEC, UnixNanos};
use models::sequential::{N_COUNTED, OwnTimes};
use serde::{Deserialize, Serialize};

use super::yardstick::Limits;
use crate::features::{CallRow, CallSource, LatencySketch};

/// Place of the requests on which the pod itself spent long.
pub(crate) const OWN_P90: usize = N_COUNTED - 1;
/// Requests that count against a pod in each signal of the canary test.
pub(crate) type Bad = [u64; N_COUNTED];

/// One pod in one tick.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct PodTally {
    /// Requests that ended.
    pub(crate) requests: u64,
    /// Of these, failed.
    pub(crate) errors: u64,
    /// Their durations.
    pub(crate) durations: LatencySketch,
    /// The same without the calls that they made; empty where it is not told.
    pub(crate) own: LatencySketch,
    /// Those calls.
    pub(crate) calls: u64,
    /// Traces that show it, three at the most.
    pub(crate) exemplars: Vec<[u8; 16]>,
}

impl PodTally {
    fn add(&mut self, row: &CallRow) {
        self.requests += row.requests;
        self.errors += row.errors;
        self.durations.merge(&row.duration);
        self.own.merge(&row.own);
        self.calls += row.calls;
        let room = 3 - self.exemplars.len().min(3);
        self.exemplars.extend(row.exemplar_trace_ids.iter().take(room));
    }

    /// Bad requests per signal, given what counts as slow.
    pub(crate) fn bad(&self, limits: &Limits) -> Bad {
        let slow = |limit: Option<f64>, durations: &LatencySketch| {
            limit.map_or(0, |limit| durations.count_above(limit as u64))
        };
        let [p50, p90, p99] = limits.whole.map_or([None; 3], |limits| limits.map(Some));
        [
            self.errors,
            slow(p50, &self.durations),
            slow(p90, &self.durations),
            slow(p99, &self.durations),
            slow(limits.own, &self.own),
        ]
    }

    /// Own times in microseconds, of a pod whose age excuses what the limits say.
    pub(crate) fn own_times(&self, limits: &Limits) -> OwnTimes {
        let mut times = OwnTimes::default();
        self.own.ln_counts().for_each(|(ln, n)| times.add(ln, n));
        times.excused(limits.own_excused.unwrap_or(1.0), limits.own_expected.unwrap_or(1.0))
    }
}

/// One tick of one service: all pods by number.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct ServiceTick {
    /// End of the tick.
    pub(crate) end_at: UnixNanos,
    /// Length of the tick.
    pub(crate) span: UnixNanos,
    /// By pod number.
    pub(crate) pods: BTreeMap<u32, PodTally>,
}

/// Whether the cells of a service are seconds or exports.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) enum Cadence {
    /// One-second cells: spans, or metrics exported each second.
    Seconds,
    /// Export intervals, out of phase between pods.
    Exports(UnixNanos),
}

impl Cadence {
    /// The cadence of a row.
    pub(crate) fn of(row: &CallRow) -> Self {
        let length = row.end_at - row.start_at;
        if length <= 3 * NANOS_PER_SEC / 2 { Self::Seconds } else { Self::Exports(length) }
    }

    /// Time from one export to the next.
    fn length(self) -> UnixNanos {
        match self {
            Self::Seconds => NANOS_PER_SEC,
            Self::Exports(length) => length,
        }
    }

    /// Whether two rows belong to the same cadence, give or take jitter.
    pub(crate) fn agrees(self, other: Self) -> bool {
        match (self, other) {
            (Self::Seconds, Self::Seconds) => true,
            (Self::Exports(a), Self::Exports(b)) => a < 2 * b && b < 2 * a,
            _ => false,
        }
    }
}

/// Collects the cells of a service until a tick is complete.
///
/// Seconds: a tick is a calendar second of the cell's end. Exports: a tick ends with each export of the pacing pod,
/// which is the canary's first pod, or else the first pod seen; the other pods bring what they exported since.
/// Rows out of step change nothing by themselves: an export may be missed, and two of them may fall into one second.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct CellBuffer {
    cadence: Cadence,
    /// End of the first of the rows since which all were out of step.
    off_beat_at: Option<UnixNanos>,
    open: ServiceTick,
    pacer: Option<u32>,
    pacer_at: UnixNanos,
}

impl CellBuffer {
    /// Nothing collected yet.
    pub(crate) fn new(cadence: Cadence) -> Self {
        Self { cadence, off_beat_at: None, open: ServiceTick::default(), pacer: None, pacer_at: 0 }
    }

    /// What it was made for.
    pub(crate) fn cadence(&self) -> Cadence {
        self.cadence
    }

    /// The cadence that the service has taken up: over three exports no row of it was in step.
    pub(crate) fn new_cadence(&mut self, row: &CallRow) -> Option<Cadence> {
        let cadence = Cadence::of(row);
        if self.cadence.agrees(cadence) {
            self.off_beat_at = None;
            return None;
        }
        let first_at = *self.off_beat_at.get_or_insert(row.end_at);
        // less than two intervals: exports are not on time
        (2 * (row.end_at - first_at) >= 3 * cadence.length()).then_some(cadence)
    }

    /// Lets another pod set the pace (exports only).
    pub(crate) fn pace_by(&mut self, pod: u32) {
        self.pacer = Some(pod);
    }

    /// Adds a cell; cells come in order of their end. Gives the tick that the cell completes.
    pub(crate) fn add(&mut self, pod: u32, row: &CallRow) -> Option<ServiceTick> {
        let done = match self.cadence {
            Cadence::Seconds => self.add_second(row),
            Cadence::Exports(length) => self.pace(pod, row, length),
        };
        self.open.pods.entry(pod).or_default().add(row);
        done
    }

    fn add_second(&mut self, row: &CallRow) -> Option<ServiceTick> {
        // the second in which the row closed: spans ended before the end of their cell, an export is made at its end
        let last_at = row.end_at - UnixNanos::from(row.source == CallSource::Spans);
        let end_at = (last_at.div_euclid(NANOS_PER_SEC) + 1) * NANOS_PER_SEC;
        let is_new = end_at > self.open.end_at;
        let done = (is_new && self.open.end_at != 0).then(|| std::mem::take(&mut self.open));
        if is_new {
            self.open.end_at = end_at;
            self.open.span = NANOS_PER_SEC;
        }
        done
    }

    fn pace(&mut self, pod: u32, row: &CallRow, length: UnixNanos) -> Option<ServiceTick> {
        let stalled = row.end_at > self.pacer_at + 2 * length;
        let pacer = *self.pacer.get_or_insert(pod);
        if pod != pacer && !stalled {
            return None;
        }
        if stalled {
            self.pacer = Some(pod);
        }
        if row.end_at <= self.pacer_at {
            return None;
        }
        let started_at = if self.pacer_at == 0 { row.start_at } else { self.pacer_at };
        self.pacer_at = row.end_at;
        if self.open.pods.is_empty() {
            return None;
        }
        let mut done = std::mem::take(&mut self.open);
        done.end_at = started_at;
        done.span = length;
        Some(done)
    }

    /// Closes what is open if it ended at or before `upto` (seconds only).
    pub(crate) fn close_upto(&mut self, upto: UnixNanos) -> Option<ServiceTick> {
        let over = self.cadence == Cadence::Seconds && self.open.end_at != 0 && self.open.end_at <= upto;
        over.then(|| std::mem::take(&mut self.open))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::{Arm, Pod, ServiceKey, Subject};

    const MS: UnixNanos = 1_000_000;

    /// What a pod served over these milliseconds.
    fn row(source: CallSource, from_ms: UnixNanos, to_ms: UnixNanos) -> CallRow {
        let arm = Arm { version: "1".into(), template_hash: "".into(), revision: "".into() };
        let pod = Pod { id: "web-0".into(), name: "web-0".into(), node: "".into() };
        CallRow {
            subject: Subject { service: ServiceKey::named("web"), arm, pod }.into(),
            operation: "".into(),
            start_at: from_ms * MS,
            end_at: to_ms * MS,
            source,
            requests: 5,
            errors: 0,
            duration_us_sum: 0,
            duration: LatencySketch::default(),
            own: LatencySketch::default(),
            calls: 0,
            exemplar_trace_ids: Vec::new(),
        }
    }

    fn export(from_ms: UnixNanos, to_ms: UnixNanos) -> CallRow {
        row(CallSource::ServerMetrics, from_ms, to_ms)
    }

    /// Scenario: exports of one second, two of which share a second and come as one row; then exports of ten seconds.
    /// Guarantees: the one row is no other cadence; the third of the others in a row is.
    #[test]
    fn a_row_out_of_step_is_no_other_cadence() {
        let mut cells = CellBuffer::new(Cadence::Seconds);
        for out_of_step in [export(990, 2_992), export(1_995, 4_001), export(3_000, 5_004)] {
            assert_eq!(cells.new_cadence(&out_of_step), None);
            assert_eq!(cells.new_cadence(&export(0, 1_000)), None);
        }
        let seen: Vec<_> = (1..4)
            .map(|nth| cells.new_cadence(&export(nth * 10_000 - 9_990, nth * 10_000)).is_some())
            .collect();
        assert_eq!(seen, [false, false, true]);
    }

    /// Scenario: exports that fall before, on and after the border of a second, each second closed before the next is
    /// seen; and spans of the same seconds. Guarantees: no two ticks end at the same time, so that the test takes each.
    #[test]
    fn an_export_on_the_border_counts() {
        let mut cells = CellBuffer::new(Cadence::Seconds);
        let mut ends = Vec::new();
        for (from, to) in [(1_001, 1_999), (1_999, 3_000), (3_000, 4_001)] {
            let row = export(from, to);
            ends.extend(cells.add(0, &row).map(|tick| tick.end_at / MS));
            // a second is closed as a whole once the watermark has passed it
            let upto = (to / 1_000 + 1) * 1_000 * MS;
            ends.extend(cells.close_upto(upto).map(|tick| tick.end_at / MS));
        }
        assert_eq!(ends, [2_000, 4_000, 5_000]);
        let mut cells = CellBuffer::new(Cadence::Seconds);
        assert_eq!(cells.add(0, &row(CallSource::Spans, 1_000, 2_000)), None);
        assert_eq!(cells.close_upto(2_000 * MS).map(|tick| tick.end_at), Some(2_000 * MS));
    }
}
