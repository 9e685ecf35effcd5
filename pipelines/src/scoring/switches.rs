//! Every service before and after its switches: feeds the rows to each one's watch, step by step, all at once.
//!
//! The steps of all services end together, because each is held against what the others show in the same step. Promises:
//! as many services as are judged at the most; what a service shows while an incident is open on it is not learned.

use std::collections::{BTreeMap, BTreeSet};

use contract::Capsule;
use engine::record::{NANOS_PER_SEC, UnixNanos};
use models::sequential::PlaceboPool;
use serde::{Deserialize, Serialize};

use super::before_after::{BeforeAfter, Gate, STEP, peers_of};
use super::finding::{RuleName, Statement, Suspect};
use super::over::Over;
use crate::features::{FeatureRows, ServiceKey};

/// A silence that is longer is passed over at once.
const SILENCE_MAX: UnixNanos = 3_600 * NANOS_PER_SEC;

/// All services, and what pretended switches gave.
///
/// # Invariants
/// At most `services_max` services; steps end at whole multiples of their length.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct Switches {
    services: BTreeMap<ServiceKey, BeforeAfter>,
    pool: PlaceboPool,
    step_end: UnixNanos,
}

impl Switches {
    /// Takes in the rows that closed. `suspects` are the versions that are compared now; `troubled` the services on which
    /// an incident is open.
    pub(crate) fn on_rows(
        &mut self,
        rows: &FeatureRows,
        suspects: &BTreeMap<&ServiceKey, &Suspect>,
        troubled: &BTreeSet<ServiceKey>,
        services_max: usize,
    ) -> Vec<Statement> {
        let mut statements = Vec::new();
        for (key, suspect) in suspects {
            let Some(service) = self.services.get_mut(*key) else { continue };
            let replaced = service.start(suspect, &self.pool);
            let reason = "another version was released";
            statements.extend(replaced.map(|suspect| cleared(key, suspect, rows.upto, reason)));
        }
        for row in &rows.calls {
            let key = &row.subject.service;
            if self.services.len() >= services_max && !self.services.contains_key(key) {
                continue;
            }
            let service = self.services.entry(key.clone()).or_default();
            service.on_requests(&row.subject.arm, (row.requests, row.errors));
        }
        if self.step_end == 0 || self.step_end.saturating_add(SILENCE_MAX) < rows.upto {
            self.step_end = rows.upto - rows.upto.rem_euclid(STEP) + STEP;
        }
        while self.step_end <= rows.upto {
            self.close(troubled, &mut statements);
            self.step_end += STEP;
        }
        self.services.retain(|_, service| !service.is_forgotten());
        let found = self.services.iter().filter_map(|(key, service)| service.finding(key, rows.upto));
        statements.extend(found.map(Statement::Found));
        statements
    }

    fn close(&mut self, troubled: &BTreeSet<ServiceKey>, statements: &mut Vec<Statement>) {
        let at = self.step_end;
        let deviations: Vec<_> = self.services.values().map(BeforeAfter::deviation).collect();
        for ((key, service), peers) in self.services.iter_mut().zip(peers_of(&deviations)) {
            let gate = if troubled.contains(key) { Gate::Discard } else { Gate::Learn };
            let (placebo, ended) = service.close(at, peers, gate);
            placebo.into_iter().for_each(|top| self.pool.note(top));
            let reason = "the time after the switch was watched to its end";
            statements.extend(ended.map(|suspect| cleared(key, suspect, at, reason)));
        }
    }

    /// What the judgement of this suspect can be made again from.
    pub(crate) fn capsule(&self, key: &ServiceKey, suspect: &Suspect) -> Option<Capsule> {
        self.services.get(key)?.capsule(suspect)
    }
}

fn cleared(service: &ServiceKey, suspect: Suspect, at: UnixNanos, reason: &str) -> Statement {
    Statement::Cleared {
        service: service.clone(),
        suspect: Some(suspect),
        rule: Some(RuleName::BeforeAfter),
        at,
        over: Over::ByRule(reason.to_owned()),
    }
}
