//! `evaluate canary --phases`: recorded rollouts moved against the clock, to see what hangs on where a second begins.
//!
//! Exports fall anywhere in a second and in a window, and a rollout must be judged alike wherever they fall. What it
//! does not do: change a recording in any other way.

use std::sync::atomic::{AtomicU64, Ordering};

use engine::record::{NANOS_PER_SEC, UnixNanos};
use serde::Serialize;

use super::canary::{EvaluateError, RolloutResult, run_one, selected_labels};
use super::canaryrec::Recording;
use super::part::Selection;
use crate::config::Plan;

/// Figures of one recording over all phases.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PhaseSpread {
    /// Which recording.
    pub id: String,
    /// Its fault.
    pub fault: String,
    /// Whether it should have been stopped.
    pub should_rollback: bool,
    /// How many phases.
    pub phases: usize,
    /// Of these, alerted.
    pub alerted: usize,
    /// Seconds to the first alert: earliest, median and latest of those alerted.
    pub alerted_s: Option<[f64; 3]>,
    /// Of these, stopped.
    pub stopped: usize,
    /// Seconds to the stop: earliest, median and latest of those stopped.
    pub delay_s: Option<[f64; 3]>,
}

/// Runs every recording of a selection `phases` times, each time later by one more equal part of a window, on two threads.
/// With a number that shares no factor with the window's seconds the places within a second are equally spaced too.
///
/// # Errors
/// As [`evaluate_canary`](super::evaluate_canary).
pub fn sweep_canary(
    selection: Selection<'_>,
    plan: &Plan,
    phases: u64,
) -> Result<Vec<PhaseSpread>, EvaluateError> {
    let labels = selected_labels(selection)?;
    let next = AtomicU64::new(0);
    let work = || -> Result<Vec<(u64, RolloutResult)>, EvaluateError> {
        let mut done = Vec::new();
        loop {
            let nth = next.fetch_add(1, Ordering::Relaxed);
            let Some(label) = usize::try_from(nth / phases.max(1)).ok().and_then(|nth| labels.get(nth))
            else {
                return Ok(done);
            };
            let later = phase(plan, nth % phases, phases);
            let recording = Recording::read_later(selection.folder, &label.id, later)?;
            done.push((nth, run_one(label, &recording, plan, later)?));
        }
    };
    let mut all = std::thread::scope(|scope| {
        let other = scope.spawn(work);
        let mut all = work()?;
        all.extend(other.join().expect("a panic is passed on")?);
        Ok::<_, EvaluateError>(all)
    })?;
    all.sort_by_key(|(nth, _)| *nth);
    let results: Vec<RolloutResult> = all.into_iter().map(|(_, result)| result).collect();
    Ok(results.chunk_by(|a, b| a.id == b.id).filter_map(spread).collect())
}

/// The `nth` of `phases` equal parts of the longest window, in whole milliseconds as the recordings are.
fn phase(plan: &Plan, nth: u64, phases: u64) -> UnixNanos {
    let window = plan.time.window_secs.saturating_mul(1_000);
    let millis = UnixNanos::try_from(nth.saturating_mul(window) / phases.max(1)).unwrap_or(0);
    millis * (NANOS_PER_SEC / 1_000)
}

fn spread(runs: &[RolloutResult]) -> Option<PhaseSpread> {
    let first = runs.first()?;
    let secs = |pick: fn(&RolloutResult) -> Option<f64>| {
        let mut secs: Vec<f64> = runs.iter().filter_map(pick).collect();
        secs.sort_by(f64::total_cmp);
        let three = [secs.first(), secs.get(secs.len() / 2), secs.last()];
        (secs.len(), secs.first().map(|_| three.map(|secs| secs.copied().unwrap_or_default())))
    };
    let (alerted, alerted_s) = secs(|run| run.alerted_s);
    let (stopped, delay_s) = secs(|run| run.delay_s);
    Some(PhaseSpread {
        id: first.id.clone(),
        fault: first.fault.clone(),
        should_rollback: first.should_rollback,
        phases: runs.len(),
        alerted,
        alerted_s,
        stopped,
        delay_s,
    })
}
