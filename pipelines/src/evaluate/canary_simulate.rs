//! `evaluate canary --simulate`: the canary test in simulated rollouts, honest ones and harmful ones.

use models::sequential::CanaryValidParams;
use models::testkit::{CellOutcome, GridCell, harmful_cells, honest_cells, measure};
use serde::Serialize;

/// Figures of one kind of rollout.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SimulatedCell {
    /// Noise, requests per second, export, weights, control pods, harm.
    pub name: String,
    /// Rollouts, of an hour at the most.
    pub runs: usize,
    /// Of these, paused.
    pub paused: usize,
    /// Of these, certain enough to be undone.
    pub certain: usize,
    /// Median seconds to a pause; none if less than half were.
    pub median_pause_s: Option<f64>,
    /// Median seconds to certainty.
    pub median_certain_s: Option<f64>,
}

/// All of them.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SimulatedGrid {
    /// Honest releases: every stop is a false one.
    pub honest: Vec<SimulatedCell>,
    /// Releases that do harm from their first second on.
    pub harmful: Vec<SimulatedCell>,
    /// Share of the honest rollouts paused.
    pub false_pause_share: f64,
    /// Share of the honest rollouts certain enough to be undone.
    pub false_stop_share: f64,
}

/// Runs the grid, `runs` seeded rollouts a cell, on two threads. The figures do not depend on how they share the work.
#[must_use]
pub fn simulate_canary(params: &CanaryValidParams, runs: u64) -> SimulatedGrid {
    let (honest, harmful) =
        (measure_all(&honest_cells(), runs, params), measure_all(&harmful_cells(), runs, params));
    let all: usize = honest.iter().map(|cell| cell.runs).sum();
    let share =
        |pick: fn(&SimulatedCell) -> usize| honest.iter().map(pick).sum::<usize>() as f64 / all.max(1) as f64;
    let (false_pause_share, false_stop_share) = (share(|cell| cell.paused), share(|cell| cell.certain));
    SimulatedGrid { honest, harmful, false_pause_share, false_stop_share }
}

fn measure_all(cells: &[GridCell], runs: u64, params: &CanaryValidParams) -> Vec<SimulatedCell> {
    let (even, odd): (Vec<_>, Vec<_>) = cells.iter().enumerate().partition(|(nth, _)| nth % 2 == 0);
    let measured = |part: Vec<(usize, &GridCell)>| {
        part.into_iter().map(|(nth, cell)| (nth, of(cell, &measure(cell, runs, params)))).collect::<Vec<_>>()
    };
    let mut all = std::thread::scope(|scope| {
        let other = scope.spawn(|| measured(odd));
        let mut all = measured(even);
        all.extend(other.join().unwrap_or_default());
        all
    });
    all.sort_by_key(|(nth, _)| *nth);
    all.into_iter().map(|(_, cell)| cell).collect()
}

fn of(cell: &GridCell, seen: &CellOutcome) -> SimulatedCell {
    SimulatedCell {
        name: cell.name.clone(),
        runs: seen.runs,
        paused: seen.paused,
        certain: seen.certain,
        median_pause_s: seen.median_pause_secs,
        median_certain_s: seen.median_secs,
    }
}
