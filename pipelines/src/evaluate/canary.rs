//! `evaluate canary`: recorded rollouts with known faults; who was stopped, when, and who should not have been.

use contract::{Level, RiskStatus, VerdictKind};
use engine::record::{NANOS_PER_SEC, UnixNanos};
use serde::Serialize;

use super::canaryrec::{Label, Recording, RecordingError};
use super::files::read_labels;
use super::part::Selection;
use super::rig::Rig;
use crate::config::Plan;

/// Why an evaluation has no result.
#[derive(Debug, thiserror::Error)]
pub enum EvaluateError {
    /// The recordings cannot be read.
    #[error("the recordings cannot be used")]
    Recording(#[from] RecordingError),
    /// The engine refused.
    #[error("the engine stopped")]
    Engine(#[from] engine::error::EngineError),
}

/// What became of one rollout.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RolloutResult {
    /// Which recording.
    pub id: String,
    /// Its fault.
    pub fault: String,
    /// Whether it should have been stopped.
    pub should_rollback: bool,
    /// Whether it was: a verdict of `fail`, or a risk event that asks for `act`.
    pub stopped: bool,
    /// Seconds from the first canary pod to the first `alert`.
    pub alerted_s: Option<f64>,
    /// Seconds from the first canary pod to the stop.
    pub delay_s: Option<f64>,
    /// Why, in the words of the first verdict or event that stopped it.
    pub reason: String,
    /// The last verdict.
    pub last_verdict: String,
}

/// The report, with the keys of the public contract.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CanaryReport {
    /// How many.
    pub rollouts: usize,
    /// Benign ones that were stopped.
    pub false_stops: usize,
    /// Bad ones that were not.
    pub missed: usize,
    /// Their faults.
    pub missed_faults: Vec<String>,
    /// Median seconds from the first canary pod to the stop, of those stopped rightly.
    pub median_delay_s: Option<f64>,
    /// 90th percentile of the same.
    pub p90_delay_s: Option<f64>,
    /// By fault and recording.
    pub per_fault: Vec<RolloutResult>,
}

/// Runs every recording of a selection with the given plan.
///
/// # Errors
/// [`EvaluateError::Recording`] for a folder that is not laid out as `labels.json`, `<id>.csv.zst`, `<id>.log.zst`.
pub fn evaluate_canary(selection: Selection<'_>, plan: &Plan) -> Result<CanaryReport, EvaluateError> {
    let mut results = Vec::new();
    for label in selected_labels(selection)? {
        let recording = Recording::read(selection.folder, &label.id)?;
        results.push(run_one(&label, &recording, plan, 0)?);
    }
    Ok(report(results))
}

/// Labels of the recordings of a selection.
pub(super) fn selected_labels(selection: Selection<'_>) -> Result<Vec<Label>, RecordingError> {
    Ok(selection.of(read_labels(selection.folder)?, |label: &Label| label.id.clone()))
}

/// Runs one recording that was read this much later than it was made.
pub(super) fn run_one(
    label: &Label,
    recording: &Recording,
    plan: &Plan,
    later: UnixNanos,
) -> Result<RolloutResult, EvaluateError> {
    let canary_at = label.canary_at().map_or(UnixNanos::MAX, |secs| (secs * 1e9) as UnixNanos + later);
    let mut stop: Option<(UnixNanos, String)> = None;
    let mut alerted = None;
    let mut last_verdict = VerdictKind::Inconclusive;
    let mut rig = Rig::new(plan)?;
    for request in &recording.requests {
        let output = rig.feed(request)?;
        for event in output.risk_events() {
            if event.status == RiskStatus::Resolved || event.scope.version.is_empty() {
                continue;
            }
            if event.assessment.level >= Level::Alert {
                alerted.get_or_insert(output.log_clock);
            }
            if event.assessment.level == Level::Act {
                stop.get_or_insert((output.log_clock, event.explanation));
            }
        }
        for standing in output.board.standings.values() {
            last_verdict = standing.verdict.verdict;
            if last_verdict == VerdictKind::Fail {
                stop.get_or_insert((output.log_clock, standing.verdict.reason.clone()));
            }
        }
    }
    let since = |at: UnixNanos| (at - canary_at) as f64 / NANOS_PER_SEC as f64;
    let (delay_s, reason) = match stop {
        Some((at, reason)) => (Some(since(at)), reason),
        None => (None, String::new()),
    };
    Ok(RolloutResult {
        id: label.id.clone(),
        fault: label.fault.clone(),
        should_rollback: label.should_rollback,
        stopped: delay_s.is_some(),
        alerted_s: alerted.map(since),
        delay_s,
        reason,
        last_verdict: format!("{last_verdict:?}").to_lowercase(),
    })
}

fn report(results: Vec<RolloutResult>) -> CanaryReport {
    let mut delays: Vec<f64> =
        results.iter().filter(|r| r.should_rollback).filter_map(|r| r.delay_s).collect();
    delays.sort_by(f64::total_cmp);
    let quantile = |q: f64| {
        let last = delays.len().checked_sub(1)?;
        delays.get((q * last as f64).round() as usize).copied()
    };
    let missed: Vec<String> =
        results.iter().filter(|r| r.should_rollback && !r.stopped).map(|r| r.fault.clone()).collect();
    CanaryReport {
        rollouts: results.len(),
        false_stops: results.iter().filter(|r| !r.should_rollback && r.stopped).count(),
        missed: missed.len(),
        missed_faults: missed,
        median_delay_s: quantile(0.5),
        p90_delay_s: quantile(0.9),
        per_fault: results,
    }
}
