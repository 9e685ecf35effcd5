//! Labelled recordings through the very same engine: thin adapters over the production path.
//!
//! An adapter turns a recording into OTLP requests with arrival stamps, hands them to the lane that production runs,
//! with the default configuration, and compares what comes out with the labels. What it does not do: judge on its own,
//! or look at a label before the run is over.

mod ablation;
mod canary;
mod canary_phases;
mod canary_simulate;
mod canaryrec;
mod end_to_end;
mod exhaustion;
mod exhaustion_ablation;
mod exhaustion_otlp;
mod exhaustion_page;
mod exhaustion_simulate;
mod export;
mod files;
mod kpi2018;
mod line_labels;
mod loghub;
mod logs;
mod moved;
mod mscloud;
mod multivariate;
mod nab;
mod otlp;
mod part;
mod plots;
mod points;
mod published;
mod resample;
mod rhythms;
mod rig;
mod series;
#[cfg(test)]
mod univariate_tests;
mod vectors;

pub use ablation::{ABLATION_COLUMNS, AblatedFigure, AblatedPiece, AblationSets, ablate_series, paired};
pub use canary::{CanaryReport, EvaluateError, RolloutResult, evaluate_canary};
pub use canary_phases::{PhaseSpread, sweep_canary};
pub use canary_simulate::{SimulatedCell, SimulatedGrid, simulate_canary};
pub use canaryrec::{Label, LabelEvent, RecordedRequest, Recording, RecordingError};
pub use end_to_end::{EndToEndReport, LevelReport, evaluate_end_to_end};
pub use exhaustion::{
    ExhaustionLabel, ExhaustionReport, ExhaustionResult, RecordedUsage, evaluate_exhaustion, read_usage,
};
pub use exhaustion_ablation::{AblatedRule, Ablation, ablate_exhaustion};
pub use exhaustion_otlp::export_exhaustion;
pub use exhaustion_page::exhaustion_page;
pub use exhaustion_simulate::{
    Reliability, SimulatedReleases, SimulatedRule, simulate_exhaustion, simulate_releases,
};
pub use export::export_canary;
pub use kpi2018::read_kpi2018;
pub use logs::{LabelledLines, LogsReport, SystemGrouping, evaluate_logs};
pub use moved::{FirstDays, MovedReport, evaluate_moved};
pub use mscloud::read_mscloud;
pub use multivariate::{Addition, MachineResult, PlottedMachine, VectorReport, evaluate_vectors};
pub use nab::{NabFileResult, NabReport, evaluate_nab};
pub use part::{Part, Selection};
pub use plots::{Plot, page};
pub use points::{PointReport, PointResult, point_report};
pub use published::Published;
pub use resample::by_two_threads;
pub use rhythms::{RHYTHM_SEED, RHYTHM_SERIES, RhythmResult, evaluate_rhythms};
pub use rig::{Rig, RigOutput};
pub use series::{DetectorPart, LabelledSeries, ScoredSeries, SeriesDetector, score_series};
pub use vectors::{Cause, Machine, list_machines};
