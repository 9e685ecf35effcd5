//! The shop's facts in OTLP's words, batched per pod as an SDK would.
//!
//! Promises: pure; the same facts give the same bytes. Each pod has its own resource and its own export phase; spans
//! leave only after they ended. It does not send.

mod attribute;
mod counts;
mod outbox;
mod resource;
mod signal;

pub use outbox::{Batch, Intervals, Outbox, SignalKind, Wire};

#[cfg(test)]
mod tests;
