//! What the lane needs of a decoder.
//!
//! What this module does not do: decode; [`crate::decode`] does.

use crate::batch::Batch;
use crate::record::Record;

/// A body that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Undecodable {
    /// Why, in one word for a counter.
    pub reason: &'static str,
    /// Why, in words.
    pub detail: String,
}

/// Turns a record into a batch. Same records in the same order give the same batches, wherever it began.
pub trait Decode: Send {
    /// Turns this record into a batch. Never asked for clock records.
    ///
    /// # Errors
    /// Why the body cannot be used; the decoder stays usable.
    fn decode(&mut self, record: &Record) -> Result<Batch, Undecodable>;
}

impl Decode for crate::decode::Decoder {
    fn decode(&mut self, record: &Record) -> Result<Batch, Undecodable> {
        let undecodable = |error: crate::decode::DecodeError| Undecodable {
            reason: error.reason(),
            detail: error.to_string(),
        };
        crate::decode::Decoder::decode(self, record).map(|(batch, _)| batch).map_err(undecodable)
    }
}
