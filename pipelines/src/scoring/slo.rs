//! Static thresholds: the share of failed requests and the p99 of a service over the last minute.
//!
//! They alert whatever the history says, and never ask for `act`.

use std::collections::VecDeque;

use contract::{Evidence, Level};
use engine::record::{NANOS_PER_SEC, UnixNanos};
use serde::{Deserialize, Serialize};

use super::cells::ServiceTick;
use super::finding::{Finding, RuleName, Statement};
use super::over::Over;
use crate::config::SloPlan;
use crate::features::{LatencySketch, ServiceKey};

const MINUTE: UnixNanos = 60 * NANOS_PER_SEC;
const SLOT: UnixNanos = 5 * NANOS_PER_SEC;

/// Sums of five seconds.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
struct Slot {
    end_at: UnixNanos,
    requests: u64,
    errors: u64,
    durations: LatencySketch,
    exemplars: Vec<[u8; 16]>,
}

/// The last minute of a service, and whether its thresholds are broken.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct SloWatch {
    slots: VecDeque<Slot>,
    is_broken: bool,
}

impl SloWatch {
    /// Takes in a tick.
    pub(crate) fn on_tick(&mut self, tick: &ServiceTick) {
        let slot_end = tick.end_at - tick.end_at.rem_euclid(SLOT) + SLOT;
        if self.slots.back().is_none_or(|slot| slot.end_at < slot_end) {
            self.slots.push_back(Slot { end_at: slot_end, ..Slot::default() });
        }
        while self.slots.front().is_some_and(|slot| slot.end_at + MINUTE < tick.end_at) {
            self.slots.pop_front();
        }
        let Some(slot) = self.slots.back_mut() else { return };
        for tally in tick.pods.values() {
            slot.requests += tally.requests;
            slot.errors += tally.errors;
            slot.durations.merge(&tally.durations);
            let room = 3 - slot.exemplars.len().min(3);
            slot.exemplars.extend(tally.exemplars.iter().take(room));
        }
    }

    /// States or clears; the thresholds must be undercut by a fifth before it clears.
    pub(crate) fn judge(&mut self, service: &ServiceKey, plan: &SloPlan, at: UnixNanos) -> Option<Statement> {
        let requests: u64 = self.slots.iter().map(|slot| slot.requests).sum();
        if requests < plan.requests_min {
            return None;
        }
        let errors: u64 = self.slots.iter().map(|slot| slot.errors).sum();
        let share = errors as f64 / requests as f64;
        let p99_ms = plan.latency_ms.map(|limit| (self.p99_ms(), limit));
        let factor = if self.is_broken { 0.8 } else { 1.0 };
        let slow = p99_ms.is_some_and(|(p99, limit)| p99 > factor * limit);
        let failing =
            share > factor * plan.error_share && (self.is_broken || is_beyond_chance(errors, requests, plan));
        let was_broken = std::mem::replace(&mut self.is_broken, slow || failing);
        if !self.is_broken {
            let words = "failed requests and latency are within the configured limits again";
            let rule = Some(RuleName::Slo);
            return was_broken.then(|| Statement::Cleared {
                service: service.clone(),
                suspect: None,
                rule,
                at,
                over: Over::ByRule(words.to_owned()),
            });
        }
        let mut evidence = Vec::new();
        if failing {
            evidence.push(self.error_evidence(share, plan, errors, requests));
        }
        if let Some((p99, limit)) = p99_ms.filter(|_| slow) {
            evidence.push(latency_evidence(p99, limit));
        }
        Some(Statement::Found(Finding {
            rule: RuleName::Slo,
            service: service.clone(),
            suspect: None,
            since: at - MINUTE,
            at,
            level: Level::Alert,
            failure_probability: 0.9,
            severity: (share / plan.error_share / 4.0).clamp(0.25, 1.0),
            impact: 1.0,
            maturity: 1.0,
            evidence,
            counter_evidence: Vec::new(),
            forecast: None,
        }))
    }

    fn p99_ms(&self) -> f64 {
        let mut all = LatencySketch::default();
        self.slots.iter().for_each(|slot| all.merge(&slot.durations));
        all.quantile(0.99).unwrap_or(0.0) / 1e3
    }

    fn error_evidence(&self, share: f64, plan: &SloPlan, errors: u64, requests: u64) -> Evidence {
        let exemplars = self.slots.iter().rev().flat_map(|slot| slot.exemplars.iter()).take(3);
        Evidence {
            signal: "errors".to_owned(),
            unit: "1".to_owned(),
            expected: 0.0,
            lower: 0.0,
            upper: plan.error_share,
            observed: share,
            p_value: None,
            e_value: None,
            contribution: 1.0,
            text: format!(
                "{errors} of {requests} requests of the last minute failed ({:.2} %), the limit is {:.2} %",
                100.0 * share,
                100.0 * plan.error_share
            ),
            exemplar_trace_ids: exemplars.map(super::hex).collect(),
            log_templates: Vec::new(),
        }
    }
}

/// A handful of errors among few requests exceeds a limit by chance: two standard deviations must not explain it.
fn is_beyond_chance(errors: u64, requests: u64, plan: &SloPlan) -> bool {
    let due = plan.error_share * requests as f64;
    errors as f64 > due + 2.0 * libm::sqrt(due)
}

fn latency_evidence(p99: f64, limit: f64) -> Evidence {
    Evidence {
        signal: "latency p99".to_owned(),
        unit: "ms".to_owned(),
        expected: 0.0,
        lower: 0.0,
        upper: limit,
        observed: p99,
        p_value: None,
        e_value: None,
        contribution: 1.0,
        text: format!("p99 of the last minute is {p99:.0} ms, the limit is {limit:.0} ms"),
        exemplar_trace_ids: Vec::new(),
        log_templates: Vec::new(),
    }
}
