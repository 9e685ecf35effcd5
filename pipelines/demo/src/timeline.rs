//! When what happened, and what it amounts to: the summary of a run.
//!
//! Promises: pure; first sightings count, later ones do not move them. It does not print.
//!
//! # Invariants
//! A time after the fault is never before it: what was seen earlier is not about the fault.

use std::collections::{BTreeMap, BTreeSet};

use contract::{CloudEvent, Level, RemedyKind, RiskEvent, Timestamp};
use serde::Serialize;

use crate::story::Fault;

/// The last line of `--json`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    /// Name of the fault.
    pub fault: &'static str,
    /// Seed of the run.
    pub seed: u64,
    /// When the first bad pod took traffic, or the decoy began.
    pub fault_active_at: Option<Timestamp>,
    /// Seconds until the first risk event about it.
    pub detected_s: Option<f64>,
    /// Seconds until the first risk event that says `act`.
    pub decided_s: Option<f64>,
    /// Seconds until the revert was in the origin.
    pub revert_committed_s: Option<f64>,
    /// Seconds until the shop was healthy again.
    pub healthy_s: Option<f64>,
    /// Commits that were reverted.
    pub reverted_commits: Vec<String>,
    /// Reverts of innocent commits, and incidents that called for one.
    pub false_acts: usize,
    /// Whether nothing was to be reverted.
    pub is_decoy: bool,
    /// Minutes that the run took, to a tenth.
    pub minutes: f64,
    /// Every risk event that was published, in order.
    pub risk_events: Vec<CloudEvent<RiskEvent>>,
    /// Whether all went as it should.
    pub ok: bool,
}

/// What was seen so far.
#[derive(Debug)]
pub struct Timeline {
    fault: Fault,
    seed: u64,
    service: String,
    guilty: Option<String>,
    fault_active_at: Option<Timestamp>,
    detected_at: Option<Timestamp>,
    decided_at: Option<Timestamp>,
    revert_at: Option<Timestamp>,
    healthy_at: Option<Timestamp>,
    reverted: Vec<String>,
    false_incidents: BTreeSet<String>,
    events: BTreeMap<String, ()>,
    risk_events: Vec<CloudEvent<RiskEvent>>,
}

/// Risk events that are kept for the summary.
const EVENTS_MAX: usize = 1_000;

impl Timeline {
    /// Nothing was seen yet; the story is about `service`.
    #[must_use]
    pub fn new(fault: Fault, seed: u64, service: &str) -> Self {
        Self {
            fault,
            seed,
            service: service.to_owned(),
            guilty: None,
            fault_active_at: None,
            detected_at: None,
            decided_at: None,
            revert_at: None,
            healthy_at: None,
            reverted: Vec::new(),
            false_incidents: BTreeSet::new(),
            events: BTreeMap::new(),
            risk_events: Vec::new(),
        }
    }

    /// The bad change is in git as this commit.
    pub fn bad_change(&mut self, commit: &str) {
        self.guilty = Some(commit.to_owned());
    }

    /// The first bad pod takes traffic, or the decoy begins. True the first time.
    pub fn fault_active(&mut self, at: Timestamp) -> bool {
        first(&mut self.fault_active_at, at)
    }

    /// A risk event arrived. True if it was not seen before.
    pub fn risk_event(&mut self, event: CloudEvent<RiskEvent>, at: Timestamp) -> bool {
        if self.events.len() >= EVENTS_MAX || self.events.insert(event.id.clone(), ()).is_some() {
            return false;
        }
        let risk = &event.data;
        let calls_for_act = risk.assessment.level == Level::Act
            && (self.fault == Fault::None
                || risk.recommended.iter().any(|remedy| remedy.action == RemedyKind::GitRevert));
        let is_active = self.fault_active_at.is_some_and(|active| active <= at);
        let is_guilty = self.fault.is_real() && is_active && risk.scope.service == self.service;
        if is_active && risk.scope.service == self.service {
            first(&mut self.detected_at, at);
        }
        if is_guilty && calls_for_act {
            first(&mut self.decided_at, at);
        }
        if calls_for_act && !is_guilty {
            self.false_incidents.insert(risk.incident_id.clone());
        }
        self.risk_events.push(event);
        true
    }

    /// A revert is in the origin.
    pub fn reverted(&mut self, commit: &str, at: Timestamp) {
        if self.guilty.as_deref() == Some(commit) {
            first(&mut self.revert_at, at);
        }
        self.reverted.push(commit.to_owned());
    }

    /// The shop is healthy (again). Counts only after the revert of the guilty commit; for a decoy after it began.
    pub fn healthy(&mut self, at: Timestamp) -> bool {
        let may_count =
            if self.fault.is_real() { self.revert_at.is_some() } else { self.fault_active_at.is_some() };
        may_count && first(&mut self.healthy_at, at)
    }

    /// Whether the revert was seen.
    #[must_use]
    pub fn is_reverted(&self) -> bool {
        self.revert_at.is_some()
    }

    /// Whether the shop is healthy again.
    #[must_use]
    pub fn is_healed(&self) -> bool {
        self.healthy_at.is_some()
    }

    /// Whether anything was reverted that should not have been.
    #[must_use]
    pub fn n_false_acts(&self) -> usize {
        let innocent = |commit: &&String| self.guilty.as_ref() != Some(commit);
        let again = self.reverted.len().saturating_sub(self.reverted.iter().collect::<BTreeSet<_>>().len());
        self.reverted.iter().filter(innocent).count() + again + self.false_incidents.len()
    }

    /// Adds it up.
    #[must_use]
    pub fn summary(&self) -> Summary {
        let since = |at: Option<Timestamp>| {
            let secs = at?.secs_since(self.fault_active_at?);
            Some((secs * 1000.0).round() / 1000.0)
        };
        let false_acts = self.n_false_acts();
        let expected: Vec<String> =
            if self.fault.is_real() { self.guilty.iter().cloned().collect() } else { Vec::new() };
        let healed = self.healthy_at.is_some() || !self.fault.is_real();
        Summary {
            fault: self.fault.name(),
            seed: self.seed,
            fault_active_at: self.fault_active_at,
            detected_s: since(self.detected_at),
            decided_s: since(self.decided_at),
            revert_committed_s: since(self.revert_at),
            healthy_s: since(self.healthy_at),
            reverted_commits: self.reverted.clone(),
            false_acts,
            is_decoy: !self.fault.is_real(),
            minutes: 0.0,
            risk_events: self.risk_events.clone(),
            ok: self.reverted == expected && healed && false_acts == 0,
        }
    }
}

fn first(slot: &mut Option<Timestamp>, at: Timestamp) -> bool {
    let is_first = slot.is_none();
    slot.get_or_insert(at);
    is_first
}

#[cfg(test)]
mod tests;
