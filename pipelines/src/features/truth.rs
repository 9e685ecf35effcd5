//! One source of truth per service, and its operations.
//!
//! Server metrics speak before the spanmetrics connector, and that before spans. A better source takes over once it
//! gave numbers in two different seconds; cells of it that reach back before that moment overlap what was counted
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

#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
struct Seen {
    last_sec: i64,
    seconds: u32,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct ServiceTruth {
    current: Option<(CallSource, i64)>,
    seen: BTreeMap<CallSource, Seen>,
    families: BTreeMap<Family, i64>,
    operations: BTreeMap<Arc<str>, i64>,
    last_sec: i64,
}

impl ServiceTruth {
    /// Whether the source changed in this second.
    fn choose(&mut self, second: i64) -> bool {
        self.seen.retain(|_, seen| second - seen.last_sec < STEP_DOWN_SECS);
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
    pub(crate) fn see(&mut self, service: &ServiceKey, family: Family, second: i64, services_max: usize) {
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
            *seen = Seen { last_sec: second, seconds: seen.seconds.saturating_add(1) };
        }
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
