//! What the benches share: requests of every kind, and a way to measure two sides in one run.
//!
//! The benches themselves (criterion) stand in `benches/`, one file a stage; the programs in `bin/` print the tables
//! that `README.md` quotes. What this crate does not do: hold anything that production uses.

pub mod batches;
pub mod bodies;
pub mod cases;
pub mod foretelling;
pub mod heart;
pub mod measure;
pub mod series;
