//! `bellwether evaluate canary`: recorded rollouts, the same moved against the clock, and simulated ones, if asked for.

use std::path::Path;

use models::sequential::CanaryParams;
use serde::Serialize;

use super::Exit;
use super::evaluate::{failed, printed};
use crate::config::Plan;
use crate::evaluate::{
    CanaryReport, EvaluateError, PhaseSpread, Selection, SimulatedCell, SimulatedGrid, evaluate_canary,
    export_canary, simulate_canary, sweep_canary,
};

/// What is to be done besides running the recordings.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Besides<'a> {
    /// Write them as OTLP there.
    pub(crate) write_otlp: Option<&'a Path>,
    /// Simulated rollouts of each kind.
    pub(crate) simulated_runs: Option<u64>,
    /// Places in a second and in a window.
    pub(crate) phases: Option<u64>,
}

/// What is printed with `--json`.
#[derive(Debug, Serialize)]
struct Document<'a> {
    #[serde(flatten)]
    recorded: &'a CanaryReport,
    #[serde(skip_serializing_if = "Option::is_none")]
    phases: Option<Vec<PhaseSpread>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    simulated: Option<SimulatedGrid>,
}

/// Exit 0 when the figures could be computed, whatever they are.
pub(crate) fn canary(selection: Selection<'_>, plan: &Plan, json: bool, besides: Besides<'_>) -> Exit {
    let exported = besides.write_otlp.map_or(Ok(Vec::new()), |out| export_canary(selection.folder, out));
    let report = match exported.map_err(EvaluateError::from).and_then(|_| evaluate_canary(selection, plan)) {
        Ok(report) => report,
        Err(error) => return failed(&error),
    };
    let phases = match besides.phases.map(|phases| sweep_canary(selection, plan, phases)).transpose() {
        Ok(phases) => phases,
        Err(error) => return failed(&error),
    };
    let params = CanaryParams::default().check().expect("the defaults are checked by a test");
    let simulated = besides.simulated_runs.map(|runs| simulate_canary(&params, runs));
    let document = Document { recorded: &report, phases, simulated };
    printed(&document, json, || print_tables(&document))
}

fn print_tables(document: &Document<'_>) {
    let report = document.recorded;
    println!(
        "{:<8} {:<10} {:<7} {:<8} {:>9} {:>9}  reason",
        "id", "fault", "bad", "stopped", "alert s", "stop s"
    );
    for r in &report.per_fault {
        let (alerted, delay) = (secs(r.alerted_s), secs(r.delay_s));
        println!(
            "{:<8} {:<10} {:<7} {:<8} {alerted:>9} {delay:>9}  {}",
            r.id, r.fault, r.should_rollback, r.stopped, r.reason
        );
    }
    println!(
        "{} rollouts, {} false stops, {} missed {:?}",
        report.rollouts, report.false_stops, report.missed, report.missed_faults
    );
    if let Some(phases) = &document.phases {
        print_phases(phases);
    }
    let Some(grid) = &document.simulated else { return };
    print_cells("honest releases", &grid.honest);
    print_cells("harmful releases", &grid.harmful);
    println!(
        "honest: {:.3} % paused, {:.3} % certain enough to be undone",
        100.0 * grid.false_pause_share,
        100.0 * grid.false_stop_share
    );
}

fn print_phases(phases: &[PhaseSpread]) {
    println!(
        "\n{:<8} {:<10} {:<7} {:>6} {:>7} {:>14} {:>7} {:>14}",
        "id", "fault", "bad", "phases", "alerted", "alert s", "stopped", "stop s"
    );
    for of in phases {
        let (alert, stop) = (spread(of.alerted_s), spread(of.delay_s));
        println!(
            "{:<8} {:<10} {:<7} {:>6} {:>7} {alert:>14} {:>7} {stop:>14}",
            of.id, of.fault, of.should_rollback, of.phases, of.alerted, of.stopped
        );
    }
}

/// Earliest, median and latest.
fn spread(secs: Option<[f64; 3]>) -> String {
    secs.map_or_else(|| "-".to_owned(), |[first, half, last]| format!("{first:.0}/{half:.0}/{last:.0}"))
}

fn print_cells(what: &str, cells: &[SimulatedCell]) {
    println!(
        "\n{what:<48} {:>6} {:>8} {:>8} {:>8} {:>8}",
        "runs", "paused", "certain", "pause s", "certain s"
    );
    for cell in cells {
        let (pause, certain) = (secs(cell.median_pause_s), secs(cell.median_certain_s));
        println!(
            "{:<48} {:>6} {:>8} {:>8} {pause:>8} {certain:>8}",
            cell.name, cell.runs, cell.paused, cell.certain
        );
    }
}

fn secs(secs: Option<f64>) -> String {
    secs.map_or_else(|| "-".to_owned(), |secs| format!("{secs:.0}"))
}
