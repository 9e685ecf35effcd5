//! The per-series baseline: every signal of a service against its own past. A table of contents.
//!
//! Rows become points of workload-level series ([`golden`], [`levels`]), two of them of how pods differ ([`siblings`]) and of how
//! signals go together ([`together`]); the models judge them before they learn them
//! ([`book`], [`watch`]); an alarm budget decides what is said, and [`wording`] says it. It never asks for `act`. [`solo`] is the same for one series
//! alone, by which the benchmarks are run.

mod book;
mod golden;
mod levels;
mod name;
mod params;
mod rarity;
mod record;
mod siblings;
mod solo;
mod together;
mod watch;
mod wording;

#[cfg(test)]
mod tests;

pub(crate) use golden::Golden;
pub(crate) use name::{Point, SeriesName};
pub use params::SeriesParams;
pub(crate) use siblings::SiblingWatch;
pub(crate) use solo::{Begins, Solo};
pub use watch::SeriesCounts;
pub(crate) use watch::{Gate, SeriesWatch};
