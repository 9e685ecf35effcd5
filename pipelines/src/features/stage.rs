//! The features stage: batches in, and with each step of event time the rows that closed.
//!
//! Rows are held in the second of their event time until the watermark passes it; a second is closed as a whole, in
//! order, so that what comes out depends neither on the order of arrival nor on how requests were cut, as long as the
//! disorder is within the lateness. What it does not do: read a clock, or judge anything.

use std::collections::BTreeMap;

use engine::EngineError;
use engine::batch::{Batch, Payload};
use engine::operator::{Progress, StateBlob};
use engine::record::UnixNanos;
use models::text::Shape;
use serde::{Deserialize, Serialize};

use super::counters::Counters;
use super::counts::FeatureCounts;
use super::edges::Edges;
use super::identity::IdentityCache;
use super::meaning::Meanings;
use super::other::Others;
use super::own_time::OwnTime;
use super::params::{FeatureParams, nanos_of, second_of};
use super::presence::Presence;
use super::resources::Resources;
use super::row::{CallSource, FeatureRows, ServiceKey};
use super::second::Second;
use super::shared::Names;
use super::templates::Templates;
use super::truth::Truth;

/// Name of the state.
const OPERATOR: &str = "features";
/// Layout of the state.
const STATE_VERSION: u32 = 3;

/// Everything that a restart must bring back.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct State {
    /// Rows before this second are late.
    pub(super) open_from: i64,
    pub(super) open: BTreeMap<i64, Second>,
    pub(super) open_rows: usize,
    pub(super) edges: Edges,
    pub(super) own_time: OwnTime,
    pub(super) counters: Counters,
    pub(super) truth: Truth,
    pub(super) resources: Resources,
    pub(super) others: Others,
    pub(super) presence: Presence,
    pub(super) templates: Templates,
    pub(super) counts: FeatureCounts,
}

/// Batches to feature rows.
///
/// # Invariants
/// Every second before `open_from` is closed; every open second is at or after it.
#[derive(Debug, Default)]
pub struct Features {
    pub(super) params: FeatureParams,
    pub(super) state: State,
    pub(super) identities: IdentityCache,
    pub(super) meanings: Meanings,
    pub(super) names: Names,
    /// Holds one line after the other.
    pub(super) shape: Shape,
}

impl Features {
    /// With nothing seen yet.
    #[must_use]
    pub fn new(params: FeatureParams) -> Self {
        Self { params, ..Self::default() }
    }

    /// Takes in one batch. What cannot be used is counted.
    pub fn on_batch(&mut self, batch: &Batch) {
        match &batch.payload {
            Payload::Metrics(metrics) => self.take_metrics(metrics, batch.arrived_at),
            Payload::Logs(logs) => self.take_logs(logs, batch.arrived_at),
            Payload::Spans(spans) => self.take_spans(spans, batch.arrived_at),
            Payload::Message { .. } => {}
        }
    }

    /// Closes every second that ends at or before the watermark; the rows of all of them, sorted.
    pub fn on_progress(&mut self, progress: Progress) -> FeatureRows {
        let mut rows = FeatureRows { log_clock: progress.log_clock, ..FeatureRows::default() };
        let target = second_of(progress.watermark).max(self.state.open_from);
        while let Some(second) = self.next_second(target) {
            self.close(second, &mut rows);
            self.state.open_from = second + 1;
        }
        self.state.open_from = target;
        rows.upto = nanos_of(target);
        sort(&mut rows);
        rows
    }

    /// The next second before `target` in which anything can happen.
    fn next_second(&self, target: i64) -> Option<i64> {
        let state = &self.state;
        let first_open = state.open.first_key_value().map(|(second, _)| *second);
        // before the first step nothing was closed, and there is nothing to tick for
        let from = if state.open_from == 0 { first_open? } else { state.open_from };
        let tick = from + (self.params.window_secs - 1 - from.rem_euclid(self.params.window_secs));
        let idle = state.presence.is_empty() && state.others.is_empty() && state.edges.is_empty();
        let due = [
            first_open,
            state.edges.due(&self.params).map(|second| second.max(from)),
            (!idle).then_some(tick),
        ];
        due.into_iter().flatten().min().filter(|second| *second < target)
    }

    /// What was taken in, dropped and changed, since the first start.
    #[must_use]
    pub fn counts(&self) -> &FeatureCounts {
        &self.state.counts
    }

    /// Rows held in seconds that are still open.
    #[must_use]
    pub fn open_rows(&self) -> usize {
        self.state.open_rows
    }

    /// Which source speaks for each service, and since which event time (`UnixNanos::MIN` from the first on).
    pub fn sources(&self) -> impl Iterator<Item = (&ServiceKey, CallSource, UnixNanos)> {
        self.state.truth.sources().map(|(service, source, second)| (service, source, nanos_of(second)))
    }

    /// The state as it is between two batches.
    #[must_use]
    pub fn save(&self) -> StateBlob {
        let bytes = postcard::to_stdvec(&self.state).expect("plain values always have an encoding");
        StateBlob { operator: OPERATOR.to_owned(), version: STATE_VERSION, bytes }
    }

    /// Takes over a state that [`Features::save`] gave.
    ///
    /// # Errors
    /// [`EngineError::StateVersion`] for a newer version, [`EngineError::Damaged`] for bytes that do not parse.
    pub fn load(&mut self, blob: &StateBlob) -> Result<(), EngineError> {
        if blob.version != STATE_VERSION {
            let operator = blob.operator.clone();
            return Err(EngineError::StateVersion { operator, found: blob.version, known: STATE_VERSION });
        }
        self.state = postcard::from_bytes(&blob.bytes).map_err(|why| EngineError::Damaged {
            what: "operator state",
            place: OPERATOR.to_owned(),
            why: why.to_string(),
        })?;
        Ok(())
    }
}

fn sort(rows: &mut FeatureRows) {
    rows.calls.sort_by(|a, b| {
        (a.start_at, &a.subject, &a.operation, a.end_at).cmp(&(
            b.start_at,
            &b.subject,
            &b.operation,
            b.end_at,
        ))
    });
    rows.edges.sort_by(|a, b| {
        (a.start_at, &a.caller, &a.callee, &a.callee_arm).cmp(&(
            b.start_at,
            &b.caller,
            &b.callee,
            &b.callee_arm,
        ))
    });
    rows.lines.sort_by(|a, b| (a.start_at, &a.subject).cmp(&(b.start_at, &b.subject)));
    rows.resources.sort_by(|a, b| (a.at, &a.subject, a.signal).cmp(&(b.at, &b.subject, b.signal)));
    rows.series.sort_by(|a, b| (a.at, &a.service, &a.name).cmp(&(b.at, &b.service, &b.name)));
    rows.presence
        .sort_by(|a, b| (a.last_at, &a.subject, a.first_at).cmp(&(b.last_at, &b.subject, b.first_at)));
}
