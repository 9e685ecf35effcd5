//! Rows of a batch into the open seconds they belong to.

use std::sync::Arc;

use engine::batch::{
    Histograms, LogBatch, Logs, MetricBatch, Numbers, Resource, SeriesId, SpanBatch, SpanRow, Spans,
};
use engine::record::UnixNanos;
use foldhash::fast::FixedState;
use hashbrown::HashMap;
use xxhash_rust::xxh3::xxh3_128;

use super::calls::ServedSpan;
use super::counters::Point;
use super::counts::Count;
use super::edges::{ClientHalf, ServerHalf, SpanKey};
use super::identity::Identity;
use super::lines::line_key;
use super::meaning::Meaning;
use super::own_time::ServedFor;
use super::params::{nanos_of, second_of};
use super::presence::Touch;
use super::spans::{CountedSpan, Side, counted};
use super::stage::Features;

/// Names of the counters of one signal.
struct Signal {
    taken: Count,
    late: Count,
    future: Count,
    duplicate: Count,
}

const SPANS: Signal = Signal {
    taken: Count::SpansTaken,
    late: Count::LateSpans,
    future: Count::FutureSpans,
    duplicate: Count::DuplicateSpans,
};
const LINES: Signal = Signal {
    taken: Count::LinesTaken,
    late: Count::LateLines,
    future: Count::FutureLines,
    duplicate: Count::DuplicateLines,
};
const POINTS: Signal = Signal {
    taken: Count::PointsTaken,
    late: Count::LatePoints,
    future: Count::FuturePoints,
    duplicate: Count::DuplicatePoints,
};

fn trace_digest(tenant: u128, trace_id: &[u8; 16]) -> u128 {
    digest_of(&[tenant.to_le_bytes(), *trace_id])
}

fn span_digest(key: SpanKey) -> u128 {
    let mut span_id = [0; 16];
    span_id[..8].copy_from_slice(&key.1);
    digest_of(&[key.0.to_le_bytes(), span_id])
}

/// Of blocks of a fixed length, in one go.
fn digest_of(blocks: &[[u8; 16]; 2]) -> u128 {
    xxh3_128(blocks.as_flattened())
}

impl Features {
    pub(super) fn take_spans(&mut self, batch: &SpanBatch, arrived_at: UnixNanos) {
        let identities = self.identities_of(&batch.resources);
        for row in Spans::of(&batch.spans).iter() {
            let place = row.resource_idx as usize;
            let (Some(resource), Some(identity)) = (batch.resources.get(place), identities.get(place)) else {
                continue;
            };
            let Some(identity) = identity else {
                self.count(Count::Nameless);
                continue;
            };
            if let Some(second) = self.second_for(row.end_at, arrived_at, identity, &SPANS) {
                self.take_span(&resource.tenant, identity, &row, second);
            }
        }
    }

    fn take_span(&mut self, tenant: &str, identity: &Identity, row: &SpanRow<'_>, second: i64) {
        let trace = trace_digest(xxh3_128(tenant.as_bytes()), &row.trace_id);
        let state = &mut self.state;
        let open = state.open.entry(second).or_default();
        if !open.is_new_span(span_digest((trace, row.span_id))) {
            state.counts.add(SPANS.duplicate, 1);
            return;
        }
        state.open_rows += 1;
        let mut touch = Touch::at(row.end_at);
        let span = counted(row, &mut self.names);
        if matches!(span, Some(CountedSpan { side: Side::Server { .. }, .. })) {
            touch.last_request_at = Some(row.end_at);
        }
        open.touch(identity, touch);
        state.counts.add(SPANS.taken, 1);
        self.take_below(trace, row, span.as_ref());
        if let Some(span) = span {
            self.take_side(trace, identity, row, span);
        }
    }

    /// Calls and internal spans count for the server span above them.
    fn take_below(&mut self, trace: u128, row: &SpanRow<'_>, span: Option<&CountedSpan>) {
        let Some(parent) = row.parent_span_id else { return };
        let call = match span.map(|span| &span.side) {
            Some(Side::Server { .. }) => return,
            Some(Side::Client { .. }) => Some((row.start_at, row.end_at)),
            None => None,
        };
        let limits = (row.end_at, self.params.halves_max);
        let state = &mut self.state;
        state.own_time.add((trace, parent), (row.span_id, call), limits, &mut state.counts);
    }

    fn take_side(&mut self, trace: u128, identity: &Identity, row: &SpanRow<'_>, span: CountedSpan) {
        let CountedSpan { side, duration_us, is_error, n } = span;
        let (params, counts) = (&self.params, &mut self.state.counts);
        match side {
            Side::Server { operation } => {
                let key = (trace, row.span_id);
                let whole = ServedFor { key, start_at: row.start_at, end_at: row.end_at, n };
                let served = ServedSpan { trace_id: row.trace_id, duration_us, is_error, n, whole };
                let second = second_of(row.end_at);
                self.state.open.entry(second).or_default().serve(&identity.who, operation, second, &served);
                if let Some(parent) = row.parent_span_id {
                    let callee = identity.who.clone();
                    let half = ServerHalf { callee, span_id: row.span_id, end_at: row.end_at, duration_us };
                    self.state.edges.add_server((trace, parent), half, params, counts);
                }
            }
            Side::Client { callee, namespace } => {
                let half = ClientHalf {
                    caller: identity.who.clone(),
                    end_at: row.end_at,
                    duration_us,
                    n,
                    failed: is_error,
                    told_callee: callee,
                    told_namespace: namespace,
                };
                self.state.edges.add_client((trace, row.span_id), half, params, counts);
            }
        }
    }

    pub(super) fn take_logs(&mut self, batch: &LogBatch, arrived_at: UnixNanos) {
        let identities = self.identities_of(&batch.resources);
        // never walked, so that its order is of no account
        let mut times: HashMap<(u32, u128), u32, FixedState> = HashMap::default();
        for row in Logs::of(&batch.logs).iter() {
            let Some(identity) = identities.get(row.resource_idx as usize) else { continue };
            let Some(identity) = identity else {
                self.count(Count::Nameless);
                continue;
            };
            let Some(second) = self.second_for(row.at, arrived_at, identity, &LINES) else { continue };
            let key = line_key(&row);
            let n = times.entry((row.resource_idx, key)).or_default();
            *n += 1;
            let state = &mut self.state;
            let open = state.open.entry(second).or_default();
            let rows_before = open.n_lines_of(&identity.who);
            if open.add_line(&identity.who, &row, (key, *n), &mut self.shape) {
                open.touch(identity, Touch::at(row.at));
                state.open_rows += open.n_lines_of(&identity.who) - rows_before;
                state.counts.add(LINES.taken, 1);
            } else {
                state.counts.add(LINES.duplicate, 1);
            }
        }
    }

    pub(super) fn take_metrics(&mut self, batch: &MetricBatch, arrived_at: UnixNanos) {
        // lent to the rows, so that they can go on to the rest of the stage
        let mut meanings = std::mem::take(&mut self.meanings);
        meanings.turn_to(&batch.series);
        let cached_max = self.params.cached_max;
        for row in Numbers::of(&batch.numbers).iter().filter(|row| row.flags & 1 == 0) {
            let Some(meant) = meanings.at(row.series_idx, &mut self.identities, cached_max) else { continue };
            if row.value.is_finite() {
                self.take_point(meant, arrived_at, Point::of_number(&row));
            } else {
                self.count(Count::NotFinite);
            }
        }
        for row in Histograms::of(&batch.histograms).iter().filter(|row| row.flags & 1 == 0) {
            let Some(meant) = meanings.at(row.series_idx, &mut self.identities, cached_max) else { continue };
            self.take_point(meant, arrived_at, Point::of_histogram(&row));
        }
        self.meanings = meanings;
    }

    fn take_point(&mut self, (id, meaning): (SeriesId, &Arc<Meaning>), arrived_at: UnixNanos, point: Point) {
        let at = point.at;
        let Some(second) = self.second_for(at, arrived_at, &meaning.sender, &POINTS) else { return };
        let state = &mut self.state;
        let open = state.open.entry(second).or_default();
        open.touch(&meaning.sender, Touch { last_export_at: Some(at), ..Touch::at(at) });
        if !open.add_point(id, meaning, point) {
            state.counts.add(POINTS.duplicate, 1);
            return;
        }
        state.open_rows += 1;
        state.counts.add(POINTS.taken, 1);
        state.counts.add(Count::SenderOverflow, u64::from(meaning.overflow));
    }

    /// The second a row belongs to; `None` if it cannot count any more, or not yet, or there is no room.
    fn second_for(
        &mut self,
        at: UnixNanos,
        arrived_at: UnixNanos,
        identity: &Identity,
        signal: &Signal,
    ) -> Option<i64> {
        if at <= 0 {
            self.count(Count::Timeless);
            return None;
        }
        if at > arrived_at.saturating_add(nanos_of(self.params.skew_secs)) {
            self.count(signal.future);
            return None;
        }
        let second = second_of(at);
        if second < self.state.open_from {
            self.count(signal.late);
            self.state.presence.touch_late(&identity.who, at);
            return None;
        }
        if self.state.open_rows >= self.params.open_rows_max {
            self.count(Count::OpenRowsOverflow);
            return None;
        }
        Some(second)
    }

    fn identities_of(&mut self, resources: &[Arc<Resource>]) -> Vec<Option<Arc<Identity>>> {
        let cached_max = self.params.cached_max;
        resources.iter().map(|resource| self.identities.identify(resource, cached_max)).collect()
    }

    fn count(&mut self, what: Count) {
        self.state.counts.add(what, 1);
    }
}
