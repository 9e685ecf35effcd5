//! Configuration and policy: layers of YAML and `--set`, read once, checked once, handed down as plain values.
//!
//! Promises: all faults at once, each with file, line, key and what is allowed. What it does not do: touch anything but
//! the named files, or let the rest of the program see a file or an unchecked value.

mod check;
mod freeze;
mod plan;

pub use check::{DEFAULT_YAML, read_files, read_texts};
pub use plan::{EnginePlan, IntakeKind, KafkaPlan, LimitsPlan, Plan};
pub use settings::Fault;
