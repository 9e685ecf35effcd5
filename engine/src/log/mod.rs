//! The embedded log: what a lane reads when there is no Kafka.
//!
//! Promises: an append is answered after its record is durable; nothing that was answered is lost or changed without
//! being noticed; arrival stamps are given once and never fall; a clock record is written every second; memory and
//! disk have bounds. What this module does not do: look into bodies, serve more than one process, or replicate.
//!
//! # Invariants
//! - Records have consecutive offsets; a segment file is named after the offset of its first record.
//! - A segment is synced before the next one begins, whose header tells its base and length: a missing or shortened
//!   segment is noticed when the log is opened.
//! - Readers see only what was answered.
//! - Bytes are cut only from the end of the newest segment, and only if no later frame proves that they were synced.

mod config;
mod counters;
mod disk;
mod frame;
mod reader;
mod recover;
mod retention;
mod segments;
mod source;
#[cfg(test)]
mod tests;
mod writer;

use std::sync::Arc;

use bytes::Bytes;

pub use config::{LogConfig, OnDamage, SyncPolicy};
pub use reader::{LogReader, Readers};
pub use recover::Cut;
pub use source::LogSource;
pub use writer::LogWriter;

use crate::error::EngineError;
use crate::record::{Compression, Encoding, RecordKind};
use crate::telemetry::Telemetry;
use crate::time::clock::Clock;

/// Name of the log's one partition in [`crate::record::Positions`].
pub const PARTITION: &str = "log";

/// A record before the log has given it an offset and an arrival stamp.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRecord {
    /// Whose data it is.
    pub tenant: Arc<str>,
    /// What it holds.
    pub kind: RecordKind,
    /// How the body is written.
    pub encoding: Encoding,
    /// How the body is packed.
    pub compression: Compression,
    /// The body as received.
    pub body: Bytes,
}

/// Why a record was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AppendError {
    /// Too much waits already.
    #[error("the log's queue is full ({records} records, {bytes} bytes wait); try again soon")]
    Full {
        /// Records that wait.
        records: usize,
        /// Body bytes that wait.
        bytes: usize,
    },
    /// The body is larger than a record may be.
    #[error("a body of {bytes} bytes is larger than record_bytes_max ({limit})")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// What is allowed.
        limit: usize,
    },
    /// The tenant's name is too long.
    #[error("a tenant name of {0} bytes is longer than 255")]
    TenantTooLong(usize),
    /// The disk is full. Appends work again as soon as it is not.
    #[error(
        "no space left for the log in {dir}: free some or lower retention_bytes; appends resume by themselves"
    )]
    NoSpace {
        /// Where.
        dir: String,
    },
    /// The disk refused. Every append tries again.
    #[error("cannot append to the log: {0}")]
    Disk(String),
    /// The log was closed.
    #[error("the log has been closed")]
    Closed,
}

/// An opened log.
#[derive(Debug)]
pub struct OpenLog {
    /// Takes records; clone it freely.
    pub writer: LogWriter,
    /// Gives readers and sources.
    pub readers: Readers,
    /// What opening found.
    pub report: OpenReport,
}

/// What opening a log found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OpenReport {
    /// Offset of the oldest record that is kept.
    pub first_offset: u64,
    /// Offset that the next record gets.
    pub next_offset: u64,
    /// How many segments there are.
    pub segments: usize,
    /// The torn end that was cut off, if there was one.
    pub cut: Option<Cut>,
    /// Damage in the middle that the settings say to skip.
    pub skipped: Option<String>,
}

/// The embedded log.
#[derive(Debug)]
pub struct Log;

impl Log {
    /// Opens or makes the log: takes the lock, checks the chain of segments, cuts a torn end, and starts the writer
    /// thread. Reads the newest segment; call it where blocking is allowed.
    ///
    /// # Errors
    /// [`EngineError::Setting`] for settings that cannot work and for a directory that another process has locked,
    /// [`EngineError::File`] when the disk refuses, [`EngineError::Damaged`] for damage of what had been acknowledged.
    pub fn open(config: LogConfig, clock: Clock, telemetry: &Telemetry) -> Result<OpenLog, EngineError> {
        writer::open(config, clock, telemetry, Box::new(disk::Directory))
    }
}
