//! What the lane needs of a decoder.
//!
//! What this module does not do: decode; [`crate::decode`] does.

use crate::batch::Batch;
use crate::decode::Drops;
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

    /// The same, and the items of the body that could not be used. A decoder that takes bodies whole or not at all needs
    /// no more than this.
    ///
    /// # Errors
    /// As [`Decode::decode`].
    fn decode_partly(&mut self, record: &Record) -> Result<(Batch, Drops), Undecodable> {
        self.decode(record).map(|batch| (batch, Drops::default()))
    }
}

impl Decode for crate::decode::Decoder {
    fn decode(&mut self, record: &Record) -> Result<Batch, Undecodable> {
        self.decode_partly(record).map(|(batch, _)| batch)
    }

    fn decode_partly(&mut self, record: &Record) -> Result<(Batch, Drops), Undecodable> {
        let undecodable = |error: crate::decode::DecodeError| Undecodable {
            reason: error.reason(),
            detail: error.to_string(),
        };
        crate::decode::Decoder::decode(self, record).map_err(undecodable)
    }
}
