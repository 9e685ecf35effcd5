//! Configuration: layers of YAML and `--set`, read once, checked once, handed down as plain values.
//!
//! Promises: all faults at once, each with file, line, key and the way out. What it does not do: touch the file system
//! beyond reading the named files, or let anything outside of this module see a file or an unchecked value.

mod check;
mod plan;

pub use check::{DEFAULT_YAML, read_files, read_texts};
pub use plan::{
    ApiPlan, CanaryPlan, CheckpointPlan, EventMode, EventsPlan, KafkaPlan, LimitsPlan, LogPlan, Plan,
    ReceivePlan, SeriesPlan, SloPlan, TimePlan, WireFormat,
};
pub use settings::Fault;
