//! One open second: everything whose event time lies in it, until the watermark closes it.
//!
//! Promises: what it holds does not depend on the order of arrival, and a row that comes twice counts once.

use std::collections::BTreeMap;
use std::sync::Arc;

use engine::batch::{LogRow, SeriesId};
use engine::record::UnixNanos;
use models::text::Shape;
use serde::{Deserialize, Serialize};

use super::calls::{CallCell, ServedSpan};
use super::counters::Point;
use super::identity::{Identity, Who};
use super::keyed::{Keyed, SeenKeys};
use super::lines::LineCell;
use super::meaning::Meaning;
use super::own_time::{OwnTime, ServedFor};
use super::params::nanos_of;
use super::presence::Touch;

/// Points of one series.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Pending {
    pub(crate) meaning: Arc<Meaning>,
    /// By time, which stands beside each; nearly always one.
    pub(crate) points: Vec<(UnixNanos, Point)>,
}

/// See the module.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Second {
    calls: Keyed<(Who, Arc<str>), CallCell>,
    pub(crate) lines: BTreeMap<Who, LineCell>,
    pub(crate) touches: BTreeMap<Who, Touch>,
    pub(crate) points: Keyed<SeriesId, Pending>,
    served: Keyed<(Who, Arc<str>), Vec<ServedFor>>,
    span_ids: SeenKeys<u128>,
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
        self.calls.of(key, || CallCell::new(nanos_of(second), nanos_of(second + 1))).add_span(span);
    }

    /// The request cells, with the services' own time taken out of what was seen below their spans.
    pub(crate) fn settle(&mut self, own_time: &mut OwnTime) -> Vec<((Who, Arc<str>), CallCell)> {
        for (key, spans) in std::mem::take(&mut self.served).into_sorted() {
            let Some(cell) = self.calls.get_mut(&key) else { continue };
            for span in spans {
                let (own_us, calls) = own_time.settle(&span);
                cell.own.add(own_us, span.n);
                cell.calls = cell.calls.saturating_add(calls.saturating_mul(span.n));
            }
        }
        std::mem::take(&mut self.calls).into_sorted()
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
        let pending =
            self.points.of(id, || Pending { meaning: Arc::clone(meaning), points: Vec::with_capacity(1) });
        match pending.points.binary_search_by_key(&point.at, |(at, _)| *at) {
            Ok(place) => {
                if let Some((_, known)) = pending.points.get_mut(place)
                    && point.outranks(known)
                {
                    *known = point;
                }
                false
            }
            Err(place) => {
                pending.points.insert(place, (point.at, point));
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
