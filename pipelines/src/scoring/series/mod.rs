//! The per-series baseline: every signal of a service against its own past. A table of contents.
//!
//! Rows become points of workload-level series ([`golden`], [`levels`]); the models judge them before they learn them
//! ([`book`], [`watch`]); an alarm budget decides what is said, and [`wording`] says it. It never asks for `act`.

mod book;
mod golden;
mod levels;
mod name;
mod params;
mod record;
mod watch;
mod wording;

#[cfg(test)]
mod tests;

pub(crate) use golden::Golden;
pub use params::SeriesParams;
pub use watch::SeriesCounts;
pub(crate) use watch::{Gate, SeriesWatch};
