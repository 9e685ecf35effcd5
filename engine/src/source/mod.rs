//! Where records come from: every source is replayable and has positions.
//!
//! What this module does not do: decode bodies, or decide what they mean.

use crate::error::EngineError;
use crate::record::{Positions, Record};

/// A record and where it stood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// Input partition, as in `log` or `otlp_metrics/0`.
    pub partition: std::sync::Arc<str>,
    /// Offset of the record after this one in that partition.
    pub next_offset: u64,
    /// The record.
    pub record: Record,
}

/// A replayable input.
pub trait Source: Send {
    /// The next record; waits for one. `None` when the input has ended for good (recorded files).
    fn next(&mut self) -> impl Future<Output = Result<Option<Received>, EngineError>> + Send;

    /// Everything before `upto` is part of a durable checkpoint and may be forgotten.
    fn commit(&mut self, upto: &Positions) -> impl Future<Output = Result<(), EngineError>> + Send;
}
