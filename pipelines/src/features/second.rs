//! One open second: everything whose event time lies in it, until the watermark closes it.
//!
//! Promises: what it holds does not depend on the order of arrival, and a row that comes twice counts once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use engine::batch::{LogRow, SeriesId};
use engine::record::UnixNanos;
use models::text::Shape;
use serde::{Deserialize, Serialize};

use super::calls::{CallCell, ServedSpan};
use super::counters::Point;
use super::identity::{Identity, Who};
use super::lines::LineCell;
use super::meaning::Meaning;
use super::own_time::{OwnTime, ServedFor};
use super::params::nanos_of;
use super::presence::Touch;

/// Points of one series.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Pending {
    pub(crate) meaning: Arc<Meaning>,
    pub(crate) points: BTreeMap<UnixNanos, Point>,
}

/// See the module.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Second {
    calls: BTreeMap<(Who, Arc<str>), CallCell>,
    pub(crate) lines: BTreeMap<Who, LineCell>,
    pub(crate) touches: BTreeMap<Who, Touch>,
    pub(crate) points: BTreeMap<SeriesId, Pending>,
    served: BTreeMap<(Who, Arc<str>), Vec<ServedFor>>,
    span_ids: BTreeSet<u128>,
}

impl Second {
    /// Notes a span; whether it is new.
    pub(crate) fn is_new_span(&mut self, id: u128) -> bool {
        self.span_ids.insert(id)
    }

    pub(crate) fn serve(&mut self, who: &Who, operation: Arc<str>, second: i64, span: &ServedSpan) {
        let key = (who.clone(), operation);
        match self.served.get_mut(&key) {
            Some(spans) => spans.push(span.whole),
            None => drop(self.served.insert(key.clone(), vec![span.whole])),
        }
        match self.calls.get_mut(&key) {
            Some(cell) => cell.add_span(span),
            None => {
                let mut cell = CallCell::new(nanos_of(second), nanos_of(second + 1));
                cell.add_span(span);
                self.calls.insert(key, cell);
            }
        }
    }

    /// The request cells, with the services' own time taken out of what was seen below their spans.
    pub(crate) fn settle(&mut self, own_time: &mut OwnTime) -> BTreeMap<(Who, Arc<str>), CallCell> {
        for (key, spans) in &self.served {
            let Some(cell) = self.calls.get_mut(key) else { continue };
            for span in spans {
                let (own_us, calls) = own_time.settle(span);
                cell.own.add(own_us, span.n);
                cell.calls = cell.calls.saturating_add(calls.saturating_mul(span.n));
            }
        }
        std::mem::take(&mut self.calls)
    }

    /// Adds a line; whether it was new.
    pub(crate) fn add_line(
        &mut self,
        who: &Who,
        row: &LogRow<'_>,
        (key, times): (u128, u32),
        shape: &mut Shape,
    ) -> bool {
        self.lines.entry(who.clone()).or_default().add(row, key, times, shape)
    }

    /// Distinct lines of a pod.
    pub(crate) fn n_lines_of(&self, who: &Who) -> usize {
        self.lines.get(who).map_or(0, LineCell::n_distinct)
    }

    /// Adds a point; whether it was new.
    pub(crate) fn add_point(&mut self, id: SeriesId, meaning: &Arc<Meaning>, point: Point) -> bool {
        let pending = self
            .points
            .entry(id)
            .or_insert_with(|| Pending { meaning: Arc::clone(meaning), points: BTreeMap::new() });
        match pending.points.get_mut(&point.at) {
            Some(known) => {
                if point.outranks(known) {
                    *known = point;
                }
                false
            }
            None => {
                pending.points.insert(point.at, point);
                true
            }
        }
    }

    /// Notes a sign of life; only what a service says itself is one.
    pub(crate) fn touch(&mut self, identity: &Identity, mut touch: Touch) {
        if identity.speaks {
            touch.restarts = identity.restarts;
            touch.pod_uid = identity.pod_uid;
            match self.touches.get_mut(&identity.who) {
                Some(known) => known.merge(&touch),
                None => drop(self.touches.insert(identity.who.clone(), touch)),
            }
        }
    }

    /// Rows held, for the bound.
    pub(crate) fn n_rows(&self) -> usize {
        let lines: usize = self.lines.values().map(LineCell::n_distinct).sum();
        let points: usize = self.points.values().map(|pending| pending.points.len()).sum();
        self.span_ids.len() + lines + points
    }
}
