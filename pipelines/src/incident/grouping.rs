//! Which finding belongs to which incident, and when an incident is over.

use std::collections::{BTreeMap, BTreeSet};

use contract::{Change, Level, Outcome};
use engine::record::{NANOS_PER_SEC, UnixNanos};
use serde::{Deserialize, Serialize};

use super::{Incident, IncidentKey, Notice, Resolution};
use crate::features::ServiceKey;
use crate::scoring::{Finding, Over, Statement};
use crate::topology::CallGraph;

/// A finding that is not repeated for so long is over.
const STANDING: UnixNanos = 60 * NANOS_PER_SEC;
/// A symptom beside a comparison waits so long for the comparison's own word, if the new version is not older than that.
const HELD_BACK: UnixNanos = 25 * NANOS_PER_SEC;
const FRESH: UnixNanos = 120 * NANOS_PER_SEC;

/// What surrounds the findings of a tick.
#[derive(Debug, Clone, Copy)]
pub struct Around<'a> {
    /// Who calls whom.
    pub graph: &'a CallGraph,
    /// Services whose new version is being compared, and since when.
    pub comparisons: &'a BTreeMap<ServiceKey, UnixNanos>,
}

/// Counters that tell when a bound bites.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct IncidentCounts {
    /// Findings that found no room because too many incidents are open.
    pub refused: u64,
    /// Incidents opened.
    pub opened: u64,
    /// Incidents resolved.
    pub resolved: u64,
}

/// The open incidents.
///
/// # Invariants
/// At most `max_open` incidents; every one of them has been published at least once.
#[derive(Debug, Clone, PartialEq)]
pub struct Incidents {
    open: BTreeMap<IncidentKey, Incident>,
    /// Symptoms held back, and since when.
    held: BTreeMap<ServiceKey, UnixNanos>,
    max_open: usize,
    counts: IncidentCounts,
}

impl Incidents {
    /// None open yet.
    #[must_use]
    pub fn new(max_open: usize) -> Self {
        Self { open: BTreeMap::new(), held: BTreeMap::new(), max_open, counts: IncidentCounts::default() }
    }

    /// What was opened, resolved and refused so far.
    #[must_use]
    pub fn counts(&self) -> IncidentCounts {
        self.counts
    }

    /// Open ones, by key.
    pub fn iter(&self) -> impl Iterator<Item = &Incident> {
        self.open.values()
    }

    /// State for the checkpoint, as JSON: the words on the wire inside leave out what is absent, which a format
    /// without names could not read back.
    #[must_use]
    pub fn save(&self) -> Vec<u8> {
        let open: Vec<&Incident> = self.open.values().collect();
        let held: Vec<_> = self.held.iter().collect();
        serde_json::to_vec(&(open, held, &self.counts)).expect("plain values always serialise")
    }

    /// Takes over a saved state.
    ///
    /// # Errors
    /// The parser's words, for bytes that are not a state of this version.
    pub fn load(&mut self, bytes: &[u8]) -> Result<(), serde_json::Error> {
        type Saved = (Vec<Incident>, Vec<(ServiceKey, UnixNanos)>, IncidentCounts);
        let (open, held, counts): Saved = serde_json::from_slice(bytes)?;
        self.held = held.into_iter().collect();
        self.open = open.into_iter().map(|incident| (incident.key.clone(), incident)).collect();
        self.counts = counts;
        Ok(())
    }

    /// Takes in the statements of one tick; gives what is to be published, in the order of the keys.
    pub fn on_statements(
        &mut self,
        statements: Vec<Statement>,
        around: Around<'_>,
        at: UnixNanos,
        change_of: impl Fn(&IncidentKey) -> Option<Change>,
    ) -> Vec<Notice> {
        let mut notices = Vec::new();
        let graph = around.graph;
        self.held.retain(|_, since| since.saturating_add(STANDING) >= at);
        for statement in statements {
            match statement {
                Statement::Found(finding) if self.is_held_back(&finding, around, at) => {}
                Statement::Found(finding) => self.place(finding, graph, &change_of),
                Statement::Cleared { service, suspect, rule, at, over } => {
                    if suspect.is_none() {
                        self.held.remove(&service);
                    }
                    let key = IncidentKey { service, suspect };
                    notices.extend(self.clear(&key, rule, at, over));
                }
            }
        }
        self.absorb_symptoms(graph, at, &mut notices);
        self.expire(at, &mut notices);
        notices.extend(self.open.values_mut().filter_map(|incident| incident.notice(at)));
        notices
    }

    /// Notes what the actuator did; gives it back if no such incident is open.
    pub fn on_outcome(&mut self, outcome: Outcome, id_of: impl Fn(&Incident) -> String) -> Option<Outcome> {
        let Some(incident) = self.open.values_mut().find(|incident| id_of(incident) == outcome.incident_id)
        else {
            return Some(outcome);
        };
        incident.take_outcome(outcome);
        None
    }

    /// Whether a symptom waits: it has no suspect and no incident, and on the service itself, or on one that it calls, a
    /// new version is being compared that may explain it.
    fn is_held_back(&mut self, finding: &Finding, around: Around<'_>, at: UnixNanos) -> bool {
        let key = IncidentKey { service: finding.service.clone(), suspect: finding.suspect.clone() };
        if key.suspect.is_some() || self.open.contains_key(&key) || self.home_of(&key, around.graph).is_some()
        {
            return false;
        }
        let may_explain = |(service, since): (&ServiceKey, &UnixNanos)| {
            since.saturating_add(FRESH) >= at
                && (*service == key.service || calls_through(around.graph, &key.service, service))
        };
        if !around.comparisons.iter().any(may_explain) {
            return false;
        }
        let since = *self.held.entry(key.service).or_insert(at);
        at < since.saturating_add(HELD_BACK)
    }

    fn place(
        &mut self,
        finding: Finding,
        graph: &CallGraph,
        change_of: &impl Fn(&IncidentKey) -> Option<Change>,
    ) {
        let key = IncidentKey { service: finding.service.clone(), suspect: finding.suspect.clone() };
        let home = if self.open.contains_key(&key) { Some(key.clone()) } else { self.home_of(&key, graph) };
        if let Some(incident) = home.and_then(|home| self.open.get_mut(&home)) {
            incident.take(finding);
            return;
        }
        if self.open.len() >= self.max_open {
            self.counts.refused += 1;
            return;
        }
        self.counts.opened += 1;
        let change = change_of(&key);
        self.open.insert(key.clone(), Incident::open(key, finding, change));
    }

    /// The incident of a failing change that explains a symptom without a suspect: on the service itself, or on one
    /// that it calls, directly or through others.
    fn home_of(&self, key: &IncidentKey, graph: &CallGraph) -> Option<IncidentKey> {
        if key.suspect.is_some() {
            return None;
        }
        let explains = |candidate: &&IncidentKey| {
            candidate.suspect.is_some()
                && (candidate.service == key.service
                    || calls_through(graph, &key.service, &candidate.service))
        };
        self.open.keys().find(explains).cloned()
    }

    /// Symptom incidents that were opened before the change behind them was found move under it.
    fn absorb_symptoms(&mut self, graph: &CallGraph, at: UnixNanos, notices: &mut Vec<Notice>) {
        let loose: Vec<IncidentKey> = self.open.keys().filter(|key| key.suspect.is_none()).cloned().collect();
        for key in loose {
            let Some(home) = self.home_of(&key, graph) else { continue };
            let Some(mut symptom) = self.open.remove(&key) else { continue };
            if let Some(incident) = self.open.get_mut(&home) {
                symptom.findings.values().cloned().for_each(|finding| incident.take(finding));
            }
            if symptom.revision > 0 {
                self.counts.resolved += 1;
                let to = home.suspect.as_ref().map_or_else(String::new, |suspect| suspect.names()[0].clone());
                let service = home.service.service.to_string();
                notices.push(symptom.resolve(at, Resolution::Explained { service, to }));
            }
        }
    }

    fn clear(
        &mut self,
        key: &IncidentKey,
        rule: Option<crate::scoring::RuleName>,
        at: UnixNanos,
        over: Over,
    ) -> Option<Notice> {
        if let (Some(rule), None) = (rule, key.suspect.as_ref()) {
            for incident in self.open.values_mut() {
                incident.findings.remove(&(key.service.clone(), rule));
            }
        }
        let incident = self.open.get_mut(key)?;
        if let Some(rule) = rule {
            incident.findings.remove(&(key.service.clone(), rule));
            if incident.findings.keys().any(|(service, _)| *service == key.service) {
                return None;
            }
        }
        self.close(key, at, Resolution::Over(over))
    }

    fn close(&mut self, key: &IncidentKey, at: UnixNanos, why: Resolution) -> Option<Notice> {
        let mut incident = self.open.remove(key)?;
        if incident.revision == 0 {
            return None;
        }
        self.counts.resolved += 1;
        Some(incident.resolve(at, why))
    }

    fn expire(&mut self, at: UnixNanos, notices: &mut Vec<Notice>) {
        let over: Vec<IncidentKey> = self
            .open
            .iter()
            .filter(|(_, incident)| incident.last_at.saturating_add(STANDING) < at)
            .map(|(key, _)| key.clone())
            .collect();
        for key in over {
            let why = Resolution::Quiet { secs: STANDING / NANOS_PER_SEC };
            notices.extend(self.close(&key, at, why));
        }
    }

    /// Services on which an incident is open that a person is told of: what they show now is no example of what is normal.
    #[must_use]
    pub fn troubled(&self) -> BTreeSet<ServiceKey> {
        let told = self.open.values().filter(|incident| incident.level() >= Level::Alert);
        told.flat_map(|incident| incident.findings.keys().map(|(affected, _)| affected.clone())).collect()
    }
}

/// Whether `caller` reaches `callee` over at most four calls.
fn calls_through(graph: &CallGraph, caller: &ServiceKey, callee: &ServiceKey) -> bool {
    let mut frontier = vec![caller.clone()];
    let mut seen = BTreeSet::new();
    for _ in 0..4 {
        let next: Vec<ServiceKey> = frontier.iter().flat_map(|service| graph.callees(service)).collect();
        if next.contains(callee) {
            return true;
        }
        frontier = next.into_iter().filter(|service| seen.insert(service.clone())).collect();
    }
    false
}

#[cfg(test)]
#[path = "grouping_tests.rs"]
mod tests;
