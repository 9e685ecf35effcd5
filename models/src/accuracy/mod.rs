//! How well scores find labelled anomalies: figures for benchmarks, never part of a detector.
//!
//! Promises: no point adjustment anywhere (a random score would shine with it), ties decided by the definition
//! and not by the order of the points, no threshold chosen here. A score that is not a number is the lowest of all.
//! Deliberately absent: reading of recordings, choice of thresholds, plots.

mod auc;
mod episodes;
mod nab;
mod rand_index;
mod vus;

pub use auc::auc_pr;
pub use episodes::{Found, Reach, episodes, episodes_found};
pub use nab::{NabFile, NabProfile};
pub use rand_index::adjusted_rand_index;
pub use vus::vus_pr;
