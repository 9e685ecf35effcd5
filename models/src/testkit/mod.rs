//! For tests of this and other crates: seeded worlds in which a canary is watched, and what a detector must keep to.
//!
//! Promises: the same seed gives the same world on every machine. No running engine draws on it; `evaluate --simulate` does.
//! The worlds are synthetic; what they show about false stops is a measurement, not a proof.

mod conformance;
mod day_forecasts;
mod day_types;
mod draws;
#[cfg(test)]
mod false_stops;
mod family_trial;
mod grid;
mod incidents;
mod incremental_days;
mod leaks;
mod mixtures;
mod prototypes;
mod releases;
mod rhythms;
mod simulator;
#[cfg(test)]
mod switches;
mod trial;
mod usage;
mod world;

pub use conformance::{Breach, breaches, calibration_breaches};
pub use day_forecasts::{DayForecastParams, DayForecasts, DayWay, Foretold};
pub use day_types::{DayTypes, day_types};
pub use draws::Draws;
pub use family_trial::{FamilyFigures, FamilyWay, family_figures};
pub use grid::{CellOutcome, GridCell, harmful_cells, honest_cells, measure};
pub use incidents::{MadeIncident, made_incidents};
pub use leaks::{LeakFigures, LeakRule, LeakTrial, SERIES_SAMPLES, leak_figures, try_rule};
pub use mixtures::day_types_by_mixture;
pub use prototypes::Prototypes;
pub use releases::{HandedOn, ReleaseFigures, release_figures};
pub use rhythms::{RHYTHM_INTERVALS, RhythmKind, RhythmSeries, rhythm};
pub use simulator::{RELEASE_AT, SimTick, Simulator};
pub use trial::{Outcome, trial};
pub use usage::{Growth, Healthy, Leak, Usage, usage};
pub use world::{Harm, Noise, Weights, World};
