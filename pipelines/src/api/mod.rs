//! The query side: risk events (list, one, follow), verdicts, health, metrics, schemas. Read only.
//!
//! What it does not do: take telemetry in (`engine::receive`), or act.

mod fault;
mod serve;
mod verdict;

pub use serve::{ApiState, Health, bind, serve};
pub use verdict::{Question, answer, inconclusive};
