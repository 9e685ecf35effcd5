//! One source of truth per service, and its operations.
//!
//! Server metrics speak before the spanmetrics connector, and that before spans, unless the spans are whole: as many
//! as the metrics count, give or take a tenth. Whole spans say the same, and say it every second instead of once an
//! export. A better source takes over once it gave numbers in two different seconds; cells of it that reach back before that moment overlap what was counted
//! already and are not used. A source that says nothing for ten minutes steps down. Sources are never added up.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::meaning::OTHER;
use super::names::Family;
use super::params::nanos_of;
use super::row::{CallSource, ServiceKey};

/// A source or family that says nothing for so long steps down.
const STEP_DOWN_SECS: i64 = 600;
/// An operation, and a service, that is not called for so long makes room.
const FORGET_SECS: i64 = 3_600;
/// Seconds with numbers before a better source takes over.
const PROOF: u32 = 2;

/// Requests of a metrics source below which spans cannot be called whole.
const COMPARABLE: f64 = 50.0;
/// How long a request counts in the comparison of sources.
const MEMORY_SECS: f64 = 120.0;

#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
struct Seen {
    last_sec: i64,
    seconds: u32,
    /// Requests, those of the past fading.
    requests: f64,
}

impl Seen {
    fn requests_at(&self, second: i64) -> f64 {
        self.requests * libm::exp(-((second - self.last_sec).max(0) as f64) / MEMORY_SECS)
    }
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct ServiceTruth {
    current: Option<(CallSource, i64)>,
    seen: BTreeMap<CallSource, Seen>,
    families: BTreeMap<Family, i64>,
    operations: BTreeMap<Arc<str>, i64>,
    last_sec: i64,
    spans_are_whole: bool,
}

impl ServiceTruth {
    /// Compares the spans with the metrics; a lost quarter ends what a lost tenth would not have begun.
    fn weigh_spans(&mut self, second: i64) {
        let spans = self.seen.get(&CallSource::Spans).map_or(0.0, |seen| seen.requests_at(second));
        let metrics =
            self.seen.iter().filter(|(source, _)| **source != CallSource::Spans).map(|(_, seen)| seen);
        let Some(metrics) = metrics.map(|seen| seen.requests_at(second)).reduce(f64::max) else { return };
        if metrics >= COMPARABLE {
            let slack = if self.spans_are_whole { 0.25 } else { 0.1 };
            // metrics come once an export, spans at once: more spans than that is no loss
            self.spans_are_whole = spans >= (1.0 - slack) * metrics;
        }
    }

    /// Whether the source changed in this second.
    fn choose(&mut self, second: i64) -> bool {
        self.seen.retain(|_, seen| second - seen.last_sec < STEP_DOWN_SECS);
        self.weigh_spans(second);
        if self.spans_are_whole && self.seen.contains_key(&CallSource::Spans) {
            let changed = self.current.is_some_and(|(source, _)| source != CallSource::Spans);
            if changed || self.current.is_none() {
                self.current = Some((CallSource::Spans, if changed { second + 1 } else { i64::MIN }));
            }
            return changed;
        }
        let best = self.seen.keys().next().copied();
        let proven = self.seen.iter().find(|(_, seen)| seen.seconds >= PROOF).map(|(source, _)| *source);
        match self.current {
            None => {
                self.current = best.map(|source| (source, i64::MIN));
                false
            }
            Some((current, _)) => {
                let gone = !self.seen.contains_key(&current);
                let next = if gone { proven.or(best) } else { proven.filter(|source| *source < current) };
                let Some(source) = next else { return false };
                self.current = Some((source, second + 1));
                true
            }
        }
    }
}

/// Which numbers of which service count.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Truth {
    services: BTreeMap<ServiceKey, ServiceTruth>,
}

/// What became of a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It counts.
    Counts,
    /// Another source speaks.
    OtherSource,
    /// There is no room for its service.
    NoRoom,
}

impl Truth {
    /// Notes that a family gave numbers in a second.
    pub(crate) fn see(
        &mut self,
        (service, family): (&ServiceKey, Family),
        requests: u64,
        second: i64,
        services_max: usize,
    ) {
        if !self.services.contains_key(service) {
            if self.services.len() >= services_max {
                return;
            }
            self.services.insert(service.clone(), ServiceTruth::default());
        }
        let Some(truth) = self.services.get_mut(service) else { return };
        truth.last_sec = second;
        truth.families.insert(family, second);
        let seen = truth.seen.entry(family.source()).or_default();
        if seen.seconds == 0 || seen.last_sec != second {
            let requests = seen.requests_at(second);
            *seen = Seen { last_sec: second, seconds: seen.seconds.saturating_add(1), requests };
        }
        seen.requests += requests as f64;
    }

    /// Chooses anew for every service that gave numbers in this second; how many changed.
    pub(crate) fn choose(&mut self, second: i64) -> u64 {
        let heard = self.services.values_mut().filter(|truth| truth.last_sec == second);
        heard.map(|truth| u64::from(truth.choose(second))).sum()
    }

    /// Whether a cell that starts at `start_at` counts.
    pub(crate) fn standing(
        &self,
        service: &ServiceKey,
        family: Family,
        start_at: i64,
        second: i64,
    ) -> Standing {
        let Some(truth) = self.services.get(service) else { return Standing::NoRoom };
        let outdone = family
            .better()
            .and_then(|better| truth.families.get(&better))
            .is_some_and(|last| second - last < STEP_DOWN_SECS);
        match truth.current {
            Some((source, since)) if source == family.source() && !outdone && start_at >= nanos_of(since) => {
                Standing::Counts
            }
            _ => Standing::OtherSource,
        }
    }

    /// Gives room to operations, the most called first (`wanted` is in that order).
    pub(crate) fn admit(&mut self, wanted: &[(ServiceKey, Arc<str>)], second: i64, operations_max: usize) {
        for (service, operation) in wanted {
            let Some(truth) = self.services.get_mut(service) else { continue };
            if truth.operations.len() < operations_max || truth.operations.contains_key(operation) {
                truth.operations.insert(Arc::clone(operation), second);
            }
        }
    }

    /// The operation's own name, or `_other`.
    pub(crate) fn operation(&self, service: &ServiceKey, operation: &Arc<str>) -> Arc<str> {
        let known = self.services.get(service).is_some_and(|truth| truth.operations.contains_key(operation));
        if known { Arc::clone(operation) } else { OTHER.into() }
    }

    /// Forgets what was not seen for an hour.
    pub(crate) fn forget(&mut self, second: i64) {
        self.services.retain(|_, truth| second - truth.last_sec < FORGET_SECS);
        for truth in self.services.values_mut() {
            truth.operations.retain(|_, last| second - *last < FORGET_SECS);
        }
    }

    /// Source of each service, and since which second.
    pub(crate) fn sources(&self) -> impl Iterator<Item = (&ServiceKey, CallSource, i64)> {
        self.services
            .iter()
            .filter_map(|(service, truth)| truth.current.map(|(source, since)| (service, source, since)))
    }
}
