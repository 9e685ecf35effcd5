//! The synchronous core: a batch in, messages out.
//!
//! An operator never touches a socket, a disk or a clock; it holds bounded state and can give it away between two
//! batches. What this module does not do: run operators ([`crate::runtime`]).

mod chain;

pub use chain::Chain;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::batch::Batch;
use crate::error::EngineError;
use crate::record::UnixNanos;

/// How far event time has come. Both stamps only ever rise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// No row with an earlier event time is expected any more; such a row is late.
    pub watermark: UnixNanos,
    /// The arrival stamp of the newest record: the log's own clock.
    pub log_clock: UnixNanos,
}

/// A message for the outside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Which stream it belongs to, as in `risk-events`.
    pub topic: String,
    /// Record key.
    pub key: String,
    /// Headers in order.
    pub headers: Vec<(String, String)>,
    /// The value.
    pub value: Bytes,
}

/// Collects what an operator says. It does not send.
#[derive(Debug, Default)]
pub struct Output {
    /// In the order in which they were said.
    pub messages: Vec<Message>,
}

/// Operator state between two batches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateBlob {
    /// Whose state.
    pub operator: String,
    /// Version of the layout of `bytes`.
    pub version: u32,
    /// The state.
    pub bytes: Vec<u8>,
}

impl Message {
    /// A value that two equal messages share, over every field.
    #[must_use]
    pub fn digest(&self) -> u64 {
        let mut hasher = xxhash_rust::xxh3::Xxh3::new();
        let mut part = |bytes: &[u8]| {
            hasher.update(&(bytes.len() as u64).to_le_bytes());
            hasher.update(bytes);
        };
        part(self.topic.as_bytes());
        part(self.key.as_bytes());
        for (name, value) in &self.headers {
            part(name.as_bytes());
            part(value.as_bytes());
        }
        part(&self.value);
        hasher.digest()
    }

    /// The value of a header.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }
}

/// A stage of the chain. Same batches and progress in the same order give the same output and state.
pub trait Operator: Send {
    /// Takes in one batch. Input is never a reason to fail: what cannot be used is counted.
    ///
    /// # Errors
    /// Only for broken invariants of the operator itself.
    fn on_batch(&mut self, batch: &Batch, out: &mut Output) -> Result<(), EngineError>;

    /// Closes what ends at or before the watermark.
    ///
    /// # Errors
    /// Only for broken invariants of the operator itself.
    fn on_progress(&mut self, progress: Progress, out: &mut Output) -> Result<(), EngineError>;

    /// The state as it is between two batches.
    fn save(&self) -> StateBlob;

    /// Takes over a state that [`Operator::save`] gave, also of an older version.
    ///
    /// # Errors
    /// [`EngineError::StateVersion`] for a newer version, [`EngineError::Damaged`] for bytes that do not parse.
    fn load(&mut self, blob: StateBlob) -> Result<(), EngineError>;
}
