//! What the actuator tells about itself: one place for every metric name.

use contract::OutcomeStatus;
use prometheus::{Encoder, IntCounter, IntCounterVec, IntGauge, Opts, Registry, TextEncoder};

use crate::desk::Handled;
use crate::ledger::Verb;

/// Every metric.
#[derive(Debug, Clone)]
pub struct Metrics {
    registry: Registry,
    decisions: IntCounterVec,
    refused: IntCounterVec,
    outcomes: IntCounterVec,
    sent: IntCounterVec,
    interruptions: IntCounter,
    unsent: IntGauge,
    unfinished: IntGauge,
    frozen: IntGauge,
    ready: IntGauge,
}

fn vector(registry: &Registry, name: &str, help: &str, labels: &[&str]) -> prometheus::Result<IntCounterVec> {
    let metric = IntCounterVec::new(Opts::new(format!("bellwether_actuator_{name}"), help), labels)?;
    registry.register(Box::new(metric.clone()))?;
    Ok(metric)
}

fn gauge(registry: &Registry, name: &str, help: &str) -> prometheus::Result<IntGauge> {
    let metric = IntGauge::new(format!("bellwether_actuator_{name}"), help)?;
    registry.register(Box::new(metric.clone()))?;
    Ok(metric)
}

impl Metrics {
    /// Registers every metric.
    ///
    /// # Errors
    /// Only if two metrics have one name.
    pub fn new() -> prometheus::Result<Self> {
        let registry = Registry::new();
        let name = "bellwether_actuator_intake_interruptions_total";
        let interruptions = IntCounter::new(name, "connections to the source of events that were lost")?;
        registry.register(Box::new(interruptions.clone()))?;
        Ok(Self {
            decisions: vector(
                &registry,
                "decisions_total",
                "events by decision and reason",
                &["decision", "reason"],
            )?,
            refused: vector(&registry, "refused_events_total", "events that were not believed", &["reason"])?,
            outcomes: vector(&registry, "outcomes_total", "outcomes by status", &["status"])?,
            sent: vector(&registry, "sent_outcomes_total", "attempts to send an outcome", &["result"])?,
            unsent: gauge(&registry, "unsent_outcomes", "outcomes that wait to be sent")?,
            unfinished: gauge(&registry, "unfinished_events", "events whose handling was interrupted")?,
            frozen: gauge(&registry, "frozen", "1 while all actions are stopped")?,
            ready: gauge(&registry, "ready", "1 while the source of events is connected")?,
            interruptions,
            registry,
        })
    }

    pub(crate) fn note_handled(&self, handled: &Handled) {
        let verb = match handled.verb {
            Verb::Ignore => "ignore",
            Verb::Notify => "notify",
            Verb::Await => "await",
            Verb::Act => "act",
        };
        self.decisions.with_label_values(&[verb, handled.reason.code.as_str()]).inc();
        if let Some(outcome) = &handled.outcome {
            self.note_outcome(outcome.status);
        }
    }

    pub(crate) fn note_outcome(&self, status: OutcomeStatus) {
        let word = match status {
            OutcomeStatus::NotActed => "not_acted",
            OutcomeStatus::AwaitingApproval => "awaiting_approval",
            OutcomeStatus::Acted => "acted",
            OutcomeStatus::Failed => "failed",
            OutcomeStatus::AlreadyDone => "already_done",
        };
        self.outcomes.with_label_values(&[word]).inc();
    }

    pub(crate) fn note_refused(&self, code: &str) {
        self.refused.with_label_values(&[code]).inc();
    }

    pub(crate) fn note_sent(&self, result: &str) {
        self.sent.with_label_values(&[result]).inc();
    }

    pub(crate) fn note_interruption(&self) {
        self.interruptions.inc();
    }

    pub(crate) fn set_ready(&self, ready: bool) {
        self.ready.set(i64::from(ready));
    }

    pub(crate) fn is_ready(&self) -> bool {
        self.ready.get() == 1
    }

    pub(crate) fn set_backlog(&self, n_unsent: usize, n_unfinished: usize, frozen: bool) {
        self.unsent.set(i64::try_from(n_unsent).unwrap_or(i64::MAX));
        self.unfinished.set(i64::try_from(n_unfinished).unwrap_or(i64::MAX));
        self.frozen.set(i64::from(frozen));
    }

    /// All of it in Prometheus' text format.
    ///
    /// # Errors
    /// If a metric cannot be written.
    pub fn text(&self) -> prometheus::Result<Vec<u8>> {
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut text)?;
        Ok(text)
    }
}
