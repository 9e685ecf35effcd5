//! Where messages go.
//!
//! What this module does not do: decide what is said, or how often.

mod dead_letter;
mod events;
mod file;
mod journal;
#[cfg(feature = "kafka")]
mod kafka;
mod memory;
mod once;
mod retention;
mod tee;

pub use dead_letter::{DeadLetter, DeadLetterFile, DeadLetters, NoDeadLetters};
pub use events::{EventStore, Stored};
pub use file::{FileSink, read_messages};
pub use journal::{FileJournal, Journal};
#[cfg(feature = "kafka")]
pub use kafka::{KafkaDeadLetters, KafkaSink, KafkaSinkConfig, create_topics};
pub use memory::MemorySink;
pub use once::Once;
pub use retention::Retention;
pub use tee::Tee;

use crate::error::EngineError;
use crate::operator::Message;

/// Takes messages in order. At least once; the lane makes it exactly once by muting what was written before.
///
/// The messages of a lane are numbered from 0. A sink that was opened again is told where the lane goes on, says what
/// it holds from there, and is then given each message once: written if it was missing, passed over if it was there.
pub trait Sink: Send {
    /// The lane goes on with the message of this number. Gives what is held durably from there on: for each number
    /// the [`Message::digest`], or `None` for a hole.
    fn resume(&mut self, from: u64) -> impl Future<Output = Result<Vec<Option<u64>>, EngineError>> + Send;

    /// The next message is there already.
    fn pass_over(&mut self);

    /// Takes messages; they may wait in memory until [`Sink::flush`].
    fn write(&mut self, messages: &[Message]) -> impl Future<Output = Result<(), EngineError>> + Send;

    /// Returns when everything written is durable. Gives the number of messages ever written durably.
    fn flush(&mut self) -> impl Future<Output = Result<u64, EngineError>> + Send;

    /// No kept checkpoint needs the messages before this number: a sink that keeps them for readers may let go of
    /// those that are too many.
    fn forget(&mut self, upto: u64) -> impl Future<Output = Result<(), EngineError>> + Send {
        let _ = upto;
        std::future::ready(Ok(()))
    }
}
