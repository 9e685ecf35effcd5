//! Where messages go.
//!
//! What this module does not do: decide what is said, or how often.

use crate::error::EngineError;
use crate::operator::Message;

/// Takes messages in order. At least once; the lane makes it exactly once by muting what was written before.
pub trait Sink: Send {
    /// Takes messages; they may wait in memory until [`Sink::flush`].
    fn write(&mut self, messages: &[Message]) -> impl Future<Output = Result<(), EngineError>> + Send;

    /// Returns when everything written is durable. Gives the number of messages ever written durably.
    fn flush(&mut self) -> impl Future<Output = Result<u64, EngineError>> + Send;
}
